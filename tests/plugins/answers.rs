//! Every answer of a backend, in both forms, and what the client gets: a token
//! for a whole and right `true`, and for nothing else.

use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Roomkey, Upstream, asking, nowhere, reply, reply_json, session, user};

const PATIENCE: &str = "timeout = \"1s\"\nconnect_timeout = \"400ms\"\n";

/// A right answer, in either form.
fn yes() -> Value {
    json!({"decision": true, "context": {"role": "viewer", "subject": {"id": "alice"}}})
}

/// Both forms, and one request to each provider of both.
struct Both {
    backend: Upstream,
    authorizer: Roomkey,
    session: Roomkey,
}

impl Both {
    fn new() -> Self {
        let backend = Upstream::new();
        let authorizer = Roomkey::serve(&asking(&backend.url(), PATIENCE));
        let session = Roomkey::serve(&session(&backend.url(), PATIENCE));
        Self { backend, authorizer, session }
    }

    fn asks(&self) -> [(&'static str, Ask); 4] {
        let caller = user(json!({"sub": "alice"}));
        [
            ("authorizer, LiveKit", self.authorizer.livekit().by(&caller)),
            ("authorizer, Liveblocks", self.authorizer.liveblocks().by(&caller)),
            ("session, LiveKit", self.session.livekit().cookie("session=s3cret")),
            ("session, Liveblocks", self.session.liveblocks().cookie("session=s3cret")),
        ]
    }

    /// Asks in all ways, once each.
    #[track_caller]
    fn each(&self, what: &str, check: impl Fn(&str, &Answer)) {
        for (form, ask) in self.asks() {
            let before = self.backend.calls();
            let answer = ask.send();
            assert!(!answer.body.is_empty(), "{what}, {form}: {answer:?}");
            check(form, &answer);
            assert_eq!(self.backend.calls(), before + 1, "{what}, {form}: asked once");
        }
    }

    #[track_caller]
    fn all(&self, what: &str, status: u16, code: &str) {
        self.each(what, |_, answer| drop(answer.refused(status, code).clone()));
    }

    #[track_caller]
    fn must_work(&self) {
        self.backend.answers(&yes());
        self.each("yes", |form, answer| {
            let claims = if form.ends_with("LiveKit") { answer.livekit() } else { answer.liveblocks() };
            assert!(claims["sub"] == "alice" || claims["uid"] == "alice", "{form}: {claims}");
        });
    }
}

#[test]
fn statuses() {
    let both = Both::new();
    both.must_work();
    both.backend.sends(reply(403, &[], b"no JSON at all"));
    both.all("403", 403, "forbidden");
    both.backend.sends(reply_json(403, &yes()));
    both.all("403 that says true", 403, "forbidden");
    both.backend.sends(reply_json(401, &yes()));
    both.each(
        "401",
        |form, answer| {
            if form.starts_with("session") { answer.unauthenticated() } else { answer.undecided() }
        },
    );
    // Whatever the body says.
    for status in [201, 202, 203, 206, 226, 299, 400, 402, 404, 405, 408, 410, 418, 421, 451, 500, 502, 503, 504, 599] {
        both.backend.sends(reply_json(status, &yes()));
        both.all(&status.to_string(), 503, "authorizer_unavailable");
    }
    for status in [204, 304] {
        both.backend.sends(format!("HTTP/1.1 {status} None\r\nconnection: close\r\n\r\n").into_bytes());
        both.all(&status.to_string(), 503, "authorizer_unavailable");
    }
    both.must_work();
}

#[test]
fn a_wait_is_handed_on() {
    let both = Both::new();
    for (given, wanted) in [
        (None, 2),
        (Some("7"), 7),
        (Some("0"), 0),
        (Some("300"), 300),
        (Some("301"), 300),
        (Some("18446744073709551615"), 300),
        (Some("18446744073709551616"), 2),
        (Some("-1"), 2),
        (Some("soon"), 2),
        (Some("Fri, 31 Dec 2100 23:59:59 GMT"), 2),
    ] {
        let headers: Vec<_> = given.map(|given| ("retry-after", given)).into_iter().collect();
        both.backend.sends(reply(429, &headers, yes().to_string().as_bytes()));
        both.each(given.unwrap_or("no Retry-After"), |_, answer| {
            assert_eq!(answer.refused(429, "rate_limited").retry_after(), Some(wanted));
        });
    }
}

/// A call without a room opens the rooms that are named and nothing else.
#[test]
fn a_yes_to_a_personal_call_that_opens_nothing_is_undecided() {
    let backend = Upstream::new();
    let more = |rooms: &str| format!("{PATIENCE}[authorize.ceiling]\nliveblocks_rooms = [{rooms}]\n");
    let roomkey = Roomkey::serve(&asking(&backend.url(), &more("\"org:**\"")));
    let caller = user(json!({"sub": "alice"}));
    let ask = |roomkey: &Roomkey| roomkey.liveblocks().by(&caller).body(&json!({})).send();
    for context in [
        json!({}),
        json!({"role": "viewer", "liveblocks": {}}),
        json!({"liveblocks": {"rooms": []}}),
        json!({"liveblocks": {"rooms": ["elsewhere"]}}),
    ] {
        backend.answers(&json!({"decision": true, "context": context}));
        ask(&roomkey).undecided();
        roomkey.must_say(&["\"outcome\":\"error\"", "ceiling.liveblocks_rooms"]);
    }
    backend.answers(&json!({"decision": true, "context": {"liveblocks": {"rooms": ["org:a", "elsewhere"]}}}));
    let perms = ask(&roomkey).liveblocks()["perms"].take();
    assert_eq!(perms.as_object().unwrap().keys().collect::<Vec<_>>(), ["org:a"]);
    backend.answers(&json!({"decision": false}));
    ask(&roomkey).refused(403, "forbidden");
    // An ID token opens what the rooms say.
    let config = asking(&backend.url(), PATIENCE).replace("[liveblocks]\n", "[liveblocks]\ntoken = \"id\"\n");
    let by_id = Roomkey::serve(&config);
    backend.answers(&json!({"decision": true}));
    ask(&by_id).liveblocks();
}

#[test]
fn d2_redirects_are_not_followed() {
    let both = Both::new();
    let trap = Upstream::new();
    trap.answers(&yes());
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for target in [trap.origin() + "/ask", format!("//{}/ask", trap.address), "/ask2".to_owned()] {
            both.backend.sends(reply(status, &[("location", &target)], yes().to_string().as_bytes()));
            both.all(&format!("{status} to {target}"), 503, "authorizer_unavailable");
        }
    }
    assert_eq!(trap.connections(), 0);
    both.authorizer.must_say(&["redirect"]);
}

#[test]
fn a_no_is_a_no_and_its_reason_goes_along() {
    let both = Both::new();
    both.backend.answers(&json!({"decision": false}));
    both.each("no", |_, answer| assert_eq!(answer.refused(403, "forbidden").json().get("detail"), None));
    let long = "é".repeat(300);
    for (reason, seen) in [(json!("kicked for a day"), "kicked for a day"), (json!(long), &long[..400])] {
        both.backend.answers(&json!({"decision": false, "context": {"reason": reason}}));
        both.each("no, because", |_, answer| {
            assert_eq!(answer.refused(403, "forbidden").json()["reason"], seen);
        });
    }
    // What would be given is nothing to judge in a no.
    both.backend.answers(&json!({"decision": false, "context": {"role": 7, "livekit": {"nonsense": true}}}));
    both.all("no, with nonsense", 403, "forbidden");
    both.backend.answers(&json!({"decision": false, "context": {"role": "host", "subject": {"id": "alice"}}}));
    both.all("no, with a subject", 403, "forbidden");
}

#[test]
fn b11_a_yes_of_yesterday_is_no_yes() {
    let both = Both::new();
    both.must_work();
    both.backend.answers(&json!({"decision": false}));
    both.all("a no after it", 403, "forbidden");
    both.backend.sends(reply(500, &[], b""));
    both.all("nothing after it", 503, "authorizer_unavailable");
}

#[test]
fn only_the_boolean_true_allows() {
    let both = Both::new();
    let with = |decision: Value| json!({"decision": decision, "context": yes()["context"]});
    for decision in [json!("true"), json!(1), json!(1.0), Value::Null, json!([true]), json!({"value": true}), json!("")]
    {
        both.backend.answers(&with(decision.clone()));
        both.all(&format!("decision {decision}"), 503, "authorizer_unavailable");
    }
    for body in [
        json!({"context": yes()["context"]}),
        json!({"Decision": true, "context": yes()["context"]}),
        json!({"decisions": [true], "context": yes()["context"]}),
        json!({"result": {"decision": true}}),
        json!([yes()]),
        json!(true),
        Value::Null,
        json!("true"),
    ] {
        both.backend.answers(&body);
        both.all(&body.to_string(), 503, "authorizer_unavailable");
    }
    for text in [
        "",
        " ",
        "true",
        "{",
        "decision=true",
        "<html>",
        "{\"decision\":true",
        "{\"decision\":True}",
        "\u{feff}{\"decision\":true}",
        "{\"decision\":true,}",
        "{\"decision\":true}{\"decision\":true}",
        "{\"decision\":true}\n#",
        "{decision:true}",
        "{\"decision\":NaN}",
        "{\"decision\":false,\"decision\":true}",
        "{\"decision\":true,\"context\":{\"subject\":{\"id\":\"alice\"},\"role\":\"host\",\"role\":\"viewer\"}}",
        "{\"decision\":true,\"context\":{\"subject\":{\"id\":\"bob\",\"id\":\"alice\"}}}",
    ] {
        both.backend.sends(reply(200, &[("content-type", "application/json")], text.as_bytes()));
        both.all(text, 503, "authorizer_unavailable");
    }
    both.backend.sends(reply(200, &[], b"{\"decision\":true,\"context\":{\"role\":\"viewer\",\"name\":\"\xff\"}}"));
    both.all("no UTF-8", 503, "authorizer_unavailable");
    both.backend.sends(reply(200, &[], &[b"[".repeat(30_000), b"]".repeat(30_000)].concat()));
    both.all("deeply nested", 503, "authorizer_unavailable");
    both.must_work();
}

#[test]
fn d4_no_more_is_read_than_64_kib() {
    let both = Both::new();
    let padded = |bytes: usize| {
        let mut body = yes().to_string();
        body += &" ".repeat(bytes - body.len());
        reply(200, &[], body.as_bytes())
    };
    both.backend.sends(padded(64 * 1024));
    both.each("64 KiB", |_, answer| assert!(answer.status < 300, "{answer:?}"));
    both.backend.sends(padded(64 * 1024 + 1));
    both.all("64 KiB and a byte", 503, "authorizer_unavailable");
    both.backend.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n{".to_vec());
    both.all("a length of 1 GiB", 503, "authorizer_unavailable");
    both.backend.does(|stream, _| {
        let chunk = [format!("{:x}\r\n", 4096).as_bytes(), &[b' '; 4096], b"\r\n"].concat();
        let mut going = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_ok();
        while going {
            going = stream.write_all(&chunk).is_ok();
        }
        false
    });
    both.all("chunks without an end", 503, "authorizer_unavailable");
    let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
    (0..10_000).for_each(|n| many.extend(format!("x-{n}: y\r\n").into_bytes()));
    both.backend.sends([many, b"content-length: 0\r\n\r\n".to_vec()].concat());
    both.all("10 000 headers", 503, "authorizer_unavailable");
    // Not ours to unpack.
    both.backend.sends(reply(200, &[("content-encoding", "gzip")], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0]));
    both.all("gzip", 503, "authorizer_unavailable");
}

#[test]
fn d3_the_silent_and_the_slow_are_not_waited_for() {
    let both = Both::new();
    let all_quick = |what: &str| {
        both.each(what, |form, answer| {
            answer.undecided();
            println!("{what}, {form}");
        });
    };
    let since = Instant::now();
    both.backend.hangs();
    all_quick("silent");
    both.backend.does(|stream, _| {
        let mut going = true;
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n".iter().chain(&[b' '; 9000]) {
            going = going && stream.write_all(&[*byte]).is_ok();
            if going {
                sleep(Duration::from_millis(20));
            }
        }
        false
    });
    all_quick("a byte at a time");
    both.backend.does(|stream, _| {
        let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"decision\":true,");
        crate::support::hold(stream);
        false
    });
    all_quick("half an answer");
    // 12 times a second, and what the machine takes besides.
    assert!(since.elapsed() < Duration::from_secs(16), "{:?}", since.elapsed());
    both.must_work();
}

#[test]
fn broken_answers() {
    let both = Both::new();
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"decision\":true,\"context\":{\"role\":\"viewer\"}}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{\"decision\":true,\"context\":{\"role\":\"viewer\"}}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{\"decision\":true}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n{\"decision\":true}\r\n",
    ] {
        both.backend.sends(bytes.to_vec());
        for (form, ask) in both.asks() {
            println!("{form}: {}", String::from_utf8_lossy(bytes));
            ask.send().undecided();
        }
    }
    both.must_work();
}

#[test]
fn nobody_there() {
    let address = nowhere();
    for url in [format!("http://{address}/"), "http://no-such-name.invalid/".to_owned(), format!("https://{address}/")]
    {
        let asks = [(Roomkey::serve(&asking(&url, PATIENCE)), true), (Roomkey::serve(&session(&url, PATIENCE)), false)];
        for (roomkey, is_authorizer) in asks {
            let by =
                |ask: Ask| if is_authorizer { ask.by(&user(json!({"sub": "a"}))) } else { ask.cookie("session=x") };
            by(roomkey.livekit()).send().undecided();
            by(roomkey.liveblocks()).send().undecided();
            roomkey.must_be_healthy();
        }
    }
    // A server of plain HTTP where TLS was meant.
    let backend = Upstream::new();
    backend.answers(&yes());
    let roomkey = Roomkey::serve(&asking(&backend.url().replace("http:", "https:"), PATIENCE));
    roomkey.livekit().by(&user(json!({"sub": "a"}))).send().undecided();
}
