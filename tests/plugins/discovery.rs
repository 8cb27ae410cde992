//! Discovery: an issuer says where its keys are.

use serde_json::{Value, json};

use crate::keys::{by_set, claims};
use crate::support::{Key, Roomkey, Upstream, discovery, set};

/// A service of the issuer `provider`, and a user's token of it.
fn service(provider: &Upstream, path: &str, settings: &str) -> (Roomkey, String, String) {
    let issuer = provider.origin() + path;
    let roomkey = Roomkey::serve(&by_set(&format!("issuer = \"{issuer}\"\n{settings}")));
    let mut all = claims();
    all["iss"] = issuer.clone().into();
    (roomkey, Key::P256.bearer(&all), issuer)
}

fn document(provider: &Upstream, path: &str) -> Value {
    json!({"issuer": provider.origin() + path, "jwks_uri": provider.origin() + "/the/keys", "token_endpoint": "x"})
}

#[test]
fn an_issuer_alone_is_enough() {
    for path in ["", "/", "/realms/app", "/realms/app/"] {
        let provider = Upstream::new();
        discovery(&provider, document(&provider, path), set(&[Key::P256]));
        let (roomkey, bearer, _) = service(&provider, path, "");
        roomkey.wait_until_ready();
        assert_eq!(roomkey.livekit().by(&bearer).send().livekit()["sub"], "alice");
        assert_eq!(provider.calls(), 2);
        assert_eq!(provider.last().line, "GET /the/keys HTTP/1.1");
    }
}

#[test]
fn a_document_that_does_not_do_is_refused() {
    let trap = Upstream::new();
    let ftp = format!("ftp://{}/", trap.address);
    let bad = [
        ("issuer", json!("{origin}/")),
        ("issuer", json!("https://evil.example")),
        ("issuer", json!("")),
        ("issuer", Value::Null),
        ("issuer", json!(["{origin}"])),
        ("jwks_uri", Value::Null),
        ("jwks_uri", json!("")),
        ("jwks_uri", json!("/the/keys")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", json!("http://169.254.169.254/keys")),
        ("jwks_uri", json!("http://127.0.0.1.nip.io/keys")),
        ("jwks_uri", json!(ftp)),
    ];
    for (name, value) in bad {
        let provider = Upstream::new();
        let mut document = document(&provider, "");
        document[name] = serde_json::from_str(&value.to_string().replace("{origin}", &provider.origin())).unwrap();
        discovery(&provider, document.clone(), set(&[Key::P256]));
        let (roomkey, bearer, _) = service(&provider, "", "");
        roomkey.must_say(&["ERROR", "Cannot fetch a key set"]);
        roomkey.livekit().by(&bearer).send().undecided();
        assert!(!roomkey.is_ready(), "{document}");
        assert!(!provider.last().line.contains("/the/keys"), "{document}");
    }
    assert_eq!(trap.connections(), 0);
}

#[test]
fn redirects_of_either_document_are_not_followed() {
    let trap = Upstream::new();
    for is_set in [false, true] {
        let provider = Upstream::new();
        discovery(&trap, document(&provider, ""), set(&[Key::P256]));
        let (document, target) = (document(&provider, ""), trap.origin() + "/.well-known/openid-configuration");
        provider.does(move |stream, seen| {
            let answer = if is_set && seen.line.contains("/.well-known/") {
                crate::support::reply_json(200, &document)
            } else {
                crate::support::reply(307, &[("location", &target)], b"")
            };
            std::io::Write::write_all(stream, &answer).is_err()
        });
        let (roomkey, bearer, _) = service(&provider, "", "");
        roomkey.must_say(&["ERROR", "Cannot fetch a key set", "307"]);
        roomkey.livekit().by(&bearer).send().undecided();
        assert!(!roomkey.is_ready());
    }
    assert_eq!(trap.connections(), 0);
}

#[test]
fn plain_http_may_be_allowed_for_all_of_it() {
    let provider = Upstream::new();
    let name = format!("http://{}", provider.address);
    discovery(&provider, document(&provider, ""), set(&[Key::P256]));
    let (roomkey, bearer, issuer) = service(&provider, "", "insecure_http = true\n");
    assert_eq!(issuer, name);
    roomkey.wait_until_ready();
    roomkey.livekit().by(&bearer).send().livekit();
    roomkey.must_say(&["WARN", "insecure_http"]);
}
