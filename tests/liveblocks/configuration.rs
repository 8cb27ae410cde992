//! `[liveblocks]`: what is refused at start, and where it may come from.

use serde_json::json;

use crate::support::{OPEN, Ran, Roomkey, Upstream, bearer, cloud, form, run, user};

const SIGNING: &str = "0123456789abcdef0123456789abcdef";

fn start(liveblocks: &str, environment: &[(&str, &str)]) -> Ran {
    run(&["serve", "--config", "roomkey.toml"], &form(liveblocks, OPEN), environment)
}

#[test]
fn one_form_and_no_other() {
    start(&format!("secret_key = \"sk_a\"\nsigning_secret = \"{SIGNING}\""), &[])
        .refused("liveblocks.signing_secret", "secret_key");
    let file = format!("signing_secret = \"{SIGNING}\"");
    start(&file, &[("LIVEBLOCKS_SECRET_KEY", "sk_a")]).refused("liveblocks.signing_secret", "secret_key");
    start("secret_key = \"sk_a\"\nsecret_key_env = \"KEY\"", &[("KEY", "sk_b")]).refused("liveblocks.secret_key", "");
    start("secret_key = \"sk_a\"\nsecret_key_file = \"key\"", &[]).refused("liveblocks.secret_key", "");
}

#[test]
fn a_secret_key_has_its_form() {
    for wrong in
        ["", "sk_", "pk_abc", "sk_ab c", "sk_a\\n", " sk_a", "sk_a ", "SK_a", "sk_é", "sk_a.b", "sk_a/b", "abc"]
    {
        start(&format!("secret_key = \"{wrong}\""), &[]).refused("liveblocks.secret_key", "sk_");
    }
    for environment in [[("LIVEBLOCKS_SECRET_KEY", "pk_abc")], [("ROOMKEY__LIVEBLOCKS__SECRET_KEY", "pk_abc")]] {
        let ran = start("", &environment);
        ran.refused("liveblocks.secret_key", "sk_");
        assert!(ran.stderr.contains(environment[0].0), "it says which variable: {ran:?}");
    }
}

#[test]
fn values_have_their_bounds() {
    let with = |more: &str| start(&format!("secret_key = \"sk_a\"\n{more}"), &[]);
    for url in ["ftp://x", "x", "", "//x", "api.liveblocks.io", "ws://x", "http://", "https://", "http://a b"] {
        with(&format!("base_url = \"{url}\"")).refused("liveblocks.base_url", "");
    }
    for timeout in ["\"0s\"", "\"99ms\"", "\"61s\"", "\"soon\"", "-1", "[]"] {
        with(&format!("timeout = {timeout}")).refused("liveblocks.timeout", "");
    }
    for count in ["0", "-1", "10001", "\"many\"", "1.5"] {
        with(&format!("max_in_flight = {count}")).refused("liveblocks.max_in_flight", "");
    }
    for token in ["\"ID\"", "\"\"", "\"both\"", "5"] {
        with(&format!("token = {token}")).refused("liveblocks.token", "");
    }
    with("user_info = [\"name\"]").refused("liveblocks.user_info", "");
    with("user_info = { name = 5 }").refused("liveblocks.user_info", "");
    with("organisation_id = \"org\"").refused("liveblocks.organisation_id", "organization_id");
    with("secret = \"x\"").refused("liveblocks.secret", "");
    // all of it at once
    let ran = with("timeout = \"0s\"\nmax_in_flight = 0\ntoken = \"x\"\nbase_url = \"x\"\nnonsense = 1");
    for setting in ["timeout", "max_in_flight", "token", "base_url", "nonsense"] {
        ran.refused(&format!("liveblocks.{setting}"), "");
    }
    // also without a key
    start("token = \"x\"", &[]).refused("liveblocks.token", "");
}

#[test]
fn a_rule_reaches_only_what_its_role_has() {
    let rule = |rule: &str| {
        format!("[roles.call.livekit]\ncan_subscribe = true\n[[authorize]]\nkind = \"rules\"\nrules = [{{ {rule} }}]")
    };
    let start = |rules: &str| run(&["serve", "--config", "roomkey.toml"], &cloud("http://127.0.0.1:9", "", rules), &[]);
    start(&rule(r#"room = "**", role = "call""#)).refused("authorize[0].rules[0].role", "[roles.call.liveblocks]");
    start(&rule(r#"no_room = true, role = "call", liveblocks_rooms = ["a"]"#))
        .refused("authorize[0].rules[0].role", "liveblocks");
    let roomkey =
        Roomkey::serve(&cloud("http://127.0.0.1:9", "", &rule(r#"room = "**", provider = "livekit", role = "call""#)));
    roomkey.enter(&user("u"), "r").is(403, "forbidden");
}

#[test]
fn the_ecosystems_names_work_as_they_are() {
    let upstream = Upstream::good();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk_from_file\n").unwrap();
    let file = file.to_str().unwrap();
    let base = format!("base_url = \"{}\"", upstream.url());
    for (environment, key) in [
        (vec![("LIVEBLOCKS_SECRET_KEY", "sk_from_env")], "sk_from_env"),
        (vec![("LIVEBLOCKS_SECRET_KEY_FILE", file)], "sk_from_file"),
        (vec![("ROOMKEY__LIVEBLOCKS__SECRET_KEY", "sk_path")], "sk_path"),
        (vec![("ROOMKEY__LIVEBLOCKS__SECRET_KEY_FILE", file)], "sk_from_file"),
        (vec![("ROOMKEY__LIVEBLOCKS__SECRET_KEY_ENV", "OTHER"), ("OTHER", "sk_other")], "sk_other"),
    ] {
        // the environment is over the file, whichever twin either uses
        for in_file in ["", "secret_key = \"sk_in_toml\"", "secret_key_env = \"NOWHERE\""] {
            let roomkey = Roomkey::serve_with(&form(&format!("{base}\n{in_file}"), OPEN), &environment);
            roomkey.enter(&user("u"), "r").token();
            assert_eq!(upstream.last().header("authorization"), Some(&*format!("Bearer {key}")));
        }
    }
    for environment in [
        [("LIVEBLOCKS_SECRET_KEY", "sk_a"), ("ROOMKEY__LIVEBLOCKS__SECRET_KEY", "sk_a")],
        [("LIVEBLOCKS_SECRET_KEY", "sk_a"), ("LIVEBLOCKS_SECRET_KEY_FILE", file)],
        [("LIVEBLOCKS_SECRET_KEY_FILE", file), ("ROOMKEY__LIVEBLOCKS__SECRET_KEY_FILE", file)],
        [("LIVEBLOCKS_SECRET_KEY", "sk_a"), ("ROOMKEY__LIVEBLOCKS__SECRET_KEY_FILE", file)],
    ] {
        let ran = start("", &environment);
        ran.refused("liveblocks.secret_key", "");
        assert!(!ran.stderr.contains("sk_a"), "{ran:?}");
    }
    start("", &[("LIVEBLOCKS_SECRET_KEY_FILE", "/no/such/file")]).refused("liveblocks.secret_key", "");
}

/// Environment alone is enough.
#[test]
fn a_sidecar_needs_no_file() {
    let upstream = Upstream::good();
    let environment = [
        ("ROOMKEY__SERVER__LISTEN", "127.0.0.1:0"),
        ("ROOMKEY__ADMIN__LISTEN", "127.0.0.1:0"),
        ("LIVEBLOCKS_SECRET_KEY", "sk_sidecar"),
        ("ROOMKEY__LIVEBLOCKS__BASE_URL", &upstream.url()),
        ("ROOMKEY_JWT_SECRET", crate::support::APP_SECRET),
        ("ROOMKEY_RULES", "org:{org}:** participant; lobby viewer"),
    ];
    let roomkey = Roomkey::start(&["serve"], "", &environment);
    roomkey.enter(&bearer(json!({"sub": "u", "org": "acme"})), "org:acme:x").token();
    assert_eq!(upstream.last().header("authorization"), Some("Bearer sk_sidecar"));
    roomkey.enter(&user("u"), "lobby").token();
    roomkey.enter(&user("u"), "org:acme:x").is(403, "forbidden");
    roomkey.must_say(&["POST /livekit/token is off"]);
}

#[test]
fn without_a_key_the_route_is_off_and_start_up_says_so() {
    let config = format!(
        "[livekit]\nurl = \"wss://x.example\"\napi_key = \"k\"\napi_secret = \"{}\"\n{}",
        "s".repeat(40),
        form("", OPEN)
    );
    let roomkey = Roomkey::serve(&config);
    roomkey.must_say(&["POST /api/liveblocks-auth is off", "secret_key"]);
    roomkey.enter(&user("u"), "r").is(404, "not_found");
    let nothing = run(&["serve", "--config", "roomkey.toml"], &form("", OPEN), &[]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(nothing.stderr.contains("liveblocks.secret_key"), "{nothing:?}");
}
