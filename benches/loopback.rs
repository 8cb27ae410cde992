//! Whole requests over loopback: Roomkey against the same server answering the same bytes without doing the work.
//!
//! Server and client have a core each. Both servers run all the time and are asked by turns, so that noise meets both.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod support;

use std::fs;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::post;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jsonwebtoken::Algorithm;
use roomkey::serve::{self, Limits};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use support::{Failure, ROOM, Server, ask, free_address};

const STARTS: usize = 30;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 64;
const MANY_CONNECTIONS: usize = 1000;
const MANY_RULES: usize = 10_000;

const LIVEKIT: &str = r#"[livekit]
url = "wss://calls.example.com"
api_key = "APIbenchmark"
api_secret = "0NyAFuTrHUxPsJKxCKTNs1hFLKh1hsC1Wj7lhUE3m7e"
"#;

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["floor", address, answer] => floor(address, &fs::read_to_string(answer)?),
        _ if arguments.iter().any(|argument| argument == "--bench") => measure(),
        _ => {
            println!("to measure: cargo bench --bench loopback");
            Ok(())
        }
    }
}

/// The same accept loop, reading the request and giving the same answer every time.
fn floor(address: &str, answer: &str) -> Result<(), Failure> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        // hyper's own.
        if ![CONTENT_LENGTH, DATE].iter().any(|own| own == name) {
            headers.insert(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
        }
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let handler = move |_: Bytes| {
        let (headers, body) = (headers.clone(), body.clone());
        async move { (StatusCode::CREATED, headers, Body::from(body)) }
    };
    let router = Router::new().route("/livekit/token", post(handler));
    let limits = Limits {
        header_read_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(75),
        write_timeout: Duration::from_secs(8),
        max_connections: 16384,
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        serve::serve(tokio::net::TcpListener::bind(address).await?, router, limits, pending()).await;
        Ok(())
    })
}

fn measure() -> Result<(), Failure> {
    support::pin()?;
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("roomkey.toml");
    let roomkey = |algorithm, rules: &str| -> Result<Server, Failure> {
        let address = free_address()?;
        fs::write(&configuration, support::configuration(address, LIVEKIT, algorithm, rules)?)?;
        let path = configuration.to_str().ok_or("no path")?;
        Server::start(address, &[env!("CARGO_BIN_EXE_roomkey"), "serve", "--config", path])
    };

    let start = || -> Result<Duration, Failure> {
        let since = Instant::now();
        roomkey(Algorithm::HS256, "").map(|_server| since.elapsed())
    };
    let mut starts = (0..STARTS).map(|_| start()).collect::<Result<Vec<_>, Failure>>()?;
    starts.sort();
    println!("exec to first answer of /healthz: {:.1?}, at most {:.1?}", starts[STARTS / 2], starts[STARTS - 1]);

    let first = roomkey(Algorithm::HS256, "")?;
    println!("resident: {:.1} MiB when idle", first.resident()?);
    let request = request(Algorithm::HS256)?;
    let answer = ask(first.address, &request)?;
    let answer_file = folder.path().join("answer");
    fs::write(&answer_file, &answer)?;
    let this = std::env::current_exe()?;
    let address = free_address()?;
    let (this, answer_path) = (this.to_str().ok_or("no path")?, answer_file.to_str().ok_or("no path")?);
    let floor = Server::start(address, &[this, "floor", &address.to_string(), answer_path])?;
    if ask(floor.address, &request)?.len() != answer.len() {
        return Err("the floor's answer has another length".into());
    }

    against_floor("HS256 caller, one rule", Algorithm::HS256, &first, &floor, answer.len())?;
    println!("resident: {:.1} MiB after that", first.resident()?);
    first.load(&request, answer.len(), MANY_CONNECTIONS)?;
    println!("resident: {:.1} MiB after {MANY_CONNECTIONS} busy connections", first.resident()?);
    drop(first);
    let many = other_rules(MANY_RULES);
    for (what, algorithm, rules) in [
        ("HS256 caller, the last of 10 000 rules", Algorithm::HS256, &*many),
        ("RS256 caller, one rule", Algorithm::RS256, ""),
        ("ES256 caller, one rule", Algorithm::ES256, ""),
    ] {
        against_floor(what, algorithm, &roomkey(algorithm, rules)?, &floor, answer.len())?;
    }
    Ok(())
}

fn request(algorithm: Algorithm) -> Result<Arc<[u8]>, Failure> {
    Ok(support::request("/livekit/token", &json!({"room_name": ROOM}), algorithm)?.into_bytes().into())
}

/// Rules none of which matches, of four forms in equal parts, and before the one that does.
fn other_rules(count: usize) -> String {
    let rule = |index: usize| {
        let room = match index % 4 {
            0 => format!("org:other-{index}:**"),
            1 => format!("org:{{org}}:room-{index}"),
            2 => format!("org:*:desk-{index}:*"),
            _ => format!("org:{{org}}:{{team}}:{index}:**"),
        };
        format!("[[authorize.rules]]\nroom = \"{room}\"\nrole = \"viewer\"\n")
    };
    (1..count).map(rule).collect()
}

/// Both are asked by turns.
fn against_floor(
    what: &str,
    algorithm: Algorithm,
    roomkey: &Server,
    floor: &Server,
    size: usize,
) -> Result<(), Failure> {
    let request = request(algorithm)?;
    let load = |server: &Server| server.load(&request, size, CONNECTIONS);
    load(roomkey)?;
    load(floor)?;
    println!("\n{what}\n{CONNECTIONS} connections    requests/s    server busy    CPU µs/request (of it user)");
    let mut rates = Vec::new();
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let (ours, least) = (load(roomkey)?, load(floor)?);
        println!("       roomkey    {ours}\n         floor    {least}");
        rates.push(ours.rate() / least.rate());
        costs.push(ours.cost() / least.cost());
    }
    println!("requests/s, roomkey / floor: {}", spread(&mut rates));
    println!("CPU/request, roomkey / floor: {}", spread(&mut costs));
    Ok(())
}

fn spread(ratios: &mut [f64]) -> String {
    ratios.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2} to {:.2})", ratios[ratios.len() / 2], ratios[0], ratios[ratios.len() - 1])
}

impl Server {
    /// Asks over and over on each connection, for one round.
    fn load(&self, request: &Arc<[u8]>, size: usize, connections: usize) -> Result<Load, Failure> {
        let before = self.cpu()?;
        let since = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let requests = runtime.block_on(async {
            let mut all = JoinSet::new();
            for _ in 0..connections {
                all.spawn(converse(self.address, request.clone(), size, since + ROUND));
            }
            let mut requests = 0;
            while let Some(done) = all.join_next().await {
                requests += done??;
            }
            Ok::<_, Failure>(requests)
        })?;
        let (seconds, after) = (since.elapsed().as_secs_f64(), self.cpu()?);
        Ok(Load { requests: f64::from(requests), seconds, user: after[0] - before[0], cpu: after[1] - before[1] })
    }
}

/// One connection's requests until `end`. All answers have one size, so nothing in them needs to be read.
async fn converse(address: SocketAddr, request: Arc<[u8]>, size: usize, end: Instant) -> Result<u32, Failure> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; size];
    let mut requests = 0;
    while Instant::now() < end {
        stream.write_all(&request).await?;
        stream.read_exact(&mut answer).await?;
        if !answer.starts_with(b"HTTP/1.1 201 ") {
            return Err(String::from_utf8_lossy(&answer).into());
        }
        requests += 1;
    }
    Ok(requests)
}

/// What one round came to.
struct Load {
    requests: f64,
    seconds: f64,
    user: f64,
    cpu: f64,
}

impl Load {
    fn rate(&self) -> f64 {
        self.requests / self.seconds
    }

    /// Microseconds of the server's CPU for each request.
    fn cost(&self) -> f64 {
        self.cpu / self.requests * 1e6
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (busy, user) = (self.cpu / self.seconds * 100.0, self.user / self.requests * 1e6);
        write!(f, "{:>14.0} {busy:>13.0}% {:>17.1} ({user:.1})", self.rate(), self.cost())
    }
}
