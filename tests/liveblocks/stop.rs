//! What the real client does on each status that this route ever answers:
//! it stops for good exactly where trying again cannot help.
//!
//! Every answer that any test here gets is checked the same way
//! (`Answer::must_be_well_formed`); this one meets them all.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Answer, OPEN, PATH, RULES, Roomkey, STOPPING, Upstream, bearer, cloud, form, reply, request, user,
};

#[test]
fn the_recorded_reactions_are_read() {
    let stopping: Vec<_> = STOPPING.iter().filter_map(|(status, stops)| stops.then_some(*status)).collect();
    assert_eq!(stopping, [400, 401, 403, 404, 405, 410, 412, 414, 422, 431, 451]);
    assert_eq!(STOPPING.len(), 11 + 9);
}

#[test]
fn a_client_stops_where_trying_again_cannot_help_and_nowhere_else() {
    let upstream = Upstream::good();
    let config = cloud(&upstream.url(), "timeout = \"300ms\"\nmax_in_flight = 1", RULES);
    let roomkey = Roomkey::serve_with(&config, &[("ROOMKEY__SERVER__REQUEST_TIMEOUT", "600ms")]);
    let alice = bearer(json!({"sub": "alice", "org": "acme", "rooms": ["standup"]}));
    let headers = [("authorization", &*alice), ("content-type", "application/json")];
    let mut met = BTreeSet::new();
    let mut meet = |answer: &Answer, stops: bool| {
        assert_eq!(STOPPING[&answer.status], stops, "{answer:?}");
        met.insert(answer.status);
    };
    // nothing that the same client says again will do
    meet(roomkey.ask(&alice, "{").is(400, "invalid_request"), true);
    meet(roomkey.ask("Bearer no", "{}").is(401, "unauthenticated"), true);
    meet(roomkey.enter(&alice, "lounge").is(403, "forbidden"), true);
    meet(roomkey.ask(&alice, "{}").is(403, "forbidden"), true);
    meet(roomkey.request("GET", PATH, &headers, b"").is(405, "method_not_allowed"), true);
    let off = Roomkey::serve(&format!(
        "[livekit]\nurl = \"wss://x.example\"\napi_key = \"k\"\napi_secret = \"{}\"\n{}",
        "s".repeat(40),
        form("", OPEN)
    ));
    meet(off.enter(&alice, "standup").is(404, "not_found"), true);
    // what may pass
    meet(roomkey.request("POST", PATH, &headers[..1], b"{}").is(415, "unsupported_media_type"), false);
    meet(roomkey.ask(&alice, " ".repeat(70_000)).is(413, "body_too_large"), false);
    let mut slow = TcpStream::connect(roomkey.address).unwrap();
    let asked = request("POST", PATH, &headers, br#"{"room":"standup"}"#);
    slow.write_all(&asked[..asked.len() - 1]).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).unwrap();
    let answer = Answer::parse(&answer);
    answer.must_be_well_formed(false);
    meet(answer.is(408, "request_timeout"), false);
    let long = bearer(json!({"sub": "a".repeat(129), "rooms": ["standup"]}));
    meet(roomkey.enter(&long, "standup").is(500, "internal"), false);
    upstream.sends(reply(403, &[], b""));
    meet(roomkey.enter(&alice, "standup").is(502, "upstream_failed"), false);
    upstream.sends(reply(429, &[], b""));
    meet(roomkey.enter(&alice, "standup").is(503, "overloaded"), false);
    upstream.hangs();
    meet(roomkey.enter(&alice, "standup").is(504, "timeout"), false);
    assert_eq!(met.into_iter().collect::<Vec<_>>(), [400, 401, 403, 404, 405, 408, 413, 415, 500, 502, 503, 504]);
}

/// Who cannot be asked has not refused; a role that a key may not give is.
#[test]
fn undecided_is_not_denied() {
    let upstream = Upstream::good();
    let nobody = "[[authorize]]\nkind = \"callback\"\nurl = \"http://127.0.0.1:1/\"\nbearer = \"a-bearer-of-the-tests\"\nrole = \"viewer\"";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", nobody));
    roomkey.enter(&user("u"), "r").is(503, "authorizer_unavailable");
    assert_eq!(upstream.calls(), 0);
    let credential = "[[authorize]]\nkind = \"credential\"";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", credential));
    roomkey.backend(&json!({"room": "r", "user_id": "u", "role": "no-such"})).is(403, "forbidden");
    roomkey.backend(&json!({"room": "r", "user_id": "u", "role": "viewer"})).token();
    roomkey.enter(&user("u"), "r").is(403, "forbidden");
    assert_eq!(upstream.calls(), 1);
}

/// Statuses that the parser answers by itself have no body, and stop a client
/// whose head will be as long the next time.
#[test]
fn heads_beyond_all_bounds_are_refused_bare() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    let authorization = user("u");
    let many = (0..120).map(|index| format!("x-{index}")).collect::<Vec<_>>();
    let mut headers: Vec<_> = many.iter().map(|name| (&**name, "y")).collect();
    headers.push(("authorization", &authorization));
    let answer = roomkey.send(&request("POST", PATH, &headers, b"{\"room\":\"r\"}"));
    assert_eq!((answer.status, STOPPING[&answer.status]), (431, true), "{answer:?}");
    assert_eq!(upstream.calls(), 0);
}
