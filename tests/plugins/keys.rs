//! Keys of a set: which are taken, and what they may verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::{Answer, Key, LIVEKIT, Roomkey, Upstream, hs256, now, serve_set, set};

const RULES: &str = "\n[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }]\n";

pub(crate) const ISSUER: &str = "https://id.example.com";

/// Users by a key set; `settings` say where it is.
pub(crate) fn by_set(settings: &str) -> String {
    format!("{LIVEKIT}[[authenticate]]\nkind = \"jwt\"\naudience = \"rtc\"\ncookie = \"session\"\n{settings}{RULES}")
}

pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "rtc", "sub": "alice", "exp": now() + 600})
}

/// A provider with this set, and a service that has fetched it.
pub(crate) fn start(set: &Value, settings: &str) -> (Upstream, Roomkey) {
    let provider = Upstream::new();
    serve_set(&provider, set);
    let url = format!("issuer = \"{ISSUER}\"\njwks_url = \"{}/keys\"\n{settings}", provider.origin());
    let roomkey = Roomkey::serve(&by_set(&url));
    roomkey.wait_until_ready();
    assert_eq!(provider.calls(), 1);
    (provider, roomkey)
}

#[track_caller]
fn lets_in(answer: &Answer) {
    assert_eq!(answer.livekit()["sub"], "alice");
}

/// What no service could use.
fn unusable() -> Vec<Value> {
    let changed = |key: Key, member: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[member] = value;
        jwk["kid"] = format!("bad-{member}").into();
        jwk
    };
    let n = "x".repeat(171); // 1024 bits
    vec![
        json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("0123456789abcdef0123456789abcdef"), "kid": "oct", "alg": "HS256"}),
        json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "akp"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "x25519"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA", "kid": "k1"}),
        json!({"kty": "RSA", "n": n, "e": "AQAB", "kid": "small"}),
        json!({"kty": "RSA", "kid": "no-n"}),
        changed(Key::Rsa, "use", json!("enc")),
        changed(Key::Rsa, "n", json!("%%%")),
        changed(Key::P256, "x", json!("*")),
        changed(Key::P256, "key_ops", json!(["sign"])),
        changed(Key::P256, "alg", json!("ECDH-ES")),
        changed(Key::Rsa, "e", json!(7)),
        json!("no key"),
        json!(7),
        Value::Null,
        json!([]),
        json!({}),
    ]
}

#[test]
fn every_kind_of_key_beside_ones_that_cannot_be_used() {
    let mut all = unusable();
    all.extend(Key::ALL.map(Key::jwk));
    all.extend(unusable());
    let (provider, roomkey) = start(&json!({"keys": all, "more": 1}), "");
    for key in Key::ALL {
        lets_in(&roomkey.livekit().by(&key.bearer(&claims())).send());
        let token = key.bearer(&claims()).replace("Bearer ", "session=");
        lets_in(&roomkey.livekit().cookie(&token).send());
    }
    let unnamed = |key: Key| {
        let header = json!({"alg": format!("{:?}", key.algorithm())});
        roomkey.livekit().by(&key.sign(&header, &claims(), key.algorithm())).send()
    };
    // Without a `kid` there must be one key that fits.
    lets_in(&unnamed(Key::P384));
    lets_in(&unnamed(Key::Ed25519));
    lets_in(&unnamed(Key::P256));
    assert_eq!(provider.calls(), 1, "nothing was missing so far");
    unnamed(Key::Rsa).unauthenticated();
    let seen = provider.last();
    assert_eq!(seen.line, "GET /keys HTTP/1.1");
    assert!(seen.header("authorization").is_none() && seen.header("cookie").is_none(), "{seen:?}");
}

#[test]
fn a_key_that_is_not_for_this_is_none() {
    let mut all = unusable();
    all.push(Key::Ed25519.jwk());
    let (_provider, roomkey) = start(&json!({"keys": all}), "");
    for key in [Key::Rsa, Key::P256] {
        for kid in ["bad-use", "bad-n", "bad-x", "bad-key_ops", "bad-alg", "bad-e", "oct", "akp", "Ed25519"] {
            let header = json!({"alg": format!("{:?}", key.algorithm()), "kid": kid});
            roomkey.livekit().by(&key.sign(&header, &claims(), key.algorithm())).send().unauthenticated();
        }
    }
    let oct = hs256(&json!({"alg": "HS256", "kid": "oct"}), &claims(), b"0123456789abcdef0123456789abcdef");
    roomkey.livekit().by(&oct).send().unauthenticated();
}

#[test]
fn the_algorithm_is_the_keys() {
    let mut named = Key::OtherRsa.jwk();
    named["alg"] = "RS512".into();
    let mut all = set(&[Key::Rsa, Key::P256, Key::P384, Key::Ed25519]);
    all["keys"].as_array_mut().unwrap().push(named);
    let (provider, roomkey) = start(&all, "");
    let public = include_str!("../keys/test-rsa2048.public.pem");
    let n = Key::Rsa.jwk()["n"].as_str().unwrap().to_owned();
    let shared: [Vec<u8>; 6] = [
        public.into(),
        public.trim_end().into(),
        n.clone().into(),
        URL_SAFE_NO_PAD.decode(n).unwrap(),
        Key::Rsa.jwk().to_string().into(),
        Vec::new(),
    ];
    for secret in shared {
        for kid in ["Rsa", "P256", "Ed25519"] {
            let token = hs256(&json!({"alg": "HS256", "kid": kid}), &claims(), &secret);
            roomkey.livekit().by(&token).send().unauthenticated();
        }
    }
    for algorithm in ["none", "None", "NONE", "", "HS256", "HS384", "RS512", "PS256", "ES256", "EdDSA", "ES512"] {
        let header = json!({"alg": algorithm, "kid": "Rsa"});
        let token = Key::Rsa.sign(&header, &claims(), Algorithm::RS256);
        roomkey.livekit().by(&token).send().unauthenticated();
        let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".";
        roomkey.livekit().by(&unsigned).send().unauthenticated();
    }
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        for (key, kid) in [(Key::Rsa, "Rsa"), (Key::OtherRsa, "OtherRsa")] {
            let header = json!({"alg": format!("{algorithm:?}"), "kid": kid});
            roomkey.livekit().by(&key.sign(&header, &claims(), algorithm)).send().unauthenticated();
        }
    }
    // Its key names another algorithm.
    roomkey.livekit().by(&Key::OtherRsa.bearer(&claims())).send().unauthenticated();
    assert!(provider.calls() <= 2, "at most one fetch for what was not there: {}", provider.calls());
    // Keys that the token brings along.
    let mallory = Key::OtherRsa;
    for (name, value) in [
        ("jwk", mallory.jwk()),
        ("jku", json!(format!("{}/evil", provider.origin()))),
        ("x5u", json!(format!("{}/evil", provider.origin()))),
    ] {
        let mut header = json!({"alg": "RS256", "kid": "Rsa"});
        header[name] = value;
        roomkey.livekit().by(&mallory.sign(&header, &claims(), Algorithm::RS256)).send().unauthenticated();
    }
    assert!(!provider.last().line.contains("evil"));
    let crit = json!({"alg": "RS256", "kid": "Rsa", "crit": ["exp"]});
    roomkey.livekit().by(&Key::Rsa.sign(&crit, &claims(), Algorithm::RS256)).send().unauthenticated();
    lets_in(&roomkey.livekit().by(&Key::Rsa.bearer(&claims())).send());
}

#[test]
fn configured_algorithms_are_the_only_ones() {
    let mut named = Key::OtherRsa.jwk();
    named["alg"] = "RS512".into();
    let all = json!({"keys": [Key::Rsa.jwk(), Key::P256.jwk(), named]});
    let (provider, roomkey) = start(&all, "algorithms = [\"PS256\", \"RS512\"]");
    let ask = |key: Key, algorithm: Algorithm| {
        let header = json!({"alg": format!("{algorithm:?}"), "kid": key.kid()});
        roomkey.livekit().by(&key.sign(&header, &claims(), algorithm)).send()
    };
    lets_in(&ask(Key::Rsa, Algorithm::PS256));
    lets_in(&ask(Key::Rsa, Algorithm::RS512));
    lets_in(&ask(Key::OtherRsa, Algorithm::RS512));
    ask(Key::Rsa, Algorithm::RS256).unauthenticated();
    ask(Key::P256, Algorithm::ES256).unauthenticated();
    assert_eq!(provider.calls(), 1, "what no key may do is not fetched for");
    ask(Key::OtherRsa, Algorithm::PS256).unauthenticated();
}

#[test]
fn claims_are_checked_whatever_key_signed() {
    let (provider, roomkey) = start(&set(&[Key::P256]), "");
    let with = |name: &str, value: Value| {
        let mut all = claims();
        all[name] = value;
        roomkey.livekit().by(&Key::P256.bearer(&all)).send()
    };
    lets_in(&with("aud", json!(["other", "rtc"])));
    for (name, value) in [
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("aud", json!([])),
        ("exp", json!(now() - 100)),
        ("exp", Value::Null),
        ("exp", json!("never")),
        ("nbf", json!(now() + 100)),
        ("iat", json!(now() + 100)),
        ("sub", json!("")),
        ("sub", Value::Null),
    ] {
        with(name, value.clone()).unauthenticated();
        println!("{name}: {value}");
    }
    assert_eq!(provider.calls(), 1);
}

#[test]
fn a9_another_issuers_token_causes_no_fetch() {
    let (provider, roomkey) = start(&set(&[Key::P256]), "");
    let own = provider.origin();
    for issuer in [
        "http://169.254.169.254/",
        "https://evil.example/realms/x",
        &own,
        "https://id.example.com/",
        "https://id.example.com.evil.example",
        "HTTPS://id.example.com",
        "",
    ] {
        let mut all = claims();
        all["iss"] = issuer.into();
        for kid in ["P256", "unknown"] {
            let header = json!({"alg": "ES256", "kid": kid});
            let token = Key::P256.sign(&header, &all, Algorithm::ES256);
            roomkey.livekit().by(&token).send().unauthenticated();
            roomkey.livekit().by(&(token.rsplit_once('.').unwrap().0.to_owned() + ".")).send().unauthenticated();
        }
    }
    assert_eq!(provider.connections(), 1);
}
