//! LiveKit's `roomConfig`: what the token of the first participant sets up.
//!
//! Names come in both casings, as the server's own parser takes them, and leave
//! in the SDKs' camelCase. Egress with credentials in it never enters a token:
//! a token can be read by whoever holds it.
//!
//! Source: livekit/protocol `livekit_room.proto` (`RoomConfiguration`),
//! `livekit_agent_dispatch.proto`, `livekit_egress.proto`.

use serde_json::{Map, Value};

use crate::template::{BadTemplate, JsonTemplate};

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Text; a table is written as JSON.
    Metadata,
    Number,
    Flag,
    Texts,
    Egress,
    Agents,
    RestartPolicy,
}

const FIELDS: [(&str, &str, Kind); 11] = [
    ("name", "name", Kind::Text),
    ("empty_timeout", "emptyTimeout", Kind::Number),
    ("departure_timeout", "departureTimeout", Kind::Number),
    ("max_participants", "maxParticipants", Kind::Number),
    ("metadata", "metadata", Kind::Metadata),
    ("egress", "egress", Kind::Egress),
    ("min_playout_delay", "minPlayoutDelay", Kind::Number),
    ("max_playout_delay", "maxPlayoutDelay", Kind::Number),
    ("sync_streams", "syncStreams", Kind::Flag),
    ("agents", "agents", Kind::Agents),
    ("tags", "tags", Kind::Texts),
];

const AGENT_FIELDS: [(&str, &str, Kind); 5] = [
    ("agent_name", "agentName", Kind::Text),
    ("metadata", "metadata", Kind::Metadata),
    ("restart_policy", "restartPolicy", Kind::RestartPolicy),
    ("deployment", "deployment", Kind::Text),
    ("attributes", "attributes", Kind::Texts),
];

/// The names of all fields of a room configuration, in both casings.
pub(crate) fn field_names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().flat_map(|(snake, camel, _)| [*snake, *camel])
}

/// Something in a room configuration that cannot be: the path to it, and why.
pub(crate) type Wrong = (String, String);

/// Reads a room configuration. With `templates`, its strings may hold
/// `{claim}`; in `egress` they stay as they are, since LiveKit has placeholders
/// of its own there.
pub(crate) fn read(value: &Value, templates: bool) -> Result<JsonTemplate, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let read = object(value, &FIELDS, "", templates, &mut wrong);
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

fn object(
    value: &Value,
    fields: &[(&str, &str, Kind)],
    path: &str,
    templates: bool,
    wrong: &mut Vec<Wrong>,
) -> JsonTemplate {
    let mut members: Vec<(String, JsonTemplate)> = Vec::new();
    let Value::Object(given) = value else {
        wrong.push((path.trim_start_matches('.').to_owned(), "expected a table".to_owned()));
        return JsonTemplate::Object(members);
    };
    for (name, value) in given {
        let here = format!("{path}.{name}");
        let at = here.trim_start_matches('.').to_owned();
        let Some((_, camel, kind)) = fields.iter().find(|(snake, camel, _)| snake == name || camel == name) else {
            wrong.push((at, "unknown setting".to_owned()));
            continue;
        };
        if members.iter().any(|(known, _)| known == camel) {
            wrong.push((at, "is given in both casings".to_owned()));
            continue;
        }
        match field(value, *kind, &here, templates, wrong) {
            Ok(read) => members.push(((*camel).to_owned(), read)),
            Err(why) => wrong.push((at, why)),
        }
    }
    JsonTemplate::Object(members)
}

fn field(
    value: &Value,
    kind: Kind,
    path: &str,
    templates: bool,
    wrong: &mut Vec<Wrong>,
) -> Result<JsonTemplate, String> {
    let text = |value: &Value| {
        if templates {
            JsonTemplate::parse(value.clone()).map_err(|error: BadTemplate| error.to_string())
        } else {
            Ok(JsonTemplate::Fixed(value.clone()))
        }
    };
    match (kind, value) {
        (Kind::Text | Kind::Metadata, Value::String(_)) => text(value),
        (Kind::Metadata, Value::Object(_)) => Ok(JsonTemplate::Encoded(Box::new(text(value)?))),
        (Kind::Number, Value::Number(number)) if number.as_u64().is_some_and(|n| u32::try_from(n).is_ok()) => {
            Ok(JsonTemplate::Fixed(value.clone()))
        }
        (Kind::Flag, Value::Bool(_)) => Ok(JsonTemplate::Fixed(value.clone())),
        (Kind::Texts, Value::Object(members)) if members.values().all(Value::is_string) => text(value),
        (Kind::RestartPolicy, Value::String(policy)) if ["JRP_ON_FAILURE", "JRP_NEVER"].contains(&policy.as_str()) => {
            Ok(JsonTemplate::Fixed(value.clone()))
        }
        (Kind::Egress, Value::Object(members)) => match credential_in(members) {
            None => Ok(JsonTemplate::Fixed(value.clone())),
            Some(name) => Err(format!(
                "holds `{name}`, and whoever holds the token could read it; keep credentials in the egress service's own configuration"
            )),
        },
        (Kind::Agents, Value::Array(agents)) => Ok(JsonTemplate::List(
            agents
                .iter()
                .enumerate()
                .map(|(index, agent)| object(agent, &AGENT_FIELDS, &format!("{path}[{index}]"), templates, wrong))
                .collect(),
        )),
        (Kind::Text, _) => Err("expected a string".to_owned()),
        (Kind::Metadata, _) => Err("expected a string or a table".to_owned()),
        (Kind::Number, _) => Err("expected a whole number from 0 to 4294967295".to_owned()),
        (Kind::Flag, _) => Err("expected true or false".to_owned()),
        (Kind::Texts, _) => Err("expected a table of strings".to_owned()),
        (Kind::RestartPolicy, _) => Err("must be `JRP_ON_FAILURE` or `JRP_NEVER`".to_owned()),
        (Kind::Egress, _) => Err("expected a table".to_owned()),
        (Kind::Agents, _) => Err("expected a list of tables".to_owned()),
    }
}

/// The first member, at any depth, that holds a credential: keys of the four
/// upload targets, a proxy's password, and stream URLs, whose path is one.
fn credential_in(members: &Map<String, Value>) -> Option<&str> {
    const CREDENTIALS: [&str; 10] = [
        "secret",
        "accesskey",
        "sessiontoken",
        "assumeroleexternalid",
        "credentials",
        "accountkey",
        "password",
        "streamoutputs",
        "stream",
        "signingkey",
    ];
    members.iter().find_map(|(name, value)| {
        let plain = name.replace('_', "").to_ascii_lowercase();
        let empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if CREDENTIALS.contains(&&*plain) && !empty {
            return Some(name.as_str());
        }
        match value {
            Value::Object(inner) => credential_in(inner),
            Value::Array(items) => items.iter().filter_map(Value::as_object).find_map(credential_in),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_casings_are_read_and_camel_case_is_written() {
        let read = read(
            &json!({
                "empty_timeout": 5, "maxParticipants": 2, "tags": {"a_b": "{x}"},
                "agents": [{"agent_name": "a", "attributes": {"k_v": "{x}"}, "restart_policy": "JRP_NEVER"}],
                "egress": {"room": {"file_outputs": [{"filepath": "{room_name}"}]}},
            }),
            true,
        )
        .unwrap();
        assert_eq!(
            read.fill(&Map::from_iter([("x".to_owned(), json!("X"))]).into()),
            json!({
                "emptyTimeout": 5, "maxParticipants": 2, "tags": {"a_b": "X"},
                "agents": [{"agentName": "a", "attributes": {"k_v": "X"}, "restartPolicy": "JRP_NEVER"}],
                "egress": {"room": {"file_outputs": [{"filepath": "{room_name}"}]}},
            })
        );
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (value, path) in [
            (json!([]), ""),
            (json!({"emptyTimeout": -1}), "emptyTimeout"),
            (json!({"emptyTimeout": 4_294_967_296_u64}), "emptyTimeout"),
            (json!({"emptyTimeout": 1.5}), "emptyTimeout"),
            (json!({"x": 1}), "x"),
            (json!({"empty_timeout": 1, "emptyTimeout": 1}), "empty_timeout"),
            (json!({"metadata": "{"}), "metadata"),
            (json!({"agents": [{"name": "x"}]}), "agents[0].name"),
            (json!({"agents": [{"restart_policy": "x"}]}), "agents[0].restart_policy"),
            (json!({"egress": {"tracks": {"s3": {"secret": "S"}}}}), "egress"),
            (json!({"egress": {"room": {"file": {"gcp": {"credentials": "{}"}}}}}), "egress"),
            (json!({"egress": {"room": {"file_outputs": [{"azure": {"account_key": "k"}}]}}}), "egress"),
            (json!({"egress": {"room": {"streamOutputs": [{"urls": ["rtmp://k"]}]}}}), "egress"),
            (json!({"egress": {"participant": {"segment_outputs": [{"s3": {"sessionToken": "x"}}]}}}), "egress"),
        ] {
            let wrong = read(&value, true).unwrap_err();
            assert_eq!((wrong.len(), &*wrong[0].0), (1, path), "{value}");
        }
    }
}
