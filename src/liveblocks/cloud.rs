//! The cloud form: Liveblocks makes the token, with the project's secret key.
//!
//! Its answers are turned into what the browser's client can act on: a fault of
//! ours or of Liveblocks never looks like a refusal, which would stop the
//! client for good. What Liveblocks says reaches neither client nor log, but
//! for its `X-LB-Warn`, which is meant for operators.
//!
//! Source: `@liveblocks/node` 3.24 `client.ts`, `session.ts`; Liveblocks REST
//! API v2 (`authorize-user`, `identify-user`).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Grant, IssueError};
use crate::outbound::{Answer, Call, DEFAULT_RETRY_AFTER, MAX_ANSWER_BYTES, NoAnswer, Outbound, retry_after};

const WARNING: HeaderName = HeaderName::from_static("x-lb-warn");

/// The longest warning in characters that is logged.
const MAX_WARNING_CHARS: usize = 300;

/// `secret_key` and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct CloudSettings {
    pub(crate) secret_key: SecretString,
    /// Without a slash at its end.
    pub(crate) base_url: String,
    pub(crate) timeout: Duration,
    pub(crate) max_in_flight: usize,
}

/// Asks Liveblocks.
#[derive(Debug)]
pub(crate) struct Cloud {
    outbound: Outbound,
    authorize_url: String,
    identify_url: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    in_flight: Arc<Semaphore>,
}

impl Cloud {
    pub(crate) fn new(settings: CloudSettings, outbound: Outbound) -> Self {
        let CloudSettings { secret_key, base_url, timeout, max_in_flight } = settings;
        let authorization =
            HeaderValue::from_str(&format!("Bearer {}", secret_key.expose_secret())).ok().map(|mut value| {
                value.set_sensitive(true);
                value
            });
        Self {
            outbound,
            authorize_url: format!("{base_url}/v2/authorize-user"),
            identify_url: format!("{base_url}/v2/identify-user"),
            authorization,
            timeout,
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
        }
    }

    pub(crate) async fn token(&self, grant: &Grant<'_>) -> Result<String, IssueError> {
        let Ok(_place) = self.in_flight.try_acquire() else {
            let why = "liveblocks.max_in_flight calls to Liveblocks are under way";
            return Err(IssueError::Busy { why, retry_after: DEFAULT_RETRY_AFTER });
        };
        let url = if grant.permissions.is_some() { &self.authorize_url } else { &self.identify_url };
        let headers = self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect();
        let json = Some(serde_json::to_vec(grant).map_err(|_| IssueError::Sign)?);
        let call = Call { url, headers, json, timeout: self.timeout, max_answer: MAX_ANSWER_BYTES };
        match self.outbound.call(&call).await {
            Ok(answer) => read(&answer),
            Err(NoAnswer::Silent) => Err(IssueError::Silent),
            Err(error @ NoAnswer::NoConnection) => {
                Err(IssueError::Upstream(format!("{error}; check liveblocks.base_url and the network to it")))
            }
            Err(error @ (NoAnswer::Broken | NoAnswer::TooLong)) => Err(IssueError::Upstream(error.to_string())),
        }
    }
}

fn read(answer: &Answer) -> Result<String, IssueError> {
    if let Some(warning) = answer.headers.get(WARNING).and_then(|value| value.to_str().ok()) {
        let warning: String = warning.chars().take(MAX_WARNING_CHARS).collect();
        tracing::warn!(warning, "Liveblocks warns");
    }
    let status = answer.status;
    if status.is_success() {
        let token = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|body| body["token"].as_str().map(str::to_owned));
        return token.filter(|token| !token.is_empty()).ok_or_else(|| {
            IssueError::Upstream(format!("answered {status} without a token; check liveblocks.base_url"))
        });
    }
    let remedy = match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let why = "Liveblocks answered 429: it wants fewer calls";
            return Err(IssueError::Busy { why, retry_after: retry_after(&answer.headers) });
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "it does not take liveblocks.secret_key; put in the project's secret key from the dashboard"
        }
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
            "it does not take what was to be granted; `roomkey check --as` shows it"
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "check liveblocks.base_url",
        _ if status.is_redirection() => "it redirects, which is never followed; check liveblocks.base_url",
        _ => "it failed",
    };
    Err(IssueError::Upstream(format!("answered {}: {remedy}", status.as_u16())))
}
