//! Attacks on this route, by the ids of the table of attacks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::{API_KEY, APP_SECRET, PATH, RULES, Roomkey, Upstream, bearer, cloud, now, sign, user};

fn alice() -> String {
    bearer(json!({"sub": "alice", "org": "acme", "rooms": ["standup"]}))
}

#[test]
fn a1_nobody_gets_nothing() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    let json = [("content-type", "application/json")];
    for body in [&br#"{"room":"standup"}"#[..], b"{}", b"", br#"{"room":"standup","user_id":"admin"}"#, b"garbage"] {
        roomkey.request("POST", PATH, &json, body).is(401, "unauthenticated");
    }
    let query = format!("{PATH}?room=standup&user_id=admin");
    let answer = roomkey.request("GET", &query, &json, b"");
    answer.is(405, "method_not_allowed");
    roomkey.request("POST", &query, &json, b"{}").is(401, "unauthenticated");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a2_nobody_is_someone_else() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    for other in ["bob", "Alice", "alice ", "alice\u{0}", "*", "alic\u{435}"] {
        roomkey.ask(&alice(), json!({"room": "standup", "user_id": other}).to_string()).is(400, "invalid_request");
    }
    assert_eq!(upstream.calls(), 0);
    roomkey.ask(&alice(), r#"{"room":"standup","user_id":"alice"}"#).token();
    assert_eq!(upstream.last().json()["userId"], "alice");
}

#[test]
fn a3_what_is_no_field_is_refused_and_other_places_are_not_read() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    for field in [
        "identity",
        "participantName",
        "userId",
        "uid",
        "username",
        "sub",
        "permissions",
        "perms",
        "userInfo",
        "ui",
        "groupIds",
        "organizationId",
        "tenantId",
        "ttl",
        "expire",
        "isAdmin",
        "rooms",
        "liveblocks_rooms",
        "Room",
        "room ",
        "__proto__",
        "constructor",
        "",
        "token",
    ] {
        for value in [json!("bob"), json!(null), json!({}), json!(["*:write"])] {
            let answer = roomkey.ask(&alice(), json!({"room": "standup", field: value}).to_string());
            answer.is(400, "invalid_request");
            assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer:?}");
        }
    }
    // what only a backend may say
    for (field, value) in [
        ("name", json!("Bob")),
        ("name", json!("")),
        ("role", json!("host")),
        ("role", json!(null)),
        ("claims", json!({"org": "evil"})),
        ("claims", json!({})),
        ("claims", json!(null)),
    ] {
        roomkey.ask(&alice(), json!({"room": "standup", field: value}).to_string()).is(400, "invalid_request");
    }
    assert_eq!(upstream.calls(), 0);
    let headers = [
        ("authorization", &*alice()),
        ("content-type", "application/json"),
        ("x-user-id", "bob"),
        ("x-forwarded-user", "bob"),
        ("x-http-method-override", "GET"),
        ("x-original-url", "/healthz"),
    ];
    let path = format!("{PATH}?identity=bob&user_id=bob&room=lounge");
    roomkey.request("POST", &path, &headers, br#"{"room":"standup"}"#).token();
    let seen = upstream.last();
    assert_eq!(
        seen.body,
        r#"{"userId":"alice","permissions":{"standup":["room:write","comments:write"]},"organizationId":"acme"}"#
    );
    let passed_on = seen.headers.iter().any(|(name, value)| name.starts_with("x-") || value.contains("bob"));
    assert!(!passed_on, "{seen:?}");
}

#[test]
fn a8_a_token_that_the_app_did_not_sign_is_nothing() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = part(json!({"sub": "alice", "rooms": ["standup"], "exp": now() + 600}));
    let good = sign(&json!({"sub": "alice", "rooms": ["standup"], "exp": now() + 600}), APP_SECRET);
    let (input, tag) = good.rsplit_once('.').unwrap();
    let jwks = format!("{}/jwks", upstream.url());
    let mut tokens = vec![
        format!("{}.{claims}.", part(json!({"alg": "none"}))),
        format!("{}.{claims}.", part(json!({"alg": "None", "typ": "JWT"}))),
        format!("{}.{claims}.{tag}", part(json!({"alg": "HS512"}))),
        format!("{}.{claims}.{tag}", part(json!({"alg": "RS256", "jku": jwks}))),
        format!("{}.{claims}.{tag}", part(json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}))),
        format!("{}.{claims}.{tag}", part(json!({"alg": "HS256", "kid": "../../../../etc/passwd"}))),
        format!("{}.{claims}.{tag}", part(json!({"alg": "HS256", "crit": ["x"]}))),
        format!("{input}."),
        format!("{input}.{}", &tag[1..]),
        format!("{input}.{tag}.{tag}"),
        sign(&json!({"sub": "alice", "exp": now() + 600}), "another-secret-with-more-than-32-bytes"),
        format!("rk_backend_{}", "B".repeat(43)),
        format!("{API_KEY}A"),
    ];
    for wrong in [
        json!({"sub": "alice"}),
        json!({"sub": "alice", "exp": now() - 120}),
        json!({"sub": "alice", "exp": "9999999999"}),
        json!({"sub": "alice", "exp": null}),
        json!({"sub": "alice", "exp": now() + 600, "nbf": now() + 3600}),
        json!({"sub": "alice", "exp": now() + 600, "iat": now() + 3600}),
        json!({"sub": ["alice"], "exp": now() + 600}),
        json!({"exp": now() + 600}),
    ] {
        tokens.push(sign(&wrong, APP_SECRET));
    }
    for token in tokens {
        roomkey.enter(&format!("Bearer {token}"), "standup").is(401, "unauthenticated");
    }
    for header in ["Basic YWxpY2U6eA==", "Bearer", "Bearer ", &format!("bearer  {good}x"), &good] {
        roomkey.enter(header, "standup").is(401, "unauthenticated");
    }
    let twice = [("authorization", &*alice()), ("authorization", &*alice()), ("content-type", "application/json")];
    roomkey.request("POST", PATH, &twice, br#"{"room":"standup"}"#).is(401, "unauthenticated");
    assert_eq!(upstream.connections(), 0, "nothing is fetched for a token");
}

#[test]
fn a13_a_wrong_credential_is_never_a_guest() {
    let upstream = Upstream::good();
    let guests = "[[authenticate]]\nkind = \"guest\"\n[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", claims = { guest = true }, role = \"viewer\" }]";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", guests));
    let json = ("content-type", "application/json");
    let room = br#"{"room":"standup"}"#;
    let expired = format!("session={}", sign(&json!({"sub": "alice", "exp": now() - 600}), APP_SECRET));
    for presented in [
        ("authorization", "Bearer garbage"),
        ("authorization", "Basic x"),
        ("authorization", ""),
        ("cookie", &*expired),
        ("cookie", "session=garbage"),
    ] {
        roomkey.request("POST", PATH, &[presented, json], room).is(401, "unauthenticated");
    }
    assert_eq!(upstream.calls(), 0);
    roomkey.request("POST", PATH, &[json], room).token();
    roomkey.request("POST", PATH, &[json, ("cookie", "other=1")], room).token();
    let ids: Vec<_> = upstream.seen().iter().map(|seen| seen.json()["userId"].as_str().unwrap().to_owned()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with("guest-")), "{ids:?}");
}

/// Two things that are both missing are not equal.
#[test]
fn a14_who_has_no_tenant_is_in_none() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    let odd = [
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!(true),
        json!(["*"]),
        json!("*"),
        json!("acme:x"),
        json!("a/b"),
        json!("\u{0}"),
    ];
    let callers = odd.into_iter().map(|org| bearer(json!({"sub": "u", "org": org, "rooms": org})));
    for caller in callers.chain([user("u")]) {
        for room in [
            "no-such-room",
            "org::x",
            "org:undefined:x",
            "org:null:x",
            "org:{org}:x",
            "org:acme:x",
            "undefined",
            "null",
            "org:",
            "org:true:x",
        ] {
            roomkey.enter(&caller, room).is(403, "forbidden");
        }
    }
    assert_eq!(upstream.calls(), 0);
}

#[test]
fn b1_another_room_is_refused() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", RULES));
    let bob = bearer(json!({"sub": "bob", "org": "evil", "rooms": ["lounge"]}));
    for room in
        ["standup", "org:acme:x", "org:evil", "org:evil:", "Lounge", "lounge ", "lounge/", "lounge:", "org:evilx:y"]
    {
        roomkey.enter(&bob, room).is(403, "forbidden");
    }
    assert_eq!(upstream.calls(), 0);
    roomkey.enter(&bob, "lounge").token();
    roomkey.enter(&bob, "org:evil:x:y").token();
}

/// A cookie goes along with requests from any page.
#[test]
fn a_cookie_from_another_page_does_not_count() {
    let upstream = Upstream::good();
    let config = cloud(&upstream.url(), "", RULES)
        + "\n[cors]\nallowed_origins = [\"https://app.example.com\"]\nallow_credentials = true";
    let roomkey = Roomkey::serve(&config);
    let alice = alice();
    let cookie = format!("session={}", alice.strip_prefix("Bearer ").unwrap());
    let with = |name, value| {
        let headers = [("cookie", &*cookie), ("content-type", "application/json"), (name, value)];
        roomkey.request("POST", PATH, &headers, br#"{"room":"standup"}"#)
    };
    with("origin", "https://evil.example").is(403, "forbidden");
    with("origin", "null").is(403, "forbidden");
    with("sec-fetch-site", "cross-site").is(403, "forbidden");
    assert_eq!(upstream.calls(), 0);
    with("origin", "https://app.example.com").token();
    with("sec-fetch-site", "same-origin").token();
}
