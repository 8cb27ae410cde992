//! Tokens that an operator asks for, without a caller and a decision.

use std::borrow::Cow;
use std::time::Duration;

use super::grant::Flag;
use super::{Keys, Role, TokenClaims};
use crate::claims::Claims;
use crate::name::{Identity, RoomName};

/// What goes into the token besides the role.
#[derive(Debug)]
pub(crate) struct Minting<'a> {
    pub(crate) identity: Option<&'a str>,
    pub(crate) room: Option<&'a str>,
    pub(crate) name: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) ttl: Duration,
}

/// Signs a token for whatever the operator says, if it can be one.
pub(crate) fn mint(
    keys: &Keys,
    role: &Role,
    claims: &Claims,
    minting: Minting<'_>,
    now: i64,
) -> Result<String, String> {
    if let Some(identity) = minting.identity {
        Identity::try_from(identity).map_err(|why| format!("--identity: the identity {why}"))?;
    }
    if let Some(room) = minting.room {
        RoomName::livekit(room).map_err(|why| format!("--room: the room {why}"))?;
    }
    if role.grants.has(Flag::RoomJoin) && (minting.identity.is_none() || minting.room.is_none()) {
        return Err("a token with roomJoin needs --identity and a room; without a room it would open none".to_owned());
    }
    let mut grants = role.grants.clone();
    if minting.room.is_some() {
        grants.video.get_or_insert_default();
    }
    let mut token = TokenClaims::new(Cow::Borrowed(&grants), keys.id(), now, minting.ttl);
    token.identity = minting.identity.map(Into::into);
    token.room = minting.room;
    token.name = minting.name;
    token.metadata = minting.metadata.or_else(|| role.metadata_for(claims));
    token.attributes = role
        .attributes
        .iter()
        .filter_map(|(key, template)| Some((key.clone(), template.fill_all(claims)?)))
        .chain(minting.attributes)
        .collect();
    token.room_config = role.room_config.as_ref().map(|config| config.fill(claims));
    keys.sign(&token).map_err(|_| "signing failed".to_owned())
}
