//! `POST /v1/invites`: the app's backend makes an invite.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use super::edge::{self, Arrival};
use super::json::{self, shown};
use super::problem::{ApiError, Kind};
use crate::ask::Provider;
use crate::authenticate::{ApiKey, Scope};
use crate::invite::{Invite, InviteKey};
use crate::name::{MAX_LIVEKIT_BYTES, RoomName};
use crate::random::hex128;
use crate::snapshot::Snapshot;
use crate::units;

/// An invite for less could be over before it is opened.
const MIN_TTL: Duration = Duration::from_mins(1);

pub(super) fn routes() -> Router<Arc<Snapshot>> {
    Router::new().route("/v1/invites", post(invite))
}

async fn invite(State(snapshot): State<Arc<Snapshot>>, request: Request) -> Result<Response, ApiError> {
    let Some(invites) = &snapshot.invites else { return Err(ApiError::new(Kind::NotFound)) };
    let (parts, body) = request.into_parts();
    edge::require_json(&parts.headers)?;
    let arrival = Arrival::of(&parts, &snapshot);
    let key = snapshot.api_keys.of(&arrival.head(&parts));
    let key = key.ok_or_else(|| ApiError::new(Kind::Unauthenticated).cause("no API key"))?;
    let body = edge::read_body(body, &snapshot, &arrival).await?;
    let invite = read(json::object(&body)?, invites, snapshot.clock.now())?;
    if !key.may(Scope::Invites) {
        return Err(ApiError::new(Kind::Forbidden).detail("this API key lacks the scope `invites`"));
    }
    if !may_give(key, &invite, &snapshot) {
        return Err(ApiError::new(Kind::Forbidden).detail("this API key may not invite with that role"));
    }
    let token = invites.sign(&invite).map_err(|_| ApiError::new(Kind::Internal).cause("signing failed"))?;
    tracing::info!(
        event = "invite",
        id = invite.jti,
        room = invite.room,
        role = invite.role,
        key = key.name,
        "Invited"
    );
    let body = json!({"id": invite.jti, "invite": token, "expires_at": invite.exp}).to_string();
    Ok((StatusCode::CREATED, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// Whether it is a role of the key's, and one that means something where the
/// invite is for.
fn may_give(key: &ApiKey, invite: &Invite, snapshot: &Snapshot) -> bool {
    let role = snapshot.engine.roles().get(&invite.role);
    let means_something = |provider| invite.is_for(provider) && role.is_some_and(|role| role.serves(provider));
    key.gives(&invite.role) && [Provider::LiveKit, Provider::Liveblocks].into_iter().any(means_something)
}

fn read(mut body: Map<String, Value>, invites: &InviteKey, now: i64) -> Result<Invite, ApiError> {
    let provider = json::text(&mut body, "provider", MAX_LIVEKIT_BYTES)?;
    let only = match provider.as_deref() {
        None => None,
        Some("livekit") => Some(Provider::LiveKit),
        Some("liveblocks") => Some(Provider::Liveblocks),
        Some(_) => return Err(ApiError::invalid("provider", "must be livekit or liveblocks")),
    };
    let mut required = |field| {
        let text = json::text(&mut body, field, usize::MAX)?;
        text.ok_or_else(|| ApiError::invalid(field, "is missing"))
    };
    let (room, role) = (required("room")?, required("role")?);
    let checked = match only {
        Some(Provider::Liveblocks) => RoomName::liveblocks(&room),
        Some(Provider::LiveKit) | None => RoomName::livekit(&room),
    };
    checked.map_err(|why| ApiError::invalid("room", why))?;
    let name = json::text(&mut body, "name", MAX_LIVEKIT_BYTES)?;
    let ttl = expires_in(body.remove("expires_in").as_ref(), invites.max_ttl)?;
    let uses = match body.remove("uses") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let uses = value.as_u64().and_then(|uses| u32::try_from(uses).ok()).filter(|uses| *uses > 0);
            Some(uses.ok_or_else(|| ApiError::invalid("uses", "must be a whole number from 1"))?)
        }
    };
    if let Some(unknown) = body.keys().next() {
        return Err(ApiError::invalid(&shown(unknown), "is no field of this request").cause("an unknown field"));
    }
    let jti = hex128().map_err(|error| ApiError::new(Kind::Internal).cause(error))?;
    let exp = now.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
    Ok(Invite { jti, room, role, provider, name, uses, exp })
}

fn expires_in(value: Option<&Value>, max: Duration) -> Result<Duration, ApiError> {
    value.and_then(units::duration_in).filter(|ttl| (MIN_TTL..=max).contains(ttl)).ok_or_else(|| {
        ApiError::invalid(
            "expires_in",
            format_args!("must be a duration from 1m to {}, such as \"24h\"", units::display(max)),
        )
    })
}
