//! What is asked for: the action, the resource, and what the client would like
//! in its token.
//!
//! An [`Ask`] is the parsed request without anything of HTTP in it, so that a
//! decision can be taken again later for a stored caller.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::name::RoomName;

/// A vendor whose rooms we hand out keys to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Calls.
    LiveKit,
    /// Documents.
    Liveblocks,
}

impl Provider {
    /// The name that configuration and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LiveKit => "livekit",
            Self::Liveblocks => "liveblocks",
        }
    }
}

/// What the caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Join a call.
    LiveKitJoin,
    /// Enter a document.
    LiveblocksEnter,
    /// Reach one's own inbox and notifications, which belong to no room.
    LiveblocksPersonal,
}

impl Action {
    /// The name that logs and the app's backend see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LiveKitJoin => "livekit.join",
            Self::LiveblocksEnter => "liveblocks.enter",
            Self::LiveblocksPersonal => "liveblocks.personal",
        }
    }

    /// The vendor this action is one of.
    #[must_use]
    pub const fn provider(self) -> Provider {
        match self {
            Self::LiveKitJoin => Provider::LiveKit,
            Self::LiveblocksEnter | Self::LiveblocksPersonal => Provider::Liveblocks,
        }
    }
}

/// What the action is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A room by its name.
    Room(RoomName),
    /// A room that gets its name once the caller is known; no rule ever
    /// matches it.
    UnnamedRoom,
    /// What belongs to the caller and to no room.
    Personal,
}

impl Resource {
    /// The room's name, if there is a room and it has one.
    #[must_use]
    pub fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Room(name) => Some(name),
            Self::UnnamedRoom | Self::Personal => None,
        }
    }
}

/// A request for access, parsed and bounded.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the caller wants to do.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// What the client would like in its token.
    pub requested: Requested,
    /// What the app's backend says about the user it speaks for.
    pub on_behalf: OnBehalf,
}

/// The most bytes of metadata, and of attributes, keys and values together,
/// whoever says them: the token travels in a URL.
pub(crate) const MAX_METADATA_BYTES: usize = 4096;
pub(crate) const MAX_ATTRIBUTES_BYTES: usize = 4096;

/// What the client would like in its own token. The default is: nothing, and
/// what is not given is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Requested {
    /// An identity that the client named. It never becomes the subject: it must
    /// repeat it, and nobody who decides is told.
    #[serde(skip)]
    pub identity: Option<String>,
    /// A display name, at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Participant metadata, at most 4 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Participant attributes: at most 32, 4 KiB together.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Agents to dispatch, at most 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
}

/// An agent to dispatch into the room: LiveKit's `RoomAgentDispatch`
/// (`livekit_agent_dispatch.proto`) less its restart policy.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Which agent.
    pub agent_name: String,
    /// Text for its job.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// Which deployment of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deployment: String,
    /// Attributes for its job.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What only a backend may say, for any user.
#[derive(Clone, Debug, Default)]
pub struct OnBehalf {
    /// The user it speaks for.
    pub user: Option<String>,
    /// The user's display name.
    pub name: Option<String>,
    /// The role it gives the user.
    pub role: Option<String>,
    /// Claims about the user.
    pub claims: Option<Map<String, Value>>,
}

impl OnBehalf {
    /// The first field that only a backend may send, if one was sent.
    #[must_use]
    pub fn backend_only_field(&self) -> Option<&'static str> {
        let Self { user: _, name, role, claims } = self;
        if name.is_some() {
            Some("name")
        } else if role.is_some() {
            Some("role")
        } else {
            claims.is_some().then_some("claims")
        }
    }
}

/// The circumstances of a request, for logs and for the app's backend.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The request's id, ours or the client's.
    pub request_id: String,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The client's address, as far as it can be believed.
    pub client_ip: Option<IpAddr>,
    /// What the audit line says besides the decision.
    pub(crate) notes: Notes,
}

impl Context {
    /// Adds `origin` and `client_ip` where they are known, for whoever decides.
    pub(crate) fn add_to(&self, said: &mut Value) {
        if let Some(origin) = &self.origin {
            said["origin"] = origin.as_str().into();
        }
        if let Some(ip) = self.client_ip {
            said["client_ip"] = ip.to_string().into();
        }
    }
}

/// What happened on the way to a decision and is no reason for it. It is for
/// the operator alone, and holds nothing of the caller.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<String>);

impl Notes {
    /// The longest that all of them get, but for the last one's end.
    const ENOUGH_BYTES: usize = 1024;

    pub(crate) fn add(&self, note: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > Self::ENOUGH_BYTES {
            return;
        }
        if !all.is_empty() {
            all.push_str("; ");
        }
        all.push_str(note);
    }

    /// All of them, if there is one.
    pub(crate) fn all(&self) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!all.is_empty()).then(|| all.clone())
    }
}

impl Clone for Notes {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.all().unwrap_or_default()))
    }
}
