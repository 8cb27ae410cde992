//! The engine: asks the authorizers in their order, then whoever may object,
//! and writes down every decision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::permit::Grounds;
use super::{Allowance, Authorizer, Denial, Permit, Unavailable, Verdict, Veto, audit};
use crate::ask::{Ask, Context, Resource};
use crate::authenticate::Caller;
use crate::project::Projects;
use crate::role::Roles;

/// The longest reason in characters that reaches a client.
const MAX_REASON_CHARS: usize = 200;

/// The shortest and longest life of a token, whoever gives it.
pub(crate) const MIN_TTL: Duration = Duration::from_mins(2);
pub(crate) const MAX_TTL: Duration = Duration::from_hours(24);

/// Decides. It knows nothing of HTTP, so a stored caller can be decided on
/// again at any time.
#[derive(Debug)]
pub struct Engine {
    authorizers: Vec<Arc<dyn Authorizer>>,
    vetoes: Vec<Arc<dyn Veto>>,
    roles: Roles,
    projects: Projects,
    /// Whether a call without a room opens just the rooms that its decision names.
    personal_names_rooms: bool,
}

/// No permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Decided: no.
    Denied {
        /// Who denied it; nothing if nobody allowed it.
        authorizer: Option<String>,
        /// Which rule.
        rule: Arc<str>,
        /// What the client may know.
        reason: Option<String>,
    },
    /// Undecided.
    Unavailable {
        /// Who could not tell.
        authorizer: String,
        /// For the log.
        why: String,
        /// Whoever was asked wants to be asked less, and for how long.
        busy: Option<Duration>,
    },
}

impl Engine {
    /// An engine over these authorizers, in this order.
    #[must_use]
    pub(crate) fn new(
        authorizers: Vec<Arc<dyn Authorizer>>,
        vetoes: Vec<Arc<dyn Veto>>,
        roles: Roles,
        projects: Projects,
        personal_names_rooms: bool,
    ) -> Self {
        Self { authorizers, vetoes, roles, projects, personal_names_rooms }
    }

    /// All roles.
    #[must_use]
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Whether every authorizer could tell, had it been asked now.
    pub(crate) fn is_ready(&self) -> bool {
        self.authorizers.iter().all(|authorizer| authorizer.is_ready())
    }

    /// Decides, and writes the audit line. `since` is when the request began.
    ///
    /// # Errors
    ///
    /// Nobody allowed it, someone denied it, or someone could not tell.
    pub async fn decide(&self, caller: Caller, ask: Ask, context: &Context, since: Instant) -> Result<Permit, Refusal> {
        let decision = self.evaluate(&caller, &ask, context).await;
        audit::decision(&caller, &ask, context, decision.as_ref(), since);
        decision.map(|grounds| Permit { caller, ask, grounds })
    }

    /// As [`Engine::decide`], for trying things out: leaves no audit line.
    ///
    /// # Errors
    ///
    /// As [`Engine::decide`].
    pub async fn rehearse(&self, caller: Caller, ask: Ask, context: &Context) -> Result<Permit, Refusal> {
        let grounds = self.evaluate(&caller, &ask, context).await?;
        Ok(Permit { caller, ask, grounds })
    }

    async fn evaluate(&self, caller: &Caller, ask: &Ask, context: &Context) -> Result<Grounds, Refusal> {
        let (authorizer, allowance) = self.first_allowance(caller, ask, context).await?;
        let Allowance { role, rule, overrides, liveblocks_rooms, ceiling, invite_use } = allowance;
        let unusable = |why: String| unavailable(authorizer, Unavailable::new(why));
        let provider = ask.action.provider();
        let role = match self.roles.get(&role) {
            Some(_) if ceiling.as_ref().is_some_and(|ceiling| !ceiling.has_role(&role)) => {
                return Err(unusable(format!("named the role {role:?}, which is beyond its ceiling")));
            }
            Some(found) if found.serves(provider) => found.clone(),
            Some(_) => {
                return Err(unusable(format!(
                    "named the role {role:?}, which says nothing about {}",
                    provider.as_str()
                )));
            }
            None => return Err(unusable(format!("named the unknown role {role:?}"))),
        };
        if let Some(project) = overrides.project.as_ref().filter(|project| !self.projects.has(provider, project)) {
            return Err(unusable(format!(
                "named the project {project:?}, which is none of [{}.projects]",
                provider.as_str()
            )));
        }
        let overrides = match &ceiling {
            Some(ceiling) => ceiling.cut(overrides, &role, caller.claims()).map_err(unusable)?,
            None => overrides,
        };
        let opens_nothing = ask.resource == Resource::Personal
            && self.personal_names_rooms
            && !overrides.opens_a_room()
            && !liveblocks_rooms.iter().any(|room| room.fill(caller.claims()).is_some());
        if opens_nothing && ceiling.is_some() {
            return Err(unusable("opens no room that ceiling.liveblocks_rooms allows, and so nothing".to_owned()));
        } else if opens_nothing {
            context.notes.add("every entry of liveblocks_rooms lacks a claim");
            return Err(denied(authorizer, Denial { rule, reason: None }));
        }
        if overrides.ttl.is_some_and(|ttl| !(MIN_TTL..=MAX_TTL).contains(&ttl)) {
            return Err(unusable("gave a token a life that is not from 2m to 24h".to_owned()));
        }
        for veto in &self.vetoes {
            match veto.object(caller, ask).await {
                Ok(None) => (),
                Ok(Some(denial)) => return Err(denied(veto.name(), denial)),
                Err(error) => return Err(unavailable(veto.name(), error)),
            }
        }
        Ok(Grounds { role, authorizer: authorizer.to_owned(), rule, overrides, liveblocks_rooms, invite_use })
    }

    async fn first_allowance(
        &self,
        caller: &Caller,
        ask: &Ask,
        context: &Context,
    ) -> Result<(&str, Allowance), Refusal> {
        for authorizer in &self.authorizers {
            let name = authorizer.name();
            match authorizer.decide(caller, ask, context).await {
                Ok(Verdict::Pass) => (),
                Ok(Verdict::Deny(denial)) => return Err(denied(name, denial)),
                Ok(Verdict::Allow(allowance)) => return Ok((name, allowance)),
                Err(error) => return Err(unavailable(name, error)),
            }
        }
        Err(Refusal::Denied { authorizer: None, rule: Arc::default(), reason: None })
    }
}

fn denied(by: &str, denial: Denial) -> Refusal {
    let reason = denial.reason.as_deref().map(cut_reason);
    Refusal::Denied { authorizer: Some(by.to_owned()), rule: denial.rule, reason }
}

/// A reason as long as a client gets it.
pub(crate) fn cut_reason(reason: &str) -> String {
    reason.chars().take(MAX_REASON_CHARS).collect()
}

fn unavailable(who: &str, error: Unavailable) -> Refusal {
    Refusal::Unavailable { authorizer: who.to_owned(), why: error.why, busy: error.busy }
}
