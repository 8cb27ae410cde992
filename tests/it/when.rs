//! Any expression: it lets in where it is `true` and nowhere else, and denies
//! where it is not `false`, as the library says that we do not go through.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::support::{NOW, all_as, ask, login, problems, router};

fn number() -> impl Strategy<Value = String> {
    select(
        &[
            "0",
            "1",
            "-1",
            "2u",
            "1.5",
            "9223372036854775807",
            "claims.min",
            "claims.n",
            "claims.big",
            "size(claims.list)",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn any_value() -> impl Strategy<Value = String> {
    let names = select(
        &[
            "'a'",
            "''",
            "null",
            "true",
            "false",
            "claims",
            "claims.s",
            "claims.on",
            "claims.off",
            "claims.list",
            "claims.map",
            "claims.none",
            "claims.nobody",
            "room.name",
            "room.segments",
            "provider",
            "request.action",
            "request",
            "[]",
            "{'a': 1}",
            "claims['s']",
            "room.segments[0]",
            "room.segments[7]",
            "claims.map.a",
            "claims.map[claims.s]",
            "request.origin",
        ][..],
    );
    prop_oneof![2 => names.prop_map(str::to_owned), 1 => number()]
}

/// An expression over the whole grammar.
fn expression() -> impl Strategy<Value = String> {
    any_value().prop_recursive(4, 24, 3, |inner| {
        let binary =
            select(&["==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%", "&&", "||", "&&", "||"][..]);
        let call = select(&["size", "int", "uint", "double", "string", "bool"][..]);
        let method = select(&["contains", "startsWith", "endsWith"][..]);
        let member = select(&[".a", "[0]", "['a']", ".size()"][..]);
        prop_oneof![
            8 => (inner.clone(), binary, inner.clone()).prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            2 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            1 => (call, inner.clone()).prop_map(|(name, a)| format!("{name}({a})")),
            1 => (inner.clone(), method, inner.clone()).prop_map(|(a, name, b)| format!("({a}).{name}({b})")),
            1 => (inner.clone(), member).prop_map(|(a, member)| format!("({a}){member}")),
            1 => select(&["s", "nobody", "map.a", "nobody.a"][..]).prop_map(|name| format!("has(claims.{name})")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
    })
}

/// A whole number is signed where it can be.
fn value(json: &Value) -> cel::Value {
    match json {
        Value::Number(number) => number.as_i64().map_or_else(|| cel::to_value(number).unwrap(), cel::Value::Int),
        Value::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            members.iter().map(|(name, one)| (name.clone(), value(one))).collect::<HashMap<_, _>>().into()
        }
        other => cel::to_value(other).unwrap(),
    }
}

/// What a stock evaluator says over the same values.
fn oracle(text: &str, claims: &Value, room: &str) -> Option<bool> {
    let segments: Vec<_> = room.split(':').collect();
    let mut context = cel::Context::default();
    context.add_variable("claims", value(claims)).unwrap();
    context.add_variable("room", json!({"name": room, "segments": segments})).unwrap();
    context.add_variable("provider", "livekit").unwrap();
    context.add_variable("request", json!({"action": "livekit.join"})).unwrap();
    match cel::Program::compile(text).unwrap().execute(&context) {
        Ok(cel::Value::Bool(holds)) => Some(holds),
        Ok(_) | Err(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_expression_lets_in_only_where_it_is_true(text in expression()) {
        let mut config = all_as("viewer");
        config["authorize"][0]["rules"] = json!([
            {"room": "in:**", "role": "viewer", "when": text},
            {"room": "out:**", "deny": true, "when": text},
            {"room": "out:**", "role": "viewer"},
        ]);
        let said = problems(&config);
        if !said.is_empty() {
            // It can be seen to be no condition, or to name what is not there; nothing else is wrong with it.
            let known = ["where a condition must be", "has no members", "has no member `"];
            prop_assert!(said.lines().all(|line| known.iter().any(|why| line.contains(why))), "{text}: {said}");
            return Ok(());
        }
        let claims = json!({
            "sub": "alice", "exp": NOW + 60, "s": "a", "on": true, "off": false, "list": [1, "a", [true]],
            "map": {"a": 1}, "none": null, "n": 7, "min": i64::MIN, "big": u64::MAX,
        });
        let router = router(&config, NOW);
        let mut known = claims.clone();
        known["id"] = "alice".into();
        for (room, on_error) in [("in:a", false), ("out:a", true)] {
            let answer = ask(&router, &login(&claims), &json!({"room_name": room}));
            let holds = oracle(&text, &known, room).unwrap_or(on_error);
            let lets_in = holds != on_error;
            prop_assert_eq!(answer.status.as_u16(), if lets_in { 201 } else { 403 }, "{} in {}", text, room);
            prop_assert_eq!(answer.token().is_some(), lets_in);
        }
    }
}
