//! `roomkey conformance`: asks a team's own endpoint what `serve` would ask it,
//! and what nobody should get an answer to.
//!
//! What `serve` would make of an answer is what the verdict says. Each check is
//! one line, and its failure says what came and what would be right.

mod checks;
mod kit;
mod report;

use std::path::{Path, PathBuf};

use http::HeaderValue;

use super::{Failure, block_on};
use crate::callback::{Bearer, SigningSecret};
use crate::config::{read_text, scheme};
use crate::name::{Identity, RoomName};
use checks::{Checks, Known};
use kit::{Credential, Kit, Subject, random};

/// What a session is called if nobody names its cookie.
const COOKIE: &str = "session";

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("credential").required(true))]
pub(super) struct Arguments {
    /// The endpoint
    #[arg(long)]
    url: String,
    /// A file with the secret that questions are signed with (`whsec_…`)
    #[arg(long, value_name = "FILE", group = "credential")]
    signing_secret_file: Option<PathBuf>,
    /// A file with the bearer that questions carry
    #[arg(long, value_name = "FILE", group = "credential")]
    bearer_file: Option<PathBuf>,
    /// Ask in the session form (`[[authenticate]]`), not in that of an authorizer
    #[arg(long)]
    session: bool,
    /// Someone who may enter the room; with --session their Cookie header, such as session=abc
    #[arg(long, value_name = "USER", requires = "room")]
    user: Option<String>,
    /// A room that the user may enter
    #[arg(long, value_name = "ROOM", requires = "user")]
    room: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    scheme(&arguments.url, &["http", "https"]).map_err(|why| Failure::Usage(format!("--url {why}")))?;
    let known = arguments.user.as_deref().zip(arguments.room.as_deref());
    let known = known.map(|(user, room)| known_to_enter(user, room, arguments.session)).transpose()?;
    let unknown = match &known {
        Some(Known { subject: Subject::Session(Some(cookies)), .. }) => strangers_cookies(cookies)?,
        _ if arguments.session => strangers_cookies(&HeaderValue::from_static(COOKIE))?,
        _ => Subject::User(format!("conformance-{}", random()?)),
    };
    let credential = match (&arguments.signing_secret_file, &arguments.bearer_file) {
        (Some(file), _) => Credential::Signing(secret("--signing-secret-file", file, SigningSecret::parse)?.into()),
        (None, Some(file)) => Credential::Bearer(secret("--bearer-file", file, Bearer::parse)?),
        (None, None) => return Err(Failure::Usage("--signing-secret-file or --bearer-file is needed".to_owned())),
    };
    let kit = Kit::new(arguments.url.clone(), credential)?;
    let passed = block_on(async { Checks::new(kit, known, unknown)?.run().await })?;
    if passed { Ok(()) } else { Err(Failure::Told) }
}

/// Someone who may enter, from the command line.
fn known_to_enter(user: &str, room: &str, session: bool) -> Result<Known, Failure> {
    let room = RoomName::livekit(room).map_err(|why| Failure::Usage(format!("--room {why}")))?;
    if !session {
        let id = Identity::try_from(user).map_err(|why| Failure::Usage(format!("--user {why}")))?;
        return Ok(Known { subject: Subject::User(id.into_string()), room });
    }
    let usage = || Failure::Usage("--user must be a Cookie header with --session, such as session=abc".to_owned());
    let is_pair = |pair: &str| pair.trim().split_once('=').is_some_and(|(name, _)| !name.is_empty());
    let cookie = HeaderValue::from_str(user).ok().filter(|_| user.split(';').all(is_pair));
    let mut cookie = cookie.ok_or_else(usage)?;
    cookie.set_sensitive(true);
    Ok(Known { subject: Subject::Session(Some(cookie)), room })
}

/// Cookies of the same names, with values that are no session's.
fn strangers_cookies(cookies: &HeaderValue) -> Result<Subject, Failure> {
    let names = cookies.to_str().unwrap_or(COOKIE).split(';');
    let names = names.map(|pair| pair.split('=').next().unwrap_or_default().trim());
    let pairs = names.map(|name| Ok(format!("{name}={}", random()?))).collect::<Result<Vec<_>, Failure>>()?;
    let value = HeaderValue::from_str(&pairs.join("; ")).map_err(|error| Failure::Because(error.to_string()))?;
    Ok(Subject::Session(Some(value)))
}

/// A secret from its file; why it does not do shows none of it.
fn secret<T>(option: &str, file: &Path, parse: impl Fn(&str) -> Result<T, &'static str>) -> Result<T, Failure> {
    let text = read_text(file).map_err(|why| {
        Failure::Because(format!("{option} names a file that cannot be read: {why}; give the path of a readable file"))
    })?;
    parse(&text).map_err(|why| Failure::Because(format!("{option}: what the file holds {why}")))
}
