//! `POST /livekit/token`.

mod wire;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::edge::{self, Arrival};
use super::json as body_json;
use super::problem::{ApiError, Kind};
use crate::ask::{Ask, Resource};
use crate::claims::Claims;
use crate::livekit::{Issued, LiveKit};
use crate::snapshot::Snapshot;
use wire::Dialect;

pub(super) fn routes() -> Router<Arc<Snapshot>> {
    Router::new().route("/livekit/token", post(token))
}

/// The whole way of a request: who asks, what for, may they, the key.
async fn token(State(snapshot): State<Arc<Snapshot>>, request: Request) -> Result<Response, ApiError> {
    let since = Instant::now();
    let Some(livekit) = &snapshot.livekit else { return Err(ApiError::new(Kind::NotFound)) };
    let (parts, body) = request.into_parts();
    edge::require_json(&parts.headers)?;
    let arrival = Arrival::of(&parts, &snapshot);
    let credential = snapshot.chain.examine(&arrival.head(&parts))?;
    let body = edge::read_body(body, &snapshot, &arrival).await?;
    let (dialect, mut ask) = wire::read(body_json::object(&body)?)?;
    name_room(livekit, dialect, &mut ask, None)?;
    arrival
        .before_deadline(async {
            let caller = credential.identify(&ask, &arrival.context).await?;
            name_room(livekit, dialect, &mut ask, Some(caller.claims()))?;
            livekit.check(&caller, &ask.requested, snapshot.engine.roles()).map_err(|error| dialect.refuse(error))?;
            let permit = snapshot.engine.decide(caller, ask, &arrival.context, since).await?;
            let issued = livekit.issue(&permit, snapshot.clock.now())?;
            permit.spend();
            let room = permit.ask().resource.room().map_or("", |room| room.as_str());
            Ok(answer(dialect, room, &issued))
        })
        .await
}

/// Gives a room to those who named none, as soon as it can have a name.
fn name_room(livekit: &LiveKit, dialect: Dialect, ask: &mut Ask, claims: Option<&Claims>) -> Result<(), ApiError> {
    if ask.resource == Resource::UnnamedRoom
        && let Some(room) = livekit.new_room(claims).map_err(|why| ApiError::invalid(dialect.room(), why))?
    {
        ask.resource = Resource::Room(room);
    }
    Ok(())
}

fn answer(dialect: Dialect, room: &str, issued: &Issued<'_>) -> Response {
    let Issued { url, token, name } = issued;
    let (status, body) = match dialect {
        Dialect::Standard => {
            let answer = StandardAnswer {
                server_url: url,
                participant_token: token,
                room_name: room,
                participant_name: name.as_deref(),
            };
            (StatusCode::CREATED, serde_json::to_vec(&answer))
        }
        Dialect::Short => (StatusCode::OK, serde_json::to_vec(&ShortAnswer { token, url })),
    };
    match body {
        Ok(body) => (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        Err(error) => ApiError::new(Kind::Internal).cause(error).into_response(),
    }
}

/// LiveKit's own answer (`livekit_token_source.proto`), and what some of its
/// SDKs read besides.
#[derive(Serialize)]
struct StandardAnswer<'a> {
    server_url: &'a str,
    participant_token: &'a str,
    room_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_name: Option<&'a str>,
}

/// The guides' answer.
#[derive(Serialize)]
struct ShortAnswer<'a> {
    token: &'a str,
    url: &'a str,
}
