//! The environment as a layer: `ROOMKEY__` variables, the names that LiveKit
//! and Liveblocks already use, and the short forms that make a sidecar.

use std::collections::HashMap;

use config::{Map, Value, ValueKind};

use super::layer::Layer;
use super::problem::Problems;
use super::section::{FROM_ENVIRONMENT, nearest_of, read_text};
use crate::authenticate::{ApiKey, api_key_name};

/// Begins every variable that sets a setting by its path.
const PREFIX: &str = "ROOMKEY__";

/// Begins the parts of the short form for one `jwt`.
const JWT_PREFIX: &str = "ROOMKEY_JWT_";

/// Names that others use, and the settings they set. Each also with `_FILE`.
const ECOSYSTEM: [(&str, [&str; 2]); 4] = [
    ("LIVEKIT_URL", ["livekit", "url"]),
    ("LIVEKIT_API_KEY", ["livekit", "api_key"]),
    ("LIVEKIT_API_SECRET", ["livekit", "api_secret"]),
    ("LIVEKIT_KEYS", ["livekit", "keys"]),
];

/// Short forms that a later version will have.
const LATER: [&str; 7] = [
    "LIVEBLOCKS_SECRET_KEY",
    "LIVEBLOCKS_SECRET_KEY_FILE",
    "ROOMKEY_JWT_JWKS_URL",
    "ROOMKEY_SESSION_URL",
    "ROOMKEY_CALLBACK_URL",
    "ROOMKEY_SIGNING_SECRET",
    "ROOMKEY_SIGNING_SECRET_FILE",
];

/// Parts of the short form for one `jwt`: variable, setting, and how it is
/// written.
const JWT: [(&str, &str, Form); 6] = [
    ("ROOMKEY_JWT_SECRET", "secret", Form::Text),
    ("ROOMKEY_JWT_SECRET_FILE", "secret_file", Form::Text),
    ("ROOMKEY_JWT_PUBLIC_KEY_FILE", "public_key_file", Form::Text),
    ("ROOMKEY_JWT_ISSUER", "issuer", Form::Text),
    ("ROOMKEY_JWT_AUDIENCE", "audience", Form::Commas),
    ("ROOMKEY_JWT_COOKIE", "cookie", Form::Text),
];

#[derive(Clone, Copy)]
enum Form {
    Text,
    Commas,
}

fn origin(variable: &str) -> String {
    format!("{FROM_ENVIRONMENT}{variable}")
}

fn value(variable: &str, kind: impl Into<ValueKind>) -> Value {
    Value::new(Some(&origin(variable)), kind)
}

fn table(variable: &str, members: Vec<(&str, Value)>) -> Value {
    let members: Map<String, Value> = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    value(variable, members)
}

/// Reads the environment. `files` are the layers below, to refuse a short form
/// beside a list of its kind.
pub(super) fn layer(environment: &HashMap<String, String>, files: &[Layer], problems: &Problems) -> Layer {
    let mut layer = Layer::default();
    let mut names: Vec<_> = environment.keys().map(String::as_str).collect();
    names.sort_unstable();
    for name in names.iter().filter(|name| name.starts_with(PREFIX)) {
        let path: Vec<_> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if path.iter().any(String::is_empty) {
            problems.add(*name, origin(name), "names no setting; write for example ROOMKEY__LIVEKIT__TTL");
        } else if layer.set(&path, value(name, environment[*name].as_str())).is_some() {
            problems.add(path.join("."), origin(name), "is set by another variable too; keep one of them");
        }
    }
    for (name, [section, key]) in ECOSYSTEM {
        for (name, key) in [(name.to_owned(), key.to_owned()), (format!("{name}_FILE"), format!("{key}_file"))] {
            let Some(text) = environment.get(&name) else { continue };
            let path = [section.to_owned(), key];
            if let Some(other) = layer.set(&path, value(&name, text.as_str())) {
                let other = other.origin().unwrap_or_default().to_owned();
                problems.add(path.join("."), origin(&name), format!("is set by {other} too; keep one of them"));
            }
        }
    }
    for name in LATER.iter().filter(|name| environment.contains_key(**name)) {
        problems.add(*name, origin(name), "is not there yet in this version of Roomkey; take it out");
    }
    // One that is overlooked would leave an issuer or an audience unchecked.
    let known = || JWT.iter().map(|(name, ..)| *name).chain(LATER);
    for name in names.iter().filter(|name| name.starts_with(JWT_PREFIX) && !known().any(|known| known == **name)) {
        problems.add(*name, origin(name), format!("unknown variable{}", nearest_of(name, known())));
    }
    short_forms(environment, files, problems, &mut layer);
    layer
}

fn short_forms(environment: &HashMap<String, String>, files: &[Layer], problems: &Problems, layer: &mut Layer) {
    let mut authenticate = Vec::new();
    let mut authorize = Vec::new();
    let jwt: Vec<_> = JWT.iter().filter(|(name, ..)| environment.contains_key(*name)).collect();
    if let Some((first, ..)) = jwt.first() {
        let mut members = vec![("kind", value(first, "jwt"))];
        for (name, key, form) in &jwt {
            let text = &environment[*name];
            members.push((
                key,
                match form {
                    Form::Text => value(name, text.as_str()),
                    Form::Commas => {
                        value(name, text.split(',').map(|item| value(name, item.trim())).collect::<Vec<_>>())
                    }
                },
            ));
        }
        authenticate.push((*first, table(first, members)));
    }
    if let Some((name, key)) = api_key(environment, problems) {
        let hash = ApiKey::hash_hex(&key);
        let list = |items: &[&str]| value(name, items.iter().map(|item| value(name, *item)).collect::<Vec<_>>());
        let entry = table(
            name,
            vec![
                ("name", value(name, api_key_name(&key).unwrap_or_default())),
                ("sha256", value(name, hash)),
                ("scopes", list(&["token", "rooms", "invites", "revoke"])),
                ("roles", list(&["*"])),
            ],
        );
        let kind = [("kind", value(name, "api_key")), ("keys", value(name, vec![entry]))];
        authenticate.insert(0, (name, table(name, kind.into())));
        authorize.push((name, table(name, vec![("kind", value(name, "credential"))])));
    }
    if let Some(text) = environment.get("ROOMKEY_RULES") {
        let name = "ROOMKEY_RULES";
        let rules: Vec<_> = text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty()).collect();
        let rules =
            rules.iter().enumerate().filter_map(|(index, line)| rule(name, index, line, problems)).collect::<Vec<_>>();
        authorize.push((name, table(name, vec![("kind", value(name, "rules")), ("rules", value(name, rules))])));
    }
    for (key, entries) in [("authenticate", authenticate), ("authorize", authorize)] {
        let Some((name, _)) = entries.first() else { continue };
        if files.iter().any(|file| file.0.contains_key(key)) {
            problems.add(*name, origin(name), format!("stands beside [[{key}]] in a file; keep one of them"));
        } else {
            let list: Vec<_> = entries.iter().map(|(_, entry)| entry.clone()).collect();
            layer.0.insert(key.to_owned(), value(name, list));
        }
    }
}

fn api_key(environment: &HashMap<String, String>, problems: &Problems) -> Option<(&'static str, String)> {
    let inline = environment.get("ROOMKEY_API_KEY");
    let file = environment.get("ROOMKEY_API_KEY_FILE");
    let (name, key) = match (inline, file) {
        (Some(_), Some(_)) => {
            problems.add(
                "ROOMKEY_API_KEY_FILE",
                origin("ROOMKEY_API_KEY_FILE"),
                "stands beside ROOMKEY_API_KEY; keep one of them",
            );
            return None;
        }
        (Some(key), None) => ("ROOMKEY_API_KEY", key.clone()),
        (None, Some(path)) => match read_text(std::path::Path::new(path)) {
            Ok(key) => ("ROOMKEY_API_KEY_FILE", key),
            Err(why) => {
                let name = "ROOMKEY_API_KEY_FILE";
                problems.add(
                    name,
                    origin(name),
                    format!("names a file that cannot be read: {why}; give the path of a readable file"),
                );
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

/// `pattern role`.
fn rule(name: &str, index: usize, line: &str, problems: &Problems) -> Option<Value> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [pattern, role] = words[..] else {
        problems.add(
            name,
            origin(name),
            format!("its rule {} is not a pattern and a role, such as `org:{{org}}:** participant`", index + 1),
        );
        return None;
    };
    Some(table(name, vec![("room", value(name, pattern)), ("role", value(name, role))]))
}
