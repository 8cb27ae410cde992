//! Calls without a room: inbox, notifications.

use serde_json::json;

use crate::support::{API_KEY, OPEN, PATH, RULES, Roomkey, Upstream, bearer, cloud, form, run, user};

const PERSONAL: &str = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
no_room = true
claims = { plan = "none" }
deny = true
[[authorize.rules]]
no_room = true
role = "viewer"
liveblocks_rooms = ["z:{org}:*", { room = "user:{id}", permissions = ["*:write", "feeds:none"] }, "a*"]
[[authorize.rules]]
room = "**"
role = "participant"
"#;

const READ: &str = r#"["room:read","room:presence:write","comments:read"]"#;

#[test]
fn b4_a_call_without_a_room_opens_exactly_what_its_rule_names() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", PERSONAL));
    let caller = bearer(json!({"sub": "alice", "org": "acme"}));
    let authorization = ("authorization", &*caller);
    let json = ("content-type", "application/json");
    let expected = format!(
        r#"{{"userId":"alice","permissions":{{"z:acme:*":{READ},"user:alice":["*:write","feeds:none"],"a*":{READ}}},"organizationId":"acme"}}"#
    );
    let ways: [(&[_], &str); 7] = [
        (&[authorization, json], "{}"),
        (&[authorization, json], "{ \"room\" : null }"),
        (&[authorization, json], ""),
        (&[authorization], ""),
        (&[authorization, ("content-type", "application/json; charset=utf-8")], "{}"),
        (&[authorization, json], r#"{"user_id":"alice"}"#),
        (&[authorization, json], r#"{"room":null,"user_id":"alice"}"#),
    ];
    for (headers, body) in ways {
        roomkey.request("POST", PATH, headers, body.as_bytes()).token();
        assert_eq!(upstream.last().body, expected);
    }
    // an empty body is no content; anything else must say what it is
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""] {
        let headers = [authorization, ("content-type", content_type)];
        roomkey.request("POST", PATH, &headers, b"").is(415, "unsupported_media_type");
    }
    roomkey.request("POST", PATH, &[authorization], b"{}").is(415, "unsupported_media_type");
    // no room is not the empty room
    roomkey.ask(&caller, r#"{"room":""}"#).is(400, "invalid_request");
    // a claim that is missing leaves its entry out
    roomkey.ask(&user("bob"), "{}").token();
    assert_eq!(
        upstream.last().body,
        format!(r#"{{"userId":"bob","permissions":{{"user:bob":["*:write","feeds:none"],"a*":{READ}}}}}"#)
    );
    roomkey.ask(&bearer(json!({"sub": "bob", "plan": "none"})), "{}").is(403, "forbidden");
    // a rule without a room says nothing of rooms, and the other way round
    roomkey.enter(&caller, "r").token();
    assert_eq!(upstream.last().json()["permissions"], json!({"r": ["room:write", "comments:write"]}));
    roomkey.ask(&format!("Bearer {API_KEY}"), r#"{"user_id":"carol"}"#).token();
    assert_eq!(upstream.last().json()["userId"], "carol");
    roomkey.ask(&format!("Bearer {API_KEY}"), "{}").is(400, "invalid_request");
}

#[test]
fn b4_without_such_a_rule_it_is_refused() {
    let upstream = Upstream::good();
    let everything = [("open", OPEN), ("rules", RULES)];
    for (name, rules) in everything {
        let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", rules));
        for body in ["{}", r#"{"room":null}"#, ""] {
            let answer = roomkey.ask(&bearer(json!({"sub": "u", "org": "acme"})), body);
            answer.is(403, "forbidden");
            assert_eq!(answer.json()["error"], "forbidden", "{name}");
        }
    }
    assert_eq!(upstream.calls(), 0);
}

#[test]
fn a_rule_of_which_nothing_is_left_opens_nothing() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    roomkey.ask(&bearer(json!({"sub": "u", "inbox": true})), "{}").is(403, "forbidden");
    assert_eq!(upstream.calls(), 0);
    roomkey.must_say(&["\"outcome\":\"deny\"", "liveblocks_rooms"]);
    roomkey.ask(&bearer(json!({"sub": "u", "inbox": true, "org": "acme"})), "{}").token();
}

#[test]
fn a_rule_without_a_room_says_which_rooms_it_opens() {
    let start = |rule: &str| {
        let rules = format!("[[authorize]]\nkind = \"rules\"\nrules = [{{ {rule} }}]");
        run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", &rules), &[])
    };
    let rooms = "authorize[0].rules[0].liveblocks_rooms";
    start(r#"no_room = true, role = "viewer""#).refused(rooms, "missing");
    start(r#"no_room = true, role = "viewer", liveblocks_rooms = []"#).refused(rooms, "empty");
    start(r#"no_room = true, role = "viewer", liveblocks_rooms = "*""#).refused(rooms, "list");
    for entry in [
        r#""""#,
        r#""a**""#,
        r#""*a""#,
        r#""a*b""#,
        r#""{org""#,
        "5",
        r#"{ permissions = ["*:read"] }"#,
        r#"{ room = "a" }"#,
        r#"{ room = "a", permissions = ["*:read"], ttl = 5 }"#,
        r#"["a"]"#,
    ] {
        start(&format!("no_room = true, role = \"viewer\", liveblocks_rooms = [{entry}]")).refused(rooms, "");
    }
    start(r#"no_room = true, room = "a", role = "viewer", liveblocks_rooms = ["a"]"#)
        .refused("authorize[0].rules[0].no_room", "room");
    start(r#"no_room = true, provider = "livekit", role = "viewer", liveblocks_rooms = ["a"]"#)
        .refused("authorize[0].rules[0].no_room", "Liveblocks");
    // to deny, nothing needs to be named
    let denied = format!("[[authorize]]\nkind = \"rules\"\nrules = [{{ no_room = true, deny = true }}]\n{OPEN}");
    let roomkey = Roomkey::serve(&cloud("http://127.0.0.1:9", "", &denied));
    roomkey.ask(&user("u"), "{}").is(403, "forbidden");
}

/// `*` is every room of the project, and a rule may say so.
#[test]
fn a_rule_may_name_every_room() {
    let rules =
        "[[authorize]]\nkind = \"rules\"\nrules = [{ no_room = true, role = \"viewer\", liveblocks_rooms = [\"*\"] }]";
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", rules));
    roomkey.ask(&user("u"), "{}").token();
    assert_eq!(upstream.last().body, format!(r#"{{"userId":"u","permissions":{{"*":{READ}}}}}"#));
    let secret = "0123456789abcdef0123456789abcdef";
    let roomkey = Roomkey::serve(&form(&format!("signing_secret = \"{secret}\""), rules));
    let (_, claims) = crate::support::claims_of(&roomkey.ask(&user("u"), "{}").token(), secret);
    assert_eq!(claims["perms"].to_string(), format!(r#"{{"*":{READ}}}"#));
}
