//! JSON of others, read strictly: every name of an object once, at any depth.
//!
//! Two members of one name mean two things to two readers; none of them is
//! ours.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why something is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// This name stands in one object twice.
    Twice(String),
    /// It is no JSON.
    NoJson,
}

/// Reads a whole document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Unread> {
    let twice = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Strict(&twice).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|_| twice.into_inner().map_or(Unread::NoJson, Unread::Twice))
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
    fn a_document_is_read_whole_and_with_every_name_once() {
        assert_eq!(read(br#" {"a":[{"b":null}],"c":1.5} "#).unwrap()["c"], 1.5);
        assert_eq!(read(b"7"), Ok(7.into()));
        for (bad, name) in [("{\"a\":1,\"a\":1}", "a"), ("[{\"x\":{\"b\":1,\"\\u0062\":2}}]", "b")] {
            assert_eq!(read(bad.as_bytes()), Err(Unread::Twice(name.to_owned())), "{bad}");
        }
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            "{",
            "{}x",
            "{}{}",
            "{\"a\":\"\\ud800\"}",
            "\u{feff}{}",
            "{'a':1}",
            "{\"a\":1e999}",
            "NaN",
            "{,}",
            &deep,
        ] {
            assert_eq!(read(bad.as_bytes()), Err(Unread::NoJson), "{bad:.40}");
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}"), Err(Unread::NoJson));
    }
}
