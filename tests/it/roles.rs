//! The built-in roles, flag by flag.

use serde_json::json;

use crate::support::{KEYS, all_as, ask, load, login, members, roomkey, router, verified};

/// Every flag of LiveKit's `video` grant (livekit/protocol `auth/grants.go`),
/// and whether `viewer`, `participant` and `host` have it.
const FLAGS: [(&str, [bool; 3]); 15] = [
    ("roomJoin", [true, true, true]),
    ("canSubscribe", [true, true, true]),
    ("canPublish", [false, true, true]),
    ("canPublishData", [false, true, true]),
    ("roomAdmin", [false, false, true]),
    ("roomCreate", [false, false, false]),
    ("roomList", [false, false, false]),
    ("roomRecord", [false, false, false]),
    ("ingressAdmin", [false, false, false]),
    ("canUpdateOwnMetadata", [false, false, false]),
    ("canSubscribeMetrics", [false, false, false]),
    ("canManageAgentSession", [false, false, false]),
    ("hidden", [false, false, false]),
    ("recorder", [false, false, false]),
    ("agent", [false, false, false]),
];

/// Flags that livekit-server takes for `true` where they are missing.
const ALWAYS_WRITTEN: [&str; 3] = ["canPublish", "canSubscribe", "canPublishData"];

const ROLES: [&str; 3] = ["viewer", "participant", "host"];

#[test]
fn each_role_has_these_flags_and_no_other_grant() {
    for (column, role) in ROLES.iter().enumerate() {
        let asked =
            ask(&router(&all_as(role), 0), &login(&json!({"sub": "alice"})), &json!({"room": "standup"})).claims();
        let minted = roomkey(&KEYS, &["mint", "livekit", "--identity", "alice", "--room", "standup", "--role", role]);
        let minted = verified(String::from_utf8(minted.stdout).unwrap().trim()).unwrap();
        for claims in [asked, minted] {
            let mut video = members(&claims["video"]).clone();
            assert_eq!(video.remove("room"), Some(json!("standup")));
            for (flag, has) in FLAGS {
                let written = video.remove(flag);
                let wanted = (has[column] || ALWAYS_WRITTEN.contains(&flag)).then(|| json!(has[column]));
                assert_eq!(written, wanted, "{role}: {flag}");
            }
            assert!(video.is_empty(), "{role}: {video:?}");
            let mut claims = members(&claims).clone();
            ["iss", "sub", "nbf", "exp", "video"].iter().for_each(|known| drop(claims.remove(*known)));
            assert!(claims.is_empty(), "{role}: {claims:?}");
        }
    }
}

#[test]
fn only_the_dangerous_one_warns() {
    for role in ROLES {
        let warned =
            load(&all_as(role)).unwrap().warnings().iter().map(|warning| warning.key.clone()).collect::<Vec<_>>();
        let wanted: &[&str] = if role == "host" { &["roles.host.livekit.room_admin"] } else { &[] };
        assert_eq!(warned, wanted, "{role}");
    }
}

#[test]
fn a_role_of_that_name_replaces_the_built_in_one_whole() {
    let mut config = all_as("host");
    config["roles"] = json!({"host": {"livekit": {"can_subscribe": true}}});
    let video =
        ask(&router(&config, 0), &login(&json!({"sub": "alice"})), &json!({"room": "r"})).claims()["video"].clone();
    assert_eq!(video, crate::support::video("r", &["canSubscribe"]));
}
