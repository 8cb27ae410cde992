//! Invites as credentials: whoever holds one is a guest of its room.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Authenticator, Examined, Head, Identified};
use crate::authorize::Sealed;
use crate::claims::Claims;
use crate::invite::{InviteKey, TYP, Uses};
use crate::random::hex128;

/// Takes bearers whose header says that they are invites.
#[derive(Debug)]
pub(crate) struct Invited {
    key: InviteKey,
    uses: Arc<Uses>,
}

impl Invited {
    pub(crate) const KIND: &str = "invite";

    pub(crate) const fn new(key: InviteKey, uses: Arc<Uses>) -> Self {
        Self { key, uses }
    }
}

/// Whether a token says that it is an invite. Nothing in it is believed.
pub(super) fn is_invite(token: &str) -> bool {
    jsonwebtoken::decode_header(token).is_ok_and(|header| header.typ.as_deref() == Some(TYP))
}

#[async_trait]
impl Authenticator for Invited {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, now: i64) -> Examined<'a> {
        let Some(token) = head.bearer().filter(|bearer| is_invite(bearer)) else { return Examined::NotMine };
        let invite = match self.key.verify(token, now) {
            Ok(invite) => invite,
            Err(why) => return Examined::Rejected(why),
        };
        let Ok(random) = hex128() else { return Examined::Rejected("no random bytes for a guest's identity") };
        let subject = format!("guest:{}:{random}", invite.jti);
        let mut claims = Map::from_iter([
            ("id".to_owned(), Value::from(subject.clone())),
            ("guest".to_owned(), Value::Bool(true)),
            ("invite".to_owned(), Value::from(invite.jti.clone())),
        ]);
        claims.extend(invite.name.clone().map(|name| ("name".to_owned(), Value::from(name))));
        let sealed = Sealed::invite(invite, self.uses.clone(), now);
        Examined::Known(Identified { subject, claims: Claims::from(claims), sealed: Some(sealed) })
    }
}
