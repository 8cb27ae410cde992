//! `[liveblocks]`.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::livekit::scheme;
use super::section::Section;
use super::{Warnings, secrets};
use crate::authorize::{MAX_TTL, MIN_TTL};
use crate::liveblocks::{CloudSettings, FormSettings, LocalSettings, Settings, TokenKind};

pub(super) fn read(section: Option<Section<'_>>, warnings: &mut Warnings) -> Option<Settings> {
    let mut section = section?;
    let base_url = section.text("base_url").and_then(|url| match scheme(&url, &["http", "https"]) {
        Ok(()) => Some(url.trim_end_matches('/').to_owned()),
        Err(why) => {
            section.fail("base_url", why);
            None
        }
    });
    let timeout = section.duration("timeout", Duration::from_millis(100)..=Duration::from_mins(1));
    let max_in_flight = section.count("max_in_flight", 1..=10_000);
    let project_id = section.text("project_id");
    let ttl = section.duration("ttl", MIN_TTL..=MAX_TTL);
    let token = section.choice("token", &[("access", TokenKind::Access), ("id", TokenKind::Id)]);
    let user_info: Vec<_> = section.texts_by_name("user_info").unwrap_or_default().into_iter().collect();
    let group_ids = section.text("group_ids").filter(|claim| !claim.is_empty());
    let organization_id = section.text("organization_id").filter(|claim| !claim.is_empty());
    let secret_key = section.secret("secret_key");
    let signing_secret = section.secret("signing_secret");
    section.later(&["projects"]);
    let form = match (secret_key, signing_secret) {
        (Some(cloud), Some(local)) => {
            let why = format!("stands beside `{}`; either Liveblocks makes the tokens or Roomkey does", cloud.key);
            section.problems().add(local.key, local.place, why);
            None
        }
        (Some(key), None) => {
            if is_secret_key(key.value.expose_secret()) {
                let max_in_flight = max_in_flight.and_then(|count| usize::try_from(count).ok());
                base_url.zip(timeout).zip(max_in_flight).map(|((base_url, timeout), max_in_flight)| {
                    FormSettings::Cloud(CloudSettings { secret_key: key.value, base_url, timeout, max_in_flight })
                })
            } else {
                section.problems().add(
                    key.key,
                    key.place,
                    "is no secret key of a project: those are `sk_` and then letters, digits, `-` or `_`",
                );
                None
            }
        }
        (None, Some(secret)) => match secrets::weak(secret.value.expose_secret()) {
            None => project_id
                .zip(ttl)
                .map(|(project_id, ttl)| FormSettings::Local(LocalSettings::new(&secret.value, project_id, ttl))),
            Some(why) => {
                section.problems().add(secret.key, secret.place, why);
                None
            }
        },
        (None, None) => None,
    };
    if form.is_some() && token == Some(TokenKind::Id) {
        warnings.add(&section, "token", "is \"id\": which rooms a user may enter is up to the permissions that the rooms have in Liveblocks; Roomkey decides only whether a token is given");
    }
    section.finish();
    Some(Settings { form: form?, token: token?, user_info, group_ids, organization_id })
}

/// `^sk_[\w-]+$`, as the official SDK checks it.
fn is_secret_key(key: &str) -> bool {
    key.strip_prefix("sk_").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    })
}
