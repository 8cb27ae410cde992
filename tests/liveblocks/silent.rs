//! A Liveblocks that does not answer, or is not there.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{OPEN, PATH, Roomkey, Upstream, cloud, hold, request, user};

/// `liveblocks.timeout` here, and how much later an answer may come on a busy
/// machine.
const TIMEOUT: &str = "timeout = \"1s\"";
const AT_MOST: Duration = Duration::from_millis(1900);

#[track_caller]
fn times_out(roomkey: &Roomkey) {
    let since = Instant::now();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| roomkey.enter(&user("u"), "r").is(504, "timeout").clone());
        for _ in 0..5 {
            roomkey.must_be_healthy();
            std::thread::sleep(Duration::from_millis(50));
        }
        asked.join().unwrap();
    });
    let took = since.elapsed();
    assert!((Duration::from_millis(900)..AT_MOST).contains(&took), "{took:?}");
}

#[test]
fn who_waits_for_liveblocks_gets_an_answer_in_time() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), TIMEOUT, OPEN));
    upstream.hangs();
    times_out(&roomkey);
    let slowly = |all: &'static str| {
        upstream.does(move |stream, _| {
            for byte in all.bytes() {
                if stream.write_all(&[byte]).is_err() {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            hold(stream);
            false
        });
    };
    slowly("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"token\":\"a.b.c\"}");
    times_out(&roomkey);
    let at_once = |all: &'static [u8]| {
        upstream.does(move |stream, _| {
            let _sent = stream.write_all(all);
            hold(stream);
            false
        });
    };
    at_once(b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"token\":");
    times_out(&roomkey);
    at_once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n");
    times_out(&roomkey);
    at_once(b"HTTP/1.1 100 Continue\r\n\r\n");
    times_out(&roomkey);
    // the places that all of them took are free again
    upstream.wait_until("no call is left open", |upstream| upstream.open() == 0);
    upstream.gives_tokens();
    roomkey.enter(&user("u"), "r").token();
}

/// One byte in a second for as long as one listens, which no timeout between
/// two bytes would ever end.
#[test]
fn a_byte_in_a_second_is_no_answer() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), TIMEOUT, OPEN));
    upstream.does(|stream, _| {
        let _head = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_secs(1));
        }
        false
    });
    times_out(&roomkey);
}

#[test]
fn the_whole_request_has_its_own_end() {
    let upstream = Upstream::good();
    upstream.hangs();
    let config = cloud(&upstream.url(), "timeout = \"30s\"", OPEN);
    let roomkey = Roomkey::serve_with(&config, &[("ROOMKEY__SERVER__REQUEST_TIMEOUT", "1s")]);
    times_out(&roomkey);
}

#[test]
fn no_liveblocks_is_a_bad_gateway() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = ["http://no-such-host.invalid".to_owned(), format!("http://{closed}")];
    for base_url in nowhere.into_iter().chain([format!("https://{}", Upstream::good().address)]) {
        let roomkey = Roomkey::serve(&cloud(&base_url, "", OPEN));
        let since = Instant::now();
        let answer = roomkey.enter(&user("u"), "r");
        answer.is(502, "upstream_failed");
        assert!(since.elapsed() < Duration::from_millis(5500), "{base_url}: {:?}", since.elapsed());
        assert!(!answer.body.contains("invalid") && !answer.body.contains("127.0.0.1"), "{answer:?}");
        roomkey.must_say(&["Request failed", "liveblocks.base_url"]);
    }
}

/// Packets that nobody answers: the connection itself must not take longer.
#[test]
fn an_address_that_swallows_packets_is_given_up() {
    // a listener whose queue is full answers no more than a black hole does
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
        if waiting.len() > 5000 {
            return; // this machine has no such queue
        }
    }
    let roomkey = Roomkey::serve(&cloud(&format!("http://{address}"), TIMEOUT, OPEN));
    times_out(&roomkey);
}

#[test]
fn a_reset_is_a_bad_gateway() {
    // closing with the request unread resets the connection
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _some = stream.peek(&mut [0; 1]);
            drop(stream);
        }
    });
    let roomkey = Roomkey::serve(&cloud(&format!("http://{address}"), "", OPEN));
    for _ in 0..10 {
        roomkey.enter(&user("u"), "r").is(502, "upstream_failed");
    }
    roomkey.must_be_healthy();
}

#[test]
fn a_client_that_goes_away_takes_its_call_along() {
    let upstream = Upstream::good();
    upstream.hangs();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "timeout = \"30s\"\nmax_in_flight = 2", OPEN));
    let authorization = user("u");
    let headers = [("authorization", &*authorization), ("content-type", "application/json")];
    let asked = request("POST", PATH, &headers, br#"{"room":"r"}"#);
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let mut client = TcpStream::connect(roomkey.address).unwrap();
            client.write_all(&asked).unwrap();
            client
        })
        .collect();
    upstream.wait_until("both calls are under way", |upstream| upstream.open() == 2);
    roomkey.enter(&user("u"), "r").is(503, "overloaded");
    drop(clients);
    upstream.wait_until("nothing waits for them any more", |upstream| upstream.open() == 0);
    upstream.gives_tokens();
    roomkey.enter(&user("u"), "r").token();
}
