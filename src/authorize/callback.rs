//! The app's backend decides on callers that we know.
//!
//! If the operator says so, a yes counts again for the same question for a
//! moment; a no, and what is no answer, is asked anew each time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::ceiling::Ceiling;
use super::{Allowance, Authorizer, Denial, Unavailable, Verdict};
use crate::ask::{Ask, Context, Provider, Resource};
use crate::authenticate::Caller;
use crate::callback::{self, Answer, Question, Recent, Reply, Who};
use crate::clock::Clock;
use crate::outbound::Pools;
use crate::pattern::Pattern;

/// One `kind = "callback"`.
#[derive(Clone, Debug)]
pub(crate) struct CallbackSettings {
    pub(crate) callback: callback::Settings,
    /// Only these rooms.
    pub(crate) room: Option<Pattern>,
    pub(crate) provider: Option<Provider>,
    /// When the answer names none.
    pub(crate) role: Option<String>,
    pub(crate) ceiling: Arc<Ceiling>,
    /// For how long a yes counts again; zero: not at all.
    pub(crate) cache: Duration,
}

/// Asks the backend.
#[derive(Debug)]
pub(crate) struct Callback {
    settings: CallbackSettings,
    backend: callback::Callback,
    clock: Arc<dyn Clock>,
    recent: Option<Recent>,
}

impl Callback {
    pub(crate) const KIND: &str = "callback";

    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(settings: CallbackSettings, pools: &Pools, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let backend = callback::Callback::new(settings.callback.clone(), pools)?;
        let recent = (!settings.cache.is_zero()).then(|| Recent::new(settings.cache));
        Ok(Self { settings, backend, clock, recent })
    }

    fn concerns(&self, caller: &Caller, ask: &Ask) -> bool {
        self.settings.provider.is_none_or(|provider| provider == ask.action.provider())
            && self.settings.room.as_ref().is_none_or(|pattern| match &ask.resource {
                Resource::Room(room) => pattern.matches(room.as_str(), caller.claims()),
                Resource::Personal | Resource::UnnamedRoom => false,
            })
    }
}

#[async_trait]
impl Authorizer for Callback {
    fn name(&self) -> &str {
        Self::KIND
    }

    async fn decide(&self, caller: &Caller, ask: &Ask, context: &Context) -> Result<Verdict, Unavailable> {
        if !self.concerns(caller, ask) {
            return Ok(Verdict::Pass);
        }
        let question = Question { who: Who::User(caller), ask, context };
        let recent = self.recent.as_ref().and_then(|recent| Some((recent, question.fingerprint()?)));
        if let Some(verdict) = recent.and_then(|(recent, question)| recent.get(&question)) {
            return Ok(verdict);
        }
        match self.backend.ask(&question, http::HeaderMap::new(), self.clock.now()).await {
            Reply::Answer(answer) => {
                let bytes = answer.bytes;
                let verdict = verdict(*answer, self.settings.role.as_deref(), &self.settings.ceiling);
                if let (Ok(verdict @ Verdict::Allow(_)), Some((recent, question))) = (&verdict, recent) {
                    recent.keep(question, verdict.clone(), bytes);
                }
                verdict.map_err(Unavailable::new)
            }
            Reply::Forbidden => Ok(Verdict::Deny(denial(None))),
            Reply::Busy(wait) => Err(Unavailable::busy("answered 429", wait)),
            Reply::Unauthenticated => Err(Unavailable::new("answered 401")),
            Reply::Unusable(why) => Err(Unavailable::new(why)),
        }
    }
}

/// What an answer decides, in either form.
pub(crate) fn verdict(answer: Answer, default_role: Option<&str>, ceiling: &Arc<Ceiling>) -> Result<Verdict, String> {
    if !answer.allows {
        return Ok(Verdict::Deny(denial(answer.reason)));
    }
    let role = answer.role.as_deref().or(default_role);
    let role = role.ok_or("the answer names no role, and the block has none")?;
    Ok(Verdict::Allow(Allowance {
        overrides: answer.overrides,
        ceiling: Some(ceiling.clone()),
        ..Allowance::role(role, Callback::KIND)
    }))
}

fn denial(reason: Option<String>) -> Denial {
    Denial { rule: Callback::KIND.into(), reason }
}
