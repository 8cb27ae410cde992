//! What an answer puts into a token besides its role.

use serde_json::{Value, json};

use crate::support::{Roomkey, Upstream, asking, session, user};

#[test]
fn name_metadata_and_attributes_are_the_answers() {
    let backend = Upstream::new();
    let roomkey =
        Roomkey::serve(&asking(&backend.url(), "role = \"participant\"\n[livekit.attributes]\nplan = \"plan\"\n"));
    let caller = user(json!({"sub": "alice", "name": "Alice", "plan": "free"}));
    backend.answers(&json!({"decision": true}));
    let plain = roomkey.livekit().by(&caller).send().livekit();
    assert_eq!((&plain["name"], &plain["attributes"]), (&json!("Alice"), &json!({"plan": "free"})));
    assert_eq!(plain.get("metadata"), None);
    backend.answers(&json!({"decision": true, "context": {
        "name": "Al", "livekit": {"metadata": "{\"seat\":7}", "attributes": {"plan": "paid", "team": "red"}, "ttl": "5m"},
    }}));
    let claims = roomkey.livekit().by(&caller).send().livekit();
    let expiry = claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
    assert_eq!(
        json!([claims["sub"], claims["name"], claims["metadata"], claims["attributes"], expiry]),
        json!(["alice", "Al", "{\"seat\":7}", {"plan": "paid", "team": "red"}, 300])
    );
    assert_eq!(claims["video"]["canPublish"], true, "the block's own role");
    assert_eq!(
        claims.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["attributes", "exp", "iss", "metadata", "name", "nbf", "sub", "video"]
    );
    backend.answers(&json!({"decision": true, "context": {"livekit": {"metadata": {"seat": 7}}}}));
    assert_eq!(roomkey.livekit().by(&caller).send().livekit()["metadata"], "{\"seat\":7}");
    // Braces are text here, and no template.
    backend.answers(&json!({"decision": true, "context": {"name": "{plan}", "livekit": {"metadata": "{plan}"}}}));
    let claims = roomkey.livekit().by(&caller).send().livekit();
    assert_eq!(json!([claims["name"], claims["metadata"]]), json!(["{plan}", "{plan}"]));
}

#[test]
fn permissions_user_info_and_groups_are_the_answers() {
    let backend = Upstream::new();
    let base = asking(&backend.url(), "role = \"viewer\"");
    let access = Roomkey::serve(&base);
    let id = Roomkey::serve(&base.replace("[liveblocks]", "[liveblocks]\ntoken = \"id\"\ngroup_ids = \"groups\""));
    let caller = user(json!({"sub": "alice", "name": "Alice", "picture": "p", "groups": ["g"]}));
    backend.answers(&json!({"decision": true, "context": {"liveblocks": {
        "permissions": ["room:write", "comments:read"], "user_info": {"name": "Al", "color": "red"}, "group_ids": ["h", "i"],
    }}}));
    let claims = access.liveblocks().by(&caller).send().liveblocks();
    assert_eq!(
        json!([claims["k"], claims["uid"], claims["perms"], claims["ui"], claims.get("gids")]),
        json!(["acc", "alice", {"standup": ["room:write", "comments:read"]}, {"name": "Al", "color": "red"}, null])
    );
    let claims = id.liveblocks().by(&caller).send().liveblocks();
    assert_eq!(
        json!([claims["k"], claims["uid"], claims.get("perms"), claims["ui"], claims["gids"]]),
        json!(["id", "alice", null, {"name": "Al", "color": "red"}, ["h", "i"]])
    );
    backend.answers(&json!({"decision": true, "context": {"name": "Al"}}));
    assert_eq!(access.liveblocks().by(&caller).send().liveblocks()["ui"], json!({"name": "Al", "avatar": "p"}));
    // An answer for one provider says nothing to the other.
    backend.answers(&json!({"decision": true, "context": {"livekit": {"can_publish": true, "metadata": "m"}}}));
    let claims = access.liveblocks().by(&caller).send().liveblocks();
    assert_eq!(claims["perms"], json!({"standup": ["room:read", "room:presence:write", "comments:read"]}));
}

#[test]
fn a_session_says_all_of_it_at_once() {
    let backend = Upstream::new();
    let roomkey = Roomkey::serve(&session(&backend.url(), ""));
    backend.answers(&json!({"decision": true, "context": {
        "role": "participant", "subject": {"id": "u-7", "name": "Alice", "claims": {"picture": "p", "id": "mallory", "name": "M"}},
        "livekit": {"attributes": {"team": "red"}}, "liveblocks": {"group_ids": ["g"]},
    }}));
    let claims = roomkey.livekit().cookie("session=x").send().livekit();
    assert_eq!(json!([claims["sub"], claims["name"], claims["attributes"]]), json!(["u-7", "Alice", {"team": "red"}]));
    let claims = roomkey.liveblocks().cookie("session=x").send().liveblocks();
    assert_eq!(json!([claims["uid"], claims["ui"]]), json!(["u-7", {"name": "Alice", "avatar": "p"}]));
}

#[test]
fn what_cannot_be_put_into_a_token_gives_none() {
    let backend = Upstream::new();
    let roomkey = Roomkey::serve(&session(&backend.url(), ""));
    let subjects: [Value; 5] = ["x\u{0}".into(), " ".into(), "\n".into(), "x".repeat(257).into(), "\u{200b}".into()];
    for id in subjects {
        backend.answers(&json!({"decision": true, "context": {"role": "viewer", "subject": {"id": id}}}));
        let answer = roomkey.livekit().cookie("session=x").send();
        assert!(answer.status >= 400 && !answer.body.contains("eyJ"), "{id}: {answer:?}");
    }
    backend.answers(&json!({"decision": true, "context": {
        "role": "viewer", "subject": {"id": "a"}, "liveblocks": {"user_info": {"x": "y".repeat(2000)}},
    }}));
    let answer = roomkey.liveblocks().cookie("session=x").send();
    assert!(answer.status >= 500 && !answer.body.contains("eyJ"), "{answer:?}");
}
