//! What is wrong with a configuration.
//!
//! A problem names the setting, the place and the remedy, and never shows a
//! secret's value.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The setting, such as `authorize[0].rules[2].role`.
    pub key: String,
    /// Where it came from: `file:line`, `environment variable X`, or what was
    /// read when a setting is missing.
    pub source: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// A violation at a place.
    pub fn new(key: impl Into<String>, source: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), source: source.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, source, message } = self;
        // A file's text may hold line breaks; a problem is one line.
        let line = format!("{key}: {source}: {message}");
        f.write_str(&line.replace(['\n', '\r'], " "))
    }
}

/// Collects violations, so that reading goes on after one.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, key: impl Into<String>, source: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::new(key, source, message));
    }

    pub(super) fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them, by file and line.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| place(&a.source).cmp(&place(&b.source)));
        all
    }
}

fn place(source: &str) -> (&str, u32) {
    source.rsplit_once(':').map_or((source, 0), |(file, line)| (file, line.parse().unwrap_or(0)))
}
