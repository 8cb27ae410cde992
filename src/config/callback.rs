//! `kind = "callback"`, as an authenticator and as an authorizer, and the
//! ceiling of both.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use secrecy::ExposeSecret as _;

use super::Warnings;
use super::authorize::{Known, PROVIDERS};
use super::livekit::scheme;
use super::section::Section;
use crate::ask::Provider;
use crate::authenticate::SessionSettings;
use crate::authorize::{CallbackSettings, Ceiling, MAX_TTL, MIN_TTL};
use crate::callback::{self, Bearer, DEFAULT_CONNECT_TIMEOUT, DEFAULT_TIMEOUT, SigningSecret};
use crate::liveblocks::Permissions;
use crate::livekit::literal;
use crate::nearest::nearest_of;
use crate::pattern::Pattern;
use crate::role::{Role, Roles};

const DEFAULT_MAX_IN_FLIGHT: u64 = 64;
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// For so long at most someone gets in who may not any more.
const MAX_CACHE: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(10);

const DEFAULT_LIVEKIT: [&str; 5] =
    ["can_publish", "can_subscribe", "can_publish_data", "can_publish_sources", "can_update_own_metadata"];
const DEFAULT_LIVEBLOCKS: [&str; 5] =
    ["room:read", "room:presence:write", "room:write", "comments:read", "comments:write"];
/// The built-in role that may least.
const LEAST_ROLE: &str = "viewer";
const DEFAULT_TTL: Duration = Duration::from_mins(10);

/// An authorizer.
pub(super) fn authorizer(
    section: &mut Section<'_>,
    known: &Known<'_>,
    warnings: &mut Warnings,
) -> Option<CallbackSettings> {
    let roles = known.roles;
    let callback = common(section);
    let room = section.parsed("room", Pattern::parse);
    let provider = section.choice("provider", &PROVIDERS);
    let cache = section.duration("cache", Duration::ZERO..=MAX_CACHE).unwrap_or_default();
    let ceiling = ceiling(section, roles);
    let role = section.text("role").or_else(|| least_role(section, ceiling.as_deref()));
    if let Some(role) = &role {
        if roles.get(role).is_none() {
            let near = nearest_of(role, roles.iter().map(Role::name));
            section.fail("role", format!("there is no role {role:?}{near}"));
        } else if ceiling.as_ref().is_some_and(|ceiling| !ceiling.roles.contains(role)) {
            section.fail("role", format!("{role:?} is beyond the block's own ceiling; name it in ceiling.roles"));
        }
    }
    let reached = known.providers.iter().copied().filter(|reached| provider.is_none_or(|only| only == *reached));
    for reached in reached {
        let name = reached.as_str();
        if let Some(role) = role.as_ref().and_then(|role| roles.get(role)).filter(|role| !role.serves(reached)) {
            let role = role.name();
            let why = format!(
                "the role {role:?} has no [roles.{role}.{name}], and this block reaches {name}; add it, or `provider` to the block"
            );
            if section.has("role") {
                section.fail("role", why);
            } else {
                warnings.add(
                    section,
                    "role",
                    format!("is not set, and so {LEAST_ROLE:?} in answers that name none; {why}"),
                );
            }
        }
        if reached == Provider::LiveKit {
            warn_of_roles(ceiling.as_deref(), roles, warnings);
        }
    }
    if section.has("room") && room.is_none() {
        return None;
    }
    Some(CallbackSettings { callback: callback?, room, provider, role, ceiling: ceiling?, cache })
}

/// Of what the roles grant that an answer may name.
fn warn_of_roles(ceiling: Option<&Ceiling>, roles: &Roles, warnings: &mut Warnings) {
    let given = ceiling.into_iter().flat_map(|ceiling| &ceiling.roles).filter_map(|role| roles.get(role));
    given.for_each(|role| warnings.role_in_use(role));
}

/// What a bare yes gives: policy engines know no role of ours.
fn least_role(section: &Section<'_>, ceiling: Option<&Ceiling>) -> Option<String> {
    let there = !section.has("role") && ceiling?.roles.iter().any(|role| role == LEAST_ROLE);
    there.then(|| LEAST_ROLE.to_owned())
}

/// The session form.
pub(super) fn session(section: &mut Section<'_>, roles: &Roles, warnings: &mut Warnings) -> Option<SessionSettings> {
    let callback = common(section);
    let ceiling = ceiling(section, roles);
    warn_of_roles(ceiling.as_deref(), roles, warnings);
    let Some(mut forward) = section.section("forward") else {
        if !section.has("forward") {
            section.fail("forward", "is missing; say what a session is known by, such as { cookies = [\"session\"] }");
        }
        return None;
    };
    let cookies = forward.texts("cookies").unwrap_or_default();
    if let Some(bad) = cookies.iter().find(|name| !is_cookie_name(name)) {
        forward.fail("cookies", format!("{bad:?} is no cookie's name"));
    }
    let names = forward.texts("headers").unwrap_or_default();
    let headers: Vec<HeaderName> =
        names.iter().filter_map(|name| forwarded_header(&forward, name, section.has_any("bearer"))).collect();
    if cookies.is_empty() && names.is_empty() {
        forward.fail("cookies", "is empty; name the cookie or the header that a session is known by");
    }
    forward.finish();
    let role = least_role(section, ceiling.as_deref());
    Some(SessionSettings { callback: callback?, cookies, headers, role, ceiling: ceiling? })
}

/// RFC 6265 section 4.1.1: a token of RFC 9110 section 5.6.2.
pub(super) fn is_cookie_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// A header that may go along.
fn forwarded_header(section: &Section<'_>, text: &str, has_bearer: bool) -> Option<HeaderName> {
    const HOP_BY_HOP: [&str; 10] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ];
    const OURS: [&str; 5] = ["host", "x-request-id", "traceparent", "cookie", "accept-encoding"];
    let Ok(name) = text.parse::<HeaderName>() else {
        section.fail("headers", format!("{text:?} is no header's name"));
        return None;
    };
    let plain = name.as_str();
    if HOP_BY_HOP.contains(&plain)
        || OURS.contains(&plain)
        || plain.starts_with("content-")
        || plain.starts_with("webhook-")
    {
        section.fail("headers", format!("{text:?} is written anew for each call and cannot be forwarded"));
        return None;
    }
    if plain == "authorization" && has_bearer {
        section.fail("headers", "\"authorization\" cannot be forwarded beside `bearer`, which is sent there");
        return None;
    }
    Some(name)
}

/// What both forms have in common.
fn common(section: &mut Section<'_>) -> Option<callback::Settings> {
    if !section.has("url") {
        section.require("url");
    }
    let url = section.parsed("url", |url| scheme(url, &["http", "https"]).map(|()| url.to_owned()));
    let signing = section.secret("signing_secret");
    let bearer = section.secret("bearer");
    if !section.has_any("signing_secret") && !section.has_any("bearer") {
        section.fail(
            "signing_secret",
            "is missing: without it or `bearer` the backend could not tell our questions from anyone's",
        );
    }
    let given_signing = signing.is_some();
    let signing_secret = signing.and_then(|found| {
        let parsed = SigningSecret::parse(found.value.expose_secret());
        parsed.map_err(|why| section.problems().add(found.key, found.place, why)).ok()
    });
    let given_bearer = bearer.is_some();
    let bearer = bearer.and_then(|found| {
        let parsed = Bearer::parse(found.value.expose_secret());
        parsed.map_err(|why| section.problems().add(found.key, found.place, why)).ok()
    });
    let timeout = section.duration("timeout", SHORTEST..=MAX_TIMEOUT);
    let connect_timeout = section.duration("connect_timeout", SHORTEST..=MAX_TIMEOUT);
    let max_in_flight = section.count("max_in_flight", 1..=10_000).unwrap_or(DEFAULT_MAX_IN_FLIGHT);
    if given_signing && signing_secret.is_none() || given_bearer && bearer.is_none() {
        return None;
    }
    Some(callback::Settings {
        url: url?,
        signing_secret,
        bearer,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        connect_timeout: connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
        max_in_flight: usize::try_from(max_in_flight).ok()?,
    })
}

/// `ceiling`, or what stands for it: every role without a dangerous grant but
/// `room_admin`, and the harmless literals.
fn ceiling(section: &mut Section<'_>, roles: &Roles) -> Option<Arc<Ceiling>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut ceiling = Ceiling {
        roles: roles.iter().filter(|role| is_harmless(role)).map(|role| role.name().to_owned()).collect(),
        livekit: owned(&DEFAULT_LIVEKIT),
        liveblocks: owned(&DEFAULT_LIVEBLOCKS),
        rooms: Vec::new(),
        ttl: DEFAULT_TTL,
    };
    let Some(mut inner) = section.section("ceiling") else {
        return (!section.has("ceiling")).then(|| Arc::new(ceiling));
    };
    if let Some(names) = inner.texts("roles") {
        for name in names.iter().filter(|name| roles.get(name).is_none()) {
            let near = nearest_of(name, roles.iter().map(Role::name));
            inner.fail("roles", format!("there is no role {name:?}{near}"));
        }
        ceiling.roles = names;
    }
    if let Some(names) = inner.texts("livekit") {
        for name in names.iter().filter(|name| !literal::settings().any(|known| known == *name)) {
            let near = nearest_of(name, literal::settings());
            inner.fail("livekit", format!("{name:?} is no grant of a role{near}"));
        }
        ceiling.livekit = names;
    }
    if let Some(scopes) = inner.texts("liveblocks") {
        if let Some(unknown) = scopes.iter().find(|scope| !Permissions::is_scope(scope)) {
            inner.fail("liveblocks", format!("{unknown:?} is no scope"));
        }
        ceiling.liveblocks = scopes;
    }
    for text in inner.texts("liveblocks_rooms").unwrap_or_default() {
        match Pattern::parse(&text) {
            Ok(pattern) => ceiling.rooms.push(pattern),
            Err(why) => inner.fail("liveblocks_rooms", format!("{text:?} {why}")),
        }
    }
    if let Some(ttl) = inner.duration("ttl", MIN_TTL..=MAX_TTL) {
        ceiling.ttl = ttl;
    }
    inner.finish();
    Some(Arc::new(ceiling))
}

fn is_harmless(role: &Role) -> bool {
    role.livekit
        .as_ref()
        .is_none_or(|livekit| livekit.grants.dangers().iter().all(|(setting, _)| *setting == "room_admin"))
}
