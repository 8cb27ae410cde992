//! A table of the configuration, read key by key.
//!
//! Every reader that fails says so and gives nothing, so that reading goes on
//! and all violations are found at once. The keys that were asked for are the
//! keys that exist: [`Section::finish`] reports all others.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Value, ValueKind};
use secrecy::SecretString;

use super::file::Reader;
use super::layer::{Layer, folder_of, json_of, kind_name, own_members, place_of};
use super::problem::Problems;
use crate::nearest::{nearest, nearest_of};
use crate::units;

/// Begins the place of everything that came from the environment.
pub(super) const FROM_ENVIRONMENT: &str = "environment variable ";

/// What all sections share while one configuration is read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) problems: &'a Problems,
    pub(super) environment: &'a HashMap<String, String>,
    pub(super) files: &'a Reader,
}

/// A secret and the setting it came from, to say what is wrong with it.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    /// The setting, such as `livekit.api_secret_file`.
    pub(super) key: String,
    pub(super) place: String,
}

/// One table.
#[derive(Debug)]
pub(super) struct Section<'a> {
    path: String,
    place: String,
    members: BTreeMap<String, Value>,
    places: BTreeMap<String, String>,
    known: Vec<String>,
    missing: Vec<&'static str>,
    reading: &'a Reading<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, value: Value, reading: &'a Reading<'a>) -> Option<Self> {
        let place = place_of(&value);
        let ValueKind::Table(members) = value.kind else {
            let hint = if place.starts_with(FROM_ENVIRONMENT) { "; one variable sets one setting in it" } else { "" };
            let found = kind_name(&value.kind);
            reading.problems.add(path, place, format!("expected a table, found {found}{hint}"));
            return None;
        };
        let members: BTreeMap<_, _> = own_members(members).into_iter().collect();
        let places = members.iter().map(|(key, value)| (key.clone(), place_of(value))).collect();
        Some(Self { path, place, members, places, known: Vec::new(), missing: Vec::new(), reading })
    }

    /// The top of a file of its own that this section names.
    pub(super) fn nested(&self, layer: Layer) -> Option<Self> {
        Self::new(self.path.clone(), Value::new(None, layer.0), self.reading)
    }

    /// The full name of one of this section's settings.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a setting stands; for one that does not, where the section begins.
    pub(super) fn place(&self, key: &str) -> String {
        self.places.get(key).unwrap_or(&self.place).clone()
    }

    /// Whether this comes from our own defaults.
    pub(super) fn is_built_in(&self) -> bool {
        self.place.starts_with(super::DEFAULTS_NAME)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Whether a setting with twins is given in any form.
    pub(super) fn has_any(&self, key: &str) -> bool {
        ["", "_file", "_env"].iter().any(|twin| self.has(&format!("{key}{twin}")))
    }

    /// The names of all settings in this section.
    pub(super) fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    pub(super) fn fail(&self, key: &str, message: impl Into<String>) {
        self.reading.problems.add(self.key(key), self.place(key), message);
    }

    pub(super) fn problems(&self) -> &'a Problems {
        self.reading.problems
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.members.remove(key)
    }

    fn wrong_type(&self, key: &str, expected: &str, found: &ValueKind) {
        let mut message = format!("expected {expected}, found {}", kind_name(found));
        if expected.contains("list") && self.place(key).starts_with(FROM_ENVIRONMENT) {
            message = format!(
                "is {expected}, which no variable can set; set it in a file (a secret in it can come from a variable by its `_env` twin)"
            );
        }
        self.fail(key, message);
    }

    /// Says that a setting is missing, unless an unknown one looks like it.
    pub(super) fn require(&mut self, key: &'static str) {
        self.missing.push(key);
    }

    /// An entry's `kind`, if it is one of these; else says what is wrong with it.
    pub(super) fn kind(&mut self, kinds: &[&str]) -> Option<String> {
        let all = kinds.join(", ");
        if !self.has("kind") {
            match nearest("kind", self.places.keys().map(String::as_str)) {
                Some(near) => self.fail(near, format!("unknown setting; did you mean `{}`?", self.key("kind"))),
                None => self.fail("kind", format!("is missing; one of {all}")),
            }
        }
        let kind = self.text("kind")?;
        if !kinds.contains(&&*kind) {
            let near = nearest_of(&kind, kinds.iter().copied());
            self.fail("kind", format!("{kind:?} is none of {all}{near}"));
        }
        kinds.contains(&&*kind).then_some(kind)
    }

    /// Keys that a later version will have.
    pub(super) fn later(&mut self, keys: &[&str]) {
        for key in keys {
            if self.take(key).is_some() {
                self.fail(key, "is not there yet in this version of Roomkey; take it out");
            }
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let value = self.take(key)?;
        match value.kind {
            ValueKind::String(text) => Some(text),
            other => {
                self.wrong_type(key, "a string", &other);
                None
            }
        }
    }

    /// A string that `parse` understands.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(&text).map_err(|error| self.fail(key, error.to_string())).ok()
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.take(key)?;
        match value.kind {
            ValueKind::Boolean(flag) => Some(flag),
            ValueKind::String(text) if self.place(key).starts_with(FROM_ENVIRONMENT) => {
                text.parse().map_err(|_| self.fail(key, "must be `true` or `false`")).ok()
            }
            other => {
                self.wrong_type(key, "true or false", &other);
                None
            }
        }
    }

    pub(super) fn count(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(key)?;
        let number = match value.kind {
            ValueKind::I64(number) => u64::try_from(number).ok(),
            ValueKind::String(text) if self.place(key).starts_with(FROM_ENVIRONMENT) => text.parse().ok(),
            other => {
                self.wrong_type(key, "a whole number", &other);
                return None;
            }
        };
        number.filter(|number| range.contains(number)).or_else(|| {
            self.fail(key, format!("must be a whole number from {} to {}", range.start(), range.end()));
            None
        })
    }

    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.take(key)?;
        let duration = match value.kind {
            ValueKind::I64(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
            ValueKind::String(text) => units::duration(&text),
            other => {
                self.wrong_type(key, "a duration such as \"10m\"", &other);
                return None;
            }
        };
        duration.filter(|duration| range.contains(duration)).or_else(|| {
            let (low, high) = (units::display(*range.start()), units::display(*range.end()));
            self.fail(key, format!("must be a duration from {low} to {high}, such as \"{high}\" (units: ms s m h d)"));
            None
        })
    }

    pub(super) fn size(&mut self, key: &str, range: RangeInclusive<usize>) -> Option<usize> {
        let value = self.take(key)?;
        let size = match value.kind {
            ValueKind::I64(bytes) => usize::try_from(bytes).ok(),
            ValueKind::String(text) => units::size(&text),
            other => {
                self.wrong_type(key, "a size such as \"64KiB\"", &other);
                return None;
            }
        };
        size.filter(|size| range.contains(size)).or_else(|| {
            self.fail(
                key,
                format!("must be a size from {} to {} bytes, such as \"64KiB\"", range.start(), range.end()),
            );
            None
        })
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.fail(
                key,
                format!("must be one of {}{}", names.join(", "), nearest_of(&text, choices.iter().map(|c| c.0))),
            );
            None
        })
    }

    /// A list of strings; nothing if there is none, or something else.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.list(key, "a list of strings", |kind| match kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        })
    }

    /// A string, or a list of them.
    pub(super) fn text_or_texts(&mut self, key: &str) -> Option<Vec<String>> {
        if matches!(self.members.get(key).map(|value| &value.kind), Some(ValueKind::String(_))) {
            return self.text(key).map(|text| vec![text]);
        }
        self.texts(key)
    }

    fn list<T>(&mut self, key: &str, what: &str, item: impl Fn(ValueKind) -> Option<T>) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let ValueKind::Array(items) = value.kind else {
            self.wrong_type(key, what, &value.kind);
            return None;
        };
        let read: Option<Vec<T>> = items.into_iter().map(|value| item(value.kind)).collect();
        if read.is_none() {
            self.fail(key, format!("expected {what}"));
        }
        read
    }

    /// A table whose members are strings.
    pub(super) fn texts_by_name(&mut self, key: &str) -> Option<BTreeMap<String, String>> {
        let mut inner = self.section(key)?;
        let names = inner.names();
        let read = names.iter().filter_map(|name| Some((name.clone(), inner.text(name)?))).collect();
        inner.finish();
        Some(read)
    }

    /// Any value, as JSON.
    pub(super) fn json(&mut self, key: &str) -> Option<serde_json::Value> {
        self.take(key).map(json_of)
    }

    /// A table as a section of its own.
    pub(super) fn section(&mut self, key: &str) -> Option<Section<'a>> {
        let value = self.take(key)?;
        Self::new(self.key(key), value, self.reading)
    }

    /// A list of tables, each a section.
    pub(super) fn sections(&mut self, key: &str) -> Option<Vec<Section<'a>>> {
        let value = self.take(key)?;
        let ValueKind::Array(items) = value.kind else {
            self.wrong_type(key, "a list of tables", &value.kind);
            return None;
        };
        let path = self.key(key);
        Some(
            items
                .into_iter()
                .enumerate()
                .filter_map(|(index, item)| Self::new(format!("{path}[{index}]"), item, self.reading))
                .collect(),
        )
    }

    /// A setting with twins: `key`, `key_file` or `key_env`.
    pub(super) fn twin(&mut self, key: &str) -> Option<Found<String>> {
        let names = [key.to_owned(), format!("{key}_file"), format!("{key}_env")];
        let given: Vec<_> = names.iter().filter(|name| self.has(name)).collect();
        if let [first, second, ..] = given[..] {
            self.fail(second, format!("stands beside `{first}`; keep one of them"));
            names.iter().for_each(|name| drop(self.take(name)));
            return None;
        }
        let [inline, file, env] = &names;
        let (name, value) = if let Some(value) = self.text(inline) {
            (inline, value)
        } else if let Some(path) = self.text(file) {
            (file, self.read_file(file, &path)?)
        } else {
            let variable = self.text(env)?;
            let Some(value) = self.reading.environment.get(&variable) else {
                // It may hold the secret itself, by mistake.
                self.fail(env, "names an environment variable that is not set; give the name of one that is");
                return None;
            };
            (env, value.clone())
        };
        Some(Found { value, key: self.key(name), place: self.place(name) })
    }

    /// As [`Section::twin`], never to be printed.
    pub(super) fn secret(&mut self, key: &str) -> Option<Found<SecretString>> {
        self.twin(key).map(|Found { value, key, place }| Found { value: value.into(), key, place })
    }

    /// The text of the file that a setting names, less one newline at its end.
    pub(super) fn read_file(&self, key: &str, path: &str) -> Option<String> {
        match self.reading.files.text(&folder_of(&self.place(key)).join(path)) {
            Ok(text) => Some(text),
            Err(why) => {
                // The path may be the secret itself, by mistake.
                self.fail(key, format!("names a file that cannot be read: {why}; give the path of a readable file"));
                None
            }
        }
    }

    /// Reports what nobody asked for, and what is missing.
    pub(super) fn finish(self) {
        let mut missing = self.missing.clone();
        for name in self.members.keys() {
            let nearest = nearest(name, self.known.iter().map(String::as_str));
            missing.retain(|key| Some(*key) != nearest);
            let remedy = nearest.map_or_else(
                || format!("; known here: {}", self.known.join(", ")),
                |known| format!("; did you mean `{}`?", self.key(known)),
            );
            self.fail(name, format!("unknown setting{remedy}"));
        }
        for key in missing {
            let place = if self.place.is_empty() { "configuration" } else { &self.place };
            self.reading.problems.add(self.key(key), place, "is missing");
        }
    }
}
