//! The access token's claims.
//!
//! Source: livekit/protocol `auth/grants.go` (`ClaimGrants`); the registered
//! claims as `auth/accesstoken.go` writes them, less `iat`, which the server
//! does not read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::client_may_set::OwnValues;
use super::grant::Grants;
use crate::ask::Requested;

/// Claims, borrowed from role, permit and configuration.
#[derive(Debug)]
pub(crate) struct TokenClaims<'a> {
    issuer: &'a str,
    not_before: i64,
    expires: i64,
    grants: Cow<'a, Grants>,
    pub(crate) identity: Option<Cow<'a, str>>,
    pub(crate) room: Option<&'a str>,
    pub(crate) name: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) room_config: Option<Value>,
}

impl<'a> TokenClaims<'a> {
    /// Claims valid from `now`, for `ttl`, that are for nobody and no room yet.
    pub(crate) fn new(grants: Cow<'a, Grants>, issuer: &'a str, now: i64, ttl: Duration) -> Self {
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        Self {
            issuer,
            not_before: now,
            expires: now.saturating_add(ttl),
            grants,
            identity: None,
            room: None,
            name: None,
            metadata: None,
            attributes: BTreeMap::new(),
            room_config: None,
        }
    }

    /// Puts in the server's own values and, over them, what the client may set.
    pub(super) fn fill(&mut self, own: OwnValues, requested: &Requested) {
        self.name = requested.name.clone().or(own.name);
        self.metadata = requested.metadata.clone().or(own.metadata);
        self.attributes = requested.attributes.clone();
        self.attributes.extend(own.attributes.into_iter().filter_map(|(key, value)| Some((key, value?))));
        self.room_config = own.room_config;
        let new_agents: Vec<_> = {
            let known = self.room_config.as_ref().and_then(|config| config["agents"].as_array());
            let wanted = requested.agents.iter().map(|agent| json!(agent));
            wanted.filter(|agent| known.is_none_or(|known| !known.contains(agent))).collect()
        };
        if !new_agents.is_empty() {
            let config = self.room_config.get_or_insert_with(|| json!({}));
            match &mut config["agents"] {
                Value::Array(agents) => agents.extend(new_agents),
                none => *none = Value::Array(new_agents),
            }
        }
    }

    pub(crate) fn into_name(self) -> Option<String> {
        self.name
    }
}

impl Serialize for TokenClaims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", self.issuer)?;
        if let Some(identity) = &self.identity {
            map.serialize_entry("sub", identity)?;
        }
        map.serialize_entry("nbf", &self.not_before)?;
        map.serialize_entry("exp", &self.expires)?;
        if let Some(name) = self.name.as_ref().filter(|name| !name.is_empty()) {
            map.serialize_entry("name", name)?;
        }
        if let Some(kind) = self.grants.kind {
            map.serialize_entry("kind", kind)?;
        }
        if !self.grants.kind_details.is_empty() {
            map.serialize_entry("kindDetails", &self.grants.kind_details)?;
        }
        if let Some(video) = &self.grants.video {
            map.serialize_entry("video", &video.on(self.room))?;
        }
        for (claim, value) in &self.grants.others {
            map.serialize_entry(claim, value)?;
        }
        if let Some(metadata) = self.metadata.as_ref().filter(|metadata| !metadata.is_empty()) {
            map.serialize_entry("metadata", metadata)?;
        }
        if !self.attributes.is_empty() {
            map.serialize_entry("attributes", &self.attributes)?;
        }
        if let Some(config) = &self.room_config {
            map.serialize_entry("roomConfig", config)?;
        }
        if let Some(preset) = &self.grants.room_preset {
            map.serialize_entry("roomPreset", preset)?;
        }
        map.end()
    }
}
