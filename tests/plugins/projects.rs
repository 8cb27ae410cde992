//! Projects: a decision may send someone to another account of the vendor, with
//! keys and an address of its own.

use serde_json::json;

use crate::support::{
    AUTHORIZE, Answer, JWT, LIVEBLOCKS, LIVEBLOCKS_SECRET, LIVEKIT, LIVEKIT_SECRET, Roomkey, Upstream, claims_of,
    reply_json, run, user,
};

const EU_LIVEKIT_SECRET: &str = "CANARY-eu-livekit-secret-0123456789abcde";
const EU_LIVEBLOCKS_SECRET: &str = "CANARY-eu-liveblocks-secret-0123456789ab";

const PROJECTS: &str = r#"
[livekit.projects.eu]
url = "wss://eu.rtc.example.com"
api_key = "APIeu"
api_secret = "CANARY-eu-livekit-secret-0123456789abcde"
[liveblocks.projects.eu]
signing_secret = "CANARY-eu-liveblocks-secret-0123456789ab"
project_id = "eu"
"#;

const RULES: &str = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "eu:**"
role = "viewer"
project = "eu"
[[authorize.rules]]
room = "**"
role = "viewer"
"#;

fn config(more: &str) -> String {
    format!("{LIVEKIT}{LIVEBLOCKS}{JWT}{PROJECTS}{more}")
}

#[track_caller]
fn must_be_livekit(answer: &Answer, url: &str, key: &str, secret: &str) {
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["server_url"], url);
    let claims = claims_of(answer.json()["participant_token"].as_str().unwrap(), secret);
    assert_eq!(claims["iss"], key);
}

#[track_caller]
fn must_be_liveblocks(answer: &Answer, project: &str, secret: &str) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(claims_of(answer.json()["token"].as_str().unwrap(), secret)["pid"], project);
}

#[test]
fn a_rule_sends_to_a_project() {
    let roomkey = Roomkey::serve(&config(RULES));
    let caller = user(json!({"sub": "alice"}));
    let livekit = |room: &str| roomkey.livekit().by(&caller).body(&json!({"room_name": room})).send();
    let liveblocks = |room: &str| roomkey.liveblocks().by(&caller).body(&json!({"room": room})).send();
    must_be_livekit(&livekit("eu:standup"), "wss://eu.rtc.example.com", "APIeu", EU_LIVEKIT_SECRET);
    must_be_livekit(&livekit("standup"), "wss://rtc.example.com", "APItest", LIVEKIT_SECRET);
    must_be_liveblocks(&liveblocks("eu:standup"), "eu", EU_LIVEBLOCKS_SECRET);
    must_be_liveblocks(&liveblocks("standup"), "local", LIVEBLOCKS_SECRET);
}

#[test]
fn a_backend_sends_to_a_project_that_there_is() {
    let backend = Upstream::new();
    let roomkey = Roomkey::serve(&config(&format!("{AUTHORIZE}url = \"{}\"\n", backend.url())));
    let caller = user(json!({"sub": "alice"}));
    let say = |project: serde_json::Value| backend.answers(&json!({"decision": true, "context": {"project": project}}));
    say(json!("eu"));
    let answer = roomkey.livekit().by(&caller).send();
    must_be_livekit(&answer, "wss://eu.rtc.example.com", "APIeu", EU_LIVEKIT_SECRET);
    must_be_liveblocks(&roomkey.liveblocks().by(&caller).send(), "eu", EU_LIVEBLOCKS_SECRET);
    say(json!(null));
    must_be_livekit(&roomkey.livekit().by(&caller).send(), "wss://rtc.example.com", "APItest", LIVEKIT_SECRET);
    for unknown in [json!("us"), json!("EU"), json!(""), json!(7), json!(["eu"])] {
        say(unknown);
        roomkey.livekit().by(&caller).send().undecided();
        roomkey.liveblocks().by(&caller).send().undecided();
    }
}

#[test]
fn a_cloud_project_is_asked_with_its_own_key_where_it_is() {
    let (home, eu) = (Upstream::new(), Upstream::new());
    for cloud in [&home, &eu] {
        cloud.sends(reply_json(200, &json!({"token": "t"})));
    }
    let config = format!(
        "{JWT}[liveblocks]\nsecret_key = \"sk_home\"\nbase_url = \"{}\"\n\
         [liveblocks.projects.eu]\nsecret_key = \"sk_eu\"\nbase_url = \"{}\"\n\
         [liveblocks.projects.near]\nsecret_key = \"sk_near\"\n{RULES}\
         [[authorize]]\nkind = \"rules\"\nrules = [{{ room = \"never\", role = \"viewer\", project = \"near\" }}]\n",
        home.origin(),
        eu.origin()
    );
    let roomkey = Roomkey::serve(&config);
    let caller = user(json!({"sub": "alice"}));
    for (room, cloud, key) in [("eu:doc", &eu, "Bearer sk_eu"), ("doc", &home, "Bearer sk_home")] {
        assert_eq!(roomkey.liveblocks().by(&caller).body(&json!({"room": room})).send().status, 200);
        assert_eq!(cloud.last().header("authorization"), Some(key));
    }
    assert_eq!((home.calls(), eu.calls()), (1, 1));
}

#[test]
fn a_project_that_cannot_be_is_refused_by_its_setting() {
    let rule = |rule: &str| config(&format!("[[authorize]]\nkind = \"rules\"\nrules = [{{ {rule} }}]\n"));
    let alone = "[livekit.projects.us]\nurl = \"wss://us.example.com\"\napi_key = \"APIus\"\napi_secret = \"us-secret-0123456789-0123456789-0123456789\"\n";
    for (config, setting, why) in [
        (rule("room = \"x\", role = \"viewer\", project = \"ue\""), "authorize[0].rules[0].project", "did you mean"),
        (rule("room = \"x\", deny = true, project = \"eu\""), "authorize[0].rules[0].project", "deny"),
        (
            rule("room = \"x\", role = \"viewer\", project = \"us\"") + alone,
            "authorize[0].rules[0].project",
            "liveblocks",
        ),
        (config("[livekit.projects.a]\n") + RULES, "livekit.projects.a.api_key", "missing"),
        (
            config("[livekit.projects.a]\napi_key = \"k\"\napi_secret = \"short\"\nurl = \"wss://a.example\"\n")
                + RULES,
            "livekit.projects.a.api_secret",
            "32",
        ),
        (config("[livekit.projects.a]\nttl = \"5m\"\n") + RULES, "livekit.projects.a.ttl", "unknown"),
        (config("[liveblocks.projects.a]\n") + RULES, "liveblocks.projects.a.secret_key", "missing"),
        (config("[liveblocks.projects.a]\nsecret_key = \"pk_x\"\n") + RULES, "liveblocks.projects.a.secret_key", "sk_"),
        (config(&alone.replace("us]", "\"u s\"]")) + RULES, "livekit.projects.u s", "name"),
        (format!("{LIVEBLOCKS}{JWT}{alone}{}", RULES.replace("project = \"eu\"", "")), "livekit.projects", "[livekit]"),
    ] {
        run(&config, &[]).refused(setting, why);
    }
    let with_provider = rule("room = \"x\", role = \"viewer\", project = \"us\", provider = \"livekit\"") + alone;
    assert_eq!(run(&with_provider, &[]).code, Some(0));
    let secret = ("EU_SECRET", "CANARY-eu-livekit-secret-0123456789abcde");
    let from_env =
        config(RULES).replace(&format!("api_secret = \"{EU_LIVEKIT_SECRET}\""), "api_secret_env = \"EU_SECRET\"");
    assert_eq!(run(&from_env, &[secret]).code, Some(0));
    run(&from_env, &[]).refused("livekit.projects.eu.api_secret_env", "not set");
}
