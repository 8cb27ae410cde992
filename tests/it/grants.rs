//! Every grant that LiveKit has, through a role.

use std::time::Duration;

use livekit_token::{AgentEndpointGrants, AgentGrants, AgentThreadGrants, Claims, SIPGrants, TokenVerifier};
use roomkey::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::{API_KEY, API_SECRET, ask, load, login, problems, router, video, with_role};

/// The claims that someone with these claims gets in `standup`.
fn given(role: &Value, caller: &Value) -> Value {
    let mut login_claims = json!({"sub": "alice"});
    login_claims.as_object_mut().unwrap().extend(caller.as_object().unwrap().clone());
    ask(&router(&with_role(role), 0), &login(&login_claims), &json!({"room": "standup"})).claims()
}

fn given_plain(role: &Value) -> Value {
    given(role, &json!({}))
}

/// What LiveKit's own verifier reads from a token with this role.
fn seen(role: &Value) -> Claims {
    let answer = ask(
        &router(&with_role(role), SystemClock.now()),
        &login(&json!({"sub": "alice"})),
        &json!({"room": "standup"}),
    );
    TokenVerifier::with_api_key(API_KEY, API_SECRET).verify(answer.token().unwrap()).unwrap()
}

#[test]
fn each_flag_gives_itself_alone() {
    for (setting, claim) in [
        ("can_publish", "canPublish"),
        ("can_subscribe", "canSubscribe"),
        ("can_publish_data", "canPublishData"),
        ("can_update_own_metadata", "canUpdateOwnMetadata"),
        ("can_subscribe_metrics", "canSubscribeMetrics"),
        ("can_manage_agent_session", "canManageAgentSession"),
        ("room_admin", "roomAdmin"),
        ("room_create", "roomCreate"),
        ("room_list", "roomList"),
        ("room_record", "roomRecord"),
        ("ingress_admin", "ingressAdmin"),
        ("hidden", "hidden"),
        ("recorder", "recorder"),
        ("agent", "agent"),
    ] {
        assert_eq!(given_plain(&json!({setting: true}))["video"], video("standup", &[claim]), "{setting}");
        assert_eq!(given_plain(&json!({setting: false}))["video"], video("standup", &[]), "{setting}");
        assert!(problems(&with_role(&json!({setting: "yes"}))).contains(setting));
        assert!(problems(&with_role(&json!({claim: true}))).contains("unknown setting") || setting == claim, "{claim}");
    }
    assert_eq!(given_plain(&json!({}))["video"], video("standup", &[]));
}

#[test]
fn dangerous_flags_warn_and_others_do_not() {
    let warned = |role: Value| {
        load(&with_role(&role)).unwrap().warnings().iter().map(|warning| warning.key.clone()).collect::<Vec<_>>()
    };
    for setting in ["room_admin", "room_create", "room_list", "room_record", "ingress_admin", "agent"] {
        assert_eq!(warned(json!({setting: true})), [format!("roles.tested.livekit.{setting}")]);
    }
    for setting in ["sip", "inference", "agent_grant"] {
        let member = if setting == "inference" { "perform" } else { "admin" };
        assert_eq!(warned(json!({setting: {member: true}})), [format!("roles.tested.livekit.{setting}")]);
        assert_eq!(warned(json!({setting: {member: false}})), [""; 0]);
    }
    assert_eq!(warned(json!({"hidden": true, "can_publish": true})), ["roles.tested.livekit.hidden"]);
    assert_eq!(warned(json!({"hidden": true, "can_subscribe": true})), [""; 0]);
    assert_eq!(warned(json!({"ttl": "61m"})), ["roles.tested.livekit.ttl"]);
    assert_eq!(warned(json!({"ttl": "1h", "can_publish": true, "recorder": true})), [""; 0]);
}

#[test]
fn each_grant_beside_video_reaches_livekits_own_types() {
    assert_eq!(seen(&json!({"sip": {"admin": true, "call": true}})).sip, SIPGrants { admin: true, call: true });
    assert_eq!(seen(&json!({"sip": {"call": true}})).sip, SIPGrants { admin: false, call: true });
    assert!(seen(&json!({"inference": {"perform": true}})).inference.perform);
    assert!(seen(&json!({"observability": {"write": true}})).observability.write);
    for (member, wanted) in [
        ("admin", AgentGrants { admin: true, ..Default::default() }),
        ("simulation_admin", AgentGrants { simulation_admin: true, ..Default::default() }),
        ("database_admin", AgentGrants { database_admin: true, ..Default::default() }),
        ("dispatch_admin", AgentGrants { dispatch_admin: true, ..Default::default() }),
    ] {
        assert_eq!(seen(&json!({"agent_grant": {member: true}})).agent, wanted);
    }
    assert_eq!(
        seen(&json!({"agent_endpoint": {"call": true, "agent_name": "a", "deployment": "d"}})).agent_endpoint,
        AgentEndpointGrants { call: true, agent_name: "a".to_owned(), deployment: "d".to_owned() }
    );
    assert_eq!(
        seen(&json!({"agent_thread": {"all": true, "scope": "s", "thread_ids": ["t", "u"], "list": true, "create": true, "write": true, "read": true, "delete": true}})).agent_thread,
        AgentThreadGrants { all: true, scope: "s".to_owned(), thread_ids: vec!["t".to_owned(), "u".to_owned()], list: true, create: true, write: true, read: true, delete: true }
    );
}

#[test]
fn a_grant_beside_video_holds_what_was_said_and_is_missing_otherwise() {
    for (setting, claim, members) in [
        ("sip", "sip", &[("admin", "admin"), ("call", "call")][..]),
        ("inference", "inference", &[("perform", "perform")]),
        ("observability", "observability", &[("write", "write")]),
        (
            "agent_grant",
            "agent",
            &[
                ("admin", "admin"),
                ("simulation_admin", "simulationAdmin"),
                ("database_admin", "databaseAdmin"),
                ("dispatch_admin", "dispatchAdmin"),
            ],
        ),
        ("agent_endpoint", "agentEndpoint", &[("call", "call")]),
        (
            "agent_thread",
            "agentThread",
            &[
                ("all", "all"),
                ("list", "list"),
                ("create", "create"),
                ("write", "write"),
                ("read", "read"),
                ("delete", "delete"),
            ],
        ),
    ] {
        for (member, written) in members {
            assert_eq!(
                given_plain(&json!({setting: {*member: true}}))[claim],
                json!({*written: true}),
                "{setting}.{member}"
            );
            assert_eq!(given_plain(&json!({setting: {*member: false}})).get(claim), None, "{setting}.{member}");
            assert!(problems(&with_role(&json!({setting: {*member: 1}}))).contains(setting), "{setting}.{member}");
        }
        assert!(problems(&with_role(&json!({setting: {"nonsense": true}}))).contains("nonsense"), "{setting}");
        assert!(problems(&with_role(&json!({setting: true}))).contains(setting), "{setting}");
    }
    // The flag is another thing than the grant of that name.
    let both = given_plain(&json!({"agent": true, "agent_grant": {"admin": true}}));
    assert_eq!((&both["video"]["agent"], &both["agent"]), (&json!(true), &json!({"admin": true})));
}

#[test]
fn sources_narrow_publishing_in_their_order() {
    let claims = given_plain(
        &json!({"can_publish": true, "can_publish_sources": ["screen_share_audio", "camera", "microphone", "screen_share"]}),
    );
    assert_eq!(
        claims["video"]["canPublishSources"],
        json!(["screen_share_audio", "camera", "microphone", "screen_share"])
    );
    assert_eq!(claims["video"]["canPublish"], true);
    assert!(problems(&with_role(&json!({"can_publish_sources": ["Camera"]}))).contains("did you mean `camera`"));
}

#[test]
fn kind_and_preset_and_destination_are_written_as_they_are() {
    for kind in ["standard", "ingress", "egress", "sip", "agent", "connector", "bridge"] {
        assert_eq!(given_plain(&json!({"kind": kind}))["kind"], kind);
    }
    assert!(problems(&with_role(&json!({"kind": "robot"}))).contains("roles.tested.livekit.kind"));
    let details = ["cloud_agent", "forwarded", "connector_whatsapp", "connector_twilio", "bridge_rtsp", "simulation"];
    assert_eq!(given_plain(&json!({"kind_details": details}))["kindDetails"], json!(details));
    let claims = given_plain(&json!({"room_preset": "big {x}", "destination_room": "lobby {x}", "room_admin": true}));
    assert_eq!((&claims["roomPreset"], &claims["video"]["destinationRoom"]), (&json!("big {x}"), &json!("lobby {x}")));
}

#[test]
fn what_is_roomkeys_is_refused_in_a_role() {
    for setting in ["room_join", "room", "identity", "sha256", "name"] {
        assert!(problems(&with_role(&json!({setting: "x"}))).contains(&format!("roles.tested.livekit.{setting}")));
    }
}

#[test]
fn a_roles_ttl_goes_over_the_general_one() {
    let seconds = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
    for (ttl, wanted) in [(json!("2m"), 120), (json!("24h"), 86_400), (json!(300), 300)] {
        assert_eq!(seconds(&given_plain(&json!({"ttl": ttl}))), wanted);
    }
    assert_eq!(seconds(&given_plain(&json!({}))), i64::try_from(Duration::from_mins(10).as_secs()).unwrap());
    for ttl in ["119s", "24h1s", "86401s", "-1s"] {
        assert!(problems(&with_role(&json!({"ttl": ttl}))).contains("roles.tested.livekit.ttl"), "{ttl}");
    }
}

#[test]
fn metadata_is_a_text_or_a_table_with_claims_in_it() {
    let caller = json!({"org": "a\"cme{name}", "n": 7, "app": {"plan": "pro"}, "list": [1]});
    let metadata = |metadata: Value| given(&json!({"metadata": metadata}), &caller).get("metadata").cloned();
    assert_eq!(metadata(json!("{org}/{app.plan}/{n}/{missing}/{list}")), Some(json!("a\"cme{name}/pro/7//")));
    assert_eq!(metadata(json!("{{org}}")), Some(json!("{org}")));
    assert_eq!(metadata(json!("{missing}")), None);
    let table = metadata(json!({"org": "{org}", "deep": {"list": ["{n}", 1, true], "empty": "{missing}"}})).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(table.as_str().unwrap()).unwrap(),
        json!({"org": "a\"cme{name}", "deep": {"list": ["7", 1, true], "empty": ""}})
    );
    for wrong in [json!("{"), json!({"x": "}"}), json!(5), json!(["x"])] {
        assert!(problems(&with_role(&json!({"metadata": wrong}))).contains("roles.tested.livekit.metadata"));
    }
}

#[test]
fn an_attribute_whose_claim_is_missing_is_left_out() {
    let role =
        json!({"attributes": {"plan": "{app.plan}", "both": "{app.plan}-{missing}", "fixed": "x{{y}}", "empty": ""}});
    assert_eq!(
        given(&role, &json!({"app": {"plan": "pro"}}))["attributes"],
        json!({"plan": "pro", "fixed": "x{y}", "empty": ""})
    );
    assert_eq!(given(&role, &json!({"app": {"plan": "{org}", "org": "acme"}}))["attributes"]["plan"], "{org}");
    assert_eq!(given_plain(&json!({"attributes": {"plan": "{missing}"}})).get("attributes"), None);
    assert!(problems(&with_role(&json!({"attributes": {"plan": "}"}}))).contains("roles.tested.livekit.attributes"));
}

#[test]
fn a_room_configuration_is_written_as_the_sdks_do() {
    let role = json!({"room_config": {
        "name": "preset", "empty_timeout": 300, "departure_timeout": 20, "max_participants": 4_294_967_295_u32,
        "metadata": {"of": "{org}"}, "min_playout_delay": 1, "max_playout_delay": 2, "sync_streams": true,
        "tags": {"team_name": "{org}"},
        "egress": {"room": {"room_name": "{room_name}", "file_outputs": [{"filepath": "{room_name}-{time}"}]}},
        "agents": [
            {"agent_name": "helper", "metadata": {"for": "{org}{missing}"}, "restart_policy": "JRP_NEVER", "deployment": "staging", "attributes": {"a_b": "{org}"}},
            {"agentName": "scribe", "restartPolicy": "JRP_ON_FAILURE"},
        ],
    }});
    let claims = given(&role, &json!({"org": "acme"}));
    assert_eq!(
        claims["roomConfig"],
        json!({
            "name": "preset", "emptyTimeout": 300, "departureTimeout": 20, "maxParticipants": 4_294_967_295_u32,
            "metadata": "{\"of\":\"acme\"}", "minPlayoutDelay": 1, "maxPlayoutDelay": 2, "syncStreams": true,
            "tags": {"team_name": "acme"},
            "egress": {"room": {"room_name": "{room_name}", "file_outputs": [{"filepath": "{room_name}-{time}"}]}},
            "agents": [
                {"agentName": "helper", "metadata": "{\"for\":\"acme\"}", "restartPolicy": "JRP_NEVER", "deployment": "staging", "attributes": {"a_b": "acme"}},
                {"agentName": "scribe", "restartPolicy": "JRP_ON_FAILURE"},
            ],
        })
    );
    // LiveKit's own parser finds every field of it.
    let read = serde_json::from_value::<Claims>(claims).unwrap().room_config.unwrap();
    assert_eq!(
        (read.agents.len(), read.tags.len(), read.max_participants, read.max_playout_delay),
        (2, 1, u32::MAX, 2)
    );
    let file = &read.egress.unwrap().room.unwrap().file_outputs[0];
    assert_eq!(file.filepath, "{room_name}-{time}");
    assert_eq!(read.agents[0].restart_policy().as_str_name(), "JRP_NEVER");
}
