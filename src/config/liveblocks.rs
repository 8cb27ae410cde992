//! `[liveblocks]`.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::livekit::scheme;
use super::projects;
use super::section::Section;
use super::{Warnings, secrets};
use crate::authorize::{MAX_TTL, MIN_TTL};
use crate::liveblocks::{CloudSettings, FormSettings, LocalSettings, Settings, TokenKind};

pub(super) fn read(section: Option<Section<'_>>, warnings: &mut Warnings) -> Option<Settings> {
    let mut section = section?;
    let timeout = section.duration("timeout", Duration::from_millis(100)..=Duration::from_mins(1));
    let max_in_flight = section.count("max_in_flight", 1..=10_000);
    let ttl = section.duration("ttl", MIN_TTL..=MAX_TTL);
    let token = section.choice("token", &[("access", TokenKind::Access), ("id", TokenKind::Id)]);
    let user_info: Vec<_> = section.texts_by_name("user_info").unwrap_or_default().into_iter().collect();
    let group_ids = section.text("group_ids").filter(|claim| !claim.is_empty());
    let organization_id = section.text("organization_id").filter(|claim| !claim.is_empty());
    let shared = Shared {
        base_url: base_url(&mut section),
        project_id: section.text("project_id"),
        timeout,
        max_in_flight: max_in_flight.and_then(|count| usize::try_from(count).ok()),
        ttl,
    };
    let own = form(&mut section, &shared);
    let forms = projects::read(&mut section, own, |section| {
        if !section.has_any("secret_key") && !section.has_any("signing_secret") {
            section.require("secret_key");
        }
        let base_url = base_url(section).or_else(|| shared.base_url.clone());
        let project_id = section.text("project_id").or_else(|| shared.project_id.clone());
        form(section, &Shared { base_url, project_id, ..shared })
    });
    if forms.is_some() && token == Some(TokenKind::Id) {
        warnings.add(&section, "token", "is \"id\": which rooms a user may enter is up to the permissions that the rooms have in Liveblocks; Roomkey decides only whether a token is given");
    }
    section.finish();
    Some(Settings { forms: forms?, token: token?, user_info, group_ids, organization_id })
}

/// What the projects have in common, unless one says otherwise.
struct Shared {
    base_url: Option<String>,
    project_id: Option<String>,
    timeout: Option<Duration>,
    max_in_flight: Option<usize>,
    ttl: Option<Duration>,
}

fn base_url(section: &mut Section<'_>) -> Option<String> {
    section.parsed("base_url", |url| scheme(url, &["http", "https"]).map(|()| url.trim_end_matches('/').to_owned()))
}

/// Who makes a project's tokens, by the key that it has.
fn form(section: &mut Section<'_>, shared: &Shared) -> Option<FormSettings> {
    match (section.secret("secret_key"), section.secret("signing_secret")) {
        (Some(cloud), Some(local)) => {
            let why = format!("stands beside `{}`; either Liveblocks makes the tokens or Roomkey does", cloud.key);
            section.problems().add(local.key, local.place, why);
            None
        }
        (Some(key), None) if !is_secret_key(key.value.expose_secret()) => {
            section.problems().add(
                key.key,
                key.place,
                "is no secret key of a project: those are `sk_` and then letters, digits, `-` or `_`",
            );
            None
        }
        (Some(key), None) => Some(FormSettings::Cloud(CloudSettings {
            secret_key: key.value,
            base_url: shared.base_url.clone()?,
            timeout: shared.timeout?,
            max_in_flight: shared.max_in_flight?,
        })),
        (None, Some(secret)) => match secrets::weak(secret.value.expose_secret()) {
            None => {
                let project_id = shared.project_id.clone()?;
                Some(FormSettings::Local(LocalSettings::new(&secret.value, project_id, shared.ttl?)))
            }
            Some(why) => {
                section.problems().add(secret.key, secret.place, why);
                None
            }
        },
        (None, None) => None,
    }
}

/// `^sk_[\w-]+$`, as the official SDK checks it.
fn is_secret_key(key: &str) -> bool {
    key.strip_prefix("sk_").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    })
}
