//! Configuration: embedded defaults, then each file, then the environment.
//!
//! Everything is read and checked before anything starts, and all that is wrong
//! is said at once: which setting, where it stands, what would be right. A
//! secret's value is in no message.

mod authenticate;
mod authorize;
mod callback;
mod environment;
mod file;
mod header;
mod layer;
mod liveblocks;
mod livekit;
mod problem;
mod projects;
mod roles;
mod secrets;
mod section;
mod server;
mod short_forms;
mod sql;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;

use config::Value;

pub(crate) use file::read_text;
pub(crate) use livekit::scheme;
pub use problem::Problem;
pub(crate) use server::{Cors, Log, LogFormat, Server};

use crate::ask::Provider;
use crate::project::Projects;
use crate::role::{Role, Roles};
use file::Reader;
use layer::Layer;
use problem::Problems;
use section::{Reading, Section};

/// What the embedded defaults are called in messages.
const DEFAULTS_NAME: &str = "built-in defaults";
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// TOML files, each over the ones before it.
    pub files: Vec<PathBuf>,
    /// Variables, over all files.
    pub environment: HashMap<String, String>,
}

/// A configuration that was checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) server: Server,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) log: Log,
    pub(crate) cors: Cors,
    pub(crate) livekit: Option<crate::livekit::Settings>,
    pub(crate) liveblocks: Option<crate::liveblocks::Settings>,
    pub(crate) authenticate: Vec<crate::authenticate::Settings>,
    pub(crate) authorize: Vec<crate::authorize::Settings>,
    pub(crate) roles: Roles,
    pub(crate) warnings: Vec<Problem>,
    /// All files that were read, those of secrets too.
    pub(crate) files: Vec<PathBuf>,
}

/// How much a configuration must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: at least one authenticator, one authorizer and one provider.
    Serve,
    /// To work with the keys alone.
    Keys,
}

/// What is questionable, but no error.
#[derive(Debug, Default)]
struct Warnings {
    all: Vec<Problem>,
    roles_in_use: BTreeSet<String>,
}

impl Warnings {
    fn add(&mut self, section: &Section<'_>, key: &str, message: impl Into<String>) {
        self.all.push(Problem::new(section.key(key), section.place(key), message));
    }

    /// Warns, once, of what a built-in role grants that a rule gives out.
    fn role_in_use(&mut self, role: &Role) {
        let name = role.name();
        if !self.roles_in_use.insert(name.to_owned()) {
            return;
        }
        let dangers = role.livekit.as_ref().map(|livekit| livekit.grants.dangers());
        for (setting, why) in dangers.unwrap_or_default() {
            let key = format!("roles.{name}.livekit.{setting}");
            if !self.all.iter().any(|known| known.key == key) {
                self.all.push(Problem::new(key, DEFAULTS_NAME, why));
            }
        }
    }
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, by file and line.
    pub fn load(sources: &Sources, purpose: Purpose) -> Result<Self, Vec<Problem>> {
        let mut files = Vec::new();
        let reader = Reader::default();
        let problems = Problems::default();
        for path in &sources.files {
            let name = path.display().to_string();
            let read = reader
                .text(path)
                .map_err(|why| Problem::new("configuration", &*name, format!("cannot be read: {why}")))
                .and_then(|text| Layer::from_toml(&text, &name));
            match read {
                Ok(layer) => files.push(layer),
                Err(problem) if problem.key == layer::SYNTAX => return Err(vec![problem]),
                Err(problem) => problems.push(problem),
            }
        }
        let environment = environment::layer(&sources.environment, &files, &reader, &problems);
        files.push(environment);
        let described = sources.describe();
        Self::read(files, sources, purpose, &described, false, &reader, problems)
    }

    /// Where the public listener is, whatever else is wrong.
    pub(crate) fn listen(sources: &Sources) -> Option<SocketAddr> {
        let (problems, reader) = (Problems::default(), Reader::default());
        let read = |path: &PathBuf| Layer::from_toml(&reader.text(path).ok()?, "").ok();
        let mut layers: Vec<_> = sources.files.iter().filter_map(read).collect();
        layers.push(environment::layer(&sources.environment, &layers, &reader, &problems));
        let defaults = Layer::from_toml(DEFAULTS, DEFAULTS_NAME).ok()?;
        let merged = layers.into_iter().fold(defaults, Layer::under);
        let reading = Reading { problems: &problems, environment: &sources.environment, files: &reader };
        let mut root = Section::new(String::new(), Value::new(None, merged.0), &reading)?;
        let port = port(&root, sources);
        server::listen(&mut root.section("server")?, port)
    }

    /// Reads one text as the whole configuration, for development: the
    /// well-known keys of the vendors' development servers are taken, and any
    /// page on this machine may ask.
    pub(crate) fn development(text: &str) -> Result<Self, Vec<Problem>> {
        let layer = Layer::from_toml(text, "development").map_err(|problem| vec![problem])?;
        Self::read(
            vec![layer],
            &Sources::default(),
            Purpose::Serve,
            "development",
            true,
            &Reader::default(),
            Problems::default(),
        )
    }

    fn read(
        layers: Vec<Layer>,
        sources: &Sources,
        purpose: Purpose,
        described: &str,
        dev: bool,
        files: &Reader,
        problems: Problems,
    ) -> Result<Self, Vec<Problem>> {
        let defaults = Layer::from_toml(DEFAULTS, DEFAULTS_NAME).map_err(|problem| vec![problem])?;
        let merged = layers.into_iter().fold(defaults, Layer::under);
        let reading = Reading { problems: &problems, environment: &sources.environment, files };
        let config = Section::new(String::new(), Value::new(None, merged.0), &reading)
            .and_then(|root| Self::read_root(root, sources, purpose, described, dev));
        match config {
            Some(config) if problems.is_empty() => Ok(Self { files: files.seen(), ..config }),
            _ => Err(problems.into_sorted()),
        }
    }

    fn read_root(
        mut root: Section<'_>,
        sources: &Sources,
        purpose: Purpose,
        described: &str,
        dev: bool,
    ) -> Option<Self> {
        let mut warnings = Warnings::default();
        let port = port(&root, sources);
        let server = server::server(root.section("server"), port);
        let admin = server::admin(root.section("admin"));
        let log = server::log(root.section("log"));
        let cors = server::cors(root.section("cors"), dev);
        let roles = roles::read(root.section("roles"), &mut warnings);
        let livekit = livekit::read(root.section("livekit"), dev, &mut warnings);
        let authenticate = authenticate::read(root.sections("authenticate"), &roles, &mut warnings);
        let liveblocks = liveblocks::read(root.section("liveblocks"), &mut warnings);
        let on = [(livekit.is_some(), Provider::LiveKit), (liveblocks.is_some(), Provider::Liveblocks)];
        let providers: Vec<_> = on.into_iter().filter_map(|(on, provider)| on.then_some(provider)).collect();
        let projects = projects::names(livekit.as_ref(), liveblocks.as_ref());
        let known = authorize::Known { roles: &roles, providers: &providers, projects: &projects };
        let authorize = authorize::read(root.sections("authorize"), &known, &mut warnings);
        root.later(&["limits"]);
        check_decisions_count(&root, &authenticate, &authorize, livekit.as_ref(), &mut warnings);
        let lists = [("authenticate", authenticate.is_empty()), ("authorize", authorize.is_empty())];
        let empty: Vec<_> = lists.into_iter().filter_map(|(key, is_empty)| is_empty.then_some(key)).collect();
        let clean = root.problems().is_empty();
        if purpose == Purpose::Serve {
            for (key, remedy) in [
                (
                    "authenticate",
                    "says who asks: add an [[authenticate]], or set ROOMKEY_JWT_SECRET or ROOMKEY_API_KEY",
                ),
                (
                    "authorize",
                    "says who may enter: add an [[authorize]], or set ROOMKEY_RULES such as `org:{org}:** participant`",
                ),
            ] {
                if !root.has(key) || (clean && empty.contains(&key)) {
                    root.problems().add(key, described, format!("is missing; it {remedy}"));
                }
            }
            if providers.is_empty() && clean {
                let remedy = "set livekit.api_key and livekit.api_secret, or LIVEKIT_KEYS, and livekit.url; or liveblocks.secret_key";
                root.problems().add(
                    "livekit",
                    described,
                    format!("has no keys, and nothing else is there to serve; {remedy}"),
                );
            }
        }
        root.finish();
        Some(Self {
            server: server?,
            admin: admin.filter(|_| !dev),
            log: log?,
            cors: cors?,
            livekit,
            liveblocks,
            authenticate,
            authorize,
            roles,
            warnings: warnings.all,
            files: Vec::new(),
        })
    }

    /// The names of all projects.
    pub(crate) fn projects(&self) -> Projects {
        projects::names(self.livekit.as_ref(), self.liveblocks.as_ref())
    }

    /// What is questionable, but no error.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

impl Sources {
    /// What was read, for messages about what is missing.
    fn describe(&self) -> String {
        let mut names: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        names.push("environment".to_owned());
        names.join(", ")
    }
}

/// A decision that comes with a credential must count somewhere, and be on the
/// room that is entered.
fn check_decisions_count(
    root: &Section<'_>,
    authenticate: &[crate::authenticate::Settings],
    authorize: &[crate::authorize::Settings],
    livekit: Option<&crate::livekit::Settings>,
    warnings: &mut Warnings,
) {
    use crate::authenticate::Settings::{Invite, Session};
    let counts = authorize.iter().any(|settings| matches!(settings, crate::authorize::Settings::Credential));
    let bring = authenticate.iter().any(|settings| matches!(settings, Session(_) | Invite(_)));
    if bring && !counts && !authorize.is_empty() {
        let why = "has no `kind = \"credential\"`: what a session or an invite decides, a `no` too, counts nowhere";
        warnings.all.push(Problem::new("authorize", root.place("authorize"), why));
    }
    let sessions = authenticate.iter().any(|settings| matches!(settings, Session(_)));
    let needs_claims = livekit
        .and_then(|settings| settings.generated_room.as_ref())
        .is_some_and(|template| template.claims().any(|claim| claim != crate::livekit::RANDOM));
    if sessions && needs_claims {
        root.fail("livekit", "generated_room holds a claim, which is known only after a session was asked about its room; use {random} alone");
    }
}

/// `PORT`, which platforms set, over the port of `server.listen`.
fn port(root: &Section<'_>, sources: &Sources) -> Option<u16> {
    let text = sources.environment.get("PORT").filter(|text| !text.is_empty())?;
    let port = text.parse().ok();
    if port.is_none() {
        let place = format!("{}PORT", section::FROM_ENVIRONMENT);
        root.problems().add("server.listen", place, "PORT must be a number from 0 to 65535");
    }
    port
}
