//! The proof that a request was decided on.

use std::sync::Arc;

use super::{LiveblocksRoom, Overrides};
use crate::ask::Ask;
use crate::authenticate::Caller;
use crate::invite::Use;
use crate::role::Role;

/// Who may do what, and as what. Only the engine makes one.
#[derive(Debug)]
pub struct Permit {
    pub(super) caller: Caller,
    pub(super) ask: Ask,
    pub(super) grounds: Grounds,
}

/// As what someone may, and who said so.
#[derive(Debug)]
pub(super) struct Grounds {
    pub(super) role: Arc<Role>,
    pub(super) authorizer: String,
    pub(super) rule: Arc<str>,
    /// Cut to the ceiling.
    pub(super) overrides: Overrides,
    pub(super) liveblocks_rooms: Arc<[LiveblocksRoom]>,
    pub(super) invite_use: Option<Arc<Use>>,
}

impl Permit {
    /// Who.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What was asked for, and is permitted.
    #[must_use]
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// As what; it serves the provider of the ask's action.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.grounds.role
    }

    /// What goes over the role.
    #[must_use]
    pub const fn overrides(&self) -> &Overrides {
        &self.grounds.overrides
    }

    /// Further Liveblocks rooms that the token opens.
    pub(crate) fn liveblocks_rooms(&self) -> &[LiveblocksRoom] {
        &self.grounds.liveblocks_rooms
    }

    /// Says that its token was made, which spends one use of an invite.
    pub(crate) fn spend(&self) {
        if let Some(invite_use) = &self.grounds.invite_use {
            invite_use.spend();
        }
    }

    /// The rule that allowed it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.grounds.rule
    }
}
