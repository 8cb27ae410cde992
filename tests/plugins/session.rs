//! The session form: who it is and whether they may, in one call.

use serde_json::{Value, json};

use crate::support::{Answer, LIVEKIT, Roomkey, SESSION, Upstream, session};

fn subject(subject: Value) -> Value {
    json!({"decision": true, "context": {"role": "viewer", "subject": subject}})
}

fn start(more: &str) -> (Upstream, Roomkey) {
    let backend = Upstream::new();
    backend.answers(&subject(json!({"id": "alice"})));
    let roomkey = Roomkey::serve(&session(&backend.url(), more));
    (backend, roomkey)
}

#[test]
fn a_yes_without_a_subject_is_no_answer() {
    let (backend, roomkey) = start("");
    backend.answers(&json!({"decision": true}));
    roomkey.livekit().cookie("session=x").send().undecided();
    for bad in [
        Value::Null,
        json!({}),
        json!({"id": ""}),
        json!({"id": null}),
        json!({"id": 7}),
        json!({"id": ["alice"]}),
        json!({"ID": "alice"}),
        json!("alice"),
        json!([]),
        json!({"id": "alice", "name": 7}),
        json!({"id": "alice", "claims": []}),
        json!({"id": "alice", "claims": "org"}),
    ] {
        backend.answers(&subject(bad.clone()));
        roomkey.livekit().cookie("session=x").send().undecided();
        roomkey.liveblocks().cookie("session=x").send().undecided();
        println!("{bad}");
    }
}

#[test]
fn two_of_a_header_are_nobodys() {
    let (backend, roomkey) = start("");
    let ask = || roomkey.livekit().header("x-app-session", "alices");
    ask().send().livekit();
    ask().header("X-App-Session", "mallorys").send().unauthenticated();
    ask().header("x-app-session", "alices").send().unauthenticated();
    assert_eq!(backend.calls(), 1);
}

#[test]
fn an_unknown_session_is_never_a_guest() {
    let (backend, roomkey) = start(
        "[[authenticate]]\nkind = \"guest\"\n[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }]\n",
    );
    let guest = roomkey.livekit().send().livekit();
    assert!(guest["sub"].as_str().unwrap().starts_with("guest-"));
    assert_eq!(backend.calls(), 0);
    for status in [401, 403, 404, 500] {
        backend.sends(crate::support::reply(status, &[], b""));
        let answer = roomkey.livekit().cookie("session=x").send();
        assert_eq!(answer.status, if status < 404 { status } else { 503 }, "{answer:?}");
        assert!(!answer.body.contains("eyJ"), "{answer:?}");
    }
    backend.sends(crate::support::reply(401, &[], b""));
    roomkey.livekit().cookie("session=x").send().unauthenticated();
}

#[test]
fn its_decision_counts_where_credential_stands() {
    let backend = Upstream::new();
    let rules = |deny: &str| {
        format!("[[authorize]]\nkind = \"rules\"\nrules = [{deny}{{ room = \"open:**\", role = \"host\" }}]\n")
    };
    let config = |before: &str, after: &str| format!("{LIVEKIT}{before}{SESSION}url = \"{}\"\n{after}", backend.url());
    let deny = "{ room = \"**\", claims = { suspended = true }, deny = true }, ";
    let before = Roomkey::serve(&config(&rules(deny), ""));
    let after = Roomkey::serve(&config("", &rules("")));
    let without = Roomkey::serve(&config(&rules(""), "").replace("[[authorize]]\nkind = \"credential\"\n", ""));
    let ask = |roomkey: &Roomkey, room: &str, claims: Value, decision: bool| -> Answer {
        let context = json!({"role": "participant", "subject": {"id": "alice", "claims": claims}});
        backend.answers(&json!({"decision": decision, "context": context}));
        let calls = backend.calls();
        let answer = roomkey.livekit().cookie("sid=x").body(&json!({"room_name": room})).send();
        assert_eq!(backend.calls(), calls + 1, "one call answers both questions");
        answer
    };
    let is_host = |answer: Answer| answer.livekit()["video"]["roomAdmin"] == true;
    assert!(!is_host(ask(&before, "x", json!({}), true)));
    assert!(is_host(ask(&before, "open:x", json!({}), true)), "a rule before it");
    ask(&before, "x", json!({"suspended": true}), true).refused(403, "forbidden");
    ask(&before, "x", json!({}), false).refused(403, "forbidden");
    assert!(!is_host(ask(&after, "open:x", json!({}), true)), "a rule after it");
    ask(&after, "open:x", json!({}), false).refused(403, "forbidden");
    assert!(is_host(ask(&without, "open:x", json!({}), true)), "nobody opens it");
    ask(&without, "x", json!({}), true).refused(403, "forbidden");
}

#[test]
fn its_cookie_counts_only_from_our_own_pages() {
    let (backend, roomkey) =
        start("[cors]\nallowed_origins = [\"https://app.example.com\"]\nallow_credentials = true\n");
    let own = format!("http://{}", roomkey.address);
    for origin in [own.as_str(), "https://app.example.com"] {
        roomkey.livekit().cookie("session=x").header("origin", origin).send().livekit();
    }
    roomkey.livekit().cookie("session=x").header("sec-fetch-site", "same-origin").send().livekit();
    let before = backend.calls();
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        for ask in [roomkey.livekit(), roomkey.liveblocks()] {
            ask.cookie("session=x").header("origin", origin).send().refused(403, "forbidden");
        }
    }
    roomkey.livekit().cookie("session=x").header("sec-fetch-site", "cross-site").send().refused(403, "forbidden");
    // A header does not make a cookie right.
    let ask = roomkey.livekit().cookie("session=x").header("x-app-session", "7");
    ask.header("origin", "https://evil.example").send().refused(403, "forbidden");
    assert_eq!(backend.calls(), before, "the backend is not asked");
    // No page can set this header without leave.
    let ask = roomkey.livekit().header("x-app-session", "7").header("origin", "https://evil.example");
    ask.send().livekit();
}

#[test]
fn what_its_session_is_known_by_is_not_logged() {
    let (backend, roomkey) = start("");
    roomkey.livekit().cookie("session=CANARY-cookie").header("x-app-session", "CANARY-header").send().livekit();
    backend.sends(crate::support::reply(500, &[], b"CANARY-answer"));
    roomkey.livekit().cookie("session=CANARY-cookie").send().undecided();
    roomkey.must_say(&["500"]);
    assert!(!roomkey.said().contains("CANARY"), "{}", roomkey.said());
}
