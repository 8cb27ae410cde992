//! Real clients: LiveKit's own token source for Rust against a running Roomkey,
//! and the bodies that the ones for Rust and JavaScript were seen to send.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use livekit_token::TokenVerifier;
use livekit_token_source::{TokenSourceConfigurable as _, TokenSourceError, TokenSourceFetchOptions, endpoint};
use roomkey::clock::{Clock as _, SystemClock};
use roomkey::serve::{Limits, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    API_KEY, API_SECRET, URL, all_as, block_on, login, open_client_may_set, router, send, vectors, verified,
};

/// Everyone may enter everything, and set everything; rooms are generated.
fn open() -> Value {
    let mut config = all_as("participant");
    config["livekit"]["client_may_set"] = open_client_may_set();
    config["livekit"]["when_no_room"] = json!("generate");
    config
}

/// Nothing may be set.
fn closed() -> Value {
    let mut config = open();
    config["livekit"].as_object_mut().unwrap().remove("client_may_set");
    config
}

/// Serves on a port of its own for as long as `client` takes.
fn with_server<F: Future>(router: Router, client: impl FnOnce(String) -> F) -> F::Output {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/livekit/token", listener.local_addr().unwrap());
        let limits = Limits {
            header_read_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            max_connections: 16,
        };
        tokio::select! {
            () = serve(listener, router, limits, std::future::pending()) => unreachable!("nobody stops it"),
            done = client(url) => done,
        }
    })
}

/// One fetch as `i`: the claims, or status and body of the refusal.
fn fetch(config: &Value, options: &TokenSourceFetchOptions) -> Result<Value, (u16, String)> {
    let bearer = format!("Bearer {}", login(&json!({"sub": "i", "name": "Own Name"})));
    with_server(router(config, SystemClock.now()), async |url| {
        let source = endpoint(url).with_header("Authorization", bearer);
        match source.fetch(options).await {
            Ok(response) => {
                assert_eq!(response.server_url, URL);
                assert!(response.has_valid_token());
                TokenVerifier::with_api_key(API_KEY, API_SECRET).verify(&response.participant_token).unwrap();
                Ok(verified(&response.participant_token).unwrap())
            }
            Err(TokenSourceError::Server { status, body }) => Err((status, body)),
            Err(other) => panic!("{other}"),
        }
    })
}

fn options() -> TokenSourceFetchOptions {
    TokenSourceFetchOptions::new()
}

#[test]
fn each_option_gets_its_answer() {
    type Check = fn(&Value) -> bool;
    let cases: [(TokenSourceFetchOptions, Check); 10] = [
        (options(), |claims| claims["sub"] == "i" && claims["name"] == "Own Name"),
        (options().with_room_name("my-room"), |claims| claims["video"]["room"] == "my-room"),
        (options().with_participant_name("Ann"), |claims| claims["name"] == "Ann"),
        (options().with_participant_identity("i"), |claims| claims["sub"] == "i"),
        (options().with_participant_identity("i~tab-2"), |claims| claims["sub"] == "i~tab-2"),
        (options().with_participant_metadata("md"), |claims| claims["metadata"] == "md"),
        (options().with_participant_attribute("a", "b"), |claims| claims["attributes"] == json!({"a": "b"})),
        (options().with_participant_attributes([("", ""); 0]), |claims| claims.get("attributes").is_none()),
        (options().with_agent_name("ag"), |claims| claims["roomConfig"] == json!({"agents": [{"agentName": "ag"}]})),
        (options().with_agent_name("ag").with_agent_metadata("am").with_deployment("d"), |claims| {
            claims["roomConfig"] == json!({"agents": [{"agentName": "ag", "metadata": "am", "deployment": "d"}]})
        }),
    ];
    for (options, check) in cases {
        let claims = fetch(&open(), &options).unwrap();
        assert!(check(&claims), "{options:?} {claims}");
        assert!(!claims["video"]["room"].as_str().unwrap().is_empty());
    }
}

#[test]
fn all_options_together_stand_in_one_token() {
    let all = options()
        .with_room_name("r")
        .with_participant_name("n")
        .with_participant_identity("i")
        .with_participant_metadata("md")
        .with_participant_attributes([("a", "b"), ("c", "")])
        .with_agent_name("ag")
        .with_agent_metadata("am")
        .with_deployment("d");
    let claims = fetch(&open(), &all).unwrap();
    for (claim, wanted) in [
        ("sub", json!("i")),
        ("name", json!("n")),
        ("metadata", json!("md")),
        ("attributes", json!({"a": "b", "c": ""})),
        ("roomConfig", json!({"agents": [{"agentName": "ag", "metadata": "am", "deployment": "d"}]})),
    ] {
        assert_eq!(claims[claim], wanted, "{claim}");
    }
    assert_eq!(claims["video"]["room"], "r");
}

#[test]
fn what_may_not_be_set_is_refused_by_its_name() {
    for (options, field) in [
        (options().with_participant_name("Ann"), "participant_name"),
        (options().with_participant_identity("bob"), "participant_identity"),
        (options().with_participant_identity("i~tab"), "participant_identity"),
        (options().with_participant_metadata("md"), "participant_metadata"),
        (options().with_participant_attribute("a", "b"), "participant_attributes"),
        (options().with_agent_name("ag"), "room_config.agents"),
        (options().with_agent_metadata("am"), "room_config.agents"),
        (options().with_deployment("d"), "room_config.agents"),
    ] {
        let (status, body) = fetch(&closed(), &options).unwrap_err();
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{options:?}");
        assert!(problem["detail"].as_str().unwrap().starts_with(field), "{options:?} {problem}");
    }
    // What equals the server's own value always passes.
    let claims = fetch(&closed(), &options().with_participant_name("Own Name").with_participant_identity("i")).unwrap();
    assert_eq!(claims["name"], "Own Name");
}

#[test]
fn two_fetches_without_a_room_get_two_rooms() {
    let room = || fetch(&open(), &options()).unwrap()["video"]["room"].as_str().unwrap().to_owned();
    let (one, two) = (room(), room());
    assert_ne!(one, two);
    for room in [one, two] {
        let random = room.strip_prefix("room-").unwrap();
        assert_eq!((random.len(), random.chars().all(|c| c.is_ascii_hexdigit())), (32, true));
    }
}

#[test]
fn a_cached_source_asks_once() {
    let bearer = format!("Bearer {}", login(&json!({"sub": "i"})));
    with_server(router(&open(), SystemClock.now()), async |url| {
        let source = endpoint(url).with_headers([("Authorization", bearer)]).cached();
        let (one, two) = (source.fetch(&options()).await.unwrap(), source.fetch(&options()).await.unwrap());
        assert_eq!(one, two, "the generated room of the first");
        source.invalidate().await;
        assert_ne!(one, source.fetch(&options()).await.unwrap());
    });
}

#[test]
fn a_stranger_gets_the_reason_as_a_problem() {
    let problem =
        with_server(router(&open(), SystemClock.now()), async |url| endpoint(url).fetch(&options()).await.unwrap_err());
    let TokenSourceError::Server { status, body } = problem else { panic!("{problem}") };
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &problem["status"], &problem["code"]), (401, &json!(401), &json!("unauthenticated")));
    assert!(problem.get("participant_token").is_none() && problem.get("server_url").is_none());
}

/// Requests as they were captured: method, content type, body.
fn captured() -> Vec<(String, String, String)> {
    let rust = vectors("tokensource-rust-requests.jsonl");
    let rust = rust.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let js: Value = serde_json::from_str(&vectors("tokensource-js.json")).unwrap();
    let js = js["requests"].as_object().unwrap().values().map(|request| request["sent"].clone());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let flat = |headers: &Value| -> Vec<String> {
        let each = headers.as_array().unwrap().iter();
        each.flat_map(|one| one.as_array().map_or_else(|| vec![text(one)], |pair| pair.iter().map(text).collect()))
            .collect()
    };
    let read = |sent: Value| {
        let headers = flat(&sent["headers"]);
        let kind =
            headers.chunks(2).find(|pair| pair[0].eq_ignore_ascii_case("content-type")).map(|pair| pair[1].clone());
        (text(&sent["method"]), kind.unwrap_or_default(), text(&sent["body"]))
    };
    js.filter(|sent| !sent.is_null()).chain(rust).map(read).collect()
}

/// A captured request as whom it names, else as `i`.
fn replay(config: &Value, (method, kind, body): &(String, String, String)) -> crate::support::Answer {
    let sent: Value = serde_json::from_str(body).unwrap_or_default();
    let subject = sent["participant_identity"].as_str().filter(|identity| !identity.is_empty()).unwrap_or("i");
    let request = Request::builder()
        .uri("/livekit/token")
        .method(method.as_str())
        .header("content-type", kind)
        .header("authorization", format!("Bearer {}", login(&json!({"sub": subject}))));
    send(&router(config, SystemClock.now()), request.body(Body::from(body.clone())).unwrap())
}

#[test]
fn each_captured_body_gets_a_right_answer() {
    let mut given = 0;
    for request in captured() {
        let answer = replay(&open(), &request);
        let (method, _, body) = &request;
        if method != "POST" {
            assert_eq!(
                (answer.status.as_u16(), &answer.headers["allow"]),
                (405, &"POST".parse().unwrap()),
                "{request:?}"
            );
            continue;
        }
        let sent: Value = serde_json::from_str(body).unwrap();
        let agent = &sent["room_config"]["agents"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if text(&agent["agent_name"]).is_empty()
            && !(agent["metadata"].is_null() && agent["deployment"].is_null()
                || text(&agent["metadata"]).is_empty() && agent["deployment"].is_null())
        {
            assert_eq!(answer.status, 400, "{request:?}");
            assert!(answer.detail().starts_with("room_config.agents"), "{answer:?}");
            continue;
        }
        given += 1;
        assert_eq!(answer.status, 201, "{request:?} {answer:?}");
        let claims = answer.claims();
        assert_eq!(answer.body["server_url"], URL);
        assert_eq!(answer.body["room_name"], claims["video"]["room"]);
        let room = text(&sent["room_name"]);
        assert!(if room.is_empty() {
            text(&claims["video"]["room"]).starts_with("room-")
        } else {
            claims["video"]["room"] == room
        });
        for (field, claim) in [("participant_name", "name"), ("participant_metadata", "metadata")] {
            assert_eq!(text(&claims[claim]), text(&sent[field]), "{request:?}");
        }
        let attributes = sent["participant_attributes"].as_object().filter(|all| !all.is_empty());
        assert_eq!(claims["attributes"].as_object(), attributes, "{request:?}");
        let dispatched = &claims["roomConfig"]["agents"][0];
        for (field, claim) in [("agent_name", "agentName"), ("metadata", "metadata"), ("deployment", "deployment")] {
            assert_eq!(text(&dispatched[claim]), text(&agent[field]), "{request:?}");
        }
    }
    assert_eq!(given, 32, "of {}", captured().len());
}

#[test]
fn where_nothing_may_be_set_only_bodies_that_set_nothing_pass() {
    for request in captured().into_iter().filter(|(method, ..)| method == "POST") {
        let sets = [
            "participant_name",
            "participant_metadata",
            "participant_attributes\":{\"",
            "agents\":[{\"agent_name\":\"",
            "metadata\":\"",
            "deployment",
        ];
        let empty = request.2.replace("\"agent_name\":\"\"", "");
        let wanted = if sets.iter().any(|set| empty.contains(set)) { 400 } else { 201 };
        assert_eq!(replay(&closed(), &request).status.as_u16(), wanted, "{request:?}");
    }
}
