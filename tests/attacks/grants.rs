//! What the token allows (C).

use serde_json::{Value, json};

use crate::support::jwt::{alice, as_alice, participant, rs256, with};
use crate::support::{HEAD, JWT, LIVEKIT, RULES, Server, claims, usual};

/// The usual configuration, and what a client may set in it.
fn may_set(more: &str) -> Server {
    Server::start(&[HEAD, LIVEKIT, more, JWT, RULES].concat())
}

fn refused(server: &Server, over: &Value) {
    let body = with(json!({"room_name": "standup"}), over.clone());
    let answer = server.token(&as_alice(), &body);
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{over}");
}

fn gives(server: &Server, over: &Value, more: Value) {
    let body = with(json!({"room_name": "standup"}), over.clone());
    let wanted = with(participant("alice", "Alice", "standup"), more);
    assert_eq!(server.claims(&as_alice(), &body), wanted, "{over}");
}

/// Room configurations that no client may ever send.
fn never() -> Vec<Value> {
    let s3 = json!({"access_key": "A", "secret": "B", "bucket": "evil"});
    let many: Vec<_> = (0..100).map(|n| json!({"agent_name": format!("a{n}")})).collect();
    vec![
        json!({"egress": {"room": {"file_outputs": [{"filepath": "x", "s3": s3}]}}}),
        json!({"egress": {"room": {"fileOutputs": [{"filepath": "x", "s3": s3}]}}}),
        json!({"egress": {"room": {}}}),
        json!({"egress": {"participant": {"preset": 0}}}),
        json!({"egress": {"tracks": {"filepath": "x"}}}),
        json!({"egress": true}),
        json!({"egress": [1]}),
        json!({"Egress": {"room": {}}}),
        json!({"max_participants": 4_294_967_295_u64}),
        json!({"maxParticipants": 4_294_967_295_u64}),
        json!({"max_participants": 0}),
        json!({"max_participants": -1}),
        json!({"name": "other"}),
        json!({"metadata": "x"}),
        json!({"empty_timeout": 1}),
        json!({"emptyTimeout": 1}),
        json!({"departure_timeout": 1}),
        json!({"departureTimeout": 1}),
        json!({"min_playout_delay": 1}),
        json!({"maxPlayoutDelay": 1}),
        json!({"sync_streams": true}),
        json!({"syncStreams": false}),
        json!({"tags": {"a": "b"}}),
        json!({"unknown": ""}),
        json!({"unknown": null}),
        json!({"__proto__": {}}),
        json!({"agents": many}),
        json!({"agents": "x"}),
        json!({"agents": {"agent_name": "x"}}),
        json!({"agents": ["x"]}),
        json!({"agents": [["x"]]}),
        json!({"agents": [{"agent_name": ["x"]}]}),
        json!({"agents": [{"agent_name": 1}]}),
        json!({"agents": [{"name": "x"}]}),
        json!({"agents": [{"metadata": "x"}]}),
        json!({"agents": [{"agent_name": "", "metadata": "x"}]}),
        json!({"agents": [{"deployment": "x"}]}),
        json!({"agents": [{"attributes": {"a": "b"}}]}),
        json!({"agents": [{"agent_name": "known", "agentName": "expensive"}]}),
        json!({"agents": [{"agent_name": "known", "restart_policy": "JRP_NEVER"}]}),
        json!({"agents": [{"agent_name": "known", "unknown": "x"}]}),
        json!({"agents": [{"agent_name": "known", "metadata": {"a": "b"}}]}),
        json!({"agents": [{"agent_name": "known", "metadata": "x".repeat(4097)}]}),
        json!({"agents": [{"agent_name": "known", "attributes": {"a": 1}}]}),
        json!([]),
        json!("x"),
        json!(1),
        json!(true),
    ]
}

#[test]
fn c4_a_client_sets_nothing_in_the_room_but_named_agents() {
    let server = Server::start(&usual());
    for config in never() {
        refused(&server, &json!({"room_config": config}));
    }
    for name in ["expensive", "known", "*"] {
        refused(&server, &json!({"room_config": {"agents": [{"agent_name": name, "metadata": "…"}]}}));
        refused(&server, &json!({"room_config": {"agents": [{"agentName": name}]}}));
    }
    refused(&server, &json!({"roomConfig": {}}));
    for nothing in [
        json!(null),
        json!({}),
        json!({"agents": []}),
        json!({"agents": [{}]}),
        json!({"agents": null}),
        json!({"name": "", "metadata": "", "tags": {}}),
        json!({"agents": [{"agent_name": "", "metadata": ""}]}),
    ] {
        gives(&server, &json!({"room_config": nothing}), json!({}));
    }
    let server = may_set("[livekit.client_may_set]\nagents = [\"known\"]\n");
    for config in never() {
        refused(&server, &json!({"room_config": config}));
    }
    for name in ["expensive", "Known", "known ", " known", "known\u{200b}", "*", "known\u{0}", "knоwn"] {
        refused(&server, &json!({"room_config": {"agents": [{"agent_name": name}]}}));
        refused(&server, &json!({"room_config": {"agents": [{"agent_name": "known"}, {"agentName": name}]}}));
    }
    refused(&server, &json!({"room_config": {"agents": [{"agent_name": "known"}], "max_participants": 1}}));
    refused(&server, &json!({"room_config": {"agents": vec![json!({"agent_name": "known"}); 9]}}));
    let agent = json!({"agent_name": "known", "metadata": "m", "deployment": "d", "attributes": {"k": "v"}});
    let camel = json!({"agentName": "known", "metadata": "m", "deployment": "d", "attributes": {"k": "v"}});
    for given in [&agent, &camel] {
        gives(&server, &json!({"room_config": {"agents": [given]}}), json!({"roomConfig": {"agents": [camel]}}));
    }
    let any = may_set("[livekit.client_may_set]\nagents = [\"*\"]\n");
    for config in never() {
        refused(&any, &json!({"room_config": config}));
    }
    let nine = json!({"agents": vec![json!({"agent_name": "x"}); 9]});
    refused(&any, &json!({"room_config": nine}));
    gives(
        &any,
        &json!({"room_config": {"agents": [{"agent_name": "expensive"}]}}),
        json!({"roomConfig": {"agents": [{"agentName": "expensive"}]}}),
    );
}

#[test]
fn c5_the_servers_values_win_and_sizes_are_bounded() {
    let own = "[livekit.attributes]\nplan = \"plan\"\nseat = \"seat\"\n";
    let closed = may_set(own);
    let paying = rs256(with(alice(), json!({"plan": "pro"})));
    let ask = |server: &Server, over: Value| server.token(&paying, with(json!({"room_name": "standup"}), over));
    let wanted = with(participant("alice", "Alice", "standup"), json!({"attributes": {"plan": "pro"}}));
    for over in [
        json!({"participant_attributes": {"role": "host", "__proto__": "x"}}),
        json!({"participant_attributes": {"role": "host"}}),
        json!({"participant_attributes": {"__proto__": "x"}}),
        json!({"participant_attributes": {"plan": "enterprise"}}),
        json!({"participant_attributes": {"plan": ""}}),
        json!({"participant_attributes": {"seat": "1"}}),
        json!({"participant_attributes": {"lk.agent.state": "x"}}),
        json!({"participant_name": "Bob (CEO)"}),
        json!({"participant_name": "alice"}),
        json!({"participant_name": "Alice "}),
        json!({"participant_metadata": "x"}),
        json!({"participant_metadata": "x".repeat(65_000)}),
        json!({"participant_metadata": {"role": "host"}}),
        json!({"participant_attributes": "role=host"}),
        json!({"participant_attributes": [["role", "host"]]}),
        json!({"participant_attributes": {"plan": ["pro"]}}),
        json!({"participant_name": ["Alice"]}),
    ] {
        let answer = ask(&closed, over.clone());
        assert_eq!(answer.status, 400, "{over}: {answer:?}");
    }
    for over in [
        json!({}),
        json!({"participant_name": "Alice"}),
        json!({"participant_attributes": {"plan": "pro"}}),
        json!({"participant_attributes": {}, "participant_name": "", "participant_metadata": null}),
    ] {
        assert_eq!(claims(&ask(&closed, over.clone())), wanted, "{over}");
    }
    let may = "[livekit.client_may_set]\nname = true\nmetadata = true\nattributes = [\"*\"]\n";
    let wide = may_set(&format!("{own}{may}"));
    for over in [
        json!({"participant_attributes": {"plan": "enterprise"}}),
        json!({"participant_attributes": {"seat": "1"}}),
        json!({"participant_attributes": {"lk.agent.state": "x"}}),
        json!({"participant_attributes": {"lk.": "x"}}),
        json!({"participant_attributes": {"a": "x".repeat(4096)}}),
        json!({"participant_attributes": {"a": 1}}),
        json!({"participant_attributes": (0..33).map(|n| (n.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>()}),
        json!({"participant_metadata": "x".repeat(4097)}),
        json!({"participant_metadata": "é".repeat(2049)}),
        json!({"participant_name": "x".repeat(257)}),
        json!({"participant_name": "😀".repeat(65)}),
    ] {
        let answer = ask(&wide, over.clone());
        assert_eq!(answer.status, 400, "{over}: {answer:?}");
    }
    let most = json!({
        "participant_name": "😀".repeat(64), "participant_metadata": "x".repeat(4096),
        "participant_attributes": {"__proto__": "x", "constructor": "y", "role": "z"},
    });
    let set = json!({
        "name": "😀".repeat(64), "metadata": "x".repeat(4096),
        "attributes": {"__proto__": "x", "constructor": "y", "role": "z", "plan": "pro"},
    });
    assert_eq!(claims(&ask(&wide, most)), with(wanted.clone(), set));
    let twice = r#"{"room_name":"standup","participant_attributes":{"a":"1","a":"2"}}"#;
    wide.token(&paying, twice).refused(400, "invalid_request");
    // What a client sets counts for nothing in the decision.
    let body = json!({"room_name": "org:globex:x", "participant_attributes": {"tenant": "globex"}});
    wide.token(&paying, body).refused(403, "forbidden");
}

#[test]
fn c7_times_are_whole_seconds_and_honest() {
    let long = may_set("").claims(&as_alice(), r#"{"room_name":"standup"}"#);
    assert_eq!(long, participant("alice", "Alice", "standup"));
    for (ttl, seconds) in [("2m", 120), ("24h", 86_400), ("90m", 5400)] {
        let livekit = format!("{LIVEKIT}ttl = \"{ttl}\"\n");
        let server = Server::start(&[HEAD, &livekit, JWT, RULES].concat());
        let answer = server.token(&as_alice(), r#"{"room":"standup"}"#);
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        assert_eq!(crate::support::jwt::opened(&token, seconds), participant("alice", "Alice", "standup"));
    }
}

#[test]
fn a_device_is_one_of_the_callers_own() {
    let server = may_set("[livekit.client_may_set]\ndevice = true\n");
    for identity in ["alice~tab1", "alice~A-Z_9", &format!("alice~{}", "x".repeat(64))] {
        let wanted = with(participant("alice", "Alice", "standup"), json!({"sub": identity}));
        let body = json!({"room_name": "standup", "participant_identity": identity});
        assert_eq!(server.claims(&as_alice(), body), wanted);
    }
    for identity in [
        "alice~",
        "alice~~",
        "alice~a~b",
        "alice~a b",
        "alice~é",
        "alice~a/b",
        "alice~\u{0}",
        "bob~tab",
        "~tab",
        "alice-tab",
        "Alice~tab",
        &format!("alice~{}", "x".repeat(65)),
        "alicebob~tab",
        "alice~a\n",
        "alice~a.b",
    ] {
        refused(&server, &json!({"participant_identity": identity}));
    }
    for subject in ["alice~tab", "~", "a~b~c", "alice~"] {
        let token = rs256(with(alice(), json!({"sub": subject})));
        server.token(&token, r#"{"room_name":"standup"}"#).refused(400, "invalid_request");
    }
    let long = rs256(with(alice(), json!({"sub": "x".repeat(250)})));
    let body = json!({"room_name": "standup", "participant_identity": format!("{}~tab-of-mine", "x".repeat(250))});
    server.token(&long, body).refused(400, "invalid_request");
}

#[test]
fn a_subject_that_could_not_be_an_identity_is_refused() {
    let server = Server::start(&usual());
    for subject in [" ", "\u{200b}", "a\u{0}b", "a\nb", &"x".repeat(257), &"x".repeat(300), "\u{7f}", "a\u{85}"] {
        let token = rs256(with(alice(), json!({"sub": subject})));
        let answer = server.token(&token, r#"{"room_name":"standup"}"#);
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{subject:?}");
    }
    for subject in ["alice~tab", "al ice", "é", "../x", "x@y.z", "auth0|x", &"x".repeat(256)] {
        let token = rs256(with(alice(), json!({"sub": subject})));
        let wanted = participant(subject, "Alice", "standup");
        assert_eq!(server.claims(&token, r#"{"room_name":"standup"}"#), wanted);
    }
}

#[test]
fn what_a_role_leaves_out_is_off() {
    let roles = "[roles.viewer.livekit]\nhidden = true\n[roles.participant.livekit]\ncan_publish = true\ncan_publish_sources = []\n[roles.bare.livekit]\n";
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"v\", role = \"viewer\" }, { room = \"p\", role = \"participant\" }, { room = \"b\", role = \"bare\" }]\n";
    let server = Server::start(&[HEAD, LIVEKIT, JWT, rules, roles].concat());
    for (room, more) in [("v", json!({"hidden": true})), ("p", json!({})), ("b", json!({}))] {
        let video = json!({"roomJoin": true, "room": room, "canPublish": false, "canSubscribe": false, "canPublishData": false});
        let wanted = json!({"iss": "APItest", "sub": "alice", "name": "Alice", "video": with(video, more)});
        assert_eq!(server.claims(&as_alice(), json!({"room_name": room})), wanted);
    }
}
