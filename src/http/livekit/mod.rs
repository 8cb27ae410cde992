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
use serde_json::json;

use super::edge::{self, Arrival};
use super::json as body_json;
use super::problem::{ApiError, Kind};
use crate::ask::{Ask, Resource};
use crate::claims::Claims;
use crate::livekit::LiveKit;
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
            let room = permit.ask().resource.room().map_or("", |room| room.as_str());
            Ok(answer(dialect, livekit, room, &issued.token, issued.name))
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

fn answer(dialect: Dialect, livekit: &LiveKit, room: &str, token: &str, name: Option<String>) -> Response {
    let (status, mut body) = match dialect {
        Dialect::Standard => {
            (StatusCode::CREATED, json!({"server_url": livekit.url(), "participant_token": token, "room_name": room}))
        }
        Dialect::Short => (StatusCode::OK, json!({"token": token, "url": livekit.url()})),
    };
    if let (Dialect::Standard, Some(name)) = (dialect, name) {
        body["participant_name"] = name.into();
    }
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}
