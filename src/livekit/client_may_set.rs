//! What a client may put into its own token.
//!
//! Only what the operator named; all else must be what the server would have
//! put there anyway. Keys that the server owns are never the client's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{LiteralGrants, LiveKit, Role};
use crate::ask::Requested;
use crate::authenticate::Caller;
use crate::authorize::Overrides;
use crate::name::{BadName, Identity, MAX_LIVEKIT_BYTES};
use crate::template::shown;

/// Characters of a device's name: at most as many bytes.
const MAX_DEVICE_BYTES: usize = 64;

/// `[livekit.client_may_set]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientMaySet {
    /// An identity `<subject>~<device>`.
    pub(crate) device: bool,
    pub(crate) name: bool,
    pub(crate) metadata: bool,
    /// Attribute keys; `*` is any.
    pub(crate) attributes: Vec<String>,
    /// Agent names; `*` is any.
    pub(crate) agents: Vec<String>,
}

/// A field that the client may not set so; 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub(crate) struct NotSettable {
    pub(crate) field: &'static str,
    pub(crate) why: String,
}

/// What the server itself would put into the token.
#[derive(Debug)]
pub(super) struct OwnValues {
    pub(super) name: Option<String>,
    pub(super) metadata: Option<String>,
    /// `None` for a key that is the server's but for which there is no value.
    pub(super) attributes: BTreeMap<String, Option<String>>,
    pub(super) room_config: Option<Value>,
}

fn refused(field: &'static str, why: impl Into<String>) -> NotSettable {
    NotSettable { field, why: why.into() }
}

impl LiveKit {
    /// Who the participant is: the subject, or one of its devices.
    pub(super) fn identity(&self, caller: &Caller, requested: &Requested) -> Result<Identity, NotSettable> {
        const FIELD: &str = "participant_identity";
        let subject = caller.subject();
        let devices = self.settings.client_may_set.device;
        if devices && subject.contains('~') {
            return Err(refused("subject", "has a `~`, which tells devices apart here"));
        }
        let wanted = match requested.identity.as_deref() {
            None => subject,
            Some(same) if same == subject => subject,
            Some(device) if devices && device.strip_prefix(subject).is_some_and(is_device) => device,
            Some(_) => return Err(refused(FIELD, "must be the authenticated subject, or be left out")),
        };
        Identity::try_from(wanted)
            .map_err(|why: BadName| refused("subject", format!("{why}, and so cannot be an identity")))
    }

    pub(super) fn own_values(&self, caller: &Caller, role: &Role, overrides: &Overrides) -> OwnValues {
        let literal = overrides.literal.as_ref().and_then(|literal| literal.livekit.as_ref());
        let claims = caller.claims();
        let from_claims = self
            .settings
            .attributes
            .iter()
            .map(|(key, claim)| (key.clone(), claims.get(claim).and_then(shown).map(std::borrow::Cow::into_owned)));
        let from_role = role.attributes.iter().map(|(key, template)| (key.clone(), template.fill_all(claims)));
        let from_decision =
            literal.into_iter().flat_map(|literal| literal.attributes.clone()).map(|(key, value)| (key, Some(value)));
        OwnValues {
            name: overrides.name.as_deref().or_else(|| claims.get("name").and_then(Value::as_str)).map(cut),
            metadata: literal.and_then(|literal| literal.metadata.clone()).or_else(|| role.metadata_for(claims)),
            attributes: from_claims.chain(from_role).chain(from_decision).collect(),
            room_config: literal
                .and_then(LiteralGrants::room_config)
                .or(role.room_config.as_ref())
                .map(|config| config.fill(claims)),
        }
    }

    /// Whether each requested value is one that the client may set, or the
    /// server's own.
    pub(super) fn check_values(&self, requested: &Requested, own: &OwnValues) -> Result<(), NotSettable> {
        const NOT: &str = "may not be set by the client here";
        let may = &self.settings.client_may_set;
        if requested.name.is_some() && !may.name && requested.name != own.name {
            return Err(refused("participant_name", NOT));
        }
        if requested.metadata.is_some() && !may.metadata && requested.metadata != own.metadata {
            return Err(refused("participant_metadata", NOT));
        }
        for (key, value) in &requested.attributes {
            let settable = match own.attributes.get(key) {
                Some(own) => own.as_ref() == Some(value),
                None => !key.starts_with("lk.") && allows(&may.attributes, key),
            };
            if !settable {
                return Err(refused("participant_attributes", format!("holds a key that {NOT}")));
            }
        }
        let own_agents = own.room_config.as_ref().and_then(|config| config["agents"].as_array());
        for agent in &requested.agents {
            let is_own = own_agents.is_some_and(|agents| agents.contains(&json!(agent)));
            if !is_own && !allows(&may.agents, &agent.agent_name) {
                return Err(refused(
                    "room_config.agents",
                    "names an agent that may not be dispatched by the client here",
                ));
            }
        }
        Ok(())
    }
}

/// A name as long as LiveKit takes it, so that a long one keeps nobody out.
fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(MAX_LIVEKIT_BYTES)].to_owned()
}

/// `~` and 1 to 64 of `A-Z a-z 0-9 _ -`.
fn is_device(suffix: &str) -> bool {
    suffix.strip_prefix('~').is_some_and(|device| {
        (1..=MAX_DEVICE_BYTES).contains(&device.len())
            && device.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    })
}

fn allows(list: &[String], name: &str) -> bool {
    list.iter().any(|known| known == "*" || known == name)
}
