//! The recorded cases of the official SDK (`tests/vectors/liveblocks.json`):
//! Roomkey asks Liveblocks for the same in the same bytes, or refuses before.
//!
//! A case that this file does not know fails: what it means here is for people
//! to say.

use serde_json::{Map, Value, json};

use crate::support::{API_KEY, OPEN, PATH, Roomkey, SECRET_KEY, Upstream, bearer, cloud, form, reply, run, user};

fn vectors() -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/liveblocks.json")).unwrap();
    assert_eq!(vectors["sdk"], "@liveblocks/node 3.24.2");
    vectors
}

/// What the SDK's constants stand for.
fn scopes(scopes: &Value) -> Value {
    match scopes.as_str() {
        Some("FULL_ACCESS") => json!(["*:write"]),
        Some("READ_ACCESS") => json!(["*:read"]),
        _ => scopes.clone(),
    }
}

/// TOML takes JSON's strings and lists as they are.
fn rules(allow: &[(String, Value)]) -> String {
    let ((first, permissions), rest) = allow.split_first().unwrap();
    let entry = |(room, permissions): &(String, Value)| {
        format!("{{ room = {}, permissions = {permissions} }}", Value::from(room.as_str()))
    };
    let role = format!("[roles.as-recorded.liveblocks]\npermissions = {permissions}\n");
    let is_room = !first.contains('*');
    let rooms: Vec<_> = if is_room { rest } else { allow }.iter().map(entry).collect();
    let place = if is_room { "room = \"**\"" } else { "no_room = true" };
    let rooms = if rooms.is_empty() { String::new() } else { format!("liveblocks_rooms = [{}]\n", rooms.join(", ")) };
    format!(
        "[[authorize]]\nkind = \"rules\"\n[[authorize.rules]]\n{place}\nprovider = \"liveblocks\"\nrole = \"as-recorded\"\n{rooms}{role}"
    )
}

/// The patterns in their order, each once: a role and an entry are lists
/// already, so what `allow` adds up the configuration has added up.
fn allowed(case: &Value) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = Vec::new();
    for entry in case["input"]["allow"].as_array().unwrap() {
        let (room, given) = (entry[0].as_str().unwrap(), scopes(&entry[1]));
        if let Some((_, known)) = all.iter_mut().find(|(known, _)| known == room) {
            let known = known.as_array_mut().unwrap();
            for scope in given.as_array().unwrap().iter().filter(|scope| !known.contains(scope)).collect::<Vec<_>>() {
                known.push(scope.clone());
            }
        } else {
            all.push((room.to_owned(), given));
        }
    }
    all
}

/// The recorded body, but with the user info as Roomkey writes it: by name, and
/// without what is null.
fn body(case: &Value) -> String {
    let recorded = case["request"]["rawBody"].as_str().unwrap();
    let info: Option<Map<String, Value>> = case["request"]["body"]["userInfo"].as_object().cloned();
    let Some(info) = info else { return recorded.to_owned() };
    let (before, _) = recorded.split_once("\"userInfo\":").unwrap();
    assert!(case["request"]["body"].get("organizationId").is_none());
    let info: Map<_, _> = info.into_iter().filter(|(_, value)| !value.is_null()).collect();
    format!("{before}\"userInfo\":{}}}", Value::from(info))
}

#[test]
fn liveblocks_is_asked_for_what_the_official_sdk_asks() {
    for case in vectors()["requests"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let upstream = Upstream::good();
        let allow = allowed(case);
        let base_url = format!("{}{}", upstream.url(), case["input"]["baseUrlSuffix"].as_str().unwrap_or_default());
        let mut claims = json!({"sub": case["input"]["userId"]});
        let mut mapping = String::new();
        if let Some(info) = case["input"]["options"]["userInfo"].as_object() {
            claims["ui"] = info.clone().into();
            let members: Vec<_> = info.keys().map(|member| format!("{member} = \"ui.{member}\"")).collect();
            mapping = format!("user_info = {{ {} }}", members.join(", "));
        }
        let config = cloud(&base_url, &mapping, &rules(&allow)).replace(SECRET_KEY, "sk_test_abc-123_XYZ");
        if name.contains("two base scopes") {
            run(&["serve", "--config", "roomkey.toml"], &config, &[])
                .refused("roles.as-recorded.liveblocks.permissions", "2 base scopes");
            continue;
        }
        let roomkey = Roomkey::serve(&config);
        let first = &allow[0].0;
        let answer = if first.contains('*') {
            roomkey.enter(&bearer(claims.clone()), first).is(400, "invalid_request");
            assert_eq!(upstream.calls(), 0, "{name}: a requested pattern was asked for");
            roomkey.ask(&bearer(claims), "{}")
        } else {
            roomkey.enter(&bearer(claims), first)
        };
        assert_eq!(answer.token(), "TOKEN-1", "{name}");
        let seen = upstream.last();
        let path = match case["input"]["baseUrlSuffix"].as_str() {
            Some(_) => "/prefix/v2/authorize-user", // the SDK drops it, which nobody who wrote it meant
            None => case["request"]["path"].as_str().unwrap(),
        };
        assert_eq!(seen.line, format!("{} {path} HTTP/1.1", case["request"]["method"].as_str().unwrap()), "{name}");
        for header in ["authorization", "content-type", "accept"] {
            assert_eq!(seen.header(header), case["request"]["headers"][header].as_str(), "{name}: {header}");
        }
        let expected = if name.contains("integer-like") {
            // JavaScript moves such names to the front, and order is meaning: Roomkey keeps it
            r#"{"userId":"u","permissions":{"b":["*:write"],"10":["*:write"],"2":["*:write"]}}"#.to_owned()
        } else {
            body(case)
        };
        assert_eq!(seen.body, expected, "{name}");
        assert_eq!(upstream.calls(), 1, "{name}");
    }
}

/// Refused at start wherever the configuration could say it.
fn refused_as_an_entry(room: &Value) {
    let rules = format!(
        "[[authorize]]\nkind = \"rules\"\nrules = [{{ room = \"**\", role = \"host\", liveblocks_rooms = [{room}] }}]"
    );
    let ran = run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", &rules), &[]);
    ran.refused("authorize[0].rules[0].liveblocks_rooms", "");
}

fn refused_as_permissions(permissions: &Value) {
    let role = format!("[roles.x.liveblocks]\npermissions = {permissions}\n{OPEN}");
    run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", &role), &[])
        .refused("roles.x.liveblocks.permissions", "");
    let rules = format!(
        "[[authorize]]\nkind = \"rules\"\nrules = [{{ room = \"**\", role = \"host\", liveblocks_rooms = [{{ room = \"a\", permissions = {permissions} }}] }}]"
    );
    run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", &rules), &[])
        .refused("authorize[0].rules[0].liveblocks_rooms", "");
}

/// An entry that only a request's claims complete: 500, and never sent.
fn unfit_when_filled(room: &Value) {
    let upstream = Upstream::good();
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"host\", liveblocks_rooms = [\"{more}\"] }]";
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", rules));
    roomkey.enter(&bearer(json!({"sub": "u", "more": room})), "r").is(500, "internal");
    roomkey.must_say(&["Request failed", "liveblocks_rooms"]);
    assert_eq!(upstream.calls(), 0);
}

#[test]
fn what_the_official_sdk_refuses_is_refused_before_any_call() {
    for case in vectors()["rejected"].as_array().unwrap() {
        let upstream = Upstream::good();
        let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
        let room = &case["input"]["allow"][0][0];
        let mut expected_calls = 0;
        match case["name"].as_str().unwrap() {
            "empty room" | "room not a string" | "two wildcards" => {
                roomkey.ask(&user("u"), json!({"room": room}).to_string()).is(400, "invalid_request");
                refused_as_an_entry(room);
            }
            "129-char room" | "65 emoji (130 UTF-16 units)" => {
                roomkey.ask(&user("u"), json!({"room": room}).to_string()).is(400, "invalid_request");
                unfit_when_filled(room);
            }
            "empty permission list" => refused_as_permissions(&case["input"]["allow"][0][1]),
            "userId number" => {
                roomkey.backend(&json!({"room": "r", "user_id": 5})).is(400, "invalid_request");
                // in the app's own token a whole number counts as its text
                roomkey.enter(&bearer(json!({"sub": 5})), "r").token();
                assert_eq!(upstream.last().json()["userId"], "5");
                expected_calls = 1;
            }
            "identifyUser empty userId" => {
                roomkey.backend(&json!({"room": "r", "user_id": ""})).is(400, "invalid_request");
                roomkey.enter(&user(""), "r").is(401, "unauthenticated");
            }
            "identifyUser without userId" => {
                roomkey.backend(&json!({"room": "r"})).is(400, "invalid_request");
                roomkey.enter(&bearer(json!({"groups": ["a"]})), "r").is(401, "unauthenticated");
            }
            "secret pk_" | "secret with space" => {
                let key = case["input"]["secret"].as_str().unwrap();
                let config = form(&format!("secret_key = \"{key}\""), OPEN);
                let ran = run(&["serve", "--config", "roomkey.toml"], &config, &[]);
                ran.refused("liveblocks.secret_key", "sk_");
                assert!(!ran.stderr.contains(key), "{ran:?}");
            }
            // there is nothing to use twice: each request is a call and a token of its own
            "authorize() twice" | "allow() after authorize()" => {
                let tokens = [1, 2].map(|_| roomkey.enter(&user("u"), "r").token());
                assert_eq!(tokens, ["TOKEN-1", "TOKEN-2"]);
                expected_calls = 2;
            }
            unknown => panic!("what does {unknown:?} mean here?"),
        }
        assert_eq!(upstream.calls(), expected_calls, "{}", case["name"]);
    }
}

#[test]
fn what_liveblocks_answers_becomes_what_a_client_can_act_on() {
    let upstream = Upstream::good();
    let roomkey = Roomkey::serve(&cloud(&upstream.url(), "", OPEN));
    for case in vectors()["upstream"].as_array().unwrap() {
        let given = &case["reply"];
        let text = given["body"].as_str().unwrap_or_default();
        if given["partial"] == true {
            upstream.sends(reply(200, &[], &[b' '; 99])[..60].to_vec());
        } else {
            let headers = given["headers"].as_object().cloned().unwrap_or_default();
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, value.as_str().unwrap())).collect();
            let status = u16::try_from(given["status"].as_u64().unwrap()).unwrap();
            upstream.sends(reply(status, &headers, text.as_bytes()));
        }
        let before = upstream.calls();
        let answer = roomkey.request(
            "POST",
            PATH,
            &[("authorization", &format!("Bearer {API_KEY}")), ("content-type", "application/json")],
            br#"{"room":"r","user_id":"u"}"#,
        );
        answer.is(502, "upstream_failed");
        assert_eq!(upstream.calls(), before + 1, "{}", case["name"]);
        for member in serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default().values() {
            let leaked = member.as_str().is_some_and(|text| !text.is_empty() && answer.body.contains(text));
            assert!(!leaked, "{}: {answer:?}", case["name"]);
        }
        assert!(!answer.body.contains("oops") && !answer.body.contains(SECRET_KEY), "{answer:?}");
    }
}
