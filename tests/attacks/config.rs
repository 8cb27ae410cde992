//! Configurations that are refused, and what they say.

use std::fs;

use crate::support::{API_SECRET, HEAD, JWT, LIVEKIT, RULES, Said, check, folder, run, usual};

/// A name, what is changed in the usual configuration, variables, and the
/// setting that a line on stderr must name.
pub(crate) type Case<'a> = (&'a str, Change<'a>, &'a [(&'a str, &'a str)], &'a str);

pub(crate) enum Change<'a> {
    /// These lines are added at the end.
    End(&'a str),
    /// The first text is replaced by the second.
    Swap(&'a str, &'a str),
}

use Change::{End, Swap};

fn changed(change: &Change<'_>) -> String {
    match change {
        End(lines) => usual() + lines,
        Swap(from, to) => {
            assert!(usual().contains(from), "{from}");
            usual().replacen(from, to, 1)
        }
    }
}

/// A refusal: exit 1, nothing on stdout, and each line a place, a setting and
/// what to do.
#[track_caller]
pub(crate) fn refused(said: &Said, name: &str, key: &str) {
    assert_eq!(said.code, Some(1), "{name}: {said:?}");
    assert_eq!(said.out, "", "{name}");
    assert!(said.err.lines().any(|line| line.contains(&format!("{key}: "))), "{name}: no {key} in {}", said.err);
    assert!(said.err.lines().all(|line| line.matches(": ").count() >= 2), "{name}: {}", said.err);
    for secret in ["CANARY", API_SECRET] {
        assert!(!said.err.contains(secret), "{name}: {}", said.err);
    }
}

#[track_caller]
pub(crate) fn all_refused(cases: &[Case<'_>]) {
    for (name, change, environment, key) in cases {
        refused(&check(&changed(change), environment), name, key);
    }
}

const SECRET: &str = "lk-secret-CANARY-0123456789abcdefghijklm";
const API_SECRET_LINE: &str = "api_secret = \"lk-secret-CANARY-0123456789abcdefghijklm\"";

#[test]
fn every_violation_is_one_line_with_place_and_remedy() {
    let config = r#"
[server]
listen = 7890
lisen = "127.0.0.1:0"
[livekit]
url = "wss://rtc.example.com"
api_key = "APItest"
api_secret_file = "missing/secret-file"
ttl = "1m"
tll = "1m"
[cors]
allow_credentials = "yes"
[log]
level = "loud"
[[authenticate]]
kind = "jwt"
secret = "app-secret-CANARY-0123456789abcdefghijkl"
[[authorize]]
kind = "rules"
rules = [{ room = "**", role = "viewer" }]
"#;
    let folder = folder();
    fs::write(folder.path().join("roomkey.toml"), config).unwrap();
    for command in ["check", "serve"] {
        let said = run(folder.path(), &[command, "--config", "roomkey.toml"], &[], "");
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        let lines: Vec<_> = said.err.lines().collect();
        assert_eq!(lines.len(), 7, "{}", said.err);
        for (key, line, remedy) in [
            ("server.listen", 3, "string"),
            ("server.lisen", 4, "`server.listen`"),
            ("livekit.api_secret_file", 8, "readable"),
            ("livekit.ttl", 9, "from 2m"),
            ("livekit.tll", 10, "`livekit.ttl`"),
            ("cors.allow_credentials", 12, "true or false"),
            ("log.level", 14, "`info`"),
        ] {
            let wanted = format!("{key}: roomkey.toml:{line}: ");
            let found = lines.iter().find(|said| said.starts_with(&wanted));
            assert!(found.is_some_and(|said| said.contains(remedy)), "{wanted}{remedy} in {}", said.err);
        }
    }
    let said = run(folder.path(), &["check", "--json", "--config", "roomkey.toml"], &[], "");
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, report["errors"].as_array().unwrap().len()), (Some(1), 7));
    assert!(
        report["errors"][0]["key"].is_string()
            && report["errors"][0]["source"].is_string()
            && report["errors"][0]["message"].is_string()
    );
}

#[test]
fn f1_weak_secrets_are_refused_by_the_name_of_their_setting() {
    let short = "x".repeat(31);
    let weak = [
        "secret",
        "devsecret",
        "myappsecret",
        "!ChangeThisSecret!",
        "changeme",
        "CHANGEME",
        " secret ",
        &short,
        "",
        "   ",
        &" ".repeat(40),
        &"\\t".repeat(40),
        "APItest",
    ];
    for secret in weak {
        let line = format!("api_secret = \"{secret}\"");
        refused(&check(&usual().replace(API_SECRET_LINE, &line), &[]), secret, "livekit.api_secret");
        let jwt = format!("[[authenticate]]\nkind = \"jwt\"\nsecret = \"{secret}\"\n");
        refused(&check(&[HEAD, LIVEKIT, &jwt, RULES].concat(), &[]), secret, "authenticate[0].secret");
        if !secret.contains('\\') {
            let without = usual().replace(LIVEKIT, "");
            let key = [("LIVEKIT_URL", "wss://x"), ("LIVEKIT_API_KEY", "APItest"), ("LIVEKIT_API_SECRET", secret)];
            refused(&check(&without, &key), secret, "livekit.api_secret");
            let none = [HEAD, LIVEKIT, RULES].concat();
            refused(&check(&none, &[("ROOMKEY_JWT_SECRET", secret)]), secret, "authenticate[0].secret");
            if !secret.trim().is_empty() {
                let keys = format!("APIgood: {SECRET}\nAPIother: {secret}");
                refused(
                    &check(&without, &[("LIVEKIT_URL", "wss://x"), ("LIVEKIT_KEYS", &keys)]),
                    secret,
                    "livekit.keys",
                );
            }
        }
    }
    // The same secret in all places: a key of 32 bytes and more that is its own secret.
    let same = "APIsame-CANARY-0123456789abcdefghijklmn";
    let both = usual().replace("APItest", same).replace(SECRET, same);
    refused(&check(&both, &[]), "same", "livekit.api_secret");
    let folder = folder();
    fs::write(folder.path().join("weak"), "changeme\n").unwrap();
    fs::write(folder.path().join("roomkey.toml"), usual().replace(API_SECRET_LINE, "api_secret_file = \"weak\""))
        .unwrap();
    let said = run(folder.path(), &["serve", "--config", "roomkey.toml"], &[], "");
    refused(&said, "file", "livekit.api_secret_file");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    all_refused(&[
        ("an unknown section", End("[livkit]\nurl = \"x\"\n"), &[], "livkit"),
        ("an unknown role key", End("[roles.x.livekit]\ncan_publsh = true\n"), &[], "roles.x.livekit.can_publsh"),
        ("an owned role key", End("[roles.x.livekit]\nroom_join = true\n"), &[], "roles.x.livekit.room_join"),
        ("a role's room", End("[roles.x.livekit]\nroom = \"a\"\n"), &[], "roles.x.livekit.room"),
        ("a role's identity", End("[roles.x.livekit]\nidentity = \"a\"\n"), &[], "roles.x.livekit.identity"),
        ("a webhook's claim", End("[roles.x.livekit]\nsha256 = \"a\"\n"), &[], "roles.x.livekit.sha256"),
        ("a flag as text", End("[roles.x.livekit]\ncan_publish = \"false\"\n"), &[], "roles.x.livekit.can_publish"),
        (
            "an unknown source",
            End("[roles.x.livekit]\ncan_publish_sources = [\"cam\"]\n"),
            &[],
            "roles.x.livekit.can_publish_sources",
        ),
        ("an unknown kind", End("[roles.x.livekit]\nkind = \"robot\"\n"), &[], "roles.x.livekit.kind"),
        ("a stray brace", End("[roles.x.livekit]\nmetadata = \"{a\"\n"), &[], "roles.x.livekit.metadata"),
        (
            "a stray brace in an attribute",
            End("[roles.x.livekit.attributes]\na = \"a}\"\n"),
            &[],
            "roles.x.livekit.attributes",
        ),
        ("a role's ttl", End("[roles.x.livekit]\nttl = \"25h\"\n"), &[], "roles.x.livekit.ttl"),
        (
            "egress with a secret",
            End("[roles.x.livekit.room_config.egress.room]\nfile_outputs = [{ s3 = { secret = \"CANARY\" } }]\n"),
            &[],
            "roles.x.livekit.room_config.egress",
        ),
        (
            "no base scope",
            End("[roles.x.liveblocks]\npermissions = [\"comments:read\"]\n"),
            &[],
            "roles.x.liveblocks.permissions",
        ),
        (
            "two base scopes",
            End("[roles.x.liveblocks]\npermissions = [\"room:read\", \"room:write\"]\n"),
            &[],
            "roles.x.liveblocks.permissions",
        ),
        (
            "an unknown scope",
            End("[roles.x.liveblocks]\npermissions = [\"room:admin\"]\n"),
            &[],
            "roles.x.liveblocks.permissions",
        ),
        ("ttl too short", Swap("[livekit]", "[livekit]\nttl = \"119s\""), &[], "livekit.ttl"),
        ("ttl too long", Swap("[livekit]", "[livekit]\nttl = \"1441m\""), &[], "livekit.ttl"),
        ("ttl beyond numbers", Swap("[livekit]", "[livekit]\nttl = \"99999999999999999999h\""), &[], "livekit.ttl"),
        ("ttl negative", Swap("[livekit]", "[livekit]\nttl = -600"), &[], "livekit.ttl"),
        ("ttl without a unit we know", Swap("[livekit]", "[livekit]\nttl = \"10min\""), &[], "livekit.ttl"),
        ("a url of another scheme", Swap("wss://rtc.example.com", "ftp://rtc.example.com"), &[], "livekit.url"),
        ("a url without one", Swap("wss://rtc.example.com", "rtc.example.com"), &[], "livekit.url"),
        ("no url", Swap("url = \"wss://rtc.example.com\"\n", ""), &[], "livekit.url"),
        ("api_url by websocket", Swap("[livekit]", "[livekit]\napi_url = \"ws://x\""), &[], "livekit.api_url"),
        ("an api_key alone", Swap(API_SECRET_LINE, ""), &[], "livekit.api_secret"),
        ("a secret alone", Swap("api_key = \"APItest\"", ""), &[], "livekit.api_key"),
        (
            "a generated room without random",
            Swap("[livekit]", "[livekit]\ngenerated_room = \"room\""),
            &[],
            "livekit.generated_room",
        ),
        ("when_no_room", Swap("[livekit]", "[livekit]\nwhen_no_room = \"any\""), &[], "livekit.when_no_room"),
        ("an attribute of LiveKit's", End("[livekit.attributes]\n\"lk.x\" = \"y\"\n"), &[], "livekit.attributes"),
        (
            "a client's lk. attribute",
            End("[livekit.client_may_set]\nattributes = [\"lk.x\"]\n"),
            &[],
            "livekit.client_may_set.attributes",
        ),
        (
            "a client's and ours",
            End("[livekit.attributes]\nplan = \"p\"\n[livekit.client_may_set]\nattributes = [\"plan\"]\n"),
            &[],
            "livekit.client_may_set.attributes",
        ),
        (
            "an unknown permission of clients",
            End("[livekit.client_may_set]\nrole = true\n"),
            &[],
            "livekit.client_may_set.role",
        ),
        ("any proxy", Swap("[admin]", "trusted_proxies = [\"::/0\"]\n[admin]"), &[], "server.trusted_proxies"),
        ("no CIDR", Swap("[admin]", "trusted_proxies = [\"localhost\"]\n[admin]"), &[], "server.trusted_proxies"),
        (
            "star and credentials",
            Swap("[\"https://app.example.com\"]", "[\"*\"]\nallow_credentials = true"),
            &[],
            "cors.allowed_origins",
        ),
        (
            "a path in an origin",
            Swap("https://app.example.com", "https://app.example.com/"),
            &[],
            "cors.allowed_origins",
        ),
        (
            "a pattern as an origin",
            Swap("https://app.example.com", "https://*.example.com"),
            &[],
            "cors.allowed_origins",
        ),
        ("null as an origin", Swap("https://app.example.com", "null"), &[], "cors.allowed_origins"),
        ("no address", Swap("listen = \"127.0.0.1:0\"", "listen = \"localhost:0\""), &[], "server.listen"),
        ("a port beyond", Swap("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:65536\""), &[], "server.listen"),
        ("a body of anything", Swap("[admin]", "max_body = \"1GiB\"\n[admin]"), &[], "server.max_body"),
        ("no time at all", Swap("request_timeout = \"10s\"", "request_timeout = 0"), &[], "server.request_timeout"),
        ("a key twice", Swap("[livekit]", "[livekit]\nurl = \"wss://y\""), &[], "TOML"),
        ("no TOML", End("= CANARY-value\n"), &[], "TOML"),
        ("a bare secret", End("x = CANARY-value\n"), &[], "TOML"),
        ("a limit, later", End("[limits]\nper_ip = \"1/s\"\n"), &[], "limits"),
        ("no secret key", End("[liveblocks]\nsecret_key = \"CANARY\"\n"), &[], "liveblocks.secret_key"),
        (
            "a project without keys",
            End("[livekit.projects.eu]\nurl = \"wss://y\"\n"),
            &[],
            "livekit.projects.eu.api_key",
        ),
    ]);
}

#[test]
fn what_is_missing_altogether_is_said() {
    for (name, config, key) in [
        ("no authenticator", [HEAD, LIVEKIT, RULES].concat(), "authenticate"),
        ("no authorizer", [HEAD, LIVEKIT, JWT].concat(), "authorize"),
        ("no provider", [HEAD, JWT, RULES].concat(), "livekit"),
        (
            "an empty list of authenticators",
            format!("authenticate = []\n{}", [HEAD, LIVEKIT, RULES].concat()),
            "authenticate",
        ),
        ("an empty list of authorizers", format!("authorize = []\n{}", [HEAD, LIVEKIT, JWT].concat()), "authorize"),
    ] {
        refused(&check(&config, &[]), name, key);
    }
}

#[test]
fn one_mistake_is_one_line() {
    for (from, to) in [
        ("api_secret", "api_secert"),
        ("api_key", "api_kye"),
        ("url =", "ulr ="),
        ("kind = \"rules\"", "knid = \"rules\""),
    ] {
        let said = check(&usual().replacen(from, to, 1), &[]);
        let misspelt = to.split(' ').next().unwrap();
        assert!(said.err.contains(misspelt), "{}", said.err);
        assert_eq!((said.code, said.err.lines().count()), (Some(1), 1), "{}", said.err);
    }
}
