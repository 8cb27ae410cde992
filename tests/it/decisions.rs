//! Any configuration, caller and body: a token comes out exactly where the
//! model says so, and holds exactly what it says.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::model::{Caller, FLAGS, body, caller, config, decide, lookup, matches, members_mut, odd_text};
use crate::support::{Answer, BACKEND_KEY, NOW, all_as, ask, login, members, router};

const CASES: u32 = 600;

/// Texts that can be a room or an identity.
fn is_name(text: &str) -> bool {
    let invisible = |c: char| c.is_whitespace() || !c.is_ascii_graphic() && roomkey_calls_invisible(c);
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) && !text.chars().all(invisible)
}

/// Which characters show nothing is a long list, tested where it stands; here
/// its word is taken, by asking for a room of that name alone.
fn roomkey_calls_invisible(c: char) -> bool {
    let answer =
        ask(&router(&all_as("viewer"), NOW), &login(&json!({"sub": "a"})), &json!({"room_name": c.to_string()}));
    answer.status == 400
}

/// A template of these tests: a claim, with text after it; or text.
fn fill(template: &str, claims: &Value) -> Option<String> {
    let Some((name, rest)) = template.strip_prefix('{').and_then(|named| named.split_once('}')) else {
        return Some(template.to_owned());
    };
    let text = match lookup(claims, name)? {
        Value::String(text) => text.clone(),
        other @ (Value::Number(_) | Value::Bool(_)) => other.to_string(),
        _ => return None,
    };
    Some(text + rest)
}

/// What the server itself puts into a token for a role.
struct Own {
    name: Option<String>,
    metadata: Option<String>,
    attributes: Map<String, Value>,
    /// Keys that are the server's, with a value or without.
    keys: Vec<String>,
    agents: Vec<Value>,
}

fn own(config: &Value, role: &Value, claims: &Value) -> Own {
    let from_claims = members(&config["livekit"]["attributes"]).iter();
    let from_claims = from_claims.map(|(key, name)| (key, format!("{{{}}}", name.as_str().unwrap())));
    let from_role = members(&role["attributes"]).iter().map(|(key, text)| (key, text.as_str().unwrap().to_owned()));
    let templates: Vec<_> = from_claims.chain(from_role).collect();
    let metadata = match &role["metadata"] {
        Value::String(text) => Some(fill(text, claims).unwrap_or_default()),
        Value::Object(table) => {
            Some(json!({"of": fill(table["of"].as_str().unwrap(), claims).unwrap_or_default()}).to_string())
        }
        _ => None,
    };
    let given = templates.iter().filter_map(|(key, text)| Some(((*key).clone(), fill(text, claims)?.into())));
    Own {
        name: claims["name"].as_str().map(str::to_owned),
        metadata,
        attributes: given.collect(),
        keys: templates.iter().map(|(key, _)| (*key).clone()).collect(),
        agents: if role.get("room_config").is_some() { vec![json!({"agentName": "x"})] } else { vec![] },
    }
}

fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body[field].as_str().filter(|text| !text.is_empty())
}

fn agents(body: &Value) -> Vec<Value> {
    let sent = body["room_config"]["agents"].as_array().cloned().unwrap_or_default();
    let read = sent.iter().map(|agent| {
        let mut read = json!({"agentName": agent["agent_name"]});
        if let Some(metadata) = text(agent, "metadata") {
            read["metadata"] = metadata.into();
        }
        read
    });
    read.collect()
}

/// Whether all that a body asks for is the client's to set, or the server's own.
fn settable(config: &Value, own: &Own, body: &Value) -> bool {
    let may = &config["livekit"]["client_may_set"];
    let lists =
        |list: &str, name: &str| may[list].as_array().unwrap().iter().any(|known| known == "*" || known == name);
    let attributes = body["participant_attributes"].as_object().cloned().unwrap_or_default();
    let name = text(body, "participant_name");
    let metadata = text(body, "participant_metadata");
    let attribute = |(key, value): (&String, &Value)| {
        if own.keys.contains(key) {
            own.attributes.get(key) == Some(value)
        } else {
            !key.starts_with("lk.") && lists("attributes", key)
        }
    };
    let known = |agent: &Value| own.agents.contains(agent) || lists("agents", agent["agentName"].as_str().unwrap());
    name.is_none_or(|name| name.len() <= 256 && (may["name"] == true || own.name.as_deref() == Some(name)))
        && metadata.is_none_or(|metadata| may["metadata"] == true || own.metadata.as_deref() == Some(metadata))
        && attributes.iter().all(attribute)
        && agents(body).iter().all(known)
}

/// The claims that the model expects.
fn expected(config: &Value, role: &Value, identity: &str, own: &Own, body: &Value) -> Value {
    let on = |setting: &str| role[setting] == true;
    let mut video = json!({"roomJoin": true, "room": body["room_name"]});
    for (setting, claim) in FLAGS {
        if on(setting) || ["can_publish", "can_subscribe", "can_publish_data"].contains(&setting) {
            video[claim] = on(setting).into();
        }
    }
    if let Some(sources) = role["can_publish_sources"].as_array() {
        if sources.is_empty() {
            video["canPublish"] = false.into();
        } else {
            video["canPublishSources"] = sources.clone().into();
        }
    }
    let mut claims =
        json!({"iss": config["livekit"]["api_key"], "sub": identity, "nbf": NOW, "exp": NOW + 600, "video": video});
    let name = text(body, "participant_name").or(own.name.as_deref()).filter(|text| !text.is_empty());
    let metadata = text(body, "participant_metadata").or(own.metadata.as_deref()).filter(|text| !text.is_empty());
    for (claim, text) in [("name", name), ("metadata", metadata)] {
        members_mut(&mut claims).extend(text.map(|text| (claim.to_owned(), text.into())));
    }
    let mut attributes = body["participant_attributes"].as_object().cloned().unwrap_or_default();
    attributes.extend(own.attributes.clone());
    if !attributes.is_empty() {
        claims["attributes"] = attributes.into();
    }
    let mut all = own.agents.clone();
    all.extend(agents(body).into_iter().filter(|agent| !own.agents.contains(agent)));
    if !all.is_empty() {
        claims["roomConfig"] = json!({"agents": all});
    }
    claims
}

/// The request as the caller sends it, and the identity that it then has.
fn send_as(config: &Value, caller: &Caller, body: &Value) -> (Answer, Option<String>) {
    let subject = caller.claims["sub"].as_str().unwrap();
    let mut body = body.clone();
    let device = members_mut(&mut body).remove("device");
    let device = device.as_ref().and_then(Value::as_str).unwrap_or_default();
    let devices = config["livekit"]["client_may_set"]["device"] == true;
    let router = router(config, NOW);
    let unfit = subject.is_empty() || devices && subject.contains('~');
    if caller.by_backend {
        let mut claims = caller.claims.clone();
        members_mut(&mut claims).remove("sub");
        body["participant_identity"] = subject.into();
        body["claims"] = claims;
        members_mut(&mut body).extend(caller.role.map(|role| ("role".to_owned(), role.into())));
        return (
            ask(&router, BACKEND_KEY, &body),
            Some(subject.to_owned()).filter(|subject| !unfit && is_name(subject)),
        );
    }
    let mut identity = Some(subject.to_owned()).filter(|_| !unfit);
    if !device.is_empty() {
        let named = format!("{subject}{device}");
        identity = identity.map(|_| named.clone()).filter(|_| devices && device == "~tab");
        body["participant_identity"] = named.into();
    }
    (ask(&router, &login(&caller.claims), &body), identity.filter(|identity| is_name(identity)))
}

/// One case; the claims, if a token came out.
fn compare(config: &Value, caller: &Caller, body: &Value) -> Result<Option<Value>, TestCaseError> {
    let (answer, identity) = send_as(config, caller, body);
    let room = body["room_name"].as_str().unwrap();
    let decided = decide(config, caller, room);
    let may_give = caller.role.is_none_or(|role| ["one", "two"].contains(&role));
    let wanted = match (&decided, &identity) {
        (Ok(Some(name)), Some(identity)) if is_name(room) && may_give => {
            let role = &config["roles"][name]["livekit"];
            let own = own(config, role, &caller.claims);
            settable(config, &own, body).then(|| expected(config, role, identity, &own, body))
        }
        _ => None,
    };
    if let Some(wanted) = wanted {
        prop_assert_eq!(answer.status.as_u16(), 201, "{:?} {}", answer, body);
        prop_assert_eq!(answer.claims(), wanted.clone());
        return Ok(Some(wanted));
    }
    prop_assert_eq!(answer.token(), None);
    prop_assert!([400, 401, 403].contains(&answer.status.as_u16()), "{:?}", answer);
    Ok(None)
}

#[test]
fn a_token_comes_out_exactly_where_it_should() {
    let given = RefCell::new(Vec::new());
    let settings = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let done = TestRunner::new(settings).run(&(config(), caller(), body()), |(config, caller, body)| {
        given.borrow_mut().extend(compare(&config, &caller, &body)?);
        Ok(())
    });
    done.unwrap_or_else(|why| panic!("{why}"));
    // Both ways were taken, and everything that can be in a token was.
    let given = given.into_inner();
    let with = |pointer: &str| given.iter().filter(|claims| claims.pointer(pointer).is_some()).count();
    let (all, cases) = (given.len(), usize::try_from(CASES).unwrap());
    assert!(all > cases / 10 && all < cases * 9 / 10, "{all}");
    for pointer in
        ["/name", "/metadata", "/attributes/color", "/attributes/team", "/roomConfig", "/video/canPublishSources"]
    {
        assert!(with(pointer) > 0, "{pointer}: {}", with(pointer));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_claims_value_is_never_a_pattern(org in odd_text(), room in "[ab:/*{}]{1,8}", after in "[ab:/]{0,3}") {
        let mut config = all_as("viewer");
        config["authorize"][0]["rules"] = json!([{"room": "org:{org}:**", "role": "viewer"}, {"room": "x{org}y", "role": "viewer"}]);
        let router = router(&config, NOW);
        let bearer = login(&json!({"sub": "alice", "org": org}));
        let whole = !org.is_empty() && !org.contains([':', '/', '*']) && !org.chars().any(char::is_control);
        for room in [format!("org:{room}:{after}"), format!("org:{org}:{after}"), format!("x{org}y"), format!("x{room}y")] {
            let token = ask(&router, &bearer, &json!({"room_name": room})).token().is_some();
            let literal = room.strip_prefix("org:").and_then(|rest| rest.strip_prefix(&*org)).and_then(|rest| rest.strip_prefix(':'));
            let own = literal.is_some_and(|rest| !rest.is_empty()) || room == format!("x{org}y");
            prop_assert_eq!(token, whole && own && room.len() <= 256, "{:?}", room);
        }
    }
}

#[test]
fn the_model_matches_what_the_contract_says() {
    let claims = json!({"org": "acme", "team": ["a", "b", "x:y"], "evil": "*", "app": {"plan": "pro"}});
    for (pattern, room, wanted) in [
        ("org:{org}:**", "org:acme:x:y", true),
        ("org:{org}:**", "org:acme:", false),
        ("org:{org}:*", "org:acme:x:y", false),
        ("doc-*", "doc-1", true),
        ("doc-*", "doc-", false),
        ("{team}/*", "b/é", true),
        ("{team}/*", "x:y/é", false),
        ("{evil}", "anything", false),
        ("{app.plan}", "pro", true),
        ("a:b", "a/b", false),
    ] {
        assert_eq!(matches(pattern, room, &claims), wanted, "{pattern} {room}");
    }
}
