//! `roomkey inspect`: what a token is, in words.

use std::io::Read as _;

use jsonwebtoken::dangerous::insecure_decode;
use serde_json::{Map, Value, json};

use super::{Failure, Files};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Purpose;
use crate::livekit::{Keys, describe};

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
    let keys = config.livekit.as_ref().map(|settings| &settings.keys);
    let report = inspect(token.trim(), keys, SystemClock.now()).map_err(Failure::Because)?;
    if arguments.json {
        println!("{}", json!(report));
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

fn inspect(token: &str, keys: Option<&Keys>, now: i64) -> Result<Report, String> {
    let decoded =
        insecure_decode::<Map<String, Value>>(token).map_err(|_| "this is no JWT that can be read".to_owned())?;
    let claims = decoded.claims;
    let mut problems = Vec::new();
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let signature = keys
        .map_or(Err("no keys are configured to check its signature with"), |keys| keys.verify(token, issuer).map(drop));
    problems.extend(signature.err().map(str::to_owned));
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
    let described = describe(&claims);
    problems.extend(described.problems);
    Ok(Report {
        valid: problems.is_empty(),
        problems,
        header: json!(decoded.header),
        claims,
        dangers: described.dangers,
        can: described.can,
    })
}

fn show(report: &Report) {
    println!("valid: {}", if report.valid { "yes" } else { "no" });
    report.problems.iter().for_each(|problem| println!("  {problem}"));
    println!("its bearer can:");
    report.dangers.iter().for_each(|danger| println!("  DANGER {danger}"));
    report.can.iter().for_each(|can| println!("  {can}"));
    println!("header: {:#}", report.header);
    println!("claims: {:#}", Value::Object(report.claims.clone()));
}
