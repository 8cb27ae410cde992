//! What is never said: secrets, tokens, bodies; at any level.

use serde_json::json;

use crate::support::{API_KEY, APP_SECRET, OPEN, Roomkey, SECRET_KEY, Upstream, bearer, cloud, form, reply, run};

const TRACE: [(&str, &str); 1] = [("ROOMKEY__LOG__LEVEL", "trace")];

#[test]
fn nothing_secret_is_logged_at_any_level() {
    for format in ["json", "text"] {
        let upstream = Upstream::good();
        let config = cloud(&upstream.url(), "timeout = \"300ms\"", OPEN);
        let roomkey = Roomkey::serve_with(&config, &[TRACE[0], ("ROOMKEY__LOG__FORMAT", format)]);
        let caller = bearer(
            json!({"sub": "alice", "name": "NAME-CANARY", "picture": "PICTURE-CANARY", "org": "ORG-CANARY", "other": "CLAIM-CANARY"}),
        );
        let mut answers = Vec::new();
        let mut ask = |answer| answers.push(format!("{answer:?}"));
        upstream.sends(reply(200, &[], br#"{"token":"TOKEN-CANARY.b.c"}"#));
        assert_eq!(roomkey.enter(&caller, "r").token(), "TOKEN-CANARY.b.c");
        for status in [400, 401, 403, 422, 429, 500, 302] {
            upstream.sends(reply(
                status,
                &[("location", "http://127.0.0.1:9/LOCATION-CANARY")],
                b"{\"error\":\"BODY-CANARY\"}",
            ));
            ask(roomkey.enter(&caller, "r"));
        }
        upstream.sends(b"NOT-HTTP-CANARY\r\n\r\n".to_vec());
        ask(roomkey.enter(&caller, "r"));
        upstream.sends(reply(200, &[], b"{\"token\":5,\"x\":\"BODY-CANARY\"}"));
        ask(roomkey.enter(&caller, "r"));
        upstream.hangs();
        ask(roomkey.enter(&caller, "r"));
        ask(roomkey.ask(&caller, r#"{"room":"r","FIELD CANARY":"VALUE-CANARY"}"#));
        ask(roomkey.ask(&caller, r#"{"room":"r","metadata":"VALUE-CANARY"}"#));
        ask(roomkey.ask(&caller, r#"{"room":["VALUE-CANARY"]}"#));
        ask(roomkey.ask(&caller, r#"{"room":"VALUE-CANARY"#));
        ask(roomkey.ask(&caller, r#"{"room":"r","user_id":"VALUE-CANARY"}"#));
        ask(roomkey.ask("Bearer BEARER-CANARY", "{}"));
        ask(roomkey.ask(&format!("Bearer {API_KEY}B"), "{}"));
        ask(roomkey.backend(&json!({"room": "r", "user_id": "x".repeat(129), "claims": {"a": "VALUE-CANARY"}})));
        let log = roomkey.said();
        assert!(
            log.contains("\"level\":\"INFO\"") == (format == "json") && log.contains("Request failed"),
            "{format}: {log}"
        );
        for secret in ["CANARY", SECRET_KEY, API_KEY, APP_SECRET, caller.strip_prefix("Bearer ").unwrap()] {
            assert!(!log.contains(secret), "{secret}: {log}");
            for answer in &answers {
                assert!(!answer.contains(secret), "{secret}: {answer}");
            }
        }
    }
}

#[test]
fn the_local_form_keeps_its_secret_too() {
    let secret = "CANARY-signing-secret-of-more-than-32-bytes";
    let config = form(&format!("signing_secret = \"{secret}\""), OPEN);
    let roomkey = Roomkey::serve_with(&config, &TRACE);
    let caller = bearer(json!({"sub": "alice", "name": "NAME-CANARY"}));
    let token = roomkey.enter(&caller, "r").token();
    let log = roomkey.said();
    assert!(!log.contains("CANARY") && !log.contains(&token), "{log}");
}

/// Nor in what `check` and a refused start say.
#[test]
fn messages_about_a_configuration_hold_no_secret() {
    for (setting, config) in [
        ("liveblocks.secret_key", form("secret_key = \"pk_CANARY\"", OPEN)),
        ("liveblocks.secret_key", form("secret_key = \"sk_CANARY key\"", OPEN)),
        ("liveblocks.signing_secret", form("signing_secret = \"CANARY\"", OPEN)),
        (
            "liveblocks.s",
            form("secret_key = \"sk_CANARY\"\nsigning_secret = \"CANARY-signing-secret-of-more-than-32-bytes\"", OPEN),
        ),
        ("liveblocks.secret_key", form("secret_key = [\"sk_CANARY\"]", OPEN)),
    ] {
        for command in [&["serve", "--config", "roomkey.toml"][..], &["check", "--config", "roomkey.toml"]] {
            let ran = run(command, &config, &[]);
            ran.refused(setting, "");
            assert!(!format!("{ran:?}").contains("CANARY"), "{ran:?}");
        }
        let ran = run(&["check", "--config", "roomkey.toml", "--json"], &config, &[]);
        assert!(ran.code == Some(1) && !format!("{ran:?}").contains("CANARY"), "{ran:?}");
    }
}

/// One line for each decision, whatever became of it afterwards.
#[test]
fn every_decision_leaves_one_audit_line() {
    let upstream = Upstream::good();
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ name = \"docs\", room = \"docs:**\", role = \"viewer\" }, { name = \"no-inbox\", no_room = true, deny = true }]";
    let roomkey = Roomkey::serve_with(&cloud(&upstream.url(), "", rules), &[("ROOMKEY__LOG__LEVEL", "info")]);
    let caller = bearer(json!({"sub": "alice"}));
    roomkey.enter(&caller, "docs:1").token();
    roomkey.must_say(&[
        r#""event":"decision""#,
        r#""outcome":"allow""#,
        r#""subject":"alice""#,
        r#""via":"jwt""#,
        r#""provider":"liveblocks""#,
        r#""action":"liveblocks.enter""#,
        r#""room":"docs:1""#,
        r#""role":"viewer""#,
        r#""rule":"docs""#,
    ]);
    roomkey.ask(&caller, "{}").is(403, "forbidden");
    roomkey.must_say(&[
        r#""outcome":"deny""#,
        r#""action":"liveblocks.personal""#,
        r#""room":"""#,
        r#""rule":"no-inbox""#,
    ]);
    upstream.sends(reply(500, &[], b""));
    roomkey.enter(&caller, "docs:2").is(502, "upstream_failed");
    roomkey.enter(&caller, "*").is(400, "invalid_request");
    let decisions = roomkey.said().lines().filter(|line| line.contains(r#""event":"decision""#)).count();
    assert_eq!(decisions, 3);
}
