//! The edge: routes, and the order of what happens around them.
//!
//! Only this module, `serve` and `service` know axum.

mod edge;
mod health;
mod invites;
mod json;
mod liveblocks;
mod livekit;
mod problem;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use http::header::{ORIGIN, RETRY_AFTER};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub(crate) use health::admin;
use problem::{ApiError, Kind};

use crate::authenticate::Origins;
use crate::config::Cors;
use crate::snapshot::Snapshot;

/// The route whose errors Liveblocks' client reads.
const LIVEBLOCKS_PATH: &str = "/api/liveblocks-auth";

/// For how long browsers may remember a preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

/// The public routes over one snapshot.
pub(crate) fn public(snapshot: Arc<Snapshot>) -> Router {
    let cors = cors(&snapshot.cors);
    Router::new()
        .merge(livekit::routes())
        .merge(liveblocks::routes())
        .merge(invites::routes())
        .merge(health::healthz())
        .fallback(async || ApiError::new(Kind::NotFound))
        .method_not_allowed_fallback(async || ApiError::new(Kind::MethodNotAllowed))
        .layer(CatchPanicLayer::custom(|_| -> Response<Body> {
            ApiError::new(Kind::Internal).cause("a handler panicked").into_response()
        }))
        .layer(cors)
        .layer(axum::middleware::from_fn(edge::finish))
        .with_state(snapshot)
}

fn cors(settings: &Cors) -> CorsLayer {
    let origins = match &settings.origins {
        Origins::Listed(origins) if origins.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        listed_or_loopback => {
            let origins = listed_or_loopback.clone();
            AllowOrigin::predicate(move |origin, _| origins.allow(origin))
        }
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(settings.allow_credentials)
        .allow_methods([Method::POST])
        .allow_headers(settings.allowed_headers.clone())
        .expose_headers([edge::REQUEST_ID, RETRY_AFTER])
        .max_age(PREFLIGHT_MAX_AGE)
        .vary([ORIGIN])
}
