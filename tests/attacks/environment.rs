//! Layers: files over each other, variables over files, and who wins.

use std::fs;

use serde_json::Value;

use crate::config::refused;
use crate::support::jwt::{as_alice, hs256, now, opened_with};
use crate::support::{API_SECRET, HEAD, JWT, LIVEKIT, RULES, Said, Server, check, folder, run, usual};

const OTHER: &str = "lk-other-CANARY-0123456789abcdefghijklmn";
const API_SECRET_LINE: &str = "api_secret = \"lk-secret-CANARY-0123456789abcdefghijklm\"";

/// The token that a configuration signs, by `mint`.
#[track_caller]
fn minted(files: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
    let said = mint(files, environment);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.trim_end().to_owned()
}

fn mint(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Said {
    let folder = folder();
    let mut arguments = vec!["mint", "livekit", "--identity", "i", "--room", "r", "--role", "viewer"];
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        if text.starts_with(['[', '\n']) {
            arguments.extend(["--config", name]);
        }
    }
    run(folder.path(), &arguments, environment, "")
}

#[track_caller]
fn signed_by(secret: &str, issuer: &str, ttl: i64, token: &str) {
    assert_eq!(opened_with(secret, token, ttl)["iss"], issuer);
}

#[test]
fn the_later_layer_wins() {
    let file = format!("{LIVEKIT}ttl = \"5m\"\n");
    let with_file = [("a.toml", file.as_str())];
    signed_by(API_SECRET, "APItest", 300, &minted(&with_file, &[]));
    signed_by(API_SECRET, "APItest", 420, &minted(&with_file, &[("ROOMKEY__LIVEKIT__TTL", "7m")]));
    signed_by(API_SECRET, "APItest", 120, &minted(&with_file, &[("ROOMKEY__LIVEKIT__TTL", "120")]));
    let two = [("a.toml", file.as_str()), ("b.toml", "[livekit]\nttl = \"6m\"\n")];
    signed_by(API_SECRET, "APItest", 360, &minted(&two, &[]));
    signed_by(OTHER, "APItest", 300, &minted(&with_file, &[("LIVEKIT_API_SECRET", OTHER)]));
    signed_by(OTHER, "APItest", 300, &minted(&with_file, &[("ROOMKEY__LIVEKIT__API_SECRET", OTHER)]));
    let environment = [("ROOMKEY__LIVEKIT__API_SECRET_ENV", "MINE"), ("MINE", OTHER)];
    signed_by(OTHER, "APItest", 300, &minted(&with_file, &environment));
    let keys = format!("APIone: {OTHER}\n# a comment\n\nAPItwo: \"{API_SECRET}\"");
    signed_by(OTHER, "APIone", 300, &minted(&with_file, &[("LIVEKIT_KEYS", &keys)]));
    // Without a file; and the file that a variable names.
    let alone = [("LIVEKIT_URL", "wss://x"), ("LIVEKIT_API_KEY", "APIx"), ("LIVEKIT_API_SECRET", OTHER)];
    signed_by(OTHER, "APIx", 600, &minted(&[], &alone));
    let folder = folder();
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::write(folder.path().join("config/roomkey.toml"), LIVEKIT).unwrap();
    fs::write(folder.path().join("named.toml"), format!("{LIVEKIT}ttl = \"5m\"\n")).unwrap();
    let arguments = ["mint", "livekit", "--identity", "i", "--room", "r", "--role", "viewer"];
    signed_by(API_SECRET, "APItest", 600, run(folder.path(), &arguments, &[], "").out.trim_end());
    let named = [("ROOMKEY_CONFIG", "named.toml")];
    signed_by(API_SECRET, "APItest", 300, run(folder.path(), &arguments, &named, "").out.trim_end());
    assert_eq!(run(folder.path(), &arguments, &[("ROOMKEY_CONFIG", "nowhere.toml")], "").code, Some(1));
}

#[test]
fn paths_are_relative_to_where_they_are_written() {
    let file = LIVEKIT.replace(API_SECRET_LINE, "api_secret_file = \"secret\"");
    let files = [("conf/a.toml", file.as_str()), ("conf/secret", &format!("{API_SECRET}\n")), ("secret", OTHER)];
    signed_by(API_SECRET, "APItest", 600, &minted(&files, &[]));
    signed_by(OTHER, "APItest", 600, &minted(&files, &[("ROOMKEY__LIVEKIT__API_SECRET_FILE", "secret")]));
    signed_by(OTHER, "APItest", 600, &minted(&files, &[("LIVEKIT_API_SECRET_FILE", "secret")]));
    // One newline at the end is none of the secret; more are.
    for (end, secret) in [
        ("\r\n", API_SECRET.to_owned()),
        ("", API_SECRET.to_owned()),
        ("\n\n", format!("{API_SECRET}\n")),
        (" \n", format!("{API_SECRET} ")),
    ] {
        let files = [("a.toml", file.as_str()), ("secret", &format!("{API_SECRET}{end}"))];
        signed_by(&secret, "APItest", 600, &minted(&files, &[]));
    }
}

#[test]
fn two_sources_for_one_setting_are_an_error() {
    let none = usual().replace(LIVEKIT, "");
    let url = ("LIVEKIT_URL", "wss://x");
    let key = ("LIVEKIT_API_KEY", "APIx");
    let secret = ("LIVEKIT_API_SECRET", OTHER);
    for (name, environment, wanted) in [
        (
            "twins of a variable",
            vec![url, key, secret, ("LIVEKIT_API_SECRET_FILE", "app.pem")],
            "livekit.api_secret_file",
        ),
        ("an own name too", vec![url, key, secret, ("ROOMKEY__LIVEKIT__API_SECRET", OTHER)], "livekit.api_secret"),
        (
            "an own name's twin",
            vec![url, key, secret, ("ROOMKEY__LIVEKIT__API_SECRET_ENV", "LIVEKIT_API_SECRET")],
            "livekit.api_secret_env",
        ),
        ("two urls", vec![url, key, secret, ("ROOMKEY__LIVEKIT__URL", "wss://y")], "livekit.url"),
        ("a url and its file", vec![url, key, secret, ("LIVEKIT_URL_FILE", "app.pem")], "livekit.url_file"),
        ("keys and a key", vec![url, key, secret, ("LIVEKIT_KEYS", "a: b")], "livekit.keys"),
        ("keys and a secret", vec![url, secret, ("LIVEKIT_KEYS", "a: b")], "livekit.keys"),
        ("keys without a secret", vec![url, ("LIVEKIT_KEYS", "APIx")], "livekit.keys"),
        ("keys of nothing", vec![url, ("LIVEKIT_KEYS", "# none\n")], "livekit.keys"),
        (
            "a key twice",
            vec![
                url,
                ("LIVEKIT_KEYS", "a: lk-secret-0123456789abcdefghijklmnopq\na: lk-secret-0123456789abcdefghijklmnopr"),
            ],
            "livekit.keys",
        ),
        (
            "a variable that is not set",
            vec![url, key, ("ROOMKEY__LIVEKIT__API_SECRET_ENV", "NOT_SET")],
            "livekit.api_secret_env",
        ),
        ("a file that is not there", vec![url, key, ("LIVEKIT_API_SECRET_FILE", "nowhere")], "livekit.api_secret_file"),
    ] {
        refused(&check(&none, &environment), name, wanted);
    }
    for (name, more, wanted) in [
        ("inline and file", "api_secret_file = \"app.pem\"", "livekit.api_secret_file"),
        ("inline and variable", "api_secret_env = \"X\"", "livekit.api_secret_env"),
        ("keys and a pair", "keys = \"a: b\"", "livekit.keys"),
        ("keys' file and a pair", "keys_file = \"app.pem\"", "livekit.keys_file"),
    ] {
        refused(&check(&usual().replace("[livekit]", &format!("[livekit]\n{more}")), &[]), name, wanted);
    }
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_name() {
    for (variable, value, key, near) in [
        ("ROOMKEY__LIVEKIT__TLL", "5m", "livekit.tll", "livekit.ttl"),
        ("ROOMKEY__LIVKIT__TTL", "5m", "livkit", "livekit"),
        ("ROOMKEY__SERVER__LISTN", "127.0.0.1:0", "server.listn", "server.listen"),
        ("ROOMKEY__CORS__ALLOWED_ORIGINS", "*", "cors.allowed_origins", "file"),
        ("ROOMKEY__SERVER__TRUSTED_PROXIES", "10.0.0.0/8", "server.trusted_proxies", "file"),
        ("ROOMKEY__AUTHENTICATE", "jwt", "authenticate", "_env"),
        ("ROOMKEY__AUTHENTICATE__0__SECRET", "CANARY", "authenticate", "_env"),
        ("ROOMKEY__AUTHORIZE__0__RULES__0__ROLE", "host", "authorize", "_env"),
        ("ROOMKEY__LIVEKIT__CLIENT_MAY_SET__AGENTS", "*", "livekit.client_may_set.agents", "file"),
        ("ROOMKEY__LIVEKIT", "x", "livekit", "table"),
        ("ROOMKEY__LIVEKIT__API_SECRET__X", "CANARY", "livekit.api_secret", "string"),
        ("ROOMKEY__", "x", "ROOMKEY__", "ROOMKEY__LIVEKIT__TTL"),
        ("ROOMKEY____TTL", "x", "ROOMKEY____TTL", "ROOMKEY__LIVEKIT__TTL"),
        ("ROOMKEY__CORS__ALLOW_CREDENTIALS", "yes", "cors.allow_credentials", "`true`"),
        ("ROOMKEY__SERVER__MAX_CONNECTIONS", "many", "server.max_connections", "whole number"),
        ("PORT", "http", "server.listen", "number"),
        ("PORT", "65536", "server.listen", "number"),
        ("PORT", "-1", "server.listen", "number"),
        ("LIVEBLOCKS_SECRET_KEY", "CANARY", "liveblocks.secret_key", "sk_"),
        ("ROOMKEY_JWT_AUDIENSE", "rtc", "ROOMKEY_JWT_AUDIENSE", "ROOMKEY_JWT_AUDIENCE"),
        ("ROOMKEY_JWT_ISSUR", "x", "ROOMKEY_JWT_ISSUR", "ROOMKEY_JWT_ISSUER"),
        ("ROOMKEY_JWT_", "x", "ROOMKEY_JWT_", "unknown variable"),
        ("ROOMKEY_SIGNING_SECRET_FILE", "x", "ROOMKEY_SIGNING_SECRET_FILE", "signs nothing"),
        ("ROOMKEY__LIVEKIT__TTL", "\u{fffd}", "livekit.ttl", "duration"),
        ("ROOMKEY_JWT_JWKS_URL", "https://x", "ROOMKEY_JWT_JWKS_URL", "[[authenticate]]"),
        ("ROOMKEY_SESSION_URL", "https://x", "ROOMKEY_SESSION_URL", "[[auth"),
        ("ROOMKEY_CALLBACK_URL", "https://x", "ROOMKEY_CALLBACK_URL", "[[authorize]]"),
        ("ROOMKEY_JWT_SECRET", "app-secret-CANARY-0123456789abcdefghijkl", "ROOMKEY_JWT_SECRET", "[[authenticate]]"),
        ("ROOMKEY_JWT_ISSUER", "x", "ROOMKEY_JWT_ISSUER", "[[authenticate]]"),
        ("ROOMKEY_API_KEY", "rk_a_CANARY7890123456789012345678901234567890123", "ROOMKEY_API_KEY", "[[auth"),
        ("ROOMKEY_RULES", "** viewer", "ROOMKEY_RULES", "[[authorize]]"),
    ] {
        let said = check(&usual(), &[(variable, value)]);
        refused(&said, variable, key);
        let from = |line: &str| line.contains(&format!("environment variable {variable}")) && line.contains(near);
        assert!(said.err.lines().any(from), "{variable}: {}", said.err);
    }
}

#[test]
fn short_forms_say_what_is_wrong_with_them() {
    let livekit = [HEAD, LIVEKIT].concat();
    let jwt = ("ROOMKEY_JWT_SECRET", "app-secret-CANARY-0123456789abcdefghijkl");
    for (name, environment, key) in [
        ("a rule of one word", vec![jwt, ("ROOMKEY_RULES", "lobby")], "ROOMKEY_RULES"),
        ("a rule of three", vec![jwt, ("ROOMKEY_RULES", "lobby viewer host")], "ROOMKEY_RULES"),
        ("no rule", vec![jwt, ("ROOMKEY_RULES", ";\n")], "authorize[0].rules"),
        ("an unknown role", vec![jwt, ("ROOMKEY_RULES", "lobby vewer")], "authorize[0].rules[0].role"),
        ("a bad pattern", vec![jwt, ("ROOMKEY_RULES", "{a viewer")], "authorize[0].rules[0].room"),
        ("no key", vec![("ROOMKEY_API_KEY", "CANARY"), ("ROOMKEY_RULES", "** viewer")], "ROOMKEY_API_KEY"),
        ("a key and its file", vec![("ROOMKEY_API_KEY", "x"), ("ROOMKEY_API_KEY_FILE", "y")], "ROOMKEY_API_KEY_FILE"),
        ("no key's file", vec![("ROOMKEY_API_KEY_FILE", "nowhere")], "ROOMKEY_API_KEY_FILE"),
        (
            "a secret and its file",
            vec![jwt, ("ROOMKEY_JWT_SECRET_FILE", "app.pem"), ("ROOMKEY_RULES", "** viewer")],
            "authenticate[0].secret_file",
        ),
        (
            "a shared key for anyone",
            vec![("ROOMKEY_JWT_PUBLIC_KEY_FILE", "app.pem"), ("ROOMKEY_RULES", "** viewer")],
            "authenticate[0].public_key_file",
        ),
        (
            "no audience",
            vec![jwt, ("ROOMKEY_JWT_AUDIENCE", ""), ("ROOMKEY_RULES", "** viewer")],
            "authenticate[0].audience",
        ),
        (
            "an empty audience",
            vec![jwt, ("ROOMKEY_JWT_AUDIENCE", "a,,b"), ("ROOMKEY_RULES", "** viewer")],
            "authenticate[0].audience",
        ),
        ("only an issuer", vec![("ROOMKEY_JWT_ISSUER", "x"), ("ROOMKEY_RULES", "** viewer")], "authenticate[0].issuer"),
        ("who asks is missing", vec![("ROOMKEY_RULES", "** viewer")], "authenticate"),
        ("who may is missing", vec![jwt], "authorize"),
    ] {
        refused(&check(&livekit, &environment), name, key);
    }
}

#[test]
fn the_environment_alone_makes_a_sidecar() {
    let secret = "app-secret-CANARY-0123456789abcdefghijkl";
    let environment = [
        ("LIVEKIT_URL", "wss://rtc.example.com"),
        ("LIVEKIT_KEYS", "APItest: lk-secret-CANARY-0123456789abcdefghijklm"),
        ("ROOMKEY_JWT_SECRET", secret),
        ("ROOMKEY_JWT_ISSUER", "https://id.example"),
        ("ROOMKEY_JWT_AUDIENCE", "x, rtc"),
        ("ROOMKEY_JWT_COOKIE", "session"),
        ("ROOMKEY_RULES", "org:{org}:** participant; lobby viewer\n\n;me:{id} host"),
        ("ROOMKEY__SERVER__LISTEN", "127.0.0.1:1"),
        ("PORT", "0"),
        ("ROOMKEY__ADMIN__LISTEN", "127.0.0.1:0"),
        ("HOME", "/"),
    ];
    let server = Server::spawn(folder(), &["serve"], &environment);
    let claims =
        serde_json::json!({"iss": "https://id.example", "aud": "rtc", "sub": "dan", "org": "acme", "exp": now() + 60});
    let token = hs256(secret, &claims);
    for (room, publishes, admin) in
        [("org:acme:x", true, Value::Null), ("lobby", false, Value::Null), ("me:dan", true, true.into())]
    {
        let video = server.claims(&token, serde_json::json!({"room": room}))["video"].clone();
        assert_eq!((&video["canPublish"], &video["roomAdmin"]), (&publishes.into(), &admin), "{room}");
    }
    for room in ["org:other:x", "lobby2", "me:alice", "x"] {
        server.token(&token, serde_json::json!({"room": room})).refused(403, "forbidden");
    }
    server.token(&as_alice(), r#"{"room":"lobby"}"#).refused(401, "unauthenticated");
}

#[test]
fn good_configurations_start() {
    let p256 = JWT.replace("app.pem", "p256.pem").replace("cookie", "algorithms = [\"ES256\"]\ncookie");
    let keys = LIVEKIT
        .replace(API_SECRET_LINE, "")
        .replace("api_key = \"APItest\"", "keys = \"APItest: lk-secret-CANARY-0123456789abcdefghijklm\"");
    for (name, config) in [
        ("the usual", usual()),
        ("an IPv6 range", usual().replace("[admin]", "trusted_proxies = [\"fd00::/8\", \"10.1.2.3\"]\n[admin]")),
        ("P-256", [HEAD, LIVEKIT, &p256, RULES].concat()),
        ("a list of keys", [HEAD, &keys, JWT, RULES].concat()),
        ("guests last", [HEAD, LIVEKIT, JWT, "[[authenticate]]\nkind = \"guest\"\n", RULES].concat()),
        ("a denial", usual() + "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", deny = true }]\n"),
        (
            "a role of one's own",
            usual() + "[roles.x.livekit]\nmetadata = { a = \"{name}\" }\nattributes = { b = \"{{{id}}}\" }\n",
        ),
        ("ttl of a bare number", usual().replace("[livekit]", "[livekit]\nttl = 120")),
        ("everyone's page, without credentials", usual().replace("https://app.example.com", "*")),
    ] {
        let said = check(&config, &[]);
        assert_eq!((said.code, said.out.trim_end()), (Some(0), "the configuration is good"), "{name}: {}", said.err);
        drop(Server::start(&config));
    }
    for (setting, more) in [
        ("roles.x.livekit.room_admin", "[roles.x.livekit]\nroom_admin = true\n"),
        ("roles.x.livekit.room_create", "[roles.x.livekit]\nroom_create = true\n"),
        ("roles.x.livekit.room_list", "[roles.x.livekit]\nroom_list = true\n"),
        ("roles.x.livekit.room_record", "[roles.x.livekit]\nroom_record = true\n"),
        ("roles.x.livekit.ingress_admin", "[roles.x.livekit]\ningress_admin = true\n"),
        ("roles.x.livekit.agent", "[roles.x.livekit]\nagent = true\n"),
        ("roles.x.livekit.sip", "[roles.x.livekit]\nsip = { admin = true }\n"),
        ("roles.x.livekit.hidden", "[roles.x.livekit]\nhidden = true\ncan_publish = true\n"),
        ("roles.x.livekit.can_publish_sources", "[roles.x.livekit]\ncan_publish_sources = []\n"),
        ("roles.x.livekit.ttl", "[roles.x.livekit]\nttl = \"61m\"\n"),
    ] {
        let said = check(&(usual() + more), &[]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(
            said.err.lines().any(|line| line.starts_with("warning: ") && line.contains(setting)),
            "{setting}: {}",
            said.err
        );
    }
}

#[test]
fn a_variable_that_is_no_text_is_not_overlooked() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder();
    fs::write(folder.path().join("roomkey.toml"), usual()).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_roomkey"));
    command.args(["check", "--config", "roomkey.toml"]).current_dir(folder.path()).env_clear();
    let output = command.env("ROOMKEY__LIVEKIT__TTL", OsStr::from_bytes(b"5m\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("livekit.ttl: "));
}
