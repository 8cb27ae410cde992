//! `[[authenticate]]`.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::callback::is_cookie_name;
use super::layer::{Layer, folder_of};
use super::livekit::scheme;
use super::section::{Found, Section};
use super::{Warnings, secrets};
use crate::authenticate::{
    ApiKey, BadKey, JwtKey, JwtSettings, KeySetSettings, KeySettings, KeySource, Scope, Settings, is_safe,
};
use crate::claims::{ClaimNames, ClaimTests};
use crate::invite::InviteKey;
use crate::nearest::nearest_of;
use crate::role::Roles;
use crate::template::Template;

const KINDS: [&str; 6] = ["jwt", "api_key", "header", "callback", "invite", "guest"];

pub(super) fn read(sections: Option<Vec<Section<'_>>>, roles: &Roles, warnings: &mut Warnings) -> Vec<Settings> {
    let mut read = Vec::new();
    let mut sections = sections.unwrap_or_default().into_iter().peekable();
    while let Some(mut section) = sections.next() {
        let Some(kind) = section.kind(&KINDS) else { continue };
        let settings = match kind.as_str() {
            "jwt" => jwt(&mut section, warnings).map(Box::new).map(Settings::Jwt),
            "api_key" => api_keys(&mut section, roles).map(Settings::ApiKey),
            "header" => super::header::read(&mut section).map(Settings::Header),
            "callback" => super::callback::session(&mut section, roles, warnings).map(Box::new).map(Settings::Session),
            "invite" => {
                if read.iter().any(|settings| matches!(settings, Settings::Invite(_))) {
                    section.fail("kind", "\"invite\" stands twice, and the first takes all invites; keep one");
                }
                invite(&mut section).map(Settings::Invite)
            }
            "guest" => {
                if sections.peek().is_some() {
                    section.fail("kind", "\"guest\" must stand last: what follows it is never asked");
                }
                guest(&mut section)
            }
            // `Section::kind` gives no other.
            _ => None,
        };
        section.finish();
        read.extend(settings);
    }
    read
}

fn jwt(section: &mut Section<'_>, warnings: &mut Warnings) -> Option<JwtSettings> {
    let issuer = section.text("issuer");
    if issuer.as_deref() == Some("") {
        section.fail("issuer", "is empty; leave it out to take any");
    }
    let audience = section.text_or_texts("audience").unwrap_or_default();
    if section.has("audience") && (audience.is_empty() || audience.iter().any(String::is_empty)) {
        section.fail("audience", "is empty; name the audience that your tokens carry in `aud`");
    }
    let leeway = section.duration("leeway", Duration::ZERO..=Duration::from_mins(5));
    let cookie = section.text("cookie");
    if cookie.as_deref().is_some_and(|name| !is_cookie_name(name)) {
        section.fail("cookie", "is no cookie's name");
    }
    let require = section.json("require").and_then(|value| tests(section, "require", value)).unwrap_or_default();
    let names = claim_names(section);
    let shared = !audience.is_empty() || !require.is_empty();
    let key = key(section, issuer.as_deref(), shared, warnings)?;
    Some(JwtSettings {
        issuer,
        audience,
        key,
        leeway: i64::try_from(leeway.unwrap_or(Duration::from_mins(1)).as_secs()).ok()?,
        cookie,
        require,
        names,
    })
}

fn key(section: &mut Section<'_>, issuer: Option<&str>, shared: bool, warnings: &mut Warnings) -> Option<KeySettings> {
    let algorithms = section.texts("algorithms");
    let secret = section.secret("secret");
    let public = section.twin("public_key");
    let jwks_url = section.text("jwks_url");
    let insecure_http = section.flag("insecure_http").unwrap_or(false);
    if insecure_http {
        warnings.add(section, "insecure_http", "lets whoever is on the way to the keys put in their own");
    }
    if section.has("jwks_url") || (issuer.is_some() && !section.has_any("secret") && !section.has_any("public_key")) {
        if secret.is_some() || public.is_some() {
            section.fail("jwks_url", "stands beside another key; keep one of them");
            return None;
        }
        let source =
            if section.has("jwks_url") { KeySource::Url(jwks_url?) } else { KeySource::Issuer(issuer?.to_owned()) };
        return key_set(section, source, algorithms.as_deref(), insecure_http, shared).map(KeySettings::Set);
    }
    local_key(section, secret, public, algorithms.as_deref(), shared).map(Arc::new).map(KeySettings::Fixed)
}

/// A key set that is fetched.
fn key_set(
    section: &Section<'_>,
    source: KeySource,
    algorithms: Option<&[String]>,
    insecure_http: bool,
    shared: bool,
) -> Option<KeySetSettings> {
    let (key, url) = match &source {
        KeySource::Url(url) => ("jwks_url", url),
        KeySource::Issuer(issuer) => ("issuer", issuer),
    };
    if !insecure_http && !is_safe(url) {
        section.fail(key, "must begin with https://; over plain HTTP anyone on the way could put in keys (on a network of containers `insecure_http = true` takes it)");
        return None;
    }
    if let Err(why) = scheme(url, &["https", "http"]) {
        section.fail(key, why);
        return None;
    }
    if !shared {
        section.fail(
            key,
            "has keys that other applications share, so their tokens would do too; add `audience` or `require`",
        );
    }
    let algorithms = algorithms.map(JwtKey::public_algorithms).transpose();
    let algorithms = algorithms.map_err(|why| section.fail("algorithms", why)).ok()?;
    Some(KeySetSettings { source, algorithms, insecure_http })
}

fn local_key(
    section: &Section<'_>,
    secret: Option<Found<SecretString>>,
    public: Option<Found<String>>,
    algorithms: Option<&[String]>,
    shared: bool,
) -> Option<JwtKey> {
    let wrong_algorithms = |section: &Section<'_>, why: String| section.fail("algorithms", why);
    match (secret, public) {
        (Some(secret), Some(public)) => {
            section.problems().add(
                public.key,
                public.place,
                format!("stands beside `{}`; keep one of them", secret.key),
            );
            None
        }
        (Some(secret), None) => {
            let text = secret.value.expose_secret();
            if let Some(why) = secrets::weak(text) {
                section.problems().add(secret.key, secret.place, why);
                return None;
            }
            JwtKey::from_secret(text.as_bytes(), algorithms).map_err(|why| wrong_algorithms(section, why)).ok()
        }
        (None, Some(public)) => {
            if !shared {
                section.problems().add(
                    &*public.key,
                    &*public.place,
                    "is a key that other applications share, so their tokens would do too; add `audience` or `require`",
                );
            }
            match JwtKey::from_public_pem(&public.value, algorithms) {
                Ok(key) => Some(key),
                Err(BadKey::Key(why)) => {
                    section.problems().add(public.key, public.place, why);
                    None
                }
                Err(BadKey::Algorithms(why)) => {
                    wrong_algorithms(section, why);
                    None
                }
            }
        }
        (None, None) => {
            let given =
                ["secret", "secret_file", "secret_env", "public_key", "public_key_file", "public_key_env", "jwks_url"];
            if !given.iter().any(|key| section.has(key)) {
                section.fail("secret", "is missing; give `secret` (HS256), `public_key_file` (a PEM file) or `jwks_url`, or an `issuer` to discover it from");
            }
            None
        }
    }
}

/// The names that rules use: `id` and `name` at least.
fn claim_names(section: &mut Section<'_>) -> ClaimNames {
    let mut names = section.texts_by_name("claims").unwrap_or_default();
    for (name, selector) in &names {
        if selector.is_empty() {
            section.fail("claims", format!("{name:?} names no claim"));
        }
    }
    names.entry("id".to_owned()).or_insert_with(|| "sub".to_owned());
    names.entry("name".to_owned()).or_insert_with(|| "name".to_owned());
    names.into_iter().collect::<Vec<_>>().into()
}

/// Demands on claims.
pub(super) fn tests(section: &Section<'_>, key: &str, value: Value) -> Option<ClaimTests> {
    let Value::Object(tests) = value else {
        section.fail(key, "expected a table such as { suspended = true }");
        return None;
    };
    let is_plain = |value: &Value| value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64();
    for (name, value) in &tests {
        let plain = is_plain(value) || value.as_array().is_some_and(|any| !any.is_empty() && any.iter().all(is_plain));
        if !plain {
            section.fail(key, format!("{name:?} must be a string, a whole number, a boolean, or a list of them"));
        }
    }
    Some(ClaimTests::new(tests.into_iter().collect()))
}

/// `secret` and `max_ttl`.
fn invite(section: &mut Section<'_>) -> Option<InviteKey> {
    let max_ttl = section.duration("max_ttl", Duration::from_mins(1)..=Duration::from_hours(24 * 365));
    if !section.has_any("secret") {
        section.require("secret");
    }
    let secret = section.secret("secret")?;
    if let Some(why) = secrets::weak(secret.value.expose_secret()) {
        section.problems().add(secret.key, secret.place, why);
        return None;
    }
    Some(InviteKey::new(&secret.value, max_ttl.unwrap_or(Duration::from_hours(24 * 30))))
}

fn guest(section: &mut Section<'_>) -> Option<Settings> {
    let id = section.text("id").unwrap_or_else(|| "guest-{random}".to_owned());
    let template = Template::parse(&id).map_err(|error| error.to_string()).and_then(|template| {
        if template.claims().eq(["random"]) {
            Ok(template)
        } else {
            Err("must hold `{random}` once and no other claim, so that every guest is someone else".to_owned())
        }
    });
    template.map(|id| Settings::Guest { id }).map_err(|why| section.fail("id", why)).ok()
}

fn api_keys(section: &mut Section<'_>, roles: &Roles) -> Option<Vec<ApiKey>> {
    if section.has("keys") && section.has("keys_file") {
        section.fail("keys_file", "stands beside `keys`; keep one of them");
    }
    let inline = section.sections("keys");
    let from_file = section.text("keys_file").and_then(|file| keys_file(section, &file));
    if inline.is_none() && from_file.is_none() {
        if !section.has("keys") && !section.has("keys_file") {
            section.fail("keys_file", "is missing; `roomkey keygen NAME` prints an entry for it");
        }
        return None;
    }
    if inline.as_ref().or(from_file.as_ref()).is_some_and(Vec::is_empty) {
        section.fail("keys", "holds no key; `roomkey keygen NAME` prints an entry for one");
    }
    let mut keys: Vec<ApiKey> = Vec::new();
    for mut entry in inline.or(from_file).unwrap_or_default() {
        if let Some(key) = api_key(&mut entry, roles) {
            if keys.iter().any(|known| known.name == key.name) {
                entry.fail("name", format!("{:?} is taken; every key has a name of its own", key.name));
            }
            keys.push(key);
        }
        entry.finish();
    }
    Some(keys)
}

/// The `[[keys]]` of a file of their own.
fn keys_file<'a>(section: &Section<'a>, file: &str) -> Option<Vec<Section<'a>>> {
    let text = section.read_file("keys_file", file)?;
    let path = folder_of(&section.place("keys_file")).join(file);
    let layer = Layer::from_toml(&text, &path.display().to_string())
        .map_err(|problem| section.problems().push(problem))
        .ok()?;
    let mut root = section.nested(layer)?;
    let keys = root.sections("keys");
    if keys.is_none() && !root.has("keys") {
        section.fail("keys_file", "has no `[[keys]]` in it");
    }
    root.finish();
    keys
}

fn api_key(entry: &mut Section<'_>, roles: &Roles) -> Option<ApiKey> {
    for key in ["name", "sha256", "scopes"] {
        if !entry.has(key) {
            entry.require(key);
        }
    }
    let name = entry.text("name");
    let sha256 = entry.parsed("sha256", |hex| {
        hash(hex).ok_or("must be the SHA-256 of the whole key in 64 hexadecimal digits, as `roomkey keygen` prints it")
    });
    let mut scopes = Vec::new();
    for given in entry.texts("scopes").unwrap_or_default() {
        if let Some((_, scope)) = Scope::ALL.iter().find(|(name, _)| *name == given) {
            scopes.push(*scope);
        } else {
            let near = nearest_of(&given, Scope::ALL.iter().map(|(name, _)| *name));
            entry.fail("scopes", format!("{given:?} is none of token, rooms, invites, revoke{near}"));
        }
    }
    let given_roles = entry.texts("roles").unwrap_or_default();
    for role in given_roles.iter().filter(|role| *role != "*" && roles.get(role).is_none()) {
        let near = nearest_of(role, roles.iter().map(crate::role::Role::name));
        entry.fail("roles", format!("there is no role {role:?}{near}"));
    }
    // Any role is any that there is: a key cannot give one that is not.
    let given_roles = if given_roles.iter().any(|role| role == "*") {
        roles.iter().map(|role| role.name().to_owned()).collect()
    } else {
        given_roles
    };
    Some(ApiKey { name: name?, sha256: sha256?, scopes, roles: given_roles })
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(0..) {
        *byte = u8::from_str_radix(hex.get(digits * 2..digits * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}
