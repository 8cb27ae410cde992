//! Rules with a `when`.

use serde_json::{Value, json};

use crate::support::{JWT, LIVEBLOCKS, LIVEKIT, Roomkey, check, run, user};

/// Users by JWT, and these rules.
fn ruled(rules: &str) -> String {
    format!("{LIVEKIT}{LIVEBLOCKS}{JWT}[[authorize]]\nkind = \"rules\"\n{rules}")
}

/// A rule for every room, less what it does.
fn rule(when: &str, does: &str) -> String {
    format!("[[authorize.rules]]\nroom = \"**\"\nwhen = '''{when}'''\n{does}\n")
}

fn role(when: &str) -> String {
    rule(when, "role = \"viewer\"")
}

fn deny(when: &str) -> String {
    rule(when, "deny = true")
}

const HOST: &str = "[[authorize.rules]]\nroom = \"**\"\nrole = \"host\"\n";

fn by(claims: Value) -> String {
    let mut all = json!({"sub": "alice"});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    user(all)
}

/// The audit line of the newest decision.
fn audit(roomkey: &Roomkey) -> Value {
    roomkey.must_say(&["\"event\":\"decision\""]);
    let said = roomkey.said();
    let line = said.lines().rfind(|line| line.contains("\"event\":\"decision\"")).unwrap();
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_rule_lets_in_when_its_expression_is_true_and_only_then() {
    let roomkey = Roomkey::serve(&ruled(&role("room.segments[1] == claims.org && claims.level > 2")));
    let ask = |room: &str, claims: Value| {
        let body = json!({"room_name": room});
        roomkey.livekit().body(&body).by(&by(claims)).send()
    };
    assert_eq!(ask("org:acme:x", json!({"org": "acme", "level": 3})).livekit()["video"]["canSubscribe"], true);
    for (room, claims) in [
        ("org:globex:x", json!({"org": "acme", "level": 3})),
        ("org:acme:x", json!({"org": "acme", "level": 2})),
        ("org:acme:x", json!({"org": "acme", "level": "3"})),
        ("org:acme:x", json!({"org": ["acme"], "level": 3})),
        ("org:acme:x", json!({"org": null, "level": 3})),
        ("org:acme:x", json!({"level": 3})),
        ("acme", json!({"org": "acme", "level": 3})),
    ] {
        ask(room, claims).refused(403, "forbidden");
    }
}

#[test]
fn what_cannot_be_evaluated_passes_a_role_over_and_the_audit_line_says_so() {
    let roomkey = Roomkey::serve(&ruled(&(role("claims.org == 'acme'") + HOST)));
    let answer = roomkey.livekit().by(&by(json!({}))).send();
    assert_eq!(answer.livekit()["video"]["roomAdmin"], true);
    let line = audit(&roomkey);
    assert_eq!(line["note"], "authorize[0].rules[0]: `when` could not be evaluated: there is no org", "{line}");
    assert_eq!((&line["outcome"], &line["rule"]), (&json!("allow"), &json!("authorize[0].rules[1]")), "{line}");
    assert!(!answer.body.contains("when"), "{answer:?}");
    // What is false, or true, needs no note.
    for org in ["acme", "globex"] {
        roomkey.livekit().by(&by(json!({"org": org}))).send().livekit();
        assert_eq!(audit(&roomkey).get("note"), None);
    }
}

#[test]
fn what_cannot_be_evaluated_denies_where_it_could_deny() {
    let named = deny("claims.banned").replace("deny", "name = \"banned\"\ndeny");
    let roomkey = Roomkey::serve(&ruled(&(role("claims.level > 1") + &named + HOST)));
    let ask = |claims: Value| roomkey.livekit().by(&by(claims)).send();
    ask(json!({"banned": false})).livekit();
    ask(json!({"banned": true})).refused(403, "forbidden");
    assert_eq!(audit(&roomkey)["note"], "authorize[0].rules[0]: `when` could not be evaluated: there is no level");
    for claims in [json!({"level": "CANARY-level"}), json!({"banned": "CANARY-banned", "level": "CANARY-level"})] {
        let answer = ask(claims.clone());
        assert_eq!(answer.refused(403, "forbidden").json().get("reason"), None, "{answer:?}");
        assert!(!answer.body.contains("evaluated"), "{answer:?}");
        let line = audit(&roomkey);
        assert_eq!((&line["outcome"], &line["rule"]), (&json!("deny"), &json!("banned")), "{line}");
        let note = line["note"].as_str().unwrap();
        let why = match claims.get("banned") {
            Some(_) => "banned: `when` could not be evaluated: it is of the type string, not bool",
            None => "banned: `when` could not be evaluated: there is no banned",
        };
        let first = "authorize[0].rules[0]: `when` could not be evaluated: `>` does not go with (string, int)";
        assert_eq!(note, format!("{first}; {why}"));
    }
    assert!(!roomkey.said().contains("CANARY"));
}

#[test]
fn what_nobody_allowed_is_noted_too() {
    let roomkey = Roomkey::serve(&ruled(&role("1 / claims.zero == 1")));
    roomkey.livekit().by(&by(json!({"zero": 0}))).send().refused(403, "forbidden");
    let line = audit(&roomkey);
    assert_eq!(line["note"], "authorize[0].rules[0]: `when` could not be evaluated: division by zero");
    assert_eq!((&line["outcome"], &line["rule"]), (&json!("deny"), &json!("")), "{line}");
}

#[test]
fn an_expression_is_looked_at_last() {
    let narrow = "[[authorize.rules]]\nroom = \"org:*\"\nclaims = { staff = true }\nprovider = \"livekit\"\n\
                  email_domain = \"corp.example\"\nwhen = 'claims.nobody'\nrole = \"viewer\"\n";
    let roomkey = Roomkey::serve(&ruled(&(narrow.to_owned() + HOST)));
    let whole = json!({"staff": true, "email": "a@corp.example", "email_verified": true});
    for (room, missing, noted) in
        [("org:x", "", true), ("other", "", false), ("org:x", "staff", false), ("org:x", "email", false)]
    {
        let mut claims = whole.clone();
        claims.as_object_mut().unwrap().remove(missing);
        roomkey.livekit().body(&json!({"room_name": room})).by(&by(claims.clone())).send().livekit();
        assert_eq!(audit(&roomkey).get("note").is_some(), noted, "{room} without {missing:?}");
        roomkey.liveblocks().body(&json!({"room": room})).by(&by(claims)).send().liveblocks();
        assert_eq!(audit(&roomkey).get("note"), None);
    }
}

#[test]
fn the_request_and_the_provider_can_be_read() {
    let rules = role("has(request.origin) && request.origin == 'https://app.example'")
        + &role("provider == 'liveblocks' && request.action == 'liveblocks.enter'")
        + &role("has(request.attributes) && request.attributes.seat == '4' && request.agents[0].agentName == 'helper'")
        + "[[authorize.rules]]\nno_room = true\nwhen = 'room.name == \"\" && size(room.segments) == 0 && \
           request.action == \"liveblocks.personal\" && has(claims.org)'\nrole = \"viewer\"\nliveblocks_rooms = [\"org:{org}:*\"]\n";
    let roomkey = Roomkey::serve(&ruled(&rules));
    let caller = by(json!({"org": "acme"}));
    roomkey.livekit().by(&caller).send().refused(403, "forbidden");
    roomkey.livekit().by(&caller).header("origin", "https://evil.example").send().refused(403, "forbidden");
    roomkey.livekit().by(&caller).header("origin", "https://app.example").send().livekit();
    roomkey.liveblocks().by(&caller).send().liveblocks();
    let full = json!({
        "room_name": "standup", "participant_attributes": {"seat": "4"},
        "room_config": {"agents": [{"agent_name": "helper"}]},
    });
    roomkey.livekit().by(&caller).body(&full).send().livekit();
    let perms = roomkey.liveblocks().body(&json!({})).by(&caller).send().liveblocks()["perms"].take();
    assert!(perms.get("org:acme:*").is_some(), "{perms}");
    roomkey.liveblocks().body(&json!({})).by(&by(json!({}))).send().refused(403, "forbidden");
}

#[test]
fn a_bad_expression_does_not_start_and_is_pointed_at() {
    for (when, why) in [
        (
            "room.nmae == 'x'",
            "line 1, column 6, at `nmae == 'x'`: `room` has no member `nmae`; it has name, segments; did you mean `name`?",
        ),
        ("claims.on &&\n  usr.id == 'x'", "line 2, column 3, at `usr.id == 'x'`: there is no variable `usr`"),
        ("claims.org =", "`=` is no operator; `==` compares"),
        ("claims.roles.exists(r, r == 'x')", "`exists` is off"),
        ("'yes'", "is a string, where a condition must be"),
    ] {
        let config = ruled(&(HOST.to_owned() + &role(when)));
        let ran = run(&config, &[]);
        let line = config.lines().position(|line| line.starts_with("when")).unwrap() + 1;
        ran.refused("authorize[0].rules[1].when", &format!("roomkey.toml:{line}: "));
        ran.refused("authorize[0].rules[1].when", why);
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
    for open in ["(", "!(", "[", "{", "-("] {
        let ran = run(&ruled(&role(&open.repeat(4096 / open.len()))), &[]);
        ran.refused("authorize[0].rules[0].when", "nests more than");
    }
    run(&ruled(&role(&"!".repeat(5000))), &[]).refused("authorize[0].rules[0].when", "at most 4096");
    let number = "[[authorize.rules]]\nroom = \"**\"\nwhen = true\nrole = \"viewer\"\n";
    run(&ruled(number), &[]).refused("authorize[0].rules[0].when", "expected a string");
}

#[test]
fn check_decides_by_expressions_and_shows_the_note() {
    let config = ruled(&role("room.segments[1] == claims.org"));
    let check = |claims: &str, more: &[&str]| {
        let ran = check(&[&["check", "--as", claims, "--livekit", "org:acme"], more].concat(), &config, &[]);
        (ran.code, ran.stdout)
    };
    let (code, said) = check(r#"{"id":"ann","org":"acme"}"#, &[]);
    assert!(code == Some(0) && said.contains("outcome: allow") && !said.contains("note"), "{said}");
    let note = "authorize[0].rules[0]: `when` could not be evaluated: there is no org";
    let (code, said) = check(r#"{"id":"ann"}"#, &[]);
    assert!(code == Some(1) && said.contains("outcome: deny") && said.contains(&format!("note: {note}\n")), "{said}");
    let (_, said) = check(r#"{"id":"ann"}"#, &["--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["decision"]["note"], note, "{said}");
}
