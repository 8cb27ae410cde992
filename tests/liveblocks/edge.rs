//! The HTTP edge of this route: E1, E2, E7, E8 of the table of attacks.

use serde_json::json;

use crate::support::{OPEN, PATH, Roomkey, Upstream, bearer, cloud, reply, run, user};

const APP: &str = "https://app.example.com";

fn roomkey(upstream: &Upstream) -> Roomkey {
    let cors = format!("[cors]\nallowed_origins = [\"{APP}\"]\n{OPEN}");
    Roomkey::serve(&cloud(&upstream.url(), "timeout = \"300ms\"", &cors))
}

#[test]
fn e1_only_a_listed_origin_is_answered() {
    let upstream = Upstream::good();
    let roomkey = roomkey(&upstream);
    let caller = user("u");
    for evil in [
        "https://evil.com",
        "null",
        "https://app.example.com.evil.com",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "HTTPS://APP.EXAMPLE.COM",
        "https://app.example.com/",
        "*",
        "",
    ] {
        let headers = [("authorization", &*caller), ("content-type", "application/json"), ("origin", evil)];
        let answer = roomkey.request("POST", PATH, &headers, br#"{"room":"r"}"#);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{evil}");
        let headers = [("origin", evil), ("access-control-request-method", "POST")];
        let answer = roomkey.request("OPTIONS", PATH, &headers, b"");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{evil}");
    }
    let config = cloud(&upstream.url(), "", OPEN) + "\n[cors]\nallowed_origins = [\"*\"]\nallow_credentials = true";
    run(&["serve", "--config", "roomkey.toml"], &config, &[]).refused("cors.", "*");
}

#[test]
fn e2_a_browser_may_read_every_answer() {
    let upstream = Upstream::good();
    let roomkey = roomkey(&upstream);
    let caller = user("u");
    let ask = |method: &str, headers: &[(&str, &str)], body: &[u8], status: u16| {
        let all = [&[("origin", APP)], headers].concat();
        let answer = roomkey.request(method, PATH, &all, body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{answer:?}");
        let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
        assert!(exposed.contains("retry-after") && exposed.contains("x-request-id"), "{answer:?}");
    };
    let json = ("content-type", "application/json");
    let auth = ("authorization", &*caller);
    let room = br#"{"room":"r"}"#;
    ask("POST", &[auth, json], room, 200);
    ask("POST", &[auth, json], b"{", 400);
    ask("POST", &[json], room, 401);
    ask("POST", &[auth, json], b"{}", 403);
    ask("GET", &[auth], b"", 405);
    ask("POST", &[auth, json], &vec![b' '; 70_000], 413);
    ask("POST", &[auth], room, 415);
    let long = bearer(json!({"sub": "a".repeat(129)}));
    ask("POST", &[("authorization", &*long), json], room, 500);
    upstream.sends(reply(500, &[], b""));
    ask("POST", &[auth, json], room, 502);
    upstream.sends(reply(429, &[], b""));
    ask("POST", &[auth, json], room, 503);
    upstream.hangs();
    ask("POST", &[auth, json], room, 504);
}

#[test]
fn e2_a_preflight_asks_nobody() {
    let upstream = Upstream::good();
    let roomkey = roomkey(&upstream);
    let headers = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let answer = roomkey.request("OPTIONS", PATH, &headers, b"");
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{answer:?}");
    assert_eq!(upstream.connections(), 0);
    assert!(!roomkey.said().contains("\"event\":\"decision\""));
}

/// Cache and sniffing headers are checked on every answer of every test.
#[test]
fn e7_a_token_is_kept_by_nobody() {
    let upstream = Upstream::good();
    let roomkey = roomkey(&upstream);
    let answer = roomkey.enter(&user("u"), "r");
    answer.token();
    for header in ["etag", "last-modified", "expires", "set-cookie", "server", "x-powered-by", "location"] {
        assert_eq!(answer.header(header), None, "{answer:?}");
    }
    // the same question again is another token
    assert_ne!(answer.token(), roomkey.enter(&user("u"), "r").token());
}

#[test]
fn e8_only_post_is_there() {
    let upstream = Upstream::good();
    let roomkey = roomkey(&upstream);
    let caller = user("u");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "post"] {
        let answer = roomkey.request(method, PATH, &[("authorization", &caller)], b"");
        assert_eq!(answer.status, 405, "{answer:?}");
        let allowed: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
        assert!(allowed.contains(&"POST") && !allowed.contains(&"GET"), "{answer:?}");
    }
    for path in [
        "/api/liveblocks-auth/",
        "/api/liveblocks-auth/x",
        "//api/liveblocks-auth",
        "/API/liveblocks-auth",
        "/api/%6civeblocks-auth",
    ] {
        let headers = [("authorization", &*caller), ("content-type", "application/json")];
        assert_eq!(roomkey.request("POST", path, &headers, br#"{"room":"r"}"#).status, 404, "{path}");
    }
    assert_eq!(upstream.calls(), 0);
    for method in ["GET", "HEAD"] {
        assert_eq!(roomkey.request(method, "/healthz", &[], b"").status, 200);
    }
}

/// What is checked first is said first.
#[test]
fn errors_come_in_their_order() {
    let upstream = Upstream::good();
    let roomkey = roomkey(&upstream);
    let caller = user("u");
    let big = vec![b' '; 70_000];
    let json = ("content-type", "application/json");
    roomkey.request("PUT", PATH, &[("content-type", "text/plain")], &big).is(405, "method_not_allowed");
    roomkey.request("POST", PATH, &[("content-type", "text/plain")], &big).is(415, "unsupported_media_type");
    roomkey.request("POST", PATH, &[json], &big).is(401, "unauthenticated");
    roomkey.request("POST", PATH, &[json, ("authorization", &caller)], &big).is(413, "body_too_large");
    roomkey.request("POST", PATH, &[json, ("authorization", &caller)], b"{").is(400, "invalid_request");
    let twice = [json, json, ("authorization", &*caller)];
    roomkey.request("POST", PATH, &twice, br#"{"room":"r"}"#).is(415, "unsupported_media_type");
    assert_eq!(upstream.calls(), 0);
}
