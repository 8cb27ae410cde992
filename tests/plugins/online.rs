//! `check --online`: what is remote, asked once, and named by its setting.

use serde_json::json;

use crate::keys::by_set;
use crate::support::{
    Key, Roomkey, Upstream, asking, discovery, nowhere, reply, reply_json, run, run_online, serve_set, session, set,
};

#[test]
fn what_cannot_be_reached_is_said_by_its_setting() {
    let nowhere = format!("http://{}", nowhere());
    let cloud = format!("[liveblocks]\nsecret_key = \"sk_x\"\nbase_url = \"{nowhere}\"\n");
    for (config, setting) in [
        (asking(&format!("{nowhere}/ask"), ""), "authorize[0]"),
        (session(&format!("{nowhere}/ask"), ""), "authenticate[0]"),
        (by_set(&format!("issuer = \"{nowhere}\"\njwks_url = \"{nowhere}/keys\"\n")), "authenticate[0]"),
        (by_set(&format!("issuer = \"{nowhere}\"\n")), "authenticate[0]"),
        (by_set("secret = \"CANARY-app-secret-with-more-than-32-bytes\"\n") + &cloud, "liveblocks.base_url"),
    ] {
        assert_eq!(run(&config, &[]).code, Some(0), "without --online: {config}");
        run_online(&config).refused(setting, &nowhere);
        // And `serve` starts all the same.
        Roomkey::serve(&config);
    }
}

#[test]
fn what_is_there_but_not_what_it_should_be_is_said_too() {
    let provider = Upstream::new();
    let by_url = by_set(&format!("issuer = \"x\"\njwks_url = \"{}/keys\"\n", provider.origin()));
    for (answer, why) in [
        (reply(404, &[], b""), "404"),
        (reply(302, &[("location", "/keys2")], b""), "302"),
        (reply_json(200, &json!({"keys": []})), "no key"),
        (reply_json(200, &json!({"keys": [{"kty": "oct", "k": "AAAA"}]})), "no key"),
        (reply(200, &[], b"<html>"), "form"),
    ] {
        provider.sends(answer);
        run_online(&by_url).refused("authenticate[0]", why);
    }
    serve_set(&provider, &set(&[Key::P256]));
    assert_eq!(run_online(&by_url).code, Some(0));

    let by_issuer = by_set(&format!("issuer = \"{}\"\n", provider.origin()));
    let document = |issuer: &str| json!({"issuer": issuer, "jwks_uri": provider.origin() + "/keys"});
    discovery(&provider, document("https://evil.example"), set(&[Key::P256]));
    run_online(&by_issuer).refused("authenticate[0]", "another issuer");
    discovery(&provider, document(&provider.origin()), set(&[Key::P256]));
    assert_eq!(run_online(&by_issuer).code, Some(0));
}

#[test]
fn a_backend_that_answers_anything_is_there_and_is_asked_no_question() {
    let backend = Upstream::new();
    for config in [asking(&backend.url(), ""), session(&backend.url(), "")] {
        let before = backend.calls();
        assert_eq!(run_online(&config).code, Some(0));
        assert_eq!(backend.calls(), before + 1);
        assert!(backend.last().line.starts_with("GET /ask"), "{:?}", backend.last());
    }
}
