//! Invites: keys to one room that the app's backend hands to people without a
//! login.
//!
//! An invite is a JWT that only we can sign, so nothing of it is stored, but
//! how often one with a limit was used.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::ask::Provider;

/// The `typ` of an invite's header, which tells it from every other JWT.
pub(crate) const TYP: &str = "rk-invite+jwt";

/// What an invite says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invite {
    /// Its id.
    pub(crate) jti: String,
    pub(crate) room: String,
    pub(crate) role: String,
    /// Nothing: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// The guest's display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How often it lets someone in; nothing: until it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uses: Option<u32>,
    pub(crate) exp: i64,
}

impl Invite {
    /// Whether it is for this room of this vendor.
    pub(crate) fn opens(&self, room: &str, provider: Provider) -> bool {
        self.room == room && self.is_for(provider)
    }

    /// Whether it is for rooms of this vendor.
    pub(crate) fn is_for(&self, provider: Provider) -> bool {
        self.provider.as_ref().is_none_or(|only| only == provider.as_str())
    }
}

/// What signs and verifies invites.
#[derive(Clone)]
pub(crate) struct InviteKey {
    keys: Arc<(EncodingKey, DecodingKey)>,
    pub(crate) max_ttl: Duration,
}

impl fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteKey").field("max_ttl", &self.max_ttl).finish_non_exhaustive()
    }
}

impl InviteKey {
    pub(crate) fn new(secret: &SecretString, max_ttl: Duration) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        Self { keys: Arc::new((EncodingKey::from_secret(bytes), DecodingKey::from_secret(bytes))), max_ttl }
    }

    /// Signs an invite: HS256, `typ` [`TYP`].
    pub(crate) fn sign(&self, invite: &Invite) -> Result<String, jsonwebtoken::errors::Error> {
        let header = Header { typ: Some(TYP.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, invite, &self.keys.0)
    }

    /// The invite, if we signed it and it has not ended.
    pub(crate) fn verify(&self, token: &str, now: i64) -> Result<Invite, &'static str> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let invite: Invite = jsonwebtoken::decode(token, &self.keys.1, &validation)
            .map_err(|_| "the invite's signature or form does not hold")?
            .claims;
        if invite.exp <= now { Err("the invite is over") } else { Ok(invite) }
    }
}

/// How often invites with a limit were used. It outlives configurations, and
/// ends with the process.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<String, (u32, i64)>>);

impl Uses {
    /// One use, if one is left.
    pub(crate) fn reserve(self: &Arc<Self>, invite: &Invite, now: i64) -> Option<Use> {
        let Some(limit) = invite.uses else { return Some(Use { of: None }) };
        let mut counts = self.lock();
        counts.retain(|_, (_, exp)| *exp > now);
        let (count, _) = counts.entry(invite.jti.clone()).or_insert((0, invite.exp));
        let is_left = *count < limit;
        *count += u32::from(is_left);
        is_left.then(|| Use { of: Some(Counted { uses: self.clone(), id: invite.jti.clone(), spent: false.into() }) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A use of an invite. It is left for another time unless it was spent: who got
/// no token may come again.
#[derive(Debug)]
pub(crate) struct Use {
    /// Nothing: of an invite without a limit.
    of: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    uses: Arc<Uses>,
    id: String,
    spent: AtomicBool,
}

impl Use {
    pub(crate) fn spend(&self) {
        if let Some(counted) = &self.of {
            counted.spent.store(true, Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.spent.load(Relaxed)
            && let Some((count, _)) = self.uses.lock().get_mut(&self.id)
        {
            *count = count.saturating_sub(1);
        }
    }
}
