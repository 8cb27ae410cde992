//! F6, F7: a new configuration under load, good or bad.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::jwt::{as_alice, opened_with};
use crate::support::{HEAD, JWT, RULES, Server, folder, open, usual};

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come about");
        thread::sleep(Duration::from_millis(20));
    }
}

fn write(server: &Server, name: &str, text: &str) {
    fs::write(server.folder.path().join(name), text).unwrap();
}

#[test]
fn f6_a_good_configuration_takes_the_place_of_the_old_one_and_a_bad_one_does_not() {
    let server = Server::start(&usual());
    let status = || server.token(&as_alice(), json!({"room_name": "elsewhere"})).status;
    assert_eq!(status(), 403);
    write(&server, "roomkey.toml", &open());
    server.signal("HUP");
    until("the new rules", || status() == 201);

    write(&server, "roomkey.toml", &open().replace("role = \"participant\"", "role = \"no-such\""));
    server.signal("HUP");
    until("the complaint", || server.log().contains("the old one stays in place"));
    assert!(server.log().contains("authorize[0].rules[0].role"), "{}", server.log());
    assert_eq!(status(), 201, "the old configuration goes on");

    // A changed file does without a signal.
    write(&server, "roomkey.toml", &usual());
    until("the first rules again", || status() == 403);
    server.terminate();
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn f7_keys_rotate_under_load_without_a_failed_request() {
    let keys = |name: &str| format!("{name}: {name}-secret-CANARY-0123456789abcdefghij\n");
    let folder = folder();
    fs::write(folder.path().join("livekit.keys"), keys("APIold")).unwrap();
    let livekit = "[livekit]\nurl = \"wss://rtc.example.com\"\nkeys_file = \"livekit.keys\"\n";
    let server = Server::start_in(folder, &[HEAD, livekit, JWT, RULES].concat(), &[]);
    let issuer = || {
        let answer = server.token(&as_alice(), json!({"room_name": "standup"}));
        assert_eq!(answer.status, 201, "{answer:?}");
        let token = answer.json()["participant_token"].as_str().unwrap().to_owned();
        let said = jsonwebtoken::dangerous::insecure_decode_claims::<serde_json::Value>(&token).unwrap();
        let name = said["iss"].as_str().unwrap().to_owned();
        opened_with(&format!("{name}-secret-CANARY-0123456789abcdefghij"), &token, 600);
        name
    };
    assert_eq!(issuer(), "APIold");
    write(&server, "livekit.keys", &[keys("APInew"), keys("APIold")].concat());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| until("the new key", || issuer() == "APInew"));
        }
    });
    assert_eq!(issuer(), "APInew");
    assert!(!server.log().contains("CANARY"));
}
