//! What a decision costs by each authorizer, side by side, and what a callback adds to the call that it makes.
//!
//! All are asked by turns, so that noise meets all. A backend is a thread here that answers at once; SQLite is a file; a
//! PostgreSQL takes part if `ROOMKEY_TEST_POSTGRES` names one (see tests/postgres.sh).
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "support/answering.rs"]
mod answering;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use roomkey::ask::{Action, Ask, Context, OnBehalf, Requested, Resource};
use roomkey::authenticate::Caller;
use roomkey::bench::{Steps, caller, caller_as};
use roomkey::name::RoomName;
use roomkey::{Config, Purpose, Sources};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const SECRET: &str = "0NyAFuTrHUxPsJKxCKTNs1hFLKh1hsC1Wj7lhUE3m7e";
const ROOM: &str = "org:acme:team-7:standup";
const ROUNDS: usize = 31;
const ROUND: Duration = Duration::from_millis(60);
const MEMBERS: &str = "create table members (user_id text, room text, role text); \
                       create unique index by_user on members (user_id, room);";
const QUERY: &str = "select role from members where user_id = :user and room = :room";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    if std::env::args().any(|argument| argument == "--bench") {
        Runtime::new()?.block_on(measure())
    } else {
        println!("to measure: cargo bench --features bench --bench authorizers");
        Ok(())
    }
}

/// One way to decide.
struct Contender {
    name: &'static str,
    steps: Steps,
    caller: Caller,
    /// Microseconds for each decision, by round.
    rounds: Vec<f64>,
}

async fn measure() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let question = Arc::new(OnceLock::new());
    let yes = json!({"decision": true, "context": {"role": "participant"}});
    let backend = answering::start(&yes, Duration::ZERO, question.clone())?;
    let callback = format!(
        "kind = \"callback\"\nurl = \"http://{backend}/roomkey\"\nsigning_secret = \"whsec_Q0FOQVJZLXNpZ25pbmctc2VjcmV0LTAxMjM0NTY=\"\n"
    );
    let rule =
        |room: &str, more: &str| format!("[[authorize.rules]]\nroom = \"{room}\"\nrole = \"participant\"\n{more}");
    let rules = |rules: &str| format!("kind = \"rules\"\n{rules}");
    let others: String = (0..9_999).map(|n| rule(&format!("org:{{org}}:room-{n}:*"), "")).collect();
    let mut contenders = vec![
        contender("rules: one", &rules(&rule("org:{org}:**", "")), folder.path())?,
        contender("rules: the last of 10 000", &rules(&(others + &rule("org:{org}:**", ""))), folder.path())?,
        contender(
            "rules: one, with `when`",
            &rules(&rule("org:{org}:**", "when = 'room.segments[1] == claims.org'\n")),
            folder.path(),
        )?,
        Contender {
            caller: caller_as("user-4711", claims(), "participant"),
            ..contender("credential", "kind = \"credential\"\n", folder.path())?
        },
        contender("sql: SQLite", &sqlite(&folder.path().join("app.db"))?, folder.path())?,
        contender("callback, from its cache", &format!("{callback}cache = \"30s\"\n"), folder.path())?,
        contender("callback", &callback, folder.path())?,
    ];
    if let Some(url) = postgres().await? {
        let sql =
            format!("kind = \"sql\"\nurl = \"{url}\"\nquery = \"{}\"\n", QUERY.replace("members", "bench_members"));
        contenders.push(contender("sql: PostgreSQL", &sql, folder.path())?);
    }
    for contender in &mut contenders {
        contender.round().await?;
        contender.rounds.clear();
    }
    let question = question.get().ok_or("the backend was not asked")?;
    let mut bare = Bare::to(backend, question).await?;
    let mut calls = Vec::new();
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            contender.round().await?;
        }
        calls.push(bare.round().await?);
    }
    println!("\none decision, µs: median of {ROUNDS} rounds (10th to 90th percentile)");
    for Contender { name, rounds, .. } in &contenders {
        println!("{name:>28}  {}", spread(rounds.clone()));
    }
    println!("{:>28}  {}", "the callback's bare call", spread(calls.clone()));
    let callback = contenders.iter().find(|contender| contender.name == "callback").ok_or("no callback")?;
    println!(
        "{:>28}  {}",
        "added to it",
        spread(callback.rounds.iter().zip(&calls).map(|(all, call)| all - call).collect())
    );
    Ok(())
}

fn contender(name: &'static str, authorizer: &str, folder: &Path) -> Result<Contender, Failure> {
    let text = format!(
        "[livekit]\nurl = \"wss://calls.example.com\"\napi_key = \"APIbenchmark\"\napi_secret = \"{SECRET}\"\n\
         [[authenticate]]\nkind = \"jwt\"\nsecret = \"{SECRET}\"\n[[authorize]]\n{authorizer}"
    );
    let file = folder.join("roomkey.toml");
    std::fs::write(&file, text)?;
    let sources = Sources { files: vec![file], ..Sources::default() };
    let config = Config::load(&sources, Purpose::Serve).map_err(|problems| format!("{name}: {problems:?}"))?;
    let steps = Steps::new(&config).ok_or("it cannot be built")?;
    Ok(Contender { name, steps, caller: caller("user-4711", claims()), rounds: Vec::new() })
}

impl Contender {
    async fn round(&mut self) -> Result<(), Failure> {
        let (since, context, ask) = (Instant::now(), Context::default(), ask()?);
        let mut decisions = 0;
        while since.elapsed() < ROUND {
            for _ in 0..8 {
                let permit = self.steps.engine().rehearse(self.caller.clone(), ask.clone(), &context).await;
                let permit = permit.map_err(|refusal| format!("{}: {refusal:?}", self.name))?;
                if permit.role().name() != "participant" {
                    return Err(format!("{}: {}", self.name, permit.role().name()).into());
                }
            }
            decisions += 8;
        }
        self.rounds.push(since.elapsed().as_secs_f64() * 1e6 / f64::from(decisions));
        Ok(())
    }
}

/// The call that a callback makes, with the very bytes, and nothing around it.
struct Bare {
    stream: TcpStream,
    question: Vec<u8>,
    /// As long as every answer.
    answer: Vec<u8>,
}

impl Bare {
    async fn to(address: SocketAddr, question: &[u8]) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(question).await?;
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await?;
        answer.truncate(length);
        Ok(Self { stream, question: question.to_owned(), answer })
    }

    async fn round(&mut self) -> Result<f64, Failure> {
        let since = Instant::now();
        let mut calls = 0;
        while since.elapsed() < ROUND {
            self.stream.write_all(&self.question).await?;
            self.stream.read_exact(&mut self.answer).await?;
            calls += 1;
        }
        Ok(since.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
    }
}

/// A file with many members, and the authorizer over it.
fn sqlite(file: &Path) -> Result<String, Failure> {
    let mut database = rusqlite::Connection::open(file)?;
    database.execute_batch(MEMBERS)?;
    let filling = database.transaction()?;
    for user in 0..10_000 {
        filling.execute("insert into members values (?1, ?2, 'participant')", (format!("user-{user}"), ROOM))?;
    }
    filling.commit()?;
    Ok(format!("kind = \"sql\"\nurl = \"sqlite:{}\"\nquery = \"{QUERY}\"\n", file.display()))
}

/// A server with the same members, if there is one.
#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration")]
async fn postgres() -> Result<Option<String>, Failure> {
    let Ok(url) = std::env::var("ROOMKEY_TEST_POSTGRES") else { return Ok(None) };
    let (client, connection) = url.parse::<tokio_postgres::Config>()?.connect(tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let fill = format!(
        "drop table if exists bench_members; {} insert into bench_members select 'user-' || n, '{ROOM}', 'participant' from generate_series(0, 9999) n; analyze bench_members",
        MEMBERS.replace("members", "bench_members").replace("by_user", "bench_by_user")
    );
    client.batch_execute(&fill).await?;
    drop(client);
    connection.await??;
    Ok(Some(url))
}

fn claims() -> roomkey::claims::Claims {
    let claims = json!({
        "iss": "https://id.example.com", "aud": "calls", "sub": "user-4711", "id": "user-4711", "iat": 1_800_000_000,
        "exp": 1_800_000_300, "name": "Alice Example", "email": "alice@example.com", "org": "acme", "plan": "pro",
    });
    claims.as_object().cloned().unwrap_or_default().into()
}

fn ask() -> Result<Ask, Failure> {
    let resource = Resource::Room(RoomName::livekit(ROOM)?);
    Ok(Ask { action: Action::LiveKitJoin, resource, requested: Requested::default(), on_behalf: OnBehalf::default() })
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |tenths: usize| values[(values.len() - 1) * tenths / 10];
    format!("{:>9.2} ({:.2} to {:.2})", at(5), at(1), at(9))
}
