//! Authenticators and authorizers that are refused.

use crate::config::Change::{End, Swap};
use crate::config::{all_refused, refused};
use crate::support::{HEAD, LIVEKIT, RULES, check, usual};

const RULE: &str = "[[authorize]]\nkind = \"rules\"\n[[authorize.rules]]\n";
const HEX: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn rules_that_cannot_be_are_refused() {
    let rule = |lines: &str| format!("{RULE}{lines}");
    let key = |name: &str| format!("authorize[1].rules[0].{name}");
    for (name, lines, setting) in [
        ("neither role nor deny", "room = \"**\"", "role"),
        ("both", "room = \"**\"\nrole = \"viewer\"\ndeny = true", "deny"),
        ("deny = false", "room = \"**\"\ndeny = false", "deny"),
        ("deny = false and a role", "room = \"**\"\nrole = \"viewer\"\ndeny = false", "deny"),
        ("an unknown role", "room = \"**\"\nrole = \"vewer\"", "role"),
        ("no room", "role = \"viewer\"", "room"),
        ("an empty room", "room = \"\"\nrole = \"viewer\"", "room"),
        ("an open brace", "room = \"org:{org:**\"\nrole = \"viewer\"", "room"),
        ("a closed brace", "room = \"org:org}:**\"\nrole = \"viewer\"", "room"),
        ("an empty brace", "room = \"{}\"\nrole = \"viewer\"", "room"),
        ("a rest not last", "room = \"**:x\"\nrole = \"viewer\"", "room"),
        ("a control character", "room = \"a\\u0000\"\nrole = \"viewer\"", "room"),
        ("no_room for LiveKit", "no_room = true\nprovider = \"livekit\"\nrole = \"viewer\"", "no_room"),
        ("no_room without rooms", "no_room = true\nrole = \"viewer\"", "liveblocks_rooms"),
        ("no_room and room", "room = \"x\"\nno_room = true\nrole = \"viewer\"", "no_room"),
        ("an unknown provider", "room = \"x\"\nprovider = \"livkit\"\nrole = \"viewer\"", "provider"),
        ("claims that are text", "room = \"x\"\nclaims = \"admin\"\nrole = \"viewer\"", "claims"),
        ("a claim that is a table", "room = \"x\"\nclaims = { a = { b = 1 } }\nrole = \"viewer\"", "claims"),
        ("a claim of nothing", "room = \"x\"\nclaims = { a = [] }\nrole = \"viewer\"", "claims"),
        ("no domain", "room = \"x\"\nemail_domain = []\nrole = \"viewer\"", "email_domain"),
        ("an address as domain", "room = \"x\"\nemail_domain = \"a@corp.com\"\nrole = \"viewer\"", "email_domain"),
        ("an empty domain", "room = \"x\"\nemail_domain = \"\"\nrole = \"viewer\"", "email_domain"),
        ("no expression", "room = \"x\"\nwhen = \"true ==\"\nrole = \"viewer\"", "when"),
        ("a project that there is not", "room = \"x\"\nproject = \"eu\"\nrole = \"viewer\"", "project"),
        ("a typo", "room = \"x\"\nrole = \"viewer\"\nclaim = { a = 1 }", "claim"),
        ("a typo in deny", "room = \"x\"\ndney = true", "dney"),
        (
            "too many Liveblocks rooms",
            "room = \"x\"\nrole = \"viewer\"\nliveblocks_rooms = [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]",
            "liveblocks_rooms",
        ),
    ] {
        refused(&check(&(usual() + &rule(lines)), &[]), name, &key(setting));
    }
    let docs = "[roles.docs.liveblocks]\npermissions = [\"room:read\"]\n";
    let reach = |provider: &str| rule(&format!("room = \"x\"\nrole = \"docs\"\n{provider}\n{docs}"));
    refused(&check(&(usual() + &reach("")), &[]), "a role without the section", &key("role"));
    assert_eq!(check(&(usual() + &reach("provider = \"liveblocks\"")), &[]).code, Some(0));
    // A role in a file is all there is to it.
    let replaced = "[roles.viewer.liveblocks]\npermissions = [\"room:read\"]\n";
    refused(&check(&(usual() + replaced), &[]), "a role replaced whole", "authorize[0].rules[1].role");
    all_refused(&[
        ("an unknown kind", End("[[authorize]]\nkind = \"rule\"\n"), &[], "authorize[1].kind"),
        ("no kind", End("[[authorize]]\nrules = []\n"), &[], "authorize[1].kind"),
        ("no rules", End("[[authorize]]\nkind = \"rules\"\n"), &[], "authorize[1].rules"),
        (
            "a database without a query",
            End("[[authorize]]\nkind = \"sql\"\nurl = \"sqlite:a.db\"\n"),
            &[],
            "authorize[1].query",
        ),
        ("a callback to nowhere", End("[[authorize]]\nkind = \"callback\"\n"), &[], "authorize[1].url"),
        (
            "a setting of another kind",
            End("[[authorize]]\nkind = \"credential\"\nrole = \"x\"\n"),
            &[],
            "authorize[1].role",
        ),
        (
            "a table instead of a list",
            Swap(
                "[[authorize]]\nkind = \"rules\"\n[[authorize.rules]]",
                "[authorize]\nkind = \"rules\"\n[[authorize.rules]]",
            ),
            &[],
            "authorize",
        ),
    ]);
}

#[test]
fn authenticators_that_cannot_be_are_refused() {
    let jwt = "[[authenticate]]\nkind = \"jwt\"\n";
    let secret = "secret = \"app-secret-CANARY-0123456789abcdefghijkl\"\n";
    for (name, lines, setting) in [
        ("a shared key for anyone", "public_key_file = \"app.pem\"", "public_key_file"),
        ("a private key", "audience = \"a\"\npublic_key_file = \"app-private.pem\"", "public_key_file"),
        ("a short key", "audience = \"a\"\npublic_key_file = \"rsa1024.pem\"", "public_key_file"),
        ("a curve we lack", "audience = \"a\"\npublic_key_file = \"p521.pem\"", "public_key_file"),
        ("no key", "audience = \"a\"\npublic_key_file = \"roomkey.toml\"", "public_key_file"),
        ("a missing file", "audience = \"a\"\npublic_key_file = \"nowhere.pem\"", "public_key_file"),
        ("a folder", "audience = \"a\"\npublic_key_file = \".\"", "public_key_file"),
        ("nothing", "audience = \"a\"", "secret"),
        (
            "both",
            "audience = \"a\"\npublic_key_file = \"app.pem\"\nsecret = \"app-secret-CANARY-0123456789abcdefghijkl\"",
            "public_key_file",
        ),
        (
            "HS256 with a public key",
            "audience = \"a\"\npublic_key_file = \"app.pem\"\nalgorithms = [\"HS256\"]",
            "algorithms",
        ),
        (
            "ES256 with RSA",
            "audience = \"a\"\npublic_key_file = \"app.pem\"\nalgorithms = [\"RS256\", \"ES256\"]",
            "algorithms",
        ),
        (
            "ES256 with P-384",
            "audience = \"a\"\npublic_key_file = \"p384.pem\"\nalgorithms = [\"ES256\"]",
            "algorithms",
        ),
        (
            "RS256 with Ed25519",
            "audience = \"a\"\npublic_key_file = \"ed25519.pem\"\nalgorithms = [\"RS256\"]",
            "algorithms",
        ),
        ("none", "audience = \"a\"\npublic_key_file = \"app.pem\"\nalgorithms = [\"none\"]", "algorithms"),
        ("no algorithm", "audience = \"a\"\npublic_key_file = \"app.pem\"\nalgorithms = []", "algorithms"),
        ("an empty audience", "audience = []\npublic_key_file = \"app.pem\"", "audience"),
        ("an audience of nothing", "audience = \"\"\npublic_key_file = \"app.pem\"", "audience"),
        ("nothing required", "require = {}\npublic_key_file = \"app.pem\"", "public_key_file"),
        ("a leeway of days", "audience = \"a\"\npublic_key_file = \"app.pem\"\nleeway = \"2d\"", "leeway"),
        ("no cookie's name", "audience = \"a\"\npublic_key_file = \"app.pem\"\ncookie = \"a;b\"", "cookie"),
        ("an empty issuer", "issuer = \"\"\naudience = \"a\"\npublic_key_file = \"app.pem\"", "issuer"),
        ("a typo", "audiense = \"a\"\naudience = \"a\"\npublic_key_file = \"app.pem\"", "audiense"),
        ("JWKS over plain HTTP", "audience = \"a\"\njwks_url = \"http://x.example/jwks\"", "jwks_url"),
    ] {
        let config = [HEAD, LIVEKIT, jwt, lines, "\n", RULES].concat();
        refused(&check(&config, &[]), name, &format!("authenticate[0].{setting}"));
    }
    let hs384 = format!("{jwt}{secret}algorithms = [\"RS256\"]\n");
    refused(&check(&[HEAD, LIVEKIT, &hs384, RULES].concat(), &[]), "RS256 with a secret", "authenticate[0].algorithms");
    for (name, lines, key) in [
        ("guests before others", format!("[[authenticate]]\nkind = \"guest\"\n{jwt}{secret}"), "authenticate[0].kind"),
        ("one guest for all", "[[authenticate]]\nkind = \"guest\"\nid = \"guest\"\n".to_owned(), "authenticate[0].id"),
        ("headers from anyone", "[[authenticate]]\nkind = \"header\"\n".to_owned(), "authenticate[0].from"),
        ("a session asked of nobody", "[[authenticate]]\nkind = \"callback\"\n".to_owned(), "authenticate[0].url"),
        (
            "invites that anyone could make",
            "[[authenticate]]\nkind = \"invite\"\n".to_owned(),
            "authenticate[0].secret",
        ),
        ("an unknown kind", "[[authenticate]]\nkind = \"jwtt\"\n".to_owned(), "authenticate[0].kind"),
        ("no keys", "[[authenticate]]\nkind = \"api_key\"\n".to_owned(), "authenticate[0].keys_file"),
        (
            "a missing keys file",
            "[[authenticate]]\nkind = \"api_key\"\nkeys_file = \"nowhere\"\n".to_owned(),
            "authenticate[0].keys_file",
        ),
        ("an unknown scope", api_key("scopes = [\"tokens\"]"), "authenticate[0].keys[0].scopes"),
        ("an unknown role", api_key("scopes = []\nroles = [\"vewer\"]"), "authenticate[0].keys[0].roles"),
        ("a key itself", api_key("scopes = []").replace(HEX, "rk_a_CANARY"), "authenticate[0].keys[0].sha256"),
        (
            "a name twice",
            api_key("scopes = []") + &api_key("scopes = []").replace("[[authenticate]]\nkind = \"api_key\"\n", ""),
            "authenticate[0].keys[1].name",
        ),
    ] {
        refused(&check(&[HEAD, LIVEKIT, &lines, RULES].concat(), &[]), name, key);
    }
}

fn api_key(lines: &str) -> String {
    format!("[[authenticate]]\nkind = \"api_key\"\n[[authenticate.keys]]\nname = \"a\"\nsha256 = \"{HEX}\"\n{lines}\n")
}
