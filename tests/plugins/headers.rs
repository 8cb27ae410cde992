//! Trusted headers: who someone is, from a proxy and from nobody else.

use serde_json::json;

use crate::support::{Ask, JWT, LIVEBLOCKS, LIVEKIT, Roomkey, user};

const SECRET: &str = "CANARY-proxy-secret-0123456789abcdef";

const RULES: &str = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "team:{groups}"
role = "participant"
[[authorize.rules]]
room = "mail"
email_domain = ["corp.com"]
role = "viewer"
[[authorize.rules]]
room = "named:{email}"
role = "viewer"
[[authorize.rules]]
room = "own:{id}"
role = "viewer"
"#;

fn start(trust: &str, more: &str) -> Roomkey {
    let claims = r#"claims = { id = "x-auth-request-user", name = "x-name", email = "x-auth-request-email", groups = "x-auth-request-groups" }"#;
    Roomkey::serve(&format!(
        "{LIVEKIT}{LIVEBLOCKS}[[authenticate]]\nkind = \"header\"\n{trust}\n{claims}\nlists = [\"groups\"]\n{more}{RULES}"
    ))
}

fn peer() -> Roomkey {
    start("from = [\"127.0.0.0/8\"]", "")
}

fn own(roomkey: &Roomkey, id: &str) -> Ask {
    roomkey.livekit().body(&json!({"room_name": format!("own:{id}")})).header("x-auth-request-user", id)
}

#[test]
fn a_trusted_peer_says_who_it_is_and_its_claims_reach_rules() {
    let roomkey = peer();
    let alice = |room: &str| {
        let ask = roomkey.livekit().body(&json!({"room_name": room})).header("X-Auth-Request-User", "alice");
        ask.header("x-auth-request-groups", "red, blue ,green").header("x-auth-request-email", "al@corp.com")
    };
    let claims = alice("team:blue").header("x-name", "Łukasz").send().livekit();
    assert_eq!(json!([claims["sub"], claims["name"], claims["video"]["canPublish"]]), json!(["alice", "Łukasz", true]));
    for room in ["team:red", "team:green", "own:alice", "named:al@corp.com"] {
        assert_eq!(alice(room).send().livekit()["sub"], "alice", "{room}");
    }
    for room in ["team:red, blue ,green", "team:yellow", "team:", "own:bob", "team: blue"] {
        alice(room).send().refused(403, "forbidden");
    }
    // A header is text, so nobody said that the address is verified.
    alice("mail").send().refused(403, "forbidden");
    let liveblocks = roomkey.liveblocks().body(&json!({"room": "own:alice"})).header("x-auth-request-user", "alice");
    assert_eq!(liveblocks.send().liveblocks()["uid"], "alice");
}

#[test]
fn what_is_ambiguous_is_nobodys() {
    let roomkey = peer();
    own(&roomkey, "alice").send().livekit();
    let user = |values: &[&str]| {
        let ask = roomkey.livekit().body(&json!({"room_name": "own:alice"}));
        values.iter().fold(ask, |ask, value| ask.header("x-auth-request-user", value))
    };
    for values in [
        &["alice", "alice"][..],
        &["alice", "bob"],
        &["alice", ""],
        &[""],
        &["  "],
        &["alice,bob"],
        &["alice,"],
        &[",", "alice"],
        &["al\tice"],
    ] {
        user(values).send().unauthenticated();
        println!("{values:?}");
    }
    for (name, value) in [
        ("x-auth-request-email", ""),
        ("x-auth-request-email", "a@corp.com,b@corp.com"),
        ("x-auth-request-groups", ""),
        ("x-auth-request-groups", ","),
        ("x-auth-request-groups", "red,"),
        ("x-auth-request-groups", "red,,blue"),
        ("x-auth-request-groups", " , red"),
        ("x-name", "Smith, John"),
    ] {
        own(&roomkey, "alice").header(name, value).send().unauthenticated();
        println!("{name}: {value:?}");
    }
    let twice = own(&roomkey, "alice").header("x-auth-request-groups", "red").header("X-Auth-Request-Groups", "blue");
    twice.send().unauthenticated();
    // Some of it, and not the identity.
    roomkey.livekit().header("x-auth-request-groups", "red").send().unauthenticated();
    // Nothing of it.
    roomkey.livekit().send().unauthenticated();
    roomkey.livekit().header("x-auth-request_user", "alice").send().unauthenticated();
}

#[test]
fn only_the_tcp_peer_counts() {
    let strangers = start("from = [\"10.0.0.0/8\", \"::1/128\"]", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip"] {
        for value in ["10.0.0.1", "10.0.0.1, 127.0.0.1", "for=10.0.0.1", "::1"] {
            own(&strangers, "alice").header(name, value).send().unauthenticated();
        }
    }
    own(&strangers, "alice").send().unauthenticated();
    let friends = start("from = [\"127.0.0.1/32\"]", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    own(&friends, "alice").header("x-forwarded-for", "203.0.113.9").send().livekit();
}

#[test]
fn a_secret_is_right_or_wrong() {
    let alone = start(&format!("secret_header = \"x-proxy-secret\"\nsecret = \"{SECRET}\""), "");
    let both =
        start(&format!("from = [\"10.0.0.0/8\"]\nsecret_header = \"x-proxy-secret\"\nsecret = \"{SECRET}\""), "");
    own(&alone, "alice").header("X-Proxy-Secret", SECRET).send().livekit();
    own(&both, "alice").header("x-proxy-secret", SECRET).send().unauthenticated();
    own(&alone, "alice").send().unauthenticated();
    for wrong in
        ["", "x", &SECRET[1..], &SECRET[..SECRET.len() - 1], &SECRET.to_lowercase(), &format!("{SECRET},{SECRET}")]
    {
        own(&alone, "alice").header("x-proxy-secret", wrong).send().unauthenticated();
        println!("{wrong}");
    }
    let twice = own(&alone, "alice").header("x-proxy-secret", SECRET).header("x-proxy-secret", SECRET);
    twice.send().unauthenticated();
    let in_the_body = alone.livekit().body(&json!({"room_name": "own:alice", "x-proxy-secret": SECRET}));
    in_the_body.header("x-auth-request-user", "alice").send().unauthenticated();
    assert!(!alone.said().contains(SECRET), "{}", alone.said());
}

#[test]
fn a_wrong_header_is_never_a_guest_nor_the_next_ones() {
    let guest = "[[authenticate]]\nkind = \"guest\"\n";
    let roomkey = start("from = [\"10.0.0.0/8\"]", &format!("{JWT}{guest}"));
    let caller = user(json!({"sub": "alice"}));
    let ask = |ask: Ask| ask.body(&json!({"room_name": "own:alice"}));
    own(&roomkey, "alice").send().unauthenticated();
    own(&roomkey, "alice").by(&caller).send().unauthenticated();
    assert_eq!(ask(roomkey.livekit()).by(&caller).send().livekit()["sub"], "alice");
    ask(roomkey.livekit()).send().refused(403, "forbidden");
}
