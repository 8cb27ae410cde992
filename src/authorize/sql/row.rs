//! What a row decides: `role`, and if it has them `name` and `ttl`.
//!
//! Columns are known by their names, in any case; all others are ignored. A row
//! whose meaning is not certain decides nothing.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Sql;
use crate::authorize::{Allowance, Denial, Verdict};
use crate::units;

const ROLE: &str = "role";
const NAME: &str = "name";
const TTL: &str = "ttl";

/// More than any role's name is long.
const MAX_ROLE_BYTES: usize = 256;
const MAX_NAME_BYTES: usize = 4096;

/// So many rows are asked for: one decides, and a second shows that it does not.
pub(super) const MAX_ROWS: usize = 2;

/// A row's columns in their order: text as a string, numbers as numbers, and
/// anything that is neither as something else.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<(String, Value)>);

/// As `to_json` writes a row. An object would lose the first of two columns of
/// one name.
impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Row(columns))
            }
        }
        deserializer.deserialize_map(Columns)
    }
}

/// Whether a result with these columns could decide anything. Gives those that
/// nobody looks at.
///
/// # Errors
///
/// What is wrong with them.
pub(super) fn check<'a>(columns: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, String> {
    let columns: Vec<_> = columns.collect();
    for name in [ROLE, NAME, TTL] {
        match columns.iter().filter(|column| column.eq_ignore_ascii_case(name)).count() {
            0 if name == ROLE => {
                return Err(format!("the query gives no column `{ROLE}`; name one so, with `as {ROLE}`"));
            }
            0 | 1 => (),
            _ => return Err(format!("the query gives more than one column `{name}`; keep one")),
        }
    }
    Ok(columns
        .into_iter()
        .filter(|column| ![ROLE, NAME, TTL].iter().any(|name| column.eq_ignore_ascii_case(name)))
        .collect())
}

/// What the rows of an answer decide.
///
/// # Errors
///
/// They decide nothing; says why, and shows none of it.
pub(super) fn verdict(rows: &[Row]) -> Result<Verdict, String> {
    let row = match rows {
        [] => return Ok(Verdict::Pass),
        [row] => row,
        [..] => return Err("the query gave more than one row; at most one may be a caller's in a room".to_owned()),
    };
    check(row.0.iter().map(|(column, _)| &**column))?;
    let Some(role) = row.text(ROLE, MAX_ROLE_BYTES)? else {
        return Ok(Verdict::Deny(Denial { rule: Sql::KIND.into(), reason: None }));
    };
    let mut allowance = Allowance::role(role, Sql::KIND);
    allowance.overrides.name = row.text(NAME, MAX_NAME_BYTES)?.map(str::to_owned);
    allowance.overrides.ttl = match row.get(TTL) {
        None => None,
        Some(ttl) => {
            let ttl = units::duration_in(ttl);
            Some(ttl.ok_or("`ttl` is neither a duration such as '10m' nor a whole number of seconds")?)
        }
    };
    Ok(Verdict::Allow(allowance))
}

impl Row {
    /// A column that is there and not NULL.
    fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str, max: usize) -> Result<Option<&str>, String> {
        match self.get(name) {
            None => Ok(None),
            // A CHAR(n) is padded.
            Some(Value::String(text)) if text.len() <= max => Ok(Some(text.trim_end_matches(' '))),
            Some(Value::String(_)) => Err(format!("`{name}` has more than {max} bytes")),
            Some(_) => Err(format!("`{name}` is no text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn decided(rows: &[&str]) -> Result<Verdict, String> {
        let rows: Vec<Row> = rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
        verdict(&rows)
    }

    #[test]
    fn one_row_decides_by_its_role() {
        assert!(matches!(decided(&[]), Ok(Verdict::Pass)));
        assert!(matches!(decided(&[r#"{"role": null, "name": 7}"#]), Ok(Verdict::Deny(_))));
        for (row, role, name, ttl) in [
            (r#"{"role": "host"}"#, "host", None, None),
            (r#"{"ROLE": "host", "Name": "Al", "Ttl": "10m"}"#, "host", Some("Al"), Some(600)),
            (r#"{"role": "host    ", "name": null, "ttl": null}"#, "host", None, None),
            (r#"{"ttl": 900, "id": [1], "role": "", "name": ""}"#, "", Some(""), Some(900)),
            (r#"{"role": "host", "ttl": "900"}"#, "host", None, Some(900)),
        ] {
            let Ok(Verdict::Allow(allowance)) = decided(&[row]) else { panic!("{row}") };
            assert_eq!(&*allowance.role, role, "{row}");
            assert_eq!(allowance.overrides.name.as_deref(), name, "{row}");
            assert_eq!(allowance.overrides.ttl, ttl.map(Duration::from_secs), "{row}");
            assert!(allowance.ceiling.is_none(), "the operator's own data");
        }
    }

    #[test]
    fn what_is_not_certain_decides_nothing() {
        let long = format!(r#"{{"role": "{}"}}"#, "x".repeat(257));
        for rows in [
            &[r#"{"role": "host"}"#, r#"{"role": "host"}"#][..],
            &[r#"{"role": null}"#, r#"{"role": null}"#],
            &[r#"{"roles": "host"}"#],
            &["{}"],
            &[r#"{"role": "host", "role": "viewer"}"#],
            &[r#"{"role": null, "Role": "viewer"}"#],
            &[r#"{"role": true}"#],
            &[r#"{"role": 1}"#],
            &[r#"{"role": ["host"]}"#],
            &[r#"{"role": "host", "name": 7}"#],
            &[r#"{"role": "host", "ttl": "soon"}"#],
            &[r#"{"role": "host", "ttl": "00:10:00"}"#],
            &[r#"{"role": "host", "ttl": 600.0}"#],
            &[r#"{"role": "host", "ttl": -600}"#],
            &[r#"{"role": "host", "ttl": false}"#],
            &[&long],
        ] {
            assert!(decided(rows).is_err(), "{rows:?}");
        }
    }

    #[test]
    fn columns_that_nobody_looks_at_are_named() {
        assert_eq!(check(["id", "Role", "ttl"].into_iter()), Ok(vec!["id"]));
        assert!(check(["name"].into_iter()).unwrap_err().contains("no column `role`"));
        assert!(check(["role", "ttl", "TTL"].into_iter()).unwrap_err().contains("`ttl`"));
    }
}
