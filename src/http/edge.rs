//! What every request and every answer has: an id, a deadline, bounds, and the
//! headers that keep answers out of caches.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ipnet::IpNet;
use tokio::time::Instant;

use super::LIVEBLOCKS_PATH;
use super::problem::{ApiError, Kind};
use crate::ask::Context;
use crate::authenticate::Head;
use crate::random::hex128;
use crate::serve::Peer;
use crate::snapshot::Snapshot;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest request id that is taken over.
const MAX_REQUEST_ID_BYTES: usize = 128;

#[derive(Clone)]
struct RequestId(Arc<str>);

/// Gives the request its id, and the answer everything that all answers have.
pub(super) async fn finish(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let to_liveblocks = request.uri().path().trim_end_matches('/') == LIVEBLOCKS_PATH;
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        response = error.render(response, &id, to_liveblocks);
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The client's id if it is short and plain, else a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let plain = |id: &&str| {
        (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain) {
        Some(id) => id.into(),
        None => hex128().unwrap_or_else(|_| "unknown".to_owned()).into(),
    }
}

/// A request's circumstances.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) context: Context,
    peer: Option<SocketAddr>,
    deadline: Instant,
}

impl Arrival {
    pub(super) fn of(parts: &Parts, snapshot: &Snapshot) -> Self {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let context = Context {
            request_id: parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.0.to_string()),
            origin: text(&ORIGIN).map(str::to_owned),
            client_ip: peer.map(|peer| client_ip(peer.ip(), &parts.headers, &snapshot.server.trusted_proxies)),
            ..Context::default()
        };
        Self { context, peer, deadline: Instant::now() + snapshot.server.request_timeout }
    }

    pub(super) const fn head<'a>(&self, parts: &'a Parts) -> Head<'a> {
        Head::new(&parts.headers, self.peer)
    }

    /// Ends what takes too long with a 504.
    pub(super) async fn before_deadline<T>(
        &self,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        match tokio::time::timeout_at(self.deadline, work).await {
            Ok(done) => done,
            Err(_) => Err(ApiError::new(Kind::Timeout).cause("server.request_timeout ran out")),
        }
    }
}

/// The peer, or the last address in `X-Forwarded-For` that is no trusted proxy,
/// if the peer is one.
fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|range| range.contains(ip));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for hop in line.to_str().unwrap_or_default().rsplit(',') {
            let Ok(ip) = hop.trim().parse::<IpAddr>() else { return client };
            client = ip.to_canonical();
            if !is_trusted(&client) {
                return client;
            }
        }
    }
    client
}

/// One `Content-Type`, `application/json`, in UTF-8.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (all.next(), all.next()) {
        (Some(one), None) => one.to_str().is_ok_and(is_json),
        _ => false,
    };
    if is_json {
        Ok(())
    } else {
        Err(ApiError::new(Kind::UnsupportedMediaType).detail("Content-Type must be application/json"))
    }
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.filter(|parameter| !parameter.is_empty()).all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("charset")
                    && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// The body, bounded in size and time.
pub(super) async fn read_body(body: Body, snapshot: &Snapshot, arrival: &Arrival) -> Result<Bytes, ApiError> {
    let max = snapshot.server.max_body;
    match tokio::time::timeout_at(arrival.deadline, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ApiError::new(Kind::BodyTooLarge).detail(format!("the body has more than {max} bytes")))
        }
        Ok(Err(_)) => Err(ApiError::new(Kind::InvalidRequest).detail("the body ended early")),
        Err(_) => Err(ApiError::new(Kind::RequestTimeout).detail("the body came too slowly")),
    }
}
