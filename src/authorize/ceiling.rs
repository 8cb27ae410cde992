//! What a plug-in's answer may give at most.
//!
//! The engine cuts every answer to the ceiling of the block that asked. A role
//! beyond it makes the answer unusable; literal grants beyond it are dropped.

use std::time::Duration;

use super::Overrides;
use crate::claims::Claims;
use crate::liveblocks::Permissions;
use crate::pattern::Pattern;
use crate::role::Role;

/// `[authorize.ceiling]`.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling {
    /// Roles that may be named; one that is here is not cut.
    pub(crate) roles: Vec<String>,
    /// Literal grants, by their setting in a role.
    pub(crate) livekit: Vec<String>,
    /// Literal scopes.
    pub(crate) liveblocks: Vec<String>,
    /// Further rooms.
    pub(crate) rooms: Vec<Pattern>,
    pub(crate) ttl: Duration,
}

impl Ceiling {
    /// Whether this role may be given.
    pub(super) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }

    /// What of `overrides` may be given over this role.
    ///
    /// # Errors
    ///
    /// Nothing usable is left of its permissions.
    pub(super) fn cut(&self, mut overrides: Overrides, role: &Role, claims: &Claims) -> Result<Overrides, String> {
        let mut dropped: Vec<String> = Vec::new();
        overrides.ttl = overrides.ttl.map(|ttl| ttl.min(self.ttl));
        if let Some(literal) = &mut overrides.literal {
            if let Some(livekit) = &mut literal.livekit {
                let sources = role.livekit.as_ref().map_or(&[][..], |role| role.sources());
                dropped.extend(
                    livekit.cut(&self.livekit, sources).into_iter().map(|setting| format!("livekit.{setting}")),
                );
            }
            literal.permissions =
                literal.permissions.take().map(|given| self.scopes(&given, &mut dropped)).transpose()?;
            for (room, permissions) in std::mem::take(&mut literal.rooms) {
                if self.has_room(&room, claims) {
                    let permissions = permissions.map(|given| self.scopes(&given, &mut dropped)).transpose()?;
                    literal.rooms.push((room, permissions));
                } else {
                    dropped.push("liveblocks.rooms".to_owned());
                }
            }
        }
        if !dropped.is_empty() {
            dropped.dedup();
            tracing::warn!(dropped = dropped.join(" "), "An answer went beyond its ceiling");
        }
        Ok(overrides)
    }

    /// Taking a right away is never beyond it.
    fn scopes(&self, given: &Permissions, dropped: &mut Vec<String>) -> Result<Permissions, String> {
        let may = |scope: &String| self.liveblocks.contains(scope) || Permissions::takes_away(scope);
        let (within, beyond): (Vec<_>, Vec<_>) = given.as_slice().iter().cloned().partition(may);
        dropped.extend(beyond.into_iter().map(|scope| format!("liveblocks {scope}")));
        Permissions::new(within)
            .map_err(|_| "the permissions it named are beyond the ceiling, and none is left".to_owned())
    }

    /// Whether every room that `room` means is one of those here. Liveblocks'
    /// `*` reaches over segments, so only a pattern to the end covers it.
    fn has_room(&self, room: &str, claims: &Claims) -> bool {
        self.rooms.iter().any(|pattern| {
            if room.ends_with('*') {
                pattern.is_open() && pattern.matches(room, claims)
            } else {
                pattern.matches(room, claims)
            }
        })
    }
}
