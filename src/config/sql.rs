//! `kind = "sql"`: which database, and what it is asked.
//!
//! The URL is a secret, and no message shows any of it. A file of SQLite is
//! looked for beside the configuration that names it; one that a variable names,
//! in the working directory.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Warnings;
use super::authorize::Known;
use super::layer::folder_of;
use super::section::{Found, Section};
use crate::ask::Provider;
use crate::authorize::{Dialect, Parameter, Query, Source, SqlSettings};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_MAX_CONNECTIONS: u64 = 8;

/// What is encrypted is always verified, so these are `require` here.
const VERIFYING: [&str; 2] = ["sslmode=verify-full", "sslmode=verify-ca"];

/// What the database sees of us, if the URL says nothing else.
const APPLICATION_NAME: &str = "roomkey";

pub(super) fn authorizer(section: &mut Section<'_>, known: &Known<'_>, warnings: &mut Warnings) -> Option<SqlSettings> {
    if !section.has_any("url") {
        section.require("url");
    }
    if !section.has("query") {
        section.require("query");
    }
    let found = section.secret("url");
    let source = found.and_then(|found| match source(&found) {
        Ok(source) => Some(source),
        Err(why) => {
            section.problems().add(found.key, found.place, why);
            None
        }
    });
    let text = section.text("query");
    let timeout = section.duration("timeout", SHORTEST..=MAX_TIMEOUT).unwrap_or(DEFAULT_TIMEOUT);
    let max_connections = section.count("max_connections", 1..=1000).unwrap_or(DEFAULT_MAX_CONNECTIONS);
    if known.providers.contains(&Provider::LiveKit) {
        known.roles.iter().for_each(|role| warnings.role_in_use(role));
    }
    let source = source?;
    let dialect = match source {
        Source::Sqlite(_) => Dialect::Sqlite,
        Source::Postgres(_) => Dialect::Postgres,
    };
    let query = Query::parse(&text?, dialect).map_err(|why| section.fail("query", why)).ok()?;
    for (parameter, missing) in [
        (Parameter::User, "does not mention :user, so that its answer is the same for everyone"),
        (Parameter::Room, "does not mention :room, so that its answer is the same for every room"),
    ] {
        if !query.mentions(parameter) {
            warnings.add(section, "query", missing);
        }
    }
    let path = section.path().to_owned();
    Some(SqlSettings { path, source, query, timeout, max_connections: usize::try_from(max_connections).ok()? })
}

/// What a URL says. No message holds any of it.
fn source(found: &Found<SecretString>) -> Result<Source, String> {
    let url = found.value.expose_secret();
    match url.split_once(':') {
        Some(("sqlite", path)) => sqlite(path, found),
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => postgres(url),
        _ => Err("must begin with sqlite: (as in sqlite:/data/app.db) or with postgres://".to_owned()),
    }
}

fn sqlite(path: &str, found: &Found<SecretString>) -> Result<Source, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.ends_with('/') {
        return Err("names no file; write sqlite:/data/app.db".to_owned());
    }
    if path.contains(":memory:") {
        return Err("must name a file: a database in memory would be empty".to_owned());
    }
    if path.contains('?') || path.contains('\0') {
        return Err("must end with the file's name: it is opened to be read, and nothing else can be said".to_owned());
    }
    if Path::new(path).is_relative() && found.key.ends_with("_file") {
        return Err("must hold an absolute path, such as sqlite:/data/app.db".to_owned());
    }
    // A variable's value is relative to where the process runs.
    let folder = if found.key.ends_with("_env") { Path::new("") } else { folder_of(&found.place) };
    Ok(Source::Sqlite(folder.join(path)))
}

fn postgres(url: &str) -> Result<Source, String> {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let options = options.split('&').map(|option| if VERIFYING.contains(&option) { "sslmode=require" } else { option });
    let url = format!("{place}?{}", options.collect::<Vec<_>>().join("&"));
    let mut config: tokio_postgres::Config = url.parse().map_err(|_| {
        "cannot be read; write postgres://user:password@host:5432/database?sslmode=require, with % codes for : / ? # @ % in \
         the password; sslmode is disable, prefer, require or verify-full, and a CA of your own goes into the system's \
         certificates (or SSL_CERT_FILE)"
            .to_owned()
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("names no host; write postgres://host/database, or for a socket postgres:///database?host=/var/run/postgresql".to_owned());
    }
    if config.get_application_name().is_none() {
        config.application_name(APPLICATION_NAME);
    }
    Ok(Source::Postgres(Box::new(config)))
}
