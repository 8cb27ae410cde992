//! Everything a request needs, as one value that never changes.
//!
//! A request takes the snapshot it finds and keeps it to its end, so a new
//! configuration can take its place under load. What lives longer than a
//! configuration lives outside.

use std::sync::Arc;

use crate::authenticate::{Authenticator, Chain};
use crate::authorize::{Authorizer, Engine, Veto};
use crate::clock::Clock;
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

/// Plug-ins of the program that embeds Roomkey; they come before the
/// configured ones.
#[derive(Debug, Default)]
pub(crate) struct PlugIns {
    pub(crate) authenticators: Vec<Box<dyn Authenticator>>,
    pub(crate) authorizers: Vec<Box<dyn Authorizer>>,
    pub(crate) vetoes: Vec<Box<dyn Veto>>,
}

impl Snapshot {
    pub(crate) fn new(config: &Config, plug_ins: PlugIns, outbound: &Outbound, clock: Arc<dyn Clock>) -> Self {
        let mut authenticators = plug_ins.authenticators;
        authenticators.extend(config.authenticate.iter().map(crate::authenticate::Settings::build));
        let mut authorizers = plug_ins.authorizers;
        authorizers.extend(config.authorize.iter().map(crate::authorize::Settings::build));
        Self {
            server: config.server.clone(),
            cors: config.cors.clone(),
            chain: Chain::new(authenticators, config.cors.origins.clone(), clock.clone()),
            engine: Engine::new(authorizers, plug_ins.vetoes, config.roles.clone()),
            livekit: config.livekit.clone().map(LiveKit::new),
            liveblocks: config.liveblocks.clone().map(|settings| Liveblocks::new(settings, outbound.clone())),
            clock,
        }
    }
}
