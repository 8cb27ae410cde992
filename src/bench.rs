//! Single steps of a request's way, for the benchmarks alone.

use crate::authenticate::Caller;
use crate::authorize::{Engine, Permit, Sealed};
use crate::claims::Claims;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::snapshot::{Outside, PlugIns, Snapshot};

/// A configuration that is ready to serve, without the edge around it.
#[derive(Debug)]
pub struct Steps(Snapshot);

impl Steps {
    /// Prepares keys and rules; nothing if TLS cannot be set up.
    #[must_use]
    pub fn new(config: &Config) -> Option<Self> {
        let _installed_before = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let outside = Outside::new(PlugIns::default(), std::sync::Arc::new(SystemClock));
        Snapshot::new(config, &outside).ok().map(Self)
    }

    /// What decides.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The token that a permit gives.
    #[must_use]
    pub fn token(&self, permit: &Permit, now: i64) -> Option<String> {
        Some(self.0.livekit.as_ref()?.issue(permit, now).ok()?.token)
    }

    /// The Liveblocks token that a permit gives; signed here, it waits for nothing.
    pub async fn liveblocks_token(&self, permit: &Permit, now: i64) -> Option<String> {
        self.0.liveblocks.as_ref()?.issue(permit, now).await.ok()
    }
}

/// A caller as an authenticator would have made it.
#[must_use]
pub fn caller(subject: &str, claims: Claims) -> Caller {
    Caller::vouched(subject.to_owned(), claims)
}

/// A caller whose API key names a role.
#[must_use]
pub fn caller_as(subject: &str, claims: Claims, role: &str) -> Caller {
    caller(subject, claims).bringing(Sealed::role(role.to_owned(), "benchmark"))
}
