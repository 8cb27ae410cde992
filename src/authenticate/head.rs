//! A request's head, as authenticators see it.
//!
//! A bearer beats a cookie; what is ambiguous is nobody's.

use std::cell::Cell;
use std::net::SocketAddr;

use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN};

/// Headers and peer of a request.
#[derive(Debug)]
pub struct Head<'a> {
    headers: &'a HeaderMap,
    peer: Option<SocketAddr>,
    used_cookie: Cell<bool>,
}

/// A cookie as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie<'a> {
    /// No cookie of that name.
    None,
    /// Exactly one.
    One(&'a str),
    /// Several of that name, or bytes that are no text.
    Ambiguous,
}

impl<'a> Head<'a> {
    /// The head of a request from `peer`, the other end of the TCP connection.
    #[must_use]
    pub const fn new(headers: &'a HeaderMap, peer: Option<SocketAddr>) -> Self {
        Self { headers, peer, used_cookie: Cell::new(false) }
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The other end of the TCP connection, whatever any header says.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The token behind `Authorization: Bearer`, if that is what there is.
    #[must_use]
    pub fn bearer(&self) -> Option<&'a str> {
        let (scheme, token) = self.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
    }

    /// Whether there is an `Authorization` header of any kind.
    #[must_use]
    pub fn has_authorization(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    pub(super) fn has_two_authorizations(&self) -> bool {
        self.headers.get_all(AUTHORIZATION).iter().count() > 1
    }

    /// The cookie of that name, unless there is an `Authorization` header,
    /// which beats it.
    pub fn cookie(&self, name: &str) -> Cookie<'a> {
        if self.has_authorization() {
            return Cookie::None;
        }
        let mut found = Cookie::None;
        for header in self.headers.get_all(COOKIE) {
            // As bytes: what other applications keep in their cookies is not ours to judge.
            for pair in header.as_bytes().split(|byte| *byte == b';') {
                let mut parts = pair.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
                let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
                if key == name.as_bytes() {
                    self.used_cookie.set(true);
                    let (Cookie::None, Ok(value)) = (found, str::from_utf8(value)) else { return Cookie::Ambiguous };
                    found = Cookie::One(value);
                }
            }
        }
        found
    }

    /// Whether a cookie was found that an authenticator looks at.
    pub(super) const fn used_cookie(&self) -> bool {
        self.used_cookie.get()
    }

    /// A header's one value; several are none.
    fn only(&self, name: &http::HeaderName) -> Option<&'a HeaderValue> {
        let mut all = self.headers.get_all(name).iter();
        all.next().filter(|_| all.next().is_none())
    }
}

/// Pages whose requests may carry cookies and read answers.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// Exactly these.
    Listed(Vec<HeaderValue>),
    /// Any on this machine, for development.
    Loopback,
}

impl Origins {
    pub(crate) fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Listed(origins) => origins.contains(origin),
            Self::Loopback => origin.to_str().is_ok_and(|origin| {
                let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                let host = host.map(|rest| {
                    let port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                    rest.rsplit_once(':').filter(|(_, end)| port(end)).map_or(rest, |(host, _)| host)
                });
                matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"))
            }),
        }
    }

    /// Whether a request with a cookie comes from a page that is neither our
    /// own nor allowed.
    pub(super) fn is_cross_site(&self, head: &Head<'_>) -> bool {
        if !head.headers.contains_key(ORIGIN) {
            return head.headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site");
        }
        let Some(origin) = head.only(&ORIGIN) else { return true };
        let own = head.only(&HOST).and_then(|host| host.to_str().ok()).is_some_and(|host| {
            let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            authority.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
        });
        !own && !self.allow(origin)
    }
}
