//! `roomkey mint livekit`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Failure, Files, role};
use crate::claims::Claims;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Purpose};
use crate::livekit::{HandWritten, Minting, Role, mint};
use crate::units;

const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_hours(24);

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("rights").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Who the participant is
    #[arg(long)]
    identity: Option<String>,
    /// Which room it is for
    #[arg(long)]
    room: Option<String>,
    /// A configured role
    #[arg(long, group = "rights", requires = "identity", requires = "room")]
    role: Option<String>,
    /// The token's claims as LiveKit spells them, such as {"video":{"roomList":true}}
    #[arg(long, group = "rights", value_name = "JSON")]
    grants: Option<String>,
    /// How long it is valid: 1s to 24h; default livekit.ttl
    #[arg(long, value_parser = ttl)]
    ttl: Option<Duration>,
    /// The participant's name
    #[arg(long)]
    name: Option<String>,
    /// The participant's metadata
    #[arg(long)]
    metadata: Option<String>,
    /// An attribute of the participant
    #[arg(long = "attribute", value_name = "K=V", value_parser = attribute)]
    attributes: Vec<(String, String)>,
}

fn ttl(text: &str) -> Result<Duration, &'static str> {
    units::duration(text)
        .filter(|ttl| (MIN_TTL..=MAX_TTL).contains(ttl))
        .ok_or("must be a duration from 1s to 24h, such as 10m")
}

fn attribute(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn run(wanted: &Arguments) -> Result<(), Failure> {
    let config = wanted.files.load(Purpose::Keys)?;
    let Some(settings) = &config.livekit else {
        return Err(Failure::Because(
            "livekit: has no keys; set livekit.api_key and livekit.api_secret, or LIVEKIT_KEYS, and livekit.url"
                .to_owned(),
        ));
    };
    let (role, room, name) = match (&wanted.role, &wanted.grants) {
        (Some(name), _) => (configured(&config, name)?, None, None),
        (None, Some(grants)) => hand_written(grants)?,
        (None, None) => return Err(Failure::Usage("one of --role and --grants is needed".to_owned())),
    };
    if let (Some(granted), Some(asked)) = (&room, &wanted.room)
        && granted != asked
    {
        return Err(Failure::Usage("--room and video.room in --grants name different rooms".to_owned()));
    }
    let own = [("id", &wanted.identity), ("name", &wanted.name)];
    let claims: Map<String, Value> =
        own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.clone()?)))).collect();
    let minting = Minting {
        identity: wanted.identity.as_deref(),
        room: wanted.room.as_deref().or(room.as_deref()),
        name: wanted.name.clone().or(name),
        metadata: wanted.metadata.clone(),
        attributes: wanted.attributes.clone(),
        ttl: wanted.ttl.or(role.ttl).unwrap_or(settings.ttl),
    };
    let token = mint(&settings.projects.own().keys, &role, &Claims::from(claims), minting, SystemClock.now())
        .map_err(Failure::Because)?;
    for (setting, why) in role.grants.dangers() {
        eprintln!("warning: {setting}: {why}");
    }
    say!("{token}");
    Ok(())
}

fn configured(config: &Config, name: &str) -> Result<Role, Failure> {
    let livekit = role(config, name)?.livekit.clone();
    livekit.ok_or_else(|| Failure::Because(format!("--role: the role {name:?} has no [roles.{name}.livekit]")))
}

fn hand_written(grants: &str) -> Result<(Role, Option<String>, Option<String>), Failure> {
    let json: Value = serde_json::from_str(grants)
        .map_err(|_| Failure::Usage("--grants must be JSON such as {\"video\":{\"roomList\":true}}".to_owned()))?;
    let read = HandWritten::read(&json).map_err(|wrong| {
        let lines: Vec<_> = wrong.into_iter().map(|(path, why)| format!("--grants: {path}: {why}")).collect();
        Failure::Because(lines.join("\n"))
    })?;
    Ok((read.role, read.room, read.name))
}
