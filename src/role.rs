//! Roles: what the operator calls the rights that rules give out.
//!
//! One table serves both vendors. A role keeps each vendor's grants in that
//! vendor's own words; nothing neutral stands between, since forty grants and
//! twenty scopes do not fit one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ask::Provider;
use crate::{liveblocks, livekit};

/// A named set of rights.
#[derive(Clone, Debug)]
pub struct Role {
    pub(crate) name: String,
    pub(crate) livekit: Option<livekit::Role>,
    pub(crate) liveblocks: Option<liveblocks::Role>,
}

impl Role {
    /// The name that configuration, rules and audit lines use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the role says anything about this vendor.
    #[must_use]
    pub const fn serves(&self, provider: Provider) -> bool {
        match provider {
            Provider::LiveKit => self.livekit.is_some(),
            Provider::Liveblocks => self.liveblocks.is_some(),
        }
    }
}

/// All roles by name.
#[derive(Clone, Debug, Default)]
pub struct Roles(BTreeMap<String, Arc<Role>>);

impl Roles {
    /// The role of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Role>> {
        self.0.get(name)
    }

    /// All roles, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.0.values().map(|role| &**role)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().map(|role| (role.name.clone(), Arc::new(role))).collect())
    }
}
