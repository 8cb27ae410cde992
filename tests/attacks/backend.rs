//! API keys: the app's backend, speaking for its users.

use std::fs;

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::jwt::{as_alice, participant, with};
use crate::support::{HEAD, JWT, LIVEKIT, Server, claims, folder, run};

const CHAIN: &str = r#"
[[authenticate]]
kind = "api_key"
keys_file = "keys.toml"
[[authorize]]
kind = "rules"
rules = [{ name = "blocked", room = "**", claims = { suspended = true }, deny = true }]
[[authorize]]
kind = "credential"
[[authorize]]
kind = "rules"
rules = [{ room = "org:{org}:**", role = "viewer" }, { room = "team:{teams}", role = "participant" }]
"#;

/// A key as `keygen` makes it, and its entry with other scopes and roles.
pub(crate) fn keygen(name: &str, scopes: &str, roles: &str) -> (String, String) {
    let said = run(folder().path(), &["keygen", name], &[], "");
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<_> =
        said.err.lines().filter(|line| !line.starts_with("scopes") && !line.starts_with("roles")).collect();
    let key = said.out.trim_end().to_owned();
    assert!(!said.err.contains(&key), "the entry holds no secret");
    (key, format!("{}\nscopes = {scopes}\nroles = {roles}\n", lines.join("\n")))
}

/// A server and its keys: everything, viewer alone, no scope for tokens.
fn start() -> (Server, [String; 3]) {
    let (all, first) = keygen("backend", "[\"token\", \"rooms\", \"invites\", \"revoke\"]", "[\"*\"]");
    let (viewer, second) = keygen("kiosk_2-b", "[\"token\"]", "[\"viewer\"]");
    let (other, third) = keygen("ops", "[\"rooms\", \"invites\", \"revoke\"]", "[\"*\"]");
    let folder = folder();
    fs::write(folder.path().join("keys.toml"), [first, second, third].concat()).unwrap();
    let server = Server::start_in(folder, &[HEAD, LIVEKIT, JWT, CHAIN].concat(), &[]);
    (server, [all, viewer, other])
}

fn ask(server: &Server, key: &str, body: Value) -> Answer {
    server.token(key, body)
}

fn nameless(sub: &str, room: &str) -> Value {
    with(participant(sub, "", room), json!({"name": null}))
}

#[test]
fn a_key_from_keygen_is_of_the_form_and_new_each_time() {
    let (first, entry) = keygen("a-b_c", "[]", "[]");
    let secret = first.strip_prefix("rk_a-b_c_").unwrap();
    assert_eq!(secret.len(), 43);
    assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert!(entry.contains("[[keys]]") && entry.contains("name = \"a-b_c\"") && entry.contains("sha256 = \""));
    assert_ne!(first, keygen("a-b_c", "[]", "[]").0);
    for name in ["", "a b", "é", "a/b", "a.b", &"x".repeat(33), "a\"b"] {
        let said = run(folder().path(), &["keygen", name], &[], "");
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{name}");
    }
}

#[test]
fn a_backend_speaks_for_the_user_it_names() {
    let (server, [all, ..]) = start();
    for body in [
        json!({"room_name": "x", "participant_identity": "carol", "role": "participant"}),
        json!({"room": "x", "user_id": "carol", "role": "participant"}),
        json!({"room": "x", "userId": "carol", "role": "participant"}),
    ] {
        assert_eq!(claims(&ask(&server, &all, body)), nameless("carol", "x"));
    }
    let named = json!({"room": "x", "user_id": "carol", "name": "Carol", "role": "participant"});
    assert_eq!(claims(&ask(&server, &all, named)), participant("carol", "Carol", "x"));
    for body in [
        json!({"room": "x", "role": "participant"}),
        json!({"room": "x", "user_id": "", "role": "participant"}),
        json!({"room": "x", "user_id": null, "role": "participant"}),
        json!({"room": "x", "user_id": " ", "role": "participant"}),
        json!({"room": "x", "user_id": "a\u{0}", "role": "participant"}),
        json!({"room": "x", "user_id": "x".repeat(257), "role": "participant"}),
        json!({"room": "x", "user_id": 7, "role": "participant"}),
        json!({"room": "x", "user_id": ["carol"], "role": "participant"}),
        json!({"room": "x", "user_id": "carol", "userId": "dave", "role": "participant"}),
        json!({"room": "x", "user_id": "carol", "role": ["host"]}),
        json!({"room": "x", "user_id": "carol", "role": {"livekit": {"room_admin": true}}}),
        json!({"room": "x", "user_id": "carol", "name": 7}),
        json!({"room": "x", "user_id": "carol", "name": "x".repeat(257)}),
        json!({"room": "x", "user_id": "carol", "claims": "org"}),
        json!({"room": "x", "user_id": "carol", "claims": [{"org": "acme"}]}),
        json!({"room": "x", "user_id": "carol", "claims": {"id": "dave"}}),
        json!({"room": "x", "user_id": "carol", "claims": {"key": "other"}}),
        json!({"room": "x", "user_id": "carol", "claims": {"name": "x"}, "name": "y"}),
        json!({"room": "x", "user_id": "carol", "ttl": "24h"}),
        json!({"room": "x", "user_id": "carol", "permissions": []}),
        json!({"room_name": "x", "user_id": "carol"}),
    ] {
        let answer = ask(&server, &all, body.clone());
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{body}");
    }
}

#[test]
fn a_key_gives_the_roles_it_may_and_needs_its_scope() {
    let (server, [all, viewer, other]) = start();
    let with_role = |role: Value| json!({"room": "x", "user_id": "carol", "role": role});
    for role in ["host", "participant", "Viewer", "viewer ", "*", "nobody"] {
        ask(&server, &viewer, with_role(json!(role))).refused(403, "forbidden");
    }
    for role in ["nobody", "*", "Host"] {
        // A role that does not exist is none that any key may give.
        ask(&server, &all, with_role(json!(role))).refused(403, "forbidden");
    }
    let seen = claims(&ask(&server, &viewer, with_role(json!("viewer"))));
    assert_eq!(seen["video"]["canPublish"], false);
    let host = claims(&ask(&server, &all, with_role(json!("host"))));
    assert_eq!(host["video"]["roomAdmin"], true);
    ask(&server, &other, with_role(json!("viewer"))).refused(403, "forbidden");
    ask(&server, &other, json!({"room": "org:acme:x", "user_id": "carol", "claims": {"org": "acme"}}))
        .refused(403, "forbidden");
    for role in [Value::Null, json!("")] {
        // Not given: the rules decide, and nobody allows it.
        ask(&server, &all, with_role(role.clone())).refused(403, "forbidden");
        let ruled =
            json!({"room": "team:a", "user_id": "carol", "role": role, "name": role, "claims": {"teams": ["a"]}});
        assert_eq!(claims(&ask(&server, &all, ruled)), nameless("carol", "team:a"));
    }
}

#[test]
fn a_backends_claims_reach_the_rules_and_deny_comes_first() {
    let (server, [all, ..]) = start();
    let body = |room: &str, claims: Value| json!({"room": room, "user_id": "carol", "claims": claims});
    let seen = claims(&ask(&server, &all, body("org:acme:x", json!({"org": "acme"}))));
    assert_eq!((&seen["sub"], &seen["video"]["canPublish"]), (&json!("carol"), &json!(false)));
    assert_eq!(
        claims(&ask(&server, &all, body("team:red", json!({"teams": ["blue", "red"]})))),
        nameless("carol", "team:red")
    );
    for (room, claims) in [
        ("org:acme:x", json!({})),
        ("org:acme:x", json!({"org": "evil"})),
        ("org:acme:x", json!({"org": "*"})),
        ("org:acme:x", json!({"org": {"org": "acme"}})),
        ("team:red", json!({"teams": ["blue"]})),
        ("x", json!({})),
    ] {
        ask(&server, &all, body(room, claims)).refused(403, "forbidden");
    }
    let suspended = json!({"room": "x", "user_id": "carol", "role": "host", "claims": {"suspended": true}});
    ask(&server, &all, suspended).refused(403, "forbidden");
    // The role comes before the rules after it.
    let both = json!({"room": "org:acme:x", "user_id": "carol", "role": "participant", "claims": {"org": "acme"}});
    assert_eq!(claims(&ask(&server, &all, both)), nameless("carol", "org:acme:x"));
}

#[test]
fn without_a_credential_authorizer_a_role_counts_for_nothing() {
    let (key, entry) = keygen("backend", "[\"token\"]", "[\"*\"]");
    let folder = folder();
    fs::write(folder.path().join("keys.toml"), entry).unwrap();
    let chain =
        CHAIN.replace("kind = \"credential\"", "kind = \"rules\"\nrules = [{ room = \"lobby\", role = \"viewer\" }]");
    let server = Server::start_in(folder, &[HEAD, LIVEKIT, JWT, &chain].concat(), &[]);
    ask(&server, &key, json!({"room": "x", "user_id": "carol", "role": "host"})).refused(403, "forbidden");
    let seen = claims(&ask(&server, &key, json!({"room": "lobby", "user_id": "carol", "role": "host"})));
    assert_eq!(seen["video"].get("roomAdmin"), None);
}

#[test]
fn only_a_backend_may_name_role_and_claims() {
    let (server, [all, ..]) = start();
    for field in ["name", "role", "claims"] {
        for value in [json!("host"), json!({}), json!({"org": "acme"}), Value::Null, json!("")] {
            let answer = ask(&server, &as_alice(), json!({"room": "x", field: value}));
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{field} {value}");
        }
    }
    // What is no key of ours is nobody's, whatever it looks like.
    let mut wrong =
        vec!["rk_".to_owned(), "rk_backend_".to_owned(), all.to_uppercase(), format!("{all}x"), format!("x{all}")];
    wrong.extend([
        all[..all.len() - 1].to_owned(),
        all.replace("rk_backend", "rk_ops"),
        format!("rk_{all}"),
        format!("{all}.{all}.{all}"),
    ]);
    for key in wrong {
        ask(&server, &key, json!({"room": "x", "user_id": "carol", "role": "host"})).refused(401, "unauthenticated");
    }
    for (name, value) in
        [("X-Api-Key", all.clone()), ("Cookie", format!("session={all}")), ("Authorization", format!("Basic {all}"))]
    {
        let answer = server.post().header(name, value).json(r#"{"room":"x","user_id":"carol","role":"host"}"#).send();
        answer.refused(401, "unauthenticated");
    }
    let target = format!("/livekit/token?api_key={all}");
    server.ask("POST", &target).json(r#"{"room":"x","user_id":"carol"}"#).send().refused(401, "unauthenticated");
}

#[test]
fn a_key_alone_in_the_environment_is_enough() {
    let (key, _) = keygen("app", "[]", "[]");
    let secret = crate::support::API_SECRET;
    let environment = [
        ("ROOMKEY_API_KEY", key.as_str()),
        ("LIVEKIT_URL", "wss://rtc.example.com"),
        ("LIVEKIT_API_KEY", "APItest"),
        ("LIVEKIT_API_SECRET", secret),
        ("PORT", "0"),
        ("ROOMKEY__ADMIN__LISTEN", "127.0.0.1:0"),
        ("ROOMKEY__SERVER__LISTEN", "127.0.0.1:1"),
        ("ROOMKEY__LOG__LEVEL", "trace"),
    ];
    let server = Server::spawn(folder(), &["serve"], &environment);
    let body = json!({"room": "x", "user_id": "carol", "role": "participant"});
    assert_eq!(claims(&ask(&server, &key, body)), nameless("carol", "x"));
    server.post().json(r#"{"room":"x","user_id":"carol","role":"host"}"#).send().refused(401, "unauthenticated");
    server.terminate();
    let said = server.finish();
    assert_eq!(said.code, Some(0));
    assert!(!said.err.contains(&key) && !said.err.contains(secret));
}
