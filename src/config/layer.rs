//! One layer of configuration: values that know the place they came from, and
//! how a later layer lies over an earlier one.
//!
//! Tables merge and lists replace. Two things are taken out before: a role
//! replaces its namesake whole, and a secret its twins (`x`, `x_file`, `x_env`).

use std::path::Path;

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The member under which a table keeps the place of its own header.
const HEADER: &str = "\u{0}header";

/// What a syntax error is about, for want of a setting.
pub(super) const SYNTAX: &str = "TOML";

/// Settings with twins. The name alone decides, at any depth.
const TWINS: [&str; 9] =
    ["api_key", "api_secret", "bearer", "keys", "public_key", "secret", "secret_key", "signing_secret", "url"];

/// A layer's values.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(pub(super) Map<String, Value>);

impl Layer {
    /// Reads TOML. Only a syntax error can come of it, since what the values
    /// mean is read later; the error shows no line of the source.
    pub(super) fn from_toml(source: &str, name: &str) -> Result<Self, Problem> {
        let starts: Vec<_> = source.match_indices('\n').map(|(at, _)| at + 1).collect();
        let place = |at: usize| format!("{name}:{}", starts.partition_point(|start| *start <= at) + 1);
        match DeTable::parse(source) {
            Ok(table) => Ok(Self(members(table.get_ref(), &place))),
            Err(error) => Err(Problem::new(
                SYNTAX,
                place(error.span().map_or(0, |span| span.start)),
                format!(
                    "{}; nothing after this line was read",
                    error.message().lines().next().unwrap_or("syntax error")
                ),
            )),
        }
    }

    /// This layer with `later` over it.
    pub(super) fn under(mut self, later: Self) -> Self {
        forget_replaced(&mut self.0, &later.0);
        lay_over(&mut self.0, later.0);
        self
    }

    /// Sets a value by its dotted path; gives back what stood there.
    pub(super) fn set(&mut self, path: &[String], value: Value) -> Option<Value> {
        let (last, tables) = path.split_last()?;
        let mut table = &mut self.0;
        for name in tables {
            let entry = table.entry(name.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
            if !matches!(entry.kind, ValueKind::Table(_)) {
                return Some(entry.clone());
            }
            let ValueKind::Table(inner) = &mut entry.kind else { return None };
            table = inner;
        }
        table.insert(last.clone(), value)
    }
}

fn members(table: &DeTable<'_>, place: &dyn Fn(usize) -> String) -> Map<String, Value> {
    table
        .iter()
        .map(|(key, value)| {
            let here = place(key.span().start);
            let mut value = from_toml_value(value, Some(&here), place);
            if let ValueKind::Table(members) = &mut value.kind {
                members.insert(HEADER.to_owned(), Value::new(Some(&here), ValueKind::Nil));
            }
            (key.get_ref().to_string(), value)
        })
        .collect()
}

fn from_toml_value(value: &Spanned<DeValue<'_>>, here: Option<&String>, place: &dyn Fn(usize) -> String) -> Value {
    let kind = match value.get_ref() {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| ValueKind::String(integer.as_str().to_owned()), ValueKind::I64),
        DeValue::Float(float) => ValueKind::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
        DeValue::Datetime(datetime) => ValueKind::String(datetime.to_string()),
        DeValue::Array(items) => ValueKind::Array(
            items
                .iter()
                .map(|item| {
                    let here = place(item.span().start);
                    let mut item = from_toml_value(item, Some(&here), place);
                    if let ValueKind::Table(members) = &mut item.kind {
                        members.insert(HEADER.to_owned(), Value::new(Some(&here), ValueKind::Nil));
                    }
                    item
                })
                .collect(),
        ),
        DeValue::Table(table) => ValueKind::Table(members(table, place)),
    };
    Value::new(here, kind)
}

/// Tables merge, all else replaces. A merged table has no place of its own but
/// its newest header's. The `config` crate would read a path in a key: `a.b`,
/// or `x[9999999999]` and make room for all of it.
fn lay_over(earlier: &mut Map<String, Value>, later: Map<String, Value>) {
    for (key, value) in later {
        let ValueKind::Table(later) = value.kind else {
            earlier.insert(key, value);
            continue;
        };
        let mut merged = match earlier.remove(&key).map(|value| value.kind) {
            Some(ValueKind::Table(table)) => table,
            _ => Map::new(),
        };
        lay_over(&mut merged, later);
        earlier.insert(key, Value::new(None, merged));
    }
}

/// Takes out of `earlier` what `later` replaces as a whole.
fn forget_replaced(earlier: &mut Map<String, Value>, later: &Map<String, Value>) {
    for (key, value) in later {
        let base = key.strip_suffix("_file").or_else(|| key.strip_suffix("_env")).unwrap_or(key);
        if TWINS.contains(&base) {
            for twin in [base.to_owned(), format!("{base}_file"), format!("{base}_env")] {
                earlier.remove(&twin);
            }
            // LiveKit's keys come as one list or as one pair.
            let others: &[&str] = match base {
                "keys" => &["api_key", "api_secret"],
                "api_key" | "api_secret" => &["keys"],
                _ => &[],
            };
            for other in others {
                for twin in [(*other).to_owned(), format!("{other}_file"), format!("{other}_env")] {
                    earlier.remove(&twin);
                }
            }
        }
        if let (Some(Value { kind: ValueKind::Table(earlier), .. }), ValueKind::Table(later)) =
            (earlier.get_mut(key), &value.kind)
        {
            if key == "roles" {
                earlier.retain(|role, _| !later.contains_key(role) || role == HEADER);
            } else {
                forget_replaced(earlier, later);
            }
        }
    }
}

/// The place a value came from.
pub(super) fn place_of(value: &Value) -> String {
    if let Some(place) = value.origin() {
        return place.to_owned();
    }
    let ValueKind::Table(members) = &value.kind else { return String::new() };
    members
        .get(HEADER)
        .map_or_else(|| members.values().map(place_of).find(|place| !place.is_empty()).unwrap_or_default(), place_of)
}

/// A table's own members.
pub(super) fn own_members(table: Map<String, Value>) -> Map<String, Value> {
    table.into_iter().filter(|(key, _)| key != HEADER).collect()
}

/// The folder that a relative path found at `place` starts from: the file's
/// for a file, the working directory for everything else.
pub(super) fn folder_of(place: &str) -> &Path {
    let file = place.rsplit_once(':').filter(|(_, line)| line.parse::<u32>().is_ok()).map(|(file, _)| file);
    file.and_then(|file| Path::new(file).parent()).unwrap_or(Path::new(""))
}

/// A value as JSON.
pub(super) fn json_of(value: Value) -> Json {
    match value.kind {
        ValueKind::Nil => Json::Null,
        ValueKind::Boolean(flag) => flag.into(),
        ValueKind::I64(number) => number.into(),
        ValueKind::U64(number) => number.into(),
        ValueKind::Float(number) => number.into(),
        ValueKind::I128(number) => number.to_string().into(),
        ValueKind::U128(number) => number.to_string().into(),
        ValueKind::String(text) => text.into(),
        ValueKind::Array(items) => items.into_iter().map(json_of).collect(),
        ValueKind::Table(members) => {
            Json::Object(own_members(members).into_iter().map(|(key, value)| (key, json_of(value))).collect())
        }
    }
}

/// What a value is, in words.
pub(super) const fn kind_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
        ValueKind::Float(_) => "a fraction",
        ValueKind::String(_) => "a string",
        ValueKind::Array(_) => "a list",
        ValueKind::Table(_) => "a table",
    }
}
