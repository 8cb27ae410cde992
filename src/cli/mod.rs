//! The command line: arguments to a command, its end to an exit code.
//!
//! 0 is done, 1 failed or refused, 2 wrong usage. What a command was asked for
//! goes to stdout, all else to stderr.
#![expect(clippy::print_stderr, reason = "this is where people are spoken to")]

/// Writes a line to stdout.
macro_rules! say {
    ($($text:tt)+) => { $crate::cli::write_line(format_args!($($text)+)) };
}

mod check;
mod conformance;
mod dev;
mod healthcheck;
mod inspect;
mod keygen;
mod mint;
mod reload;
mod serve;

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Problem, Purpose, Sources};

/// Read if it is there and nothing else was said.
const DEFAULT_FILE: &str = "config/roomkey.toml";

#[derive(Debug, Parser)]
#[command(name = "roomkey", version, about = "Hands out the keys to realtime rooms", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Zero configuration, for this machine only
    #[command(after_help = "Example:\n  roomkey dev --listen 127.0.0.1:7890")]
    Dev(dev::Arguments),
    /// The service
    #[command(after_help = "Example:\n  roomkey serve --config config/roomkey.toml")]
    Serve(Files),
    /// Check a configuration, and try a decision on it
    #[command(
        after_help = "Examples:\n  roomkey check --config config/roomkey.toml\n  roomkey check --as '{\"id\":\"alice\",\"org\":\"acme\"}' --livekit org:acme:standup"
    )]
    Check(check::Arguments),
    /// Make an operator's token from the configured keys
    #[command(after_help = "Example:\n  roomkey mint livekit --identity alice --room standup --role host")]
    Mint(mint::Arguments),
    /// Show what a token is, whether it is valid, and what its bearer can do
    #[command(
        after_help = "Example:\n  roomkey mint livekit --identity alice --room standup --role host | roomkey inspect -"
    )]
    Inspect(inspect::Arguments),
    /// Make an API key for the app's backend
    #[command(after_help = "Example:\n  roomkey keygen backend")]
    Keygen(keygen::Arguments),
    /// Ask a team's own callback endpoint right and wrong questions, and say how it does
    #[command(
        after_help = "Examples:\n  roomkey conformance --url http://app:3000/internal/roomkey --signing-secret-file signing.secret --user alice --room standup\n  roomkey conformance --url http://app:3000/internal/session --signing-secret-file signing.secret --session --user session=abc --room standup"
    )]
    Conformance(conformance::Arguments),
    /// Ask the running service whether it is alive, for containers
    #[command(after_help = "Example:\n  roomkey healthcheck")]
    Healthcheck(Files),
}

/// Which files to read.
#[derive(Args, Clone, Debug)]
struct Files {
    /// A TOML file; several lie over each other in their order
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
enum Failure {
    /// Said already.
    Told,
    /// To be said.
    Because(String),
    /// The arguments make no sense together.
    Usage(String),
    /// Everything wrong with the configuration.
    Configuration(Vec<Problem>),
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Configuration(problems)
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let _installed_before = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let done = match Arguments::parse().command {
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Serve(files) => serve::run(&files),
        Command::Check(arguments) => check::run(&arguments),
        Command::Mint(arguments) => mint::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Healthcheck(files) => healthcheck::run(&files),
    };
    match done {
        Ok(()) if UNWRITTEN.load(Relaxed) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Because(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        Err(Failure::Configuration(problems)) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            ExitCode::FAILURE
        }
        Err(Failure::Usage(why)) => {
            eprintln!("{why}\n\nFor more information, try '--help'.");
            ExitCode::from(2)
        }
    }
}

impl Files {
    /// The files named here, else `$ROOMKEY_CONFIG`, else the default one if it
    /// is there; and the environment.
    fn sources(&self) -> Sources {
        let environment = std::env::vars_os()
            // A value that is no text must not count as not given.
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect::<std::collections::HashMap<_, _>>();
        let named = environment.get("ROOMKEY_CONFIG").filter(|file| !file.is_empty());
        let files = match (&self.config[..], named) {
            ([], Some(named)) => vec![PathBuf::from(named)],
            ([], None) => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()).into_iter().collect(),
            (named, _) => named.to_vec(),
        };
        Sources { files, environment }
    }

    fn load(&self, purpose: Purpose) -> Result<Config, Vec<Problem>> {
        Config::load(&self.sources(), purpose)
    }
}

/// The runtime that a command's future runs on.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Because(format!("cannot start: {error}")))?;
    let done = runtime.block_on(work);
    // A file or a name server that hangs must not keep us.
    runtime.shutdown_background();
    done
}

/// Whether a line could not be written that somebody waits for.
static UNWRITTEN: AtomicBool = AtomicBool::new(false);

/// Whoever stops reading, as `head` does, ends nothing.
fn write_line(line: fmt::Arguments<'_>) {
    let Err(error) = writeln!(io::stdout(), "{line}") else { return };
    if error.kind() != io::ErrorKind::BrokenPipe && !UNWRITTEN.swap(true, Relaxed) {
        eprintln!("cannot write to stdout: {error}");
    }
}

fn warn(problems: &[Problem]) {
    problems.iter().for_each(|problem| eprintln!("warning: {problem}"));
}
