//! What all tests share: configurations from JSON, callers' bearers, requests
//! through the router, and tokens read back.
//!
//! Signing and verifying are written out here by hand, so that no test believes
//! the library that it tests.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use roomkey::clock::FixedClock;
use roomkey::{Builder, Config, Problem, Purpose, Roomkey, Sources};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

/// When the vectors were made: 2026-01-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_767_225_600;
/// The vectors' key.
pub(crate) const API_KEY: &str = "APIkeyvector01";
pub(crate) const API_SECRET: &str = "secret-vector-0123456789-abcdefghij";
/// What the app signs its users' logins with.
pub(crate) const APP_SECRET: &str = "the-apps-own-secret-0123456789-abcdef";
pub(crate) const URL: &str = "wss://rtc.example.com";
/// An API key and its SHA-256.
pub(crate) const BACKEND_KEY: &str = "rk_backend_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A configuration in which everyone with a JWT enters every room as `role`.
pub(crate) fn all_as(role: &str) -> Value {
    json!({
        "livekit": {"url": URL, "api_key": API_KEY, "api_secret": API_SECRET},
        "authenticate": [{"kind": "jwt", "secret": APP_SECRET}],
        "authorize": [{"kind": "rules", "rules": [{"room": "**", "role": role}]}],
    })
}

/// As [`all_as`], with that role's LiveKit half.
pub(crate) fn with_role(livekit: &Value) -> Value {
    let mut config = all_as("tested");
    config["roles"] = json!({"tested": {"livekit": livekit}});
    config
}

/// Everything a client can set may be set.
pub(crate) fn open_client_may_set() -> Value {
    json!({"device": true, "name": true, "metadata": true, "attributes": ["*"], "agents": ["*"]})
}

/// An `[[authenticate]]` with [`BACKEND_KEY`].
pub(crate) fn backend(roles: &[&str]) -> Value {
    let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, BACKEND_KEY.as_bytes());
    let hex = sha256.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    json!({"kind": "api_key", "keys": [{"name": "backend", "sha256": hex, "scopes": ["token"], "roles": roles}]})
}

/// JSON as TOML: one line for each member, inline tables below.
pub(crate) fn toml(config: &Value) -> String {
    let mut lines = String::new();
    for (key, value) in members(config) {
        writeln!(lines, "{} = {}", string(key), inline(value)).unwrap();
    }
    lines
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{} = {}", string(key), inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

/// A JSON string is a basic string of TOML, but for U+007F.
fn string(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007F")
}

/// Reads TOML as the only file there is.
pub(crate) fn load_toml(text: &str) -> Result<Config, Vec<Problem>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources { files: vec![file.path().to_owned()], ..Sources::default() };
    Config::load(&sources, Purpose::Serve)
}

pub(crate) fn load(config: &Value) -> Result<Config, Vec<Problem>> {
    load_toml(&toml(config))
}

/// What is wrong with a configuration, as one text.
pub(crate) fn problems(config: &Value) -> String {
    let problems = load(config).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(crate) fn builder(config: &Value, now: i64) -> Builder {
    let config = load(config).unwrap_or_else(|problems| panic!("{problems:#?}"));
    Roomkey::builder(config).clock(FixedClock(now))
}

pub(crate) fn built(builder: Builder) -> Roomkey {
    builder.build().unwrap()
}

pub(crate) fn router(config: &Value, now: i64) -> Router {
    built(builder(config, now)).router()
}

/// An answer, its body read as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The token in it, in either dialect.
    pub(crate) fn token(&self) -> Option<&str> {
        ["participant_token", "token"].iter().find_map(|field| self.body[field].as_str())
    }

    /// The claims of its token, whose signature holds.
    pub(crate) fn claims(&self) -> Value {
        let token = self.token().unwrap_or_else(|| panic!("no token in {self:?}"));
        verified(token).unwrap_or_else(|| panic!("not signed with our key: {token}"))
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A request for a token.
pub(crate) fn request(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/livekit/token").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub(crate) fn send(router: &Router, request: Request<Body>) -> Answer {
    block_on(async {
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    })
}

/// Asks with a bearer.
pub(crate) fn ask(router: &Router, bearer: &str, body: &Value) -> Answer {
    send(router, request(&[("authorization", &format!("Bearer {bearer}"))], body.to_string()))
}

/// A user's login, valid for as long as there is time.
pub(crate) fn login(claims: &Value) -> String {
    let mut claims = claims.clone();
    if claims.get("exp").is_none() {
        claims["exp"] = json!(i64::MAX);
    }
    jwt(&json!({"alg": "HS256", "typ": "JWT"}), &claims, APP_SECRET)
}

pub(crate) fn jwt(header: &Value, claims: &Value, secret: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a token that our LiveKit key signed; its times are not looked
/// at.
pub(crate) fn verified(token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, API_SECRET.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    (header == json!({"alg": "HS256", "typ": "JWT"})).then_some(())?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// What livekit-server makes of a `video` grant (livekit/protocol
/// `auth/grants.go`), in the vectors' words.
pub(crate) fn permission(video: &Value) -> Value {
    let flag = |name: &str, missing: bool| video[name].as_bool().unwrap_or(missing);
    let can_publish = flag("canPublish", true);
    json!({
        "canPublish": can_publish,
        "canSubscribe": flag("canSubscribe", true),
        "canPublishData": flag("canPublishData", can_publish),
        "canPublishSources": video.get("canPublishSources").cloned().unwrap_or_else(|| json!([])),
        "canUpdateMetadata": flag("canUpdateOwnMetadata", false),
        "hidden": flag("hidden", false),
        "recorder": flag("recorder", false),
        "agent": flag("agent", false),
        "canSubscribeMetrics": flag("canSubscribeMetrics", false),
        "canManageAgentSession": flag("canManageAgentSession", false),
    })
}

/// A `video` grant: what joins, the three flags that are always written, and
/// what is on.
pub(crate) fn video(room: &str, on: &[&str]) -> Value {
    let mut video = json!({"roomJoin": true, "room": room});
    for name in ["canPublish", "canSubscribe", "canPublishData"] {
        video[name] = on.contains(&name).into();
    }
    on.iter().for_each(|name| video[*name] = true.into());
    video
}

/// Runs the command with nothing of this process' environment but `variables`.
pub(crate) fn roomkey(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomkey"));
    command.env_clear().envs(variables.iter().copied()).args(arguments).current_dir(folder.path()).output().unwrap()
}

/// The environment that is enough for `roomkey mint`.
pub(crate) const KEYS: [(&str, &str); 3] =
    [("LIVEKIT_URL", URL), ("LIVEKIT_API_KEY", API_KEY), ("LIVEKIT_API_SECRET", API_SECRET)];

/// A file of `tests/vectors`.
pub(crate) fn vectors(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The members of an object, as an iterator over borrowed pairs.
pub(crate) fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}
