//! Short forms: variables that stand for a whole authenticator or authorizer,
//! so that the environment alone is enough for a sidecar.

use std::collections::HashMap;
use std::path::Path;

use config::Value;

use super::environment::{origin, table, value};
use super::file::Reader;
use super::layer::Layer;
use super::problem::Problems;
use crate::authenticate::{ApiKey, api_key_name};
use crate::nearest::nearest_of;

const JWT_PREFIX: &str = "ROOMKEY_JWT_";

/// Parts of one `jwt`: variable, setting, and how it is written.
const JWT: [(&str, &str, Form); 7] = [
    ("ROOMKEY_JWT_SECRET", "secret", Form::Text),
    ("ROOMKEY_JWT_SECRET_FILE", "secret_file", Form::Text),
    ("ROOMKEY_JWT_PUBLIC_KEY_FILE", "public_key_file", Form::Text),
    ("ROOMKEY_JWT_JWKS_URL", "jwks_url", Form::Text),
    ("ROOMKEY_JWT_ISSUER", "issuer", Form::Text),
    ("ROOMKEY_JWT_AUDIENCE", "audience", Form::Commas),
    ("ROOMKEY_JWT_COOKIE", "cookie", Form::Text),
];

const SESSION_URL: &str = "ROOMKEY_SESSION_URL";
const CALLBACK_URL: &str = "ROOMKEY_CALLBACK_URL";
/// What both callbacks are signed with.
const SIGNING: [(&str, &str); 2] =
    [("ROOMKEY_SIGNING_SECRET", "signing_secret"), ("ROOMKEY_SIGNING_SECRET_FILE", "signing_secret_file")];
/// What a session is known by, if nothing else can be said.
const SESSION_COOKIE: &str = "session";
const SESSION_HEADER: &str = "authorization";

#[derive(Clone, Copy)]
enum Form {
    Text,
    Commas,
}

type Entry = (&'static str, Value);

/// Reads them into `layer`. `below` are the layers of the files, beside whose
/// lists no short form of that kind may stand.
pub(super) fn read(
    environment: &HashMap<String, String>,
    below: &[Layer],
    files: &Reader,
    problems: &Problems,
    layer: &mut Layer,
) {
    // One that is overlooked would leave an issuer or an audience unchecked.
    let known = || JWT.iter().map(|(name, ..)| *name);
    for name in environment.keys().filter(|name| name.starts_with(JWT_PREFIX) && !known().any(|known| known == *name)) {
        problems.add(name, origin(name), format!("unknown variable{}", nearest_of(name, known())));
    }
    if let (Some((name, _)), false) = (
        SIGNING.iter().find(|(name, _)| environment.contains_key(*name)),
        [SESSION_URL, CALLBACK_URL].iter().any(|url| environment.contains_key(*url)),
    ) {
        problems.add(*name, origin(name), format!("signs nothing; set {SESSION_URL} or {CALLBACK_URL} too"));
    }
    let (mut authenticate, mut authorize): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
    let session = callback(environment, SESSION_URL);
    if let Some((name, key)) = api_key(environment, files, problems) {
        authenticate.push((name, api_keys(name, &key)));
        authorize.push((name, of_kind(name, "credential", Vec::new())));
    } else if session.is_some() {
        authorize.push((SESSION_URL, of_kind(SESSION_URL, "credential", Vec::new())));
    }
    authenticate.extend(jwt(environment));
    if let Some(text) = environment.get("ROOMKEY_RULES") {
        authorize.push(("ROOMKEY_RULES", rules("ROOMKEY_RULES", text, problems)));
    }
    if let Some(mut members) = session {
        let list = |text: &str| value(SESSION_URL, vec![value(SESSION_URL, text)]);
        let forward = vec![("cookies", list(SESSION_COOKIE)), ("headers", list(SESSION_HEADER))];
        members.push(("forward", table(SESSION_URL, forward)));
        authenticate.push((SESSION_URL, of_kind(SESSION_URL, "callback", members)));
    }
    if let Some(members) = callback(environment, CALLBACK_URL) {
        authorize.push((CALLBACK_URL, of_kind(CALLBACK_URL, "callback", members)));
    }
    for (key, entries) in [("authenticate", authenticate), ("authorize", authorize)] {
        let Some((name, _)) = entries.first() else { continue };
        if below.iter().any(|file| file.0.contains_key(key)) {
            problems.add(*name, origin(name), format!("stands beside [[{key}]] in a file; keep one of them"));
        } else {
            let list: Vec<_> = entries.iter().map(|(_, entry)| entry.clone()).collect();
            layer.0.insert(key.to_owned(), value(name, list));
        }
    }
}

fn of_kind(name: &str, kind: &str, mut members: Vec<(&str, Value)>) -> Value {
    members.push(("kind", value(name, kind)));
    table(name, members)
}

fn jwt(environment: &HashMap<String, String>) -> Option<Entry> {
    let given: Vec<_> = JWT.iter().filter(|(name, ..)| environment.contains_key(*name)).collect();
    let (first, ..) = given.first()?;
    let members = given.iter().map(|(name, key, form)| {
        let text = &environment[*name];
        let items = || text.split(',').map(|item| value(name, item.trim())).collect::<Vec<_>>();
        (
            *key,
            match form {
                Form::Text => value(name, text.as_str()),
                Form::Commas => value(name, items()),
            },
        )
    });
    Some((first, of_kind(first, "jwt", members.collect())))
}

/// A callback's `url`, and what it is signed with.
fn callback(environment: &HashMap<String, String>, name: &'static str) -> Option<Vec<(&'static str, Value)>> {
    let mut members = vec![("url", value(name, environment.get(name)?.as_str()))];
    let given =
        |(variable, key): &(&str, &'static str)| Some((*key, value(variable, environment.get(*variable)?.as_str())));
    members.extend(SIGNING.iter().filter_map(given));
    Some(members)
}

/// One key, with all scopes and roles.
fn api_keys(name: &str, key: &str) -> Value {
    let list = |items: &[&str]| value(name, items.iter().map(|item| value(name, *item)).collect::<Vec<_>>());
    let entry = table(
        name,
        vec![
            ("name", value(name, api_key_name(key).unwrap_or_default())),
            ("sha256", value(name, ApiKey::hash_hex(key))),
            ("scopes", list(&["token", "rooms", "invites", "revoke"])),
            ("roles", list(&["*"])),
        ],
    );
    of_kind(name, "api_key", vec![("keys", value(name, vec![entry]))])
}

fn api_key(
    environment: &HashMap<String, String>,
    files: &Reader,
    problems: &Problems,
) -> Option<(&'static str, String)> {
    const INLINE: &str = "ROOMKEY_API_KEY";
    const FILE: &str = "ROOMKEY_API_KEY_FILE";
    let (name, key) = match (environment.get(INLINE), environment.get(FILE)) {
        (Some(_), Some(_)) => {
            problems.add(FILE, origin(FILE), format!("stands beside {INLINE}; keep one of them"));
            return None;
        }
        (Some(key), None) => (INLINE, key.clone()),
        (None, Some(path)) => match files.text(Path::new(path)) {
            Ok(key) => (FILE, key),
            Err(why) => {
                let why = format!("names a file that cannot be read: {why}; give the path of a readable file");
                problems.add(FILE, origin(FILE), why);
                return None;
            }
        },
        (None, None) => return None,
    };
    if api_key_name(&key).is_none() {
        problems.add(name, origin(name), "is no API key `rk_NAME_…`; `roomkey keygen NAME` makes one");
        return None;
    }
    Some((name, key))
}

/// `pattern role`, by lines or `;`.
fn rules(name: &str, text: &str, problems: &Problems) -> Value {
    let mut rules = Vec::new();
    let lines = text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty());
    for (index, line) in lines.enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let [pattern, role] = words[..] {
            rules.push(table(name, vec![("room", value(name, pattern)), ("role", value(name, role))]));
        } else {
            let why =
                format!("its rule {} is not a pattern and a role, such as `org:{{org}}:** participant`", index + 1);
            problems.add(name, origin(name), why);
        }
    }
    of_kind(name, "rules", vec![("rules", value(name, rules))])
}
