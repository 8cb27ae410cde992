//! From a permit to its token, and the decision before it, each without the rest of a request.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use roomkey::ask::{Action, Ask, OnBehalf, Requested, Resource};
use roomkey::authenticate::Caller;
use roomkey::authorize::{Permit, Refusal};
use roomkey::bench::{Steps, caller};
use roomkey::name::RoomName;
use roomkey::{Config, Purpose, Sources};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SECRET: &str = "0NyAFuTrHUxPsJKxCKTNs1hFLKh1hsC1Wj7lhUE3m7e";
const ROOM: &str = "org:acme:team-7:standup";
const NOW: i64 = 1_800_000_000;

/// A role that fills in everything a role can.
const RICH_ROLE: &str = r#"[roles.rich.livekit]
can_subscribe = true
can_publish = true
can_publish_sources = ["camera", "microphone"]
metadata = { user = "{id}", org = "{org}" }
attributes = { org = "{org}", badge = "{plan} of {org}", plan = "{plan}" }
room_config = { empty_timeout = 60, agents = [{ agent_name = "notes", metadata = "{org}" }] }
[roles.rich.liveblocks]
permissions = ["room:write", "room:presence:write", "comments:write", "feeds:read"]
"#;

/// What the rich role's rule opens beside the requested document.
const FURTHER_DOCUMENTS: &str = r#"liveblocks_rooms = [
    "plan:{plan}:*", { room = "public:*", permissions = ["room:read"] }, "user:{id}:*",
]
"#;

type Failure = Box<dyn Error>;

/// A token's claims in the order that Roomkey writes them, ready to be signed.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Claims {
    iss: String,
    sub: String,
    nbf: i64,
    exp: i64,
    name: String,
    video: Video,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_config: Option<Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "so has the claim")]
struct Video {
    room_join: bool,
    can_publish: bool,
    can_subscribe: bool,
    can_publish_data: bool,
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    can_publish_sources: Option<Vec<String>>,
}

/// A Liveblocks token's, likewise; the maps' order is Roomkey's by the names that were chosen.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LiveblocksClaims {
    k: String,
    pid: String,
    uid: String,
    perms: BTreeMap<String, Vec<String>>,
    ui: BTreeMap<String, String>,
    iat: i64,
    exp: i64,
    jti: String,
}

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args().warm_up_time(Duration::from_secs(1));
    tokens(&mut criterion)?;
    liveblocks_tokens(&mut criterion)?;
    decisions(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn tokens(criterion: &mut Criterion) -> Result<(), Failure> {
    for role in ["participant", "rich"] {
        let steps = steps(&rule("org:{org}:**", role))?;
        let permit = decide(&steps, alice(), ask()?).map_err(|refusal| format!("{refusal:?}"))?;
        let issue = || steps.token(black_box(&permit), NOW);
        against_encode::<Claims>(criterion, role, issue)?;
    }
    Ok(())
}

/// The form in which Roomkey signs.
fn liveblocks_tokens(criterion: &mut Criterion) -> Result<(), Failure> {
    for (role, further) in [("participant", ""), ("rich", FURTHER_DOCUMENTS)] {
        let steps = steps(&(rule("org:{org}:**", role) + further))?;
        let room = Resource::Room(RoomName::liveblocks(ROOM)?);
        let ask = Ask { action: Action::LiveblocksEnter, resource: room, ..ask()? };
        let permit = decide(&steps, alice(), ask).map_err(|refusal| format!("{refusal:?}"))?;
        let issue = || at_once(steps.liveblocks_token(black_box(&permit), NOW));
        against_encode::<LiveblocksClaims>(criterion, &format!("Liveblocks, {role}"), issue)?;
    }
    Ok(())
}

/// What gives a token, and `encode` of the claims that it gave.
fn against_encode<C: DeserializeOwned + Serialize>(
    criterion: &mut Criterion,
    what: &str,
    issue: impl Fn() -> Option<String>,
) -> Result<(), Failure> {
    let token = issue().ok_or("no token")?;
    let payload = token.split('.').nth(1).ok_or("no payload")?;
    let claims: C = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let header = Header::new(Algorithm::HS256);
    // The very same claims: not a byte of the two tokens differs.
    assert_eq!(token, encode(&header, &claims, &key)?);

    let issue = || drop(black_box(issue()));
    let floor = || drop(black_box(encode(black_box(&header), black_box(&claims), &key)));
    let mut group = criterion.benchmark_group(format!("token of {} bytes, {what}", token.len()));
    group.bench_function("permit to token", |bencher| bencher.iter(issue));
    group.bench_function("jsonwebtoken::encode", |bencher| bencher.iter(floor));
    group.finish();
    let [low, median, high] = ratio(issue, floor);
    println!("permit to token / jsonwebtoken::encode, {what}: {median:.2} ({low:.2} to {high:.2})\n");
    Ok(())
}

/// Rules of every form none of which matches, then one that does.
fn decisions(criterion: &mut Criterion) -> Result<(), Failure> {
    let mut group = criterion.benchmark_group("decision at the last rule");
    for count in [1, 100, 10_000] {
        let mut rules = String::new();
        for index in 1..count {
            let pattern = match index % 4 {
                0 => format!("org:other-{index}:**"),
                1 => format!("org:{{org}}:room-{index}"),
                2 => format!("org:*:desk-{index}:*"),
                _ => format!("org:{{org}}:{{team}}:{index}:**"),
            };
            rules += &rule(&pattern, "viewer");
        }
        rules += &rule("org:{org}:team-7:*", "participant");
        let since = Instant::now();
        let steps = steps(&rules)?;
        println!("{count} rules were read in {:.1?}", since.elapsed());
        let (caller, ask) = (alice(), ask()?);
        let permit = decide(&steps, caller.clone(), ask.clone()).map_err(|refusal| format!("{refusal:?}"))?;
        assert_eq!(permit.role().name(), "participant");

        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_batched(
                || (caller.clone(), ask.clone()),
                |(caller, ask)| decide(&steps, caller, ask),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    Ok(())
}

/// Times both by turns, so that noise meets both; gives the 10th, 50th and 90th percentile of the ratios.
fn ratio(first: impl Fn(), second: impl Fn()) -> [f64; 3] {
    let time = |work: &dyn Fn()| {
        let since = Instant::now();
        (0..500).for_each(|_| work());
        since.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<_> = (0..501).map(|_| time(&first) / time(&second)).collect();
    ratios.sort_by(f64::total_cmp);
    [50, 250, 450].map(|at| ratios[at])
}

fn steps(rules: &str) -> Result<Steps, Failure> {
    let text = format!(
        r#"
[livekit]
url = "wss://calls.example.com"
api_key = "APIbenchmark"
api_secret = "{SECRET}"
[liveblocks]
signing_secret = "{SECRET}"
{RICH_ROLE}
[[authenticate]]
kind = "jwt"
secret = "{SECRET}"
[[authorize]]
kind = "rules"
{rules}"#
    );
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    let sources = Sources { files: vec![file.path().to_owned()], ..Sources::default() };
    let config = Config::load(&sources, Purpose::Serve).map_err(|problems| format!("{problems:?}"))?;
    Steps::new(&config).ok_or_else(|| "TLS cannot be set up".into())
}

fn rule(room: &str, role: &str) -> String {
    format!("[[authorize.rules]]\nroom = \"{room}\"\nrole = \"{role}\"\n")
}

fn alice() -> Caller {
    let claims = json!({
        "iss": "https://id.example.com", "aud": "calls", "sub": "user-4711", "id": "user-4711", "iat": NOW, "exp": NOW + 300,
        "name": "Alice Example", "email": "alice@example.com", "org": "acme", "team": ["team-3", "team-7"], "plan": "pro",
    });
    caller("user-4711", claims.as_object().cloned().unwrap_or_default().into())
}

fn ask() -> Result<Ask, Failure> {
    Ok(Ask {
        action: Action::LiveKitJoin,
        resource: Resource::Room(RoomName::livekit(ROOM)?),
        requested: Requested::default(),
        on_behalf: OnBehalf::default(),
    })
}

fn decide(steps: &Steps, caller: Caller, ask: Ask) -> Result<Permit, Refusal> {
    at_once(steps.engine().rehearse(caller, ask, &roomkey::ask::Context::default()))
}

/// Rules wait for nothing, and neither does a signature, so that one poll is enough.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("there is nothing to wait for"),
    }
}
