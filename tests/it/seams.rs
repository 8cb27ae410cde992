//! The seams: an embedding program's own authenticators, authorizers and
//! vetoes, and how they stand beside the configured ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use roomkey::Builder;
use roomkey::ask::{Ask, Context};
use roomkey::authenticate::{Authenticator, Caller, Examined, Head, Identified};
use roomkey::authorize::{Allowance, Authorizer, Denial, Unavailable, Verdict, Veto};
use roomkey::claims::Claims;
use serde_json::{Value, json};

use crate::support::{Answer, BACKEND_KEY, NOW, all_as, ask, backend, builder, built, login, request, router, send};

/// Says the same to everyone, or that it cannot tell; and counts how often.
#[derive(Debug)]
struct Says(Option<Verdict>, Arc<AtomicUsize>);

#[async_trait]
impl Authorizer for Says {
    fn name(&self) -> &'static str {
        "says"
    }

    async fn decide(&self, _: &Caller, _: &Ask, _: &Context) -> Result<Verdict, Unavailable> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.clone().ok_or_else(|| Unavailable::new("the database at 10.0.0.1 is gone"))
    }
}

fn says(verdict: impl Into<Option<Verdict>>) -> Says {
    Says(verdict.into(), Arc::default())
}

fn allow(role: &str) -> Verdict {
    Verdict::Allow(Allowance::role(role, "own"))
}

fn deny() -> Verdict {
    Verdict::Deny(Denial { rule: "own".into(), reason: Some("é".repeat(300)) })
}

/// Objects to one room.
#[derive(Debug)]
struct Full(&'static str);

#[async_trait]
impl Veto for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    async fn object(&self, caller: &Caller, ask: &Ask) -> Result<Option<Denial>, Unavailable> {
        assert_eq!((caller.subject(), caller.via()), ("alice", "jwt"));
        match ask.resource.room().map(roomkey::name::RoomName::as_str) {
            Some("unknown") => Err(Unavailable::new("cannot count")),
            Some(room) if room == self.0 => {
                Ok(Some(Denial { rule: "full".into(), reason: Some("the room is full".to_owned()) }))
            }
            _ => Ok(None),
        }
    }
}

fn asked(builder: Builder, room: &str) -> Answer {
    ask(&built(builder).router(), &login(&json!({"sub": "alice"})), &json!({"room_name": room}))
}

fn hosts() -> Builder {
    builder(&all_as("host"), NOW)
}

#[test]
fn a_denial_beats_whoever_comes_later() {
    let never = Arc::new(AtomicUsize::new(0));
    let answer = asked(
        hosts()
            .authorizer(says(Verdict::Pass))
            .authorizer(says(deny()))
            .authorizer(Says(Some(allow("viewer")), never.clone())),
        "r",
    );
    assert_eq!((answer.status.as_u16(), answer.code(), answer.token()), (403, "forbidden", None));
    assert_eq!(answer.body["reason"].as_str().unwrap().chars().count(), 200);
    assert_eq!(never.load(Ordering::Relaxed), 0);
}

#[test]
fn whoever_passes_leaves_it_to_the_configured_ones() {
    let claims = asked(hosts().authorizer(says(Verdict::Pass)), "r").claims();
    assert_eq!(claims["video"]["roomAdmin"], true);
    let claims = asked(hosts().authorizer(says(allow("viewer"))), "r").claims();
    assert_eq!(claims["video"].get("roomAdmin"), None);
}

#[test]
fn undecided_is_not_denied_and_not_passed_over() {
    for undecided in [None, Some(allow("nonsense"))] {
        let never = Arc::new(AtomicUsize::new(0));
        let answer =
            asked(hosts().authorizer(says(undecided)).authorizer(Says(Some(allow("viewer")), never.clone())), "r");
        assert_eq!((answer.status.as_u16(), answer.code(), answer.token()), (503, "authorizer_unavailable", None));
        let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=300).contains(&wait));
        assert!(!answer.body.to_string().contains("10.0.0.1"), "the cause is for the log alone: {answer:?}");
        assert_eq!(never.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_role_without_a_livekit_half_is_no_decision() {
    let mut config = all_as("host");
    config["roles"] = json!({"viewer": {"liveblocks": {"permissions": ["*:read"]}}});
    assert_eq!(asked(builder(&config, NOW).authorizer(says(allow("viewer"))), "r").status, 503);
}

#[test]
fn a_veto_takes_back_what_was_decided() {
    assert_eq!(asked(hosts().veto(Full("other")), "r").status, 201);
    let answer = asked(hosts().veto(Full("other")).veto(Full("r")), "r");
    assert_eq!((answer.status.as_u16(), answer.code(), answer.token()), (403, "forbidden", None));
    assert_eq!(answer.body["reason"], "the room is full");
    let answer = asked(hosts().veto(Full("r")), "unknown");
    assert_eq!((answer.status.as_u16(), answer.token()), (503, None));
    assert!(answer.headers.contains_key("retry-after"));
}

#[test]
fn an_authorizer_may_name_the_participant_and_bound_the_token() {
    let bounded = |ttl: Duration| {
        let mut allowance = Allowance::role("viewer", "own");
        allowance.overrides.name = Some("Alice of Acme".to_owned());
        allowance.overrides.ttl = Some(ttl);
        says(Verdict::Allow(allowance))
    };
    let answer = asked(hosts().authorizer(bounded(Duration::from_mins(3))), "r");
    assert_eq!(answer.body["participant_name"], "Alice of Acme");
    let claims = answer.claims();
    assert_eq!((&claims["name"], &claims["exp"]), (&json!("Alice of Acme"), &json!(NOW + 180)));
    // What cannot be must not panic either.
    assert_ne!(asked(hosts().authorizer(bounded(Duration::MAX)), "r").status, 500);
}

/// Takes the word of a header, which a test may.
#[derive(Debug)]
struct Badge;

impl Authenticator for Badge {
    fn name(&self) -> &'static str {
        "badge"
    }

    fn examine<'a>(&'a self, head: &Head<'a>, now: i64) -> Examined<'a> {
        assert_eq!(now, NOW, "the injected clock's time");
        let Some(badge) = head.headers().get("x-badge") else { return Examined::NotMine };
        match badge.to_str() {
            Ok("forged") | Err(_) => Examined::Rejected("forged"),
            Ok(subject) => {
                let claims = json!({"org": "acme"}).as_object().unwrap().clone();
                Examined::Known(Identified { subject: subject.to_owned(), claims: Claims::from(claims), sealed: None })
            }
        }
    }
}

#[test]
fn an_authenticator_of_ones_own_comes_before_the_configured_ones() {
    let mut config = all_as("host");
    config["authorize"] = json!([{"kind": "rules", "rules": [{"room": "org:{org}:*", "role": "viewer"}]}]);
    let router = built(builder(&config, NOW).authenticator(Badge)).router();
    let body = json!({"room_name": "org:acme:x"}).to_string();
    let bearer = format!("Bearer {}", login(&json!({"sub": "bob", "org": "acme"})));
    let sent = |headers: &[(&str, &str)]| send(&router, request(headers, body.clone()));
    assert_eq!(sent(&[("x-badge", "ann")]).claims()["sub"], "ann");
    assert_eq!(sent(&[("authorization", &bearer)]).claims()["sub"], "bob");
    assert_eq!(sent(&[("x-badge", "ann"), ("authorization", &bearer)]).claims()["sub"], "ann");
    // What is claimed and wrong is refused, whatever else is there.
    assert_eq!(sent(&[("x-badge", "forged"), ("authorization", &bearer)]).status, 401);
    assert_eq!(sent(&[]).status, 401);
    // It cannot make a subject that no room could have.
    for odd in ["", " ", "~"] {
        let answer = sent(&[("x-badge", odd)]);
        assert!(answer.status == 400 || answer.claims()["sub"] == odd, "{odd:?}: {answer:?}");
    }
}

/// `[[authenticate]]` with the backend's key, and these authorizers.
fn for_backend(authorize: &Value, roles: &[&str]) -> Value {
    let mut config = all_as("host");
    config["authenticate"] = json!([backend(roles)]);
    config["authorize"] = authorize.clone();
    config
}

#[test]
fn a_role_that_came_with_the_credential_counts_where_credential_stands() {
    let credential = json!({"kind": "credential"});
    let viewers = json!({"kind": "rules", "rules": [{"room": "lobby", "role": "viewer"}]});
    let denied = json!({"kind": "rules", "rules": [{"room": "**", "claims": {"suspended": true}, "deny": true}]});
    let suspended = json!({"suspended": true});
    for (authorize, room, claims, wanted) in [
        (json!([credential]), "any", json!({}), Some(true)),
        (json!([viewers]), "any", json!({}), None),
        (json!([viewers]), "lobby", json!({}), Some(false)),
        (json!([viewers, credential]), "lobby", json!({}), Some(false)),
        (json!([credential, viewers]), "lobby", json!({}), Some(true)),
        (json!([viewers, credential]), "any", json!({}), Some(true)),
        (json!([denied, credential]), "any", suspended.clone(), None),
        (json!([denied, credential]), "any", json!({}), Some(true)),
        (json!([credential, denied]), "any", suspended, Some(true)),
    ] {
        let body = json!({"room": room, "user_id": "alice", "role": "host", "claims": claims});
        let answer = ask(&router(&for_backend(&authorize, &["*"]), NOW), BACKEND_KEY, &body);
        match wanted {
            Some(admin) => assert_eq!(
                answer.claims()["video"]["roomAdmin"].as_bool().unwrap_or(false),
                admin,
                "{authorize} {room}"
            ),
            None => assert_eq!((answer.status.as_u16(), answer.token()), (403, None), "{authorize} {room}"),
        }
    }
}

#[test]
fn a_key_gives_its_roles_alone_and_only_a_key_names_one() {
    let authorize = json!([{"kind": "credential"}]);
    let router_for = |roles: &[&str]| router(&for_backend(&authorize, roles), NOW);
    let body = |role: &str| json!({"room": "r", "user_id": "alice", "role": role});
    assert_eq!(ask(&router_for(&["viewer"]), BACKEND_KEY, &body("viewer")).status, 200);
    assert_eq!(ask(&router_for(&["viewer"]), BACKEND_KEY, &body("host")).status, 403);
    assert_eq!(ask(&router_for(&[]), BACKEND_KEY, &body("viewer")).status, 403);
    assert_eq!(ask(&router_for(&["*"]), BACKEND_KEY, &body("nonsense")).status, 403);
    assert_eq!(ask(&router_for(&["*"]), BACKEND_KEY, &json!({"room": "r", "user_id": "alice"})).status, 403);
    assert_eq!(ask(&router_for(&["*"]), BACKEND_KEY, &json!({"room": "r", "role": "host"})).status, 400);
    for field in [json!({"role": "host"}), json!({"name": "Al"}), json!({"claims": {}}), json!({"role": null})] {
        let mut body = json!({"room": "r"});
        body.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        assert_eq!(ask(&router(&all_as("host"), NOW), &login(&json!({"sub": "alice"})), &body).status, 400, "{field}");
    }
}
