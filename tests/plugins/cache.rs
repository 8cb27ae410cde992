//! The callback's cache: a yes counts again for the very same question, for as
//! long as the operator said, and nothing else does.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Ask, Roomkey, Upstream, asking, reply, run, user};

fn yes(role: &str) -> Value {
    json!({"decision": true, "context": {"role": role}})
}

fn cached(backend: &Upstream, kept_for: &str, more: &str) -> Roomkey {
    Roomkey::serve(&asking(&backend.url(), &format!("cache = \"{kept_for}\"\n{more}")))
}

#[test]
fn the_same_question_is_asked_once_and_every_other_one_anew() {
    let backend = Upstream::new();
    backend.answers(&yes("viewer"));
    let more = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[cors]\nallowed_origins = [\"https://a.example\"]\n";
    let roomkey = cached(&backend, "30s", more);
    let bearer = user(json!({"sub": "alice", "org": "acme"}));
    let alice = |ask: Ask| ask.by(&bearer);
    let with = |field: &str, value: Value| {
        let mut body = json!({"room_name": "standup"});
        body[field] = value;
        alice(roomkey.livekit()).body(&body)
    };
    let differ = [
        ("the first", alice(roomkey.livekit())),
        ("another provider", alice(roomkey.liveblocks())),
        ("another room", with("room_name", json!("lounge"))),
        ("another user", roomkey.livekit().by(&user(json!({"sub": "bob", "org": "acme"})))),
        ("another claim", roomkey.livekit().by(&user(json!({"sub": "alice", "org": "umbrella"})))),
        ("a name", with("participant_name", json!("Al"))),
        ("metadata", with("participant_metadata", json!("m"))),
        ("an attribute", with("participant_attributes", json!({"seat": "1"}))),
        ("another attribute", with("participant_attributes", json!({"seat": "2"}))),
        ("an agent", with("room_config", json!({"agents": [{"agent_name": "helper"}]}))),
        ("an origin", alice(roomkey.livekit()).header("origin", "https://a.example")),
        ("another origin", alice(roomkey.livekit()).header("origin", "https://b.example")),
        ("another address", alice(roomkey.livekit()).header("x-forwarded-for", "192.0.2.1")),
    ];
    for (number, (what, ask)) in differ.iter().enumerate() {
        for request_id in ["one", "two"] {
            let answer = ask.clone().header("x-request-id", request_id).send();
            assert!(matches!(answer.status, 200 | 201), "{what}: {answer:?}");
            assert_eq!(backend.calls(), number + 1, "{what}, {request_id}");
        }
    }
    // What was asked about one is no answer about another.
    backend.answers(&json!({"decision": false}));
    alice(roomkey.livekit()).send().livekit();
    with("room_name", json!("office")).send().refused(403, "forbidden");
}

#[test]
fn only_a_yes_is_kept() {
    let backend = Upstream::new();
    let roomkey = cached(&backend, "30s", "");
    let caller = user(json!({"sub": "alice"}));
    let ask = || roomkey.livekit().by(&caller).send();
    backend.answers(&json!({"decision": false}));
    ask().refused(403, "forbidden");
    backend.sends(reply(403, &[], b""));
    ask().refused(403, "forbidden");
    backend.sends(reply(500, &[], b""));
    ask().undecided();
    backend.sends(reply(429, &[("retry-after", "1")], b""));
    ask().refused(429, "rate_limited");
    backend.answers(&json!({"decision": "true"}));
    ask().undecided();
    backend.answers(&yes("viewer"));
    assert_eq!(ask().livekit()["video"]["canPublish"], false);
    assert_eq!(backend.calls(), 6, "each was asked");
    backend.answers(&json!({"decision": false}));
    assert_eq!(ask().livekit()["video"]["canPublish"], false);
    assert_eq!(backend.calls(), 6, "the yes was kept");
}

#[test]
fn a_yes_ends_when_the_operator_said() {
    let backend = Upstream::new();
    backend.answers(&yes("participant"));
    let roomkey = cached(&backend, "700ms", "");
    let caller = user(json!({"sub": "alice"}));
    roomkey.livekit().by(&caller).send().livekit();
    backend.answers(&json!({"decision": false}));
    sleep(Duration::from_millis(800));
    roomkey.livekit().by(&caller).send().refused(403, "forbidden");
}

#[test]
fn for_half_a_minute_at_most_and_not_by_itself() {
    for bad in ["\"31s\"", "\"1m\"", "true", "-1", "\"\""] {
        run(&asking("http://127.0.0.1:1/", &format!("cache = {bad}")), &[]).refused("authorize[0].cache", "");
    }
    let backend = Upstream::new();
    backend.answers(&yes("viewer"));
    for zero in ["", "cache = \"0s\""] {
        let roomkey = Roomkey::serve(&asking(&backend.url(), zero));
        let caller = user(json!({"sub": "alice"}));
        let before = backend.calls();
        (0..2).for_each(|_| drop(roomkey.livekit().by(&caller).send().livekit()));
        assert_eq!(backend.calls(), before + 2, "{zero:?}");
    }
}
