//! Grants that a decision lays over its role, in the words of a role.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::grant::{FLAGS, Flag, Grants, KIND_DETAILS, KINDS, OTHERS, SOURCES};
use super::role::{all_of, one_of, other_members, set_sources};
use super::room_config;
use crate::ask::{MAX_ATTRIBUTES_BYTES, MAX_METADATA_BYTES};
use crate::template::JsonTemplate;

/// What a role may never hold, and so no answer either.
pub(crate) const OURS: [&str; 5] = ["room_join", "room", "identity", "sha256", "name"];

/// Settings of a role that are no flags and no grants beside `video`.
const OTHER_SETTINGS: [&str; 5] = ["can_publish_sources", "destination_room", "kind", "kind_details", "room_preset"];

/// Members that every answer may have.
const TEXTS: [&str; 2] = ["metadata", "attributes"];

/// Literal grants, checked but not yet cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiteralGrants {
    flags: Vec<(Flag, &'static str, bool)>,
    /// Grants that replace the role's, by their setting.
    settings: BTreeMap<&'static str, Setting>,
    /// Settings that no answer may have.
    ours: Vec<&'static str>,
    pub(super) metadata: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    room_config: Option<JsonTemplate>,
}

#[derive(Clone, Debug, PartialEq)]
enum Setting {
    Sources(Vec<&'static str>),
    DestinationRoom(String),
    Kind(&'static str),
    KindDetails(Vec<&'static str>),
    RoomPreset(String),
    Other(&'static str, Map<String, Value>),
}

/// Every name that a ceiling can list.
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    let flags = FLAGS.iter().filter(|info| info.flag != Flag::RoomJoin).map(|info| info.setting);
    flags.chain(OTHERS.iter().map(|other| other.setting)).chain(OTHER_SETTINGS).chain(["room_config"])
}

impl LiteralGrants {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// An unknown name or a wrong type: whoever wrote it meant something that
    /// we would not do.
    pub(crate) fn read(given: &Map<String, Value>) -> Result<Self, String> {
        let mut read = Self::default();
        let is_known = |name: &str| settings().chain(OURS).chain(TEXTS).any(|known| known == name);
        for (name, value) in given.iter().filter(|(name, value)| !(value.is_null() && is_known(name))) {
            read.member(name, value).map_err(|why| format!("`livekit.{}`: {why}", plain(name)))?;
        }
        Ok(read)
    }

    fn member(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let string = || value.as_str().map(str::to_owned).ok_or_else(|| "expected a string".to_owned());
        if let Some(ours) = OURS.iter().find(|ours| **ours == name) {
            self.ours.push(ours);
            return Ok(());
        }
        if let Some(info) = FLAGS.iter().find(|info| info.setting == name) {
            let on = value.as_bool().ok_or_else(|| "expected true or false".to_owned())?;
            self.flags.push((info.flag, info.setting, on));
            return Ok(());
        }
        if let Some(other) = OTHERS.iter().find(|other| other.setting == name) {
            let members = value.as_object().ok_or_else(|| "expected an object".to_owned())?;
            let members = other_members(other.members, |(setting, ..)| setting, members)?;
            self.settings.insert(other.setting, Setting::Other(other.claim, members));
            return Ok(());
        }
        match name {
            "metadata" => {
                let metadata = match value {
                    Value::Object(_) => value.to_string(),
                    _ => string()?,
                };
                fits(metadata.len(), MAX_METADATA_BYTES)?;
                self.metadata = Some(metadata);
            }
            "attributes" => {
                let members = value.as_object().ok_or_else(|| "expected an object".to_owned())?;
                for (key, value) in members {
                    let text = value.as_str().ok_or_else(|| "expected strings in it".to_owned())?;
                    self.attributes.insert(key.clone(), text.to_owned());
                }
                fits(self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum(), MAX_ATTRIBUTES_BYTES)?;
            }
            "room_config" => {
                self.room_config = Some(
                    room_config::read(value, false)
                        .map_err(|_| "it has something unknown or forbidden in it".to_owned())?,
                );
            }
            _ => {
                let (name, setting) = match name {
                    "can_publish_sources" => ("can_publish_sources", Setting::Sources(all_of(&SOURCES, value)?)),
                    "kind" => ("kind", Setting::Kind(one_of(&KINDS, &string()?)?)),
                    "kind_details" => ("kind_details", Setting::KindDetails(all_of(&KIND_DETAILS, value)?)),
                    "destination_room" => ("destination_room", Setting::DestinationRoom(string()?)),
                    "room_preset" => ("room_preset", Setting::RoomPreset(string()?)),
                    _ => return Err("unknown".to_owned()),
                };
                self.settings.insert(name, setting);
            }
        }
        Ok(())
    }

    /// Drops what is beyond `allowed`, and says what that was. Taking a right
    /// away is never beyond it, such as some of `sources`, which are the role's;
    /// none are all.
    pub(crate) fn cut(&mut self, allowed: &[String], sources: &[&str]) -> Vec<&'static str> {
        let may = |setting: &str| allowed.iter().any(|allowed| allowed == setting);
        let mut dropped = std::mem::take(&mut self.ours);
        self.flags.retain(|(_, setting, on)| {
            !on || may(setting) || {
                dropped.push(setting);
                false
            }
        });
        self.settings.retain(|setting, value| {
            let takes_away = match value {
                Setting::Sources(given) => sources.is_empty() || given.iter().all(|one| sources.contains(one)),
                Setting::Other(_, members) => members.is_empty(),
                _ => false,
            };
            let kept = takes_away || may(setting);
            if !kept {
                dropped.push(setting);
            }
            kept
        });
        if self.room_config.is_some() && !may("room_config") {
            self.room_config = None;
            dropped.push("room_config");
        }
        dropped
    }

    /// A role's grants with these over them.
    pub(super) fn over(&self, grants: &Grants) -> Grants {
        let mut grants = grants.clone();
        let video = grants.video.get_or_insert_default();
        for (flag, _, on) in &self.flags {
            video.set(*flag, *on);
        }
        for setting in self.settings.values() {
            match setting.clone() {
                Setting::Sources(sources) => set_sources(video, sources),
                Setting::DestinationRoom(room) => video.destination_room = Some(room),
                Setting::Kind(kind) => grants.kind = Some(kind),
                Setting::KindDetails(details) => grants.kind_details = details,
                Setting::RoomPreset(preset) => grants.room_preset = Some(preset),
                Setting::Other(claim, members) if members.is_empty() => drop(grants.others.remove(claim)),
                Setting::Other(claim, members) => {
                    grants.others.insert(claim.to_owned(), Value::Object(members));
                }
            }
        }
        grants
    }

    pub(super) const fn room_config(&self) -> Option<&JsonTemplate> {
        self.room_config.as_ref()
    }
}

fn fits(bytes: usize, max: usize) -> Result<(), String> {
    if bytes > max { Err(format!("has more than {max} bytes")) } else { Ok(()) }
}

/// A name as a log line may show it.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(64).collect()
}
