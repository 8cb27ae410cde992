//! Who is calling (A).

use serde_json::{Value, json};

use crate::support::jwt::{alice, as_alice, as_bob, now, participant, rs256, rs256_with, unsigned, with};
use crate::support::{self, HEAD, JWT, LIVEKIT, RULES, Server, claims, jwt, usual};

#[test]
fn a1_without_a_credential_there_is_no_token() {
    let server = Server::start(&usual());
    for body in [
        r#"{"room_name":"standup","participant_identity":"admin"}"#,
        r#"{"room":"standup","user_id":"admin"}"#,
        r#"{"room_name":"standup"}"#,
        "{}",
        "not even JSON",
    ] {
        let answer = server.post().json(body).send();
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let get = server.ask("GET", "/livekit/token?roomName=standup&username=admin").send();
    get.refused(405, "method_not_allowed");
    assert!(get.lists("allow", "POST"), "{get:?}");
    for query in ["?access_token=", "?token=", "?jwt="] {
        let target = format!("/livekit/token{query}{}", as_alice());
        server.ask("POST", &target).json(r#"{"room_name":"standup"}"#).send().refused(401, "unauthenticated");
    }
}

#[test]
fn a2_nobody_becomes_someone_else() {
    let server = Server::start(&usual());
    for identity in ["bob", "Alice", "alice ", " alice", "alice~tab", "alice\u{200b}", "ALICE", "al\u{131}ce"] {
        let standard = json!({"room_name": "standup", "participant_identity": identity});
        server.token(&as_alice(), &standard).refused(400, "invalid_request");
        for field in ["user_id", "userId"] {
            let short = json!({"room": "standup", field: identity});
            server.token(&as_alice(), &short).refused(400, "invalid_request");
        }
    }
    for body in [
        json!({"room_name": "standup", "participant_identity": "alice"}),
        json!({"room_name": "standup", "participant_identity": ""}),
        json!({"room_name": "standup", "participant_identity": null}),
        json!({"room": "standup", "user_id": "alice"}),
        json!({"room": "standup", "userId": "alice"}),
    ] {
        assert_eq!(server.claims(&as_alice(), &body), participant("alice", "Alice", "standup"), "{body}");
    }
    // One body that says both is neither.
    for body in [
        r#"{"room_name":"standup","participant_identity":"alice","participant_identity":"bob"}"#,
        r#"{"room_name":"standup","participant_identity":"bob","participant_identity":"alice"}"#,
        r#"{"room_name":"standup","participant_identity":"alice","participant_\u0069dentity":"bob"}"#,
        r#"{"room":"standup","user_id":"alice","userId":"alice"}"#,
        r#"{"room":"standup","participant_identity":"alice"}"#,
        r#"{"room_name":"standup","user_id":"alice"}"#,
        r#"{"room_name":"standup","participant_identity":["alice"]}"#,
        r#"{"room_name":"standup","participant_identity":{"id":"alice"}}"#,
        r#"{"room_name":"standup","participant_identity":true}"#,
    ] {
        server.token(&as_alice(), body).refused(400, "invalid_request");
    }
}

#[test]
fn a3_what_is_no_field_is_refused_and_no_header_names_the_caller() {
    let server = Server::start(&usual());
    for field in [
        "identity",
        "participantName",
        "uid",
        "username",
        "sub",
        "video",
        "grants",
        "ttl",
        "expire",
        "role",
        "isAdmin",
        "name",
        "claims",
        "admin",
        "metadata",
        "attributes",
        "token",
        "server_url",
        "roomName",
        "room_Name",
        "ROOM_NAME",
        "Participant_Identity",
        "participantIdentity",
        "roomConfig",
        "__proto__",
        "constructor",
        "",
        "room_name ",
        "room_name\u{0}",
    ] {
        for value in [json!("bob"), json!(true), json!({"roomAdmin": true}), json!(""), Value::Null] {
            let body = json!({"room_name": "standup", field: value});
            server.token(&as_alice(), &body).refused(400, "invalid_request");
        }
    }
    for field in ["user_id", "userId"] {
        let body = json!({"room_name": "standup", field: "bob"});
        server.token(&as_alice(), &body).refused(400, "invalid_request");
    }
    let wanted = participant("alice", "Alice", "standup");
    for query in ["?identity=bob", "?user_id=bob&room_name=lounge", "?participant_identity=bob#x", "?%00"] {
        let ask = server.ask("POST", &format!("/livekit/token{query}"));
        let answer = ask.bearer(as_alice()).json(r#"{"room_name":"standup"}"#).send();
        if answer.status != 400 {
            assert_eq!(claims(&answer), wanted, "{query}");
        }
    }
    for header in [
        "X-User-Id",
        "X-Forwarded-User",
        "X-Auth-Request-User",
        "X-Remote-User",
        "Remote-User",
        "X-Forwarded-Email",
        "X-Webauth-User",
        "X-Participant-Identity",
        "X-Hasura-User-Id",
        "Forwarded",
    ] {
        let answer = server.post().header(header, "bob").bearer(as_alice()).json(r#"{"room_name":"standup"}"#).send();
        assert_eq!(claims(&answer), wanted, "{header}");
        server.post().header(header, "bob").json(r#"{"room_name":"standup"}"#).send().refused(401, "unauthenticated");
    }
}

#[test]
fn a5_no_header_moves_a_request_past_the_check() {
    for range in ["0.0.0.0/0", "::/0", "10.0.0.1/0", "0.0.0.0/0\", \"10.0.0.0/8"] {
        let config = usual().replace("[admin]", &format!("trusted_proxies = [\"{range}\"]\n[admin]"));
        let said = support::check(&config, &[]);
        assert_eq!(said.code, Some(1), "{range}");
        assert!(said.err.contains("server.trusted_proxies"), "{}", said.err);
    }
    let server = Server::start(&usual());
    for (name, value) in [
        ("X-Forwarded-Uri", "/healthz"),
        ("X-Original-URL", "/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-Forwarded-Method", "GET"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-HTTP-Method", "OPTIONS"),
        ("X-Method-Override", "OPTIONS"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-Prefix", "/healthz"),
    ] {
        let ask = server.post().header(name, value).json(r#"{"room_name":"standup"}"#);
        ask.send().refused(401, "unauthenticated");
    }
}

#[test]
fn a6_no_user_agent_is_let_in() {
    let server = Server::start(&usual());
    for agent in ["GoogleHC/1.0", "kube-probe/1.31", "ELB-HealthChecker/2.0", "Consul Health Check", "livekit-server"] {
        let ask = server.post().header("User-Agent", agent).json(r#"{"room_name":"standup"}"#);
        ask.send().refused(401, "unauthenticated");
    }
}

#[test]
fn a8_the_algorithm_and_the_key_are_the_configurations() {
    let server = Server::start(&usual());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let body = r#"{"room_name":"standup"}"#;
    let mut tokens = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "RS256 ", "rs256", "XX"] {
        tokens.push(unsigned(&json!({"alg": none, "typ": "JWT"}), &alice()));
    }
    tokens.push(unsigned(&json!({"typ": "JWT"}), &alice()));
    tokens.push(unsigned(&json!({"alg": null}), &alice()));
    tokens.push(unsigned(&json!({"alg": ["RS256"]}), &alice()));
    // The public key is no secret.
    for secret in [jwt::RSA_PUBLIC, jwt::RSA_PUBLIC.trim_end(), &jwt::RSA_PUBLIC.replace('\n', "\r\n"), ""] {
        tokens.push(jwt::hs256(secret, alice()));
    }
    tokens.push(jwt::signed(jsonwebtoken::Algorithm::RS256, jwt::RSA_OTHER, &alice()));
    // Other algorithms of the same key, and other keys, are not configured.
    tokens.push(jwt::signed(jsonwebtoken::Algorithm::RS512, jwt::RSA, &alice()));
    tokens.push(jwt::signed(jsonwebtoken::Algorithm::PS256, jwt::RSA, &alice()));
    tokens.push(jwt::signed(jsonwebtoken::Algorithm::ES256, jwt::P256, &alice()));
    tokens.push(jwt::signed(jsonwebtoken::Algorithm::ES384, jwt::P384, &alice()));
    tokens.push(jwt::signed(jsonwebtoken::Algorithm::EdDSA, jwt::ED25519, &alice()));
    // Keys that a token brings along, signed with the other key.
    let other = jsonwebtoken::EncodingKey::from_rsa_pem(jwt::RSA_OTHER.as_bytes()).unwrap();
    for member in [
        json!({"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}),
        json!({"jku": url}),
        json!({"x5u": url}),
        json!({"x5c": ["MIIB"]}),
        json!({"kid": "../../../../etc/passwd"}),
        json!({"kid": "' OR 1=1"}),
        json!({"kid": url}),
    ] {
        let header = with(json!({"alg": "RS256"}), member);
        tokens.push(jwt::raw(&header.to_string(), &alice().to_string(), jsonwebtoken::Algorithm::RS256, &other));
    }
    // Rightly signed, and still more than we understand.
    for crit in [json!(["x"]), json!(["exp"]), json!([]), json!("x"), json!(["b64"])] {
        tokens.push(rs256_with(&json!({"alg": "RS256", "crit": crit, "b64": false, "x": 1}), &alice()));
    }
    // Another header than the one that was signed.
    let good = as_alice();
    let parts: Vec<_> = good.split('.').collect();
    let bobs = as_bob();
    let bobs: Vec<_> = bobs.split('.').collect();
    tokens.push([parts[0], bobs[1], parts[2]].join("."));
    tokens.push([parts[0], parts[1], bobs[2]].join("."));
    tokens.push([parts[0], parts[1], ""].join("."));
    tokens.push([parts[0], "", parts[2]].join("."));
    tokens.push(["", parts[1], parts[2]].join("."));
    tokens.push(format!("{good}."));
    tokens.push(format!("{good}.{}", parts[2]));
    tokens.push(format!("{good}="));
    tokens.push(good.replace('.', ".."));
    tokens.push("..".to_owned());
    tokens.push("a.b.c".to_owned());
    for token in &tokens {
        let answer = server.token(token, body);
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{token}");
    }
    // A key id alone changes nothing about a right token.
    for kid in ["../../../../etc/passwd", "' OR 1=1"] {
        let token = rs256_with(&json!({"alg": "RS256", "kid": kid, "jku": url, "x5u": url}), &alice());
        let answer = server.token(&token, body);
        assert!(matches!(answer.status, 201 | 401), "{answer:?}");
    }
    let huge = rs256_with(&json!({"alg": "RS256", "kid": "k".repeat(1 << 20)}), &alice());
    let status = server.token(&huge, body).status;
    assert!(matches!(status, 401 | 431), "{status}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a key was fetched");
    assert_eq!(server.claims(&good, body), participant("alice", "Alice", "standup"));
}

#[test]
fn a11_claims_that_are_missing_or_wrong_are_refused() {
    let server = Server::start(&usual());
    let body = r#"{"room_name":"standup"}"#;
    let mut payloads: Vec<String> = [
        json!({"aud": null}),
        json!({"aud": []}),
        json!({"aud": ["other"]}),
        json!({"aud": "other"}),
        json!({"aud": ""}),
        json!({"aud": [["rtc"]]}),
        json!({"aud": {"rtc": true}}),
        json!({"aud": [null]}),
        json!({"aud": 0}),
        json!({"aud": "rtc "}),
        json!({"aud": "RTC"}),
        json!({"aud": "rtc other"}),
        json!({"iss": null}),
        json!({"iss": "https://id.example/"}),
        json!({"iss": "HTTPS://id.example"}),
        json!({"iss": "http://169.254.169.254/"}),
        json!({"iss": "https://evil.example/realms/x"}),
        json!({"iss": ["https://id.example"]}),
        json!({"iss": {"iss": "https://id.example"}}),
        json!({"iss": ""}),
        json!({"exp": null}),
        json!({"exp": "9999999999"}),
        json!({"exp": -1}),
        json!({"exp": 0}),
        json!({"exp": true}),
        json!({"exp": [now() + 600]}),
        json!({"exp": now() - 61}),
        json!({"exp": -9.3e18}),
        json!({"nbf": now() + 3600}),
        json!({"nbf": "0"}),
        json!({"nbf": true}),
        json!({"nbf": 9.3e18}),
        json!({"nbf": u64::MAX}),
        json!({"iat": now() + 3600}),
        json!({"iat": "now"}),
        json!({"iat": i64::MAX}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": true}),
        json!({"sub": 1.5}),
        json!({"sub": 1.0}),
        json!({"sub": 1e300}),
        json!({"sub": ["alice"]}),
        json!({"sub": {"id": "alice"}}),
    ]
    .into_iter()
    .map(|over| with(alice(), over).to_string())
    .collect();
    let usual_text = alice().to_string();
    for (from, to) in [
        (r#""aud":"rtc""#, r#""aud":null"#),
        (r#""iss":"https://id.example""#, r#""iss":null"#),
        (r#""sub":"alice""#, r#""sub":null"#),
        (r#""sub":"alice""#, r#""sub":123456789012345678901234567890"#),
        (r#""sub":"alice""#, r#""sub":"\ud800""#),
        (r#""exp":"#, r#""nbf":1e400,"exp":"#),
        (r#""exp":"#, r#""iss":"https://evil.example","exp":"#),
    ] {
        assert!(usual_text.contains(from));
        payloads.push(usual_text.replace(from, to));
    }
    payloads.push(with(alice(), json!({"exp": null})).to_string().replacen('{', r#"{"exp":1e400,"#, 1));
    payloads.push(with(alice(), json!({"exp": null})).to_string().replacen('{', r#"{"exp":null,"#, 1));
    payloads.extend(["", "null", "[]", "\"alice\"", "1", "{", &format!("{usual_text}x")].map(str::to_owned));
    payloads.push(format!("[{usual_text}]"));
    for payload in &payloads {
        let answer = server.token(&rs256(payload), body);
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{payload}");
    }
    // What is right at the edges.
    for over in [
        json!({"aud": ["other", "rtc"]}),
        json!({"exp": now() - 30}),
        json!({"nbf": now() + 30, "iat": now() + 30}),
        json!({"exp": now() as f64 + 600.5}),
        json!({"exp": i64::MAX}),
        json!({"exp": u64::MAX}),
        json!({"nbf": i64::MIN, "iat": -1}),
    ] {
        let answer = server.token(&rs256(with(alice(), over.clone())), body);
        assert_eq!(claims(&answer), participant("alice", "Alice", "standup"), "{over}");
    }
    for (id, text) in [(json!(42), "42"), (json!(0), "0"), (json!(-7), "-7"), (json!(u64::MAX), "18446744073709551615")]
    {
        let token = rs256(with(alice(), json!({"sub": id})));
        assert_eq!(server.claims(&token, body), participant(text, "Alice", "standup"));
    }
}

#[test]
fn a13_a_wrong_credential_never_becomes_a_guest() {
    let guests = "[[authenticate]]\nkind = \"guest\"\n";
    let rules = RULES.replace("\"{rooms}\"", "\"**\"");
    let server = Server::start(&[HEAD, LIVEKIT, JWT, guests, &rules].concat());
    let body = r#"{"room_name":"standup"}"#;
    let expired = rs256(with(alice(), json!({"exp": now() - 3600})));
    for authorization in [
        "Bearer garbage",
        "Bearer",
        "Bearer ",
        "",
        " ",
        "Basic YWxpY2U6eA==",
        "bearer\tx",
        "Negotiate",
        "Bearer null",
        "Bearer undefined",
        "Bearer rk_backend_x",
        "Token x",
        "null",
        "Bearer ..",
    ] {
        let answer = server.post().header("Authorization", authorization).json(body).send();
        assert_eq!(answer.status, 401, "{authorization:?}: {answer:?}");
    }
    server.token(&expired, body).refused(401, "unauthenticated");
    for cookie in [
        format!("session={expired}"),
        "session=".to_owned(),
        "session=garbage".to_owned(),
        "session=a.b.c".to_owned(),
        format!("theme=dark; session={expired}"),
        format!("session=\"{}\"", as_alice()),
        "session=null".to_owned(),
        format!("session={}; session={}", as_alice(), as_alice()),
        format!("session=; session={}", as_alice()),
    ] {
        let answer = server.post().header("Cookie", &cookie).json(body).send();
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{cookie}");
    }
    let guest = claims(&server.post().header("Cookie", "theme=dark").json(body).send());
    let id = guest["sub"].as_str().unwrap().to_owned();
    assert!(id.starts_with("guest-") && id.len() == "guest-".len() + 32, "{id}");
    let mut wanted = participant(&id, "", "standup");
    wanted.as_object_mut().unwrap().remove("name");
    assert_eq!(guest, wanted);
}

#[test]
fn a15_only_a_verified_address_at_the_domain_counts() {
    let rules = "[[authorize]]\nkind = \"rules\"\n[[authorize.rules]]\nroom = \"**\"\nemail_domain = [\"corp.com\"]\nrole = \"participant\"\n";
    let server = Server::start(&[HEAD, LIVEKIT, JWT, rules].concat());
    let body = r#"{"room_name":"standup"}"#;
    let ask = |email: Value, verified: Value| {
        server.token(&rs256(with(alice(), json!({"email": email, "email_verified": verified}))), body)
    };
    for email in [
        "x@corp.com@evil.com",
        "x@evil.com\u{0}@corp.com",
        "x@evil.com@corp.com",
        "@corp.com",
        "corp.com",
        "x@sub.corp.com",
        "x@corp.com.",
        "x@corp.com.evil.com",
        "x@evilcorp.com",
        "x@corp.com ",
        " x@corp.com",
        "x@corp.com\n",
        "x @corp.com",
        "x@corp\u{3002}com",
        "x@c\u{43e}rp.com",
        "x@corp.com\u{200b}",
        "",
        "x@",
        "x@corp.com,y@evil.com",
        "x@evil.com,y@corp.com",
        "\"x@evil.com\"@corp.com",
        "x\u{0}@corp.com",
        "<x@corp.com>",
        "x@*",
        "x@{domain}",
        "x@CORP.COM\u{301}",
    ] {
        ask(json!(email), json!(true)).refused(403, "forbidden");
    }
    for email in [json!(["x@corp.com"]), json!({"x": "x@corp.com"}), json!(true), json!(1)] {
        ask(email, json!(true)).refused(403, "forbidden");
    }
    for verified in [json!(false), json!("true"), json!(1), json!(null), json!([true]), json!("false"), json!({})] {
        ask(json!("x@corp.com"), verified).refused(403, "forbidden");
    }
    for email in ["x@corp.com", "X.y+z@CORP.com"] {
        assert_eq!(claims(&ask(json!(email), json!(true))), participant("alice", "Alice", "standup"));
    }
}
