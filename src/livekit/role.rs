//! What a role means in LiveKit: its grants, and what else goes into the token.

use std::time::Duration;

use serde_json::{Map, Value};

use super::grant::{FLAGS, Flag, Grants, KIND_DETAILS, KINDS, Kind, OTHERS, SOURCES, VideoGrant};
use super::room_config::{self, Wrong};
use crate::claims::Claims;
use crate::template::{JsonTemplate, Template};

/// A role's LiveKit half.
#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    pub(crate) grants: Grants,
    pub(crate) room_config: Option<JsonTemplate>,
    pub(crate) metadata: Option<JsonTemplate>,
    pub(crate) attributes: Vec<(String, Template)>,
    /// Instead of `livekit.ttl`.
    pub(crate) ttl: Option<Duration>,
}

impl Role {
    /// What it may publish from; none are all.
    pub(crate) fn sources(&self) -> &[&'static str] {
        self.grants.video.as_ref().map_or(&[], |video| &video.sources)
    }

    /// The participant's metadata for these claims.
    pub(super) fn metadata_for(&self, claims: &Claims) -> Option<String> {
        match self.metadata.as_ref()?.fill(claims) {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A known name, as the table has it.
pub(crate) fn known(names: &'static [&'static str], name: &str) -> Option<&'static str> {
    names.iter().find(|known| **known == name).copied()
}

/// Sources to publish from. None at all would mean *all* to LiveKit, so it
/// takes publishing away instead.
pub(crate) fn set_sources(video: &mut VideoGrant, sources: Vec<&'static str>) {
    if sources.is_empty() {
        video.set(Flag::CanPublish, false);
    }
    video.sources = sources;
}

/// Claims that an operator writes by hand: a token's own, as LiveKit spells
/// them, less what Roomkey fills in.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandWritten {
    pub(crate) role: Role,
    pub(crate) room: Option<String>,
    pub(crate) name: Option<String>,
}

impl HandWritten {
    /// Reads them; unknown ones and wrong types are all reported.
    ///
    /// # Errors
    ///
    /// The path to everything that cannot be, and why.
    pub(crate) fn read(claims: &Value) -> Result<Self, Vec<Wrong>> {
        let mut read = Self::default();
        let mut wrong = Vec::new();
        let Value::Object(claims) = claims else {
            return Err(vec![(String::new(), "expected a JSON object such as {\"video\":{…}}".to_owned())]);
        };
        for (name, value) in claims {
            if let Err(why) = read.claim(name, value, &mut wrong) {
                wrong.push((name.clone(), why));
            }
        }
        if wrong.is_empty() { Ok(read) } else { Err(wrong) }
    }

    fn claim(&mut self, name: &str, value: &Value, wrong: &mut Vec<Wrong>) -> Result<(), String> {
        if let Some(other) = OTHERS.iter().find(|other| other.claim == name) {
            let members = other_members(other.members, |(_, claim, _)| claim, object(value)?)?;
            if !members.is_empty() {
                self.role.grants.others.insert(name.to_owned(), Value::Object(members));
            }
            return Ok(());
        }
        match name {
            "video" => self.video(object(value)?, wrong),
            "roomConfig" => match room_config::read(value, false) {
                Ok(config) => self.role.room_config = Some(config),
                Err(inner) => {
                    wrong.extend(inner.into_iter().map(|(path, why)| (format!("roomConfig.{path}"), why)));
                }
            },
            "roomPreset" => self.role.grants.room_preset = given(string(value)?),
            "kind" => self.role.grants.kind = Some(one_of(&KINDS, string(value)?)?),
            "kindDetails" => self.role.grants.kind_details = all_of(&KIND_DETAILS, value)?,
            "name" => self.name = given(string(value)?),
            "metadata" => {
                self.role.metadata = given(string(value)?).map(|text| JsonTemplate::Fixed(Value::String(text)));
            }
            "attributes" => {
                for (key, value) in object(value)? {
                    let text = string(value).map_err(|why| format!("{key}: {why}"))?;
                    self.role.attributes.push((key.clone(), Template::fixed(text)));
                }
            }
            "sha256" => return Err("signs webhooks, and would make this token one; not for participants".to_owned()),
            "iss" | "sub" | "nbf" | "exp" | "identity" => {
                return Err("is Roomkey's; use --identity and --ttl".to_owned());
            }
            _ => return Err("unknown claim".to_owned()),
        }
        Ok(())
    }

    fn video(&mut self, claims: &Map<String, Value>, wrong: &mut Vec<Wrong>) {
        let video = self.role.grants.video.insert(VideoGrant::default());
        let mut sources = None;
        for (name, value) in claims {
            let read = if let Some(info) = FLAGS.iter().find(|info| info.claim == name) {
                value.as_bool().map(|on| video.set(info.flag, on)).ok_or_else(|| "expected true or false".to_owned())
            } else {
                match name.as_str() {
                    "room" => string(value).map(|room| self.room = given(room)),
                    "destinationRoom" => string(value).map(|room| video.destination_room = given(room)),
                    "canPublishSources" => all_of(&SOURCES, value).map(|names| sources = Some(names)),
                    _ => Err("unknown grant".to_owned()),
                }
            };
            if let Err(why) = read {
                wrong.push((format!("video.{name}"), why));
            }
        }
        if let Some(sources) = sources {
            set_sources(video, sources);
        }
    }
}

/// The members of a grant beside `video`, in the token's form; what is off is
/// left out.
pub(crate) fn other_members(
    known: &'static [(&'static str, &'static str, Kind)],
    name_in: impl Fn(&(&'static str, &'static str, Kind)) -> &'static str,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut members = Map::new();
    for (name, value) in given {
        let Some(member) = known.iter().find(|member| name_in(member) == name) else {
            let names: Vec<_> = known.iter().map(name_in).collect();
            return Err(format!("has no `{name}`; it has {}", names.join(", ")));
        };
        let on = match (member.2, value) {
            (Kind::Flag, Value::Bool(on)) => *on,
            (Kind::Text, Value::String(text)) => !text.is_empty(),
            (Kind::Texts, Value::Array(texts)) if texts.iter().all(Value::is_string) => !texts.is_empty(),
            (Kind::Flag, _) => return Err(format!("`{name}` must be true or false")),
            (Kind::Text, _) => return Err(format!("`{name}` must be a string")),
            (Kind::Texts, _) => return Err(format!("`{name}` must be a list of strings")),
        };
        if on {
            members.insert(member.1.to_owned(), value.clone());
        }
    }
    Ok(members)
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| "expected an object".to_owned())
}

fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "expected a string".to_owned())
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn one_of(names: &'static [&'static str], name: &str) -> Result<&'static str, String> {
    known(names, name).ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

pub(super) fn all_of(names: &'static [&'static str], value: &Value) -> Result<Vec<&'static str>, String> {
    let list = value.as_array().ok_or_else(|| "expected a list of strings".to_owned())?;
    list.iter().map(|item| one_of(names, string(item)?)).collect()
}
