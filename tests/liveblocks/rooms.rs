//! Which string is a room: what was decided on is what is granted, byte for
//! byte, and no spelling of a pattern ever gets through.

use serde_json::{Value, json};

use crate::support::{OPEN, RULES, Roomkey, SECRET_KEY, Upstream, bearer, claims_of, cloud, form, user};

#[test]
fn b2_what_is_no_room_is_refused() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    let rooms = [
        json!(""),
        json!(" "),
        json!("\t"),
        json!("\n"),
        json!("\u{200b}"),
        json!("\u{feff}\u{2060}"),
        json!("\u{a0}"),
        json!("\u{3000}"),
        json!("\u{2800}"),
        json!(["standup"]),
        json!([]),
        json!({}),
        json!({"id": "standup"}),
        json!(0),
        json!(1.5),
        json!(true),
        json!(false),
    ];
    for room in rooms {
        let answer = roomkey.ask(&user("u"), json!({"room": room}).to_string());
        answer.is(400, "invalid_request");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("room "), "{answer:?}");
    }
    for body in [
        "null",
        "[]",
        "\"standup\"",
        "5",
        "{",
        "{}{}",
        "{\"room\":\"a\"}x",
        "\u{feff}{}",
        "{'room':'a'}",
        "room=a",
        " ",
        "{\"room\":\"\\ud800\"}",
        "{\"room\":undefined}",
    ] {
        roomkey.ask(&user("u"), body).is(400, "invalid_request");
    }
    roomkey.ask(&user("u"), b"{\"room\":\"\xff\"}").is(400, "invalid_request");
    for twice in [
        r#"{"room":"a","room":"a"}"#,
        r#"{"room":"a","room":"b"}"#,
        r#"{"room":"a","\u0072oom":"b"}"#,
        r#"{"room":null,"room":"a"}"#,
        r#"{"room":"a","user_id":"u","user_id":"u"}"#,
    ] {
        let answer = roomkey.ask(&user("u"), twice);
        answer.is(400, "invalid_request");
        assert!(answer.json()["detail"].as_str().unwrap().contains("twice"), "{answer:?}");
    }
    assert_eq!(upstream.calls(), 0);
}

/// The body as it is, so that escapes are the client's.
#[test]
fn a_pattern_in_any_spelling_is_refused() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    let patterns = [
        "*",
        "**",
        "a*",
        "*a",
        "a*b",
        "org:*",
        "\\u002a",
        "\\u002A",
        "a\\u002a",
        "\\u002a\\u002a",
        " *",
        "*\\u200b",
        "%2a*",
    ];
    for room in patterns {
        for caller in [user("u"), bearer(json!({"sub": "u", "rooms": ["*"]}))] {
            roomkey.ask(&caller, format!("{{\"room\":\"{room}\"}}")).is(400, "invalid_request");
        }
        let body = format!("{{\"room\":\"{room}\",\"user_id\":\"u\"}}");
        roomkey.ask(&format!("Bearer {}", crate::support::API_KEY), body).is(400, "invalid_request");
    }
    assert_eq!(upstream.calls(), 0);
    // these only look like one
    for room in ["\u{ff0a}", "a\u{ff0a}", "\u{2217}", "%2a", "&ast;", "\\*".trim_end_matches('*'), "\u{204e}"] {
        roomkey.enter(&user("u"), room).token();
        assert_eq!(upstream.last().json()["permissions"], json!({room: ["room:write", "comments:write"]}));
    }
}

#[test]
fn a_claim_never_becomes_a_pattern() {
    let upstream = Upstream::good();
    let rules = r#"
[[authorize]]
kind = "rules"
rules = [{ room = "lobby", role = "viewer", liveblocks_rooms = ["org:{org}:*", "{team}", "{team}*"] }]
"#;
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "organization_id = \"\"", rules));
    for evil in [
        json!("*"),
        json!("a*"),
        json!(""),
        json!(null),
        json!(["a", "b"]),
        json!({}),
        json!("a:b"),
        json!("a/b"),
        json!("a\u{0}b"),
        json!(true),
        json!(1.5),
    ] {
        roomkey.enter(&bearer(json!({"sub": "u", "org": evil, "team": evil})), "lobby").token();
        let permissions = upstream.last().json()["permissions"].clone();
        assert_eq!(permissions.as_object().unwrap().keys().collect::<Vec<_>>(), ["lobby"], "{evil}");
    }
    roomkey.enter(&bearer(json!({"sub": "u", "org": "\u{ff0a}", "team": 7})), "lobby").token();
    let body = upstream.last().body;
    let read = r#"["room:read","room:presence:write","comments:read"]"#;
    assert_eq!(
        body,
        format!(
            "{{\"userId\":\"u\",\"permissions\":{{\"lobby\":{read},\"org:\u{ff0a}:*\":{read},\"7\":{read},\"7*\":{read}}}}}"
        )
    );
}

#[test]
fn b5_the_room_decided_on_is_the_room_granted() {
    let cloudy = Upstream::good();
    let secret = "0123456789abcdef0123456789abcdef";
    let local = Roomkey::serve(&form(&format!("signing_secret = \"{secret}\""), OPEN));
    let roomkey = Roomkey::serve(&cloud(&cloudy.url(), "", OPEN));
    let strict = Roomkey::serve(&cloud(&cloudy.url(), "", RULES));
    let standup = bearer(json!({"sub": "u", "rooms": ["standup", "caf\u{e9}"]}));
    for room in [
        "../standup",
        "%2e%2e%2fstandup",
        "standup%00",
        "standup ",
        " standup",
        "Standup",
        "standup.",
        "\u{ff53}tandup",
        "cafe\u{301}",
        "\u{202e}pudnats",
        "stand\u{200b}up",
        "standup\u{fe0f}",
        "standup/",
        "\"standup\"",
        "stand\\up",
        "room with spaces",
        "房间",
        "<script>",
        "{org}",
        "$(id)",
        &"a".repeat(128),
        &"😀".repeat(64),
        &"房".repeat(128),
    ] {
        let expected = json!({room: ["room:write", "comments:write"]});
        roomkey.enter(&user("u"), room).token();
        assert_eq!(cloudy.last().json()["permissions"], expected);
        let (_, claims) = claims_of(&local.enter(&user("u"), room).token(), secret);
        assert_eq!(claims["perms"], expected);
        strict.enter(&standup, room).is(403, "forbidden");
    }
    for room in ["standup", "caf\u{e9}"] {
        strict.enter(&standup, room).token();
        assert_eq!(cloudy.last().json()["permissions"], json!({room: ["room:write", "comments:write"]}));
    }
    let calls = cloudy.calls();
    for room in ["a".repeat(129), "😀".repeat(64) + "a", "房".repeat(129), "a".repeat(60_000)] {
        roomkey.enter(&user("u"), &room).is(400, "invalid_request");
        local.enter(&user("u"), &room).is(400, "invalid_request");
    }
    for room in ["stand\u{0}up", "stand\r\nup", "standup\n", "\u{7f}standup", "stand\u{85}up"] {
        roomkey.enter(&user("u"), room).is(400, "invalid_request");
    }
    assert_eq!(cloudy.calls(), calls);
}

#[test]
fn the_requested_room_stands_first_and_once_with_the_roles_permissions() {
    let upstream = Upstream::good();
    let rules = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "org:{org}:**"
role = "participant"
liveblocks_rooms = [
  "zebra",
  { room = "org:{org}:docs", permissions = ["*:read", "comments:none"] },
  "org:{org}:*",
  { room = "user:{missing}:*", permissions = ["*:write"] },
  { room = "zebra", permissions = ["*:read"] },
  { room = "alpha*", permissions = ["room:read"] },
]
"#;
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", rules));
    let caller = bearer(json!({"sub": "u", "org": "acme"}));
    let write = r#"["room:write","comments:write"]"#;
    let body = |permissions: &str| {
        format!("{{\"userId\":\"u\",\"permissions\":{{{permissions}}},\"organizationId\":\"acme\"}}")
    };
    roomkey.enter(&caller, "org:acme:x").token();
    assert_eq!(
        upstream.last().body,
        body(&format!(
            r#""org:acme:x":{write},"zebra":{write},"org:acme:docs":["*:read","comments:none"],"org:acme:*":{write},"alpha*":["room:read"]"#
        ))
    );
    roomkey.enter(&caller, "org:acme:docs").token();
    assert_eq!(
        upstream.last().body,
        body(&format!(r#""org:acme:docs":{write},"zebra":{write},"org:acme:*":{write},"alpha*":["room:read"]"#))
    );
    let mut claims = json!({"sub": "u", "org": "acme"});
    claims["missing"] = Value::from(5);
    roomkey.enter(&bearer(claims), "org:acme:docs").token();
    assert_eq!(
        upstream.last().body,
        body(&format!(
            r#""org:acme:docs":{write},"zebra":{write},"org:acme:*":{write},"user:5:*":["*:write"],"alpha*":["room:read"]"#
        ))
    );
    assert!(!roomkey.said().contains(SECRET_KEY));
}
