//! Health: alive, and ready for requests.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;

use super::edge;
use super::problem::{ApiError, Kind};

/// Whether requests should come here now.
pub(crate) type IsReady = Arc<dyn Fn() -> bool + Send + Sync>;

/// `GET /healthz`: the process answers.
pub(super) fn healthz<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/healthz", get(async || "ok\n"))
}

/// The operator's routes.
pub(crate) fn admin(is_ready: IsReady) -> Router {
    Router::new()
        .merge(healthz())
        .route("/readyz", get(readyz))
        .fallback(async || ApiError::new(Kind::NotFound))
        .method_not_allowed_fallback(async || ApiError::new(Kind::MethodNotAllowed))
        .layer(axum::middleware::from_fn(edge::finish))
        .with_state(is_ready)
}

/// Serving, and everything that decisions need was reached at least once.
async fn readyz(State(is_ready): State<IsReady>) -> impl IntoResponse {
    if is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}
