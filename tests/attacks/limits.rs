//! Bounds: heads, bodies, times, and what a client costs (E5).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::Connection;
use crate::support::jwt::{as_alice, participant};
use crate::support::{Server, hasty, usual};

const GOOD: &str = r#"{"room_name":"standup"}"#;

fn still_serves(server: &Server) {
    assert_eq!(server.claims(&as_alice(), GOOD), participant("alice", "Alice", "standup"));
}

/// Sends pieces with pauses; what came back, and after how long it was over.
fn trickle(server: &Server, pieces: &[&str], pause: Duration) -> (Option<u16>, Duration) {
    let begin = Instant::now();
    let mut connection = Connection::open(server.public);
    for piece in pieces {
        if !connection.send(piece) || begin.elapsed() > Duration::from_secs(10) {
            break;
        }
        std::thread::sleep(pause);
    }
    let status = connection.read().map(|answer| answer.status);
    while status.is_some() && !connection.is_over() {}
    (status, begin.elapsed())
}

#[test]
fn e5_who_is_slow_is_ended_and_others_are_served() {
    let server = Server::start(&hasty(&usual()));
    let slow_head =
        ["POST /livekit/token HTTP/1.1\r\n", "H", "o", "s", "t", ":", " ", "x", "\r", "\n", "A", ":", "b", "\r", "\n"];
    let head = format!(
        "POST /livekit/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
        as_alice()
    );
    let mut slow_body = vec![head.as_str()];
    slow_body.extend(["{"; 30]);
    let pause = Duration::from_millis(200);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| trickle(&server, &slow_head, pause));
        let second = scope.spawn(|| trickle(&server, &slow_body, pause));
        let third = scope.spawn(|| trickle(&server, &[], pause));
        let fourth = scope.spawn(|| trickle(&server, &["POST"], pause));
        let idle: Vec<_> = (0..500).map(|_| Connection::open(server.public)).collect();
        still_serves(&server);
        for (name, worker, status) in
            [("head", first, None), ("body", second, Some(408)), ("silence", third, None), ("a start", fourth, None)]
        {
            let (got, took) = worker.join().unwrap();
            assert_eq!(got, status, "{name}");
            assert!(took < Duration::from_secs(6), "{name}: {took:?}");
        }
        still_serves(&server);
        drop(idle);
    });
    still_serves(&server);
}

#[test]
fn heads_are_bounded() {
    let server = Server::start(&usual());
    let good = |extra: &str| {
        format!(
            "POST /livekit/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n{GOOD}",
            as_alice(),
            GOOD.len()
        )
    };
    let ask = |bytes: &str| {
        let mut connection = Connection::open(server.public);
        connection.send(bytes);
        connection.read().map(|answer| answer.status)
    };
    assert_eq!(ask(&good("")), Some(201));
    assert_eq!(ask(&good(&format!("X: {}\r\n", "x".repeat(16 * 1024)))), Some(201));
    assert_eq!(ask(&good(&"X: y\r\n".repeat(90))), Some(201));
    for (name, extra) in [
        ("64 KiB", format!("X: {}\r\n", "x".repeat(64 * 1024))),
        ("33 KiB", format!("X: {}\r\n", "x".repeat(33 * 1024))),
        ("1 MiB", format!("X: {}\r\n", "x".repeat(1 << 20))),
        ("101 fields", "X: y\r\n".repeat(101)),
        ("1000 fields", "X: y\r\n".repeat(1000)),
        ("cookies", format!("Cookie: {}\r\n", "a=b; ".repeat(8000))),
    ] {
        assert_eq!(ask(&good(&extra)), Some(431), "{name}");
    }
    let long = format!("POST /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000));
    assert!(matches!(ask(&long), Some(414 | 431)));
    still_serves(&server);
}

#[test]
fn bodies_are_bounded_to_the_byte() {
    let server = Server::start(&hasty(&usual()));
    let padded = |length: usize| GOOD.to_owned() + &" ".repeat(length - GOOD.len());
    assert_eq!(server.token(&as_alice(), padded(65_536)).status, 201);
    for length in [65_537, 70_000, 1 << 20, 8 << 20] {
        server.token(&as_alice(), padded(length)).refused(413, "body_too_large");
    }
    let chunked = |size: usize, chunk: usize| {
        let body = padded(size);
        let chunks = body
            .as_bytes()
            .chunks(chunk)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
        let bytes: String = chunks.chain(["0\r\n\r\n".to_owned()]).collect();
        server.post().bearer(as_alice()).header("Transfer-Encoding", "chunked").json(bytes).send()
    };
    for (size, chunk) in [(65_536, 65_536), (65_536, 1000), (100, 1)] {
        assert_eq!(chunked(size, chunk).status, 201, "{size} {chunk}");
    }
    chunked(65_537, 65_536).refused(413, "body_too_large");
    chunked(1 << 20, 1000).refused(413, "body_too_large");
    // Deep, wide, and with many agents.
    for body in [
        "[".repeat(60_000),
        "{\"a\":".repeat(10_000),
        format!("{{\"room_config\":{}{}}}", "[".repeat(1000), "]".repeat(1000)),
        format!("{{\"room_name\":\"standup\",\"room_config\":{{\"agents\":{}1{}}}}}", "[".repeat(120), "]".repeat(120)),
        json!({"room_name": "standup", "room_config": {"agents": vec![json!({}); 100]}}).to_string(),
        json!({"room_name": "standup", "room_config": {"agents": vec![json!({"agent_name": "x"}); 100]}}).to_string(),
        format!("{{{}}}", (0..5000).map(|n| format!("\"a{n}\":1")).collect::<Vec<_>>().join(",")),
        format!("{{\"room_name\":{}}}", "9".repeat(60_000)),
        format!("{{\"room_name\":\"{}\"}}", "\\u0041".repeat(10_000)),
    ] {
        server.token(&as_alice(), &body).refused(400, "invalid_request");
    }
    server.post().bearer(as_alice()).header("Content-Length", "30").json("{}").send().refused(408, "request_timeout");
    still_serves(&server);
}

#[test]
fn requests_that_two_readers_read_differently_are_refused() {
    let server = Server::start(&usual());
    let token = as_alice();
    let start = format!(
        "POST /livekit/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    );
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (name, request) in [
        ("two lengths", format!("{start}Content-Length: 23\r\nContent-Length: 2\r\n\r\n{GOOD}")),
        ("a list of lengths", format!("{start}Content-Length: 23, 2\r\n\r\n{GOOD}")),
        ("a signed length", format!("{start}Content-Length: +23\r\n\r\n{GOOD}")),
        ("a negative length", format!("{start}Content-Length: -1\r\n\r\n{GOOD}")),
        ("a hexadecimal length", format!("{start}Content-Length: 0x17\r\n\r\n{GOOD}")),
        ("a length beyond numbers", format!("{start}Content-Length: 99999999999999999999\r\n\r\n{GOOD}")),
        ("an unknown coding", format!("{start}Transfer-Encoding: xchunked\r\n\r\n{GOOD}")),
        ("chunked not last", format!("{start}Transfer-Encoding: chunked, gzip\r\n\r\n{GOOD}")),
        ("a bad chunk", format!("{start}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{GOOD}\r\n0\r\n\r\n")),
        ("a huge chunk", format!("{start}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{GOOD}\r\n0\r\n\r\n")),
        ("a folded field", format!("{start}X: a\r\n b\r\nContent-Length: 23\r\n\r\n{GOOD}")),
        ("a space before the colon", format!("{start}Content-Length : 23\r\n\r\n{GOOD}")),
        ("a bare carriage return", format!("{start}X: a\rb\r\nContent-Length: 23\r\n\r\n{GOOD}")),
        ("a NUL in a field", format!("{start}X: a\u{0}b\r\nContent-Length: 23\r\n\r\n{GOOD}")),
        (
            "a NUL in the target",
            start.replacen("token ", "to\u{0}ken ", 1) + &format!("Content-Length: 23\r\n\r\n{GOOD}"),
        ),
        ("no version", "GET /healthz\r\n\r\n".to_owned()),
        ("another version", start.replacen("HTTP/1.1", "HTTP/3.0", 1) + "\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".to_owned()),
        ("no method", " /livekit/token HTTP/1.1\r\n\r\n".to_owned()),
    ] {
        let mut connection = Connection::open(server.public);
        connection.send(format!("{request}{smuggled}"));
        let answer = connection.read();
        let status = answer.as_ref().map(|answer| answer.status);
        assert!(matches!(status, None | Some(400 | 405 | 413 | 431 | 501 | 505)), "{name}: {answer:?}");
        assert!(connection.read().is_none(), "{name}: what followed was read as a request");
    }
    // Both lengths at once: the chunks count, or nothing does, and the connection ends.
    let both = format!("{start}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n{GOOD}\r\n0\r\n\r\n");
    let mut connection = Connection::open(server.public);
    connection.send(both);
    let answer = connection.read();
    assert!(answer.as_ref().is_none_or(|answer| matches!(answer.status, 201 | 400)), "{answer:?}");
    still_serves(&server);
}

#[test]
fn older_and_politer_clients_are_served() {
    let server = Server::start(&usual());
    let head = |version: &str, more: &str| {
        format!(
            "POST /livekit/token HTTP/{version}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 23\r\n{more}\r\n",
            as_alice()
        )
    };
    for request in
        [head("1.0", "") + GOOD, head("1.0", "Host: x\r\n") + GOOD, head("1.1", "Host: x\r\nTE: trailers\r\n") + GOOD]
    {
        let mut connection = Connection::open(server.public);
        connection.send(&request);
        assert_eq!(connection.read().unwrap().status, 201, "{request}");
    }
    // A body is asked for only where it will be read.
    let mut connection = Connection::open(server.public);
    connection.send(head("1.1", "Host: x\r\nExpect: 100-continue\r\n"));
    assert_eq!(connection.read().unwrap().status, 100);
    connection.send(GOOD);
    assert_eq!(connection.read().unwrap().status, 201);
    let mut connection = Connection::open(server.public);
    connection.send(head("1.1", "Host: x\r\nExpect: 100-continue\r\n").replace("Bearer ", "Bearer x"));
    assert_eq!(connection.read().unwrap().status, 401);
    // One connection, many requests, each on its own.
    let mut connection = Connection::open(server.public);
    connection.send((head("1.1", "Host: x\r\n") + GOOD).repeat(3));
    connection.send((head("1.1", "Host: x\r\n") + GOOD).replace("Bearer ", "Bearer x"));
    connection.send(head("1.1", "Host: x\r\n") + GOOD);
    let statuses: Vec<_> = (0..5).map(|_| connection.read().unwrap().status).collect();
    assert_eq!(statuses, [201, 201, 201, 401, 201]);
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let server = Server::start(&usual());
    let mut flying = Connection::open(server.public);
    flying.send(format!("POST /livekit/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n{{", as_alice()));
    let mut idle = Connection::open(server.public);
    std::thread::sleep(Duration::from_millis(200));
    server.terminate();
    std::thread::sleep(Duration::from_millis(200));
    let ready = crate::support::http::Ask::new(server.admin, "GET", "/readyz").send();
    assert_eq!(ready.status, 503);
    flying.send(&GOOD[1..]);
    assert_eq!(flying.read().unwrap().status, 201);
    assert!(idle.is_over());
    let begin = Instant::now();
    let said = server.finish();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_second_signal_ends_at_once_and_a_silent_client_does_not_hold_the_end() {
    let head = "POST /livekit/token HTTP/1.1\r\nHost: x\r\n";
    let server = Server::start(&usual());
    let mut flying = Connection::open(server.public);
    let length = "Content-Type: application/json\r\nContent-Length: 23\r\n\r\n";
    flying.send(format!("{head}Authorization: Bearer {}\r\n{length}", as_alice()));
    std::thread::sleep(Duration::from_millis(200));
    server.terminate();
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    server.terminate();
    let said = server.finish();
    assert!(said.code.is_some() && begin.elapsed() < Duration::from_secs(2), "{said:?}");
    assert!(flying.read().is_none());
    let server = Server::start(&hasty(&usual()));
    let mut half = Connection::open(server.public);
    half.send(head);
    std::thread::sleep(Duration::from_millis(100));
    server.terminate();
    assert_eq!(server.finish().code, Some(0));
}
