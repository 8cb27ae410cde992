//! Liveblocks' scopes, and what a role means there.
//!
//! Exactly one base scope stands in every list: without one there is no access
//! at all, with two the server's answer is undefined.
//!
//! Source: `@liveblocks/core` 3.24 `permissions.ts`.

/// The scopes of which each list has exactly one.
const BASE: [&str; 4] = ["*:read", "*:write", "room:read", "room:write"];

/// All others.
const FEATURES: [&str; 16] = [
    "room:presence:write",
    "storage:read",
    "storage:write",
    "storage:none",
    "comments:read",
    "comments:write",
    "comments:none",
    "comments:public:read",
    "comments:public:write",
    "comments:public:none",
    "comments:private:read",
    "comments:private:write",
    "comments:private:none",
    "feeds:read",
    "feeds:write",
    "feeds:none",
];

/// A role's Liveblocks half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) permissions: Permissions,
}

/// A valid list of scopes, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permissions(Vec<String>);

impl Permissions {
    /// Checks a list.
    ///
    /// # Errors
    ///
    /// A scope that does not exist or stands twice, or not exactly one base
    /// scope.
    pub(crate) fn new(scopes: Vec<String>) -> Result<Self, String> {
        if let Some(unknown) = scopes.iter().find(|scope| !Self::is_scope(scope)) {
            return Err(format!("{unknown:?} is no scope; there are {}, {}", BASE.join(", "), FEATURES.join(", ")));
        }
        if let Some((_, twice)) = scopes.iter().enumerate().find(|(index, scope)| scopes[..*index].contains(scope)) {
            return Err(format!("{twice:?} stands twice"));
        }
        match scopes.iter().filter(|scope| BASE.contains(&&***scope)).count() {
            1 => Ok(Self(scopes)),
            count => Err(format!("has {count} base scopes; exactly one of {} must stand in it", BASE.join(", "))),
        }
    }

    /// Reading alone.
    pub(crate) fn least() -> Self {
        Self(vec!["room:read".to_owned()])
    }

    /// Whether there is such a scope.
    pub(crate) fn is_scope(scope: &str) -> bool {
        BASE.contains(&scope) || FEATURES.contains(&scope)
    }

    /// Whether a scope can only take away from what its list's base scope
    /// gives; without it the list would mean more.
    pub(crate) fn takes_away(scope: &str) -> bool {
        FEATURES.contains(&scope) && (scope.ends_with(":none") || scope.ends_with(":read"))
    }

    /// The scopes.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_known_scopes_and_one_base() {
        let new = |scopes: &[&str]| Permissions::new(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        for good in
            [&["room:write", "comments:write"][..], &["*:read"], &["room:read", "room:presence:write", "comments:none"]]
        {
            assert_eq!(new(good).unwrap().as_slice(), good);
        }
        for bad in [
            &[][..],
            &["comments:write"],
            &["*:read", "*:write"],
            &["room:admin"],
            &["*:read", "feeds:none", "feeds:none"],
        ] {
            assert!(new(bad).is_err(), "{bad:?}");
        }
    }
}
