//! The values of an expression's variables, for one decision.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use serde_json::{Map, Value as Json, json};

use super::LANGUAGE;
use crate::ask::{Ask, Context};

/// All variables and their members; a map without names has whatever there is.
pub(super) const VARIABLES: [(&str, &[&str]); 4] = [
    ("claims", &[]),
    ("provider", &[]),
    ("request", &["action", "agents", "attributes", "client_ip", "metadata", "name", "origin"]),
    ("room", &["name", "segments"]),
];

/// What an expression is evaluated over.
pub(crate) struct Inputs(pub(super) cel::Context<'static, 'static>);

impl Inputs {
    /// `claims` by the names that rules use.
    pub(crate) fn new(claims: Map<String, Json>, ask: &Ask, context: &Context) -> Self {
        let room = ask.resource.room().map_or("", |room| room.as_str());
        let segments: Vec<_> = if room.is_empty() { Vec::new() } else { room.split([':', '/']).collect() };
        let mut request = json!(ask.requested);
        request["action"] = ask.action.as_str().into();
        context.add_to(&mut request);
        let mut variables = cel::Context::with_env(Arc::clone(&LANGUAGE));
        for (name, value) in [
            ("claims", Json::Object(claims)),
            ("provider", ask.action.provider().as_str().into()),
            ("request", request),
            ("room", json!({"name": room, "segments": segments})),
        ] {
            variables.add_variable_as_val(name, val(value));
        }
        Self(variables)
    }
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").finish_non_exhaustive()
    }
}

fn val(value: Json) -> Box<dyn Val> {
    match value {
        Json::Null => Box::new(CelNull),
        Json::Bool(flag) => Box::new(CelBool::from(flag)),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Box::new(CelInt::from(number)),
            (None, Some(number), _) => Box::new(CelUInt::from(number)),
            (None, None, number) => Box::new(CelDouble::from(number.unwrap_or(f64::NAN))),
        },
        Json::String(text) => Box::new(CelString::from(text)),
        Json::Array(items) => Box::new(CelList::from(items.into_iter().map(val).collect::<Vec<_>>())),
        Json::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (CelMapKey::String(name.into()), val(value)));
            Box::new(CelMap::from(members.collect::<HashMap<_, _>>()))
        }
    }
}
