//! Key sets that change, vanish and come back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::keys::{ISSUER, by_set, claims, start};
use crate::support::{Key, Roomkey, Upstream, nowhere, reply, reply_json, serve_set, set};

fn unknown(kid: &str) -> String {
    Key::P256.sign(&json!({"alg": "ES256", "kid": kid}), &claims(), Algorithm::ES256)
}

#[test]
fn an_unknown_kid_is_looked_for_once_in_ten_seconds() {
    let (provider, roomkey) = start(&set(&[Key::Rsa]), "");
    scope(|scope| {
        let all: Vec<_> = (0..16)
            .map(|n| {
                scope.spawn({
                    let roomkey = &roomkey;
                    move || roomkey.livekit().by(&unknown(&n.to_string())).send()
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap().unauthenticated());
    });
    assert_eq!(provider.calls(), 2);
    for n in 0..20 {
        roomkey.livekit().by(&unknown(&format!("x{n}"))).send().unauthenticated();
        sleep(Duration::from_millis(200));
    }
    assert_eq!(provider.calls(), 2);
    roomkey.livekit().by(&Key::Rsa.bearer(&claims())).send().livekit();
    sleep(Duration::from_millis(6500));
    // The provider has it by now, and the next may look.
    serve_set(&provider, &set(&[Key::Rsa, Key::P384]));
    roomkey.livekit().by(&Key::P384.bearer(&claims())).send().livekit();
    assert_eq!(provider.calls(), 3);
}

#[test]
fn clients_who_go_away_cause_no_further_fetch() {
    let (provider, roomkey) = start(&set(&[Key::Rsa]), "");
    let next = set(&[Key::Rsa, Key::P256]);
    provider.does(move |stream, _| {
        sleep(Duration::from_millis(700));
        std::io::Write::write_all(stream, &reply_json(200, &next)).is_err()
    });
    for n in 0..5 {
        roomkey.livekit().by(&unknown(&n.to_string())).abandon(Duration::from_millis(100));
    }
    roomkey.livekit().by(&Key::P256.bearer(&claims())).send().livekit();
    assert_eq!(provider.calls(), 2);
}

#[test]
fn a_rotation_under_load_fails_no_request() {
    let (provider, roomkey) = start(&set(&[Key::Rsa]), "");
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    scope(|scope| {
        for n in 0..6 {
            let (roomkey, over, done) = (&roomkey, &over, &done);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let is_rotated = done.load(Ordering::Relaxed) > 60;
                    let key = if is_rotated && n % 2 == 0 { Key::Ed25519 } else { Key::Rsa };
                    roomkey.livekit().by(&key.bearer(&claims())).send().livekit();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while done.load(Ordering::Relaxed) < 30 {
            sleep(Duration::from_millis(5));
        }
        serve_set(&provider, &set(&[Key::Rsa, Key::Ed25519]));
        while done.load(Ordering::Relaxed) < 300 {
            sleep(Duration::from_millis(5));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(provider.calls(), 2);
}

#[test]
fn a_key_that_came_while_the_body_was_under_way_counts() {
    let (provider, roomkey) = start(&set(&[Key::Rsa]), "");
    let asked = roomkey.livekit().by(&Key::P256.bearer(&claims()));
    let slow = asked.begin();
    sleep(Duration::from_millis(300));
    serve_set(&provider, &set(&[Key::Rsa, Key::P256]));
    roomkey.livekit().by(&Key::P256.bearer(&claims())).send().livekit();
    slow().livekit();
    assert_eq!(provider.calls(), 2);
}

#[test]
fn a_provider_that_is_down_at_start() {
    let address = nowhere();
    let roomkey = Roomkey::serve(&by_set(&format!("issuer = \"{ISSUER}\"\njwks_url = \"http://{address}/keys\"\n")));
    let bearer = Key::Rsa.bearer(&claims());
    assert!(!roomkey.is_ready());
    for _ in 0..3 {
        roomkey.livekit().by(&bearer).send().undecided();
    }
    roomkey.livekit().send().unauthenticated();
    roomkey.livekit().by("Bearer opaque").send().unauthenticated();
    roomkey.must_be_healthy();
    let provider = Upstream::at(address);
    serve_set(&provider, &set(&[Key::Rsa]));
    roomkey.wait_until_ready();
    roomkey.livekit().by(&bearer).send().livekit();
    roomkey.must_say(&["ERROR", "Cannot fetch a key set", "no connection"]);
}

#[test]
fn a_set_stays_when_a_later_one_is_bad() {
    let padding = "x".repeat(256 * 1024);
    let trap = Upstream::new();
    serve_set(&trap, &set(&[Key::P256]));
    let to_trap = trap.origin();
    let mut large = set(&[Key::P256]);
    large["padding"] = padding.into();
    let bad: [(&str, Vec<u8>); 9] = [
        ("500", reply(500, &[], set(&[Key::P256]).to_string().as_bytes())),
        ("404", reply(404, &[], b"")),
        ("redirect", reply(302, &[("location", &to_trap)], set(&[Key::P256]).to_string().as_bytes())),
        ("no JSON", reply(200, &[], b"<html>")),
        ("no list", reply_json(200, &json!({"keys": {}}))),
        ("no key", reply_json(200, &json!({"keys": []}))),
        ("no usable key", reply_json(200, &json!({"keys": [{"kty": "oct", "k": "AAAA"}, 7, Value::Null]}))),
        ("over 256 KiB", reply_json(200, &large)),
        ("half", b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"keys\":[".to_vec()),
    ];
    let check = |(what, bytes): (&str, Vec<u8>)| {
        let (provider, roomkey) = start(&set(&[Key::Rsa]), "");
        provider.sends(bytes);
        roomkey.livekit().by(&Key::P256.bearer(&claims())).send().undecided();
        assert_eq!(provider.calls(), 2, "{what}");
        roomkey.livekit().by(&Key::Rsa.bearer(&claims())).send().livekit();
        assert!(roomkey.is_ready(), "{what}");
        roomkey.livekit().by(&Key::P256.bearer(&claims())).send().undecided();
        assert_eq!(provider.calls(), 2, "{what}: not again at once");
    };
    scope(|scope| {
        let all: Vec<_> = bad.into_iter().map(|one| scope.spawn(|| check(one))).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
    assert_eq!(trap.connections(), 0);
}

#[test]
fn a_silent_provider_holds_nobody_up_who_has_a_key() {
    let (provider, roomkey) = start(&set(&[Key::Rsa]), "");
    provider.hangs();
    let waiting = roomkey.livekit().by(&Key::P256.bearer(&claims()));
    scope(|scope| {
        let waiting = scope.spawn(|| waiting.send());
        provider.wait_until("it is asked", |provider| provider.calls() == 2);
        roomkey.livekit().by(&Key::Rsa.bearer(&claims())).send().livekit();
        roomkey.must_be_healthy();
        waiting.join().unwrap().undecided();
    });
}
