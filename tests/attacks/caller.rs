//! Who is calling (A).

use serde_json::{Value, json};

use crate::support::jwt::{alice, as_alice, now, participant, rs256, with};
use crate::support::{self, HEAD, JWT, LIVEKIT, RULES, Server, claims, usual};

#[test]
fn a1_without_a_credential_there_is_no_token() {
    let server = Server::start(&usual());
    for body in [
        r#"{"room_name":"standup","participant_identity":"admin"}"#,
        r#"{"room":"standup","user_id":"admin"}"#,
        r#"{"room_name":"standup"}"#,
        "{}",
        "not even JSON",
    ] {
        let answer = server.post().json(body).send();
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let get = server.ask("GET", "/livekit/token?roomName=standup&username=admin").send();
    get.refused(405, "method_not_allowed");
    assert!(get.lists("allow", "POST"), "{get:?}");
    for query in ["?access_token=", "?token=", "?jwt="] {
        let target = format!("/livekit/token{query}{}", as_alice());
        server.ask("POST", &target).json(r#"{"room_name":"standup"}"#).send().refused(401, "unauthenticated");
    }
}

#[test]
fn a2_nobody_becomes_someone_else() {
    let server = Server::start(&usual());
    for identity in ["bob", "Alice", "alice ", " alice", "alice~tab", "alice\u{200b}", "ALICE", "al\u{131}ce"] {
        let standard = json!({"room_name": "standup", "participant_identity": identity});
        server.token(&as_alice(), &standard).refused(400, "invalid_request");
        for field in ["user_id", "userId"] {
            let short = json!({"room": "standup", field: identity});
            server.token(&as_alice(), &short).refused(400, "invalid_request");
        }
    }
    for body in [
        json!({"room_name": "standup", "participant_identity": "alice"}),
        json!({"room_name": "standup", "participant_identity": ""}),
        json!({"room_name": "standup", "participant_identity": null}),
        json!({"room": "standup", "user_id": "alice"}),
        json!({"room": "standup", "userId": "alice"}),
    ] {
        assert_eq!(server.claims(&as_alice(), &body), participant("alice", "Alice", "standup"), "{body}");
    }
    // One body that says both is neither.
    for body in [
        r#"{"room_name":"standup","participant_identity":"alice","participant_identity":"bob"}"#,
        r#"{"room_name":"standup","participant_identity":"bob","participant_identity":"alice"}"#,
        r#"{"room_name":"standup","participant_identity":"alice","participant_\u0069dentity":"bob"}"#,
        r#"{"room":"standup","user_id":"alice","userId":"alice"}"#,
        r#"{"room":"standup","participant_identity":"alice"}"#,
        r#"{"room_name":"standup","user_id":"alice"}"#,
        r#"{"room_name":"standup","participant_identity":["alice"]}"#,
        r#"{"room_name":"standup","participant_identity":{"id":"alice"}}"#,
        r#"{"room_name":"standup","participant_identity":true}"#,
    ] {
        server.token(&as_alice(), body).refused(400, "invalid_request");
    }
}

#[test]
fn a3_what_is_no_field_is_refused_and_no_header_names_the_caller() {
    let server = Server::start(&usual());
    for field in [
        "identity",
        "participantName",
        "uid",
        "username",
        "sub",
        "video",
        "grants",
        "ttl",
        "expire",
        "role",
        "isAdmin",
        "name",
        "claims",
        "admin",
        "metadata",
        "attributes",
        "token",
        "server_url",
        "roomName",
        "room_Name",
        "ROOM_NAME",
        "Participant_Identity",
        "participantIdentity",
        "roomConfig",
        "__proto__",
        "constructor",
        "",
        "room_name ",
        "room_name\u{0}",
    ] {
        for value in [json!("bob"), json!(true), json!({"roomAdmin": true}), json!(""), Value::Null] {
            let body = json!({"room_name": "standup", field: value});
            server.token(&as_alice(), &body).refused(400, "invalid_request");
        }
    }
    for field in ["user_id", "userId"] {
        let body = json!({"room_name": "standup", field: "bob"});
        server.token(&as_alice(), &body).refused(400, "invalid_request");
    }
    let wanted = participant("alice", "Alice", "standup");
    for query in ["?identity=bob", "?user_id=bob&room_name=lounge", "?participant_identity=bob#x", "?%00"] {
        let ask = server.ask("POST", &format!("/livekit/token{query}"));
        let answer = ask.bearer(as_alice()).json(r#"{"room_name":"standup"}"#).send();
        if answer.status != 400 {
            assert_eq!(claims(&answer), wanted, "{query}");
        }
    }
    for header in [
        "X-User-Id",
        "X-Forwarded-User",
        "X-Auth-Request-User",
        "X-Remote-User",
        "Remote-User",
        "X-Forwarded-Email",
        "X-Webauth-User",
        "X-Participant-Identity",
        "X-Hasura-User-Id",
        "Forwarded",
    ] {
        let answer = server.post().header(header, "bob").bearer(as_alice()).json(r#"{"room_name":"standup"}"#).send();
        assert_eq!(claims(&answer), wanted, "{header}");
        server.post().header(header, "bob").json(r#"{"room_name":"standup"}"#).send().refused(401, "unauthenticated");
    }
}

#[test]
fn a5_no_header_moves_a_request_past_the_check() {
    for range in ["0.0.0.0/0", "::/0", "10.0.0.1/0", "0.0.0.0/0\", \"10.0.0.0/8"] {
        let config = usual().replace("[admin]", &format!("trusted_proxies = [\"{range}\"]\n[admin]"));
        let said = support::check(&config, &[]);
        assert_eq!(said.code, Some(1), "{range}");
        assert!(said.err.contains("server.trusted_proxies"), "{}", said.err);
    }
    let server = Server::start(&usual());
    for (name, value) in [
        ("X-Forwarded-Uri", "/healthz"),
        ("X-Original-URL", "/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-Forwarded-Method", "GET"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-HTTP-Method", "OPTIONS"),
        ("X-Method-Override", "OPTIONS"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-Prefix", "/healthz"),
    ] {
        let ask = server.post().header(name, value).json(r#"{"room_name":"standup"}"#);
        ask.send().refused(401, "unauthenticated");
    }
}

#[test]
fn a6_no_user_agent_is_let_in() {
    let server = Server::start(&usual());
    for agent in ["GoogleHC/1.0", "kube-probe/1.31", "ELB-HealthChecker/2.0", "Consul Health Check", "livekit-server"] {
        let ask = server.post().header("User-Agent", agent).json(r#"{"room_name":"standup"}"#);
        ask.send().refused(401, "unauthenticated");
    }
}

#[test]
fn a13_a_wrong_credential_never_becomes_a_guest() {
    let guests = "[[authenticate]]\nkind = \"guest\"\n";
    let rules = RULES.replace("\"{rooms}\"", "\"**\"");
    let server = Server::start(&[HEAD, LIVEKIT, JWT, guests, &rules].concat());
    let body = r#"{"room_name":"standup"}"#;
    let expired = rs256(with(alice(), json!({"exp": now() - 3600})));
    for authorization in [
        "Bearer garbage",
        "Bearer",
        "Bearer ",
        "",
        " ",
        "Basic YWxpY2U6eA==",
        "bearer\tx",
        "Negotiate",
        "Bearer null",
        "Bearer undefined",
        "Bearer rk_backend_x",
        "Token x",
        "null",
        "Bearer ..",
    ] {
        let answer = server.post().header("Authorization", authorization).json(body).send();
        assert_eq!(answer.status, 401, "{authorization:?}: {answer:?}");
    }
    server.token(&expired, body).refused(401, "unauthenticated");
    for cookie in [
        format!("session={expired}"),
        "session=".to_owned(),
        "session =garbage".to_owned(),
        "session=caf\u{e9}".to_owned(),
        "session=garbage".to_owned(),
        "session=a.b.c".to_owned(),
        format!("theme=dark; session={expired}"),
        format!("session=\"{}\"", as_alice()),
        "session=null".to_owned(),
        format!("session={}; session={}", as_alice(), as_alice()),
        format!("session=; session={}", as_alice()),
    ] {
        let answer = server.post().header("Cookie", &cookie).json(body).send();
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{cookie}");
    }
    let guest = claims(&server.post().header("Cookie", "theme=dark").json(body).send());
    let id = guest["sub"].as_str().unwrap().to_owned();
    assert!(id.starts_with("guest-") && id.len() == "guest-".len() + 32, "{id}");
    let mut wanted = participant(&id, "", "standup");
    wanted.as_object_mut().unwrap().remove("name");
    assert_eq!(guest, wanted);
}

#[test]
fn a15_only_a_verified_address_at_the_domain_counts() {
    let rules = "[[authorize]]\nkind = \"rules\"\n[[authorize.rules]]\nroom = \"**\"\nemail_domain = [\"corp.com\"]\nrole = \"participant\"\n";
    let server = Server::start(&[HEAD, LIVEKIT, JWT, rules].concat());
    let body = r#"{"room_name":"standup"}"#;
    let ask = |email: Value, verified: Value| {
        server.token(&rs256(with(alice(), json!({"email": email, "email_verified": verified}))), body)
    };
    for email in [
        "x@corp.com@evil.com",
        "x@evil.com\u{0}@corp.com",
        "x@evil.com@corp.com",
        "@corp.com",
        "corp.com",
        "x@sub.corp.com",
        "x@corp.com.",
        "x@corp.com.evil.com",
        "x@evilcorp.com",
        "x@corp.com ",
        " x@corp.com",
        "x@corp.com\n",
        "x @corp.com",
        "x@corp\u{3002}com",
        "x@c\u{43e}rp.com",
        "x@corp.com\u{200b}",
        "",
        "x@",
        "x@corp.com,y@evil.com",
        "x@evil.com,y@corp.com",
        "\"x@evil.com\"@corp.com",
        "x\u{0}@corp.com",
        "<x@corp.com>",
        "x@*",
        "x@{domain}",
        "x@CORP.COM\u{301}",
    ] {
        ask(json!(email), json!(true)).refused(403, "forbidden");
    }
    for email in [json!(["x@corp.com"]), json!({"x": "x@corp.com"}), json!(true), json!(1)] {
        ask(email, json!(true)).refused(403, "forbidden");
    }
    for verified in [json!(false), json!("true"), json!(1), json!(null), json!([true]), json!("false"), json!({})] {
        ask(json!("x@corp.com"), verified).refused(403, "forbidden");
    }
    for email in ["x@corp.com", "X.y+z@CORP.com"] {
        assert_eq!(claims(&ask(json!(email), json!(true))), participant("alice", "Alice", "standup"));
    }
}
