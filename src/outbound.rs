//! Calls to other services: pooled, bounded in time and size, never redirected.
//!
//! A call is sent again only where nothing was sent: when no connection came
//! about. What comes back is read up to a cap and no further.

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// For how long an unused connection is kept: below what servers keep.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The connections of the process, which outlive its configurations.
#[derive(Clone, Debug)]
pub(crate) struct Outbound(reqwest::Client);

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
    /// More than 64 KiB.
    #[error("the answer has more than 64 KiB")]
    TooLarge,
    /// Nothing, or not all of it, in time.
    #[error("no whole answer in time")]
    Silent,
}

impl Outbound {
    /// A pool without connections yet.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up, such as without any CA certificates.
    pub(crate) fn new() -> Result<Self, String> {
        reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .user_agent(concat!("roomkey/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| format!("cannot set up TLS: {error}"))
    }

    /// Posts JSON and waits for the whole answer, `timeout` in all.
    pub(crate) async fn post_json(
        &self,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Answer, NoAnswer> {
        let once = || self.post_once(url, headers, body.clone());
        let twice = async {
            match once().await {
                Err(NoAnswer::NoConnection) => once().await,
                done => done,
            }
        };
        tokio::time::timeout(timeout, twice).await.unwrap_or(Err(NoAnswer::Silent))
    }

    async fn post_once(
        &self,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<Answer, NoAnswer> {
        let mut request =
            self.0.post(url).header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(|error| no_answer(&error))?;
        if response.content_length().is_some_and(|length| length > MAX_ANSWER_BYTES as u64) {
            return Err(NoAnswer::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(NoAnswer::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
    }
}

/// A server on the same network answers sooner, or is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if error.is_connect() {
        NoAnswer::NoConnection
    } else if error.is_timeout() {
        NoAnswer::Silent
    } else {
        NoAnswer::Broken
    }
}
