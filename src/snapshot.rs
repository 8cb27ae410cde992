//! Everything a request needs, as one value that never changes.
//!
//! A request takes the snapshot it finds and keeps it to its end, so a new
//! configuration can take its place under load. What lives longer than a
//! configuration lives outside.

use std::sync::Arc;

use crate::authenticate::{self, Authenticator, Chain};
use crate::authorize::{self, Authorizer, Engine, Veto};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Cors, Server};
use crate::liveblocks::Liveblocks;
use crate::livekit::LiveKit;
use crate::outbound::Outbound;

/// One configuration, ready to serve.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) server: Server,
    pub(crate) cors: Cors,
    pub(crate) chain: Chain,
    pub(crate) engine: Engine,
    pub(crate) livekit: Option<LiveKit>,
    pub(crate) liveblocks: Option<Liveblocks>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What outlives every configuration.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) plug_ins: PlugIns,
    pub(crate) outbound: Outbound,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Plug-ins of the program that embeds Roomkey; they come before the
/// configured ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlugIns {
    pub(crate) authenticators: Vec<Arc<dyn Authenticator>>,
    pub(crate) authorizers: Vec<Arc<dyn Authorizer>>,
    pub(crate) vetoes: Vec<Arc<dyn Veto>>,
}

impl Outside {
    /// What a command needs that decides without serving.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self { plug_ins: PlugIns::default(), outbound: Outbound::new()?, clock: Arc::new(SystemClock) })
    }
}

impl Snapshot {
    pub(crate) fn new(config: &Config, outside: &Outside) -> Self {
        let PlugIns { mut authenticators, mut authorizers, vetoes } = outside.plug_ins.clone();
        authenticators.extend(config.authenticate.iter().map(authenticate::Settings::build));
        authorizers.extend(config.authorize.iter().map(authorize::Settings::build));
        let (clock, outbound) = (&outside.clock, &outside.outbound);
        Self {
            server: config.server.clone(),
            cors: config.cors.clone(),
            chain: Chain::new(authenticators, config.cors.origins.clone(), clock.clone()),
            engine: Engine::new(authorizers, vetoes, config.roles.clone()),
            livekit: config.livekit.clone().map(LiveKit::new),
            liveblocks: config.liveblocks.clone().map(|settings| Liveblocks::new(settings, outbound.clone())),
            clock: clock.clone(),
        }
    }
}
