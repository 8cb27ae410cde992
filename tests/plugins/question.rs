//! The question, to the byte that is signed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    AUTHORIZE, JWT, LIVEBLOCKS, LIVEKIT, Roomkey, SIGNING, Seen, Upstream, asking, now, session, tag, user,
};

fn yes() -> Value {
    json!({"decision": true, "context": {"role": "viewer", "subject": {"id": "alice"}}})
}

/// Standard Webhooks, checked as a backend would.
#[track_caller]
fn must_be_signed(seen: &Seen) -> String {
    let header = |name: &str| seen.header(name).unwrap_or_else(|| panic!("no {name}: {seen:?}")).to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    assert!((now() - 10..=now()).contains(&timestamp.parse().unwrap()), "{timestamp}");
    assert_eq!(header("webhook-signature"), tag(SIGNING, &format!("{id}.{timestamp}.{}", seen.body)));
    id
}

#[track_caller]
fn must_be_a_question(seen: &Seen) {
    assert_eq!(seen.line, "POST /ask?from=roomkey HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-length"), Some(&*seen.body.len().to_string()));
    assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("roomkey/")), "{seen:?}");
}

#[test]
fn an_authorizer_asks_exactly_this() {
    let backend = Upstream::new();
    backend.answers(&yes());
    let config = asking(&backend.url(), "").replace("kind = \"jwt\"", "kind = \"jwt\"\nclaims = { org = \"app.org\" }");
    let cors = "[cors]\nallowed_origins = [\"https://app.example.com\"]\n";
    let roomkey = Roomkey::serve(&(config + cors));
    let caller = user(json!({"sub": "alice", "name": "Al", "app": {"org": "acme"}, "n": 7}));
    let body = json!({
        "room_name": "org:acme/1", "participant_name": "Ali", "participant_metadata": "{\"a\":1}",
        "participant_attributes": {"seat": "7"}, "room_config": {"agents": [{"agent_name": "helper"}]},
    });
    let ask = roomkey.livekit().by(&caller).header("origin", "https://app.example.com").body(&body);
    let answer = ask.header("cookie", "session=x; other=y").header("x-secret", "z").send();
    answer.livekit();
    let seen = backend.last();
    must_be_a_question(&seen);
    must_be_signed(&seen);
    for name in ["authorization", "cookie", "x-secret", "origin", "traceparent"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let mut question = seen.json();
    let request_id = question["context"]["request_id"].take();
    assert_eq!(request_id.as_str(), answer.header("x-request-id"));
    let mut claims = question["subject"]["properties"]["claims"].take();
    assert!(claims["exp"].take().as_i64().unwrap() > now());
    assert_eq!(
        claims,
        json!({"exp": null, "id": "alice", "sub": "alice", "name": "Al", "app": {"org": "acme"}, "org": "acme", "n": 7})
    );
    assert_eq!(
        question,
        json!({
            "subject": {"type": "user", "id": "alice", "properties": {"claims": null}},
            "action": {"name": "livekit.join"},
            "resource": {"type": "livekit.room", "id": "org:acme/1"},
            "context": {
                "requested": {"name": "Ali", "metadata": "{\"a\":1}", "attributes": {"seat": "7"}, "agents": [{"agentName": "helper"}]},
                "origin": "https://app.example.com", "client_ip": "127.0.0.1", "request_id": null,
            },
        })
    );
}

#[test]
fn each_action_has_its_name_and_resource() {
    let backend = Upstream::new();
    backend.answers(&yes());
    let authorizer = Roomkey::serve(&asking(&backend.url(), ""));
    let session = Roomkey::serve(&session(&backend.url(), ""));
    let caller = user(json!({"sub": "alice"}));
    let ask = |ask: crate::support::Ask, wanted: Value| {
        ask.send();
        let seen = backend.last();
        must_be_a_question(&seen);
        must_be_signed(&seen);
        let question = seen.json();
        let subject = question["subject"].as_object().unwrap();
        let subject = json!([subject["type"], subject["id"]]);
        assert_eq!(json!([subject, question["action"], question["resource"]]), wanted, "{question}");
        assert_eq!(question["context"]["requested"], json!({}));
        assert_eq!(question["context"].get("origin"), None);
    };
    let rows = [
        (authorizer.livekit().by(&caller), json!(["user", "alice"]), "livekit.join", "livekit.room", "standup"),
        (
            authorizer.liveblocks().by(&caller),
            json!(["user", "alice"]),
            "liveblocks.enter",
            "liveblocks.room",
            "standup",
        ),
        (
            authorizer.liveblocks().by(&caller).body(&json!({})),
            json!(["user", "alice"]),
            "liveblocks.personal",
            "liveblocks.user",
            "alice",
        ),
        (session.livekit().cookie("session=x"), json!(["session", "?"]), "livekit.join", "livekit.room", "standup"),
        (
            session.liveblocks().cookie("session=x"),
            json!(["session", "?"]),
            "liveblocks.enter",
            "liveblocks.room",
            "standup",
        ),
        (
            session.liveblocks().cookie("session=x").body(&json!({})),
            json!(["session", "?"]),
            "liveblocks.personal",
            "liveblocks.user",
            "?",
        ),
    ];
    for (request, subject, action, kind, id) in rows {
        ask(request, json!([subject, {"name": action}, {"type": kind, "id": id}]));
    }
    session.livekit().cookie("session=x").send();
    assert_eq!(backend.last().json()["subject"], json!({"type": "session", "id": "?"}));
}

#[test]
fn no_two_questions_have_the_same_id() {
    let backend = Upstream::new();
    backend.answers(&yes());
    let roomkey = Roomkey::serve(&asking(&backend.url(), ""));
    let caller = user(json!({"sub": "alice"}));
    let ids: BTreeSet<_> = (0..50)
        .map(|_| {
            roomkey.livekit().by(&caller).send().livekit();
            must_be_signed(&backend.last())
        })
        .collect();
    assert_eq!(ids.len(), 50);
}

#[test]
fn a_bearer_with_and_without_a_signature() {
    let backend = Upstream::new();
    backend.answers(&yes());
    let caller = user(json!({"sub": "alice"}));
    let both = Roomkey::serve(&asking(&backend.url(), "bearer = \"CANARY-bearer-of-ours\""));
    both.livekit().by(&caller).send().livekit();
    must_be_signed(&backend.last());
    assert_eq!(backend.last().header("authorization"), Some("Bearer CANARY-bearer-of-ours"));
    let alone = asking(&backend.url(), "bearer = \"CANARY-bearer-of-ours\"");
    let alone = Roomkey::serve(&alone.replace(&format!("signing_secret = \"{SIGNING}\""), ""));
    alone.livekit().by(&caller).header("webhook-id", "mine").send().livekit();
    let seen = backend.last();
    assert_eq!(seen.header("authorization"), Some("Bearer CANARY-bearer-of-ours"));
    assert!(seen.headers.iter().all(|(name, _)| !name.starts_with("webhook-")), "{seen:?}");
    for roomkey in [both, alone] {
        assert!(!roomkey.said().contains("CANARY"), "{}", roomkey.said());
    }
}

#[test]
fn only_the_named_cookies_and_headers_go_along() {
    let backend = Upstream::new();
    backend.answers(&yes());
    let roomkey = Roomkey::serve(&session(&backend.url(), ""));
    let own = [("x-request-id", "mine"), ("traceparent", "00-1-1-01"), ("webhook-id", "mine"), ("x-app", "y")];
    let mut ask =
        roomkey.livekit().cookie("a=1; session=s%20 ; b=\"q\";sid=2").cookie("c=3").header("x-app-session", "7");
    for (name, value) in own {
        ask = ask.header(name, value);
    }
    ask.send().livekit();
    let seen = backend.last();
    must_be_a_question(&seen);
    must_be_signed(&seen);
    assert_eq!(seen.header("cookie"), Some("session=s%20; sid=2"));
    assert_eq!(seen.header("x-app-session"), Some("7"));
    assert_eq!(seen.header("host"), Some(&*backend.address.to_string()));
    for name in ["authorization", "traceparent", "x-app", "x-request-id", "origin", "x-forwarded-for"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let before = backend.calls();
    let twice = roomkey.livekit().cookie("session=a").cookie("session=b");
    twice.send().unauthenticated();
    roomkey.livekit().cookie("Session=a; other=b").send().unauthenticated();
    roomkey.livekit().send().unauthenticated();
    roomkey.livekit().by("Bearer x").cookie("session=a").send().unauthenticated();
    assert_eq!(backend.calls(), before, "what is no session is not asked about");
    roomkey.livekit().header("x-app-session", "only").send().livekit();
    assert_eq!(backend.last().header("cookie"), None);
}

#[test]
fn a_block_is_asked_only_for_its_rooms_and_provider() {
    let (first, second) = (Upstream::new(), Upstream::new());
    first.answers(&json!({"decision": true, "context": {"role": "viewer", "name": "first"}}));
    second.answers(&json!({"decision": true, "context": {"role": "viewer", "name": "second"}}));
    let config = format!(
        "{LIVEKIT}{LIVEBLOCKS}{JWT}{AUTHORIZE}url = \"{}\"\nroom = \"org:{{org}}:**\"\nprovider = \"livekit\"\n\
         {AUTHORIZE}url = \"{}\"\nprovider = \"liveblocks\"\n",
        first.url(),
        second.url()
    );
    let roomkey = Roomkey::serve(&config);
    let caller = user(json!({"sub": "alice", "org": "acme"}));
    let livekit = |room: &str| roomkey.livekit().by(&caller).body(&json!({"room_name": room})).send();
    assert_eq!(livekit("org:acme:x").livekit()["name"], "first");
    for room in ["org:globex:x", "org:acme", "org:acme/x", "standup"] {
        livekit(room).refused(403, "forbidden");
    }
    assert_eq!((first.calls(), second.calls()), (1, 0));
    roomkey
        .livekit()
        .by(&user(json!({"sub": "bob"})))
        .body(&json!({"room_name": "org::x"}))
        .send()
        .refused(403, "forbidden");
    let liveblocks = roomkey.liveblocks().by(&caller).body(&json!({"room": "org:acme:x"})).send();
    assert_eq!(liveblocks.liveblocks()["ui"]["name"], "second");
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[test]
fn d11_nothing_that_a_client_says_reaches_the_url() {
    let backend = Upstream::new();
    backend.answers(&yes());
    let roomkey = Roomkey::serve(&asking(&backend.url(), ""));
    for text in ["http://169.254.169.254/", "@evil.example", "{url}", "..%2f", "?x=y", "a\u{202e}b"] {
        let caller = user(json!({"sub": text, "iss": text}));
        let ask =
            roomkey.livekit().by(&caller).body(&json!({"room_name": text})).header("x-forwarded-host", "evil.example");
        ask.send().livekit();
        must_be_a_question(&backend.last());
        assert_eq!(backend.last().header("host"), Some(&*backend.address.to_string()));
    }
}
