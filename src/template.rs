//! Text with claims in it: `{claim}` stands for the caller's claim, `{{` and
//! `}}` for braces.
//!
//! What a claim puts in is never looked at again: braces in it are text.

use std::borrow::Cow;

use serde_json::Value;

use crate::claims::Claims;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Claim(String),
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// `{` without `}`, or `}` without `{`.
    #[error("has a brace without its partner; write `{{{{` or `}}}}` for a brace itself")]
    StrayBrace,
    /// `{}`.
    #[error("has `{{}}` without a claim's name in it")]
    NoName,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// A brace stands alone, or encloses nothing.
    pub fn parse(source: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let (brace, after) = (&rest[at..=at], &rest[at + 1..]);
            if let Some(after) = after.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = match after.split_once('}') {
                Some((name, after)) if brace == "{" && !name.contains('{') => (name, after),
                Some(_) | None => return Err(BadTemplate::StrayBrace),
            };
            if name.is_empty() {
                return Err(BadTemplate::NoName);
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Claim(name.to_owned()));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self(parts))
    }

    /// Text without claims, braces and all.
    #[must_use]
    pub fn fixed(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// The names of the claims in it.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Claim(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text, with `value` asked for each claim; nothing if it has none for
    /// one of them.
    pub fn fill<'a>(&self, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<String> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Claim(name) => out.push_str(&value(name)?),
            }
        }
        Some(out)
    }

    /// The text for these claims; nothing if one of them is missing.
    #[must_use]
    pub fn fill_all(&self, claims: &Claims) -> Option<String> {
        self.fill(|name| claims.get(name).and_then(shown))
    }

    /// The text for these claims; a missing one is empty.
    #[must_use]
    pub fn fill_lenient(&self, claims: &Claims) -> String {
        self.fill(|name| Some(claims.get(name).and_then(shown).unwrap_or_default())).unwrap_or_default()
    }
}

/// A string, number or boolean as text; lists, objects and null show nothing.
pub(crate) fn shown(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A JSON value whose strings are templates; names of members are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTemplate {
    /// A string with claims in it.
    Text(Template),
    /// A list of such values.
    List(Vec<Self>),
    /// An object of such values.
    Object(Vec<(String, Self)>),
    /// A value that is written as a string of JSON.
    Encoded(Box<Self>),
    /// Anything else, and strings that are to stay as they are.
    Fixed(Value),
}

impl JsonTemplate {
    /// Reads a value; the first bad string in it is an error.
    ///
    /// # Errors
    ///
    /// A string in it is no template.
    pub fn parse(value: Value) -> Result<Self, BadTemplate> {
        Ok(match value {
            Value::String(text) => {
                let template = Template::parse(&text)?;
                if template.claims().next().is_none() {
                    Self::Fixed(Value::String(template.fill(|_| None).unwrap_or_default()))
                } else {
                    Self::Text(template)
                }
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(members) => Self::Object(
                members.into_iter().map(|(name, value)| Ok((name, Self::parse(value)?))).collect::<Result<_, _>>()?,
            ),
            fixed @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Self::Fixed(fixed),
        })
    }

    /// The value for these claims; a missing one is empty.
    #[must_use]
    pub fn fill(&self, claims: &Claims) -> Value {
        match self {
            Self::Text(template) => Value::String(template.fill_lenient(claims)),
            Self::List(items) => items.iter().map(|item| item.fill(claims)).collect(),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), value.fill(claims))).collect())
            }
            Self::Encoded(value) => Value::String(value.fill(claims).to_string()),
            Self::Fixed(value) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        json!({"name": "A{b}\"", "n": 5, "list": [1]}).as_object().unwrap().clone().into()
    }

    #[test]
    fn claims_are_put_in_and_never_read_again() {
        for (source, all, lenient) in [
            ("plain", Some("plain"), "plain"),
            ("{name}!", Some("A{b}\"!"), "A{b}\"!"),
            ("{{{n}}}", Some("{5}"), "{5}"),
            ("{{n}}", Some("{n}"), "{n}"),
            ("<{none}>", None, "<>"),
            ("{list}", None, ""),
            ("", Some(""), ""),
        ] {
            let template = Template::parse(source).unwrap();
            assert_eq!(template.fill_all(&claims()).as_deref(), all, "{source}");
            assert_eq!(template.fill_lenient(&claims()), lenient, "{source}");
        }
        for bad in ["{", "}", "a{b", "a}b", "{a{b}}", "{name}}", "{{name}"] {
            assert_eq!(Template::parse(bad), Err(BadTemplate::StrayBrace), "{bad}");
        }
        assert_eq!(Template::parse("{}"), Err(BadTemplate::NoName));
    }

    #[test]
    fn json_keeps_its_shape_whatever_a_claim_holds() {
        let template = JsonTemplate::parse(json!({"name": "{name}", "x": ["{n}", 1, null], "t": "{{}}"})).unwrap();
        assert_eq!(template.fill(&claims()), json!({"name": "A{b}\"", "x": ["5", 1, null], "t": "{}"}));
    }
}
