//! The engine: asks the authorizers in their order, then whoever may object,
//! and writes down every decision.

use std::sync::Arc;
use std::time::Instant;

use super::permit::Grounds;
use super::{Allowance, Authorizer, Denial, Permit, Verdict, Veto, audit};
use crate::ask::{Ask, Context};
use crate::authenticate::Caller;
use crate::role::Roles;

/// The longest reason in characters that reaches a client.
const MAX_REASON_CHARS: usize = 200;

/// Decides. It knows nothing of HTTP, so a stored caller can be decided on
/// again at any time.
#[derive(Debug)]
pub struct Engine {
    authorizers: Vec<Arc<dyn Authorizer>>,
    vetoes: Vec<Arc<dyn Veto>>,
    roles: Roles,
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
    },
}

impl Engine {
    /// An engine over these authorizers, in this order.
    #[must_use]
    pub fn new(authorizers: Vec<Arc<dyn Authorizer>>, vetoes: Vec<Arc<dyn Veto>>, roles: Roles) -> Self {
        Self { authorizers, vetoes, roles }
    }

    /// All roles.
    #[must_use]
    pub const fn roles(&self) -> &Roles {
        &self.roles
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
    pub async fn rehearse(&self, caller: Caller, ask: Ask) -> Result<Permit, Refusal> {
        let grounds = self.evaluate(&caller, &ask, &Context::default()).await?;
        Ok(Permit { caller, ask, grounds })
    }

    async fn evaluate(&self, caller: &Caller, ask: &Ask, context: &Context) -> Result<Grounds, Refusal> {
        let (authorizer, allowance) = self.first_allowance(caller, ask, context).await?;
        let provider = ask.action.provider();
        let role = match self.roles.get(&allowance.role) {
            Some(role) if role.serves(provider) => role.clone(),
            Some(_) => {
                let why =
                    format!("named the role {:?}, which says nothing about {}", allowance.role, provider.as_str());
                return Err(unavailable(authorizer, why));
            }
            None => return Err(unavailable(authorizer, format!("named the unknown role {:?}", allowance.role))),
        };
        for veto in &self.vetoes {
            match veto.object(caller, ask).await {
                Ok(None) => (),
                Ok(Some(denial)) => return Err(denied(veto.name(), denial)),
                Err(error) => return Err(unavailable(veto.name(), error.to_string())),
            }
        }
        Ok(Grounds { role, authorizer: authorizer.to_owned(), allowance })
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
                Err(error) => return Err(unavailable(name, error.to_string())),
            }
        }
        Err(Refusal::Denied { authorizer: None, rule: Arc::default(), reason: None })
    }
}

fn denied(by: &str, denial: Denial) -> Refusal {
    let reason = denial.reason.map(|reason| reason.chars().take(MAX_REASON_CHARS).collect());
    Refusal::Denied { authorizer: Some(by.to_owned()), rule: denial.rule, reason }
}

fn unavailable(who: &str, why: String) -> Refusal {
    Refusal::Unavailable { authorizer: who.to_owned(), why }
}
