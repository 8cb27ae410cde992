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
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

pub(crate) use answer::{Answer, Subject};
pub(crate) use cache::Recent;
use question::Fingerprint;
pub(crate) use question::{Question, Who};
pub(crate) use signature::SigningSecret;

use crate::outbound::{Call, MAX_ANSWER_BYTES, Outbound, Pools, retry_after};
use crate::random::hex128;

/// What both forms have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) signing_secret: Option<SigningSecret>,
    pub(crate) bearer: Option<SecretString>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_in_flight: usize,
}

/// Asks the backend.
#[derive(Debug)]
pub(crate) struct Callback {
    settings: Settings,
    outbound: Outbound,
    bearer: Option<HeaderValue>,
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

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

impl Callback {
    /// # Errors
    ///
    /// TLS cannot be set up, or the bearer is no header.
    pub(crate) fn new(settings: Settings, pools: &Pools) -> Result<Self, String> {
        let bearer = settings.bearer.as_ref().map(|bearer| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))?;
            value.set_sensitive(true);
            Ok::<_, http::header::InvalidHeaderValue>(value)
        });
        Ok(Self {
            outbound: pools.outbound(settings.connect_timeout)?,
            bearer: bearer.transpose().map_err(|_| "the bearer of a callback cannot be sent in a header".to_owned())?,
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
        let mut headers = forwarded;
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        if let Some(secret) = &self.settings.signing_secret {
            let signed = secret.sign(&id, now, &json);
            for (name, value) in [(ID, id), (TIMESTAMP, now.to_string()), (SIGNATURE, signed)] {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    headers.insert(name, value);
                }
            }
        }
        let Settings { url, timeout, .. } = &self.settings;
        let call = Call { url, headers, json: Some(json), timeout: *timeout, max_answer: MAX_ANSWER_BYTES };
        match self.outbound.call(&call).await {
            Ok(answer) => read(&answer),
            Err(error) => Reply::Unusable(error.to_string()),
        }
    }
}

fn read(answer: &crate::outbound::Answer) -> Reply {
    match answer.status {
        StatusCode::OK => match Answer::read(&answer.body) {
            Ok(answer) => Reply::Answer(Box::new(answer)),
            Err(why) => Reply::Unusable(why),
        },
        StatusCode::FORBIDDEN => Reply::Forbidden,
        StatusCode::UNAUTHORIZED => Reply::Unauthenticated,
        StatusCode::TOO_MANY_REQUESTS => Reply::Busy(retry_after(&answer.headers)),
        status if status.is_redirection() => {
            Reply::Unusable(format!("answered {}, and redirects are never followed", status.as_u16()))
        }
        status => Reply::Unusable(format!("answered {}", status.as_u16())),
    }
}
