//! Rules: a table of who may enter which rooms as what.
//!
//! The first rule that matches decides; nothing matched passes. A rule without
//! `role` and without `deny` does not exist. A `when` that cannot be evaluated
//! never lets in: a rule with a role is passed over, one that denies matches.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Allowance, Authorizer, Denial, Overrides, Unavailable, Verdict};
use crate::ask::{Ask, Context, Notes, Provider, Resource};
use crate::authenticate::Caller;
use crate::claims::{ClaimTests, Claims};
use crate::expression::{Expression, Inputs};
use crate::liveblocks::Permissions;
use crate::pattern::{Pattern, piece};
use crate::room_index::RoomIndex;
use crate::template::Template;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its name, or its place in the configuration.
    pub(crate) id: Arc<str>,
    pub(crate) place: Where,
    pub(crate) claims: ClaimTests,
    /// Empty: any.
    pub(crate) email_domains: Vec<String>,
    pub(crate) provider: Option<Provider>,
    /// What must hold besides.
    pub(crate) when: Option<Expression>,
    pub(crate) effect: Effect,
}

/// What a rule speaks of.
#[derive(Clone, Debug)]
pub(crate) enum Where {
    Room(Pattern),
    /// Calls that concern no room.
    NoRoom,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Deny,
    Allow { role: Arc<str>, project: Option<Arc<str>>, liveblocks_rooms: Arc<[LiveblocksRoom]> },
}

/// A further Liveblocks room, or a pattern of Liveblocks' own.
#[derive(Clone, Debug)]
pub(crate) struct LiveblocksRoom {
    pub(crate) room: Template,
    /// Instead of the role's.
    pub(crate) permissions: Option<Permissions>,
}

impl LiveblocksRoom {
    /// Its pattern for a caller; nothing without a claim that it holds.
    pub(crate) fn fill(&self, claims: &Claims) -> Option<String> {
        self.room.fill(|claim| claims.get(claim).and_then(piece))
    }
}

impl Rule {
    fn matches(&self, caller: &Caller, ask: &Ask) -> bool {
        let claims = caller.claims();
        self.provider.is_none_or(|provider| provider == ask.action.provider())
            && match (&self.place, &ask.resource) {
                (Where::Room(pattern), Resource::Room(room)) => pattern.matches(room.as_str(), claims),
                (Where::NoRoom, Resource::Personal) => true,
                (Where::Room(_), Resource::Personal | Resource::UnnamedRoom)
                | (Where::NoRoom, Resource::Room(_) | Resource::UnnamedRoom) => false,
            }
            && self.claims.hold(|name| claims.get(name))
            && (self.email_domains.is_empty() || has_email_at(claims, &self.email_domains))
    }

    /// Whether a rule that matches so far may decide.
    fn applies<F: FnOnce() -> Inputs>(&self, inputs: &LazyCell<Inputs, F>, notes: &Notes) -> bool {
        let Some(when) = &self.when else { return true };
        when.holds(inputs).unwrap_or_else(|why| {
            notes.add(&format!("{}: `when` could not be evaluated: {why}", self.id));
            matches!(self.effect, Effect::Deny)
        })
    }
}

/// Whether the caller has a verified address at one of the domains: exactly one
/// `@`, nothing unprintable, and `email_verified` true.
fn has_email_at(claims: &Claims, domains: &[String]) -> bool {
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let email = claims.get("email").and_then(Value::as_str).unwrap_or_default();
    let plain = !email.chars().any(|c| c.is_control() || c.is_whitespace());
    let at_domain = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domains.iter().any(|known| known.eq_ignore_ascii_case(domain))
    });
    verified && plain && at_domain
}

/// Decides by rules.
#[derive(Debug)]
pub(crate) struct Rules {
    all: Vec<Rule>,
    by_room: RoomIndex,
    /// Those of calls without a room.
    no_room: Vec<usize>,
}

impl Rules {
    pub(crate) const KIND: &str = "rules";

    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let rooms = rules.iter().enumerate().filter_map(|(number, rule)| match &rule.place {
            Where::Room(pattern) => Some((number, pattern)),
            Where::NoRoom => None,
        });
        let no_room = rules.iter().enumerate().filter(|(_, rule)| matches!(rule.place, Where::NoRoom));
        Self { by_room: RoomIndex::new(rooms), no_room: no_room.map(|(number, _)| number).collect(), all: rules }
    }

    /// The first rule that decides.
    fn first(&self, caller: &Caller, ask: &Ask, context: &Context) -> Option<&Rule> {
        let inputs = LazyCell::new(|| Inputs::new(caller.claims().to_map(), ask, context));
        let decides = |rule: &&Rule| rule.matches(caller, ask) && rule.applies(&inputs, &context.notes);
        let candidates = match ask.resource.room() {
            Some(room) => Cow::Owned(self.by_room.candidates(room.as_str())),
            None => Cow::Borrowed(&*self.no_room),
        };
        candidates.iter().filter_map(|number| self.all.get(*number)).find(decides)
    }
}

#[async_trait]
impl Authorizer for Rules {
    fn name(&self) -> &str {
        Self::KIND
    }

    async fn decide(&self, caller: &Caller, ask: &Ask, context: &Context) -> Result<Verdict, Unavailable> {
        let Some(rule) = self.first(caller, ask, context) else { return Ok(Verdict::Pass) };
        Ok(match &rule.effect {
            Effect::Deny => Verdict::Deny(Denial { rule: rule.id.clone(), reason: None }),
            Effect::Allow { role, project, liveblocks_rooms } => Verdict::Allow(Allowance {
                overrides: Overrides { project: project.clone(), ..Overrides::default() },
                liveblocks_rooms: liveblocks_rooms.clone(),
                ..Allowance::role(role.clone(), rule.id.clone())
            }),
        })
    }
}
