//! The environment as a layer: `ROOMKEY__` variables, the names that LiveKit
//! and Liveblocks already use, and the short forms.

use std::collections::HashMap;

use config::{Map, Value, ValueKind};

use super::file::Reader;
use super::layer::Layer;
use super::problem::Problems;
use super::section::FROM_ENVIRONMENT;
use super::short_forms;

/// Begins every variable that sets a setting by its path.
const PREFIX: &str = "ROOMKEY__";

/// Names that others use, and the settings they set. Each also with `_FILE`.
const ECOSYSTEM: [(&str, [&str; 2]); 5] = [
    ("LIVEKIT_URL", ["livekit", "url"]),
    ("LIVEKIT_API_KEY", ["livekit", "api_key"]),
    ("LIVEKIT_API_SECRET", ["livekit", "api_secret"]),
    ("LIVEKIT_KEYS", ["livekit", "keys"]),
    ("LIVEBLOCKS_SECRET_KEY", ["liveblocks", "secret_key"]),
];

pub(super) fn origin(variable: &str) -> String {
    format!("{FROM_ENVIRONMENT}{variable}")
}

pub(super) fn value(variable: &str, kind: impl Into<ValueKind>) -> Value {
    Value::new(Some(&origin(variable)), kind)
}

pub(super) fn table(variable: &str, members: Vec<(&str, Value)>) -> Value {
    let members: Map<String, Value> = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    value(variable, members)
}

/// Reads the environment. `below` are the layers of the files, to refuse a short form
/// beside a list of its kind.
pub(super) fn layer(
    environment: &HashMap<String, String>,
    below: &[Layer],
    files: &Reader,
    problems: &Problems,
) -> Layer {
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
    short_forms::read(environment, below, files, problems, &mut layer);
    layer
}
