//! Tokens of LiveKit's own SDKs, made again: as `roomkey mint` and as a role
//! that a request is given.
//!
//! Roomkey writes `false` where the SDKs leave a flag out, so what is compared
//! is what livekit-server makes of both. What the contract refuses or narrows
//! is named here, case by case.

use std::collections::BTreeSet;

use livekit_token::{Claims, TokenVerifier};
use roomkey::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use crate::support::{
    API_KEY, API_SECRET, KEYS, all_as, ask, load, login, members, permission, problems, roomkey, router, vectors,
    verified, with_role,
};

/// Cases that are refused, and each one's test below.
const REFUSED: [&str; 5] = [
    "room_config_egress_with_s3_secret",
    "sha256_webhook_style",
    "ttl_zero",
    "join_empty_room",
    "unknown_publish_source",
];

fn cases() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(&vectors("livekit-tokens.json")).unwrap();
    vectors["cases"].as_array().unwrap().clone()
}

fn case(name: &str) -> Value {
    cases().into_iter().find(|case| case["name"] == name).unwrap()
}

fn accepted() -> impl Iterator<Item = Value> {
    cases().into_iter().filter(|case| !REFUSED.contains(&case["name"].as_str().unwrap()))
}

fn joins(case: &Value) -> bool {
    case["inputs"]["video"]["roomJoin"] == true
}

/// The case's `video` grant with its effective permission written out.
fn effective_video(case: &Value) -> Value {
    let mut video = case["canonical_claims"]["video"].clone();
    let effective = members(&case["server_permission"]["node_token"]);
    for (name, value) in effective.iter().filter(|(_, value)| **value != json!([])) {
        let claim = if name == "canUpdateMetadata" { "canUpdateOwnMetadata" } else { name };
        video[claim] = value.clone();
    }
    video
}

/// `roomkey mint livekit`, and the token if it gave one.
fn mint(case: &Value, grants: &Value) -> Result<String, (Option<i32>, String)> {
    let inputs = &case["inputs"];
    let (grants, ttl) = (grants.to_string(), format!("{}s", case["ttl"]));
    let mut arguments = vec!["mint", "livekit", "--grants", &grants, "--ttl", &ttl];
    for (argument, input) in [("--identity", "identity"), ("--name", "display_name")] {
        arguments.extend(inputs[input].as_str().into_iter().flat_map(|value| [argument, value]));
    }
    let done = roomkey(&KEYS, &arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() {
        let out = text(done.stdout);
        assert_eq!(out.lines().count(), 1, "only the token on stdout: {out}");
        Ok(out.trim().to_owned())
    } else {
        assert!(done.stdout.is_empty());
        Err((done.status.code(), text(done.stderr)))
    }
}

/// A token of ours against the SDK's: all that LiveKit's own types know of
/// both, less the times, with flags as the server reads them.
fn assert_same(case: &Value, ours: &Value) {
    let name = &case["name"];
    let canonical = &case["canonical_claims"];
    let seconds = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
    assert_eq!(seconds(ours), seconds(canonical), "{name}");
    let known = |claims: &Value| {
        let mut claims: Claims = serde_json::from_value(claims.clone()).unwrap();
        (claims.exp, claims.nbf) = (0, 0);
        let video = &mut claims.video;
        video.can_publish_data = Some(video.can_publish_data());
        video.can_publish = Some(video.can_publish());
        video.can_subscribe = Some(video.can_subscribe());
        video.can_update_own_metadata = Some(video.can_update_own_metadata());
        if !video.room_join {
            (video.can_publish, video.can_subscribe, video.can_publish_data) = (None, None, None);
        }
        claims
    };
    assert_eq!(known(ours), known(canonical), "{name}");
    let names = |claims: &Value| members(claims).keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(ours), names(canonical), "{name}: no claim more, none less");
    if let Some(effective) = case["server_permission"].get("node_token").filter(|_| joins(case)) {
        assert_eq!(&permission(&ours["video"]), effective, "{name}");
        for flag in ["canPublish", "canSubscribe", "canPublishData"] {
            assert!(ours["video"][flag].is_boolean(), "{name}: {flag} is written out");
        }
    }
}

#[test]
fn the_cases_are_those_that_were_captured() {
    assert_eq!((cases().len(), accepted().count(), cases().iter().filter(|case| joins(case)).count()), (24, 19, 19));
}

#[test]
fn roomkey_mint_makes_each_token() {
    for case in accepted() {
        let mut grants = case["canonical_claims"].clone();
        let claims = grants.as_object_mut().unwrap();
        ["iss", "sub", "nbf", "exp"].iter().for_each(|ours| drop(claims.remove(*ours)));
        if joins(&case) {
            claims["video"] = effective_video(&case);
        }
        let token = mint(&case, &grants).unwrap_or_else(|why| panic!("{}: {why:?}", case["name"]));
        assert_same(&case, &verified(&token).unwrap());
        let seen = TokenVerifier::with_api_key(API_KEY, API_SECRET).verify(&token).unwrap();
        assert_eq!(seen.sub, case["inputs"]["identity"].as_str().unwrap_or_default());
        assert!(TokenVerifier::with_api_key(API_KEY, "another secret").verify(&token).is_err());
        assert!(TokenVerifier::with_api_key("another", API_SECRET).verify(&token).is_err());
    }
}

/// The case's token as a role of a configuration.
fn role(case: &Value) -> Value {
    let snake = |claim: &str| {
        claim.chars().fold(String::new(), |name, c| match c {
            'A'..='Z' => format!("{name}_{}", c.to_ascii_lowercase()),
            c => name + &c.to_string(),
        })
    };
    let mut role = Map::new();
    for (claim, value) in
        members(&effective_video(case)).iter().filter(|(claim, _)| !["room", "roomJoin"].contains(&claim.as_str()))
    {
        role.insert(snake(claim), value.clone());
    }
    let claims = &case["canonical_claims"];
    for (setting, claim) in [("metadata", "metadata"), ("attributes", "attributes"), ("room_config", "roomConfig")] {
        if let Some(value) = claims.get(claim) {
            role.insert(setting.to_owned(), literal(value));
        }
    }
    role.insert("ttl".to_owned(), format!("{}s", case["ttl"]).into());
    role.into()
}

/// Texts as templates that stand for themselves; LiveKit's own placeholders in
/// egress are no templates.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('{', "{{").replace('}', "}}").into(),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                (key.clone(), if key == "egress" { value.clone() } else { literal(value) })
            };
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn a_role_and_a_request_make_each_token_that_joins() {
    for case in accepted().filter(joins) {
        let inputs = &case["inputs"];
        let config = with_role(&role(&case));
        let bearer = login(&json!({"sub": inputs["identity"], "name": inputs["display_name"]}));
        let body = json!({"room_name": inputs["video"]["room"]});
        let now = case["now"].as_i64().unwrap();
        let answer = ask(&router(&config, now), &bearer, &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        let claims = answer.claims();
        assert_same(&case, &claims);
        for time in ["nbf", "exp", "iss", "sub"] {
            assert_eq!(claims[time], case["canonical_claims"][time]);
        }
        // The SDK's own token, read by LiveKit's own types.
        let theirs = Claims::from_unverified(case["node"]["jwt"].as_str().unwrap()).unwrap();
        let ours = Claims::from_unverified(answer.token().unwrap()).unwrap();
        assert_eq!(
            (ours.exp, ours.nbf, &ours.room_config.unwrap_or_default()),
            (theirs.exp, theirs.nbf, &theirs.room_config.unwrap_or_default())
        );

        let answer = ask(&router(&config, SystemClock.now()), &bearer, &body);
        TokenVerifier::with_api_key(API_KEY, API_SECRET).verify(answer.token().unwrap()).unwrap();
    }
}

#[test]
fn a_room_that_is_empty_is_refused() {
    let case = case("join_empty_room");
    let (code, why) = mint(&case, &json!({"video": case["inputs"]["video"]})).unwrap_err();
    assert_eq!(code, Some(1));
    assert!(why.contains("a room"), "{why}");
    let answer = ask(&router(&all_as("host"), 0), &login(&json!({"sub": "alice"})), &json!({"room_name": ""}));
    assert_eq!((answer.status.as_u16(), answer.detail()), (400, "room_name is missing"));
}

#[test]
fn a_ttl_of_nothing_is_refused() {
    let case = case("ttl_zero");
    let (code, why) = mint(&case, &json!({"video": case["inputs"]["video"]})).unwrap_err();
    assert_eq!(code, Some(2));
    assert!(why.contains("1s to 24h"), "{why}");
    assert!(problems(&with_role(&json!({"ttl": 0}))).contains("roles.tested.livekit.ttl"));
    let mut config = all_as("host");
    config["livekit"]["ttl"] = json!("0s");
    assert!(problems(&config).contains("livekit.ttl"));
}

#[test]
fn publishing_from_nowhere_is_not_publishing_from_everywhere() {
    let case = case("publish_sources_empty_list");
    let mut grants = json!({"video": effective_video(&case)});
    grants["video"]["canPublishSources"] = json!([]);
    let minted = verified(&mint(&case, &grants).unwrap()).unwrap();
    let config = with_role(
        &json!({"can_publish": true, "can_subscribe": true, "can_publish_data": true, "can_publish_sources": []}),
    );
    assert!(load(&config).unwrap().warnings().iter().any(|warning| warning.key.ends_with("can_publish_sources")));
    let given = ask(&router(&config, 0), &login(&json!({"sub": "alice"})), &json!({"room_name": "room1"})).claims();
    for claims in [minted, given] {
        let video = &claims["video"];
        assert_eq!(
            (&video["canPublish"], &video["canPublishData"], video.get("canPublishSources")),
            (&json!(false), &json!(true), None)
        );
    }
}

#[test]
fn a_source_that_does_not_exist_is_refused() {
    let case = case("unknown_publish_source");
    let (code, why) = mint(&case, &json!({"video": case["inputs"]["video"]})).unwrap_err();
    assert_eq!(code, Some(1));
    assert!(why.contains("video.canPublishSources"), "{why}");
    assert!(problems(&with_role(&json!({"can_publish_sources": ["webcam"]}))).contains("\"webcam\""));
}

#[test]
fn egress_with_credentials_is_refused() {
    let case = case("room_config_egress_with_s3_secret");
    let (code, why) =
        mint(&case, &json!({"video": case["inputs"]["video"], "roomConfig": case["inputs"]["room_config"]}))
            .unwrap_err();
    assert_eq!(code, Some(1));
    assert!(why.contains("roomConfig.egress") && !why.contains("SECRET"), "{why}");
    let why = problems(&with_role(&json!({"room_config": case["inputs"]["room_config"]})));
    assert!(why.contains("roles.tested.livekit.room_config.egress") && !why.contains("SECRET"), "{why}");
}

#[test]
fn a_token_that_signs_webhooks_is_refused() {
    let case = case("sha256_webhook_style");
    let sha256 = &case["inputs"]["sha256"];
    let (code, why) = mint(&case, &json!({"sha256": sha256})).unwrap_err();
    assert_eq!(code, Some(1));
    assert!(why.contains("sha256"), "{why}");
    assert!(problems(&with_role(&json!({"sha256": sha256}))).contains("roles.tested.livekit.sha256"));
}
