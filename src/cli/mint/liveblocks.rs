//! `roomkey mint liveblocks`.

use serde_json::{Map, Value};

use super::{Failure, Files, role};
use crate::claims::Claims;
use crate::cli::block_on;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Purpose;
use crate::liveblocks::{Liveblocks, Permissions};
use crate::name::RoomName;
use crate::outbound::Pools;

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("rights").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Who the user is
    #[arg(long)]
    user: String,
    /// Which room it is for
    #[arg(long)]
    room: String,
    /// A configured role
    #[arg(long, group = "rights")]
    role: Option<String>,
    /// Scopes, such as room:read,room:presence:write
    #[arg(long, group = "rights", value_delimiter = ',')]
    permissions: Option<Vec<String>>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.files.load(Purpose::Keys)?;
    let Some(settings) = config.liveblocks.clone() else {
        let why =
            "liveblocks: has no key; set liveblocks.secret_key or LIVEBLOCKS_SECRET_KEY, or liveblocks.signing_secret";
        return Err(Failure::Because(why.to_owned()));
    };
    let room =
        RoomName::liveblocks(&arguments.room).map_err(|why| Failure::Because(format!("--room: the room {why}")))?;
    let permissions = match (&arguments.role, &arguments.permissions) {
        (Some(name), _) => {
            let found = role(&config, name)?.liveblocks.as_ref();
            let why = || Failure::Because(format!("--role: the role {name:?} has no [roles.{name}.liveblocks]"));
            found.ok_or_else(why)?.permissions.clone()
        }
        (None, scopes) => Permissions::new(scopes.clone().unwrap_or_default())
            .map_err(|why| Failure::Because(format!("--permissions: {why}")))?,
    };
    let liveblocks = Liveblocks::new(settings, &Pools::default()).map_err(Failure::Because)?;
    let claims = Map::from_iter([("id".to_owned(), Value::from(arguments.user.clone()))]);
    let grant = liveblocks.grant_one(&arguments.user, &Claims::from(claims), room.as_str(), &permissions);
    let grant = grant.map_err(|error| Failure::Because(format!("--user: {error}")))?;
    let token = block_on(async {
        liveblocks.token(&grant, SystemClock.now()).await.map_err(|error| Failure::Because(error.to_string()))
    })?;
    say!("{token}");
    Ok(())
}
