//! API keys: the app's own backend, speaking for any user.
//!
//! A key is known by its SHA-256 alone, so the configuration holds nothing that
//! could be presented. It carries 256 random bits, which is why a plain hash
//! does.

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::{Authenticator, Examined, Head, Identified, Identify, NotIdentified};
use crate::ask::{Ask, Context, Provider};
use crate::authorize::Sealed;
use crate::claims::Claims;

/// What every key begins with.
pub(crate) const PREFIX: &str = "rk_";

/// base64url characters of 256 bits.
const SECRET_CHARS: usize = 43;

/// The name in a key `rk_NAME_<43 base64url characters>`, if it has that form.
pub(crate) fn name_of(key: &str) -> Option<&str> {
    let rest = key.strip_prefix(PREFIX)?;
    let (name, secret) = rest.split_at_checked(rest.len().checked_sub(SECRET_CHARS)?)?;
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.strip_suffix('_').filter(|name| is_name(name) && secret.chars().all(is_base64url))
}

/// Whether a key may be called that: 1 to 32 of `a-z A-Z 0-9 - _`.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Ask for tokens.
    Token,
    /// Manage rooms.
    Rooms,
    /// Make invites.
    Invites,
    /// Revoke.
    Revoke,
}

impl Scope {
    pub(crate) const ALL: [(&str, Self); 4] =
        [("token", Self::Token), ("rooms", Self::Rooms), ("invites", Self::Invites), ("revoke", Self::Revoke)];
}

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    /// SHA-256 of the whole key.
    pub(crate) sha256: [u8; 32],
    pub(crate) scopes: Vec<Scope>,
    /// Roles it may give.
    pub(crate) roles: Vec<String>,
}

impl ApiKey {
    /// SHA-256 of a key's text.
    pub(crate) fn hash(key: &str) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        hash
    }

    /// As [`ApiKey::hash`], in hexadecimal digits.
    pub(crate) fn hash_hex(key: &str) -> String {
        Self::hash(key).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// Whether it may be used for this.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it may give this role.
    pub(crate) fn gives(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }
}

/// Takes bearers that begin with `rk_`.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    keys: Vec<ApiKey>,
}

impl ApiKeys {
    pub(crate) const KIND: &str = "api_key";

    pub(crate) const fn new(keys: Vec<ApiKey>) -> Self {
        Self { keys }
    }

    /// The key that a request presents, if it presents one of these and nothing
    /// else.
    pub(crate) fn of(&self, head: &Head<'_>) -> Option<&ApiKey> {
        let bearer = head.bearer().filter(|bearer| bearer.starts_with(PREFIX) && !head.has_two_authorizations())?;
        let hash = ApiKey::hash(bearer);
        self.keys.iter().find(|key| verify_slices_are_equal(&key.sha256, &hash).is_ok())
    }
}

#[async_trait]
impl Authenticator for ApiKeys {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, _now: i64) -> Examined<'a> {
        if head.bearer().is_none_or(|bearer| !bearer.starts_with(PREFIX)) {
            return Examined::NotMine;
        }
        match self.of(head) {
            Some(key) => Examined::Later(Box::new(OnBehalfOf(key))),
            None => Examined::Rejected("unknown API key"),
        }
    }
}

/// A key that holds, before it is known for whom it speaks.
#[derive(Debug)]
struct OnBehalfOf<'a>(&'a ApiKey);

#[async_trait]
impl Identify for OnBehalfOf<'_> {
    fn speaks_for_others(&self) -> bool {
        true
    }

    async fn identify(self: Box<Self>, ask: &Ask, _: &Context) -> Result<Identified, NotIdentified> {
        let key = self.0;
        if !key.may(Scope::Token) {
            return Err(NotIdentified::Forbidden("this API key lacks the scope `token`"));
        }
        let said = &ask.on_behalf;
        let Some(user) = said.user.clone() else {
            let field = match ask.action.provider() {
                Provider::LiveKit => "participant_identity (or user_id)",
                Provider::Liveblocks => "user_id",
            };
            return Err(NotIdentified::Invalid(field, "must name the user that the API key speaks for"));
        };
        let mut claims = said.claims.clone().unwrap_or_default();
        // Empty is not given.
        let name = said.name.as_ref().filter(|name| !name.is_empty());
        let own = [("id", Some(&user)), ("name", name), ("key", Some(&key.name))];
        for (name, value) in own.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let value = Value::String(value.clone());
            if claims.insert(name.to_owned(), value.clone()).is_some_and(|said| said != value) {
                return Err(NotIdentified::Invalid("claims", "may not hold another `id`, `name` or `key`"));
            }
        }
        let sealed = match said.role.as_ref().filter(|role| !role.is_empty()) {
            Some(role) if !key.gives(role) => {
                return Err(NotIdentified::Forbidden("this API key may not give that role"));
            }
            Some(role) => Some(Sealed::role(role.clone(), &key.name)),
            None => None,
        };
        Ok(Identified { subject: user, claims: Claims::from(Map::from_iter(claims)), sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_name_and_256_bits() {
        let secret = "_-".repeat(21) + "A";
        assert_eq!(name_of(&format!("rk_backend_{secret}")), Some("backend"));
        assert_eq!(name_of(&format!("rk_a_b-c_{secret}")), Some("a_b-c"));
        for bad in [
            format!("rk_{secret}"),
            format!("rk__{secret}"),
            format!("rk_a{secret}"),
            format!("a_{secret}"),
            "rk_a_short".to_owned(),
            format!("rk_é_{secret}"),
        ] {
            assert_eq!(name_of(&bad), None, "{bad}");
        }
    }
}
