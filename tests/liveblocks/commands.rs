//! `check`, `mint`, `inspect` and `dev`, as far as Liveblocks goes.

use serde_json::{Value, json};

use crate::support::{OPEN, Ran, Roomkey, SECRET_KEY, Upstream, claims_of, cloud, form, reply, run, sign};

const SIGNING: &str = "0123456789abcdef0123456789abcdef";
const READ: &str = r#"["room:read","room:presence:write","comments:read"]"#;

const RULES: &str = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
name = "org"
room = "org:{org}:**"
role = "participant"
liveblocks_rooms = ["org:{org}:*"]
[[authorize.rules]]
name = "inbox"
no_room = true
role = "viewer"
liveblocks_rooms = ["user:{id}:*"]
"#;

fn local(rules: &str) -> String {
    form(&format!("signing_secret = \"{SIGNING}\""), rules)
}

fn check(config: &str, arguments: &[&str]) -> Ran {
    run(&[&["check", "--config", "roomkey.toml"], arguments].concat(), config, &[])
}

#[test]
fn check_decides_for_real_and_asks_nobody() {
    let upstream = Upstream::good();
    let config = cloud(&upstream.url(), "", RULES);
    let alice = r#"{"id":"alice","org":"acme","name":"Alice"}"#;
    let ran = check(&config, &["--json", "--as", alice, "--liveblocks", "org:acme:x"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["errors"], json!([]));
    let write = json!(["room:write", "comments:write"]);
    assert_eq!(
        report["decision"],
        json!({"outcome": "allow", "rule": "org", "role": "participant", "claims": {
            "userId": "alice", "permissions": {"org:acme:x": write, "org:acme:*": write},
            "userInfo": {"name": "Alice"}, "organizationId": "acme",
        }})
    );
    let ran = check(&config, &["--json", "--as", alice, "--liveblocks-personal"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (report["decision"]["rule"].as_str(), report["decision"]["role"].as_str()),
        (Some("inbox"), Some("viewer"))
    );
    assert_eq!(report["decision"]["claims"]["permissions"].to_string(), format!("{{\"user:alice:*\":{READ}}}"));
    let ran = check(&config, &["--as", alice, "--liveblocks", "org:acme:x"]);
    for line in ["allow", "org", "participant", "org:acme:*"] {
        assert!(ran.code == Some(0) && ran.stdout.contains(line), "{ran:?}");
    }
    let ran = check(&config, &["--json", "--as", alice, "--liveblocks", "org:evil:x"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &report["decision"]["outcome"]), (Some(1), &json!("deny")), "{ran:?}");
    assert_eq!(report["decision"]["claims"], Value::Null);
    assert_eq!(upstream.connections(), 0);
    assert!(!format!("{ran:?}").contains(SECRET_KEY));
}

#[test]
fn check_shows_what_would_be_signed() {
    let ran = check(&local(RULES), &["--json", "--as", r#"{"id":"alice","org":"acme"}"#, "--liveblocks-personal"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let claims = report["decision"]["claims"].as_object().unwrap();
    assert_eq!(claims.keys().collect::<Vec<_>>(), ["exp", "iat", "jti", "k", "perms", "pid", "uid"]);
    assert_eq!(claims["perms"].to_string(), format!("{{\"user:alice:*\":{READ}}}"));
}

#[test]
fn check_refuses_what_is_no_question() {
    let config = local(RULES);
    let alice = r#"{"id":"alice"}"#;
    for (arguments, code) in [
        (&["--as", alice][..], 2),
        (&["--liveblocks", "r"], 2),
        (&["--liveblocks-personal"], 2),
        (&["--as", alice, "--liveblocks", "r", "--liveblocks-personal"], 2),
        (&["--as", alice, "--liveblocks", "*"], 2),
        (&["--as", alice, "--liveblocks", ""], 2),
        (&["--as", r#"{"org":"acme"}"#, "--liveblocks", "r"], 2),
        (&["--as", "alice", "--liveblocks", "r"], 2),
        // it would be a 500
        (&["--as", &format!("{{\"id\":\"{}\"}}", "a".repeat(129)), "--liveblocks-personal"], 1),
    ] {
        let ran = check(&config, arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(!ran.stderr.is_empty(), "{ran:?}");
    }
    let off =
        "[livekit]\nurl = \"wss://x.example\"\napi_key = \"k\"\napi_secret = \"0123456789abcdef0123456789abcdef\"\n"
            .to_owned()
            + &form("", OPEN);
    let ran = check(&off, &["--as", alice, "--liveblocks", "r"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("liveblocks"), "{ran:?}");
}

/// `--json` is JSON whatever comes of it.
#[test]
fn check_says_in_json_too_what_could_not_be_granted() {
    let claims = format!("{{\"id\":\"{}\"}}", "a".repeat(129));
    let ran = check(&local(RULES), &["--json", "--as", &claims, "--liveblocks-personal"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((ran.code, &report["decision"]["outcome"]), (Some(1), &json!("error")), "{ran:?}");
    assert!(report["decision"]["reason"].as_str().unwrap().contains("129"), "{ran:?}");
}

fn mint(config: &str, arguments: &[&str]) -> Ran {
    run(&[&["mint", "liveblocks", "--config", "roomkey.toml"], arguments].concat(), config, &[])
}

#[test]
fn mint_asks_liveblocks() {
    let upstream = Upstream::good();
    let config = cloud(&upstream.url(), "timeout = \"1s\"", OPEN);
    let ran = mint(&config, &["--user", "alice", "--room", "r", "--role", "viewer"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "TOKEN-1\n"), "{ran:?}");
    assert_eq!(upstream.last().body, format!("{{\"userId\":\"alice\",\"permissions\":{{\"r\":{READ}}}}}"));
    assert_eq!(upstream.last().header("authorization"), Some(&*format!("Bearer {SECRET_KEY}")));
    let ran = mint(&config, &["--user", "alice", "--room", "r", "--permissions", "*:read,comments:none"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "TOKEN-2\n"), "{ran:?}");
    assert_eq!(upstream.last().body, r#"{"userId":"alice","permissions":{"r":["*:read","comments:none"]}}"#);
    let id = cloud(&upstream.url(), "token = \"id\"", OPEN);
    assert_eq!(mint(&id, &["--user", "alice", "--room", "r", "--role", "viewer"]).code, Some(0));
    assert_eq!(upstream.last().line, "POST /v2/identify-user HTTP/1.1");
    // keys alone are enough
    let environment = [("LIVEBLOCKS_SECRET_KEY", "sk_alone"), ("ROOMKEY__LIVEBLOCKS__BASE_URL", &*upstream.url())];
    let arguments = ["mint", "liveblocks", "--user", "a", "--room", "r", "--role", "host"];
    assert_eq!(run(&arguments, "", &environment).stdout, "TOKEN-4\n");
    let calls = upstream.calls();
    for wrong in [
        &["--user", "alice", "--room", "*", "--role", "viewer"][..],
        &["--user", "alice", "--room", "", "--role", "viewer"],
        &["--user", "", "--room", "r", "--role", "viewer"],
        &["--user", &"a".repeat(129), "--room", "r", "--role", "viewer"],
        &["--user", "alice", "--room", "r", "--role", "no-such"],
        &["--user", "alice", "--room", "r", "--permissions", "room:admin"],
        &["--user", "alice", "--room", "r", "--permissions", "*:read,*:write"],
        &["--user", "alice", "--room", "r", "--permissions", ""],
    ] {
        let ran = mint(&config, wrong);
        assert!(ran.code == Some(1) && ran.stdout.is_empty() && !ran.stderr.is_empty(), "{wrong:?}: {ran:?}");
    }
    for usage in [
        &["--user", "alice", "--room", "r"][..],
        &["--user", "alice", "--room", "r", "--role", "viewer", "--permissions", "*:read"],
        &["--user", "alice", "--role", "viewer"],
        &["--room", "r", "--role", "viewer"],
    ] {
        assert_eq!(mint(&config, usage).code, Some(2), "{usage:?}");
    }
    assert_eq!(upstream.calls(), calls);
    upstream.sends(reply(403, &[], b"BODY-CANARY"));
    let ran = mint(&config, &["--user", "alice", "--room", "r", "--role", "viewer"]);
    assert!(ran.code == Some(1) && ran.stdout.is_empty(), "{ran:?}");
    assert!(ran.stderr.contains("liveblocks.secret_key") && !ran.stderr.contains("CANARY"), "{ran:?}");
    upstream.hangs();
    let ran = mint(&config, &["--user", "alice", "--room", "r", "--role", "viewer"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("liveblocks.timeout"), "{ran:?}");
    let ran = mint(&form("", OPEN), &["--user", "alice", "--room", "r", "--role", "viewer"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("LIVEBLOCKS_SECRET_KEY"), "{ran:?}");
}

fn inspect(config: &str, arguments: &[&str]) -> Ran {
    run(&[&["inspect", "--config", "roomkey.toml"], arguments].concat(), config, &[])
}

#[test]
fn what_is_minted_here_can_be_inspected() {
    let config = local(OPEN);
    let ran = mint(&config, &["--user", "alice", "--room", "org:acme:x", "--role", "viewer"]);
    let token = ran.stdout.trim();
    let (_, claims) = claims_of(token, SIGNING);
    assert_eq!(claims["perms"].to_string(), format!("{{\"org:acme:x\":{READ}}}"));
    let ran = inspect(&config, &[token]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in ["valid: yes", "alice", "org:acme:x", "room:read"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    let report: Value = serde_json::from_str(&inspect(&config, &["--json", token]).stdout).unwrap();
    assert_eq!((&report["valid"], &report["claims"]), (&json!(true), &claims));
    // another key, another time, another token
    let other = form("signing_secret = \"another-secret-of-more-than-32-bytes\"", OPEN);
    assert!(inspect(&other, &[token]).code == Some(1));
    let mut old = claims.clone();
    old["exp"] = json!(1_000_000_000);
    let ran = inspect(&config, &[&sign(&old, SIGNING)]);
    assert!(ran.code == Some(1) && ran.stdout.contains("expired"), "{ran:?}");
    let mut everywhere = claims.clone();
    everywhere["perms"] = json!({"*": ["*:write"]});
    let ran = inspect(&config, &[&sign(&everywhere, SIGNING)]);
    assert!(ran.code == Some(0) && ran.stdout.contains("DANGER"), "{ran:?}");
    let groups = json!({"k": "id", "pid": "local", "uid": "u", "gids": ["admins"], "iat": 1, "exp": 4_000_000_000_u64, "jti": "x"});
    let ran = inspect(&config, &[&sign(&groups, SIGNING)]);
    assert!(ran.code == Some(0) && ran.stdout.contains("admins"), "{ran:?}");
}

/// What Liveblocks signs nobody else can check, and what its dev server makes
/// has no signature; both can be read all the same.
#[test]
fn a_token_of_liveblocks_can_be_read() {
    let config = cloud("http://127.0.0.1:9", "", OPEN);
    let claims = json!({"k": "acc", "pid": "localdev", "uid": "alice", "perms": {"r": ["*:write"]}, "iat": 1, "exp": 4_000_000_000_u64, "jti": "x"});
    let signed = sign(&claims, SIGNING);
    let payload = signed.split('.').nth(1).unwrap();
    for header in ["eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"] {
        let token = format!("{header}.{payload}.{}", if header.starts_with("eyJhbGciOiJub25l") { "" } else { "AAAA" });
        let ran = inspect(&config, &[&token]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("valid: no") && ran.stdout.contains("alice"), "{ran:?}");
    }
}

#[test]
fn dev_prints_lines_for_liveblocks() {
    let roomkey = Roomkey::start(&["dev", "--listen", "127.0.0.1:0"], "", &[]);
    let said = roomkey.said();
    for who in ["ALICE=", "BOB="] {
        let token = said.lines().find_map(|line| line.strip_prefix(who)).unwrap_or_else(|| panic!("{said}"));
        let line = said.lines().find(|line| line.contains("/api/liveblocks-auth") && line.contains(token));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        assert!(line.starts_with("curl ") && line.contains(&roomkey.address.to_string()), "{line}");
        // without Liveblocks' dev server, or with one: never a refusal
        let answer = roomkey.enter(&format!("Bearer {token}"), "standup");
        assert!(matches!(answer.status, 200 | 502), "{answer:?}");
    }
    roomkey.ask("Bearer x", "{}").is(401, "unauthenticated");
}
