//! The local form: tokens that we sign, for apps that embed a Liveblocks server
//! of their own.
//!
//! Every token differs from every other by its `jti`: the client stops for good
//! when it is given one for the second time.
//!
//! Source: `@liveblocks/core` 3.24 `AuthToken.ts` for the claims.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use super::grant::InOrder;
use super::{Grant, IssueError};
use crate::random::hex128;

/// `signing_secret` and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct LocalSettings {
    key: Arc<Key>,
    project_id: String,
    ttl: Duration,
}

struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl LocalSettings {
    pub(crate) fn new(secret: &SecretString, project_id: String, ttl: Duration) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        let key = Key { encoding: EncodingKey::from_secret(bytes), decoding: DecodingKey::from_secret(bytes) };
        Self { key: Arc::new(key), project_id, ttl }
    }

    /// The claims of a token that the key signed. Nothing else in it was
    /// checked.
    pub(crate) fn verify(&self, token: &str) -> Result<Map<String, Value>, &'static str> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        jsonwebtoken::decode(token, &self.key.decoding, &validation)
            .map(|token| token.claims)
            .map_err(|_| "its signature does not hold")
    }
}

/// Signs here.
#[derive(Debug)]
pub(crate) struct Local(LocalSettings);

/// A token's claims.
#[derive(Serialize)]
pub(crate) struct LocalClaims<'a> {
    k: &'static str,
    pid: &'a str,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    perms: Option<InOrder<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gids: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ui: Option<&'a Map<String, Value>>,
    iat: i64,
    exp: i64,
    jti: String,
}

impl Local {
    pub(crate) const fn new(settings: LocalSettings) -> Self {
        Self(settings)
    }

    pub(crate) fn claims<'a>(&'a self, grant: &'a Grant<'_>, now: i64) -> Result<LocalClaims<'a>, IssueError> {
        let person = &grant.person;
        let ttl = i64::try_from(self.0.ttl.as_secs()).unwrap_or(i64::MAX);
        Ok(LocalClaims {
            k: if grant.permissions.is_some() { "acc" } else { "id" },
            pid: &self.0.project_id,
            uid: person.user_id,
            perms: grant.permissions.as_deref().map(InOrder),
            gids: Some(&*person.group_ids).filter(|ids| !ids.is_empty() && grant.permissions.is_none()),
            ui: Some(&person.user_info).filter(|info| !info.is_empty()),
            iat: now,
            exp: now.saturating_add(ttl),
            jti: hex128().map_err(|_| IssueError::Sign)?,
        })
    }

    pub(crate) fn token(&self, grant: &Grant<'_>, now: i64) -> Result<String, IssueError> {
        let claims = self.claims(grant, now)?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.0.key.encoding)
            .map_err(|_| IssueError::Sign)
    }
}
