//! `[[authorize]]`.

use serde_json::Value;

use super::Warnings;
use super::authenticate::tests;
use super::projects;
use super::section::Section;
use crate::ask::Provider;
use crate::authorize::{Credential, Effect, LiveblocksRoom, Rule, Settings, Sql, Where};
use crate::expression::Expression;
use crate::liveblocks::Permissions;
use crate::nearest::nearest_of;
use crate::pattern::Pattern;
use crate::project::Projects;
use crate::role::{Role, Roles};
use crate::template::Template;

const KINDS: [&str; 4] = ["rules", "credential", "callback", "sql"];

/// Liveblocks takes ten patterns in a token, one of which is the room asked
/// for, if one is.
const MAX_LIVEBLOCKS_PATTERNS: usize = 10;

/// What `provider` may be.
pub(super) const PROVIDERS: [(&str, Provider); 2] =
    [(Provider::LiveKit.as_str(), Provider::LiveKit), (Provider::Liveblocks.as_str(), Provider::Liveblocks)];

/// What rules are checked against.
pub(super) struct Known<'a> {
    pub(super) roles: &'a Roles,
    /// Providers that are on.
    pub(super) providers: &'a [Provider],
    pub(super) projects: &'a Projects,
}

pub(super) fn read(sections: Option<Vec<Section<'_>>>, known: &Known<'_>, warnings: &mut Warnings) -> Vec<Settings> {
    let mut read = Vec::new();
    for mut section in sections.unwrap_or_default() {
        let Some(kind) = section.kind(&KINDS) else { continue };
        match kind.as_str() {
            "rules" => {
                if !section.has("rules") {
                    section.require("rules");
                }
                let rules = section.sections("rules");
                if rules.as_ref().is_some_and(Vec::is_empty) {
                    section
                        .fail("rules", "holds no rule, so nobody could enter; write one, or take the authorizer out");
                }
                let rules = rules.unwrap_or_default();
                let rules = rules.into_iter().filter_map(|rule| self::rule(rule, known, warnings)).collect();
                read.push(Settings::Rules(rules));
            }
            "callback" => {
                let settings = super::callback::authorizer(&mut section, known, warnings);
                read.extend(settings.map(Box::new).map(Settings::Callback));
            }
            Sql::KIND => {
                let settings = super::sql::authorizer(&mut section, known, warnings);
                read.extend(settings.map(Box::new).map(Settings::Sql));
            }
            Credential::KIND => read.push(Settings::Credential),
            // `Section::kind` gives no other.
            _ => (),
        }
        section.finish();
    }
    read
}

fn rule(mut section: Section<'_>, known: &Known<'_>, warnings: &mut Warnings) -> Option<Rule> {
    let id = section.text("name").filter(|name| !name.is_empty()).unwrap_or_else(|| section.path().to_owned());
    let provider = section.choice("provider", &PROVIDERS);
    let place = place(&mut section, provider);
    let claims = section.json("claims").and_then(|value| tests(&section, "claims", value));
    let email_domains = section.text_or_texts("email_domain").unwrap_or_default();
    if section.has("email_domain")
        && (email_domains.is_empty() || email_domains.iter().any(|domain| !is_domain(domain)))
    {
        section.fail("email_domain", "must be a domain such as \"corp.com\", or a list of them");
    }
    let when = section.parsed("when", Expression::compile);
    let effect = effect(&mut section, known, provider, place.as_ref(), warnings);
    let (has_claims, has_when) = (section.has("claims"), section.has("when"));
    section.finish();
    Some(Rule {
        id: id.into(),
        place: place?,
        claims: if has_claims { claims? } else { claims.unwrap_or_default() },
        email_domains,
        provider,
        when: if has_when { Some(when?) } else { None },
        effect: effect?,
    })
}

fn is_domain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['@', ' ']) && text.is_ascii()
}

fn place(section: &mut Section<'_>, provider: Option<Provider>) -> Option<Where> {
    let no_room = section.flag("no_room");
    let pattern = section.parsed("room", Pattern::parse);
    match (section.has("room"), no_room) {
        (true, Some(_)) => {
            section.fail("no_room", "stands beside `room`; a rule speaks of rooms or of calls without one");
        }
        (false, Some(true)) if provider == Some(Provider::LiveKit) => {
            section.fail("no_room", "is for Liveblocks alone; LiveKit has no calls without a room");
        }
        (false, Some(true)) => return Some(Where::NoRoom),
        (false, Some(false)) => section.fail("no_room", "must be true, or left out beside `room`"),
        (false, None) if !section.has("no_room") => {
            section.fail("room", "is missing; write a pattern such as \"org:{org}:**\", or `no_room = true`");
        }
        (true | false, None) => (),
    }
    pattern.map(Where::Room)
}

fn effect(
    section: &mut Section<'_>,
    known: &Known<'_>,
    provider: Option<Provider>,
    place: Option<&Where>,
    warnings: &mut Warnings,
) -> Option<Effect> {
    let deny = section.flag("deny");
    let role = section.text("role");
    let no_room = matches!(place, Some(Where::NoRoom));
    let liveblocks_rooms = liveblocks_rooms(section, no_room);
    match (deny, section.has("role")) {
        (Some(_), true) => section.fail("deny", "stands beside `role`; a rule does one or the other"),
        (Some(false), false) => section.fail("deny", "must be true, or left out beside `role`"),
        (None, false) if !section.has("deny") => {
            section.fail("role", "is missing; write `role = \"viewer\"` or `deny = true`");
        }
        (Some(true), false) => {
            if section.has("project") {
                section.fail("project", "stands beside `deny`; whoever is kept out goes to no project");
            }
            return Some(Effect::Deny);
        }
        (None, true | false) => (),
    }
    let role = role?;
    let Some(found) = known.roles.get(&role) else {
        let near = nearest_of(&role, known.roles.iter().map(Role::name));
        section.fail("role", format!("there is no role {role:?}{near}"));
        return None;
    };
    let reaches = |reached: &Provider| {
        provider.is_none_or(|only| only == *reached) && !(no_room && *reached == Provider::LiveKit)
    };
    let reached = || known.providers.iter().copied().filter(reaches);
    let project = projects::named(section, known.projects, reached());
    for reached in reached() {
        if !found.serves(reached) {
            let name = reached.as_str();
            section.fail("role", format!("the role {role:?} has no [roles.{role}.{name}], and this rule reaches {name}; add it, or `provider` to the rule"));
        }
    }
    if no_room && liveblocks_rooms.is_empty() && !section.has("liveblocks_rooms") {
        section.fail("liveblocks_rooms", "is missing; a call without a room opens exactly the rooms named here");
    }
    if known.providers.contains(&Provider::LiveKit) && !no_room && provider != Some(Provider::Liveblocks) {
        warnings.role_in_use(found);
    }
    let project = project.map(Into::into);
    Some(Effect::Allow { role: role.into(), project, liveblocks_rooms: liveblocks_rooms.into() })
}

fn liveblocks_rooms(section: &mut Section<'_>, no_room: bool) -> Vec<LiveblocksRoom> {
    const KEY: &str = "liveblocks_rooms";
    let Some(value) = section.json(KEY) else { return Vec::new() };
    let Value::Array(entries) = value else {
        section.fail(KEY, "expected a list of patterns such as \"org:{org}:*\"");
        return Vec::new();
    };
    let max = if no_room { MAX_LIVEBLOCKS_PATTERNS } else { MAX_LIVEBLOCKS_PATTERNS - 1 };
    if entries.len() > max {
        section.fail(KEY, format!("has more than {max} entries; Liveblocks takes {MAX_LIVEBLOCKS_PATTERNS} in a token, the room asked for among them"));
    }
    if entries.is_empty() {
        section.fail(KEY, "is empty; name a pattern or take it out");
    }
    let read =
        entries.into_iter().map(liveblocks_room).filter_map(|entry| entry.map_err(|why| section.fail(KEY, why)).ok());
    read.collect()
}

fn liveblocks_room(entry: Value) -> Result<LiveblocksRoom, String> {
    let (room, permissions) = match entry {
        Value::String(room) => (room, None),
        Value::Object(mut entry) => {
            let room = entry.remove("room").and_then(|room| room.as_str().map(str::to_owned));
            let scopes = entry.remove("permissions");
            if let Some(unknown) = entry.keys().next() {
                return Err(format!(
                    "has an entry with the unknown member {unknown:?}; it may have `room` and `permissions`"
                ));
            }
            let room = room.ok_or("has an entry without `room`")?;
            let scopes = scopes
                .ok_or_else(|| format!("{room:?} lacks `permissions`; write the bare string for the role's own"))?;
            let list = scopes.as_array().and_then(|list| {
                list.iter().map(|scope| scope.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            });
            let list = list.ok_or_else(|| format!("{room:?}: `permissions` must be a list of strings"))?;
            (room.clone(), Some(Permissions::new(list).map_err(|why| format!("{room:?}: {why}"))?))
        }
        _ => return Err("has an entry that is neither a string nor a table".to_owned()),
    };
    let template = Template::parse(&room).map_err(|why| format!("{room:?} {why}"))?;
    let stars = room.matches('*').count();
    if room.is_empty() || stars > 1 || (stars == 1 && !room.ends_with('*')) {
        return Err(format!("{room:?} is no Liveblocks pattern: one `*` may stand, and only last"));
    }
    Ok(LiveblocksRoom { room: template, permissions })
}
