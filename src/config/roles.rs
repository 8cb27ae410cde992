//! `[roles]`.

use serde_json::Value;

use super::Warnings;
use super::livekit::ttl;
use super::section::Section;
use crate::liveblocks::{self, Permissions};
use crate::livekit::grant::{FLAGS, Flag, Grants, KIND_DETAILS, KINDS, OTHERS, SOURCES, VideoGrant};
use crate::livekit::literal::OURS;
use crate::livekit::role::{known, other_members, set_sources};
use crate::livekit::{self, room_config};
use crate::nearest::nearest_of;
use crate::role::{Role, Roles};
use crate::template::{JsonTemplate, Template};

pub(super) fn read(section: Option<Section<'_>>, warnings: &mut Warnings) -> Roles {
    let Some(mut section) = section else { return Roles::default() };
    let names = section.names();
    let roles = names.iter().filter_map(|name| Some(role(name, section.section(name)?, warnings))).collect();
    section.finish();
    roles
}

fn role(name: &str, mut section: Section<'_>, warnings: &mut Warnings) -> Role {
    let livekit = section.section("livekit").map(|inner| livekit(inner, warnings));
    let liveblocks = section.section("liveblocks").map(liveblocks);
    section.finish();
    Role { name: name.to_owned(), livekit, liveblocks }
}

fn liveblocks(mut section: Section<'_>) -> liveblocks::Role {
    if !section.has("permissions") {
        section.require("permissions");
    }
    let scopes = section.texts("permissions");
    let permissions =
        scopes.and_then(|scopes| Permissions::new(scopes).map_err(|why| section.fail("permissions", why)).ok());
    section.finish();
    // A role with a bad section has one, for those who use it.
    liveblocks::Role { permissions: permissions.unwrap_or_else(Permissions::least) }
}

fn livekit(mut section: Section<'_>, warnings: &mut Warnings) -> livekit::Role {
    for key in OURS {
        if section.json(key).is_some() {
            section.fail(key, "is filled in by Roomkey; take it out");
        }
    }
    let mut role = livekit::Role { grants: grants(&mut section), ..livekit::Role::default() };
    role.ttl = ttl(&mut section, warnings);
    role.metadata = section.json("metadata").and_then(|value| template_of_metadata(&section, value));
    role.attributes = attributes(&mut section);
    role.room_config = section.json("room_config").and_then(|value| {
        room_config::read(&value, true)
            .map_err(|wrong| {
                for (path, why) in wrong {
                    let path = if path.is_empty() { String::new() } else { format!(".{path}") };
                    section.problems().add(
                        format!("{}{path}", section.key("room_config")),
                        section.place("room_config"),
                        why,
                    );
                }
            })
            .ok()
    });
    if role.grants.video.as_ref().is_some_and(|video| section.has("can_publish_sources") && video.sources.is_empty()) {
        warnings.add(
            &section,
            "can_publish_sources",
            "is empty, which means *all* to LiveKit; written as `can_publish = false`",
        );
    }
    warn(&section, &role.grants, warnings);
    section.finish();
    role
}

fn warn(section: &Section<'_>, grants: &Grants, warnings: &mut Warnings) {
    for (setting, why) in grants.dangers() {
        if !section.is_built_in() {
            warnings.add(section, setting, why);
        }
    }
}

fn grants(section: &mut Section<'_>) -> Grants {
    let mut video = VideoGrant::default();
    for info in FLAGS.iter().filter(|info| info.flag != Flag::RoomJoin) {
        video.set(info.flag, section.flag(info.setting).unwrap_or(false));
    }
    video.set(Flag::RoomJoin, true);
    if let Some(sources) = named(section, "can_publish_sources", &SOURCES) {
        set_sources(&mut video, sources);
    }
    video.destination_room = section.text("destination_room").filter(|room| !room.is_empty());
    let mut grants = Grants { video: Some(video), ..Grants::default() };
    for other in &OTHERS {
        let Some(value) = section.json(other.setting) else { continue };
        let members = value
            .as_object()
            .ok_or_else(|| "expected a table".to_owned())
            .and_then(|given| other_members(other.members, |(setting, ..)| setting, given));
        match members {
            Ok(members) if members.is_empty() => (),
            Ok(members) => drop(grants.others.insert(other.claim.to_owned(), Value::Object(members))),
            Err(why) => section.fail(other.setting, why),
        }
    }
    let kinds: Vec<_> = KINDS.iter().map(|kind| (*kind, *kind)).collect();
    grants.kind = section.choice("kind", &kinds);
    grants.kind_details = named(section, "kind_details", &KIND_DETAILS).unwrap_or_default();
    grants.room_preset = section.text("room_preset").filter(|preset| !preset.is_empty());
    grants
}

/// A list of names that LiveKit knows.
fn named(section: &mut Section<'_>, key: &str, names: &'static [&'static str]) -> Option<Vec<&'static str>> {
    let given = section.texts(key)?;
    let mut read = Vec::new();
    for name in &given {
        match known(names, name) {
            Some(name) => read.push(name),
            None => section.fail(
                key,
                format!("{name:?} is none of {}{}", names.join(", "), nearest_of(name, names.iter().copied())),
            ),
        }
    }
    (read.len() == given.len()).then_some(read)
}

fn template_of_metadata(section: &Section<'_>, value: Value) -> Option<JsonTemplate> {
    let read = match value {
        Value::String(_) => JsonTemplate::parse(value),
        Value::Object(_) => JsonTemplate::parse(value).map(|table| JsonTemplate::Encoded(Box::new(table))),
        _ => {
            section.fail("metadata", "expected a string, or a table that is written as JSON");
            return None;
        }
    };
    read.map_err(|error| section.fail("metadata", format!("{error}; JSON is easier written as a table"))).ok()
}

fn attributes(section: &mut Section<'_>) -> Vec<(String, Template)> {
    let given = section.texts_by_name("attributes").unwrap_or_default();
    let read = given.into_iter().filter_map(|(name, text)| {
        let template = Template::parse(&text).map_err(|error| section.fail("attributes", format!("{name:?} {error}")));
        Some((name, template.ok()?))
    });
    read.collect()
}
