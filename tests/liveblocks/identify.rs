//! ID tokens, and who a token is for: user info, groups, organization.

use serde_json::{Value, json};

use crate::support::{OPEN, Roomkey, Upstream, bearer, claims_of, cloud, form, user};

#[test]
fn an_id_token_comes_from_identify_user() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&format!("{}/base", upstream.url()), "token = \"id\"", OPEN));
    let caller = bearer(json!({"sub": "alice", "name": "Alice", "groups": ["z", "a", 7], "org": "acme"}));
    assert_eq!(roomkey.enter(&caller, "r").token(), "TOKEN-1");
    let seen = upstream.last();
    assert_eq!(seen.line, "POST /base/v2/identify-user HTTP/1.1");
    assert_eq!(
        seen.body,
        r#"{"userId":"alice","groupIds":["z","a","7"],"userInfo":{"name":"Alice"},"organizationId":"acme"}"#
    );
    roomkey.must_say(&["liveblocks.token", "Liveblocks"]); // start-up says who rules then
    // Roomkey still decides whether one is given
    roomkey.ask(&caller, "{}").is(403, "forbidden");
    roomkey.ask(&caller, r#"{"room":"*"}"#).is(400, "invalid_request");
    assert_eq!(upstream.calls(), 1);
    roomkey.enter(&user("bob"), "r").token();
    assert_eq!(upstream.last().body, r#"{"userId":"bob"}"#);
}

#[test]
fn a_personal_call_gets_an_id_token_by_a_rule_of_its_own() {
    let upstream = Upstream::good();
    let rules =
        "[[authorize]]\nkind = \"rules\"\nrules = [{ no_room = true, role = \"viewer\", liveblocks_rooms = [\"*\"] }]";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "token = \"id\"", rules));
    roomkey.ask(&user("u"), "{}").token();
    assert_eq!(upstream.last().body, r#"{"userId":"u"}"#);
    roomkey.enter(&user("u"), "r").is(403, "forbidden");
}

/// An access token carries no groups, whatever the claims hold.
#[test]
fn groups_are_for_id_tokens() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    roomkey.enter(&bearer(json!({"sub": "u", "groups": ["a"]})), "r").token();
    assert_eq!(upstream.last().body, r#"{"userId":"u","permissions":{"r":["room:write","comments:write"]}}"#);
}

#[test]
fn what_is_empty_or_missing_is_left_out() {
    let upstream = Upstream::good();
    let mapping = "token = \"id\"\nuser_info = { name = \"app.name\", deep = \"app.deep\" }\ngroup_ids = \"app.teams\"\norganization_id = \"/app/org\"";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), mapping, OPEN));
    let asked = |app: Value| {
        roomkey.enter(&bearer(json!({"sub": "u", "app": app})), "r").token();
        upstream.last().body
    };
    for nothing in [
        json!({}),
        json!(null),
        json!("text"),
        json!({"name": "", "deep": null, "teams": [], "org": ""}),
        json!({"name": null, "teams": null, "org": null}),
        json!({"teams": ["", null, {}, [], true, 1.5], "org": ["a"]}),
        json!({"teams": {}, "org": {}}),
        json!({"teams": "", "org": true}),
    ] {
        assert_eq!(asked(nothing.clone()), r#"{"userId":"u"}"#, "{nothing}");
    }
    assert_eq!(
        asked(json!({"name": "Łukasz \"Q\" 🎉\n", "deep": {"a": [1, null]}, "teams": ["", "x", null, "y"], "org": 5})),
        "{\"userId\":\"u\",\"groupIds\":[\"x\",\"y\"],\"userInfo\":{\"deep\":{\"a\":[1,null]},\"name\":\"Łukasz \\\"Q\\\" 🎉\\n\"},\"organizationId\":\"5\"}"
    );
    assert_eq!(asked(json!({"teams": "one"})), r#"{"userId":"u","groupIds":["one"]}"#);
    assert_eq!(asked(json!({"name": false, "deep": 0})), r#"{"userId":"u","userInfo":{"deep":0,"name":false}}"#);
}

#[test]
fn the_backend_says_who_a_user_is() {
    let upstream = Upstream::good();
    let rules = "[[authorize]]\nkind = \"credential\"\n[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"org:{org}:**\", role = \"viewer\" }]";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", rules));
    roomkey
        .backend(&json!({"room": "r", "user_id": "carol", "name": "Carol", "role": "host", "claims": {"picture": "https://x.example/c.png", "org": "acme"}}))
        .token();
    assert_eq!(
        upstream.last().body,
        r#"{"userId":"carol","permissions":{"r":["room:write","comments:write"]},"userInfo":{"avatar":"https://x.example/c.png","name":"Carol"},"organizationId":"acme"}"#
    );
    roomkey.backend(&json!({"room": "org:acme:r", "user_id": "carol", "claims": {"org": "acme"}})).token();
    let read = r#"["room:read","room:presence:write","comments:read"]"#;
    assert_eq!(
        upstream.last().body,
        format!(r#"{{"userId":"carol","permissions":{{"org:acme:r":{read}}},"organizationId":"acme"}}"#)
    );
    roomkey.backend(&json!({"room": "r", "user_id": "carol"})).is(403, "forbidden");
    assert_eq!(upstream.calls(), 2);
    for wrong in [
        json!({"room": "r", "user_id": ["carol"], "role": "host"}),
        json!({"room": "r", "user_id": null, "role": "host"}),
        json!({"room": "r", "role": "host"}),
        json!({"room": "r", "user_id": "carol", "userId": "carol", "role": "host"}),
        json!({"room": "r", "user_id": "carol", "role": 5}),
        json!({"room": "r", "user_id": "carol", "claims": [], "role": "host"}),
        json!({"room": "r", "user_id": "carol", "claims": {"id": "eve"}, "role": "host"}),
        json!({"room": "r", "user_id": "carol", "claims": {"key": "other"}, "role": "host"}),
    ] {
        roomkey.backend(&wrong).is(400, "invalid_request");
    }
    assert_eq!(upstream.calls(), 2);
}

/// What an API key may do, it may do on this route too.
#[test]
fn a_key_without_the_scope_or_the_role_is_refused() {
    let upstream = Upstream::good();
    let config = cloud(&upstream.url(), "", "[[authorize]]\nkind = \"credential\"");
    let viewer_only = config.replace("roles = [\"*\"]", "roles = [\"viewer\"]");
    let roomkey = Roomkey::serve(&viewer_only);
    roomkey.backend(&json!({"room": "r", "user_id": "u", "role": "host"})).is(403, "forbidden");
    roomkey.backend(&json!({"room": "r", "user_id": "u", "role": "viewer"})).token();
    let roomkey = Roomkey::serve(&config.replace("scopes = [\"token\"]", "scopes = [\"invites\"]"));
    roomkey.backend(&json!({"room": "r", "user_id": "u", "role": "viewer"})).is(403, "forbidden");
    assert_eq!(upstream.calls(), 1);
}

#[test]
fn the_local_form_makes_id_tokens_too() {
    let secret = "0123456789abcdef0123456789abcdef";
    let roomkey = Roomkey::serve(&form(&format!("signing_secret = \"{secret}\"\ntoken = \"id\""), OPEN));
    let caller = bearer(json!({"sub": "u", "name": "U", "groups": ["b", "a"], "org": "acme"}));
    let (_, claims) = claims_of(&roomkey.enter(&caller, "r").token(), secret);
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["exp", "gids", "iat", "jti", "k", "pid", "ui", "uid"]);
    assert_eq!(
        (&claims["k"], &claims["gids"], &claims["ui"]),
        (&json!("id"), &json!(["b", "a"]), &json!({"name": "U"}))
    );
    let (_, claims) = claims_of(&roomkey.enter(&user("u"), "r").token(), secret);
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["exp", "iat", "jti", "k", "pid", "uid"]);
}
