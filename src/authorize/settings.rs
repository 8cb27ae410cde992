//! What the operator chooses among, and the one place that builds it.

use std::sync::Arc;

use super::Authorizer;
use super::callback::{Callback, CallbackSettings};
use super::credential::Credential;
use super::rules::{Rule, Rules};
use super::sql::{Databases, Sql, SqlSettings};
use crate::clock::Clock;
use crate::outbound::{CONNECT_TIMEOUT, Pools};

/// One `[[authorize]]`.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Rules(Vec<Rule>),
    Credential,
    Callback(Box<CallbackSettings>),
    Sql(Box<SqlSettings>),
}

impl Settings {
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn build(
        &self,
        pools: &Pools,
        databases: &Databases,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Authorizer>, String> {
        Ok(match self {
            Self::Rules(rules) => Arc::new(Rules::new(rules.clone())),
            Self::Credential => Arc::new(Credential),
            Self::Callback(settings) => Arc::new(Callback::new((**settings).clone(), pools, clock.clone())?),
            Self::Sql(settings) => Arc::new(Sql::new(settings, databases)?),
        })
    }

    /// Whether what it needs from elsewhere can be had now.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) async fn reach(&self, pools: &Pools) -> Result<(), String> {
        match self {
            Self::Callback(settings) => pools.outbound(CONNECT_TIMEOUT)?.reach(&settings.callback.url).await,
            Self::Sql(settings) => Sql::probe(settings).await,
            Self::Rules(_) | Self::Credential => Ok(()),
        }
    }
}
