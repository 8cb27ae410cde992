//! The session form: the app's backend knows its own sessions.
//!
//! The cookies and headers that the operator named go to the backend, which
//! says who it is and, in the same answer, whether they may enter. That
//! decision stays sealed until the authorizer `credential` opens it.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::head::Cookie;
use super::{Authenticator, Examined, Head, Identified, Identify, NotIdentified};
use crate::ask::{Ask, Context};
use crate::authorize::{Ceiling, Sealed, Unavailable, verdict};
use crate::callback::{self, Question, Reply, Subject, Who};
use crate::claims::Claims;
use crate::outbound::Pools;

/// One `kind = "callback"`.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    pub(crate) callback: callback::Settings,
    pub(crate) cookies: Vec<String>,
    pub(crate) headers: Vec<HeaderName>,
    /// When the answer names none.
    pub(crate) role: Option<String>,
    pub(crate) ceiling: Arc<Ceiling>,
}

/// Takes the cookies and headers that it is to forward.
#[derive(Debug)]
pub(crate) struct Session {
    settings: SessionSettings,
    callback: callback::Callback,
}

impl Session {
    pub(crate) const KIND: &str = "callback";

    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(settings: SessionSettings, pools: &Pools) -> Result<Self, String> {
        let callback = callback::Callback::new(settings.callback.clone(), pools)?;
        Ok(Self { settings, callback })
    }

    /// What goes along; empty if nothing of it came.
    fn forwarded(&self, head: &Head<'_>) -> Result<HeaderMap, &'static str> {
        let mut forwarded = HeaderMap::new();
        let mut cookies = Vec::new();
        for name in &self.settings.cookies {
            match head.cookie(name) {
                Cookie::None => (),
                Cookie::One(value) => cookies.push(format!("{name}={value}")),
                Cookie::Ambiguous => return Err("a cookie came more than once"),
            }
        }
        if !cookies.is_empty() {
            let value = HeaderValue::from_str(&cookies.join("; ")).map_err(|_| "a cookie is no text")?;
            forwarded.insert(COOKIE, value);
        }
        for name in &self.settings.headers {
            let mut values = head.headers().get_all(name).iter();
            if let Some(value) = values.next() {
                forwarded.insert(name, value.clone());
            }
            if values.next().is_some() {
                return Err("a header came more than once");
            }
        }
        Ok(forwarded)
    }
}

#[async_trait]
impl Authenticator for Session {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, now: i64) -> Examined<'a> {
        match self.forwarded(head) {
            Ok(forwarded) if forwarded.is_empty() => Examined::NotMine,
            Ok(forwarded) => Examined::Later(Box::new(Asking { session: self, forwarded, now })),
            Err(why) => Examined::Rejected(why),
        }
    }
}

/// A session that the backend is yet to be asked about.
struct Asking<'a> {
    session: &'a Session,
    forwarded: HeaderMap,
    now: i64,
}

impl std::fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

#[async_trait]
impl Identify for Asking<'_> {
    async fn identify(self: Box<Self>, ask: &Ask, context: &Context) -> Result<Identified, NotIdentified> {
        let Self { session, forwarded, now } = *self;
        let question = Question { who: Who::Session, ask, context };
        let mut answer = match session.callback.ask(&question, forwarded, now).await {
            Reply::Answer(answer) => *answer,
            Reply::Forbidden => return Err(NotIdentified::Denied(None)),
            Reply::Unauthenticated => return Err(NotIdentified::Rejected("the backend does not know this session")),
            Reply::Busy(wait) => return Err(NotIdentified::Unavailable(Unavailable::busy("answered 429", wait))),
            Reply::Unusable(why) => return Err(NotIdentified::Unavailable(Unavailable::new(why))),
        };
        let Some(Subject { id, name, claims }) = answer.subject.take() else {
            return Err(if answer.allows {
                NotIdentified::Unavailable(Unavailable::new("the answer has no `context.subject`"))
            } else {
                NotIdentified::Denied(answer.reason)
            });
        };
        let mut claims: Map<_, _> = claims;
        let own = [("id", Some(id.clone())), ("name", name)];
        claims.extend(own.into_iter().filter_map(|(claim, value)| Some((claim.to_owned(), Value::String(value?)))));
        let verdict = verdict(answer, session.settings.role.as_deref(), &session.settings.ceiling);
        Ok(Identified { subject: id, claims: Claims::from(claims), sealed: Some(Sealed::verdict(verdict)) })
    }
}
