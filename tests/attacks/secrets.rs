//! Nothing secret is ever written down (F3).

use std::fs;

use serde_json::json;

use crate::support::http::{Ask, Connection};
use crate::support::jwt::{alice, hs256, now, rs256, with};
use crate::support::{HEAD, LIVEKIT, RULES, Server, check, folder, hasty, run};

const APP_SECRET: &str = "app-secret-CANARY-0123456789abcdefghijkl";

const CALLERS: &str = r#"
[[authenticate]]
kind = "api_key"
keys_file = "keys.toml"
[[authenticate]]
kind = "jwt"
issuer = "https://id.example"
audience = "rtc"
secret = "app-secret-CANARY-0123456789abcdefghijkl"
cookie = "session"
[[authenticate]]
kind = "guest"
"#;

/// Every answer to everything that can go right and wrong.
fn provoke(server: &Server, token: &str, key: &str) -> Vec<String> {
    let room = r#"{"room_name":"standup","participant_metadata":"BODY-CANARY"}"#;
    let fine = r#"{"room_name":"standup"}"#;
    let mut asks: Vec<Ask> = vec![
        server.post().bearer(token).json(fine),
        server.post().bearer(token).json(room),
        server.post().bearer(token).json(r#"{"room_name":"standup","token":"BODY-CANARY"}"#),
        server.post().bearer(token).json(r#"{"room_name":["BODY-CANARY"]}"#),
        server.post().bearer(token).json(r#"{"room_name":"BODY-CANARY\u0000"}"#),
        server.post().bearer(token).json(r#"{"room_name":"standup","participant_identity":"BODY-CANARY"}"#),
        server
            .post()
            .bearer(token)
            .json(r#"{"room_name":"standup","participant_attributes":{"BODY-CANARY":"BODY-CANARY"}}"#),
        server
            .post()
            .bearer(token)
            .json(r#"{"room_name":"standup","room_config":{"agents":[{"agent_name":"BODY-CANARY"}]}}"#),
        server
            .post()
            .bearer(token)
            .json(r#"{"room_name":"standup","room_config":{"egress":{"s3":{"secret":"BODY-CANARY"}}}}"#),
        server.post().bearer(token).json("BODY-CANARY"),
        server.post().bearer(token).json("{\"room_name\":\"BODY-CANARY"),
        server.post().bearer(token).body("BODY-CANARY"),
        server.post().bearer(token).json("BODY-CANARY".repeat(10_000)),
        server.post().bearer(token).header("Content-Length", "99").json("{\"room_name\":\"BODY-CANARY\""),
        server.post().bearer(&token[..token.len() - 2]).json(fine),
        server
            .post()
            .bearer(hs256(APP_SECRET, with(alice(), json!({"exp": now() - 3600, "x": "CLAIM-CANARY"}))))
            .json(fine),
        server.post().bearer("HEADER-CANARY").json(fine),
        server.post().header("Authorization", "Basic HEADER-CANARY").json(fine),
        server.post().header("Authorization", "HEADER-CANARY").json(fine),
        server.post().bearer("HEADER-CANARY").bearer("HEADER-CANARY").json(fine),
        server.post().header("Cookie", "session=COOKIE-CANARY").json(fine),
        server.post().header("Cookie", "session=COOKIE-CANARY; session=COOKIE-CANARY").json(fine),
        server.post().header("Cookie", format!("session={token}; other=COOKIE-CANARY")).json(fine),
        server.post().header("Cookie", format!("session={token}")).header("Origin", "https://evil.com").json(fine),
        server.post().bearer(key).json(r#"{"room":"standup","user_id":"carol","claims":{"x":"BODY-CANARY"}}"#),
        server.post().bearer(key).json(r#"{"room":"standup","user_id":"carol","role":"BODY-CANARY"}"#),
        server.post().bearer(key).json(r#"{"room":"standup","claims":{"x":"BODY-CANARY"}}"#),
        server.post().bearer(format!("{key}x")).json(fine),
        server.ask("GET", "/livekit/token?token=QUERY-CANARY"),
        server.ask("GET", "/QUERY-CANARY"),
        server.ask("PUT", "/livekit/token").bearer(token).json(room),
        server.post().header("X-Custom", "HEADER-CANARY").bearer(token).json(fine),
    ];
    asks.push(Ask::new(server.admin, "GET", "/QUERY-CANARY").bearer(token));
    let mut answers = Vec::new();
    for ask in asks {
        let answer = ask.send();
        if answer.status >= 400 {
            answers.push(format!("{:?} {}", answer.headers, answer.body));
        }
    }
    for raw in [
        "HEADER-CANARY\r\n\r\n",
        "GET / HTTP/1.1\r\nX: HEADER-CANARY\u{0}\r\n\r\n",
        "GET / HTTP/1.1\r\nHEADER-CANARY\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.public);
        connection.send(raw);
        answers.extend(connection.read().map(|answer| format!("{answer:?}")));
    }
    answers
}

#[test]
fn f3_no_secret_token_cookie_or_body_is_written_down() {
    let folder = folder();
    let made = run(folder.path(), &["keygen", "backend"], &[], "");
    let key = made.out.trim_end();
    fs::write(folder.path().join("keys.toml"), &made.err).unwrap();
    let token = hs256(APP_SECRET, with(alice(), json!({"x": "CLAIM-CANARY", "name": "Alice"})));
    let signature = token.rsplit('.').next().unwrap().to_owned();
    for format in ["json", "text"] {
        let config = hasty(&[HEAD, LIVEKIT, CALLERS, RULES].concat()).replace("\"json\"", &format!("{format:?}"));
        let copy = crate::support::folder();
        fs::copy(folder.path().join("keys.toml"), copy.path().join("keys.toml")).unwrap();
        let server = Server::start_in(copy, &config, &[]);
        let good = server.token(&token, r#"{"room_name":"standup"}"#);
        let issued = good.json()["participant_token"].as_str().unwrap().to_owned();
        let answers = provoke(&server, &token, key);
        assert!(answers.len() > 20);
        server.terminate();
        let said = server.finish();
        assert_eq!(said.code, Some(0));
        assert!(said.err.contains("decision") && said.err.contains("refused"), "{}", said.err);
        assert_eq!(said.out, "");
        for text in answers.iter().chain([&said.err]) {
            for secret in ["CANARY", &token, &signature, key, &key[12..], &issued, "eyJ"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

#[test]
fn f3_a_configuration_that_fails_shows_no_secret() {
    let secret = "lk-secret-CANARY-0123456789abcdefghijklm";
    for config in [
        LIVEKIT.replace("api_secret", "api_secert"),
        LIVEKIT.replace("api_secret = ", "api_secret = 5 # "),
        LIVEKIT.replace("api_secret", "api_secret_env"),
        LIVEKIT.replace("api_secret", "api_secret_file"),
        LIVEKIT.replace(&format!("\"{secret}\""), &format!("[\"{secret}\"]")),
        LIVEKIT.replace(&format!("\"{secret}\""), &format!("{{ value = \"{secret}\" }}")),
        LIVEKIT.replace(&format!("\"{secret}\""), &format!("\"{secret}")),
        LIVEKIT.replace(&format!("\"{secret}\""), secret),
        LIVEKIT.replace(&format!("\"{secret}\""), "\"CANARY-short\""),
        LIVEKIT.replace("api_key = \"APItest\"", "").replace("api_secret", "keys"),
        LIVEKIT.replace("api_key = \"APItest\"", "").replace("api_secret = \"", "keys = \"APItest: CANARY\\n"),
        LIVEKIT.replace("APItest", secret),
        LIVEKIT.to_owned() + &format!("api_secret = \"{secret}\"\n"),
        LIVEKIT.to_owned() + &format!("secret = \"{secret}\"\n"),
        LIVEKIT.to_owned() + "[[authenticate]]\nkind = \"jwt\"\nsecret = \"CANARY\"\n",
        LIVEKIT.to_owned() + "[[authenticate]]\nkind = \"jwt\"\nsecrets = [\"CANARY\"]\n",
        LIVEKIT.to_owned() + "[[authenticate]]\nkind = \"jwt\"\npublic_key = \"CANARY\"\n",
        LIVEKIT.to_owned()
            + "[[authenticate]]\nkind = \"api_key\"\n[[authenticate.keys]]\nname = \"a\"\nsha256 = \"rk_a_CANARY\"\nscopes = []\n",
        LIVEKIT.to_owned()
            + "[roles.x.livekit.room_config.egress]\ns3 = { access_key = \"CANARY\", secret = \"CANARY\" }\n",
    ] {
        for environment in [
            &[][..],
            &[("LIVEKIT_KEYS", "CANARY")],
            &[
                ("LIVEKIT_KEYS_FILE", "CANARY"),
                ("ROOMKEY_API_KEY_FILE", "rk_CANARY"),
                ("ROOMKEY__LIVEKIT__API_SECRET_ENV", "CANARY"),
            ],
            &[("ROOMKEY_JWT_SECRET", "CANARY"), ("ROOMKEY_API_KEY", "rk_CANARY")],
        ] {
            let said = check(&[HEAD, &config].concat(), environment);
            assert_eq!(said.code, Some(1));
            assert!(!said.err.contains("CANARY") && !said.out.contains("CANARY"), "{config}: {}", said.err);
        }
    }
    let token = rs256(alice());
    let said = run(folder().path(), &["inspect", &format!("{token}x")], &[], "");
    assert!(!said.err.contains(&token[..40]), "{}", said.err);
}
