//! A token's claims in words, as livekit-server would act on them.
//!
//! Source: livekit/protocol `auth/grants.go` for what a missing flag means;
//! livekit-server v1.13.5 `pkg/service/auth.go` for what it checks.

use serde_json::{Map, Value};

use super::grant::{FLAGS, Flag, OTHERS};
use crate::name::{Identity, RoomName};

/// A token in words.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// Why the server would refuse it.
    pub(crate) problems: Vec<String>,
    pub(crate) dangers: Vec<String>,
    pub(crate) can: Vec<String>,
}

/// Describes claims, ours or anyone's.
pub(crate) fn describe(claims: &Map<String, Value>) -> Description {
    let mut described = Description::default();
    let identity = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if let Some(video) = claims.get("video") {
        match video.as_object() {
            Some(video) => describe_video(video, identity, &mut described),
            None => described.problems.push("its `video` is no object".to_owned()),
        }
    }
    for other in &OTHERS {
        let Some(members) = claims.get(other.claim).and_then(Value::as_object).filter(|members| !members.is_empty())
        else {
            continue;
        };
        let names: Vec<_> = members.keys().map(String::as_str).collect();
        let line = format!("use {} ({})", other.claim, names.join(", "));
        if other.project_wide {
            described.dangers.push(format!("{line}: reaches the whole project"));
        } else {
            described.can.push(line);
        }
    }
    if let Some(agents) = claims.get("roomConfig").and_then(|config| config["agents"].as_array()) {
        let names: Vec<_> = agents.iter().filter_map(|agent| agent["agentName"].as_str()).collect();
        described.can.push(format!("dispatch the agents {names:?} if it is the first in the room"));
    }
    for claim in ["name", "metadata", "attributes", "kind", "roomPreset"] {
        if let Some(value) = claims.get(claim) {
            described.can.push(format!("appear with {claim} {value}"));
        }
    }
    if claims.contains_key("sha256") {
        described.dangers.push("sign a webhook: it has `sha256`".to_owned());
    }
    described
}

fn describe_video(video: &Map<String, Value>, identity: &str, described: &mut Description) {
    let on = |flag: Flag| {
        let info = FLAGS.iter().find(|info| info.flag == flag);
        let set = info.and_then(|info| video.get(info.claim)).and_then(Value::as_bool);
        set.unwrap_or_else(|| match flag {
            Flag::CanPublish | Flag::CanSubscribe => true,
            Flag::CanPublishData => video.get("canPublish").and_then(Value::as_bool).unwrap_or(true),
            _ => false,
        })
    };
    let room = video.get("room").and_then(Value::as_str).unwrap_or_default();
    let joins = on(Flag::RoomJoin);
    if joins {
        if let Err(why) = Identity::try_from(identity) {
            described.problems.push(format!("it joins, but its identity {why}"));
        }
        if let Err(why) = RoomName::livekit(room) {
            described.problems.push(format!("it joins, but its room {why}"));
        }
    }
    for info in FLAGS.iter().filter(|info| on(info.flag)) {
        if let Some(why) = info.danger {
            described.dangers.push(format!("{}: {why}", info.means));
        } else if joins {
            let place = if info.flag == Flag::RoomJoin { format!(" {room:?} as {identity:?}") } else { String::new() };
            described.can.push(format!("{}{place}", info.means));
        }
    }
    if let Some(sources) =
        video.get("canPublishSources").and_then(Value::as_array).filter(|sources| !sources.is_empty())
    {
        described.can.push(format!("publish only from {}", Value::Array(sources.clone())));
    }
    if let Some(room) = video.get("destinationRoom").and_then(Value::as_str) {
        described.can.push(format!("move participants to {room:?}"));
    }
}
