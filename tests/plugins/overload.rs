//! A backend that is stuck, and the connections to one that is not.

use std::io::Write as _;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Roomkey, Upstream, asking, session, user};

/// Node's and uvicorn's servers end an unused one after 5 s, maybe while a
/// question is on its way.
#[test]
fn a_connection_is_used_again_but_not_after_four_seconds() {
    let backend = Upstream::new();
    let yes = br#"{"decision":true}"#;
    let answer = [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", yes.len()).as_bytes(), yes].concat();
    backend.does(move |stream, _| stream.write_all(&answer).is_ok());
    let roomkey = Roomkey::serve(&asking(&backend.url(), ""));
    let caller = user(json!({"sub": "alice"}));
    for (pause, connections) in [(0, 1), (1000, 1), (4200, 2)] {
        sleep(Duration::from_millis(pause));
        roomkey.livekit().by(&caller).send().livekit();
        assert_eq!(backend.connections(), connections, "after {pause} ms");
    }
}

#[test]
fn d8_a_stuck_backend_holds_up_no_more_than_max_in_flight() {
    for (is_session, most) in [(false, 64), (true, 16)] {
        let backend = Upstream::new();
        backend.hangs();
        let settings = if is_session { "timeout = \"6s\"\nmax_in_flight = 16\n" } else { "timeout = \"6s\"\n" };
        let make = if is_session { session } else { asking };
        let roomkey = Roomkey::serve(&make(&backend.url(), settings));
        let caller = user(json!({"sub": "alice"}));
        let ask = || if is_session { roomkey.livekit().cookie("session=x") } else { roomkey.livekit().by(&caller) };
        let (mut quick, mut slow) = (0, 0);
        thread::scope(|scope| {
            let all: Vec<_> = (0..500)
                .map(|_| {
                    scope.spawn(|| {
                        let since = Instant::now();
                        // The body apart, as many clients send it: a full backlog would reset these.
                        ask().begin()().undecided();
                        since.elapsed()
                    })
                })
                .collect();
            backend.wait_until("all places are taken", |backend| backend.open() == most);
            roomkey.must_be_healthy();
            for one in all {
                *(if one.join().unwrap() < Duration::from_secs(5) { &mut quick } else { &mut slow }) += 1;
            }
        });
        assert_eq!((quick, slow), (500 - most, most));
        assert_eq!((backend.peak(), backend.calls()), (most, most));
        backend.answers(&json!({"decision": true, "context": {"role": "viewer", "subject": {"id": "alice"}}}));
        ask().send().livekit();
        backend.wait_until("no call is left behind", |backend| backend.open() == 0);
    }
}

#[test]
fn callers_who_go_away_leave_their_places() {
    let backend = Upstream::new();
    backend.hangs();
    let roomkey = Roomkey::serve(&asking(&backend.url(), "timeout = \"7s\"\nmax_in_flight = 2\n"));
    let caller = user(json!({"sub": "alice"}));
    for _ in 0..6 {
        roomkey.livekit().by(&caller).abandon(Duration::from_millis(150));
    }
    backend.wait_until("all are gone", |backend| backend.open() == 0);
    backend.answers(&json!({"decision": true, "context": {"role": "viewer"}}));
    roomkey.livekit().by(&caller).send().livekit();
}
