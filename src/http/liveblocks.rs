//! `POST /api/liveblocks-auth`.
//!
//! Source: `@liveblocks/core` 3.24 `auth-manager.ts` for what clients send and
//! how they take each answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use super::LIVEBLOCKS_PATH;
use super::edge::{self, Arrival};
use super::json::{self, shown};
use super::problem::{ApiError, Kind};
use crate::ask::{Action, Ask, Requested, Resource};
use crate::liveblocks::{IssueError, Unfit};
use crate::name::{MAX_LIVEBLOCKS_UNITS, RoomName};
use crate::snapshot::Snapshot;

pub(super) fn routes() -> Router<Arc<Snapshot>> {
    Router::new().route(LIVEBLOCKS_PATH, post(token))
}

/// The whole way of a request: who asks, what for, may they, the key.
async fn token(State(snapshot): State<Arc<Snapshot>>, request: Request) -> Result<Response, ApiError> {
    let since = Instant::now();
    let Some(liveblocks) = &snapshot.liveblocks else { return Err(ApiError::new(Kind::NotFound)) };
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(CONTENT_TYPE) || !body.is_end_stream() {
        edge::require_json(&parts.headers)?;
    }
    let arrival = Arrival::of(&parts, &snapshot);
    let credential = snapshot.chain.examine(&arrival.head(&parts))?;
    let body = edge::read_body(body, &snapshot, &arrival).await?;
    let ask = read(if body.is_empty() { Map::new() } else { json::object(&body)? })?;
    arrival
        .before_deadline(async {
            let caller = credential.identify(&ask, &arrival.context).await?;
            if ask.requested.identity.as_deref().is_some_and(|user| user != caller.subject()) {
                return Err(ApiError::invalid("user_id", "must be the authenticated subject, or be left out"));
            }
            if ask.on_behalf.user.as_ref().is_some_and(|user| user.encode_utf16().nth(MAX_LIVEBLOCKS_UNITS).is_some()) {
                return Err(ApiError::invalid("user_id", "has more than 128 UTF-16 units"));
            }
            let permit = snapshot.engine.decide(caller, ask, &arrival.context, since).await?;
            let token = liveblocks.issue(&permit, snapshot.clock.now()).await?;
            permit.spend();
            let body = json!({ "token": token }).to_string();
            Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
        })
        .await
}

fn read(mut body: Map<String, Value>) -> Result<Ask, ApiError> {
    let (action, resource) = match body.remove("room") {
        None | Some(Value::Null) => (Action::LiveblocksPersonal, Resource::Personal),
        Some(Value::String(room)) => match RoomName::liveblocks(&room) {
            Ok(room) => (Action::LiveblocksEnter, Resource::Room(room)),
            Err(why) => return Err(ApiError::invalid("room", why)),
        },
        Some(_) => return Err(ApiError::invalid("room", "must be a string")),
    };
    let user = json::text(&mut body, "user_id", usize::MAX)?;
    let on_behalf = json::on_behalf(&mut body, user.clone())?;
    if let Some(unknown) = body.keys().next() {
        return Err(ApiError::invalid(&shown(unknown), "is no field of this request").cause("an unknown field"));
    }
    Ok(Ask { action, resource, requested: Requested { identity: user, ..Requested::default() }, on_behalf })
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        let cause = error.to_string();
        match error {
            IssueError::Unfit(Unfit::UserId(_) | Unfit::UserInfo(_) | Unfit::Pattern(_) | Unfit::Patterns(_))
            | IssueError::Sign
            | IssueError::NoProject => Self::new(Kind::Internal),
            IssueError::Nothing => Self::new(Kind::Forbidden),
            IssueError::Upstream(_) => Self::new(Kind::UpstreamFailed),
            IssueError::Silent => Self::new(Kind::Timeout),
            IssueError::Busy { retry_after, .. } => Self::new(Kind::Overloaded).retry_after(retry_after),
        }
        .cause(cause)
    }
}
