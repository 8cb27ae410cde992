//! Trusted headers: an identity that a proxy before us found out.
//!
//! Headers are anyone's to write, so they count only from peers that the
//! operator named, or beside a secret that the proxy alone knows; from anyone
//! else they are a wrong credential. What is ambiguous is nobody's.
//!
//! Seen at: oauth2-proxy (`X-Auth-Request-*`), Authelia (`Remote-*`), Traefik
//! `forwardAuth`.

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderName;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::{Authenticator, Examined, Head, Identified};
use crate::claims::Claims;

/// Which headers, and from whom.
#[derive(Clone, Debug)]
pub(crate) struct HeaderSettings {
    /// TCP peers; empty: any, if there is a secret.
    pub(crate) from: Vec<IpNet>,
    pub(crate) secret: Option<(HeaderName, SecretString)>,
    /// The claim that is the subject.
    pub(crate) id: HeaderName,
    /// All claims, `id` among them, and their headers.
    pub(crate) claims: Vec<(String, HeaderName)>,
    /// Claims that are split at commas.
    pub(crate) lists: Vec<String>,
}

/// Takes what a proxy says.
#[derive(Debug)]
pub(crate) struct Header(HeaderSettings);

impl Header {
    pub(crate) const KIND: &str = "header";

    pub(crate) const fn new(settings: HeaderSettings) -> Self {
        Self(settings)
    }

    /// Whether the peer may say who someone is.
    fn trusts(&self, head: &Head<'_>) -> bool {
        let HeaderSettings { from, secret, .. } = &self.0;
        let from_peer = from.is_empty()
            || head.peer().is_some_and(|peer| from.iter().any(|range| range.contains(&peer.ip().to_canonical())));
        let knows_secret = secret.as_ref().is_none_or(|(name, secret)| {
            let mut given = head.headers().get_all(name).iter();
            given.next().is_some_and(|given| {
                verify_slices_are_equal(given.as_bytes(), secret.expose_secret().as_bytes()).is_ok()
            }) && given.next().is_none()
        });
        from_peer && knows_secret
    }

    fn identify(&self, head: &Head<'_>) -> Result<Identified, &'static str> {
        if !self.trusts(head) {
            return Err("identity headers from a peer that is not trusted with them");
        }
        let mut values = Map::new();
        for (claim, name) in &self.0.claims {
            if let Some(text) = text(head, name)? {
                values.insert(claim.clone(), self.value(claim, text)?);
            }
        }
        let subject = text(head, &self.0.id)?.ok_or("the header for `id` is missing")?.to_owned();
        Ok(Identified { subject, claims: Claims::from(values), sealed: None })
    }

    fn value(&self, claim: &str, text: &str) -> Result<Value, &'static str> {
        if !self.0.lists.iter().any(|list| list == claim) {
            return if text.contains(',') { Err("a comma in a header that is no list") } else { Ok(text.into()) };
        }
        let items: Vec<_> = text.split(',').map(str::trim).collect();
        if items.contains(&"") { Err("an empty item in a list") } else { Ok(items.into()) }
    }
}

/// A header's one value.
fn text<'a>(head: &Head<'a>, name: &HeaderName) -> Result<Option<&'a str>, &'static str> {
    let mut all = head.headers().get_all(name).iter();
    let (Some(value), more) = (all.next(), all.next()) else { return Ok(None) };
    if more.is_some() {
        return Err("an identity header came twice");
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| "an identity header is not UTF-8")?.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("an identity header is empty or not plain");
    }
    Ok(Some(text))
}

#[async_trait]
impl Authenticator for Header {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, _now: i64) -> Examined<'a> {
        if !self.0.claims.iter().any(|(_, name)| head.headers().contains_key(name)) {
            return Examined::NotMine;
        }
        match self.identify(head) {
            Ok(identified) => Examined::Known(identified),
            Err(why) => Examined::Rejected(why),
        }
    }
}
