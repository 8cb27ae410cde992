//! Tokens of the app, right and wrong ones, and what is in ours.

use std::sync::Once;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Map, Value, json};

use super::{API_KEY, API_SECRET};

pub(crate) const RSA: &str = include_str!("../../keys/test-rsa2048.private.pem");
pub(crate) const RSA_OTHER: &str = include_str!("../../keys/test-rsa2048-other.private.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("../../keys/test-rsa2048.public.pem");
pub(crate) const P256: &str = include_str!("../../keys/test-p256.private.pem");
pub(crate) const P384: &str = include_str!("../../keys/test-p384.private.pem");
pub(crate) const ED25519: &str = include_str!("../../keys/test-ed25519.private.pem");

/// The library's cryptography, once in this process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _installed_before = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

#[expect(clippy::disallowed_methods, reason = "the service under test asks the system's clock")]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("it is before the year 292 billion")
}

/// Signs a header and a payload that are any text.
pub(crate) fn raw(header: &str, payload: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    install();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).expect("test keys sign");
    format!("{message}.{signature}")
}

fn header(algorithm: Algorithm) -> String {
    json!({"alg": format!("{algorithm:?}"), "typ": "JWT"}).to_string()
}

pub(crate) fn rsa_key() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA.as_bytes()).expect("a test key")
}

/// RS256 over any payload, with the key that the service trusts.
pub(crate) fn rs256(payload: impl ToString) -> String {
    raw(&header(Algorithm::RS256), &payload.to_string(), Algorithm::RS256, &rsa_key())
}

/// RS256 with the trusted key under any header.
pub(crate) fn rs256_with(header: &Value, payload: &Value) -> String {
    raw(&header.to_string(), &payload.to_string(), Algorithm::RS256, &rsa_key())
}

pub(crate) fn hs256(secret: &str, payload: impl ToString) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    raw(&header(Algorithm::HS256), &payload.to_string(), Algorithm::HS256, &key)
}

pub(crate) fn signed(algorithm: Algorithm, pem: &str, payload: &Value) -> String {
    let key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
    };
    raw(&header(algorithm), &payload.to_string(), algorithm, &key.expect("a test key"))
}

/// Two parts and no third.
pub(crate) fn unsigned(header: &Value, payload: &Value) -> String {
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload.to_string()))
}

/// `base` with `over` laid over it; `null` takes a claim away.
pub(crate) fn with(base: Value, over: Value) -> Value {
    let (Value::Object(mut base), Value::Object(over)) = (base, over) else { panic!("claims are objects") };
    for (name, value) in over {
        if value.is_null() {
            base.remove(&name);
        } else {
            base.insert(name, value);
        }
    }
    Value::Object(base)
}

/// alice of acme, who may enter standup.
pub(crate) fn alice() -> Value {
    json!({
        "iss": "https://id.example", "aud": "rtc", "sub": "alice", "name": "Alice", "tenant": "acme",
        "rooms": ["standup"], "exp": now() + 600,
    })
}

/// bob, who may enter lounge.
pub(crate) fn bob() -> Value {
    with(alice(), json!({"sub": "bob", "name": "Bob", "tenant": "globex", "rooms": ["lounge"]}))
}

pub(crate) fn as_alice() -> String {
    rs256(alice())
}

pub(crate) fn as_bob() -> String {
    rs256(bob())
}

/// The claims of a token that Roomkey signed, less `nbf` and `exp`, which are
/// checked: whole numbers, now and now plus `ttl`.
#[track_caller]
pub(crate) fn opened(token: &str, ttl: i64) -> Value {
    opened_with(API_SECRET, token, ttl)
}

#[track_caller]
pub(crate) fn opened_with(secret: &str, token: &str, ttl: i64) -> Value {
    install();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(secret.as_bytes());
    let read = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
    let mut claims = read.unwrap_or_else(|error| panic!("{error}: {token}")).claims;
    let nbf = claims.remove("nbf").and_then(|nbf| nbf.as_i64()).expect("nbf is a whole number");
    let exp = claims.remove("exp").and_then(|exp| exp.as_i64()).expect("exp is a whole number");
    let now = now();
    assert!((now - 10..=now).contains(&nbf), "nbf {nbf}, now {now}");
    assert_eq!(exp - nbf, ttl);
    Value::Object(claims)
}

/// What a participant's token says besides its times.
pub(crate) fn participant(sub: &str, name: &str, room: &str) -> Value {
    json!({
        "iss": API_KEY, "sub": sub, "name": name,
        "video": {"roomJoin": true, "room": room, "canPublish": true, "canSubscribe": true, "canPublishData": true},
    })
}
