//! Commands, their output and their exit codes.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::jwt::{alice, as_alice, hs256, now, opened, opened_with, with};
use crate::support::{API_SECRET, HEAD, JWT, LIVEKIT, RULES, Said, Server, folder, run, usual};

fn with_usual(arguments: &[&str], stdin: &str) -> Said {
    let folder = folder();
    fs::write(folder.path().join("roomkey.toml"), usual()).unwrap();
    run(folder.path(), arguments, &[("ROOMKEY_CONFIG", "roomkey.toml")], stdin)
}

#[test]
fn who_stops_reading_ends_nothing_and_what_cannot_be_written_is_said() {
    let folder = folder();
    fs::write(folder.path().join("roomkey.toml"), usual()).unwrap();
    let inspect = |stdout: &str| {
        let mint = format!(
            "\"$0\" mint livekit --identity a --room r --role viewer | {{ \"$0\" inspect - {stdout}; echo \"code $?\" >&2; }}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{{ {mint}; }} | true"), env!("CARGO_BIN_EXE_roomkey")]);
        let said = command.current_dir(folder.path()).env("ROOMKEY_CONFIG", "roomkey.toml").output().unwrap();
        String::from_utf8(said.stderr).unwrap()
    };
    for _ in 0..3 {
        let said = inspect("");
        assert!(said.ends_with("code 0\n") && !said.contains("panic"), "{said}");
    }
    let said = inspect("> /dev/full");
    assert!(said.contains("cannot write to stdout") && said.ends_with("code 1\n"), "{said}");
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["serve", "--nonsense"],
        &["mint"],
        &["mint", "livekit"],
        &["keygen"],
        &["check", "--as"],
        &["check", "--as", "{}"],
        &["check", "--livekit", "x"],
        &["dev", "--listen", "x"],
        &["serve", "--config"],
        &["check", "--as", "{", "--livekit", "x"],
        &["check", "--as", "{}", "--livekit", "x"],
        &["inspect", "a", "b"],
        &["check", "--as", "[]", "--livekit", "x"],
        &["check", "--as", "{\"id\":\"\"}", "--livekit", "x"],
        &["check", "--as", "{\"id\":true}", "--livekit", "x"],
        &["check", "--as", "{\"id\":\"a\"}", "--livekit", ""],
        &["mint", "livekit", "--identity", "a", "--role", "viewer"],
        &["mint", "livekit", "--room", "a", "--role", "viewer"],
        &["mint", "livekit", "--identity", "a", "--room", "b", "--role", "viewer", "--grants", "{}"],
        &["mint", "livekit", "--identity", "a", "--room", "b"],
        &["mint", "livekit", "--identity", "a", "--room", "b", "--role", "viewer", "--ttl", "25h"],
        &["mint", "livekit", "--identity", "a", "--room", "b", "--role", "viewer", "--ttl", "0s"],
        &["mint", "livekit", "--identity", "a", "--room", "b", "--role", "viewer", "--ttl", "999ms"],
        &["mint", "livekit", "--identity", "a", "--room", "b", "--role", "viewer", "--attribute", "x"],
        &["mint", "livekit", "--grants", "{"],
        &["mint", "livekit", "--room", "a", "--grants", "{\"video\":{\"room\":\"b\"}}"],
    ] {
        let said = with_usual(arguments, "");
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty());
    }
    for command in ["dev", "serve", "check", "mint", "inspect", "keygen", "healthcheck"] {
        let said = run(folder().path(), &[command, "--help"], &[], "");
        assert_eq!(said.code, Some(0));
        assert!(said.out.contains("Example"), "{command}: {}", said.out);
    }
}

#[test]
fn dev_listens_on_loopback_alone() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "10.0.0.1:7890", "[2001:db8::1]:0", "[::ffff:0.0.0.0]:0"] {
        let said = run(folder().path(), &["dev", "--listen", address], &[], "");
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{address}");
        assert!(said.err.contains("loopback"), "{}", said.err);
    }
}

#[test]
fn devs_lines_work_as_pasted_and_no_others_do() {
    let server = Server::spawn(folder(), &["dev", "--listen", "127.0.0.1:0"], &[("LIVEKIT_API_SECRET", "ignored")]);
    server.post().json(r#"{"room_name":"standup"}"#).send().refused(401, "unauthenticated");
    server.token(&as_alice(), r#"{"room_name":"standup"}"#).refused(401, "unauthenticated");
    for secret in ["secret", "devkey", "", "dev"] {
        let forged = hs256(secret, json!({"sub": "alice", "role": "host", "exp": now() + 60}));
        server.token(&forged, r#"{"room_name":"standup"}"#).refused(401, "unauthenticated");
    }
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("http://127.0.0.1", true),
        ("http://[::1]:5173", true),
        ("https://localhost", true),
        ("http://localhost.evil.com", false),
        ("http://evil.com", false),
        ("null", false),
        ("http://127.0.0.1.evil.com:80", false),
        ("http://localhost:80.evil.com", false),
        ("http://evil.com:localhost", false),
        ("http://localhost@evil.com", false),
        ("http://localhost:3000/", false),
        ("ftp://localhost", false),
        ("http://localhost/:80", false),
        ("http://localhost:", false),
    ] {
        let answer = server.post().header("Origin", origin).json("{}").send();
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{origin}");
    }
    server.terminate();
    let said = server.finish();
    assert_eq!(said.code, Some(0));
    assert_eq!(
        said.out.lines().filter(|line| line.starts_with("ALICE=") || line.starts_with("BOB=")).count(),
        2,
        "{}",
        said.out
    );
    assert_eq!(said.out.lines().filter(|line| line.starts_with("curl ")).count(), 4, "{}", said.out);
    // Once more, with its lines in a shell while it runs.
    let folder = folder();
    let script = r#"
"$0" dev --listen 127.0.0.1:0 >out 2>err & pid=$!
while ! grep -q '^curl' out || [ "$(grep -c ^curl out)" -lt 4 ]; do kill -0 $pid || exit 9; done
grep '^curl.*/livekit/token' out | sh > answers
. ./out 2>/dev/null
kill $pid; wait $pid"#;
    // A dot would run the curl lines too; only the two assignments are wanted.
    let script = script
        .replace(". ./out 2>/dev/null\n", "grep '^[A-Z]*=' out > vars; . ./vars; echo \"$ALICE $BOB\" > tokens\n");
    let done =
        Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_roomkey")]).current_dir(folder.path()).status();
    assert_eq!(done.unwrap().code(), Some(0), "{}", fs::read_to_string(folder.path().join("err")).unwrap());
    let answers = fs::read_to_string(folder.path().join("answers")).unwrap();
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&answers).into_iter().map(Result::unwrap).collect();
    let tokens: Vec<_> = answers.iter().map(|answer| answer["participant_token"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 2);
    for (token, sub, publishes) in [(tokens[0], "alice", true), (tokens[1], "bob", false)] {
        let claims = opened_with("secret", token, 600);
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["video"]["room"]),
            (&json!("devkey"), &json!(sub), &json!("standup"))
        );
        assert_eq!(claims["video"]["canPublish"], publishes);
    }
    assert_eq!(fs::read_to_string(folder.path().join("tokens")).unwrap().split_whitespace().count(), 2);
}

#[test]
fn check_decides_for_real_and_mints_nothing() {
    let decide = |claims: Value, room: &str, json: bool| {
        let claims = claims.to_string();
        let mut arguments = vec!["check", "--as", claims.as_str(), "--livekit", room];
        arguments.extend(json.then_some("--json"));
        with_usual(&arguments, "")
    };
    let member = json!({"id": "alice", "name": "Alice", "rooms": ["standup"]});
    let said = decide(member.clone(), "standup", true);
    assert_eq!(said.code, Some(0), "{said:?}");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&report["errors"], &report["decision"]["outcome"]), (&json!([]), &json!("allow")));
    assert_eq!((&report["decision"]["rule"], &report["decision"]["role"]), (&json!("members"), &json!("participant")));
    let claims = &report["decision"]["claims"];
    assert_eq!(
        (&claims["sub"], &claims["video"]["room"], &claims["video"]["roomJoin"]),
        (&json!("alice"), &json!("standup"), &json!(true))
    );
    assert!(!said.out.contains("eyJ") && !said.out.contains(API_SECRET));
    let said = decide(member.clone(), "lounge", true);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["decision"]["outcome"]), (Some(1), &json!("deny")));
    assert!(report["decision"]["claims"].is_null() && report["decision"]["role"].is_null());
    assert_eq!(decide(member.clone(), "Standup", false).code, Some(1));
    let said = decide(member, "standup", false);
    assert!(said.code == Some(0) && said.out.contains("members") && said.out.contains("participant"), "{said:?}");
    assert_eq!(decide(json!({"id": 7, "rooms": ["standup"]}), "standup", false).code, Some(0));
    assert_ne!(decide(json!({"id": " ", "rooms": ["standup"]}), "standup", false).code, Some(0));
    // A denial's rule is named.
    let folder = folder();
    let blocked = "[[authorize]]\nkind = \"rules\"\nrules = [{ name = \"blocked\", room = \"**\", claims = { suspended = true }, deny = true }]\n";
    fs::write(folder.path().join("x.toml"), [HEAD, LIVEKIT, JWT, blocked, RULES].concat()).unwrap();
    let arguments = [
        "check",
        "--config",
        "x.toml",
        "--json",
        "--as",
        r#"{"id":"a","suspended":true,"rooms":"standup"}"#,
        "--livekit",
        "standup",
    ];
    let report: Value = serde_json::from_str(&run(folder.path(), &arguments, &[], "").out).unwrap();
    assert_eq!((&report["decision"]["outcome"], &report["decision"]["rule"]), (&json!("deny"), &json!("blocked")));
}

#[test]
fn mint_gives_what_was_asked_for_and_only_the_token() {
    let base = ["mint", "livekit", "--identity", "ops", "--room", "standup", "--role", "participant"];
    let said = with_usual(
        &[&base[..], &["--ttl", "1s", "--name", "Ops", "--metadata", "m", "--attribute", "a=b=c"]].concat(),
        "",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out.lines().count(), 1);
    let video =
        json!({"roomJoin": true, "room": "standup", "canPublish": true, "canSubscribe": true, "canPublishData": true});
    assert_eq!(
        opened(said.out.trim_end(), 1),
        json!({"iss": "APItest", "sub": "ops", "name": "Ops", "metadata": "m", "attributes": {"a": "b=c"}, "video": video})
    );
    for (ttl, seconds) in [("24h", 86_400), ("90", 90), ("1d", 86_400)] {
        let said = with_usual(&[&base[..], &["--ttl", ttl]].concat(), "");
        opened(said.out.trim_end(), seconds);
    }
    let said = with_usual(&["mint", "livekit", "--grants", r#"{"video":{"roomList":true}}"#], "");
    let wanted = json!({"roomList": true, "canPublish": false, "canSubscribe": false, "canPublishData": false});
    assert_eq!(opened(said.out.trim_end(), 600), json!({"iss": "APItest", "video": wanted}));
    let said = with_usual(&["mint", "livekit", "--grants", r#"{"sip":{"admin":true}}"#], "");
    assert_eq!(opened(said.out.trim_end(), 600), json!({"iss": "APItest", "sip": {"admin": true}}));
    for grants in [
        r#"{"video":{"roomJoin":true}}"#,
        r#"{"video":{"roomJoin":true,"room":""}}"#,
        r#"{"video":{"canPublsh":true}}"#,
        r#"{"video":{"canPublish":"true"}}"#,
        r#"{"vidoe":{}}"#,
        r#"{"sha256":"x"}"#,
        r#"{"sub":"x"}"#,
        r#"{"exp":1}"#,
        r#"{"video":[]}"#,
        "[]",
        "null",
        r#"{"roomConfig":{"maxParticipants":-1}}"#,
        r#"{"kind":"robot"}"#,
        r#"{"iss":"x"}"#,
    ] {
        let said = with_usual(&["mint", "livekit", "--grants", grants], "");
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{grants}: {said:?}");
    }
    for (identity, room) in [
        (" ", "r"),
        ("i", " "),
        ("", "r"),
        ("i", ""),
        ("i\n", "r"),
        ("i", "r\u{200b}\n"),
        ("i", &"x".repeat(257)),
        (&"é".repeat(129), "r"),
    ] {
        let said = with_usual(&["mint", "livekit", "--identity", identity, "--room", room, "--role", "viewer"], "");
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{identity:?} {room:?}: {said:?}");
    }
    let unknown = with_usual(&["mint", "livekit", "--identity", "i", "--room", "r", "--role", "vewer"], "");
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""));
    assert_eq!(run(folder().path(), &base, &[], "").code, Some(1), "without keys there is no token");
}

#[test]
fn inspect_tells_the_good_from_the_bad() {
    let video = json!({"roomJoin": true, "room": "standup", "roomAdmin": true});
    let good = json!({"iss": "APItest", "sub": "alice", "nbf": now(), "exp": now() + 60, "video": video});
    let sign = |over: Value| hs256(API_SECRET, with(good.clone(), over));
    let valid = sign(json!({}));
    for (arguments, stdin) in
        [(vec!["inspect", &valid], ""), (vec!["inspect", "-"], &*valid), (vec!["inspect"], &format!("{valid}\n"))]
    {
        let said = with_usual(&arguments, stdin);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("DANGER") && said.out.contains("standup"), "{}", said.out);
        assert!(said.out.find("DANGER") < said.out.find("join the room"), "dangers come first");
    }
    let report: Value = serde_json::from_str(&with_usual(&["inspect", "--json", &valid], "").out).unwrap();
    assert_eq!(
        (&report["valid"], &report["problems"], &report["claims"]["sub"]),
        (&json!(true), &json!([]), &json!("alice"))
    );
    let other = "x".repeat(40);
    let parts: Vec<_> = valid.split('.').collect();
    for token in [
        sign(json!({"exp": now() - 61})),
        sign(json!({"exp": null})),
        sign(json!({"exp": "9999999999"})),
        sign(json!({"exp": 1.5})),
        sign(json!({"nbf": now() + 3600})),
        sign(json!({"iss": "APIother"})),
        sign(json!({"iss": null})),
        hs256(&other, &good),
        sign(json!({"video": {"roomJoin": true, "room": ""}})),
        sign(json!({"sub": null})),
        sign(json!({"video": "x"})),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{valid}x"),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        String::new(),
        "..".to_owned(),
        as_alice(),
        hs256(API_SECRET, alice()),
        "x".repeat(70_000),
        "\u{0}".to_owned(),
        crate::support::jwt::unsigned(&json!({"alg": "none"}), &good),
        sign(json!({"exp": i64::MIN, "nbf": i64::MAX})),
        sign(json!({"exp": u64::MAX})),
    ] {
        let said = with_usual(&["inspect", "-"], &token);
        assert_eq!(said.code, Some(1), "{token:.80}: {said:?}");
        let said = with_usual(&["inspect", "--json"], &token);
        assert_eq!(said.code, Some(1), "{token:.80}");
        if !said.out.is_empty() {
            assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["valid"], false);
        }
        assert!(!said.err.contains("panicked"), "{}", said.err);
    }
}

#[test]
fn f9_addresses_work_or_say_why_not() {
    let at = |address: &str| usual().replacen("127.0.0.1:0", address, 1);
    for address in ["[::]:0", "[::1]:0", "0.0.0.0:0"] {
        let Ok(_) = std::net::TcpListener::bind(address) else { continue };
        let folder = folder();
        fs::write(folder.path().join("roomkey.toml"), at(address)).unwrap();
        // The wildcard is reached on loopback: `healthz` by its port.
        let free = std::net::TcpListener::bind(address).unwrap().local_addr().unwrap();
        let config = at(&free.to_string());
        let server = Server::start_in(folder, &config, &[]);
        let said = run(server.folder.path(), &["healthcheck", "--config", "roomkey.toml"], &[], "");
        assert_eq!(said.code, Some(0), "{address}: {said:?}");
        let port = free.port().to_string();
        let moved = [("ROOMKEY__SERVER__LISTEN", "127.0.0.1:1"), ("PORT", port.as_str())];
        if address != "[::1]:0" {
            assert_eq!(run(server.folder.path(), &["healthcheck"], &moved, "").code, Some(0), "{address}");
        }
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder();
    for (config, setting) in [
        (at(&address), "server.listen"),
        (
            usual().replace("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\nlisten = \"{address}\"")),
            "admin.listen",
        ),
        (at("192.0.2.1:7890"), "server.listen"),
    ] {
        fs::write(folder.path().join("roomkey.toml"), config).unwrap();
        let said = run(folder.path(), &["serve", "--config", "roomkey.toml"], &[], "");
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.lines().any(|line| line.starts_with(&format!("{setting}: "))), "{}", said.err);
    }
    // Someone silent, someone else, nobody.
    fs::write(folder.path().join("roomkey.toml"), at(&address)).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(run(folder.path(), &["healthcheck", "--config", "roomkey.toml"], &[], "").code, Some(1));
    assert!((1..6).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    drop(taken);
    assert_eq!(run(folder.path(), &["healthcheck", "--config", "roomkey.toml"], &[], "").code, Some(1));
    assert_eq!(run(folder.path(), &["healthcheck", "--config", "nowhere.toml"], &[], "").code, Some(1));
}

#[test]
fn f11_times_at_the_end_of_numbers_break_nothing() {
    let server = Server::start(&usual());
    for exp in [
        "9223372036854775807",
        "18446744073709551615",
        "-9223372036854775808",
        "1e308",
        "-1e308",
        "9e18",
        "9223372036854775808",
        "4294967296",
        "1e19",
    ] {
        for (nbf, iat) in
            [("0", "0"), ("-9223372036854775808", "-1e308"), ("9223372036854775807", "1e308"), ("-1.5", "0.1")]
        {
            // Once: the next second's has another end.
            let alice = alice();
            let payload = alice.to_string().replacen('{', "{\"x\":0,", 1);
            let payload = payload
                .replace(&format!("\"exp\":{}", alice["exp"]), &format!("\"exp\":{exp},\"nbf\":{nbf},\"iat\":{iat}"));
            assert!(payload.contains(exp));
            let answer = server.token(&crate::support::jwt::rs256(&payload), r#"{"room_name":"standup"}"#);
            let good = !exp.starts_with('-') && !nbf.starts_with("92");
            assert_eq!(answer.status, if good { 201 } else { 401 }, "{payload}");
        }
    }
    assert!(!server.log().contains("Panicked"), "{}", server.log());
}
