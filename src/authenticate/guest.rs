//! Guests: whoever presents nothing.
//!
//! Every guest is a new one. A credential that is wrong never gets here.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Authenticator, Examined, Head, Identified};
use crate::claims::Claims;
use crate::random::hex128;
use crate::template::Template;

/// Takes requests without a credential.
#[derive(Debug)]
pub(crate) struct Guest {
    id: Template,
}

impl Guest {
    pub(crate) const KIND: &str = "guest";

    pub(crate) const fn new(id: Template) -> Self {
        Self { id }
    }
}

#[async_trait]
impl Authenticator for Guest {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, _now: i64) -> Examined<'a> {
        if head.has_authorization() || head.used_cookie() {
            return Examined::NotMine;
        }
        let Ok(random) = hex128() else { return Examined::Rejected("no random bytes for a guest's identity") };
        let subject = self.id.fill(|_| Some(random.as_str().into())).unwrap_or_default();
        let claims = Map::from_iter([
            ("id".to_owned(), Value::String(subject.clone())),
            ("guest".to_owned(), Value::Bool(true)),
        ]);
        Examined::Known(Identified { subject, claims: Claims::from(claims), sealed: None })
    }
}
