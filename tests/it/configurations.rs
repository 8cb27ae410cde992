//! Any configuration: it is read to the end, all that is wrong is said, and no
//! secret is in what is said.

use std::collections::HashMap;
use std::fs;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use roomkey::{Config, Problem, Purpose, Sources};
use serde_json::{Map, Value, json};

use crate::model::{config, odd_text};
use crate::support::{API_SECRET, APP_SECRET, all_as, load, load_toml, toml};

/// Names of settings, anywhere in a configuration.
const NAMES: [&str; 60] = [
    "server",
    "listen",
    "request_timeout",
    "max_body",
    "max_connections",
    "shutdown_grace",
    "trusted_proxies",
    "admin",
    "log",
    "level",
    "format",
    "cors",
    "allowed_origins",
    "allow_credentials",
    "allowed_headers",
    "livekit",
    "url",
    "api_key",
    "api_secret",
    "api_secret_file",
    "api_secret_env",
    "keys",
    "keys_file",
    "api_url",
    "ttl",
    "when_no_room",
    "generated_room",
    "client_may_set",
    "device",
    "name",
    "metadata",
    "attributes",
    "agents",
    "authenticate",
    "kind",
    "issuer",
    "audience",
    "secret",
    "public_key",
    "public_key_file",
    "algorithms",
    "leeway",
    "cookie",
    "require",
    "claims",
    "authorize",
    "rules",
    "room",
    "role",
    "deny",
    "provider",
    "email_domain",
    "roles",
    "host",
    "can_publish_sources",
    "sip",
    "room_config",
    "permissions",
    "liveblocks_rooms",
    "id",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        odd_text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(|number| json!(number)),
        select(
            &[
                "jwt",
                "api_key",
                "guest",
                "rules",
                "credential",
                "callback",
                "10m",
                "64KiB",
                "0.0.0.0:1",
                "viewer",
                "https://a",
                "wss://a",
                "ES256",
                "{random}",
                "/dev/null",
                "."
            ][..]
        )
        .prop_map(Value::from),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(&NAMES[..]).prop_map(str::to_owned), 1 => odd_text()]
}

fn tree() -> impl Strategy<Value = Value> {
    let node = scalar().prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => members(inner),
        ]
    });
    members(node)
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec((name(), value), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// Problems are lines that say where and what, and tell no secret.
fn are_told(problems: &[Problem]) -> Result<(), TestCaseError> {
    prop_assert!(!problems.is_empty());
    for problem in problems {
        let line = problem.to_string();
        prop_assert!(!line.contains('\n') && !problem.source.is_empty() && !problem.message.is_empty(), "{:?}", line);
        for secret in [API_SECRET, APP_SECRET] {
            prop_assert!(!line.contains(secret), "{line}");
        }
    }
    Ok(())
}

fn is_read(read: Result<Config, Vec<Problem>>) -> Result<(), TestCaseError> {
    read.map_or_else(|problems| are_told(&problems), |_| Ok(()))
}

/// A place in a tree: an inner value, replaced or taken out.
fn change(value: &mut Value, path: &[Index], with: Option<Value>) {
    let Some((at, rest)) = path.split_first() else {
        *value = with.unwrap_or(Value::Null);
        return;
    };
    let inner = match value {
        Value::Object(members) if !members.is_empty() => {
            let key = members.keys().nth(at.index(members.len())).unwrap().clone();
            if with.is_none() && rest.is_empty() {
                members.remove(&key);
                return;
            }
            members.get_mut(&key).unwrap()
        }
        Value::Array(items) if !items.is_empty() => {
            let at = at.index(items.len());
            &mut items[at]
        }
        leaf => leaf,
    };
    change(inner, rest, with);
}

fn environment() -> impl Strategy<Value = HashMap<String, String>> {
    let known = select(
        &[
            "PORT",
            "LIVEKIT_URL",
            "LIVEKIT_API_KEY",
            "LIVEKIT_API_SECRET",
            "LIVEKIT_KEYS",
            "LIVEKIT_KEYS_FILE",
            "LIVEKIT_API_SECRET_FILE",
            "LIVEBLOCKS_SECRET_KEY",
            "ROOMKEY_JWT_SECRET",
            "ROOMKEY_JWT_PUBLIC_KEY_FILE",
            "ROOMKEY_JWT_ISSUER",
            "ROOMKEY_JWT_AUDIENCE",
            "ROOMKEY_API_KEY",
            "ROOMKEY_API_KEY_FILE",
            "ROOMKEY_RULES",
        ][..],
    );
    let path =
        proptest::collection::vec(name(), 1..4).prop_map(|path| format!("ROOMKEY__{}", path.join("__").to_uppercase()));
    let variable = prop_oneof![known.prop_map(str::to_owned), path];
    let value = prop_oneof![
        odd_text(),
        select(
            &[
                "wss://a",
                "key: secret",
                APP_SECRET,
                "** viewer; a b c",
                "5m",
                "8080",
                "65536",
                "true",
                "/dev/null",
                "/"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    // What names a file or a variable is no secret, and is shown.
    let shown = |name: &str| !["SECRET", "KEYS"].iter().any(|secret| name.ends_with(secret));
    proptest::collection::hash_map(variable, value, 0..6).prop_map(move |mut all| {
        all.retain(|name, value| !(shown(name) && value == APP_SECRET));
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read(tree in tree()) {
        is_read(load(&tree))?;
    }

    #[test]
    fn a_good_one_with_a_part_changed_is_read(mut config in config(), path in proptest::collection::vec(any::<Index>(), 1..7), with in proptest::option::of(scalar())) {
        change(&mut config, &path, with);
        is_read(load(&config))?;
    }

    #[test]
    fn any_text_is_read(text in prop_oneof![any::<String>(), "[a-z\\[\\]{}=\"'.,#\n 0-9-]{0,80}"]) {
        is_read(load_toml(&text))?;
    }

    #[test]
    fn a_good_text_with_a_piece_changed_is_read(at in any::<Index>(), length in 0..12_usize, with in "[a-z\\[\\]{}=\"'.,#\n 0-9\u{0}é-]{0,6}") {
        let mut text: Vec<char> = toml(&all_as("host")).chars().collect();
        let at = at.index(text.len());
        text.splice(at..(at + length).min(text.len()), with.chars());
        is_read(load_toml(&text.into_iter().collect::<String>()))?;
    }

    #[test]
    fn any_environment_is_read(environment in environment(), with_file in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roomkey.toml");
        fs::write(&file, toml(&all_as("host"))).unwrap();
        let sources = Sources { files: Some(file).filter(|_| with_file).into_iter().collect(), environment };
        for purpose in [Purpose::Serve, Purpose::Keys] {
            is_read(Config::load(&sources, purpose))?;
        }
    }

    #[test]
    fn every_configuration_of_the_model_is_good(config in config()) {
        prop_assert!(load(&config).is_ok(), "{:?}", load(&config).err());
    }
}

#[test]
fn a_key_is_a_name_and_no_path() {
    for text in
        ["\"server.max_body\" = \"1KiB\"", "\"x[99999999]\" = 1", "\"authorize[-99999999]\" = 1", "\"livekit[0]\" = {}"]
    {
        let problems = load_toml(text).unwrap_err();
        let key = text.split('"').nth(1).unwrap();
        assert!(
            problems.iter().any(|problem| problem.key == key && problem.message.starts_with("unknown setting")),
            "{text}: {problems:#?}"
        );
    }
    let environment = HashMap::from([("ROOMKEY__SERVER.MAX_BODY".to_owned(), "1KiB".to_owned())]);
    let problems = Config::load(&Sources { files: vec![], environment }, Purpose::Keys).unwrap_err();
    assert_eq!(problems[0].key, "server.max_body");
    assert!(problems[0].message.starts_with("unknown setting"));
}

#[test]
fn every_violation_is_said_at_once() {
    let mut config = all_as("nobody");
    config["livekit"]["ttl"] = json!("1m");
    config["server"] = json!({"max_body": "1", "lisden": "x"});
    config["authenticate"][0]["secret"] = json!("short");
    config["roles"] = json!({"x": {"livekit": {"can_publsh": true}}});
    let mut keys: Vec<_> = load(&config).unwrap_err().into_iter().map(|problem| problem.key).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "authenticate[0].secret",
            "authorize[0].rules[0].role",
            "livekit.ttl",
            "roles.x.livekit.can_publsh",
            "server.lisden",
            "server.max_body"
        ]
    );
}
