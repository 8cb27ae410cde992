//! Projects: further accounts at a vendor, each with keys of its own.
//!
//! A decision may send someone to one; the rest of the vendor's settings are
//! the same for all. Whoever is sent nowhere goes to the vendor's own keys.

use std::collections::BTreeMap;

use crate::ask::Provider;

/// The names of all projects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projects {
    livekit: Vec<String>,
    liveblocks: Vec<String>,
}

impl Projects {
    pub(crate) const fn new(livekit: Vec<String>, liveblocks: Vec<String>) -> Self {
        Self { livekit, liveblocks }
    }

    /// Those of a vendor.
    pub(crate) fn of(&self, provider: Provider) -> &[String] {
        match provider {
            Provider::LiveKit => &self.livekit,
            Provider::Liveblocks => &self.liveblocks,
        }
    }

    pub(crate) fn has(&self, provider: Provider, name: &str) -> bool {
        self.of(provider).iter().any(|known| known == name)
    }
}

/// What there is once for each project of a vendor.
#[derive(Clone, Debug)]
pub(crate) struct PerProject<T> {
    own: T,
    named: BTreeMap<String, T>,
}

impl<T> PerProject<T> {
    /// The vendor's own, and those of its projects.
    pub(crate) fn new(own: T, named: BTreeMap<String, T>) -> Self {
        Self { own, named }
    }

    /// That of the project with this name, or the vendor's own.
    pub(crate) fn get(&self, project: Option<&str>) -> Option<&T> {
        project.map_or(Some(&self.own), |name| self.named.get(name))
    }

    /// The vendor's own.
    pub(crate) const fn own(&self) -> &T {
        &self.own
    }

    /// All, the vendor's own first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<&str>, &T)> {
        std::iter::once((None, &self.own)).chain(self.named.iter().map(|(name, one)| (Some(&**name), one)))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.named.keys().cloned().collect()
    }

    /// The same projects, each with what `make` gives.
    pub(crate) fn try_map<U, E>(&self, make: impl Fn(&T) -> Result<U, E>) -> Result<PerProject<U>, E> {
        let named = self.named.iter().map(|(name, one)| Ok((name.clone(), make(one)?)));
        Ok(PerProject::new(make(&self.own)?, named.collect::<Result<_, E>>()?))
    }
}
