//! More requests than calls may be under way.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::{OPEN, Roomkey, Upstream, cloud, user};

const CALLS: usize = 16;
const REQUESTS: usize = 500;

#[test]
fn a_stuck_liveblocks_holds_up_a_bounded_number_of_requests() {
    let upstream = Upstream::good();
    upstream.hangs();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), &format!("timeout = \"6s\"\nmax_in_flight = {CALLS}"), OPEN));
    let (before, _) = roomkey.memory();
    let answers = Mutex::new(Vec::new());
    let since = Instant::now();
    std::thread::scope(|scope| {
        for index in 0..REQUESTS {
            let (roomkey, answers) = (&roomkey, &answers);
            scope.spawn(move || {
                let began = Instant::now();
                let answer = roomkey.enter(&user(&format!("u{index}")), "r");
                answers.lock().unwrap().push((answer, began.elapsed()));
            });
        }
        while since.elapsed() < Duration::from_secs(5) && answers.lock().unwrap().len() < REQUESTS - CALLS {
            std::thread::sleep(Duration::from_millis(20));
        }
        roomkey.must_be_healthy();
        assert_eq!(answers.lock().unwrap().len(), REQUESTS - CALLS, "the others are told at once");
        assert!(upstream.open() <= CALLS && upstream.calls() <= CALLS, "{} are open", upstream.open());
    });
    let answers = answers.into_inner().unwrap();
    let (late, told): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 504);
    assert_eq!((late.len(), told.len()), (CALLS, REQUESTS - CALLS));
    for (answer, _) in &told {
        answer.is(503, "overloaded");
        assert!(answer.retry_after().is_some_and(|seconds| (1..=300).contains(&seconds)), "{answer:?}");
    }
    assert_eq!(upstream.peak(), CALLS);
    let (_, highest) = roomkey.memory();
    assert!(highest < before + (48 << 20), "{before} before, {highest} at its highest");
    // and on it goes, at once
    upstream.gives_tokens();
    let since = Instant::now();
    for _ in 0..CALLS * 2 {
        roomkey.enter(&user("u"), "r").token();
    }
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}
