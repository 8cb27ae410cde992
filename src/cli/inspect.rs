//! `roomkey inspect`: what a token is, in words.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{Failure, Files};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Purpose};
use crate::liveblocks::FormSettings;
use crate::{liveblocks, livekit};

/// LiveKit's own leeway in seconds, both ways (measured on v1.13.5).
const LEEWAY: i64 = 60;

/// No token is longer.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The token; `-` or nothing reads it from stdin
    token: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let token = match arguments.token.as_deref() {
        Some("-") | None => {
            let mut text = String::new();
            let mut stdin = std::io::stdin().take(MAX_TOKEN_BYTES);
            stdin.read_to_string(&mut text).map_err(|error| Failure::Because(format!("stdin: {error}")))?;
            text
        }
        Some(token) => token.to_owned(),
    };
    let config = arguments.files.load(Purpose::Keys)?;
    let report = inspect(token.trim(), &config, SystemClock.now()).map_err(Failure::Because)?;
    if arguments.json {
        say!("{}", json!(report));
    } else {
        show(&report);
    }
    if report.valid { Ok(()) } else { Err(Failure::Told) }
}

#[derive(Debug, serde::Serialize)]
struct Report {
    valid: bool,
    /// Why not; empty if valid.
    problems: Vec<String>,
    header: Value,
    claims: Map<String, Value>,
    dangers: Vec<String>,
    can: Vec<String>,
}

/// Header and claims of any three-part token, unsigned ones too: Liveblocks'
/// dev server makes no others.
fn read(token: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let (header, rest) = token.split_once('.')?;
    let (claims, _) = rest.split_once('.').filter(|(_, signature)| !signature.contains('.'))?;
    let part = |text| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    Some((part(header)?, part(claims)?))
}

fn inspect(token: &str, config: &Config, now: i64) -> Result<Report, String> {
    let (header, claims) = read(token).ok_or("this is no JWT that can be read")?;
    let mut problems = Vec::new();
    let (dangers, can) = if let Some(described) = liveblocks::describe(&claims) {
        problems.extend(check_liveblocks(token, config).err().map(str::to_owned));
        described
    } else {
        problems.extend(check_livekit(token, &claims, config).err().map(str::to_owned));
        let described = livekit::describe(&claims);
        problems.extend(described.problems);
        (described.dangers, described.can)
    };
    match claims.get("exp").map(Value::as_i64) {
        None => problems.push("it has no `exp`".to_owned()),
        Some(None) => problems.push("its `exp` is no whole number".to_owned()),
        Some(Some(exp)) if now >= exp.saturating_add(LEEWAY) => {
            problems.push(format!("it expired {} s ago", now.saturating_sub(exp)));
        }
        Some(Some(_)) => (),
    }
    if let Some(nbf) = claims.get("nbf").and_then(Value::as_i64)
        && nbf > now.saturating_add(LEEWAY)
    {
        problems.push(format!("it is valid only in {} s", nbf.saturating_sub(now)));
    }
    Ok(Report { valid: problems.is_empty(), problems, header: header.into(), claims, dangers, can })
}

fn check_livekit(token: &str, claims: &Map<String, Value>, config: &Config) -> Result<(), &'static str> {
    let settings = config.livekit.as_ref().ok_or("no LiveKit keys are configured to check its signature with")?;
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    any_verifies(settings.projects.all().map(|(_, project)| project.keys.verify(token, issuer)))
}

fn check_liveblocks(token: &str, config: &Config) -> Result<(), &'static str> {
    let settings = config.liveblocks.as_ref();
    let settings = settings.ok_or("no liveblocks.signing_secret is configured to check its signature with")?;
    any_verifies(settings.forms.all().map(|(_, form)| match form {
        FormSettings::Local(local) => local.verify(token),
        FormSettings::Cloud(_) => Err("Liveblocks signs these itself, and no one else can check its signature"),
    }))
}

/// Whether the key of any project signed it; else why the last one did not.
fn any_verifies<T>(verdicts: impl Iterator<Item = Result<T, &'static str>>) -> Result<(), &'static str> {
    let mut last = Ok(());
    for verdict in verdicts {
        match verdict {
            Ok(_) => return Ok(()),
            Err(why) => last = Err(why),
        }
    }
    last
}

fn show(report: &Report) {
    say!("valid: {}", if report.valid { "yes" } else { "no" });
    report.problems.iter().for_each(|problem| say!("  {problem}"));
    say!("its bearer can:");
    report.dangers.iter().for_each(|danger| say!("  DANGER {danger}"));
    report.can.iter().for_each(|can| say!("  {can}"));
    say!("header: {:#}", report.header);
    say!("claims: {:#}", Value::Object(report.claims.clone()));
}
