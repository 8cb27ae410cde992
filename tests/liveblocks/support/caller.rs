//! Credentials, made without the code under test.

use std::time::UNIX_EPOCH;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const APP_SECRET: &str = "CANARY-app-secret-with-more-than-32-bytes";
pub(crate) const API_KEY: &str = "rk_backend_CANARYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(crate) fn api_key_sha256() -> String {
    digest::digest(&digest::SHA256, API_KEY.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// An HS256 token with exactly these claims.
pub(crate) fn sign(claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// `Bearer …` with the app's token for these claims; `exp` is added.
pub(crate) fn bearer(mut claims: Value) -> String {
    if claims.get("exp").is_none() {
        claims["exp"] = (now() + 600).into();
    }
    format!("Bearer {}", sign(&claims, APP_SECRET))
}

/// As [`bearer`], a user and nothing more.
pub(crate) fn user(id: &str) -> String {
    bearer(json!({"sub": id}))
}

/// Header and claims of a token whose HS256 signature holds.
pub(crate) fn claims_of(token: &str, secret: &str) -> (Value, Value) {
    let (input, tag) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).unwrap()).expect("the signature holds");
    let (header, claims) = input.split_once('.').unwrap();
    let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    (part(header), part(claims))
}
