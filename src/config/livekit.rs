//! `[livekit]`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Warnings;
use super::projects;
use super::secrets;
use super::section::{Found, Section};
use crate::authorize::{MAX_TTL, MIN_TTL};
use crate::livekit::{ClientMaySet, Keys, Project, Settings};
use crate::template::Template;

const LONG_TTL: Duration = Duration::from_hours(1);

pub(super) fn read(section: Option<Section<'_>>, dev: bool, warnings: &mut Warnings) -> Option<Settings> {
    let mut section = section?;
    let own = project(&mut section, dev);
    let projects = projects::read(&mut section, own, |section| {
        if !["api_key", "api_secret", "keys"].iter().any(|key| section.has_any(key)) {
            section.require("api_key");
        }
        project(section, dev)
    });
    let ttl = ttl(&mut section, warnings);
    let when_no_room = section.choice("when_no_room", &[("reject", false), ("generate", true)]);
    let generated_room = section.parsed("generated_room", generated_room);
    let attributes: Vec<_> = section.texts_by_name("attributes").unwrap_or_default().into_iter().collect();
    for (key, _) in attributes.iter().filter(|(key, _)| key.starts_with("lk.")) {
        section
            .fail("attributes", format!("{key:?} begins with `lk.`, which is LiveKit's own; call it something else"));
    }
    let client_may_set = section.section("client_may_set").and_then(|inner| client_may_set(inner, &attributes));
    section.later(&["webhook", "rooms"]);
    section.finish();
    Some(Settings {
        projects: projects?,
        ttl: ttl?,
        generated_room: generated_room.filter(|_| when_no_room == Some(true)),
        client_may_set: client_may_set?,
        attributes,
    })
}

/// Address and keys of a project, or of the vendor's own.
fn project(section: &mut Section<'_>, dev: bool) -> Option<Project> {
    let url_found = section.twin("url").map(|found| found.value);
    let url = url_found.and_then(|url| match scheme(&url, &["ws", "wss", "http", "https"]) {
        Ok(()) => Some(url),
        Err(why) => {
            section.fail("url", why);
            None
        }
    });
    let keys = keys(section, dev);
    if keys.is_some() && !section.has_any("url") {
        section.require("url");
    }
    if let Some(api_url) = section.text("api_url")
        && let Err(why) = scheme(&api_url, &["http", "https"])
    {
        section.fail("api_url", why);
    }
    Some(Project { url: url?, keys: keys? })
}

/// A section's `ttl`, as LiveKit tokens may have it.
pub(super) fn ttl(section: &mut Section<'_>, warnings: &mut Warnings) -> Option<Duration> {
    let ttl = section.duration("ttl", MIN_TTL..=MAX_TTL)?;
    if ttl > LONG_TTL {
        warnings.add(section, "ttl", "is over 1h; a token opens the room until it ends, and nothing can take it back");
    }
    Some(ttl)
}

/// Checks that a URL has one of these schemes, a host, a port that exists, and
/// no user or password in it, which whoever sees the URL would see too.
pub(crate) fn scheme(url: &str, schemes: &[&str]) -> Result<(), String> {
    let parsed: Option<http::Uri> = url.parse().ok();
    let fits = parsed.as_ref().is_some_and(|url| {
        let authority = url.authority();
        url.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
            && url.host().is_some_and(|host| !host.is_empty())
            && authority.is_some_and(|authority| authority.port().is_some() == authority.port_u16().is_some())
    });
    if !fits {
        return Err(format!("must be a URL that begins with {}", schemes.join("://, ") + "://"));
    }
    if parsed.is_some_and(|url| url.authority().is_some_and(|authority| authority.as_str().contains('@'))) {
        return Err("must not hold a user or a password".to_owned());
    }
    Ok(())
}

fn generated_room(text: &str) -> Result<Template, String> {
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    if template.claims().any(|claim| claim == "random") {
        Ok(template)
    } else {
        Err("must hold `{random}`, or everyone would get the same room".to_owned())
    }
}

/// The pair `api_key` and `api_secret`, or the list `keys`.
fn keys(section: &mut Section<'_>, dev: bool) -> Option<Keys> {
    let list = section.secret("keys");
    let key = section.twin("api_key");
    let secret = section.secret("api_secret");
    if let (Some(list), Some(pair)) = (
        &list,
        key.as_ref().map(|key| (&key.key, &key.place)).or(secret.as_ref().map(|secret| (&secret.key, &secret.place))),
    ) {
        section.problems().add(
            &*list.key,
            &*list.place,
            format!("stands beside `{}` ({}); keep one of them", pair.0, pair.1),
        );
        return None;
    }
    let pairs = match (list, key, secret) {
        (Some(list), ..) => parse_keys(section, &list)?,
        (None, Some(key), Some(secret)) => {
            if key.value.trim().is_empty() {
                section.problems().add(key.key, key.place, "is empty");
                return None;
            }
            vec![(key.value, secret)]
        }
        (None, Some(_), None) if !section.has_any("api_secret") => {
            section.require("api_secret");
            return None;
        }
        (None, None, Some(_)) if !section.has_any("api_key") => {
            section.require("api_key");
            return None;
        }
        (None, ..) => return None,
    };
    let mut good = true;
    for (id, secret) in &pairs {
        let mut problem = if dev { None } else { secrets::weak(secret.value.expose_secret()) };
        if problem.is_none() && secret.value.expose_secret() == id {
            problem = Some("is the same as its key; take the secret that belongs to it".to_owned());
        }
        if let Some(why) = problem {
            good = false;
            section.problems().add(&*secret.key, &*secret.place, why);
        }
    }
    let pairs: Vec<_> = pairs.into_iter().map(|(id, secret)| (id, secret.value)).collect();
    Keys::new(&pairs).filter(|_| good)
}

/// LiveKit's own format: `key: secret`, one a line.
fn parse_keys(section: &Section<'_>, list: &Found<SecretString>) -> Option<Vec<(String, Found<SecretString>)>> {
    let fail = |why: &str| section.problems().add(&*list.key, &*list.place, why);
    let mut pairs: Vec<(String, Found<SecretString>)> = Vec::new();
    for (number, line) in list.value.expose_secret().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let pair = line.split_once(':').map(|(key, secret)| (unquoted(key), unquoted(secret)));
        let Some((key, secret)) = pair.filter(|(key, secret)| !key.is_empty() && !secret.is_empty()) else {
            fail(&format!("its line {} is not `key: secret`", number + 1));
            return None;
        };
        if pairs.iter().any(|(known, _)| *known == key) {
            fail(&format!("its line {} gives a key for the second time", number + 1));
            return None;
        }
        pairs.push((key, Found { value: secret.into(), key: list.key.clone(), place: list.place.clone() }));
    }
    if pairs.is_empty() {
        fail("holds no key; write `key: secret`, one a line");
        return None;
    }
    Some(pairs)
}

fn client_may_set(mut section: Section<'_>, own: &[(String, String)]) -> Option<ClientMaySet> {
    let device = section.flag("device");
    let name = section.flag("name");
    let metadata = section.flag("metadata");
    let attributes = section.texts("attributes");
    let agents = section.texts("agents");
    for key in attributes.iter().flatten() {
        if key.starts_with("lk.") {
            section.fail("attributes", format!("{key:?} begins with `lk.`, which is LiveKit's own"));
        } else if own.iter().any(|(own, _)| own == key) {
            section.fail(
                "attributes",
                format!("{key:?} is set from a claim by livekit.attributes; a client may not set it too"),
            );
        }
    }
    section.finish();
    Some(ClientMaySet { device: device?, name: name?, metadata: metadata?, attributes: attributes?, agents: agents? })
}
