//! A backend named in the environment alone.

use serde_json::json;

use crate::support::{APP_SECRET, LIVEKIT_SECRET, Roomkey, SIGNING, Upstream, asking, reply, run, session, tag, user};

const LIVEKIT: [(&str, &str); 3] =
    [("LIVEKIT_URL", "wss://rtc.example.com"), ("LIVEKIT_API_KEY", "APItest"), ("LIVEKIT_API_SECRET", LIVEKIT_SECRET)];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&LIVEKIT, more].concat()
}

#[test]
fn a_session_url_is_enough() {
    let backend = Upstream::new();
    backend.answers(&json!({"decision": true, "context": {"role": "participant", "subject": {"id": "alice"}}}));
    let url = backend.url();
    let settings = [("ROOMKEY_SESSION_URL", url.as_str()), ("ROOMKEY_SIGNING_SECRET", SIGNING)];
    let roomkey = Roomkey::sidecar(&with(&settings));
    let claims = roomkey.livekit().cookie("session=x; other=y").send().livekit();
    assert_eq!((&claims["sub"], &claims["video"]["canPublish"]), (&json!("alice"), &json!(true)));
    let seen = backend.last();
    assert_eq!(seen.header("cookie"), Some("session=x"));
    let signed =
        format!("{}.{}.{}", seen.header("webhook-id").unwrap(), seen.header("webhook-timestamp").unwrap(), seen.body);
    assert_eq!(seen.header("webhook-signature"), Some(&*tag(SIGNING, &signed)));
    roomkey.livekit().by("Bearer opaque").send().livekit();
    assert_eq!(backend.last().header("authorization"), Some("Bearer opaque"));
    roomkey.livekit().send().unauthenticated();
    backend.sends(reply(401, &[], b""));
    roomkey.livekit().cookie("session=x").send().unauthenticated();
    backend.answers(&json!({"decision": false, "context": {"reason": "kicked"}}));
    assert_eq!(roomkey.livekit().cookie("session=x").send().refused(403, "forbidden").json()["reason"], "kicked");
}

#[test]
fn a_callback_url_decides_on_the_apps_users() {
    let backend = Upstream::new();
    let url = backend.url();
    let settings = [
        ("ROOMKEY_CALLBACK_URL", url.as_str()),
        ("ROOMKEY_SIGNING_SECRET", SIGNING),
        ("ROOMKEY_JWT_SECRET", APP_SECRET),
    ];
    let roomkey = Roomkey::sidecar(&with(&settings));
    let caller = user(json!({"sub": "alice"}));
    backend.answers(&json!({"decision": true, "context": {"role": "viewer"}}));
    assert_eq!(roomkey.livekit().by(&caller).send().livekit()["video"]["canPublish"], false);
    backend.answers(&json!({"decision": false}));
    roomkey.livekit().by(&caller).send().refused(403, "forbidden");
    let before = backend.calls();
    roomkey.livekit().cookie("session=x").send().unauthenticated();
    roomkey.livekit().by("Bearer a.b.c").send().unauthenticated();
    assert_eq!(backend.calls(), before);
}

#[test]
fn rules_come_before_the_callback() {
    let backend = Upstream::new();
    let url = backend.url();
    let settings = [
        ("ROOMKEY_CALLBACK_URL", url.as_str()),
        ("ROOMKEY_SIGNING_SECRET", SIGNING),
        ("ROOMKEY_JWT_SECRET", APP_SECRET),
        ("ROOMKEY_RULES", "open participant; team:{team} viewer"),
    ];
    let roomkey = Roomkey::sidecar(&with(&settings));
    let caller = user(json!({"sub": "alice"}));
    roomkey.livekit().by(&caller).body(&json!({"room_name": "open"})).send().livekit();
    assert_eq!(backend.calls(), 0);
    roomkey.livekit().by(&caller).send().undecided();
    assert_eq!(backend.calls(), 1);
}

#[test]
fn what_stands_twice_or_alone_is_refused() {
    let url = ("ROOMKEY_SESSION_URL", "http://127.0.0.1:9/");
    let callback = ("ROOMKEY_CALLBACK_URL", "http://127.0.0.1:9/");
    let signing = ("ROOMKEY_SIGNING_SECRET", SIGNING);
    let jwt = ("ROOMKEY_JWT_SECRET", APP_SECRET);
    assert_eq!(run("", &with(&[url, signing])).code, Some(0), "{:?}", run("", &with(&[url, signing])));
    assert_eq!(run("", &with(&[callback, signing, jwt])).code, Some(0));
    run("", &with(&[signing, jwt])).refused("ROOMKEY_SIGNING_SECRET", "signs nothing");
    run("", &with(&[url])).refused("signing_secret", "missing");
    run("", &with(&[callback, jwt])).refused("signing_secret", "missing");
    run("", &with(&[url, ("ROOMKEY_SIGNING_SECRET", "secret")])).refused("SIGNING_SECRET", "whsec_");
    run("", &with(&[url, ("ROOMKEY_SIGNING_SECRET", "")])).refused("SIGNING_SECRET", "");
    run("", &with(&[url, signing, ("ROOMKEY_SIGNING_SECRET_FILE", "/x")])).refused("SIGNING_SECRET", "");
    run("", &with(&[("ROOMKEY_SESSION_URL", "app"), signing])).refused("URL", "");
    run("", &with(&[callback, signing])).refused("authenticat", "");
    // Beside lists of a file.
    let file = asking("http://127.0.0.1:9/", "");
    run(&file, &[url, signing]).refused("ROOMKEY_SESSION_URL", "[[auth");
    run(&file, &[callback, signing]).refused("ROOMKEY_CALLBACK_URL", "[[authorize]]");
    run(&session("http://127.0.0.1:9/", ""), &[url, signing]).refused("ROOMKEY_SESSION_URL", "[[auth");
}
