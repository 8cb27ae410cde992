//! `roomkey mint`: tokens without HTTP, for operators and their scripts.

mod liveblocks;
mod livekit;

use super::{Failure, Files};
use crate::config::Config;
use crate::role::Role;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    provider: Provider,
}

#[derive(Debug, clap::Subcommand)]
enum Provider {
    /// A LiveKit access token
    #[command(
        after_help = "Examples:\n  roomkey mint livekit --identity alice --room standup --role host\n  roomkey mint livekit --grants '{\"video\":{\"roomList\":true}}' --ttl 1m"
    )]
    Livekit(livekit::Arguments),
    /// A Liveblocks token
    #[command(
        after_help = "Examples:\n  roomkey mint liveblocks --user alice --room standup --role host\n  roomkey mint liveblocks --user alice --room standup --permissions room:read,room:presence:write"
    )]
    Liveblocks(liveblocks::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.provider {
        Provider::Livekit(arguments) => livekit::run(arguments),
        Provider::Liveblocks(arguments) => liveblocks::run(arguments),
    }
}

/// The role of that name.
fn role<'a>(config: &'a Config, name: &str) -> Result<&'a Role, Failure> {
    config.roles.get(name).map(|role| &**role).ok_or_else(|| {
        let names: Vec<_> = config.roles.iter().map(Role::name).collect();
        Failure::Because(format!("--role: there is no role {name:?}; there are {}", names.join(", ")))
    })
}
