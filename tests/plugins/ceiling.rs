//! What an answer may give at most, and what makes it unusable.

use serde_json::{Value, json};

use crate::support::{Roomkey, Upstream, asking, session, user};

fn alice() -> String {
    user(json!({"sub": "alice"}))
}

/// An answer with this `livekit`.
fn livekit(livekit: Value) -> Value {
    json!({"decision": true, "context": {"role": "viewer", "livekit": livekit, "subject": {"id": "alice"}}})
}

fn liveblocks(liveblocks: Value) -> Value {
    json!({"decision": true, "context": {"role": "viewer", "liveblocks": liveblocks, "subject": {"id": "alice"}}})
}

const VIEWER: fn() -> Value =
    || json!({"roomJoin": true, "room": "standup", "canSubscribe": true, "canPublish": false, "canPublishData": false});

/// The `video` claim with these over a viewer's.
fn over(more: Value) -> Value {
    let mut video = VIEWER();
    for (name, value) in more.as_object().unwrap() {
        video[name] = value.clone();
    }
    video
}

#[test]
fn c1_what_is_not_given_is_off() {
    let backend = Upstream::new();
    let roomkey = Roomkey::serve(&asking(&backend.url(), "role = \"viewer\""));
    let rows = [
        (json!({}), VIEWER()),
        (json!({"can_publish": false}), VIEWER()),
        (json!({"can_publish": true}), over(json!({"canPublish": true}))),
        (json!({"can_publish_data": true}), over(json!({"canPublishData": true}))),
        (json!({"can_subscribe": false}), over(json!({"canSubscribe": false}))),
        (json!({"can_publish": null}), VIEWER()),
        (
            json!({"can_publish": true, "can_publish_sources": ["microphone"], "can_update_own_metadata": true}),
            over(json!({"canPublish": true, "canPublishSources": ["microphone"], "canUpdateOwnMetadata": true})),
        ),
    ];
    for (given, video) in rows {
        backend.answers(&json!({"decision": true, "context": {"livekit": given}}));
        assert_eq!(roomkey.livekit().by(&alice()).send().livekit()["video"], video, "{given}");
    }
    backend.answers(&json!({"decision": true}));
    assert_eq!(roomkey.livekit().by(&alice()).send().livekit()["video"], VIEWER());
}

#[test]
fn c3_what_is_dangerous_is_dropped_with_a_warning() {
    let backend = Upstream::new();
    let rows = [
        ("room_create", json!(true)),
        ("room_admin", json!(true)),
        ("room_list", json!(true)),
        ("room_record", json!(true)),
        ("ingress_admin", json!(true)),
        ("hidden", json!(true)),
        ("recorder", json!(true)),
        ("agent", json!(true)),
        ("destination_room", json!("x")),
        ("can_manage_agent_session", json!(true)),
        ("can_subscribe_metrics", json!(true)),
        ("sip", json!({"admin": true})),
        ("inference", json!({"perform": true})),
        ("kind", json!("agent")),
        ("sha256", json!("x")),
        ("room", json!("other")),
        ("room_join", json!(true)),
        ("identity", json!("mallory")),
        ("room_preset", json!("p")),
        ("room_config", json!({"agents": [{"agent_name": "x"}]})),
    ];
    let caller = alice();
    let forms = [Roomkey::serve(&asking(&backend.url(), "")), Roomkey::serve(&session(&backend.url(), ""))];
    for (index, roomkey) in forms.iter().enumerate() {
        let ask = || if index == 0 { roomkey.livekit().by(&caller) } else { roomkey.livekit().cookie("session=x") };
        backend.answers(&livekit(json!({})));
        let mut plain = ask().send().livekit();
        for (name, value) in &rows {
            let mut given = json!({"can_publish_data": true});
            given[*name] = value.clone();
            backend.answers(&livekit(given));
            let mut claims = ask().send().livekit();
            assert_eq!(claims["video"], over(json!({"canPublishData": true})), "{name}");
            for time in ["nbf", "exp"] {
                claims[time] = Value::Null;
                plain[time] = Value::Null;
            }
            claims["video"] = plain["video"].clone();
            assert_eq!(claims, plain, "{name}");
            roomkey.must_say(&["WARN", "beyond its ceiling", &format!("livekit.{name}")]);
        }
    }
}

#[test]
fn a_ceiling_lets_through_what_it_names_and_no_more() {
    let backend = Upstream::new();
    let ceiling = "[authorize.ceiling]\nroles = [\"viewer\"]\nlivekit = [\"room_record\"]\nttl = \"5m\"\n";
    let roomkey = Roomkey::serve(&asking(&backend.url(), ceiling));
    backend.answers(&livekit(json!({"room_record": true, "can_publish": true, "room_list": true})));
    let video = roomkey.livekit().by(&alice()).send().livekit()["video"].take();
    assert_eq!(video, over(json!({"roomRecord": true})));
    // A right that is taken away is never beyond it.
    backend.answers(&livekit(json!({"can_subscribe": false, "room_list": false})));
    let video = roomkey.livekit().by(&alice()).send().livekit()["video"].take();
    assert_eq!(video["canSubscribe"], false);
    assert!(video.get("roomList").is_none_or(|list| list == false), "{video}");
}

#[test]
fn what_narrows_is_never_dropped() {
    let backend = Upstream::new();
    let ceiling = "[authorize.ceiling]\nlivekit = [\"can_publish\"]\n";
    let roles = "[roles.camera.livekit]\ncan_publish = true\ncan_publish_sources = [\"camera\"]\n[roles.camera.liveblocks]\npermissions = [\"room:write\"]\n";
    let roomkey = Roomkey::serve(&asking(&backend.url(), &format!("{ceiling}{roles}")));
    let say = |role: &str, context: Value| {
        let mut answer = json!({"decision": true, "context": context});
        answer["context"]["role"] = role.into();
        backend.answers(&answer);
    };
    for (given, left) in [
        (json!(["room:write", "comments:none"]), json!(["room:write", "comments:none"])),
        (
            json!(["room:write", "storage:read", "comments:private:none"]),
            json!(["room:write", "storage:read", "comments:private:none"]),
        ),
        (json!(["room:read", "feeds:write", "feeds:none"]), json!(["room:read", "feeds:none"])),
        (json!(["room:read", "storage:write"]), json!(["room:read"])),
    ] {
        say("host", json!({"liveblocks": {"permissions": given}}));
        let claims = roomkey.liveblocks().by(&alice()).send().liveblocks();
        assert_eq!(claims["perms"]["standup"], left, "{given}");
    }
    for (role, given, left) in [
        ("participant", json!(["microphone"]), json!(["microphone"])),
        ("camera", json!(["camera"]), json!(["camera"])),
        // more than the role has
        ("camera", json!(["microphone"]), json!(["camera"])),
    ] {
        say(role, json!({"livekit": {"can_publish_sources": given}}));
        let claims = roomkey.livekit().by(&alice()).send().livekit();
        assert_eq!(claims["video"]["canPublishSources"], left, "{role} {given}");
    }
}

#[test]
fn a_role_beyond_the_ceiling_is_no_answer() {
    let backend = Upstream::new();
    let roles =
        "[roles.recorder.livekit]\nroom_record = true\n[roles.chat.liveblocks]\npermissions = [\"room:read\"]\n";
    let authorizer = Roomkey::serve(&asking(&backend.url(), roles));
    let session = Roomkey::serve(&session(&backend.url(), roles));
    let narrow = Roomkey::serve(&asking(&backend.url(), "[authorize.ceiling]\nroles = [\"participant\"]\n"));
    let with = |role: Value| json!({"decision": true, "context": {"role": role, "subject": {"id": "alice"}}});
    // unknown, dangerous, of the other provider, of another type
    for role in [
        json!("nobody"),
        json!("recorder"),
        json!("chat"),
        json!("Viewer"),
        json!(""),
        json!("*"),
        json!(["viewer"]),
        json!(7),
    ] {
        backend.answers(&with(role.clone()));
        authorizer.livekit().by(&alice()).send().undecided();
        session.livekit().cookie("session=x").send().undecided();
    }
    // None at all is the role that may least, if the ceiling has it.
    backend.answers(&with(Value::Null));
    assert_eq!(authorizer.livekit().by(&alice()).send().livekit()["video"]["canPublish"], false);
    assert_eq!(session.livekit().cookie("session=x").send().livekit()["video"]["canPublish"], false);
    narrow.livekit().by(&alice()).send().undecided();
    backend.answers(&with(json!("host")));
    assert_eq!(authorizer.livekit().by(&alice()).send().livekit()["video"]["roomAdmin"], true, "not cut");
    assert_eq!(session.livekit().cookie("session=x").send().livekit()["video"]["roomAdmin"], true);
    narrow.livekit().by(&alice()).send().undecided();
    backend.answers(&with(json!("viewer")));
    narrow.livekit().by(&alice()).send().undecided();
    backend.answers(&with(json!("participant")));
    narrow.livekit().by(&alice()).send().livekit();
}

#[test]
fn what_is_unknown_where_it_grants_makes_an_answer_unusable() {
    let backend = Upstream::new();
    let authorizer = Roomkey::serve(&asking(&backend.url(), ""));
    let session = Roomkey::serve(&session(&backend.url(), ""));
    let bad = [
        livekit(json!({"canPublish": false})),
        livekit(json!({"can_publsh": true})),
        livekit(json!({"can_publsh": null})),
        livekit(json!({"video": {"can_publish": true}})),
        livekit(json!({"can_publish": "true"})),
        livekit(json!({"can_publish": 1})),
        livekit(json!({"can_publish_sources": "microphone"})),
        livekit(json!({"can_publish_sources": ["mouth"]})),
        livekit(json!({"attributes": {"a": 1}})),
        livekit(json!({"attributes": "a"})),
        livekit(json!({"metadata": 7})),
        livekit(json!({"sip": {"admn": true}})),
        livekit(json!({"kind": "king"})),
        livekit(json!([])),
        livekit(json!("can_publish")),
        livekit(json!(true)),
        liveblocks(json!({"permission": ["room:read"]})),
        liveblocks(json!({"permission": null})),
        liveblocks(json!({"permissions": "room:read"})),
        liveblocks(json!({"permissions": []})),
        liveblocks(json!({"permissions": ["room:everything"]})),
        liveblocks(json!({"permissions": ["comments:read"]})),
        liveblocks(json!({"permissions": ["room:read", 7]})),
        liveblocks(json!({"rooms": "x"})),
        liveblocks(json!({"rooms": [7]})),
        liveblocks(json!({"rooms": [{"room": "x"}]})),
        liveblocks(json!({"rooms": [{"room": "x", "permissions": ["room:read"], "more": 1}]})),
        liveblocks(json!({"user_info": "x"})),
        liveblocks(json!({"group_ids": [1]})),
        liveblocks(json!({"rooms": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]})),
        liveblocks(json!({"rooms": ["a*b"]})),
        liveblocks(json!({"user_info": {"name": "x".repeat(1020)}})),
        livekit(json!({"metadata": "x".repeat(4097)})),
        livekit(json!({"attributes": {"a": "x".repeat(4096)}})),
        json!({"decision": true, "context": {"role": "viewer".repeat(50), "subject": {"id": "alice"}}}),
        json!({"decision": true, "context": {"role": "viewer", "project": "x".repeat(300), "subject": {"id": "alice"}}}),
        liveblocks(json!([])),
        json!({"decision": true, "context": []}),
        json!({"decision": true, "context": "viewer"}),
        json!({"decision": true, "context": {"role": "viewer", "name": 7, "subject": {"id": "alice"}}}),
        json!({"decision": true, "context": {"role": "viewer", "reason": 7, "subject": {"id": "alice"}}}),
    ];
    for answer in bad {
        backend.answers(&answer);
        for ask in [authorizer.livekit(), authorizer.liveblocks()] {
            ask.by(&alice()).send().undecided();
        }
        session.livekit().cookie("session=x").send().undecided();
        println!("{answer}");
    }
    let odd = json!({
        "decision": true, "id": 7, "context": {
            "role": "viewer", "trace": [1], "subject": {"id": "alice", "more": 1},
            "livekit": null, "liveblocks": null, "project": null, "reason": null, "name": null,
        },
    });
    backend.answers(&odd);
    assert_eq!(authorizer.livekit().by(&alice()).send().livekit()["video"], VIEWER());
    assert_eq!(session.livekit().cookie("session=x").send().livekit()["video"], VIEWER());
    assert!(!authorizer.said().contains("can_publsh\":true"), "answers are not logged whole");
}

#[test]
fn how_long_a_token_lives() {
    let backend = Upstream::new();
    let roomkey = Roomkey::serve(&asking(&backend.url(), ""));
    let long = Roomkey::serve(&asking(&backend.url(), "[authorize.ceiling]\nttl = \"24h\"\n"));
    let lives = |roomkey: &Roomkey, ttl: &Value| {
        backend.answers(&livekit(json!({"ttl": ttl})));
        let answer = roomkey.livekit().by(&alice()).send();
        (answer.status == 201).then(|| {
            let claims = answer.livekit();
            claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap()
        })
    };
    for (ttl, default, wide) in [
        (json!("2m"), Some(120), Some(120)),
        (json!(120), Some(120), Some(120)),
        (json!("5m"), Some(300), Some(300)),
        (json!("10m"), Some(600), Some(600)),
        (json!("11m"), Some(600), Some(660)),
        (json!("24h"), Some(600), Some(86400)),
        (Value::Null, Some(600), Some(600)),
        (json!("119s"), None, None),
        (json!("24h1s"), None, None),
        (json!(86401), None, None),
        (json!("1440m1"), None, None),
        (json!(0), None, None),
        (json!(-600), None, None),
        (json!(300.5), None, None),
        (json!("forever"), None, None),
        (json!(""), None, None),
        (json!(["5m"]), None, None),
        (json!(true), None, None),
    ] {
        assert_eq!(lives(&roomkey, &ttl), default, "{ttl}");
        assert_eq!(lives(&long, &ttl), wide, "{ttl}, ceiling of 24h");
    }
    backend.answers(&livekit(json!({"ttl": "119s"})));
    roomkey.livekit().by(&alice()).send().undecided();
}

#[test]
fn liveblocks_scopes_and_rooms_are_cut() {
    let backend = Upstream::new();
    let plain = Roomkey::serve(&asking(&backend.url(), ""));
    let rooms = "[authorize.ceiling]\nliveblocks_rooms = [\"org:{org}:**\", \"lobby\"]\n";
    let wide = Roomkey::serve(&asking(&backend.url(), rooms));
    let caller = user(json!({"sub": "alice", "org": "acme"}));
    let perms = |roomkey: &Roomkey, given: Value| {
        backend.answers(&liveblocks(given));
        roomkey.liveblocks().by(&caller).send().liveblocks()["perms"].take()
    };
    let read = json!(["room:read", "room:presence:write", "comments:read"]);
    assert_eq!(
        perms(&plain, json!({"permissions": ["room:write", "feeds:write"]})),
        json!({"standup": ["room:write"]})
    );
    plain.must_say(&["WARN", "beyond its ceiling", "feeds:write"]);
    backend.answers(&liveblocks(json!({"permissions": ["*:write"]})));
    plain.liveblocks().by(&caller).send().undecided();
    let given = json!({"rooms": ["org:acme:x", "org:acme:*", "org:globex:x", "*", "org:*", "lobby", "lobby*", {"room": "org:acme:y", "permissions": ["room:write"]}]});
    assert_eq!(perms(&plain, given.clone()), json!({"standup": read}));
    plain.must_say(&["WARN", "liveblocks.rooms"]);
    assert_eq!(
        perms(&wide, given),
        json!({"standup": read, "org:acme:x": read, "org:acme:*": read, "lobby": read, "org:acme:y": ["room:write"]})
    );
}
