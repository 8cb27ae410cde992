//! LiveKit's grants, all of them, as one table.
//!
//! Names, defaults and dangers of every grant stand here once; configuration,
//! tokens, warnings and `inspect` all read them from here. What is not granted
//! is off, and is written as `false` where LiveKit would read a missing flag as
//! `true`.
//!
//! Source: livekit/protocol `auth/grants.go`; `agentEndpoint`, `agentThread`
//! and `agent.dispatchAdmin` from the crate `livekit-token` 0.4.0.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// A flag of the `video` grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Flag {
    RoomJoin,
    CanPublish,
    CanSubscribe,
    CanPublishData,
    CanUpdateOwnMetadata,
    CanSubscribeMetrics,
    CanManageAgentSession,
    RoomAdmin,
    RoomCreate,
    RoomList,
    RoomRecord,
    IngressAdmin,
    Hidden,
    Recorder,
    Agent,
}

/// What there is to know about a flag.
pub(crate) struct FlagInfo {
    pub(crate) flag: Flag,
    /// In a role.
    pub(crate) setting: &'static str,
    /// In a token.
    pub(crate) claim: &'static str,
    /// What its bearer can do.
    pub(crate) means: &'static str,
    /// Why it is dangerous, if it is.
    pub(crate) danger: Option<&'static str>,
}

const fn flag(flag: Flag, setting: &'static str, claim: &'static str, means: &'static str) -> FlagInfo {
    FlagInfo { flag, setting, claim, means, danger: None }
}

const fn danger(
    flag: Flag,
    setting: &'static str,
    claim: &'static str,
    means: &'static str,
    danger: &'static str,
) -> FlagInfo {
    FlagInfo { flag, setting, claim, means, danger: Some(danger) }
}

pub(crate) const FLAGS: [FlagInfo; 15] = [
    flag(Flag::RoomJoin, "room_join", "roomJoin", "join the room"),
    flag(Flag::CanPublish, "can_publish", "canPublish", "publish tracks"),
    flag(Flag::CanSubscribe, "can_subscribe", "canSubscribe", "receive tracks"),
    flag(Flag::CanPublishData, "can_publish_data", "canPublishData", "send data"),
    flag(
        Flag::CanUpdateOwnMetadata,
        "can_update_own_metadata",
        "canUpdateOwnMetadata",
        "change its own name, metadata and attributes",
    ),
    flag(Flag::CanSubscribeMetrics, "can_subscribe_metrics", "canSubscribeMetrics", "receive metrics"),
    flag(Flag::CanManageAgentSession, "can_manage_agent_session", "canManageAgentSession", "manage agent sessions"),
    danger(
        Flag::RoomAdmin,
        "room_admin",
        "roomAdmin",
        "moderate the room",
        "its holder can raise its own permissions, up to an agent of the whole project; prefer moderation by your backend",
    ),
    danger(
        Flag::RoomCreate,
        "room_create",
        "roomCreate",
        "create and delete rooms",
        "reaches the whole project: it deletes any room",
    ),
    danger(Flag::RoomList, "room_list", "roomList", "list rooms", "reaches the whole project: it sees every room"),
    danger(
        Flag::RoomRecord,
        "room_record",
        "roomRecord",
        "record rooms",
        "reaches the whole project: it records any room",
    ),
    danger(
        Flag::IngressAdmin,
        "ingress_admin",
        "ingressAdmin",
        "manage ingress",
        "reaches the whole project: it feeds media into any room",
    ),
    flag(Flag::Hidden, "hidden", "hidden", "stay unseen by the others"),
    flag(Flag::Recorder, "recorder", "recorder", "be shown as a recorder"),
    danger(
        Flag::Agent,
        "agent",
        "agent",
        "register as an agent worker",
        "reaches the whole project: it gets jobs, with tokens, of any room",
    ),
];

/// Flags that LiveKit takes for `true` where they are missing.
const TRUE_IF_MISSING: [Flag; 3] = [Flag::CanPublish, Flag::CanSubscribe, Flag::CanPublishData];

/// Sources that a track can have (`livekit_models.proto`, `TrackSource`).
pub(crate) const SOURCES: [&str; 4] = ["camera", "microphone", "screen_share", "screen_share_audio"];

/// Participant kinds (`auth/grants.go`, `kindMap`).
pub(crate) const KINDS: [&str; 7] = ["standard", "ingress", "egress", "sip", "agent", "connector", "bridge"];

/// Details of a kind (`auth/grants.go`, `kindDetailMap`).
pub(crate) const KIND_DETAILS: [&str; 6] =
    ["cloud_agent", "forwarded", "connector_whatsapp", "connector_twilio", "bridge_rtsp", "simulation"];

/// What a member of a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Flag,
    Text,
    Texts,
}

/// A grant beside `video`.
pub(crate) struct OtherGrant {
    /// In a role.
    pub(crate) setting: &'static str,
    /// In a token.
    pub(crate) claim: &'static str,
    /// Setting, claim, kind.
    pub(crate) members: &'static [(&'static str, &'static str, Kind)],
    /// Whether it reaches the whole project.
    pub(crate) project_wide: bool,
}

pub(crate) const OTHERS: [OtherGrant; 6] = [
    OtherGrant {
        setting: "sip",
        claim: "sip",
        members: &[("admin", "admin", Kind::Flag), ("call", "call", Kind::Flag)],
        project_wide: true,
    },
    OtherGrant {
        setting: "inference",
        claim: "inference",
        members: &[("perform", "perform", Kind::Flag)],
        project_wide: true,
    },
    OtherGrant {
        setting: "observability",
        claim: "observability",
        members: &[("write", "write", Kind::Flag)],
        project_wide: false,
    },
    OtherGrant {
        setting: "agent_grant",
        claim: "agent",
        members: &[
            ("admin", "admin", Kind::Flag),
            ("simulation_admin", "simulationAdmin", Kind::Flag),
            ("database_admin", "databaseAdmin", Kind::Flag),
            ("dispatch_admin", "dispatchAdmin", Kind::Flag),
        ],
        project_wide: true,
    },
    OtherGrant {
        setting: "agent_endpoint",
        claim: "agentEndpoint",
        members: &[
            ("call", "call", Kind::Flag),
            ("agent_name", "agentName", Kind::Text),
            ("deployment", "deployment", Kind::Text),
        ],
        project_wide: false,
    },
    OtherGrant {
        setting: "agent_thread",
        claim: "agentThread",
        members: &[
            ("all", "all", Kind::Flag),
            ("scope", "scope", Kind::Text),
            ("thread_ids", "threadIds", Kind::Texts),
            ("list", "list", Kind::Flag),
            ("create", "create", Kind::Flag),
            ("write", "write", Kind::Flag),
            ("read", "read", Kind::Flag),
            ("delete", "delete", Kind::Flag),
        ],
        project_wide: false,
    },
];

/// The `video` grant less its room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VideoGrant {
    flags: u16,
    /// Names from [`SOURCES`]; empty means that nothing narrows publishing.
    pub(crate) sources: Vec<&'static str>,
    /// Where `roomAdmin` may forward and move participants to.
    pub(crate) destination_room: Option<String>,
}

impl VideoGrant {
    pub(crate) fn set(&mut self, flag: Flag, on: bool) {
        let bit = 1 << flag as u8;
        self.flags = if on { self.flags | bit } else { self.flags & !bit };
    }

    pub(crate) const fn has(&self, flag: Flag) -> bool {
        self.flags & (1 << flag as u8) != 0
    }

    /// The grant with its room, as a token has it.
    pub(crate) const fn on<'a>(&'a self, room: Option<&'a str>) -> Video<'a> {
        Video { grant: self, room }
    }
}

/// A [`VideoGrant`] and the room it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Video<'a> {
    grant: &'a VideoGrant,
    room: Option<&'a str>,
}

impl Serialize for Video<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for info in &FLAGS {
            let on = self.grant.has(info.flag);
            if on || TRUE_IF_MISSING.contains(&info.flag) {
                map.serialize_entry(info.claim, &on)?;
            }
        }
        if let Some(room) = self.room {
            map.serialize_entry("room", room)?;
        }
        if !self.grant.sources.is_empty() {
            map.serialize_entry("canPublishSources", &self.grant.sources)?;
        }
        if let Some(room) = &self.grant.destination_room {
            map.serialize_entry("destinationRoom", room)?;
        }
        map.end()
    }
}

/// What a role or an operator grants, before it is for anyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grants {
    /// Nothing for tokens that have nothing to do with a room.
    pub(crate) video: Option<VideoGrant>,
    /// `sip`, `agent` and the like by their claim, already in the token's form.
    pub(crate) others: Map<String, Value>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) kind_details: Vec<&'static str>,
    pub(crate) room_preset: Option<String>,
}

impl Grants {
    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.video.as_ref().is_some_and(|video| video.has(flag))
    }

    /// What is dangerous in it: the setting, and why.
    pub(crate) fn dangers(&self) -> Vec<(&'static str, String)> {
        let flags = FLAGS.iter().filter(|info| self.has(info.flag));
        let mut dangers: Vec<_> =
            flags.filter_map(|info| info.danger.map(|why| (info.setting, why.to_owned()))).collect();
        for other in OTHERS.iter().filter(|other| other.project_wide && self.others.contains_key(other.claim)) {
            dangers.push((other.setting, "reaches the whole project".to_owned()));
        }
        if self.has(Flag::Hidden) && (self.has(Flag::CanPublish) || self.has(Flag::CanPublishData)) {
            dangers.push((
                "hidden",
                "may publish while no one sees it; its data reaches everyone without a sender".to_owned(),
            ));
        }
        dangers
    }
}
