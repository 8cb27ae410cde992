//! What expressions give, and what is no expression.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ask::{Action, Agent, Ask, Context, OnBehalf, Requested, Resource};
use crate::name::RoomName;

fn ask(room: &str, requested: Requested) -> Ask {
    let resource = if room.is_empty() { Resource::Personal } else { Resource::Room(RoomName::livekit(room).unwrap()) };
    let action = if room.is_empty() { Action::LiveblocksPersonal } else { Action::LiveKitJoin };
    Ask { action, resource, requested, on_behalf: OnBehalf::default() }
}

fn over(claims: &serde_json::Value, ask: &Ask, context: &Context) -> Inputs {
    Inputs::new(claims.as_object().unwrap().clone(), ask, context)
}

#[track_caller]
fn evaluated(text: &str, inputs: &Inputs) -> Result<bool, String> {
    let compiled = Expression::compile(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    compiled.holds(inputs).map_err(|why| why.to_string())
}

#[test]
fn an_expression_is_true_or_false_or_cannot_be_evaluated() {
    let claims = json!({
        "org": "acme", "roles": ["a", "b"], "level": 7, "big": u64::MAX, "ratio": 0.5, "none": null, "on": true,
        "app": {"plan": "pro"}, "https://x.example/org": "acme", "min": i64::MIN, "zero": 0, "text": "7", "é": "ü",
    });
    let inputs = over(&claims, &ask("org:acme/x::y", Requested::default()), &Context::default());
    let holds = [
        "true",
        "room.segments[1] == claims.org",
        "room.segments == ['org', 'acme', 'x', '', 'y'] && room.segments.size() == 5 && size(room.segments) < 6",
        "room.name == 'org:acme/x::y' && room.name.startsWith('org:' + claims.org) && room.name.endsWith('y')",
        "provider == 'livekit' && request.action == 'livekit.join'",
        "'a' in claims.roles && !('c' in claims.roles) && 'org' in claims",
        "has(claims.org) && !has(claims.nobody) && has(claims.app.plan) && !has(request.origin) && has(room.name)",
        "claims['https://x.example/org'] == 'acme' && claims['é'] == 'ü' && claims.app['plan'] == 'pro'",
        "claims.level == 7 && claims.level == 7.0 && claims.level > 6.5 && claims.level != '7' && claims.none == null",
        "claims.big > 9223372036854775807 && claims.big == 18446744073709551615u && claims.ratio < 1",
        "int(claims.text) == claims.level && string(claims.level) == claims.text && double(claims.level) == 7.0",
        "claims.on ? claims.level % 2 == 1 : false",
        "claims.org.contains('cm') && size(claims.org) == 4 && claims.org > 'acm'",
        // A side that cannot be evaluated does not count where the other decides.
        "claims.nobody == 1 || true",
        "!(false && claims.nobody)",
        "{'a': claims.level}['a'] == 7 && [claims.level][0] == 7 && -claims.level == -7",
        "claims.on // and a comment\n && claims.on",
    ];
    for text in holds {
        assert_eq!(evaluated(text, &inputs), Ok(true), "{text}");
        assert_eq!(evaluated(&format!("!({text}\n)"), &inputs), Ok(false), "not {text}");
    }
    for (text, why) in [
        ("claims.nobody == 'x'", "there is no nobody"),
        ("claims.app.nobody == 'x'", "there is no nobody"),
        ("claims.nobody.x == 'x'", "there is no nobody"),
        ("claims['nobody'] == 'x'", "there is no nobody"),
        ("has(claims.nobody.x)", "there is no nobody"),
        ("request.origin == 'x'", "there is no origin"),
        // The key is a claim's value.
        ("claims.app[claims.org] == 'x'", "there is no such key"),
        ("claims.org", "it is of the type string, not bool"),
        ("claims.on ? claims.level : true", "it is of the type int, not bool"),
        ("claims.none", "it is of the type null_type, not bool"),
        ("claims.org && true", "`&&` does not go with (string, bool)"),
        ("!claims.org", "`!` does not go with (string)"),
        ("claims.org < 1", "`<` does not go with (string, int)"),
        ("claims.roles < claims.roles", "`<` does not go with (list, list)"),
        ("claims.org + 1 == 'x'", "an operator does not go with the types of its operands"),
        ("claims.level in claims.org", "`in` does not go with (int, string)"),
        ("claims.org.size().size() == 1", "`size` does not go with (int)"),
        ("claims.level.contains('x')", "`contains` does not go with (int, string)"),
        ("room.segments[5] == 'x'", "a list is too short"),
        ("room.segments[-1] == 'x'", "a list is too short"),
        ("room.segments[claims.big] == 'x'", "a list is too short"),
        ("room.segments['x'] == 'x'", "`[_]` does not go with (list, string)"),
        ("claims.level / claims.zero == 1", "division by zero"),
        ("claims.level % claims.zero == 1", "division by zero"),
        ("claims.big / uint(claims.zero) == 1u", "division by zero"),
        ("claims.min / -1 == 1", "a number is too large"),
        ("claims.min % -1 == 1", "a number is too large"),
        ("-claims.min == 1", "a number is too large"),
        ("claims.min - 1 == 1", "a number is too large"),
        ("claims.min * 2 == 1", "a number is too large"),
        ("9223372036854775807 + claims.level == 1", "a number is too large"),
        ("claims.big + 1u == 1u", "a number is too large"),
        ("claims.big - claims.big - 1u == 1u", "a number is too large"),
        ("int(claims.org) == 1", "int() failed"),
        ("int(claims.big) == 1", "int() failed"),
        ("uint(claims.min) == 1u", "uint() failed"),
        ("int(1.0 / 0.0) == 1", "int() failed"),
        ("double('NaN') < claims.level", "`<` does not go with (double, int)"),
        ("{claims.org: 1, 'acme': 2} == {}", "a map has a key twice"),
        ("{claims.ratio: 1} == {}", "an operator does not go with the types of its operands"),
    ] {
        assert_eq!(evaluated(text, &inputs), Err(why.to_owned()), "{text}");
        assert!(!why.contains("acme"), "{why}");
    }
    assert_eq!(evaluated("double('NaN') == double('NaN')", &inputs), Ok(false));
}

#[test]
fn what_the_client_asks_for_can_be_read_and_what_it_did_not_give_is_not_there() {
    let agent = Agent {
        agent_name: "helper".to_owned(),
        metadata: String::new(),
        deployment: String::new(),
        attributes: std::iter::once(("a".to_owned(), "b".to_owned())).collect(),
    };
    let requested = Requested {
        identity: Some("alice".to_owned()),
        name: Some("Al".to_owned()),
        metadata: Some("m".to_owned()),
        attributes: std::iter::once(("seat".to_owned(), "4".to_owned())).collect(),
        agents: vec![agent],
    };
    let context = Context {
        request_id: "r".to_owned(),
        origin: Some("https://app.example".to_owned()),
        client_ip: Some(IpAddr::from([192, 0, 2, 1])),
        ..Context::default()
    };
    let full = over(&json!({}), &ask("standup", requested), &context);
    for text in [
        "request.name == 'Al' && request.metadata == 'm' && request.attributes == {'seat': '4'}",
        "request.agents == [{'agentName': 'helper', 'attributes': {'a': 'b'}}]",
        "request.origin == 'https://app.example' && request.client_ip.startsWith('192.0.2.')",
        "size(request) == 7 && size(room) == 2 && room.segments == ['standup']",
    ] {
        assert_eq!(evaluated(text, &full), Ok(true), "{text}");
    }
    let personal = over(&json!({}), &ask("", Requested::default()), &Context::default());
    for text in [
        "request == {'action': 'liveblocks.personal'} && provider == 'liveblocks'",
        "room.name == '' && room.segments == []",
        "!has(request.name) && !has(request.agents) && !has(request.attributes) && !has(request.client_ip)",
    ] {
        assert_eq!(evaluated(text, &personal), Ok(true), "{text}");
    }
}

#[test]
fn what_could_never_hold_is_refused_and_pointed_at() {
    for (text, why) in [
        (
            "room.nmae == 'x'",
            "line 1, column 6, at `nmae == 'x'`: `room` has no member `nmae`; it has name, segments; did you mean `name`?",
        ),
        ("claims.é == 'x'", "line 1, column 8, at `é == 'x'`: is no CEL: token recognition error at: 'é'"),
        (
            "claims['é'] == 'x' &&\n  request . orign == 'https://app.example.com'",
            "line 2, column 13, at `orign == 'https://app.ex…`: `request` has no member `orign`; \
             it has action, agents, attributes, client_ip, metadata, name, origin; did you mean `origin`?",
        ),
        (
            "user.id == 'x'",
            "line 1, column 1, at `user.id == 'x'`: there is no variable `user`; there are claims, provider, request, room",
        ),
        ("claim.id == 'x'", "did you mean `claims`?"),
        (".claims.id == 'x'", "there is no variable `.claims`"),
        ("provider.name == 'x'", "line 1, column 10, at `name == 'x'`: `provider` is a string"),
        ("room['nmae'] == 'x'", "line 1, column 6, at `'nmae'] == 'x'`: `room` has no member `nmae`"),
        ("has(request.orign)", "line 1, column 13, at `orign)`: `request` has no member `orign`"),
        (
            "claims.roles.exists(r, r == 'x')",
            "line 1, column 14, at `exists(r, r == 'x')`: `exists` is off, since it loops; `in` looks into a list",
        ),
        ("claims.roles.all(r, true)", "`all` is off"),
        ("claims.roles.map(r, true, r) == []", "`map` is off"),
        ("claims.roles.filter(r, true) == []", "`filter` is off"),
        ("claims.roles.exists_one(r, true)", "`exists_one` is off"),
        (
            "room.name.matches('(a+)+')",
            "line 1, column 11, at `matches('(a+)+')`: there is no function `matches`; there are has, contains",
        ),
        ("matches(room.name, 'a')", "there is no function `matches`"),
        ("room.name.startWith('a')", "did you mean `startsWith`?"),
        ("now() < 1", "line 1, column 1, at `now() < 1`: there is no function `now`"),
        ("timestamp('2026-01-01T00:00:00Z') == 1", "there is no function `timestamp`"),
        ("duration('1s') == 1", "there is no function `duration`"),
        ("type(claims.x) == 1", "there is no function `type`"),
        ("dyn(claims.x)", "there is no function `dyn`"),
        ("optional.of(claims.x).hasValue()", "there is no function `hasValue`"),
        ("claims.x.y.z(1)", "there is no function `z`"),
        ("contains('a', 'b')", "`contains` is written claims.x.contains('x')"),
        ("claims.x.size(1) == 1", "`size` is written claims.x.size()"),
        ("claims.x.int() == 1", "`int` is written int(claims.x)"),
        ("size(1, 2) == 1", "`size` is written size(claims.x)"),
        ("has(claims)", "line 1, column 1, at `has(claims)`: has() takes one member"),
        ("has(claims['x'])", "has() takes one member"),
        ("has(claims.x, claims.y)", "has() takes one member"),
        ("claims.has(claims.x)", "has() takes one member"),
        ("Message{a: 1} == 1", "line 1, column 1, at `Message{a: 1} == 1`: builds a message"),
        ("claims.x = 'x'", "line 1, column 10, at `= 'x'`: `=` is no operator; `==` compares"),
        ("claims.x & true", "`&` is no operator; `&&` is"),
        ("claims.x | true", "`|` is no operator; `||` is"),
        ("claims.x == 'x", "line 1, column 13, at `'x`: a string does not end"),
        ("claims.x == '\\q'", "has an unknown escape in it"),
        ("claims.x &&", "line 1, column 12, at the end: something is missing"),
        ("claims.x and claims.y", "line 1, column 10, at `and claims.y`: is no CEL: mismatched input 'and'"),
        ("claims.?x == 1", "line 1, column 7, at `.?x == 1`: is no CEL: unsupported syntax '.?'"),
        ("claims[?'x'] == 1", "unsupported syntax '[?'"),
        ("claims.`x` == 1", "unsupported syntax"),
        ("", "line 1, column 1, at the end: is empty"),
        (" // nothing", "at the end: something is missing"),
        ("99999999999999999999 == 1", "invalid int literal"),
        ("'yes'", "line 1, column 1, at `'yes'`: is a string, where a condition must be"),
        ("7", "is a number"),
        ("null", "is null"),
        ("[true]", "is a list"),
        ("{'a': true}", "is a map"),
        ("claims", "is a map"),
        ("provider", "is a string"),
        ("size(claims.roles)", "is a number"),
        ("claims.a + claims.b", "is no boolean"),
        ("claims.on && 'x'", "line 1, column 14, at `'x'`: is a string"),
        ("!size(claims.x)", "is a number"),
        ("claims.on ? true : 'x'", "is a string"),
    ] {
        let said = Expression::compile(text).expect_err(text);
        assert!(said.contains(why), "{text}\n    {said}\n    {why}");
        assert!(!said.contains('\n'), "{said}");
    }
}

/// Texts of any size that would take a recursive parser's or evaluator's stack.
fn towers(times: usize) -> Vec<String> {
    let of = |open: &str, inner: &str, close: &str| open.repeat(times) + inner + &close.repeat(times);
    vec![
        of("(", "true", ")"),
        of("(", "", ""),
        of("!(", "true", ")"),
        of("-(", "1", ") == 1"),
        of("[", "", "]"),
        of("[", "", ""),
        of("{", "", ""),
        of("{1:", "1", "}"),
        of("size(", "1", ")"),
        of("has(", "claims.x", ")"),
        of("claims[", "1", "]"),
        of("claims.x ? ", "true", " : true"),
        of("true ? true : ", "true", ""),
        of("", "claims", ".x"),
        of("", "claims", "[0]"),
        of("", "claims.x", ".size()"),
        of("", "1", " + 1"),
        of("", "1", " - 1"),
        of("", "claims.x", " == 1"),
        of("", "'x'", " in claims"),
    ]
}

#[test]
fn a_tower_is_refused_and_takes_no_stack() {
    for times in [17, 100, 400, 4096] {
        for mut text in towers(times) {
            text.truncate(MAX_BYTES);
            let said = Expression::compile(&text).expect_err(&text);
            assert!(said.starts_with("line 1, "), "{said}");
        }
    }
    // What does not nest may be long.
    for text in ["!".repeat(4000) + "true", "- ".repeat(2000) + "1 == 1", vec!["true"; 500].join(" && ")] {
        Expression::compile(&text).unwrap();
    }
    let list = format!("claims.x in [{}'']", "'x', ".repeat(800));
    Expression::compile(&list).unwrap();
    assert_eq!(
        Expression::compile(&" ".repeat(MAX_BYTES + 1)).unwrap_err(),
        "has 4097 bytes; an expression has at most 4096"
    );
}

#[test]
fn the_deepest_and_the_largest_that_is_taken_can_be_evaluated_on_a_small_stack() {
    let mut deep = json!("x");
    for _ in 0..126 {
        deep = json!({ "x": deep });
    }
    let claims = json!({"deep": deep, "big": vec![0; 30_000], "x": "y".repeat(60_000)});
    let work = move || {
        let inputs = over(&claims, &ask("r", Requested::default()), &Context::default());
        assert_eq!(evaluated("claims.deep == claims.deep && claims == claims", &inputs), Ok(true));
        let mut taken = 0;
        for times in 1..17 {
            for text in towers(times) {
                let Ok(compiled) = Expression::compile(&text) else { continue };
                let _whatever = compiled.holds(&inputs);
                taken += 1;
            }
        }
        assert!(taken > 120, "{taken}");
        let sum = vec!["claims.x"; 33].join(" + ") + " == ''";
        let said = Expression::compile(&sum).unwrap_err();
        assert!(said.contains("nests more than 16"), "{said}");
        let copies = format!("claims.x in [{}]", vec!["claims"; 33].join(", "));
        let said = Expression::compile(&copies).unwrap_err();
        assert!(said.contains("more than 32 computations"), "{said}");
        let copies = format!("claims.x in [{}]", vec!["claims"; 32].join(", "));
        assert_eq!(evaluated(&copies, &inputs), Ok(false));
    };
    // Half of what a thread of the server has.
    thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_an_expression_or_is_pointed_at(
        pieces in proptest::collection::vec(
            prop_oneof![
                4 => proptest::sample::select(
                    &["claims", "room", ".", "name", "[", "]", "(", ")", "{", "}", "'", "\"", "r'", "b\"", "'''", "a", "0", "1.", "e9",
                      "0x", "u", "==", "=", "&&", "||", "!", "-", "?", ":", ",", "in", " ", "\n", "\r\n", "//", "\\", "\\u12", "`",
                      "é", "\u{1f600}", "has", "true", "null", "size()", ".all(", "if"][..],
                ).prop_map(str::to_owned),
                1 => any::<String>(),
            ],
            0..24,
        ),
    ) {
        let text = pieces.concat();
        match Expression::compile(&text) {
            Ok(compiled) => drop(compiled.holds(&over(&json!({}), &ask("r", Requested::default()), &Context::default()))),
            Err(said) => prop_assert!(said.starts_with("line ") || said.contains("at most"), "{text:?}: {said}"),
        }
    }
}
