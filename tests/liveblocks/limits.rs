//! What Liveblocks bounds is bounded before any call.

use serde_json::json;

use crate::support::{OPEN, Roomkey, Upstream, bearer, cloud, run, user};

fn patterns(count: usize, place: &str) -> String {
    let entries: Vec<_> = (0..count).map(|index| format!("\"more-{index}\"")).collect();
    format!(
        "[[authorize]]\nkind = \"rules\"\nrules = [{{ {place}, role = \"host\", liveblocks_rooms = [{}] }}]",
        entries.join(", ")
    )
}

#[test]
fn ten_patterns_are_granted_and_eleven_are_not() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", &patterns(9, "room = \"**\"")));
    roomkey.enter(&user("u"), "r").token();
    assert_eq!(upstream.last().json()["permissions"].as_object().unwrap().len(), 10);
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", &patterns(10, "no_room = true")));
    roomkey.ask(&user("u"), "{}").token();
    assert_eq!(upstream.last().json()["permissions"].as_object().unwrap().len(), 10);
    for (count, place) in [(10, "room = \"**\""), (11, "room = \"**\""), (11, "no_room = true")] {
        let config = cloud(&upstream.url(), "", &patterns(count, place));
        run(&["serve", "--config", "roomkey.toml"], &config, &[])
            .refused("authorize[0].rules[0].liveblocks_rooms", "entries");
    }
    assert_eq!(upstream.calls(), 2);
}

#[test]
fn a_user_id_has_128_utf_16_units() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    let mut calls = 0;
    for fits in ["a".repeat(128), "😀".repeat(64), "房".repeat(128), "x".to_owned()] {
        roomkey.enter(&user(&fits), "r").token();
        assert_eq!(upstream.last().json()["userId"], *fits);
        roomkey.backend(&json!({"room": "r", "user_id": fits})).token();
        assert_eq!(upstream.last().json()["userId"], *fits);
        calls += 2;
    }
    for long in ["a".repeat(129), "😀".repeat(64) + "a", "房".repeat(129)] {
        // the app's own token says so, and the browser can do nothing about it
        let answer = roomkey.enter(&user(&long), "r");
        answer.is(500, "internal");
        assert!(answer.json().get("detail").is_none(), "{answer:?}");
        // the backend said so itself
        let answer = roomkey.backend(&json!({"room": "r", "user_id": long}));
        answer.is(400, "invalid_request");
        assert!(answer.json()["detail"].as_str().unwrap().contains("user_id"), "{answer:?}");
    }
    roomkey.must_say(&["Request failed", "user id", "129", "128", "map a shorter claim"]);
    assert_eq!(upstream.calls(), calls);
}

#[test]
fn user_info_has_1024_utf_16_units_of_json() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "user_info = { n = \"info\" }", OPEN));
    let around = r#"{"n":""}"#.len();
    let long = |what: &str, units: usize| {
        let each = what.encode_utf16().count();
        what.repeat((units - around) / each) + &"a".repeat((units - around) % each)
    };
    let mut calls = 0;
    for what in ["a", "é", "房", "😀"] {
        let fits = long(what, 1024);
        roomkey.enter(&bearer(json!({"sub": "u", "info": fits})), "r").token();
        assert_eq!(upstream.last().json()["userInfo"], json!({"n": fits}));
        calls += 1;
        roomkey.enter(&bearer(json!({"sub": "u", "info": long(what, 1025)})), "r").is(500, "internal");
    }
    // what JSON escapes counts as it is written
    roomkey.enter(&bearer(json!({"sub": "u", "info": "\"".repeat(509)})), "r").is(500, "internal");
    roomkey.enter(&bearer(json!({"sub": "u", "info": "\"".repeat(508)})), "r").token();
    roomkey.enter(&bearer(json!({"sub": "u", "info": {"deep": ["x".repeat(1024)]}})), "r").is(500, "internal");
    roomkey.must_say(&["Request failed", "user info", "1025", "1024", "liveblocks.user_info"]);
    assert_eq!(upstream.calls(), calls + 1);
}

#[test]
fn a_room_that_a_claim_makes_too_long_is_not_asked_for() {
    let upstream = Upstream::good();
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"host\", liveblocks_rooms = [\"{org}*\"] }]";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "organization_id = \"\"", rules));
    let caller = |org: String| bearer(json!({"sub": "u", "org": org}));
    for fits in ["o".repeat(128), "😀".repeat(64)] {
        roomkey.enter(&caller(fits.clone()), "r").token();
        assert_eq!(
            upstream.last().body,
            format!(
                r#"{{"userId":"u","permissions":{{"r":["room:write","comments:write"],"{fits}*":["room:write","comments:write"]}}}}"#
            )
        );
    }
    roomkey.enter(&caller("o".repeat(129)), "r").is(500, "internal");
    roomkey.enter(&caller("😀".repeat(65)), "r").is(500, "internal");
    roomkey.must_say(&["Request failed", "pattern", "liveblocks_rooms"]);
    assert_eq!(upstream.calls(), 2);
}

#[test]
fn permissions_that_liveblocks_would_not_take_are_refused_at_start() {
    for (permissions, why) in [
        (r#"["room:admin"]"#, "no scope"),
        (r#"["*:write", "room:Write"]"#, "no scope"),
        (r#"["*:write "]"#, "no scope"),
        (r#"["*"]"#, "no scope"),
        (r"[]", "base scope"),
        (r#"["comments:write"]"#, "base scope"),
        (r#"["*:read", "*:write"]"#, "base scope"),
        (r#"["room:read", "*:read"]"#, "base scope"),
        (r#"["*:read", "*:read"]"#, "twice"),
        (r#""*:write""#, ""),
        (r#"["*:write", 5]"#, ""),
        (r#"["*:write", []]"#, ""),
    ] {
        let role = format!("[roles.x.liveblocks]\npermissions = {permissions}\n{OPEN}");
        run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", &role), &[])
            .refused("roles.x.liveblocks.permissions", why);
        let rule = format!(
            "[[authorize]]\nkind = \"rules\"\nrules = [{{ room = \"**\", role = \"host\", liveblocks_rooms = [{{ room = \"a\", permissions = {permissions} }}] }}]"
        );
        run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", &rule), &[])
            .refused("authorize[0].rules[0].liveblocks_rooms", why);
    }
    run(
        &["serve", "--config", "roomkey.toml"],
        &cloud("http://127.0.0.1:9", "", &format!("[roles.x.liveblocks]\n{OPEN}")),
        &[],
    )
    .refused("roles.x.liveblocks.permissions", "");
}
