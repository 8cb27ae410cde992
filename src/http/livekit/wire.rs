//! The two dialects of `POST /livekit/token`, from JSON to an [`Ask`].
//!
//! Tolerant of what real SDKs send (`""`, `null`, `{}` and `agents: [{}]` count
//! as not given), strict otherwise: nothing is ignored.
//!
//! Source: livekit/protocol `livekit_token_source.proto`; the short dialect is
//! the form of the SDK guides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ask::{Action, Agent, Ask, MAX_ATTRIBUTES_BYTES, MAX_METADATA_BYTES, Requested, Resource};
use crate::http::json::{on_behalf, shown, text};
use crate::http::problem::ApiError;
use crate::livekit::{NotSettable, room_config};
use crate::name::{MAX_LIVEKIT_BYTES as MAX_NAME_BYTES, RoomName};

const MAX_ATTRIBUTES: usize = 32;
const MAX_AGENTS: usize = 8;

/// Which words a request used, and its answer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// LiveKit's own: `room_name`, `participant_token`.
    Standard,
    /// The guides': `room`, `token`.
    Short,
}

impl Dialect {
    pub(super) const fn room(self) -> &'static str {
        match self {
            Self::Standard => "room_name",
            Self::Short => "room",
        }
    }

    /// What may not be set, in this dialect's words.
    pub(super) fn refuse(self, error: NotSettable) -> ApiError {
        let field = if error.field == Self::Standard.identity() { self.identity() } else { error.field };
        ApiError::invalid(field, error.why)
    }

    const fn identity(self) -> &'static str {
        match self {
            Self::Standard => "participant_identity",
            Self::Short => "user_id",
        }
    }
}

const STANDARD: [&str; 6] = [
    "room_name",
    "participant_identity",
    "participant_name",
    "participant_metadata",
    "participant_attributes",
    "room_config",
];
const SHORT: [&str; 3] = ["room", "user_id", "userId"];
const BACKEND: [&str; 3] = ["name", "role", "claims"];

/// Reads a body.
pub(super) fn read(mut body: Map<String, Value>) -> Result<(Dialect, Ask), ApiError> {
    if let Some(unknown) =
        body.keys().find(|key| ![&STANDARD[..], &SHORT, &BACKEND].iter().any(|known| known.contains(&key.as_str())))
    {
        return Err(ApiError::invalid(&shown(unknown), "is no field of this request").cause("an unknown field"));
    }
    let short = SHORT.iter().find(|field| body.contains_key(**field));
    let standard = STANDARD.iter().find(|field| body.contains_key(**field));
    let dialect = match (short, standard) {
        (Some(short), Some(standard)) => {
            return Err(ApiError::invalid(
                short,
                format_args!("does not go with {standard}; they are of two dialects"),
            ));
        }
        (Some(_), None) => Dialect::Short,
        (None, _) => Dialect::Standard,
    };
    if body.contains_key("user_id") && body.contains_key("userId") {
        return Err(ApiError::invalid("userId", "is user_id again; send one of them"));
    }
    let resource = match text(&mut body, dialect.room(), usize::MAX)? {
        Some(room) => match RoomName::livekit(&room) {
            Ok(room) => Resource::Room(room),
            Err(why) => return Err(ApiError::invalid(dialect.room(), why)),
        },
        None => Resource::UnnamedRoom,
    };
    let user = match text(&mut body, "userId", usize::MAX)? {
        Some(user) => Some(user),
        None => text(&mut body, dialect.identity(), usize::MAX)?,
    };
    let requested = Requested {
        identity: user.clone(),
        name: text(&mut body, "participant_name", MAX_NAME_BYTES)?,
        metadata: text(&mut body, "participant_metadata", MAX_METADATA_BYTES)?,
        attributes: attributes("participant_attributes", body.remove("participant_attributes"))?,
        agents: agents(body.remove("room_config"))?,
    };
    let on_behalf = on_behalf(&mut body, user)?;
    Ok((dialect, Ask { action: Action::LiveKitJoin, resource, requested, on_behalf }))
}

fn attributes(field: &str, value: Option<Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let given = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::String(text)) if text.is_empty() => return Ok(BTreeMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(ApiError::invalid(field, "must be an object of strings")),
    };
    let mut read = BTreeMap::new();
    for (key, value) in given {
        match value {
            Value::String(value) => drop(read.insert(key, value)),
            Value::Null => (),
            _ => return Err(ApiError::invalid(field, "must be an object of strings")),
        }
    }
    if read.len() > MAX_ATTRIBUTES {
        return Err(ApiError::invalid(field, format_args!("has more than {MAX_ATTRIBUTES} keys")));
    }
    if read.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_ATTRIBUTES_BYTES {
        return Err(ApiError::invalid(
            field,
            format_args!("has more than {MAX_ATTRIBUTES_BYTES} bytes of keys and values"),
        ));
    }
    Ok(read)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The agents in a room configuration, of which a client may send nothing else.
fn agents(config: Option<Value>) -> Result<Vec<Agent>, ApiError> {
    const FIELD: &str = "room_config";
    let config = match config {
        Some(Value::Object(config)) => config,
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(_) => return Err(ApiError::invalid(FIELD, "must be an object")),
    };
    let mut agents = Vec::new();
    for (name, value) in config {
        let at = format!("{FIELD}.{}", shown(&name));
        if !room_config::field_names().any(|known| known == name) {
            return Err(ApiError::invalid(&at, "is no field of a room configuration").cause("an unknown field"));
        }
        let refused = if name == "egress" { !value.is_null() } else { name != "agents" && !is_empty(&value) };
        if refused {
            return Err(ApiError::invalid(&at, "may not be set by a client"));
        }
        if name == "agents" {
            agents = match value {
                Value::Array(items) if items.len() <= MAX_AGENTS => items,
                Value::Array(_) => {
                    return Err(ApiError::invalid(&at, format_args!("has more than {MAX_AGENTS} agents")));
                }
                empty if is_empty(&empty) => Vec::new(),
                _ => return Err(ApiError::invalid(&at, "must be a list")),
            };
        }
    }
    let read: Vec<Option<Agent>> = agents.into_iter().map(agent).collect::<Result<_, _>>()?;
    Ok(read.into_iter().flatten().collect())
}

/// One agent; nothing if it says nothing.
fn agent(value: Value) -> Result<Option<Agent>, ApiError> {
    const FIELD: &str = "room_config.agents";
    if value.is_null() {
        return Ok(None);
    }
    let Value::Object(mut given) = value else { return Err(ApiError::invalid(FIELD, "must be a list of objects")) };
    if given.contains_key("agent_name") && given.contains_key("agentName") {
        return Err(ApiError::invalid(FIELD, "has agent_name in both casings"));
    }
    let within = |error: ApiError| error.within(FIELD);
    let agent_name = match text(&mut given, "agent_name", MAX_NAME_BYTES).map_err(within)? {
        Some(name) => Some(name),
        None => text(&mut given, "agentName", MAX_NAME_BYTES).map_err(within)?,
    };
    let metadata = text(&mut given, "metadata", MAX_METADATA_BYTES).map_err(within)?.unwrap_or_default();
    let deployment = text(&mut given, "deployment", MAX_NAME_BYTES).map_err(within)?.unwrap_or_default();
    let attributes = attributes("room_config.agents.attributes", given.remove("attributes"))?;
    if let Some((name, _)) = given.iter().find(|(_, value)| !is_empty(value)) {
        let at = format!("{FIELD}.{}", shown(name));
        return Err(
            ApiError::invalid(&at, "may not be set by a client").cause("a field of an agent that no client may set")
        );
    }
    match agent_name {
        Some(agent_name) => Ok(Some(Agent { agent_name, metadata, deployment, attributes })),
        None if metadata.is_empty() && deployment.is_empty() && attributes.is_empty() => Ok(None),
        None => Err(ApiError::invalid(FIELD, "has an agent without agent_name")),
    }
}
