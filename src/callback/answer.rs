//! The answer, read strictly where it grants and tolerantly elsewhere.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::authorize::{Literal, MAX_TTL, MIN_TTL, Overrides};
use crate::json::{self, Unread};
use crate::liveblocks::{MAX_PATTERNS, MAX_USER_INFO_UNITS, Permissions, is_pattern};
use crate::livekit::LiteralGrants;
use crate::units;

/// More than any role's or project's name is long.
const MAX_NAME_BYTES: usize = 256;

/// A decision, and what goes with it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) allows: bool,
    pub(crate) reason: Option<String>,
    /// Nothing: the block's own.
    pub(crate) role: Option<String>,
    pub(crate) overrides: Overrides,
    /// Who it is, in the session form.
    pub(crate) subject: Option<Subject>,
    /// How long its body was.
    pub(crate) bytes: usize,
}

/// Who a session is.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) claims: Map<String, Value>,
}

impl Answer {
    /// Reads an answer's body.
    ///
    /// # Errors
    ///
    /// It is unusable; says why, for the log, and shows none of it.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let answer = json::read(body).map_err(|why| match why {
            Unread::Twice(_) => "the answer has a name twice in one object".to_owned(),
            Unread::NoJson => "the answer is no JSON".to_owned(),
        })?;
        let allows = match answer.get("decision") {
            Some(Value::Bool(decision)) => *decision,
            _ => return Err("the answer has no boolean `decision`".to_owned()),
        };
        let nothing = Map::new();
        let context = match answer.get("context") {
            None | Some(Value::Null) => &nothing,
            Some(Value::Object(context)) => context,
            Some(_) => return Err("`context` is no object".to_owned()),
        };
        let text = |name: &str| match context.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`context.{name}` is no string")),
        };
        let short = |name: &str| match text(name)? {
            Some(long) if long.len() > MAX_NAME_BYTES => {
                Err(format!("`context.{name}` has more than {MAX_NAME_BYTES} bytes"))
            }
            short => Ok(short),
        };
        let subject = context.get("subject").filter(|subject| !subject.is_null()).map(subject).transpose()?;
        let mut read = Self {
            allows,
            reason: text("reason")?,
            role: None,
            overrides: Overrides::default(),
            subject,
            bytes: body.len(),
        };
        if !allows {
            return Ok(read);
        }
        read.role = short("role")?;
        read.overrides.name = text("name")?;
        read.overrides.project = short("project")?.map(Into::into);
        let mut literal = Literal::default();
        if let Some(livekit) = section(context, "livekit")? {
            let mut livekit = livekit.clone();
            read.overrides.ttl =
                livekit.remove("ttl").filter(|ttl| !ttl.is_null()).map(|ttl| self::ttl(&ttl)).transpose()?;
            literal.livekit = Some(LiteralGrants::read(&livekit)?);
        }
        if let Some(liveblocks) = section(context, "liveblocks")? {
            read_liveblocks(liveblocks, &mut literal)?;
        }
        read.overrides.literal = Some(Box::new(literal));
        Ok(read)
    }
}

fn section<'a>(context: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match context.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(section)) => Ok(Some(section)),
        Some(_) => Err(format!("`context.{name}` is no object")),
    }
}

fn subject(subject: &Value) -> Result<Subject, String> {
    let text = |name: &str| match subject.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`context.subject.{name}` is no string")),
    };
    let id = text("id")?.filter(|id| !id.is_empty()).ok_or("`context.subject.id` is no non-empty string")?;
    let claims = match subject.get("claims") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(claims)) => claims.clone(),
        Some(_) => return Err("`context.subject.claims` is no object".to_owned()),
    };
    Ok(Subject { id, name: text("name")?, claims })
}

fn ttl(value: &Value) -> Result<Duration, String> {
    units::duration_in(value)
        .filter(|ttl| (MIN_TTL..=MAX_TTL).contains(ttl))
        .ok_or_else(|| "`livekit.ttl` is no duration from 2m to 24h".to_owned())
}

fn read_liveblocks(given: &Map<String, Value>, literal: &mut Literal) -> Result<(), String> {
    for (name, value) in given {
        match (name.as_str(), value) {
            ("permissions", Value::Array(_)) => {
                let scopes = scopes(value).ok_or("`liveblocks.permissions` is no list of strings")?;
                literal.permissions = Some(Permissions::new(scopes)?);
            }
            ("rooms", Value::Array(rooms)) => {
                if rooms.len() > MAX_PATTERNS {
                    return Err(format!("`liveblocks.rooms` has more than {MAX_PATTERNS} entries"));
                }
                literal.rooms = rooms.iter().map(room).collect::<Result<_, _>>()?;
                if literal.rooms.iter().any(|(room, _)| !is_pattern(room)) {
                    return Err("`liveblocks.rooms` has an entry that is no pattern of Liveblocks'".to_owned());
                }
            }
            ("user_info", Value::Object(info)) => {
                if value.to_string().encode_utf16().count() > MAX_USER_INFO_UNITS {
                    return Err(format!(
                        "`liveblocks.user_info` has more than {MAX_USER_INFO_UNITS} UTF-16 units of JSON"
                    ));
                }
                literal.user_info = Some(info.clone());
            }
            ("group_ids", Value::Array(_)) => {
                literal.group_ids = Some(scopes(value).ok_or("`liveblocks.group_ids` is no list of strings")?);
            }
            ("permissions" | "rooms" | "user_info" | "group_ids", Value::Null) => (),
            ("permissions" | "rooms" | "user_info" | "group_ids", _) => {
                return Err(format!("`liveblocks.{name}` has the wrong type"));
            }
            _ => return Err("`liveblocks` has an unknown member".to_owned()),
        }
    }
    Ok(())
}

fn scopes(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|scope| scope.as_str().map(str::to_owned)).collect()
}

/// A room as a string, or with permissions of its own.
fn room(value: &Value) -> Result<(String, Option<Permissions>), String> {
    match value {
        Value::String(room) => Ok((room.clone(), None)),
        Value::Object(entry) if entry.keys().all(|key| key == "room" || key == "permissions") => {
            let room =
                entry.get("room").and_then(Value::as_str).ok_or("an entry of `liveblocks.rooms` lacks `room`")?;
            let list = entry
                .get("permissions")
                .and_then(scopes)
                .ok_or("an entry of `liveblocks.rooms` lacks `permissions`")?;
            Ok((room.to_owned(), Some(Permissions::new(list)?)))
        }
        _ => Err("`liveblocks.rooms` has an entry that is neither a string nor a room with permissions".to_owned()),
    }
}
