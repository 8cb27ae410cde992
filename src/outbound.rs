//! Calls to other services: pooled, bounded in time and size, never redirected.
//!
//! A call is sent again only where nothing was sent: when no connection came
//! about. What comes back is read up to a cap and no further.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use reqwest::redirect::Policy;

/// The longest answer that is read, if the caller says nothing else.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// For how long an unused connection is kept: below the 5 s of Node's and
/// uvicorn's servers, or a question could meet the connection's end.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// A server on the same network answers sooner, or is not there.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Until when a client waits if nobody says.
pub(crate) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(2);
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// For seeing whether anybody answers.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections of the process, which outlive its configurations: one pool
/// for each connect timeout.
#[derive(Debug, Default)]
pub(crate) struct Pools(Mutex<HashMap<Duration, reqwest::Client>>);

impl Pools {
    /// The pool with that connect timeout. Asked for when a configuration is
    /// put in place, not on the way of a request.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up, such as without any CA certificates.
    pub(crate) fn outbound(&self, connect_timeout: Duration) -> Result<Outbound, String> {
        let mut pools = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = pools.get(&connect_timeout) {
            return Ok(Outbound(client.clone()));
        }
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .user_agent(concat!("roomkey/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot set up TLS, for which CA certificates must be installed: {error}"))?;
        pools.insert(connect_timeout, client.clone());
        Ok(Outbound(client))
    }
}

/// A pool of connections.
#[derive(Clone, Debug)]
pub(crate) struct Outbound(reqwest::Client);

/// A call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: HeaderMap,
    /// With one it is a POST of JSON, without a GET.
    pub(crate) json: Option<Vec<u8>>,
    /// For the whole call.
    pub(crate) timeout: Duration,
    pub(crate) max_answer: usize,
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// No answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The name does not resolve, or nobody listens.
    #[error("no connection")]
    NoConnection,
    /// It broke off, or is no HTTP.
    #[error("the answer broke off or is no HTTP")]
    Broken,
    /// More than was to be read.
    #[error("the answer is too long")]
    TooLong,
    /// Nothing, or not all of it, in time.
    #[error("no whole answer in time")]
    Silent,
}

/// Until when whoever was asked wants to be left alone: seconds (RFC 9110
/// section 10.2.3; a date there is not read), 5 minutes at most.
pub(crate) fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER)
}

impl Outbound {
    /// Makes a call and waits for the whole answer.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, NoAnswer> {
        let twice = async {
            match self.once(call).await {
                Err(NoAnswer::NoConnection) => self.once(call).await,
                done => done,
            }
        };
        tokio::time::timeout(call.timeout, twice).await.unwrap_or(Err(NoAnswer::Silent))
    }

    /// Whether anybody answers there, whatever it is.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) async fn reach(&self, url: &str) -> Result<(), String> {
        let call =
            Call { url, headers: HeaderMap::new(), json: None, timeout: REACH_TIMEOUT, max_answer: MAX_ANSWER_BYTES };
        match self.call(&call).await {
            Ok(_) | Err(NoAnswer::TooLong) => Ok(()),
            // What is behind the path may be a secret.
            Err(error) => Err(format!("{}: {error}", url.split(['?', '#']).next().unwrap_or_default())),
        }
    }

    async fn once(&self, call: &Call<'_>) -> Result<Answer, NoAnswer> {
        let method = if call.json.is_some() { Method::POST } else { Method::GET };
        let mut request = self.0.request(method, call.url).headers(call.headers.clone());
        if let Some(json) = &call.json {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(json.clone());
        }
        let mut response = request.send().await.map_err(|error| no_answer(&error))?;
        if response.content_length().is_some_and(|length| length > call.max_answer as u64) {
            return Err(NoAnswer::TooLong);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len() + chunk.len() > call.max_answer {
                return Err(NoAnswer::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
    }
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if error.is_connect() {
        NoAnswer::NoConnection
    } else if error.is_timeout() {
        NoAnswer::Silent
    } else {
        NoAnswer::Broken
    }
}
