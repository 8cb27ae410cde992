//! Any bearer: only one that the app signed, and that is still good, is
//! someone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::model::odd_text;
use crate::support::{
    API_SECRET, APP_SECRET, Answer, BACKEND_KEY, NOW, all_as, ask, backend, jwt, login, request, router, send,
};

/// An issuer, an audience, a cookie and a demand: all that a login can be
/// judged by.
fn strict() -> Value {
    let mut config = all_as("viewer");
    config["authenticate"] = json!([
        {"kind": "jwt", "secret": APP_SECRET, "issuer": "https://id.example.com", "audience": ["rtc"], "cookie": "session", "require": {"use": "access"}},
        backend(&["*"]),
    ]);
    config
}

fn good() -> Value {
    json!({"iss": "https://id.example.com", "aud": ["other", "rtc"], "use": "access", "sub": "alice", "exp": NOW + 60})
}

fn asked(bearer: &str) -> Answer {
    ask(&router(&strict(), NOW), bearer, &json!({"room_name": "r"}))
}

fn is_nobody(answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert_eq!((answer.status.as_u16(), answer.code(), answer.token()), (401, "unauthenticated", None));
    prop_assert_eq!(&answer.headers["www-authenticate"], "Bearer");
    Ok(())
}

/// A time around now, or something else.
fn time() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        4 => (-200..200_i64).prop_map(|offset| Some(json!(NOW + offset))),
        2 => Just(None),
        1 => any::<i64>().prop_map(|time| Some(json!(time))),
        1 => select(vec![Some(json!("soon")), Some(json!(null)), Some(json!([1])), Some(json!((NOW + 30).to_string()))]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_login_changed_anywhere_is_nobodys(at in any::<prop::sample::Index>(), c in "[A-Za-z0-9_.=+/-]") {
        let mut bearer = login(&good());
        let at = at.index(bearer.len());
        prop_assume!(bearer[at..=at] != c);
        bearer.replace_range(at..=at, &c);
        is_nobody(&asked(&bearer))?;
    }

    #[test]
    fn what_looks_like_a_login_is_nobodys(header in odd_text(), claims in odd_text(), signature in proptest::collection::vec(any::<u8>(), 0..40)) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let good = encode(good().to_string().as_bytes());
        let hs256 = encode(br#"{"alg":"HS256"}"#);
        for parts in [
            [encode(header.as_bytes()), encode(claims.as_bytes()), encode(&signature)],
            [hs256.clone(), good.clone(), encode(&signature)],
            [hs256, encode(claims.as_bytes()), encode(&signature)],
            [encode(header.as_bytes()), good, encode(&signature)],
        ] {
            is_nobody(&asked(&parts.join(".")))?;
        }
    }

    #[test]
    fn an_algorithm_comes_from_no_header(alg in select(&["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", ""][..]), secret in select(&[APP_SECRET, ""][..])) {
        let bearer = jwt(&json!({"alg": alg, "typ": "JWT"}), &good(), secret);
        is_nobody(&asked(&bearer))?;
        let unsigned = bearer.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap_or_default();
        is_nobody(&asked(&unsigned))?;
    }

    #[test]
    fn a_login_that_is_signed_is_judged_by_its_claims(
        times in [time(), time(), time()],
        iss in proptest::option::weighted(0.9, prop_oneof![4 => Just("https://id.example.com".to_owned()), 1 => odd_text()]),
        aud in prop_oneof![5 => select(vec![json!("rtc"), json!(["rtc"]), json!(["x", "rtc"])]), 1 => select(vec![json!("x"), json!([]), json!({"rtc": 1}), json!(null), json!([["rtc"]])])],
        kind in prop_oneof![5 => Just(json!("access")), 1 => select(vec![json!("refresh"), json!(null), json!(true)])],
        sub in prop_oneof![5 => Just(json!("alice")), 1 => select(vec![json!(7), json!(""), json!(null), json!(1.5), json!(["alice"])])],
    ) {
        let mut claims = json!({"aud": aud, "use": kind, "sub": sub});
        for (name, value) in ["exp", "nbf", "iat"].into_iter().zip(&times).filter_map(|(name, time)| Some((name, time.clone()?))) {
            claims[name] = value;
        }
        if let Some(iss) = &iss {
            claims["iss"] = json!(iss);
        }
        let expires = |time: &Option<Value>| time.as_ref().and_then(Value::as_i64).is_some_and(|exp| exp.saturating_add(60) > NOW);
        let begun = |time: &Option<Value>| time.as_ref().is_none_or(|time| time.as_i64().is_some_and(|time| time <= NOW + 60));
        let right = expires(&times[0]) && begun(&times[1]) && begun(&times[2])
            && iss.as_deref() == Some("https://id.example.com")
            && (aud == "rtc" || aud.as_array().is_some_and(|all| all.contains(&json!("rtc"))))
            && kind == "access"
            && (sub == "alice" || sub == 7);
        let bearer = jwt(&json!({"alg": "HS256", "kid": "x", "jku": "https://evil.example/"}), &claims, APP_SECRET);
        let answer = asked(&bearer);
        if right {
            prop_assert_eq!(&answer.claims()["sub"], if sub == 7 { "7" } else { "alice" });
        } else {
            is_nobody(&answer)?;
        }
        is_nobody(&asked(&jwt(&json!({"alg": "HS256"}), &claims, API_SECRET)))?;
        is_nobody(&asked(&jwt(&json!({"alg": "HS256", "crit": ["x"]}), &claims, APP_SECRET)))?;
    }

    #[test]
    fn any_authorization_header_is_answered(value in proptest::collection::vec(0x20..=0xff_u8, 0..120), scheme in select(&["", "Bearer ", "bearer", "Basic ", "Bearer  ", "rk_", "Bearer rk_backend_"][..])) {
        let mut bytes = scheme.as_bytes().to_vec();
        bytes.extend(value.iter().filter(|byte| **byte != 0x7f));
        let mut sent = request(&[], json!({"room_name": "r"}).to_string());
        sent.headers_mut().insert("authorization", http::HeaderValue::from_bytes(&bytes).unwrap());
        is_nobody(&send(&router(&strict(), NOW), sent))?;
    }

    #[test]
    fn a_key_changed_anywhere_is_nobodys(at in any::<prop::sample::Index>(), c in "[A-Za-z0-9_-]") {
        let mut key = BACKEND_KEY.to_owned();
        let at = at.index(key.len());
        prop_assume!(key[at..=at] != c);
        key.replace_range(at..=at, &c);
        is_nobody(&asked(&key))?;
    }
}

#[test]
fn the_unchanged_ones_are_someone() {
    assert_eq!(asked(&login(&good())).claims()["sub"], "alice");
    let body = json!({"room_name": "r", "participant_identity": "bob"});
    assert_eq!(ask(&router(&strict(), NOW), BACKEND_KEY, &body).claims()["sub"], "bob");
}

#[test]
fn a_cookie_counts_alone_and_a_bearer_beats_it() {
    let (alice, bad) = (login(&good()), "x.y.z");
    let sent = |headers: &[(&str, &str)]| {
        send(&router(&strict(), NOW), request(headers, json!({"room_name": "r"}).to_string()))
    };
    let cookie = |value: &str| format!("other=1; session={value}");
    assert_eq!(sent(&[("cookie", &cookie(&alice))]).claims()["sub"], "alice");
    assert_eq!(sent(&[("cookie", &cookie(bad))]).status, 401);
    assert_eq!(sent(&[("cookie", &cookie(&alice)), ("authorization", "Bearer x.y.z")]).status, 401);
    assert_eq!(sent(&[("cookie", &format!("session={alice}; session={alice}"))]).status, 401);
    assert_eq!(sent(&[("cookie", &cookie(&alice)), ("origin", "https://evil.example")]).status, 403);
    assert_eq!(sent(&[("cookie", &cookie(&alice)), ("sec-fetch-site", "cross-site")]).status, 403);
    let both = format!("Bearer {alice}");
    assert_eq!(sent(&[("authorization", &both), ("authorization", &both)]).status, 401);
}
