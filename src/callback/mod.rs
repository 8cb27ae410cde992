//! The app's own backend decides: one signed question, one bounded answer.
//!
//! Only the boolean `true` allows. What cannot be understood is no decision,
//! and there is no switch that would make it one.
//!
//! Source: CONTRACT section 6; OpenID AuthZEN Authorization API 1.0 for the
//! form; Standard Webhooks 1.0 for the signature.

mod answer;
mod cache;
mod question;
mod signature;

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;
use tokio::sync::Semaphore;

pub(crate) use answer::{Answer, Subject};
pub(crate) use cache::Recent;
use question::Fingerprint;
pub(crate) use question::{Question, Who};
pub(crate) use signature::{Bearer, ID, SIGNATURE, SigningSecret};

use crate::outbound::{self, Call, MAX_ANSWER_BYTES, Outbound, Pools, retry_after};
use crate::random::hex128;

/// For how long a whole answer is waited for, if the settings say nothing else.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// A backend on the same network answers sooner, or is not there.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// What both forms have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) signing_secret: Option<SigningSecret>,
    pub(crate) bearer: Option<Bearer>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_in_flight: usize,
}

/// Asks the backend.
#[derive(Debug)]
pub(crate) struct Callback {
    settings: Settings,
    outbound: Outbound,
    in_flight: Semaphore,
}

/// What the backend says.
#[derive(Debug)]
pub(crate) enum Reply {
    /// 200, and understood.
    Answer(Box<Answer>),
    /// 403: no.
    Forbidden,
    /// 401: it does not know who asks.
    Unauthenticated,
    /// 429: not now.
    Busy(Duration),
    /// Anything else; for the log.
    Unusable(String),
}

impl Callback {
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(settings: Settings, pools: &Pools) -> Result<Self, String> {
        Ok(Self {
            outbound: pools.outbound(settings.connect_timeout)?,
            in_flight: Semaphore::new(settings.max_in_flight),
            settings,
        })
    }

    /// Asks. `forwarded` goes along; `now` is signed.
    pub(crate) async fn ask(&self, question: &Question<'_>, forwarded: HeaderMap, now: i64) -> Reply {
        let Ok(_place) = self.in_flight.try_acquire() else {
            return Reply::Unusable("max_in_flight calls to the callback are under way".to_owned());
        };
        let (Ok(json), Ok(id)) = (serde_json::to_vec(question), hex128()) else {
            return Reply::Unusable("the question could not be written".to_owned());
        };
        let Settings { url, signing_secret, bearer, timeout, .. } = &self.settings;
        let mut headers = forwarded;
        if let Some(bearer) = bearer {
            bearer.put(&mut headers);
        }
        if let Some(secret) = signing_secret {
            secret.put(&mut headers, &id, now, &json);
        }
        let call = Call { url, headers, json: Some(json), timeout: *timeout, max_answer: MAX_ANSWER_BYTES };
        match self.outbound.call(&call).await {
            Ok(answer) => Reply::read(&answer),
            Err(error) => Reply::Unusable(error.to_string()),
        }
    }
}

impl Reply {
    /// What an answer says.
    pub(crate) fn read(answer: &outbound::Answer) -> Self {
        match answer.status {
            StatusCode::OK => match Answer::read(&answer.body) {
                Ok(answer) => Self::Answer(Box::new(answer)),
                Err(why) => Self::Unusable(why),
            },
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::TOO_MANY_REQUESTS => Self::Busy(retry_after(&answer.headers)),
            status if status.is_redirection() => {
                Self::Unusable(format!("answered {}, and redirects are never followed", status.as_u16()))
            }
            status => Self::Unusable(format!("answered {}", status.as_u16())),
        }
    }
}
