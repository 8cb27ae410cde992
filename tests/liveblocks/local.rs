//! The local form: tokens that Roomkey signs itself.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{OPEN, PATH, Roomkey, bearer, claims_of, form, now, run, user};

/// 32 bytes, which is enough.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn local(more: &str, rules: &str) -> Roomkey {
    Roomkey::serve(&form(&format!("signing_secret = \"{SECRET}\"\n{more}"), rules))
}

#[test]
fn a_token_has_exactly_these_claims() {
    let roomkey = local("", OPEN);
    let caller = bearer(
        json!({"sub": "alice", "name": "Łukasz 🎉", "picture": "https://x.example/a.png", "org": "acme", "groups": ["g"]}),
    );
    let before = now();
    let (header, claims) = claims_of(&roomkey.enter(&caller, "r").token(), SECRET);
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT"}));
    let (iat, jti) = (claims["iat"].as_i64().unwrap(), claims["jti"].as_str().unwrap());
    assert!((before..=now()).contains(&iat) && jti.len() >= 16, "{claims}");
    let expected = json!({
        "k": "acc", "pid": "local", "uid": "alice", "perms": {"r": ["room:write", "comments:write"]},
        "ui": {"name": "Łukasz 🎉", "avatar": "https://x.example/a.png"}, "iat": iat, "exp": iat + 3600, "jti": jti,
    });
    assert_eq!(claims, expected);
    let (_, claims) = claims_of(&roomkey.enter(&user("bob"), "r").token(), SECRET);
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["exp", "iat", "jti", "k", "perms", "pid", "uid"], "what is empty is left out");
}

#[test]
fn project_and_lifetime_are_configured() {
    let roomkey = local("project_id = \"my app\"\nttl = \"10m\"", OPEN);
    let (_, claims) = claims_of(&roomkey.enter(&user("u"), "r").token(), SECRET);
    assert_eq!(claims["pid"], "my app");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    for ttl in ["1m", "25h", "0s", "\"-5m\"", "never"] {
        let config = form(&format!("signing_secret = \"{SECRET}\"\nttl = \"{}\"", ttl.trim_matches('"')), OPEN);
        run(&["serve", "--config", "roomkey.toml"], &config, &[]).refused("liveblocks.ttl", "");
    }
}

#[test]
fn the_order_of_permissions_is_kept() {
    let rules = r#"
[[authorize]]
kind = "rules"
rules = [{ room = "**", role = "viewer", liveblocks_rooms = ["z", "10", { room = "a*", permissions = ["*:write", "comments:none", "feeds:read"] }, "2", "m"] }]
"#;
    let roomkey = local("", rules);
    let token = roomkey.enter(&user("u"), "room").token();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let read = r#"["room:read","room:presence:write","comments:read"]"#;
    let perms = format!(
        r#""perms":{{"room":{read},"z":{read},"10":{read},"a*":["*:write","comments:none","feeds:read"],"2":{read},"m":{read}}}"#
    );
    let payload = String::from_utf8(payload).unwrap();
    assert!(payload.contains(&perms), "{payload}");
}

#[test]
fn no_two_tokens_are_the_same() {
    let roomkey = local("", OPEN);
    let authorization = user("u");
    let mut stream = TcpStream::connect(roomkey.address).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut ids = BTreeSet::new();
    let mut tokens = BTreeSet::new();
    for _ in 0..1000 {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n"
        );
        stream.write_all((head + "{\"room\":\"r\"}").as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let token = answer["token"].as_str().unwrap().to_owned();
        ids.insert(claims_of(&token, SECRET).1["jti"].as_str().unwrap().to_owned());
        tokens.insert(token);
    }
    assert_eq!((ids.len(), tokens.len()), (1000, 1000));
}

#[test]
fn bounds_hold_here_as_for_the_cloud() {
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"host\", liveblocks_rooms = [\"{more}\"] }]";
    let roomkey = local("", rules);
    roomkey.enter(&user(&"a".repeat(129)), "r").is(500, "internal");
    roomkey.enter(&bearer(json!({"sub": "u", "name": "n".repeat(1100)})), "r").is(500, "internal");
    roomkey.enter(&bearer(json!({"sub": "u", "more": "m".repeat(129)})), "r").is(500, "internal");
    roomkey.enter(&user("u"), "*").is(400, "invalid_request");
    roomkey.ask(&user("u"), "{}").is(403, "forbidden");
    roomkey.enter(&user("u"), "r").token();
}

#[test]
fn a_weak_signing_secret_is_refused() {
    for (weak, why) in [
        ("0123456789abcdef0123456789abcde", "32 bytes"),
        ("secret", "placeholder"),
        ("changeme", "placeholder"),
        ("", "empty"),
        ("                                        ", "white space"),
    ] {
        let ran =
            run(&["serve", "--config", "roomkey.toml"], &form(&format!("signing_secret = \"{weak}\""), OPEN), &[]);
        ran.refused("liveblocks.signing_secret", why);
        assert!(weak.trim().len() < 20 || !ran.stderr.contains(weak), "{ran:?}");
    }
}
