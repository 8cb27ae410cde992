//! End users' JWTs, by bearer or cookie.
//!
//! The algorithm comes from the configuration, never from the token; `exp` is
//! required; what the configuration names (`issuer`, `audience`, `require`)
//! must be there and hold. The library checks the signature, this module the
//! claims: the library would ask the system for the time, and takes a missing
//! `iss` or `aud` for a right one.
//!
//! Source: RFC 7519 sections 4.1 and 7.2, RFC 8725 section 3.

use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::head::Cookie;
use super::invite::is_invite;
use super::jwks::{KeySet, KeySetSettings, KeySets, NoKey};
use super::key::JwtKey;
use super::{Authenticator, Examined, Head, Identified, Identify, NotIdentified};
use crate::ask::{Ask, Context};
use crate::authorize::Unavailable;
use crate::claims::{ClaimNames, ClaimTests, Claims, select};
use crate::outbound::{CONNECT_TIMEOUT, Pools};

/// What a token must be.
#[derive(Clone, Debug)]
pub(crate) struct JwtSettings {
    pub(crate) issuer: Option<String>,
    /// Empty: any.
    pub(crate) audience: Vec<String>,
    pub(crate) key: KeySettings,
    /// Seconds by which clocks may differ.
    pub(crate) leeway: i64,
    /// Besides the bearer.
    pub(crate) cookie: Option<String>,
    pub(crate) require: ClaimTests,
    pub(crate) names: ClaimNames,
}

/// Where the key is.
#[derive(Clone, Debug)]
pub(crate) enum KeySettings {
    /// Here.
    Fixed(Arc<JwtKey>),
    /// With the issuer.
    Set(KeySetSettings),
}

/// Takes three-part bearers and cookies of its issuer.
#[derive(Debug)]
pub(crate) struct Jwt {
    settings: JwtSettings,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Fixed(Arc<JwtKey>),
    Set(Arc<KeySet>),
}

impl Jwt {
    pub(crate) const KIND: &str = "jwt";

    pub(crate) fn new(settings: JwtSettings, pools: &Pools, key_sets: &KeySets) -> Result<Self, String> {
        let key = match &settings.key {
            KeySettings::Fixed(key) => Key::Fixed(key.clone()),
            KeySettings::Set(set) => Key::Set(key_sets.get(set, &pools.outbound(CONNECT_TIMEOUT)?)),
        };
        Ok(Self { settings, key })
    }

    /// Whether a token looks like one of ours. Nothing in it is believed.
    fn claims(&self, token: &str) -> bool {
        #[derive(Deserialize)]
        struct Unverified {
            iss: Option<String>,
        }
        token.bytes().filter(|byte| *byte == b'.').count() == 2
            && self.settings.issuer.as_ref().map_or_else(
                || !is_invite(token),
                |issuer| {
                    insecure_decode_claims::<Unverified>(token).is_ok_and(|claims| claims.iss.as_ref() == Some(issuer))
                },
            )
    }

    /// The claims, if there is a key here and the signature holds.
    fn verify(&self, token: &str) -> Option<Result<Map<String, Value>, &'static str>> {
        match &self.key {
            Key::Fixed(key) => Some(key.verify(token)),
            Key::Set(set) => match jsonwebtoken::decode_header(token) {
                Ok(header) if !set.takes(header.alg) => Some(Err("another algorithm")),
                Ok(header) => set.with_key(header.kid.as_deref(), header.alg, |key| key.verify(token)),
                Err(_) => Some(Err("unreadable header")),
            },
        }
    }

    fn identify(&self, values: Map<String, Value>, now: i64) -> Result<Identified, &'static str> {
        self.check(&values, now)?;
        let claims = Claims::new(self.settings.names.clone(), values);
        let subject = claims.text("id").filter(|id| !id.is_empty()).ok_or("the claim for `id` is missing or empty")?;
        Ok(Identified { subject: subject.into_owned(), claims, sealed: None })
    }

    /// RFC 7519 section 4.1, less what asks for more than the token.
    fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), &'static str> {
        let settings = &self.settings;
        let time = |name: &str| claims.get(name).map(|value| seconds(value).ok_or("a time that is no number"));
        let exp = time("exp").ok_or("no `exp`")??;
        if exp.saturating_add(settings.leeway) <= now {
            return Err("expired");
        }
        let latest = now.saturating_add(settings.leeway);
        for name in ["nbf", "iat"] {
            if time(name).transpose()?.is_some_and(|time| time > latest) {
                return Err(if name == "nbf" { "not valid yet" } else { "issued in the future" });
            }
        }
        if let Some(issuer) = &settings.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err("another issuer");
        }
        let is_for_us =
            |audience: &Value| audience.as_str().is_some_and(|one| settings.audience.iter().any(|us| us == one));
        if !settings.audience.is_empty()
            && !claims
                .get("aud")
                .is_some_and(|aud| is_for_us(aud) || aud.as_array().is_some_and(|all| all.iter().any(is_for_us)))
        {
            return Err("another audience");
        }
        if !settings.require.hold(|name| select(claims, name)) {
            return Err("a required claim does not hold");
        }
        Ok(())
    }
}

/// A `NumericDate` (RFC 7519 section 2) in whole seconds.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        let seconds = number.as_f64()?.floor();
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
        seconds.is_finite().then_some(seconds as i64)
    })
}

#[async_trait]
impl Authenticator for Jwt {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, now: i64) -> Examined<'a> {
        let token = match (head.bearer(), self.settings.cookie.as_deref().map(|name| head.cookie(name))) {
            (Some(bearer), _) => bearer,
            (None, Some(Cookie::One(cookie))) => cookie,
            (None, Some(Cookie::Ambiguous)) => return Examined::Rejected("the cookie came more than once"),
            (None, Some(Cookie::None) | None) => return Examined::NotMine,
        };
        if !self.claims(token) {
            return Examined::NotMine;
        }
        match self.verify(token).map(|verified| verified.and_then(|values| self.identify(values, now))) {
            Some(Ok(identified)) => Examined::Known(identified),
            Some(Err(why)) => Examined::Rejected(why),
            None => Examined::Later(Box::new(UnknownKey { jwt: self, token, now })),
        }
    }

    fn is_ready(&self) -> bool {
        match &self.key {
            Key::Fixed(_) => true,
            Key::Set(set) => set.is_there(),
        }
    }
}

/// A token whose key is not here, or not yet.
struct UnknownKey<'a> {
    jwt: &'a Jwt,
    token: &'a str,
    now: i64,
}

impl std::fmt::Debug for UnknownKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnknownKey").finish_non_exhaustive()
    }
}

#[async_trait]
impl Identify for UnknownKey<'_> {
    async fn identify(self: Box<Self>, _: &Ask, _: &Context) -> Result<Identified, NotIdentified> {
        const UNKNOWN: NotIdentified = NotIdentified::Rejected("signed with a key that its issuer does not have");
        let Key::Set(set) = &self.jwt.key else { return Err(UNKNOWN) };
        let fetched = set.fetch_for_unknown().await;
        // Whoever fetched it: while the body was read, another may have done so.
        let values = match (self.jwt.verify(self.token), fetched) {
            (Some(verified), _) => verified.map_err(NotIdentified::Rejected)?,
            (None, Ok(()) | Err(NoKey::Unknown)) => return Err(UNKNOWN),
            (None, Err(NoKey::Unavailable)) => {
                return Err(NotIdentified::Unavailable(Unavailable::new("the issuer's keys cannot be fetched")));
            }
        };
        self.jwt.identify(values, self.now).map_err(NotIdentified::Rejected)
    }
}
