//! A Liveblocks that answers: with a token, with a fault, with too much.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::support::{OPEN, Roomkey, SECRET_KEY, Upstream, cloud, give_token, reply, user};

const CANARY: &str = "UPSTREAM-CANARY";

fn json_reply(status: u16, body: &str) -> Vec<u8> {
    reply(status, &[("content-type", "application/json")], body.as_bytes())
}

#[test]
fn a_token_in_any_2xx_is_passed_on_and_nothing_else() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    for (status, body) in [
        (200, r#"{"token":"a.b.c"}"#),
        (201, r#"{"token":"a.b.c"}"#),
        (200, r#"{"token":"a.b.c","extra":"UPSTREAM-CANARY","error":"forbidden"}"#),
    ] {
        upstream.sends(json_reply(status, body));
        let answer = roomkey.enter(&user("u"), "r");
        assert_eq!(answer.body, r#"{"token":"a.b.c"}"#);
    }
    upstream.sends(reply(200, &[("content-type", "text/plain")], br#"{"token":"a.b.c"}"#));
    assert_eq!(roomkey.enter(&user("u"), "r").token(), "a.b.c");
}

#[test]
fn a_2xx_without_a_token_is_a_fault_of_the_upstream() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    for body in [
        r#"{"token":""}"#,
        r#"{"token":5}"#,
        r#"{"token":null}"#,
        r#"{"token":["UPSTREAM-CANARY"]}"#,
        r#"{"token":{"a":"UPSTREAM-CANARY"}}"#,
        r#"{"Token":"UPSTREAM-CANARY"}"#,
        r#"["UPSTREAM-CANARY"]"#,
        r#""UPSTREAM-CANARY""#,
        r#"{"token":"UPSTREAM-CANARY""#,
        "",
        "null",
        "{}",
        "UPSTREAM-CANARY",
        &"[".repeat(60_000),
    ] {
        upstream.sends(json_reply(200, body));
        let answer = roomkey.enter(&user("u"), "r");
        answer.is(502, "upstream_failed");
        assert!(!answer.body.contains(CANARY), "{answer:?}");
    }
    upstream.sends(reply(204, &[], b""));
    roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
    upstream.sends(reply(200, &[], b"{\"token\":\"\xff\"}"));
    roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
}

#[test]
fn a_fault_of_ours_or_of_liveblocks_never_looks_like_a_refusal() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    let body = format!("{{\"error\":\"forbidden\",\"reason\":\"{CANARY}\",\"message\":\"{SECRET_KEY}\"}}");
    for status in
        [304, 400, 401, 403, 404, 405, 407, 408, 409, 410, 412, 418, 422, 431, 451, 499, 500, 502, 503, 504, 599]
    {
        upstream.sends(reply(status, &[("content-type", "application/json"), ("retry-after", "7")], body.as_bytes()));
        let answer = roomkey.enter(&user("u"), "r");
        answer.is(502, "upstream_failed");
        assert!(!answer.body.contains(CANARY) && !answer.body.contains(SECRET_KEY), "{answer:?}");
    }
    for (status, remedy) in [(401, "liveblocks.secret_key"), (403, "liveblocks.secret_key"), (404, "base_url")] {
        roomkey.must_say(&["Request failed", "upstream_failed", &status.to_string(), remedy]);
    }
}

#[test]
fn a_429_asks_the_client_to_come_back_and_says_when() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    let expect = |header: Option<&str>, seconds: std::ops::RangeInclusive<u64>| {
        let headers: Vec<_> = header.iter().map(|value| ("retry-after", *value)).collect();
        upstream.sends(reply(429, &headers, CANARY.as_bytes()));
        let answer = roomkey.enter(&user("u"), "r");
        answer.is(503, "overloaded");
        let after = answer.retry_after();
        assert!(after.is_some_and(|after| seconds.contains(&after)), "{header:?}: {answer:?}");
        assert!(!answer.body.contains(CANARY), "{answer:?}");
    };
    expect(Some("7"), 7..=7);
    expect(Some("300"), 300..=300);
    for huge in ["301", "86400", "18446744073709551615"] {
        expect(Some(huge), 300..=300);
    }
    let garbage =
        ["soon", "-5", "1.5", "", "99999999999999999999999", "Wed, 21 Oct 2065 07:28:00 GMT", "7, 9", "\u{fc}"];
    for garbage in garbage.into_iter().map(Some).chain([None]) {
        expect(garbage, 1..=300);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Upstream::good();
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    for status in [301, 302, 303, 307, 308] {
        for to in [elsewhere.url(), format!("{}/v2/authorize-user", upstream.url()), "/again".to_owned()] {
            upstream.sends(reply(status, &[("location", &to)], b""));
            let before = upstream.calls();
            roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
            assert_eq!(upstream.calls(), before + 1, "{status} to {to}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// Endless chunks; `every` makes them slow.
fn endless(stream: &mut std::net::TcpStream) -> bool {
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let _head = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    while stream.write_all(&chunk).is_ok() {}
    false
}

#[test]
fn too_much_and_nonsense_cost_little() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "timeout = \"3s\"", OPEN));
    roomkey.enter(&user("u"), "r").token();
    let (before, _) = roomkey.memory();
    let bad = || {
        let since = Instant::now();
        roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        roomkey.must_be_healthy();
    };
    let ten_mb = [br#"{"token":"a.b.c","x":""#.as_slice(), &vec![b'x'; 10 << 20], b"\"}"].concat();
    upstream.sends(reply(200, &[("content-type", "application/json")], &ten_mb));
    bad();
    let unsaid = reply(200, &[], &ten_mb);
    let length = format!("content-length: {}\r\n", ten_mb.len());
    upstream.sends(String::from_utf8(unsaid).unwrap().replace(&length, "").into_bytes());
    bad();
    upstream.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n{".to_vec());
    bad();
    upstream.does(|stream, _| endless(stream));
    for _ in 0..5 {
        bad();
    }
    for garbage in [
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        b"\0\x01\x02\xff".repeat(1000),
        b"HTTP/1.1 999999 X\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"tok".to_vec(),
        b"HTTP/1.1 200 O".to_vec(),
        Vec::new(),
    ] {
        upstream.sends(garbage);
        bad();
    }
    let headers: String = (0..10_000).map(|index| format!("x-{index}: y\r\n")).collect();
    upstream
        .sends(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 17\r\n\r\n{{\"token\":\"a.b.c\"}}").into_bytes());
    bad();
    upstream.sends(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(4 << 20)).into_bytes());
    bad();
    // nothing is unpacked, so a bomb stays as small as it came
    let bomb = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &vec![0; 40_000]].concat();
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        upstream.sends(reply(200, &[("content-encoding", encoding)], &bomb));
        bad();
    }
    let (after, highest) = roomkey.memory();
    let allowed = before + (24 << 20);
    assert!(after < allowed && highest < allowed, "{before} before, {after} after, {highest} at its highest");
    upstream.gives_tokens();
    roomkey.enter(&user("u"), "r").token();
}

#[test]
fn connections_are_kept_and_a_stale_one_costs_nobody_a_request() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    for _ in 0..5 {
        roomkey.enter(&user("u"), "r").token();
    }
    assert_eq!(upstream.connections(), 1, "connections are used again");
    // it says nothing of closing the connection, and closes it all the same
    upstream.does(|stream, number| {
        let _sent = give_token(stream, number);
        false
    });
    for pause in [5, 10, 20, 50, 100, 200] {
        roomkey.enter(&user("u"), "r").token();
        upstream.wait_until("it is closed", |upstream| upstream.open() == 0);
        std::thread::sleep(Duration::from_millis(pause));
    }
    assert_eq!(upstream.connections(), 6);
}

#[test]
fn what_was_sent_is_not_sent_again() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    for kept in [false, true] {
        upstream.gives_tokens();
        if kept {
            roomkey.enter(&user("u"), "r").token();
        }
        upstream.sends(b"HTTP/1.1 ".to_vec());
        let before = upstream.calls();
        roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
        assert_eq!(upstream.calls(), before + 1, "a token may have been made; kept: {kept}");
    }
}

#[test]
fn a_warning_of_liveblocks_reaches_the_log_alone() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    upstream.sends(reply(200, &[("x-lb-warn", "please rotate"), ("x-other", CANARY)], br#"{"token":"a.b.c"}"#));
    let answer = roomkey.enter(&user("u"), "r");
    answer.token();
    assert!(answer.header("x-lb-warn").is_none() && answer.header("x-other").is_none(), "{answer:?}");
    roomkey.must_say(&["WARN", "please rotate"]);
    let long = format!("loud\u{1b}[31m{}", "w".repeat(10_000));
    upstream.sends(reply(403, &[("x-lb-warn", &long.replace('\u{1b}', "?"))], b""));
    roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
    roomkey.must_say(&["WARN", "loud"]);
    let said = roomkey.said();
    assert!(!said.contains(&"w".repeat(1000)) && !said.contains(CANARY), "{said}");
}
