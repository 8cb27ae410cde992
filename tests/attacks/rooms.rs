//! Which room (B).

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::http::Connection;
use crate::support::jwt::{alice, as_alice, as_bob, opened, participant, rs256, with};
use crate::support::{HEAD, JWT, LIVEKIT, RULES, Server, claims, open, usual};

#[test]
fn b1_a_room_of_others_is_forbidden() {
    let server = Server::start(&usual());
    for room in ["standup", "org:acme:x", "org:globex", "org:globex:", "org:globex/x", "lounge:x", "lounge2", "loung"] {
        server.token(&as_bob(), json!({"room_name": room})).refused(403, "forbidden");
    }
    assert_eq!(server.claims(&as_bob(), r#"{"room_name":"lounge"}"#), participant("bob", "Bob", "lounge"));
    // Claims are data: one that looks like a pattern opens nothing.
    for tenant in [
        json!("*"),
        json!("**"),
        json!("acme:x"),
        json!("{tenant}"),
        json!(""),
        json!(null),
        json!(true),
        json!(["*"]),
        json!({"acme": 1}),
        json!(1.5),
        json!("acme/"),
        json!("acme\u{0}"),
    ] {
        let token = rs256(with(alice(), json!({"tenant": tenant, "rooms": tenant})));
        for room in ["org:acme:x", "org::x", "org:*:x", "standup", "acme", "org:null:x", "org:true:x"] {
            server.token(&token, json!({"room_name": room})).refused(403, "forbidden");
        }
    }
}

#[test]
fn b2_no_token_is_for_no_room() {
    let server = Server::start(&open());
    for body in [
        r#"{"room_name":""}"#,
        "{}",
        r#"{"room_name":null}"#,
        r#"{"room_name":" "}"#,
        r#"{"room_name":"\t"}"#,
        r#"{"room_name":"\u200b"}"#,
        r#"{"room_name":["standup"]}"#,
        r#"{"room_name":0}"#,
        r#"{"room":""}"#,
        r#"{"room":null}"#,
        r#"{"room":" "}"#,
        r#"{"room_name":{}}"#,
        r#"{"room_name":[]}"#,
        r#"{"room_name":false}"#,
        r#"{"room_name":"\u00a0"}"#,
        r#"{"room_name":"\u3000\u2003"}"#,
        r#"{"room_name":"\ufeff"}"#,
        r#"{"room_name":"\u2060\u00ad\u034f"}"#,
        r#"{"room_name":"\u3164"}"#,
        r#"{"room_name":"\u2800"}"#,
        r#"{"room_name":"\u0000"}"#,
        r#"{"room_name":"\udb40\udc01"}"#,
        r#"{"user_id":"alice"}"#,
        r#"{"participant_identity":"alice"}"#,
        r#"{"room_name":"\ufe0f\u200d"}"#,
        r#"{"room_name":"\u202e"}"#,
        "",
        "null",
        "[]",
        r#""standup""#,
        "0",
        "true",
        r#"["standup"]"#,
        r#"{"room_name":"standup"}{"room_name":"x"}"#,
        r#"{"room_name":"standup"} x"#,
        r#"{"room_name":"standup",}"#,
        r#"{room_name:"standup"}"#,
        r#"{"room_name":"standup","room_name":"standup"}"#,
        r#"{"room_name":"","room_name":"standup"}"#,
        r#"{"room_name":"standup","room":"standup"}"#,
        "{\"room_name\":\"a\nb\"}",
        "\u{feff}{\"room_name\":\"standup\"}",
        r#"{"room_name":NaN}"#,
        r#"{"room_name":1e999}"#,
        "//c\n{\"room_name\":\"standup\"}",
    ] {
        let answer = server.token(&as_alice(), body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{body}");
    }
    let generate = LIVEKIT.to_owned() + "when_no_room = \"generate\"\ngenerated_room = \"{tenant}-{random}\"\n";
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"{tenant}-*\", role = \"participant\" }]\n";
    let server = Server::start(&[HEAD, &generate, JWT, rules].concat());
    let mut rooms = HashSet::new();
    for body in [r#"{"room_name":""}"#, "{}", r#"{"room_name":null}"#, r#"{"room":""}"#, r#"{"room_config":{}}"#] {
        let token = server.claims(&as_alice(), body);
        let room = token["video"]["room"].as_str().unwrap().to_owned();
        let random = room.strip_prefix("acme-").unwrap();
        assert!(random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{room}");
        assert_eq!(token, participant("alice", "Alice", &room));
        assert!(rooms.insert(room));
    }
    for body in
        [r#"{"room_name":" "}"#, r#"{"room_name":["standup"]}"#, r#"{"room_name":0}"#, r#"{"room_name":"\u200b"}"#]
    {
        server.token(&as_alice(), body).refused(400, "invalid_request");
    }
    // A generated room is decided on like any other; a claim for it that is none gives no room at all.
    for tenant in [Value::Null, json!("a:b"), json!(""), json!(true), json!("*"), json!("x".repeat(300))] {
        let token = rs256(with(alice(), json!({"tenant": tenant})));
        server.token(&token, "{}").refused(400, "invalid_request");
    }
    let closed = Server::start(&[HEAD, &generate, JWT, RULES].concat());
    closed.token(&as_alice(), "{}").refused(403, "forbidden");
}

/// Names that are almost `standup`.
const ALMOST: [&str; 30] = [
    "../standup",
    "%2e%2e%2fstandup",
    "standup%00",
    "standup ",
    " standup",
    "Standup",
    "standup.",
    "ｓtandup",
    "\u{202e}pudnats",
    "standup\u{200b}",
    "\u{feff}standup",
    "stand\u{ad}up",
    "standup/",
    "/standup",
    "standup:",
    "./standup",
    "standup?x",
    "standup#",
    "standup;",
    "standup\\",
    "STANDUP",
    "stаndup",
    "ſtandup",
    "standup*",
    "*",
    "**",
    "{rooms}",
    "stand%75p",
    "standup\u{301}",
    "standup\u{fe0f}",
];

#[test]
fn b5_the_room_decided_on_is_the_room_signed() {
    let (server, members) = (Server::start(&open()), Server::start(&usual()));
    let long = "x".repeat(256);
    let emoji = "😀".repeat(64);
    let mut names = ALMOST.map(str::to_owned).to_vec();
    names.extend(["caf\u{e9}".to_owned(), "cafe\u{301}".to_owned(), long, emoji, "\u{10ffff}".to_owned()]);
    for room in &names {
        for (body, field) in [(json!({"room_name": room}), "participant_token"), (json!({"room": room}), "token")] {
            let answer = server.token(&as_alice(), &body);
            let token = answer.json()[field].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
            assert_eq!(opened(&token, 600), participant("alice", "Alice", room));
            if field == "participant_token" {
                assert_eq!(answer.json()["room_name"], **room);
            }
        }
        let refused = members.token(&as_alice(), json!({"room_name": room}));
        assert_eq!(refused.status, 403, "{room:?}");
    }
    for bad in [
        "stand\u{0}up",
        "stand\r\nup",
        "standup\u{0}",
        "\u{0}standup",
        "standup\n",
        "standup\u{7f}",
        "standup\u{85}",
        "standup\u{1b}[2J",
        &"x".repeat(257),
        &"😀".repeat(128),
        &"é".repeat(129),
        &"x".repeat(60_000),
    ] {
        for server in [&server, &members] {
            for field in ["room_name", "room"] {
                server.token(&as_alice(), json!({field: bad})).refused(400, "invalid_request");
            }
        }
    }
    for raw in [r#"{"room_name":"stand\ud800up"}"#, r#"{"room_name":"\udc00"}"#, r#"{"room_name":"\ud83d"}"#] {
        server.token(&as_alice(), raw).refused(400, "invalid_request");
    }
    let bytes = b"{\"room_name\":\"stand\xffup\"}";
    server.post().bearer(as_alice()).json(bytes).send().refused(400, "invalid_request");
    let overlong = b"{\"room_name\":\"stand\xc0\xafup\"}";
    server.post().bearer(as_alice()).json(overlong).send().refused(400, "invalid_request");
    // A claim in the other form of the same text is another text.
    let nfd = rs256(with(alice(), json!({"rooms": ["cafe\u{301}"]})));
    members.token(&nfd, json!({"room_name": "caf\u{e9}"})).refused(403, "forbidden");
    assert_eq!(members.claims(&nfd, json!({"room_name": "cafe\u{301}"})), participant("alice", "Alice", "cafe\u{301}"));
    // An escape in JSON is no other text.
    assert_eq!(
        members.claims(&as_alice(), r#"{"room_name":"\u0073tandup"}"#),
        participant("alice", "Alice", "standup")
    );
}

#[test]
fn b7_the_token_is_for_that_room_alone() {
    let server = Server::start(&usual());
    assert_eq!(server.claims(&as_alice(), r#"{"room_name":"standup"}"#), participant("alice", "Alice", "standup"));
    assert_eq!(
        server.claims(&as_alice(), r#"{"room_name":"org:acme:x"}"#),
        json!({
            "iss": "APItest", "sub": "alice", "name": "Alice",
            "video": {"roomJoin": true, "room": "org:acme:x", "canPublish": false, "canSubscribe": true, "canPublishData": false},
        })
    );
}

#[test]
fn b8_neither_host_nor_path_say_where_to_connect() {
    let server = Server::start(&usual());
    for field in ["tenant", "org", "host", "url", "server_url", "project"] {
        server.token(&as_alice(), json!({"room_name": "standup", field: "other"})).refused(400, "invalid_request");
    }
    for (name, value) in [
        ("Host", "evil.com"),
        ("X-Forwarded-Host", "evil.com"),
        ("X-Forwarded-Server", "evil.com"),
        ("Forwarded", "host=evil.com;proto=http"),
        ("X-Forwarded-Proto", "http"),
        ("X-Original-Host", "evil.com"),
        ("X-Tenant", "other"),
        ("X-LiveKit-Url", "wss://evil.com"),
    ] {
        let answer = server.post().header(name, value).bearer(as_alice()).json(r#"{"room_name":"standup"}"#).send();
        assert_eq!(answer.json()["server_url"], "wss://rtc.example.com", "{name}");
        assert_eq!(claims(&answer), participant("alice", "Alice", "standup"), "{name}");
        let answer = server.post().header(name, value).bearer(as_alice()).json(r#"{"room":"standup"}"#).send();
        assert_eq!(answer.json()["url"], "wss://rtc.example.com", "{name}");
        let members: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["token", "url"]);
    }
    let answer = server.token(&as_alice(), r#"{"room_name":"standup"}"#);
    let members: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["participant_name", "participant_token", "room_name", "server_url"]);
    let absolute = server.ask("POST", "http://evil.com/livekit/token").bearer(as_alice()).json(r#"{"room":"standup"}"#);
    assert_eq!(absolute.send().json()["url"], "wss://rtc.example.com");
    for path in [
        "/acme/livekit/token",
        "/livekit/token/",
        "//livekit/token",
        "/livekit/token/standup",
        "/livekit//token",
        "/livekit/%74oken",
        "/livekit/token%2f",
        "/livekit/token;x=1",
        "/LiveKit/token",
        "/livekit/../livekit/token",
        "/livekit/token%00",
        "/.",
        "/livekit",
        "/livekit/token.json",
        "/healthz/../livekit/token",
    ] {
        let answer = server.ask("POST", path).bearer(as_alice()).json(r#"{"room_name":"standup"}"#).send();
        answer.refused(404, "not_found");
    }
}

#[test]
fn b10_twenty_thousand_guests_are_all_different() {
    let guests = "[[authenticate]]\nkind = \"guest\"\n";
    let rules = RULES.replace("\"{rooms}\"", "\"**\"");
    let server = Server::start(&[HEAD, LIVEKIT, JWT, guests, &rules].concat().replace("trace", "info"));
    let one = server.post().header("Connection", "keep-alive").json(r#"{"room":"standup"}"#).bytes();
    let batch = one.repeat(50);
    let ids: Vec<String> = std::thread::scope(|scope| {
        let ask = || {
            let mut connection = Connection::open(server.public);
            let mut ids = Vec::new();
            for _ in 0..200 {
                assert!(connection.send(&batch));
                for _ in 0..50 {
                    let token = connection.read().unwrap().json()["token"].as_str().unwrap().to_owned();
                    ids.push(token.split('.').nth(1).unwrap().to_owned());
                }
            }
            ids
        };
        let workers = [scope.spawn(ask), scope.spawn(ask)];
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 20_000);
    let distinct: HashSet<_> = ids.iter().map(|payload| subject(payload)).collect();
    assert_eq!(distinct.len(), 20_000);
    for headers in [vec![], vec![("Content-Type", "")], vec![("Content-Type", "text/plain")]] {
        let mut ask = server.post().body(r#"{"room_name":"standup"}"#);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.send().refused(415, "unsupported_media_type");
    }
}

fn subject(payload: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: Value = serde_json::from_slice(&bytes).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}
