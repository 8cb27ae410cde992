//! The HTTP edge (E1, E2, E6 to E8) and the problem documents.

use serde_json::json;

use crate::support::http::{Answer, Ask, Connection};
use crate::support::jwt::{as_alice, as_bob, participant};
use crate::support::{ORIGIN, Server, check, claims, hasty, usual};

const FOREIGN: [&str; 17] = [
    "https://evil.com",
    "null",
    "https://app.example.com.evil.com",
    "https://evilapp.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "HTTPS://APP.EXAMPLE.COM",
    "https://app.example.com:443",
    "https://app.example.com/",
    "https://app.example.com, https://evil.com",
    "https://app.example.com https://evil.com",
    "https://app.example.com@evil.com",
    "https://app.example.com.",
    "https://APP.example.com",
    "file://",
    "*",
    "",
];

#[test]
fn e1_only_listed_origins_may_read() {
    let server = Server::start(&usual().replace("[livekit]", "allow_credentials = true\n[livekit]"));
    let post = |origin: &str| server.post().header("Origin", origin).bearer(as_alice()).json(r#"{"room":"standup"}"#);
    let preflight = |origin: &str| {
        server.ask("OPTIONS", "/livekit/token").header("Origin", origin).header("Access-Control-Request-Method", "POST")
    };
    for origin in FOREIGN {
        for answer in [post(origin).send(), preflight(origin).send(), post(origin).bearer("x").send()] {
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}: {answer:?}");
            assert!(answer.lists("vary", "origin"), "{origin}: {answer:?}");
        }
    }
    for ask in [post(ORIGIN), preflight(ORIGIN)] {
        let answer = ask.send();
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(answer.lists("vary", "origin"));
    }
    assert!(server.token(&as_alice(), r#"{"room":"standup"}"#).lists("vary", "origin"));
    let twice = post(ORIGIN).header("Origin", "https://evil.com").send();
    assert_ne!(twice.header("access-control-allow-origin"), Some("https://evil.com"));
    for origins in ["\"*\"", "\"https://app.example.com\", \"*\""] {
        let cors = format!("allowed_origins = [{origins}]\nallow_credentials = true");
        let said = check(&usual().replace("allowed_origins = [\"https://app.example.com\"]", &cors), &[]);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains("cors.allowed_origins"), "{}", said.err);
    }
    let star = Server::start(&usual().replace(ORIGIN, "*"));
    let answer =
        star.post().header("Origin", "https://evil.com").bearer(as_alice()).json(r#"{"room":"standup"}"#).send();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

/// A way to be refused, and how.
fn refusals(server: &Server) -> Vec<(u16, &'static str, Ask)> {
    let room = r#"{"room_name":"standup"}"#;
    let token = as_alice();
    vec![
        (400, "invalid_request", server.post().bearer(&token).json("{}")),
        (400, "invalid_request", server.post().bearer(&token).json("[")),
        (401, "unauthenticated", server.post().json(room)),
        (401, "unauthenticated", server.post().bearer("garbage").json(room)),
        (403, "forbidden", server.post().bearer(as_bob()).json(room)),
        (404, "not_found", server.ask("GET", "/")),
        (404, "not_found", server.ask("POST", "/livekit/tokens").bearer(&token).json(room)),
        (404, "not_found", server.ask("GET", "/readyz")),
        (404, "not_found", server.ask("GET", "/metrics")),
        (404, "not_found", server.ask("POST", "/api/liveblocks-auth").bearer(&token).json("{}")),
        (405, "method_not_allowed", server.ask("GET", "/livekit/token")),
        (405, "method_not_allowed", server.ask("POST", "/healthz").json(room)),
        (413, "body_too_large", server.post().bearer(&token).json(vec![b' '; 65_537])),
        (415, "unsupported_media_type", server.post().bearer(&token).body(room)),
        (408, "request_timeout", server.post().bearer(&token).header("Content-Length", "100").json(room)),
    ]
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    answer.refused(status, code);
    let problem = answer.json();
    assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
    assert!(!problem["title"].as_str().unwrap().is_empty());
    assert_eq!(problem["status"], status);
    assert!(!problem["request_id"].as_str().unwrap().is_empty());
    // `error` is for Liveblocks' client alone.
    let known = ["type", "title", "status", "code", "detail", "reason", "request_id", "error"];
    assert!(problem.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{problem}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert!(answer.lists("vary", "origin"), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"), "{answer:?}");
    assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
}

#[test]
fn e2_refusals_can_be_read_by_an_allowed_page() {
    let server = Server::start(&hasty(&usual()));
    for (status, code, ask) in refusals(&server) {
        let answer = ask.clone().header("Origin", ORIGIN).send();
        is_problem(&answer, status, code);
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{answer:?}");
        assert!(answer.lists("access-control-expose-headers", "x-request-id"), "{answer:?}");
    }
    for asked in ["authorization,content-type", "authorization, content-type, x-request-id, traceparent, baggage"] {
        let preflight = server.ask("OPTIONS", "/livekit/token").header("Origin", ORIGIN);
        let preflight = preflight.header("Access-Control-Request-Method", "POST");
        let answer = preflight.header("Access-Control-Request-Headers", asked).send();
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert!(answer.lists("access-control-allow-methods", "POST"), "{answer:?}");
        for header in asked.split(',').map(str::trim) {
            assert!(answer.lists("access-control-allow-headers", header), "{header}: {answer:?}");
        }
        assert!(!answer.lists("access-control-allow-headers", "*"));
    }
    // One of the refusals was decided on, and no preflight was.
    assert_eq!(server.log().matches("\"event\":\"decision\"").count(), 1);
}

#[test]
fn e6_an_answer_says_no_more_than_code_field_and_id() {
    let server = Server::start(&hasty(&usual()));
    for (status, code, ask) in refusals(&server) {
        let answer = ask.send();
        is_problem(&answer, status, code);
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        if status == 401 {
            assert_eq!(detail, "", "a 401 does not say what was nearly right");
        }
        for leak in ["alice", "bob", "standup", "src/", "jsonwebtoken", "rules[", "members", "serde", "line "] {
            assert!(!answer.body.contains(leak), "{leak} in {answer:?}");
        }
    }
    // What was sent does not come back, but for a field's plain name.
    for (body, wanted) in [
        (r#"{"room_name":"standup","participant_metadata":"<script>CANARY"}"#, "participant_metadata"),
        (r#"{"room_name":"CANARY\u0000"}"#, "room_name"),
        (r#"{"<script>CANARY":1}"#, "a field"),
        (r#"{"room_name":{"CANARY":1,"CANARY":2}}"#, ""),
        (r#"{"isAdmin":"CANARY"}"#, "isAdmin"),
    ] {
        let answer = server.token(&as_alice(), body);
        answer.refused(400, "invalid_request");
        assert!(answer.json()["detail"].as_str().unwrap().contains(wanted), "{answer:?}");
        assert!(!answer.body.contains("script"), "{answer:?}");
    }
    for id in ["abc-123_x.y", "0"] {
        let answer = server.post().header("X-Request-Id", id).json("{}").send();
        assert_eq!((answer.json()["request_id"].as_str(), answer.header("x-request-id")), (Some(id), Some(id)));
    }
    for id in ["<script>", "a b", "a\"b", &"x".repeat(129), "", "{{7*7}}", "é"] {
        let answer = server.post().header("X-Request-Id", id).json("{}").send();
        let ours = answer.json()["request_id"].as_str().unwrap().to_owned();
        assert!(ours.len() == 32 && ours.bytes().all(|byte| byte.is_ascii_hexdigit()), "{ours}");
        assert_eq!(answer.header("x-request-id"), Some(&*ours));
    }
}

#[test]
fn e7_no_answer_is_cached_or_sniffed() {
    let server = Server::start(&usual());
    for body in [r#"{"room_name":"standup"}"#, r#"{"room":"standup"}"#] {
        let answer = server.token(&as_alice(), body);
        assert!(matches!(answer.status, 200 | 201));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.lists("vary", "origin"));
    }
}

#[test]
fn e8_methods_are_what_they_are() {
    let server = Server::start(&usual());
    for address in [server.public, server.admin] {
        for method in ["GET", "HEAD"] {
            assert_eq!(Ask::new(address, method, "/healthz").send().status, 200, "{method}");
        }
    }
    assert_eq!(Ask::new(server.admin, "GET", "/readyz").send().status, 200);
    Ask::new(server.admin, "POST", "/livekit/token").bearer(as_alice()).json("{}").send().refused(404, "not_found");
    for method in ["PUT", "DELETE", "TRACE", "PATCH", "GET", "QUERY", "FOO", "post", "PROPFIND"] {
        let answer = server.ask(method, "/livekit/token").bearer(as_alice()).json(r#"{"room":"standup"}"#).send();
        is_problem(&answer, 405, "method_not_allowed");
        assert!(answer.lists("allow", "POST"), "{method}: {answer:?}");
        assert!(!answer.body.contains("Bearer"), "{method}");
    }
    let head = server.ask("HEAD", "/livekit/token").send();
    assert_eq!(head.status, 405);
    assert!(head.lists("allow", "POST"), "{head:?}");
    for method in ["PUT", "DELETE", "TRACE", "POST"] {
        let answer = server.ask(method, "/healthz").send();
        is_problem(&answer, 405, "method_not_allowed");
        assert!(answer.lists("allow", "GET"), "{method}: {answer:?}");
    }
    // Targets that are no path do no harm.
    for line in ["OPTIONS * HTTP/1.1", "CONNECT evil.com:443 HTTP/1.1", "GET evil.com:443 HTTP/1.1", "POST ? HTTP/1.1"]
    {
        let mut connection = Connection::open(server.public);
        connection.send(format!("{line}\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        if let Some(answer) = connection.read() {
            assert!((200..500).contains(&answer.status), "{line}: {answer:?}");
            assert!(!answer.body.contains("token"), "{line}");
        }
    }
    assert_eq!(server.claims(&as_alice(), r#"{"room_name":"standup"}"#), participant("alice", "Alice", "standup"));
}

#[test]
fn what_is_wrong_first_is_said_first() {
    let server = Server::start(&usual());
    let large = vec![b'{'; 70_000];
    let (alice, bob) = (as_alice(), as_bob());
    // Everything at once, and then less and less.
    server.ask("POST", "/nowhere").body(&large).send().refused(404, "not_found");
    server.ask("PUT", "/livekit/token").body(&large).send().refused(405, "method_not_allowed");
    server.post().bearer("x").body(&large).send().refused(415, "unsupported_media_type");
    server.post().bearer("x").json(&large).send().refused(401, "unauthenticated");
    server.post().json(&large).send().refused(401, "unauthenticated");
    server.post().bearer(&bob).json(&large).send().refused(413, "body_too_large");
    server.post().bearer(&bob).json("{").send().refused(400, "invalid_request");
    server.post().bearer(&bob).json(r#"{"room_name":"standup","role":"host"}"#).send().refused(400, "invalid_request");
    let metadata = json!({"room_name": "standup", "participant_metadata": "x"});
    server.token(&bob, &metadata).refused(400, "invalid_request");
    server.post().bearer(&bob).json(r#"{"room_name":"standup"}"#).send().refused(403, "forbidden");
    assert_eq!(server.claims(&alice, r#"{"room_name":"standup"}"#), participant("alice", "Alice", "standup"));
}

#[test]
fn a_body_is_json_in_utf_8_and_says_so_once() {
    let server = Server::start(&usual());
    let ask = |kinds: &[&str]| {
        let ask = server.post().bearer(as_alice()).body(r#"{"room_name":"standup"}"#);
        kinds.iter().fold(ask, |ask, kind| ask.header("Content-Type", kind)).send()
    };
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
        "application/json; charset=\"utf-8\"",
        "application/json ;charset=utf-8",
    ] {
        assert_eq!(claims(&ask(&[kind])), participant("alice", "Alice", "standup"), "{kind}");
    }
    for kinds in [
        &["text/plain"][..],
        &["text/json"],
        &["application/json; charset=utf-16"],
        &["application/json; charset=latin1"],
        &["application/problem+json"],
        &["application/x-www-form-urlencoded"],
        &["multipart/form-data; boundary=x"],
        &["application/json, text/plain"],
        &["text/plain, application/json"],
        &["application/json; boundary=x"],
        &["application/json", "application/json"],
        &["application/json", "text/plain"],
        &["text/plain", "application/json"],
        &["application/jsonp"],
        &["application/json5"],
        &["json"],
        &["*/*"],
        &[""],
        &["application/json charset=utf-8"],
        &["text/plain; application/json"],
        &["application/ json"],
        &["application/json; charset"],
        &[],
    ] {
        is_problem(&ask(kinds), 415, "unsupported_media_type");
    }
    for encoding in ["gzip", "br", "deflate"] {
        let ask = server.post().bearer(as_alice()).header("Content-Encoding", encoding);
        let answer = ask.json(b"\x1f\x8b\x08\x00").send();
        assert!(matches!(answer.status, 400 | 415), "{answer:?}");
    }
}
