//! May they: from a [`Caller`] and an [`Ask`] to a [`Permit`].
//!
//! Authorizers are asked in their order; the first that allows or denies
//! decides. Nobody allowed is a denial; an authorizer that cannot tell ends the
//! search, undecided. Only the [`Engine`] makes permits, and without a permit
//! there is no token.

mod audit;
mod callback;
mod ceiling;
mod credential;
mod engine;
mod permit;
mod rules;
mod settings;
mod sql;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub(crate) use audit::{TARGET as AUDIT_TARGET, session as audit_session};
pub(crate) use callback::{CallbackSettings, verdict};
pub(crate) use ceiling::Ceiling;
pub(crate) use credential::Credential;
pub use credential::Sealed;
pub use engine::{Engine, Refusal};
pub(crate) use engine::{MAX_TTL, MIN_TTL, cut_reason};
pub use permit::Permit;
pub(crate) use rules::{Effect, LiveblocksRoom, Rule, Where};
pub(crate) use settings::Settings;
pub(crate) use sql::{Databases, Dialect, Parameter, Query, Source, Sql, SqlSettings};

use crate::ask::{Ask, Context};
use crate::authenticate::Caller;
use crate::invite::Use;
use crate::liveblocks::Permissions;
use crate::livekit::LiteralGrants;

/// A source of decisions.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// A short, stable name for logs, such as `rules`.
    fn name(&self) -> &str;

    /// Decides on one request.
    ///
    /// It may be dropped at any await.
    ///
    /// # Errors
    ///
    /// No decision could be reached. That is no denial: the client may try
    /// again.
    async fn decide(&self, caller: &Caller, ask: &Ask, context: &Context) -> Result<Verdict, Unavailable>;

    /// Whether it could tell, had it been asked now.
    fn is_ready(&self) -> bool {
        true
    }
}

/// What an authorizer says.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It has nothing to say; the next one may.
    Pass,
    /// Let them in.
    Allow(Allowance),
    /// Keep them out, whatever the next ones would say.
    Deny(Denial),
}

/// How to let someone in.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// The role's name. One that does not exist makes the authorizer
    /// unavailable.
    pub role: Arc<str>,
    /// Which rule it was, for the audit line.
    pub rule: Arc<str>,
    /// What goes over the role.
    pub overrides: Overrides,
    /// Further Liveblocks rooms that the token opens, in this order.
    pub(crate) liveblocks_rooms: Arc<[LiveblocksRoom]>,
    /// What role and overrides may be at most; nothing: the operator wrote them.
    pub(crate) ceiling: Option<Arc<Ceiling>>,
    /// What is spent once a token is given.
    pub(crate) invite_use: Option<Arc<Use>>,
}

impl Allowance {
    /// A role and nothing over it.
    #[must_use]
    pub fn role(role: impl Into<Arc<str>>, rule: impl Into<Arc<str>>) -> Self {
        Self {
            role: role.into(),
            rule: rule.into(),
            overrides: Overrides::default(),
            liveblocks_rooms: Arc::default(),
            ceiling: None,
            invite_use: None,
        }
    }
}

/// What a decision lays over its role.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The participant's display name, instead of the claim.
    pub name: Option<String>,
    /// How long the token is valid: 2 minutes to 24 hours.
    pub ttl: Option<Duration>,
    /// The project of the vendor whose room it is, instead of the vendor's own
    /// keys. One that does not exist makes the authorizer unavailable.
    pub project: Option<Arc<str>>,
    /// What is in a vendor's own words.
    pub(crate) literal: Option<Box<Literal>>,
}

impl Overrides {
    /// Whether they name a Liveblocks room.
    pub(crate) fn opens_a_room(&self) -> bool {
        self.literal.as_ref().is_some_and(|literal| !literal.rooms.is_empty())
    }
}

/// Overrides in the vendors' own words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Literal {
    /// Grants over those of the role.
    pub(crate) livekit: Option<LiteralGrants>,
    /// Scopes on the requested room, instead of the role's.
    pub(crate) permissions: Option<Permissions>,
    /// Further Liveblocks rooms, and their scopes if they have their own.
    pub(crate) rooms: Vec<(String, Option<Permissions>)>,
    /// The user info, instead of what the claims give.
    pub(crate) user_info: Option<Map<String, Value>>,
    /// The group ids, likewise.
    pub(crate) group_ids: Option<Vec<String>>,
}

/// How to keep someone out.
#[derive(Clone, Debug, Default)]
pub struct Denial {
    /// Which rule it was, for the audit line.
    pub rule: Arc<str>,
    /// What the client may know, at most 200 characters.
    pub reason: Option<String>,
}

/// An authorizer could not tell.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unavailable {
    why: String,
    busy: Option<Duration>,
}

impl Unavailable {
    /// It could not tell, for this reason, which is for the log.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), busy: None }
    }

    /// Whoever it asks wants to be asked less; the client may come back after
    /// `wait`.
    #[must_use]
    pub fn busy(why: impl Into<String>, wait: Duration) -> Self {
        Self { why: why.into(), busy: Some(wait) }
    }

    pub(crate) const fn busy_for(&self) -> Option<Duration> {
        self.busy
    }
}

/// A check after the decision that can only take it back: a revocation, a room
/// that is full.
#[async_trait]
pub trait Veto: fmt::Debug + Send + Sync {
    /// A short, stable name for logs.
    fn name(&self) -> &str;

    /// Nothing, or why not after all.
    ///
    /// # Errors
    ///
    /// It could not tell; the request stays undecided.
    async fn object(&self, caller: &Caller, ask: &Ask) -> Result<Option<Denial>, Unavailable>;
}
