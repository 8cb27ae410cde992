//! Bodies: JSON objects, and the fields that all routes read alike.
//!
//! What a message says of a body is a field's name and never a value.

use serde_json::{Map, Value};

use super::problem::{ApiError, Kind};
use crate::ask::OnBehalf;
use crate::json::{Unread, read};
use crate::name::MAX_LIVEKIT_BYTES;

/// The longest field name that a message repeats.
const MAX_SHOWN: usize = 64;

/// Reads an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match read(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Err(Unread::Twice(name)) => {
            Err(ApiError::invalid(&shown(&name), "is in the body twice").cause("a field twice"))
        }
        Ok(_) | Err(Unread::NoJson) => {
            Err(ApiError::new(Kind::InvalidRequest).detail("the body must be a JSON object"))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_read() {
        assert_eq!(object(br#" {"a":[{"b":null}],"c":1.5} "#).unwrap().len(), 2);
        for bad in ["", "null", "[]", "1", "\"x\"", "{\"a\":1,\"a\":1}"] {
            assert!(object(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
