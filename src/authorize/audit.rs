//! The audit line: one for each decision, whatever the log level.

use std::time::Instant;

use super::Refusal;
use super::permit::Grounds;
use crate::ask::{Ask, Context};
use crate::authenticate::Caller;

/// The target of audit lines, which no log level silences.
pub(crate) const TARGET: &str = "roomkey::audit";

pub(super) fn decision(
    caller: &Caller,
    ask: &Ask,
    context: &Context,
    decision: Result<&Grounds, &Refusal>,
    since: Instant,
) {
    let (outcome, role, authorizer, rule, reason) = match decision {
        Ok(grounds) => ("allow", grounds.role.name(), &*grounds.authorizer, &*grounds.rule, ""),
        Err(Refusal::Denied { authorizer, rule, reason }) => {
            ("deny", "", authorizer.as_deref().unwrap_or_default(), &**rule, reason.as_deref().unwrap_or_default())
        }
        Err(Refusal::Unavailable { authorizer, why, .. }) => ("error", "", &**authorizer, "", &**why),
    };
    let duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let who = (caller.subject(), caller.via());
    write(ask, context, outcome, who, Decided { role, authorizer, rule, reason, duration_ms });
}

/// A decision that was taken before anyone knew whom it is about: a session's.
pub(crate) fn session(via: &str, ask: &Ask, context: &Context, outcome: &str, reason: &str) {
    let decided = Decided { role: "", authorizer: via, rule: "", reason, duration_ms: 0 };
    write(ask, context, outcome, ("", via), decided);
}

#[derive(Clone, Copy)]
struct Decided<'a> {
    role: &'a str,
    authorizer: &'a str,
    rule: &'a str,
    reason: &'a str,
    duration_ms: u64,
}

fn write(ask: &Ask, context: &Context, outcome: &str, (subject, via): (&str, &str), decided: Decided<'_>) {
    let Decided { role, authorizer, rule, reason, duration_ms } = decided;
    tracing::info!(
        target: TARGET,
        event = "decision",
        outcome,
        subject,
        via,
        provider = ask.action.provider().as_str(),
        action = ask.action.as_str(),
        room = ask.resource.room().map_or("", |room| room.as_str()),
        role,
        authorizer,
        rule,
        reason,
        note = context.notes.all(),
        duration_ms,
        request_id = context.request_id,
    );
}
