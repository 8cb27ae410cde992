//! Everything a request needs, as one value that never changes.
//!
//! A request takes the snapshot it finds and keeps it to its end, so a new
//! configuration can take its place under load. What lives longer than a
//! configuration lives outside.

use std::sync::Arc;

use crate::authenticate::{self, ApiKeys, Authenticator, Chain, KeySets};
use crate::authorize::{Authorizer, Databases, Engine, Veto};
use crate::clock::Clock;
use crate::config::{Config, Cors, Server};
use crate::invite::{InviteKey, Uses};
use crate::liveblocks::{Liveblocks, TokenKind};
use crate::livekit::LiveKit;
use crate::outbound::Pools;

/// One configuration, ready to serve.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) server: Server,
    pub(crate) cors: Cors,
    pub(crate) chain: Chain,
    pub(crate) engine: Engine,
    pub(crate) livekit: Option<LiveKit>,
    pub(crate) liveblocks: Option<Liveblocks>,
    /// Who may make invites, and what signs them.
    pub(crate) api_keys: ApiKeys,
    pub(crate) invites: Option<InviteKey>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What outlives every configuration.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) plug_ins: PlugIns,
    pub(crate) pools: Pools,
    pub(crate) key_sets: KeySets,
    pub(crate) databases: Databases,
    pub(crate) uses: Arc<Uses>,
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
    pub(crate) fn new(plug_ins: PlugIns, clock: Arc<dyn Clock>) -> Self {
        let (pools, key_sets, databases) = (Pools::default(), KeySets::default(), Databases::default());
        Self { plug_ins, pools, key_sets, databases, uses: Arc::default(), clock }
    }
}

impl Snapshot {
    /// # Errors
    ///
    /// TLS cannot be set up, and something configured needs it.
    pub(crate) fn new(config: &Config, outside: &Outside) -> Result<Self, String> {
        let PlugIns { mut authenticators, mut authorizers, vetoes } = outside.plug_ins.clone();
        let Outside { pools, key_sets, databases, uses, clock, .. } = outside;
        for settings in &config.authenticate {
            authenticators.push(settings.build(pools, key_sets, uses)?);
        }
        for settings in &config.authorize {
            authorizers.push(settings.build(pools, databases, clock)?);
        }
        let api_keys = config.authenticate.iter().filter_map(|settings| match settings {
            authenticate::Settings::ApiKey(keys) => Some(keys),
            _ => None,
        });
        let invites = config.authenticate.iter().find_map(|settings| match settings {
            authenticate::Settings::Invite(key) => Some(key.clone()),
            _ => None,
        });
        Ok(Self {
            server: config.server.clone(),
            cors: config.cors.clone(),
            chain: Chain::new(authenticators, config.cors.origins.clone(), clock.clone()),
            engine: Engine::new(
                authorizers,
                vetoes,
                config.roles.clone(),
                config.projects(),
                config.liveblocks.as_ref().is_some_and(|settings| settings.token == TokenKind::Access),
            ),
            livekit: config.livekit.clone().map(LiveKit::new),
            liveblocks: config.liveblocks.clone().map(|settings| Liveblocks::new(settings, pools)).transpose()?,
            api_keys: ApiKeys::new(api_keys.flatten().cloned().collect()),
            invites,
            clock: clock.clone(),
        })
    }

    /// Whether a request could be decided on now.
    pub(crate) fn is_ready(&self) -> bool {
        self.chain.is_ready() && self.engine.is_ready()
    }
}
