//! What the operator chooses among, and the one place that builds it.

use std::sync::Arc;

use super::Authenticator;
use super::api_key::{ApiKey, ApiKeys};
use super::callback::{Session, SessionSettings};
use super::guest::Guest;
use super::header::{Header, HeaderSettings};
use super::invite::Invited;
use super::jwks::{KeySet, KeySets};
use super::jwt::{Jwt, JwtSettings, KeySettings};
use crate::invite::{InviteKey, Uses};
use crate::outbound::{CONNECT_TIMEOUT, Pools};
use crate::template::Template;

/// One `[[authenticate]]`.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Jwt(Box<JwtSettings>),
    ApiKey(Vec<ApiKey>),
    Header(HeaderSettings),
    Session(Box<SessionSettings>),
    Invite(InviteKey),
    Guest { id: Template },
}

impl Settings {
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn build(
        &self,
        pools: &Pools,
        key_sets: &KeySets,
        uses: &Arc<Uses>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        Ok(match self {
            Self::Jwt(settings) => Arc::new(Jwt::new((**settings).clone(), pools, key_sets)?),
            Self::ApiKey(keys) => Arc::new(ApiKeys::new(keys.clone())),
            Self::Header(settings) => Arc::new(Header::new(settings.clone())),
            Self::Session(settings) => Arc::new(Session::new((**settings).clone(), pools)?),
            Self::Invite(key) => Arc::new(Invited::new(key.clone(), uses.clone())),
            Self::Guest { id } => Arc::new(Guest::new(id.clone())),
        })
    }

    /// Whether what it needs from elsewhere can be had now.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) async fn reach(&self, pools: &Pools) -> Result<(), String> {
        match self {
            Self::Jwt(settings) => match &settings.key {
                KeySettings::Fixed(_) => Ok(()),
                KeySettings::Set(set) => KeySet::probe(set, pools.outbound(CONNECT_TIMEOUT)?).await,
            },
            Self::Session(settings) => pools.outbound(CONNECT_TIMEOUT)?.reach(&settings.callback.url).await,
            Self::ApiKey(_) | Self::Header(_) | Self::Invite(_) | Self::Guest { .. } => Ok(()),
        }
    }
}
