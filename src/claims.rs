//! What is known about a caller, and tests on it.
//!
//! A claim is looked up by the name that the configuration maps, else by its
//! whole name, its dotted path or its JSON pointer. A claim's value is data:
//! it is compared, never read as a pattern or a path.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The mapped names of an authenticator: the name that rules use, and the
/// selector that finds it in the credential.
pub type ClaimNames = Arc<[(String, String)]>;

/// A caller's claims.
#[derive(Clone, Debug)]
pub struct Claims {
    names: ClaimNames,
    values: Map<String, Value>,
}

impl Claims {
    /// Claims whose names are mapped by `names`.
    #[must_use]
    pub fn new(names: ClaimNames, values: Map<String, Value>) -> Self {
        Self { names, values }
    }

    /// The claim called `name`: what `name` is mapped to, else by [`select`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let mapped = self.names.iter().find(|(known, _)| known == name);
        select(&self.values, mapped.map_or(name, |(_, selector)| selector))
    }

    /// The claim called `name` as text, if it is a string or an integer.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).and_then(text)
    }

    /// The claims under their mapped names, then all others.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        let mut all = self.values.clone();
        for (name, _) in self.names.iter() {
            // What is not there under its mapped name must not be there under its own.
            match self.get(name) {
                Some(value) => drop(all.insert(name.clone(), value.clone())),
                None => drop(all.remove(name)),
            }
        }
        all
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(values: Map<String, Value>) -> Self {
        Self::new(Arc::default(), values)
    }
}

/// Finds a value by its whole name, else by a JSON pointer (RFC 6901) if the
/// selector begins with `/`, else by a dotted path.
#[must_use]
pub fn select<'a>(values: &'a Map<String, Value>, selector: &str) -> Option<&'a Value> {
    if let Some(value) = values.get(selector) {
        return Some(value);
    }
    if let Some(pointer) = selector.strip_prefix('/') {
        let (first, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
        return values.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest);
    }
    let (first, rest) = selector.split_once('.')?;
    rest.split('.').try_fold(values.get(first)?, |value, name| value.as_object()?.get(name))
}

/// A string as it is, an integer in decimal; nothing else is text.
#[must_use]
pub fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(Cow::Owned(number.to_string())),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Demands on claims, all of which must hold.
#[derive(Clone, Debug, Default)]
pub struct ClaimTests(Vec<(String, Value)>);

impl ClaimTests {
    /// Tests of the given names: the claim equals the value or, if the claim is
    /// a list, contains it; a list of values means any of them.
    #[must_use]
    pub fn new(tests: Vec<(String, Value)>) -> Self {
        Self(tests)
    }

    /// Whether there is nothing to test.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every test holds for what `get` finds under its name.
    pub fn hold<'a>(&self, get: impl Fn(&str) -> Option<&'a Value>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            get(name).is_some_and(|claim| match wanted {
                Value::Array(any) => any.iter().any(|one| equals_or_contains(claim, one)),
                one => equals_or_contains(claim, one),
            })
        })
    }
}

fn equals_or_contains(claim: &Value, wanted: &Value) -> bool {
    match claim {
        Value::Array(list) => list.contains(wanted),
        other => other == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        Claims::new([("id".to_owned(), "sub".to_owned())].into(), value.as_object().unwrap().clone())
    }

    #[test]
    fn a_claim_is_found_by_mapped_name_then_whole_name_then_path() {
        let claims = claims(&json!({
            "sub": "alice", "id": "shadow", "app": {"plan": "pro", "a/b": 7}, "https://x.example/org": "acme", "app.plan": "whole",
        }));
        for (name, wanted) in [
            ("id", Some("alice")),
            ("sub", Some("alice")),
            ("app.plan", Some("whole")),
            ("/app/plan", Some("pro")),
            ("/app/a~1b", Some("7")),
            ("https://x.example/org", Some("acme")),
            ("app", None),
            ("app.none", None),
            ("/none/x", None),
            ("none", None),
        ] {
            assert_eq!(claims.text(name).as_deref(), wanted, "{name}");
        }
    }

    #[test]
    fn a_claim_that_a_mapping_hides_stays_hidden() {
        let names = [("org".to_owned(), "https://ns/org".to_owned())].into();
        let claims = Claims::new(names, json!({"org": "forged", "sub": "a"}).as_object().unwrap().clone());
        assert_eq!(Value::Object(claims.to_map()), json!({"sub": "a"}));
    }

    #[test]
    fn tests_are_equality_or_membership_and_all_must_hold() {
        let claims = claims(&json!({"roles": ["a", "b"], "suspended": true, "n": 5, "s": "5"}));
        let holds = |tests: Value| {
            ClaimTests::new(tests.as_object().unwrap().clone().into_iter().collect()).hold(|name| claims.get(name))
        };
        assert!(holds(json!({"suspended": true})));
        assert!(holds(json!({"roles": "a", "n": 5})));
        assert!(holds(json!({"roles": ["x", "b"]})));
        assert!(!holds(json!({"roles": "c"})));
        assert!(!holds(json!({"roles": []})));
        assert!(!holds(json!({"suspended": "true"})));
        assert!(!holds(json!({"s": 5})));
        assert!(!holds(json!({"n": "5"})));
        assert!(!holds(json!({"none": null})));
        assert!(!holds(json!({"roles": "a", "none": 1})));
    }
}
