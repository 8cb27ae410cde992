//! The decision that came with the credential.
//!
//! An API key may name the role of the user it speaks for. That counts exactly
//! where `kind = "credential"` stands among the authorizers, so that a rule
//! before it can still deny.

use async_trait::async_trait;

use super::{Allowance, Authorizer, Unavailable, Verdict};
use crate::ask::{Ask, Context};
use crate::authenticate::Caller;

/// A decision that nobody reads but this module.
#[derive(Clone, Debug)]
pub struct Sealed(Verdict);

impl Sealed {
    /// A decision that was asked for together with the identity.
    pub(crate) const fn verdict(verdict: Verdict) -> Self {
        Self(verdict)
    }

    /// A role that an API key gives.
    pub(crate) fn role(role: String, key: &str) -> Self {
        Self(Verdict::Allow(Allowance::role(role, format!("api_key:{key}"))))
    }
}

/// Opens what a caller brought along.
#[derive(Debug)]
pub(crate) struct Credential;

impl Credential {
    pub(crate) const KIND: &str = "credential";
}

#[async_trait]
impl Authorizer for Credential {
    fn name(&self) -> &str {
        Self::KIND
    }

    async fn decide(&self, caller: &Caller, _: &Ask, _: &Context) -> Result<Verdict, Unavailable> {
        Ok(caller.sealed().map_or(Verdict::Pass, |sealed| sealed.0.clone()))
    }
}
