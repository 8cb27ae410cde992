//! `roomkey check`.

use serde_json::{Map, Value, json};

use super::{Failure, Files, block_on, warn};
use crate::ask::{Action, Ask, OnBehalf, Requested, Resource};
use crate::authenticate::Caller;
use crate::authorize::Refusal;
use crate::claims::{Claims, text};
use crate::clock::SystemClock;
use crate::config::{Config, Problem, Purpose};
use crate::name::RoomName;
use crate::snapshot::{PlugIns, Snapshot};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Also ask what is remote
    #[arg(long)]
    online: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Decide for a caller with these claims, which hold `id`
    #[arg(long = "as", value_name = "CLAIMS_JSON", requires = "livekit")]
    claims: Option<String>,
    /// The room to decide on
    #[arg(long, value_name = "ROOM", requires = "claims")]
    livekit: Option<String>,
}

/// What was decided, as `--json` has it.
#[derive(Debug, serde::Serialize)]
struct Decision {
    outcome: &'static str,
    rule: String,
    role: Option<String>,
    claims: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let question = match (&arguments.claims, &arguments.livekit) {
        (Some(claims), Some(room)) => Some(question(claims, room)?),
        _ => None,
    };
    let config = match arguments.files.load(Purpose::Serve) {
        Ok(config) => config,
        Err(problems) => {
            if arguments.json {
                report(&problems, &[], None);
                return Err(Failure::Told);
            }
            return Err(problems.into());
        }
    };
    let decision = match question {
        Some((caller, ask)) => Some(decide(&config, caller, ask)?),
        None => None,
    };
    if arguments.json {
        report(&[], config.warnings(), decision.as_ref());
    } else {
        warn(config.warnings());
        if arguments.online {
            eprintln!("nothing remote is configured");
        }
        match &decision {
            Some(decision) => show(decision),
            None => println!("the configuration is good"),
        }
    }
    match decision {
        Some(Decision { outcome: "allow", .. }) | None => Ok(()),
        Some(_) => Err(Failure::Told),
    }
}

/// A caller and what it asks for, from the command line.
fn question(claims: &str, room: &str) -> Result<(Caller, Ask), Failure> {
    let usage = |why: &str| Failure::Usage(why.to_owned());
    let claims: Map<String, Value> =
        serde_json::from_str(claims).map_err(|_| usage("--as must be a JSON object such as {\"id\":\"alice\"}"))?;
    let id = claims.get("id").and_then(text).map(std::borrow::Cow::into_owned).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| usage("--as must hold `id`, a string or a whole number"))?;
    let room = RoomName::try_from(room).map_err(|why| Failure::Usage(format!("--livekit: the room {why}")))?;
    let ask = Ask {
        action: Action::LiveKitJoin,
        resource: Resource::Room(room),
        requested: Requested::default(),
        on_behalf: OnBehalf::default(),
    };
    Ok((Caller::vouched(id, Claims::from(claims)), ask))
}

fn decide(config: &Config, caller: Caller, ask: Ask) -> Result<Decision, Failure> {
    let snapshot = Snapshot::new(config, PlugIns::default(), std::sync::Arc::new(SystemClock));
    let Some(livekit) = &snapshot.livekit else {
        return Err(Failure::Because("POST /livekit/token is off: livekit has no keys".to_owned()));
    };
    let refused = |outcome, rule: String, reason| Decision { outcome, rule, role: None, claims: None, reason };
    livekit
        .check(&caller, &ask.requested, snapshot.engine.roles())
        .map_err(|error| Failure::Because(error.to_string()))?;
    block_on(async {
        Ok(match snapshot.engine.rehearse(caller, ask).await {
            Ok(permit) => {
                let claims = livekit.claims(&permit, snapshot.clock.now());
                let claims = claims.map_err(|error| Failure::Because(error.to_string()))?;
                Decision {
                    outcome: "allow",
                    rule: permit.rule().to_owned(),
                    role: Some(permit.role().name().to_owned()),
                    claims: Some(json!(claims)),
                    reason: None,
                }
            }
            Err(Refusal::Denied { rule, reason, .. }) => refused("deny", rule.to_string(), reason),
            Err(Refusal::Unavailable { authorizer, why }) => {
                refused("error", String::new(), Some(format!("{authorizer}: {why}")))
            }
        })
    })
}

fn show(decision: &Decision) {
    println!("outcome: {}", decision.outcome);
    println!("rule: {}", if decision.rule.is_empty() { "none matched" } else { &decision.rule });
    if let Some(role) = &decision.role {
        println!("role: {role}");
    }
    if let Some(reason) = &decision.reason {
        println!("reason: {reason}");
    }
    if let Some(claims) = &decision.claims {
        println!("claims: {claims:#}");
    }
}

fn report(errors: &[Problem], warnings: &[Problem], decision: Option<&Decision>) {
    println!("{}", json!({"errors": errors, "warnings": warnings, "decision": decision}));
}
