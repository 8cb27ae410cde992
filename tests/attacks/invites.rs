//! Invites: keys to one room, made by the backend, for people without a login.

use std::fs;

use serde_json::{Value, json};

use crate::backend::keygen;
use crate::support::http::Answer;
use crate::support::jwt::{as_alice, hs256, now};
use crate::support::{HEAD, JWT, LIVEKIT, Server, claims, folder};

const SECRET: &str = "invite-secret-CANARY-0123456789abcdefghij";

const CHAIN: &str = r#"
[[authenticate]]
kind = "api_key"
keys_file = "keys.toml"
[[authenticate]]
kind = "invite"
secret = "invite-secret-CANARY-0123456789abcdefghij"
max_ttl = "2h"
[[authorize]]
kind = "credential"
"#;

/// A server; a key for everything, one for viewers alone, one without the scope.
fn start() -> (Server, [String; 3]) {
    let (all, first) = keygen("backend", r#"["invites"]"#, r#"["*"]"#);
    let (viewer, second) = keygen("kiosk", r#"["invites"]"#, r#"["viewer"]"#);
    let (other, third) = keygen("other", r#"["token", "rooms", "revoke"]"#, r#"["*"]"#);
    let folder = folder();
    fs::write(folder.path().join("keys.toml"), [first, second, third].concat()).unwrap();
    (Server::start_in(folder, &[HEAD, LIVEKIT, JWT, CHAIN].concat(), &[]), [all, viewer, other])
}

fn invite(server: &Server, key: &str, body: &Value) -> Answer {
    server.ask("POST", "/v1/invites").bearer(key).json(body.to_string()).send()
}

fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["invite"].as_str().unwrap().to_owned()
}

#[test]
fn an_invite_opens_its_room_as_its_role_to_a_guest() {
    let (server, [all, ..]) = start();
    let body = json!({"room": "org:acme:standup", "role": "viewer", "name": "Visitor", "expires_in": "1h"});
    let answer = invite(&server, &all, &body);
    let token = made(&answer);
    let (id, ends) = (answer.json()["id"].as_str().unwrap().to_owned(), answer.json()["expires_at"].as_i64().unwrap());
    assert!((ends - now() - 3600).abs() <= 5);
    let ask = |room: &str| server.token(&token, json!({"room_name": room}));
    let (first, second) = (claims(&ask("org:acme:standup")), claims(&ask("org:acme:standup")));
    for joined in [&first, &second] {
        assert!(joined["sub"].as_str().unwrap().starts_with(&format!("guest:{id}:")), "{joined}");
        assert_eq!((&joined["name"], &joined["video"]["room"]), (&json!("Visitor"), &json!("org:acme:standup")));
        assert_eq!((&joined["video"]["canPublish"], &joined["video"]["canSubscribe"]), (&json!(false), &json!(true)));
    }
    assert_ne!(first["sub"], second["sub"]);
    ask("org:acme:other").refused(403, "forbidden");
    let documents =
        invite(&server, &all, &json!({"room": "r", "role": "viewer", "provider": "liveblocks", "expires_in": 60}));
    server.token(&made(&documents), json!({"room": "r"})).refused(403, "forbidden");
    assert!(!server.log().contains(&token) && !server.log().contains("CANARY"));
}

#[test]
fn a_counted_invite_is_used_up() {
    let (server, [all, ..]) = start();
    let token = made(&invite(&server, &all, &json!({"room": "r", "role": "host", "expires_in": "1h", "uses": 2})));
    server.token(&token, json!({"room": "other"})).refused(403, "forbidden");
    for status in [200, 200, 403, 403] {
        assert_eq!(server.token(&token, json!({"room": "r"})).status, status);
    }
}

#[test]
fn who_gets_no_token_has_used_nothing() {
    let (all, entry) = keygen("backend", r#"["invites"]"#, r#"["*"]"#);
    let folder = folder();
    fs::write(folder.path().join("keys.toml"), entry).unwrap();
    let documents_alone = "[roles.docs.liveblocks]\npermissions = [\"room:read\"]\n";
    let server = Server::start_in(folder, &[HEAD, LIVEKIT, JWT, CHAIN, documents_alone].concat(), &[]);
    let body =
        |provider: &str| json!({"room": "r", "role": "docs", "expires_in": "1h", "uses": 1, "provider": provider});
    invite(&server, &all, &body("livekit")).refused(403, "forbidden");
    let token = made(&invite(&server, &all, &body("")));
    for _ in 0..3 {
        server.token(&token, json!({"room": "r"})).refused(503, "authorizer_unavailable");
    }
}

#[test]
fn only_a_key_with_the_scope_invites_and_only_within_its_roles() {
    let (server, [all, viewer, other]) = start();
    let body = |role: &str| json!({"room": "r", "role": role, "expires_in": "1h"});
    made(&invite(&server, &viewer, &body("viewer")));
    for (key, role) in [(&viewer, "host"), (&other, "viewer"), (&all, "no-such")] {
        invite(&server, key, &body(role)).refused(403, "forbidden");
    }
    for key in [as_alice(), "rk_backend_0123456789012345678901234567890123456789012".to_owned(), "x".to_owned()] {
        invite(&server, &key, &body("viewer")).refused(401, "unauthenticated");
    }
    server.ask("POST", "/v1/invites").json(body("viewer").to_string()).send().refused(401, "unauthenticated");
    for bad in [
        json!({"role": "viewer", "expires_in": "1h"}),
        json!({"room": "r", "expires_in": "1h"}),
        json!({"room": "r", "role": "viewer"}),
        json!({"room": " ", "role": "viewer", "expires_in": "1h"}),
        json!({"room": "r", "role": "viewer", "expires_in": "3h"}),
        json!({"room": "r", "role": "viewer", "expires_in": "1s"}),
        json!({"room": "r", "role": "viewer", "expires_in": "1h", "uses": 0}),
        json!({"room": "r", "role": "viewer", "expires_in": "1h", "uses": -1}),
        json!({"room": "r", "role": "viewer", "expires_in": "1h", "provider": "zoom"}),
        json!({"room": "r", "role": "viewer", "expires_in": "1h", "extra": 1}),
    ] {
        invite(&server, &all, &bad).refused(400, "invalid_request");
    }
}

#[test]
fn an_invite_that_we_did_not_sign_or_that_is_over_is_nobodys() {
    let (server, [all, ..]) = start();
    let good = made(&invite(&server, &all, &json!({"room": "r", "role": "viewer", "expires_in": "1h"})));
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let other = made(&invite(&server, &all, &json!({"room": "x", "role": "host", "expires_in": "1h"})));
    let signature = other.rsplit_once('.').unwrap().1;
    let said = json!({"jti": "a", "room": "r", "role": "host", "exp": now() + 600});
    for token in [
        format!("{head}.{payload}.{signature}"),
        format!("{head}.{payload}."),
        // A login's form, signed with the invites' secret.
        hs256(SECRET, said),
    ] {
        server.token(&token, json!({"room": "r"})).refused(401, "unauthenticated");
    }
    assert_eq!(server.token(&good, json!({"room": "r"})).status, 200);
}
