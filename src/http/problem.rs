//! The one place where errors meet HTTP.
//!
//! Every error has one [`Kind`], and what the outside can see of it follows
//! from the kind. The cause goes to the log and nowhere else.
//!
//! Source of the form: RFC 9457 (`application/problem+json`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::authenticate::AuthenticateError;
use crate::authorize::{Refusal, cut_reason};
use crate::livekit::{IssueError, NotSettable};

/// When an undecided request may be tried again.
const RETRY_AFTER_UNDECIDED: Duration = Duration::from_secs(2);

/// Statuses on which Liveblocks' client stops for good
/// (`@liveblocks/core` 3.24 `auth-manager.ts`, measured).
const STOP_LIVEBLOCKS: [u16; 11] = [400, 401, 403, 404, 405, 410, 412, 414, 422, 431, 451];

/// What a client can tell errors apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    RateLimited,
    Internal,
    UpstreamFailed,
    AuthorizerUnavailable,
    Overloaded,
    Timeout,
}

impl Kind {
    const fn spec(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::UpstreamFailed => (StatusCode::BAD_GATEWAY, "upstream_failed"),
            Self::AuthorizerUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "authorizer_unavailable"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        }
    }
}

/// Anything that ends a request early.
#[derive(Debug)]
pub(super) struct ApiError {
    kind: Kind,
    /// For the client: what was wrong, where, what would be right.
    detail: Option<String>,
    /// For the client: what the decider said.
    reason: Option<String>,
    /// For the client: when to try again.
    retry_after: Option<Duration>,
    /// For the log.
    cause: Option<String>,
}

impl ApiError {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, reason: None, retry_after: None, cause: None }
    }

    /// A 400 that names the field.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self { detail: Some(format!("{field} {why}")), ..Self::new(Kind::InvalidRequest) }
    }

    /// A 503, or a 429 if whoever was asked wants to be asked less.
    fn undecided(busy: Option<Duration>) -> Self {
        match busy {
            Some(wait) => Self { retry_after: Some(wait), ..Self::new(Kind::RateLimited) },
            None => Self::new(Kind::AuthorizerUnavailable),
        }
    }

    /// Says where the field is.
    pub(super) fn within(self, path: &str) -> Self {
        Self { detail: self.detail.map(|detail| format!("{path}.{detail}")), ..self }
    }

    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(super) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub(super) fn cause(self, cause: impl std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// The problem document, and the one line in the log. Liveblocks' client in
    /// its callback form looks at the body alone, and stops at
    /// `"error":"forbidden"`: what will not pass says so `to_liveblocks`.
    pub(super) fn render(&self, mut response: Response, request_id: &str, to_liveblocks: bool) -> Response {
        let (status, code) = self.kind.spec();
        let cause = self.cause.as_deref().or(self.detail.as_deref()).unwrap_or_default();
        if status.is_server_error() {
            tracing::error!(code, cause, request_id, "Request failed");
        } else {
            tracing::info!(code, cause, request_id, "Request refused");
        }
        let mut problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "code": code,
            "request_id": request_id,
        });
        for (name, text) in [("detail", &self.detail), ("reason", &self.reason)] {
            if let Some(text) = text {
                problem[name] = text.as_str().into();
            }
        }
        if to_liveblocks && STOP_LIVEBLOCKS.contains(&status.as_u16()) {
            problem["error"] = "forbidden".into();
            let reason = self.reason.as_deref().or(self.detail.as_deref()).or(status.canonical_reason());
            problem["reason"] = reason.unwrap_or_default().into();
        }
        *response.body_mut() = Body::from(problem.to_string());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl IntoResponse for ApiError {
    /// A response without a body: [`ApiError::render`] gives it one, since only
    /// the edge knows the request's id.
    fn into_response(self) -> Response {
        let (status, _) = self.kind.spec();
        let mut response = status.into_response();
        match self.kind {
            Kind::Unauthenticated => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::RateLimited | Kind::AuthorizerUnavailable | Kind::Overloaded => {
                let wait = self.retry_after.unwrap_or(RETRY_AFTER_UNDECIDED);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            }
            _ => (),
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<AuthenticateError> for ApiError {
    fn from(error: AuthenticateError) -> Self {
        let (kind, detail) = match &error {
            AuthenticateError::Nothing | AuthenticateError::Unclaimed | AuthenticateError::Rejected { .. } => {
                (Kind::Unauthenticated, None)
            }
            AuthenticateError::CrossSite => {
                (Kind::Forbidden, Some("a cookie from a page of another origin does not count here".to_owned()))
            }
            AuthenticateError::Forbidden(why) => (Kind::Forbidden, Some((*why).to_owned())),
            AuthenticateError::Unavailable { why, .. } => return Self::undecided(why.busy_for()).cause(error),
            AuthenticateError::Denied(reason) => {
                return Self { reason: reason.as_deref().map(cut_reason), ..Self::new(Kind::Forbidden) }.cause(error);
            }
            AuthenticateError::Invalid(field, why) => return Self::invalid(field, why),
        };
        Self { detail, ..Self::new(kind) }.cause(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied { authorizer, rule, reason } => {
                let by = authorizer
                    .map_or_else(|| "no authorizer allowed it".to_owned(), |by| format!("{by} {rule} denied it"));
                Self { reason, ..Self::new(Kind::Forbidden).cause(by) }
            }
            Refusal::Unavailable { authorizer, why, busy } => {
                Self::undecided(busy).cause(format!("{authorizer}: {why}"))
            }
        }
    }
}

impl From<NotSettable> for ApiError {
    fn from(error: NotSettable) -> Self {
        Self::invalid(error.field, error.why)
    }
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::NotSettable(error) => error.into(),
            IssueError::Sign(_) | IssueError::NoRoom | IssueError::NoRole | IssueError::NoProject => {
                Self::new(Kind::Internal).cause(error)
            }
        }
    }
}
