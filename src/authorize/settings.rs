//! What the operator chooses among, and the one place that builds it.

use std::sync::Arc;

use super::Authorizer;
use super::credential::Credential;
use super::rules::{Rule, Rules};

/// One `[[authorize]]`.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Rules(Vec<Rule>),
    Credential,
}

impl Settings {
    pub(crate) fn build(&self) -> Arc<dyn Authorizer> {
        match self {
            Self::Rules(rules) => Arc::new(Rules::new(rules.clone())),
            Self::Credential => Arc::new(Credential),
        }
    }
}
