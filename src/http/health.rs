//! Health: alive, and ready for requests.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;

use super::edge;
use super::problem::{ApiError, Kind};
use crate::serve::Readiness;
use crate::service::Handle;

/// `GET /healthz`: the process answers.
pub(super) fn healthz<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/healthz", get(async || "ok\n"))
}

/// The operator's routes.
pub(crate) fn admin(readiness: Arc<Readiness>, handle: Handle) -> Router {
    Router::new()
        .merge(healthz())
        .route("/readyz", get(readyz))
        .fallback(async || ApiError::new(Kind::NotFound))
        .method_not_allowed_fallback(async || ApiError::new(Kind::MethodNotAllowed))
        .layer(axum::middleware::from_fn(edge::finish))
        .with_state((readiness, handle))
}

/// Serving, and everything that decisions need was reached at least once.
async fn readyz(State((readiness, handle)): State<(Arc<Readiness>, Handle)>) -> impl IntoResponse {
    if readiness.is_ready() && handle.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}
