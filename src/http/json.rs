//! JSON bodies, read strictly: an object, every name in it once, at any depth.
//!
//! Two fields of one name mean two things to two readers; none of them is ours.
//! What a message says of a body is a field's name and never a value.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::problem::{ApiError, Kind};
use crate::ask::OnBehalf;
use crate::name::MAX_LIVEKIT_BYTES;

/// The longest field name that a message repeats.
const MAX_SHOWN: usize = 64;

/// Reads an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let twice = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Strict(&twice).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match (read, twice.into_inner()) {
        (Ok(Value::Object(object)), _) => Ok(object),
        (_, Some(name)) => Err(ApiError::invalid(&shown(&name), "is in the body twice").cause("a field twice")),
        (Ok(_) | Err(_), None) => Err(ApiError::new(Kind::InvalidRequest).detail("the body must be a JSON object")),
    }
}

/// A field's name as a message may repeat it.
pub(super) fn shown(name: &str) -> String {
    if name.len() <= MAX_SHOWN && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
        name.to_owned()
    } else {
        "a field".to_owned()
    }
}

/// A string of at most `max` bytes; empty and null count as not given.
pub(super) fn text(body: &mut Map<String, Value>, field: &'static str, max: usize) -> Result<Option<String>, ApiError> {
    match body.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() <= max => Ok(Some(text)),
        Some(Value::String(_)) => Err(ApiError::invalid(field, format_args!("has more than {max} bytes"))),
        Some(_) => Err(ApiError::invalid(field, "must be a string")),
    }
}

/// What only a backend may say. What is there counts as said, whatever it
/// holds.
pub(super) fn on_behalf(body: &mut Map<String, Value>, user: Option<String>) -> Result<OnBehalf, ApiError> {
    let mut said = |field| {
        let there = body.contains_key(field);
        text(body, field, MAX_LIVEKIT_BYTES).map(|text| text.or_else(|| there.then(String::new)))
    };
    let (name, role) = (said("name")?, said("role")?);
    let claims = match body.remove("claims") {
        None => None,
        Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(claims)) => Some(claims),
        Some(_) => return Err(ApiError::invalid("claims", "must be an object")),
    };
    Ok(OnBehalf { user, name, role, claims })
}

/// A value that remembers the first name it saw twice.
struct Strict<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Strict(self.0))? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if read.contains_key(&name) {
                self.0.replace(Some(name));
                return Err(A::Error::custom("a name twice"));
            }
            let value = members.next_value_seed(Strict(self.0))?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_with_every_name_once_is_read() {
        assert_eq!(object(br#" {"a":[{"b":null}],"c":1.5} "#).unwrap().len(), 2);
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            "null",
            "[]",
            "1",
            "\"x\"",
            "{",
            "{}x",
            "{}{}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":{\"b\":1,\"b\":2}}",
            "{\"a\":\"\\ud800\"}",
            "\u{feff}{}",
            "{'a':1}",
            "{\"a\":1e999}",
            "{\"a\":NaN}",
            "{,}",
            &deep,
        ] {
            assert!(object(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }
}
