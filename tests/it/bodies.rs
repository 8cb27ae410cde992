//! Any body: what is not a request is refused as one, and nothing breaks.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::model::odd_text;
use crate::support::{Answer, NOW, all_as, ask, login, open_client_may_set, request, router, send};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        odd_text().prop_map(Value::from),
        "[a-z]{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            proptest::collection::vec((field(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that mean something somewhere in a request, and others.
fn field() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 26] = [
        "room_name",
        "participant_identity",
        "participant_name",
        "participant_metadata",
        "participant_attributes",
        "room_config",
        "room",
        "user_id",
        "userId",
        "name",
        "role",
        "claims",
        "agents",
        "agent_name",
        "agentName",
        "metadata",
        "deployment",
        "attributes",
        "egress",
        "emptyTimeout",
        "empty_timeout",
        "tags",
        "restart_policy",
        "roomName",
        "grants",
        "video",
    ];
    prop_oneof![9 => select(&KNOWN[..]).prop_map(str::to_owned), 1 => odd_text()]
}

fn object() -> impl Strategy<Value = Value> {
    proptest::collection::vec((field(), json_value()), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

fn open() -> Value {
    let mut config = all_as("participant");
    config["livekit"]["client_may_set"] = open_client_may_set();
    config["livekit"]["when_no_room"] = json!("generate");
    config
}

/// An answer is a token, or says in a problem document what is wrong.
fn is_an_answer(answer: &Answer) -> Result<(), TestCaseError> {
    let status = answer.status.as_u16();
    prop_assert_eq!(&answer.headers["cache-control"], "no-store");
    if answer.token().is_some() {
        prop_assert!([200, 201].contains(&status));
        let claims = answer.claims();
        prop_assert_eq!(&claims["sub"], "alice");
        prop_assert!(!claims["video"]["room"].as_str().unwrap_or_default().is_empty());
        return Ok(());
    }
    prop_assert!([400, 413].contains(&status), "{:?}", answer);
    prop_assert_eq!(&answer.headers["content-type"], "application/problem+json");
    prop_assert_eq!(&answer.body["status"], &json!(status));
    prop_assert!(answer.body["request_id"].is_string() && answer.body.get("participant_token").is_none());
    prop_assert!(!answer.detail().is_empty() && answer.detail().len() < 300, "{:?}", answer);
    Ok(())
}

fn raw(bytes: Vec<u8>) -> Answer {
    let bearer = format!("Bearer {}", login(&json!({"sub": "alice"})));
    send(&router(&open(), NOW), request(&[("authorization", &bearer)], bytes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_answered(body in prop_oneof![4 => object(), 1 => json_value()]) {
        is_an_answer(&ask(&router(&open(), NOW), &login(&json!({"sub": "alice"})), &body))?;
    }

    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_an_answer(&raw(body))?;
    }

    #[test]
    fn a_body_with_some_bytes_changed_is_answered(at in 0..200_usize, byte in any::<u8>(), cut in any::<bool>()) {
        let whole = json!({
            "room_name": "r", "participant_name": "n", "participant_identity": "alice", "participant_metadata": "md",
            "participant_attributes": {"a": "b"}, "room_config": {"agents": [{"agent_name": "ag", "metadata": "am", "deployment": "d"}]},
        });
        let mut body = whole.to_string().into_bytes();
        let at = at.min(body.len() - 1);
        if cut { body.truncate(at) } else { body[at] = byte }
        is_an_answer(&raw(body))?;
    }

    #[test]
    fn a_value_that_was_sent_is_in_no_refusal(secret in "[A-Z]{24}") {
        for body in [
            json!({"room_name": secret, "participant_identity": secret}),
            json!({"room_name": 5, "participant_metadata": secret}),
            json!({"room": "r", "claims": {"x": secret}}),
            json!({"room_name": "r", "room_config": {"egress": {"room": {"file": secret}}}}),
            json!({"room_name": "r", "room_config": {"agents": [{"metadata": secret}]}}),
            json!({"room_name": "r", "participant_name": secret.repeat(11)}),
        ] {
            let answer = ask(&router(&open(), NOW), &login(&json!({"sub": "alice"})), &body);
            prop_assert_eq!(answer.status.as_u16(), 400);
            prop_assert!(!answer.body.to_string().contains(&secret), "{:?}", answer);
        }
    }
}

#[test]
fn a_body_that_is_too_long_or_too_deep_is_refused() {
    for (body, wanted) in [
        (format!("{{\"room_name\":\"{}\"}}", "x".repeat(64 * 1024)), 413),
        ("[".repeat(60 * 1024), 400),
        ("{\"a\":".repeat(10 * 1024), 400),
        (
            format!(
                "{{\"participant_attributes\":{}}}",
                json!((0..33).map(|n| (n.to_string(), json!(""))).collect::<Map<_, _>>())
            ),
            400,
        ),
        (format!("{{\"room_config\":{{\"agents\":{}}}}}", json!(vec![json!({"agent_name": "a"}); 9])), 400),
    ] {
        assert_eq!(raw(body.clone().into_bytes()).status.as_u16(), wanted, "{body:.60}");
    }
}
