//! Keys of users and identity providers, and what is signed with them.

use std::sync::Once;
use std::time::UNIX_EPOCH;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::{APP_SECRET, Upstream, reply_json};

/// The private keys of an identity provider.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Rsa,
    OtherRsa,
    P256,
    P384,
    Ed25519,
}

impl Key {
    pub(crate) const ALL: [Self; 5] = [Self::Rsa, Self::OtherRsa, Self::P256, Self::P384, Self::Ed25519];

    pub(crate) fn kid(self) -> String {
        format!("{self:?}")
    }

    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::Rsa | Self::OtherRsa => Algorithm::RS256,
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::Ed25519 => Algorithm::EdDSA,
        }
    }

    fn signing(self) -> EncodingKey {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let _installed_before = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        });
        let key = match self {
            Self::Rsa => EncodingKey::from_rsa_pem(include_bytes!("../../keys/test-rsa2048.private.pem")),
            Self::OtherRsa => EncodingKey::from_rsa_pem(include_bytes!("../../keys/test-rsa2048-other.private.pem")),
            Self::P256 => EncodingKey::from_ec_pem(include_bytes!("../../keys/test-p256.private.pem")),
            Self::P384 => EncodingKey::from_ec_pem(include_bytes!("../../keys/test-p384.private.pem")),
            Self::Ed25519 => EncodingKey::from_ed_pem(include_bytes!("../../keys/test-ed25519.private.pem")),
        };
        key.unwrap()
    }

    /// The public key as it stands in a set.
    pub(crate) fn jwk(self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.signing(), self.algorithm()).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.kid().into();
        jwk["use"] = "sig".into();
        jwk.as_object_mut().unwrap().remove("alg");
        jwk
    }

    /// A bearer with exactly this header and these claims.
    pub(crate) fn sign(self, header: &Value, claims: &Value, algorithm: Algorithm) -> String {
        let input = input(header, claims);
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &self.signing(), algorithm).unwrap();
        format!("Bearer {input}.{signature}")
    }

    /// A bearer of a user, with this key's name and algorithm.
    pub(crate) fn bearer(self, claims: &Value) -> String {
        let header = json!({"alg": format!("{:?}", self.algorithm()), "kid": self.kid(), "typ": "JWT"});
        self.sign(&header, claims, self.algorithm())
    }
}

fn input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A bearer by HS256.
pub(crate) fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let input = input(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("Bearer {input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A bearer of a user of the app.
pub(crate) fn user(mut claims: Value) -> String {
    claims["exp"] = (now() + 600).into();
    hs256(&json!({"alg": "HS256", "typ": "JWT"}), &claims, APP_SECRET.as_bytes())
}

/// Standard Webhooks' tag, by its secret in base64.
pub(crate) fn tag(secret: &str, message: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

/// The claims of a token whose HS256 signature holds.
pub(crate) fn claims_of(token: &str, secret: &str) -> Value {
    let (input, tag) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).unwrap()).expect("the signature holds");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(input.split_once('.').unwrap().1).unwrap()).unwrap()
}

pub(crate) fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// A set of these keys.
pub(crate) fn set(keys: &[Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// From now on gives this set, whatever is asked.
pub(crate) fn serve_set(provider: &Upstream, set: &Value) {
    provider.sends(reply_json(200, set));
}

/// From now on an identity provider with this discovery document and set.
pub(crate) fn discovery(provider: &Upstream, document: Value, set: Value) {
    provider.does(move |stream, seen| {
        let is_document = seen.line.contains("/.well-known/openid-configuration ");
        let answer = reply_json(200, if is_document { &document } else { &set });
        std::io::Write::write_all(stream, &answer).is_err()
    });
}
