//! Cookies, and more than one credential at a time.

use serde_json::json;

use crate::support::http::{Answer, Ask};
use crate::support::jwt::{alice, as_alice, as_bob, bob, hs256, now, participant, rs256, with};
use crate::support::{HEAD, JWT, LIVEKIT, ORIGIN, RULES, Server, claims, usual};

const BODY: &str = r#"{"room_name":"standup"}"#;

fn with_cookie(server: &Server, cookie: &str) -> Ask {
    server.post().header("Cookie", cookie).json(BODY)
}

#[track_caller]
fn is_alice(answer: &Answer) {
    assert_eq!(claims(answer), participant("alice", "Alice", "standup"));
}

#[test]
fn a_cookie_is_as_good_as_a_bearer() {
    let server = Server::start(&usual());
    let token = as_alice();
    for cookie in [
        format!("session={token}"),
        format!("a=b; session={token}; c=d"),
        format!("a=b;session={token}"),
        format!("xsession=x; session={token}"),
        format!("session2=x; session={token}"),
        format!("Session=x; session={token}"),
    ] {
        is_alice(&with_cookie(&server, &cookie).send());
    }
    is_alice(&server.post().header("Cookie", "a=b").header("Cookie", format!("session={token}")).json(BODY).send());
    // What other applications keep in their cookies does not matter.
    is_alice(&with_cookie(&server, &format!("theme=caf\u{e9}; session={token}; x=\u{1f600}")).send());
    for cookie in [
        format!("Session={token}"),
        format!("sessio={token}"),
        format!("xsession={token}"),
        format!("session={token}x"),
        format!("session=\"{token}\""),
        format!("session=Bearer {token}"),
        format!("session={token}; session={token}"),
        format!("session={token}; session="),
        format!("session={token}; session={}", as_bob()),
        "session=".to_owned(),
        format!("session={}", rs256(with(alice(), json!({"exp": now() - 3600})))),
        format!("__Host-session={token}"),
        format!("session=={token}"),
        format!("session={token}, session={token}"),
        "session".to_owned(),
        format!("session={}", token.replace('.', "%2e")),
    ] {
        with_cookie(&server, &cookie).send().refused(401, "unauthenticated");
    }
    let twice = server.post().header("Cookie", format!("session={token}")).header("Cookie", format!("session={token}"));
    twice.json(BODY).send().refused(401, "unauthenticated");
}

#[test]
fn a_cookie_from_another_site_is_forbidden() {
    let server = Server::start(&usual());
    let cookie = format!("session={}", as_alice());
    let ask = || with_cookie(&server, &cookie);
    let port = server.public.port();
    for origin in [format!("http://{}", server.public), format!("https://{}", server.public), ORIGIN.to_owned()] {
        is_alice(&ask().header("Origin", &origin).send());
        is_alice(&ask().header("Origin", &origin).header("Sec-Fetch-Site", "cross-site").send());
    }
    is_alice(&ask().send());
    for site in ["same-origin", "same-site", "none"] {
        is_alice(&ask().header("Sec-Fetch-Site", site).send());
    }
    is_alice(&ask().header("Host", "rk.example.com").header("Origin", "https://rk.example.com").send());
    let foreign = [
        "https://evil.com",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://app.example.com.evil.com",
        "http://app.example.com",
        "https://APP.example.com",
        "",
        "file://",
        "https://app.example.com/",
        "://",
    ];
    for origin in foreign.map(str::to_owned).into_iter().chain([
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}/"),
        format!("http://x@127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}.evil.com"),
        format!("http://evil.com/://127.0.0.1:{port}"),
        format!("127.0.0.1:{port}"),
    ]) {
        let answer = ask().header("Origin", &origin).send();
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    ask().header("Sec-Fetch-Site", "cross-site").send().refused(403, "forbidden");
    ask()
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Site", "cross-site")
        .send()
        .refused(403, "forbidden");
    ask().header("Origin", ORIGIN).header("Origin", "https://evil.com").send().refused(403, "forbidden");
    ask().header("Origin", "https://evil.com").header("Origin", ORIGIN).send().refused(403, "forbidden");
    ask()
        .header("Host", "rk.example.com")
        .header("Origin", "https://rk.example.com:8443")
        .send()
        .refused(403, "forbidden");
    ask()
        .header("Host", "rk.example.com")
        .header("Host", "evil.com")
        .header("Origin", "https://evil.com")
        .send()
        .refused(403, "forbidden");
    ask().header("X-Forwarded-Host", "evil.com").header("Origin", "https://evil.com").send().refused(403, "forbidden");
    // What is wrong in itself stays 401; what is no cookie is no one's to forge.
    with_cookie(&server, "session=x").header("Origin", "https://evil.com").send().refused(401, "unauthenticated");
    is_alice(&server.post().header("Origin", "https://evil.com").bearer(as_alice()).json(BODY).send());
    is_alice(&ask().header("Origin", "https://evil.com").bearer(as_alice()).send());
}

#[test]
fn a_bearer_beats_a_cookie_and_two_bearers_are_none() {
    let server = Server::start(&usual());
    let (alice, bob) = (as_alice(), as_bob());
    is_alice(&with_cookie(&server, &format!("session={bob}")).bearer(&alice).send());
    with_cookie(&server, &format!("session={alice}")).bearer(&bob).send().refused(403, "forbidden");
    for bearer in ["garbage", "", "a.b.c"] {
        with_cookie(&server, &format!("session={alice}")).bearer(bearer).send().refused(401, "unauthenticated");
    }
    for other in ["Basic YTpi", "", "Bearer"] {
        let answer = with_cookie(&server, &format!("session={alice}")).header("Authorization", other).send();
        answer.refused(401, "unauthenticated");
    }
    for second in [format!("Bearer {alice}"), format!("Bearer {bob}"), "Basic YTpi".to_owned(), String::new()] {
        let answer = server.post().bearer(&alice).header("authorization", &second).json(BODY).send();
        answer.refused(401, "unauthenticated");
        let answer = server.post().header("authorization", &second).bearer(&alice).json(BODY).send();
        answer.refused(401, "unauthenticated");
    }
    for good in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer  "] {
        is_alice(&server.post().header("Authorization", format!("{good}{alice}")).json(BODY).send());
    }
    for bad in
        ["Bearer\t", "Bearer", "Bearer:", "Bearer=", "JWT ", "Token ", "Bearer Bearer ", "Bearer \"", "", "Bearer,"]
    {
        let answer = server.post().header("Authorization", format!("{bad}{alice}")).json(BODY).send();
        assert_eq!(answer.status, 401, "{bad:?}");
    }
    for bad in [
        format!("Bearer {alice}, Bearer {bob}"),
        format!("Bearer {alice} x"),
        format!("Bearer {alice},"),
        format!("Bearer {alice}\u{e9}"),
    ] {
        let answer = server.post().header("Authorization", &bad).json(BODY).send();
        assert_eq!(answer.status, 401, "{bad:?}");
    }
    for name in ["Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "Sec-WebSocket-Protocol"] {
        server.post().header(name, format!("Bearer {alice}")).json(BODY).send().refused(401, "unauthenticated");
    }
}

#[test]
fn of_two_issuers_each_token_goes_to_its_own() {
    let secret = "app-secret-CANARY-0123456789abcdefghijkl";
    let second =
        format!("[[authenticate]]\nkind = \"jwt\"\nissuer = \"https://second.example\"\nsecret = \"{secret}\"\n");
    let server = Server::start(&[HEAD, LIVEKIT, JWT, &second, RULES].concat());
    let claims_of = |issuer: &str| {
        with(bob(), json!({"iss": issuer, "aud": null, "sub": "alice", "rooms": ["standup"], "name": "Alice"}))
    };
    is_alice(&server.token(&hs256(secret, claims_of("https://second.example")), BODY));
    is_alice(&server.token(&as_alice(), BODY));
    for token in [
        hs256(secret, claims_of("https://id.example")),
        hs256(secret, alice()),
        rs256(claims_of("https://second.example")),
        hs256(secret, claims_of("https://third.example")),
        hs256(secret, with(claims_of("x"), json!({"iss": null}))),
        hs256("", claims_of("https://second.example")),
        hs256("secret", claims_of("https://second.example")),
    ] {
        server.token(&token, BODY).refused(401, "unauthenticated");
    }
    let both = r#"{"iss":"https://id.example","iss":"https://second.example","sub":"alice","exp":9999999999,"rooms":["standup"]}"#;
    server.token(&hs256(secret, both), BODY).refused(401, "unauthenticated");
}

#[test]
fn required_claims_must_hold_and_every_key_kind_verifies() {
    use jsonwebtoken::Algorithm::{ES256, ES384, EdDSA, PS256};
    let folder_key = |file: &str, algorithms: &str| {
        JWT.replace("app.pem", file).replace(
            "audience = \"rtc\"",
            &format!("require = {{ token_use = \"access\", scp = [\"rtc\", \"all\"] }}\n{algorithms}"),
        )
    };
    let good = with(alice(), json!({"aud": null, "token_use": "access", "scp": ["x", "rtc"]}));
    for (file, algorithms, algorithm, pem) in [
        ("p256.pem", "", ES256, crate::support::jwt::P256),
        ("p384.pem", "", ES384, crate::support::jwt::P384),
        ("ed25519.pem", "", EdDSA, crate::support::jwt::ED25519),
        ("app.pem", "algorithms = [\"PS256\"]", PS256, crate::support::jwt::RSA),
    ] {
        let server = Server::start(&[HEAD, LIVEKIT, &folder_key(file, algorithms), RULES].concat());
        let sign = |claims: &serde_json::Value| crate::support::jwt::signed(algorithm, pem, claims);
        is_alice(&server.token(&sign(&good), BODY));
        for over in [
            json!({"token_use": "id"}),
            json!({"token_use": null}),
            json!({"token_use": ["id"]}),
            json!({"scp": "x"}),
            json!({"scp": null}),
            json!({"scp": []}),
            json!({"token_use": true}),
            json!({"scp": "rtc all"}),
        ] {
            server.token(&sign(&with(good.clone(), over)), BODY).refused(401, "unauthenticated");
        }
        server.token(&rs256(&good), BODY).refused(401, "unauthenticated");
    }
}
