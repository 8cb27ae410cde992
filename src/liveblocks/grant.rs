//! What a permit opens in Liveblocks, and for whom.
//!
//! The requested room comes first, with the role's permissions; what the rule
//! adds follows in its order, since order is meaning there. Everything that
//! Liveblocks bounds is checked here, before any call.
//!
//! Source: `@liveblocks/node` 3.24 `session.ts` for patterns, scopes and their
//! bounds; the platform's technical limits for user id and user info.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{IssueError, Liveblocks, Permissions};
use crate::ask::Resource;
use crate::authorize::{Overrides, Permit};
use crate::claims::{Claims, text};
use crate::name::MAX_LIVEBLOCKS_UNITS;

pub(crate) const MAX_PATTERNS: usize = 10;
const MAX_USER_ID_UNITS: usize = 128;
pub(crate) const MAX_USER_INFO_UNITS: usize = 1024;

/// A token's content: Liveblocks' own fields, serialised as its API takes them.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(super) person: Person<'a>,
    /// Patterns and their scopes; `None` for ID tokens.
    pub(super) permissions: Option<Vec<(String, &'a Permissions)>>,
    /// The project whose key it is made with; nothing: the vendor's own.
    pub(super) project: Option<&'a str>,
}

/// Whom a token is for.
#[derive(Debug)]
pub(super) struct Person<'a> {
    pub(super) user_id: &'a str,
    pub(super) user_info: Map<String, Value>,
    pub(super) group_ids: Vec<String>,
    pub(super) organization_id: Option<String>,
}

/// Something that Liveblocks would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// The user's id.
    #[error("the user id has {0} UTF-16 units, and Liveblocks takes 1 to 128; map a shorter claim to `id`")]
    UserId(usize),
    /// The user info.
    #[error(
        "the user info has {0} UTF-16 units of JSON, and Liveblocks takes 1024; name fewer claims in liveblocks.user_info"
    )]
    UserInfo(usize),
    /// A pattern.
    #[error("the pattern {0:?} is none that Liveblocks takes; change liveblocks_rooms of the rule")]
    Pattern(String),
    /// Too many of them.
    #[error("{0} patterns were to be granted, and Liveblocks takes 10; shorten liveblocks_rooms of the rule")]
    Patterns(usize),
}

impl Liveblocks {
    /// Whom a token is for, by its claims.
    pub(super) fn person<'a>(&self, user_id: &'a str, claims: &Claims) -> Person<'a> {
        let settings = &self.settings;
        let is_given = |value: &Value| !value.is_null() && value != "";
        let user_info: Map<_, _> = settings
            .user_info
            .iter()
            .filter_map(|(member, claim)| {
                Some((member.clone(), claims.get(claim).filter(|value| is_given(value))?.clone()))
            })
            .collect();
        let groups = settings.group_ids.as_ref().and_then(|claim| claims.get(claim));
        let groups =
            groups.map_or(&[][..], |groups| groups.as_array().map_or(std::slice::from_ref(groups), Vec::as_slice));
        let organization_id = settings.organization_id.as_ref().and_then(|claim| claims.text(claim));
        Person {
            user_id,
            user_info,
            group_ids: groups.iter().filter_map(text).map(Cow::into_owned).filter(|id| !id.is_empty()).collect(),
            organization_id: organization_id.map(Cow::into_owned).filter(|id| !id.is_empty()),
        }
    }
}

impl Person<'_> {
    /// With what a decision says instead of the claims.
    pub(super) fn with(mut self, overrides: &Overrides) -> Self {
        let literal = overrides.literal.as_deref();
        if let Some(info) = literal.and_then(|literal| literal.user_info.as_ref()) {
            let given = info.iter().filter(|(_, value)| !value.is_null());
            self.user_info = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        } else if let Some(name) = &overrides.name {
            self.user_info.insert("name".to_owned(), name.as_str().into());
        }
        if let Some(ids) = literal.and_then(|literal| literal.group_ids.as_ref()) {
            self.group_ids = ids.iter().filter(|id| !id.is_empty()).cloned().collect();
        }
        self
    }

    /// Everything that Liveblocks bounds about a person.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let units = units(self.user_id);
        if !(1..=MAX_USER_ID_UNITS).contains(&units) {
            return Err(Unfit::UserId(units));
        }
        let info = Value::Object(self.user_info.clone()).to_string();
        let units = self::units(&info);
        if units > MAX_USER_INFO_UNITS { Err(Unfit::UserInfo(units)) } else { Ok(()) }
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The patterns that a permit opens, and their scopes.
pub(super) fn permissions(permit: &Permit) -> Result<Vec<(String, &Permissions)>, IssueError> {
    let literal = permit.overrides().literal.as_deref();
    let role = permit
        .role()
        .liveblocks
        .as_ref()
        .map(|role| literal.and_then(|literal| literal.permissions.as_ref()).unwrap_or(&role.permissions));
    let mut patterns: Vec<(String, &Permissions)> = Vec::new();
    if let (Resource::Room(room), Some(permissions)) = (&permit.ask().resource, role) {
        patterns.push((room.as_str().to_owned(), permissions));
    }
    let claims = permit.caller().claims();
    for entry in permit.liveblocks_rooms() {
        let Some(pattern) = entry.fill(claims) else { continue };
        let Some(permissions) = entry.permissions.as_ref().or(role) else { continue };
        if patterns.iter().all(|(known, _)| *known != pattern) {
            patterns.push((pattern, permissions));
        }
    }
    for (room, permissions) in literal.into_iter().flat_map(|literal| &literal.rooms) {
        if let Some(permissions) = permissions.as_ref().or(role)
            && patterns.iter().all(|(known, _)| known != room)
        {
            patterns.push((room.clone(), permissions));
        }
    }
    if patterns.is_empty() {
        return Err(IssueError::Nothing);
    }
    if patterns.len() > MAX_PATTERNS {
        return Err(Unfit::Patterns(patterns.len()).into());
    }
    match patterns.iter().find(|(pattern, _)| !is_pattern(pattern)) {
        Some((bad, _)) => Err(Unfit::Pattern(bad.clone()).into()),
        None => Ok(patterns),
    }
}

/// `^([*]|[^*]{1,128}[*]?)$`, in UTF-16 units.
pub(crate) fn is_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    text == "*" || ((1..=MAX_LIVEBLOCKS_UNITS).contains(&units(name)) && !name.contains('*'))
}

/// Patterns and scopes as a JSON object in their own order.
pub(super) struct InOrder<'a>(pub(super) &'a [(String, &'a Permissions)]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(pattern, permissions)| (pattern, permissions.as_slice())))
    }
}

/// As the API takes it: `POST /v2/authorize-user` or `/v2/identify-user`, in
/// the order of the official SDK.
impl Serialize for Grant<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Person { user_id, user_info, group_ids, organization_id } = &self.person;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("userId", user_id)?;
        if let Some(permissions) = &self.permissions {
            map.serialize_entry("permissions", &InOrder(permissions))?;
        } else if !group_ids.is_empty() {
            map.serialize_entry("groupIds", group_ids)?;
        }
        if !user_info.is_empty() {
            map.serialize_entry("userInfo", user_info)?;
        }
        if let Some(organization) = organization_id {
            map.serialize_entry("organizationId", organization)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_that_the_sdk_takes() {
        for good in ["*", "a", "a*", "product:*", &"b".repeat(128), &format!("{}*", "b".repeat(128)), "房间:*", "a\nb"]
        {
            assert!(is_pattern(good), "{good}");
        }
        for bad in ["", "**", "a**", "a*b", "*a", &"a".repeat(129), &"😀".repeat(65)] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }
}
