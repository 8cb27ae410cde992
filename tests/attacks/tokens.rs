//! Which tokens say who is calling (A8, A11).

use serde_json::json;

use crate::support::jwt::{self, alice, as_alice, as_bob, now, participant, rs256, rs256_with, unsigned, with};
use crate::support::{Server, claims, usual};

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
        json!({"exp": 9_999_999_999.5}),
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
