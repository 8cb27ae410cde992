//! The decision that came with the credential.
//!
//! An API key may name the role of the user it speaks for, a session's answer
//! and an invite hold a decision. That counts exactly
//! where `kind = "credential"` stands among the authorizers, so that a rule
//! before it can still deny.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Allowance, Authorizer, Denial, Unavailable, Verdict};
use crate::ask::{Ask, Context};
use crate::authenticate::Caller;
use crate::invite::{Invite, Uses};

/// A decision that nobody reads but this module.
#[derive(Clone, Debug)]
pub struct Sealed(Content);

#[derive(Clone, Debug)]
enum Content {
    /// Or why there is none.
    Verdict(Box<Result<Verdict, String>>),
    /// Decides by the room, and once for each use.
    Invite { invite: Box<Invite>, uses: Arc<Uses>, now: i64 },
}

impl Sealed {
    /// A decision that was asked for together with the identity.
    pub(crate) fn verdict(verdict: Result<Verdict, String>) -> Self {
        Self(Content::Verdict(Box::new(verdict)))
    }

    /// A role that an API key gives.
    pub(crate) fn role(role: String, key: &str) -> Self {
        Self::verdict(Ok(Verdict::Allow(Allowance::role(role, format!("api_key:{key}")))))
    }

    /// What an invite opens.
    pub(crate) fn invite(invite: Invite, uses: Arc<Uses>, now: i64) -> Self {
        Self(Content::Invite { invite: Box::new(invite), uses, now })
    }

    fn open(&self, ask: &Ask) -> Result<Verdict, Unavailable> {
        match &self.0 {
            Content::Verdict(verdict) => (**verdict).clone().map_err(Unavailable::new),
            Content::Invite { invite, uses, now } => {
                let rule: Arc<str> = format!("invite:{}", invite.jti).into();
                let deny = |reason: &str| Verdict::Deny(Denial { rule: rule.clone(), reason: Some(reason.to_owned()) });
                let room = ask.resource.room().map_or("", |room| room.as_str());
                if !invite.opens(room, ask.action.provider()) {
                    return Ok(deny("this invite is for another room"));
                }
                let Some(invite_use) = uses.reserve(invite, *now) else { return Ok(deny("this invite was used up")) };
                let invite_use = Some(Arc::new(invite_use));
                Ok(Verdict::Allow(Allowance { invite_use, ..Allowance::role(invite.role.clone(), rule) }))
            }
        }
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

    async fn decide(&self, caller: &Caller, ask: &Ask, _: &Context) -> Result<Verdict, Unavailable> {
        caller.sealed().map_or(Ok(Verdict::Pass), |sealed| sealed.open(ask))
    }
}
