//! API keys and their secrets: the first signs, all verify.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

/// Prepared once, shared by every snapshot that has the same.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Arc<[Key]>);

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys in their order; nothing if there are none.
    pub(crate) fn new(pairs: &[(String, SecretString)]) -> Option<Self> {
        let prepared = pairs.iter().map(|(id, secret)| {
            // LiveKit takes the secret's bytes as they are, whatever they look like.
            let bytes = secret.expose_secret().as_bytes();
            Key { id: id.clone(), encoding: EncodingKey::from_secret(bytes), decoding: DecodingKey::from_secret(bytes) }
        });
        (!pairs.is_empty()).then(|| Self(prepared.collect()))
    }

    /// The API key that signs.
    pub(crate) fn id(&self) -> &str {
        self.0.first().map_or("", |key| &key.id)
    }

    /// Signs with the first key: HS256 over the header `{"typ":"JWT","alg":"HS256"}`.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        let key = self.0.first().ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key.encoding)
    }

    /// The claims of a token that one of the keys signed. Nothing else in it
    /// was checked.
    pub(crate) fn verify(&self, token: &str, issuer: &str) -> Result<Map<String, Value>, &'static str> {
        let key = self.0.iter().find(|key| key.id == issuer).ok_or("its issuer is none of the configured API keys")?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode(token, &key.decoding, &validation)
            .map(|token| token.claims)
            .map_err(|_| "its signature does not hold")
    }
}
