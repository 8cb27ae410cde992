//! A Liveblocks token's claims in words.
//!
//! Source: `@liveblocks/core` 3.24 `AuthToken.ts`, `permissions.ts`.

use serde_json::{Map, Value};

/// What its bearer can do: dangers, then the rest. Nothing if these are no
/// claims of Liveblocks.
pub(crate) fn describe(claims: &Map<String, Value>) -> Option<(Vec<String>, Vec<String>)> {
    let kind = claims.get("k").and_then(Value::as_str)?;
    let user = claims.get("uid").and_then(Value::as_str).unwrap_or_default();
    let mut dangers = Vec::new();
    let mut can = vec![format!("be {user:?} to Liveblocks")];
    match kind {
        "acc" => {
            for (pattern, scopes) in claims.get("perms").and_then(Value::as_object).into_iter().flatten() {
                let line = format!("use {pattern:?} with {scopes}");
                if pattern == "*" {
                    dangers.push(format!("{line}: every room of the project"));
                } else {
                    can.push(line);
                }
            }
        }
        "id" => can.push("enter the rooms that its id and groups have access to".to_owned()),
        _ => return None,
    }
    for (claim, what) in [("gids", "act for the groups"), ("ui", "appear with")] {
        if let Some(value) = claims.get(claim) {
            can.push(format!("{what} {value}"));
        }
    }
    Some((dangers, can))
}
