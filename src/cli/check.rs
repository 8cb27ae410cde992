//! `roomkey check`.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Failure, Files, block_on, warn};
use crate::ask::{Action, Ask, Context, OnBehalf, Requested, Resource};
use crate::authenticate::Caller;
use crate::authorize::{Permit, Refusal};
use crate::claims::{Claims, text};
use crate::clock::SystemClock;
use crate::config::{Config, Problem, Purpose};
use crate::name::{BadName, RoomName};
use crate::outbound::{CONNECT_TIMEOUT, Pools};
use crate::snapshot::{Outside, PlugIns, Snapshot};

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
    #[arg(long = "as", value_name = "CLAIMS_JSON", requires = "Place")]
    claims: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// What to decide on.
#[derive(clap::Args, Debug)]
#[group(multiple = false, requires = "claims")]
struct Place {
    /// Joining this call
    #[arg(long, value_name = "ROOM")]
    livekit: Option<String>,
    /// Entering this document
    #[arg(long, value_name = "ROOM")]
    liveblocks: Option<String>,
    /// Liveblocks' inbox and notifications
    #[arg(long)]
    liveblocks_personal: bool,
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
    /// What the audit line would say besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let question = arguments.claims.as_ref().map(|claims| question(claims, &arguments.place)).transpose()?;
    let config = match arguments.files.load(Purpose::Serve) {
        Ok(config) => config,
        Err(problems) if arguments.json => {
            report(&problems, &[], None);
            return Err(Failure::Told);
        }
        Err(problems) => return Err(problems.into()),
    };
    let unreachable = if arguments.online { online(&config)? } else { Vec::new() };
    if !unreachable.is_empty() && arguments.json {
        report(&unreachable, config.warnings(), None);
        return Err(Failure::Told);
    } else if !unreachable.is_empty() {
        return Err(unreachable.into());
    }
    let decision = match question.map(|(caller, ask)| decide(&config, caller, ask)).transpose() {
        Err(Failure::Because(why)) if arguments.json => {
            let (rule, reason) = (String::new(), Some(why));
            Some(Decision { outcome: "error", rule, role: None, claims: None, reason, note: None })
        }
        decided => decided?,
    };
    if arguments.json {
        report(&[], config.warnings(), decision.as_ref());
    } else {
        warn(config.warnings());
        if let Some(decision) = &decision {
            show(decision);
        } else {
            say!("the configuration is good");
        }
    }
    match decision {
        Some(Decision { outcome: "allow", .. }) | None => Ok(()),
        Some(_) => Err(Failure::Told),
    }
}

/// What is remote and cannot be had now.
fn online(config: &Config) -> Result<Vec<Problem>, Failure> {
    let pools = Pools::default();
    block_on(async {
        let mut problems = Vec::new();
        let mut note = |key: String, reached: Result<(), String>| {
            problems.extend(reached.err().map(|why| Problem::new(key, "online", why)));
        };
        for (index, settings) in config.authenticate.iter().enumerate() {
            note(format!("authenticate[{index}]"), settings.reach(&pools).await);
        }
        for (index, settings) in config.authorize.iter().enumerate() {
            note(format!("authorize[{index}]"), settings.reach(&pools).await);
        }
        let forms = config.liveblocks.iter().flat_map(|settings| settings.forms.all());
        for (project, url) in forms.filter_map(|(project, form)| Some((project, form.base_url()?))) {
            let outbound = pools.outbound(CONNECT_TIMEOUT).map_err(Failure::Because)?;
            let place = project.map_or_else(String::new, |name| format!(".projects.{name}"));
            note(format!("liveblocks{place}.base_url"), outbound.reach(url).await);
        }
        Ok(problems)
    })
}

/// A caller and what it asks for, from the command line.
fn question(claims: &str, place: &Place) -> Result<(Caller, Ask), Failure> {
    let usage = |why: &str| Failure::Usage(why.to_owned());
    let claims: Map<String, Value> =
        serde_json::from_str(claims).map_err(|_| usage("--as must be a JSON object such as {\"id\":\"alice\"}"))?;
    let id = claims.get("id").and_then(text).map(Cow::into_owned).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| usage("--as must hold `id`, a string or a whole number"))?;
    let room = |name: Result<RoomName, BadName>| {
        name.map(Resource::Room).map_err(|why| Failure::Usage(format!("the room {why}")))
    };
    let (action, resource) = match (&place.livekit, &place.liveblocks) {
        (Some(name), _) => (Action::LiveKitJoin, room(RoomName::livekit(name))?),
        (None, Some(name)) => (Action::LiveblocksEnter, room(RoomName::liveblocks(name))?),
        (None, None) => (Action::LiveblocksPersonal, Resource::Personal),
    };
    let ask = Ask { action, resource, requested: Requested::default(), on_behalf: OnBehalf::default() };
    Ok((Caller::vouched(id, Claims::from(claims)), ask))
}

fn decide(config: &Config, caller: Caller, ask: Ask) -> Result<Decision, Failure> {
    let because = |error: &dyn std::fmt::Display| Failure::Because(error.to_string());
    let snapshot =
        Snapshot::new(config, &Outside::new(PlugIns::default(), Arc::new(SystemClock))).map_err(Failure::Because)?;
    let context = Context::default();
    let decided = block_on(async { Ok(snapshot.engine.rehearse(caller, ask, &context).await) })?;
    let note = context.notes.all();
    let refused = |outcome, rule: String, reason| Decision {
        outcome,
        rule,
        role: None,
        claims: None,
        reason,
        note: note.clone(),
    };
    Ok(match decided {
        Ok(permit) => Decision {
            outcome: "allow",
            rule: permit.rule().to_owned(),
            role: Some(permit.role().name().to_owned()),
            claims: Some(claims(&snapshot, &permit).map_err(|error| because(&*error))?),
            reason: None,
            note,
        },
        Err(Refusal::Denied { rule, reason, .. }) => refused("deny", rule.to_string(), reason),
        Err(Refusal::Unavailable { authorizer, why, .. }) => {
            refused("error", String::new(), Some(format!("{authorizer}: {why}")))
        }
    })
}

/// What would be signed, or asked of Liveblocks.
fn claims(snapshot: &Snapshot, permit: &Permit) -> Result<Value, Box<dyn std::error::Error>> {
    let now = snapshot.clock.now();
    match (permit.ask().action, &snapshot.livekit, &snapshot.liveblocks) {
        (Action::LiveKitJoin, Some(livekit), _) => Ok(json!(livekit.claims(permit, now)?)),
        (Action::LiveKitJoin, None, _) => Err("POST /livekit/token is off: livekit has no keys".into()),
        (_, _, Some(liveblocks)) => Ok(liveblocks.preview(&liveblocks.grant(permit)?, now)?),
        (_, _, None) => Err("POST /api/liveblocks-auth is off: liveblocks has no key".into()),
    }
}

fn show(decision: &Decision) {
    say!("outcome: {}", decision.outcome);
    say!("rule: {}", if decision.rule.is_empty() { "none matched" } else { &decision.rule });
    if let Some(role) = &decision.role {
        say!("role: {role}");
    }
    if let Some(reason) = &decision.reason {
        say!("reason: {reason}");
    }
    if let Some(note) = &decision.note {
        say!("note: {note}");
    }
    if let Some(claims) = &decision.claims {
        say!("claims: {claims:#}");
    }
}

fn report(errors: &[Problem], warnings: &[Problem], decision: Option<&Decision>) {
    say!("{}", json!({"errors": errors, "warnings": warnings, "decision": decision}));
}
