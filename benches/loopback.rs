//! Whole requests over loopback: Roomkey against the same server answering the same bytes without doing the work.
//!
//! Server and client have a core each. Both servers run all the time and are asked by turns, so that noise meets both.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::fs;
use std::future::pending;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::post;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jsonwebtoken::{EncodingKey, Header};
use roomkey::clock::{Clock as _, SystemClock};
use roomkey::serve::{self, Limits};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

const SECRET: &str = "0NyAFuTrHUxPsJKxCKTNs1hFLKh1hsC1Wj7lhUE3m7e";
const ROOM: &str = "org:acme:team-7:standup";

const SERVER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";
const STARTS: usize = 30;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 64;
const MANY_CONNECTIONS: usize = 1000;

type Failure = Box<dyn Error + Send + Sync>;

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
    let pinned = Command::new("taskset")
        .args(["-cp", CLIENT_CORE, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
    if !pinned.is_ok_and(|status| status.success()) {
        return Err("needs Linux, taskset and two cores".into());
    }
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("roomkey.toml");
    let roomkey = |address: SocketAddr| -> Result<Server, Failure> {
        fs::write(&configuration, configuration_for(address))?;
        let path = configuration.to_str().ok_or("no path")?;
        Server::start(address, &[env!("CARGO_BIN_EXE_roomkey"), "serve", "--config", path])
    };

    let mut starts = (0..STARTS).map(|_| Ok(roomkey(free_address()?)?.started)).collect::<Result<Vec<_>, Failure>>()?;
    starts.sort();
    println!("exec to first answer of /healthz: {:.1?}, at most {:.1?}", starts[STARTS / 2], starts[STARTS - 1]);

    let roomkey = roomkey(free_address()?)?;
    println!("resident: {} when idle", roomkey.resident()?);
    let request: Arc<[u8]> = request()?.into_bytes().into();
    let answer = ask(roomkey.address, &request)?;
    let answer_file = folder.path().join("answer");
    fs::write(&answer_file, &answer)?;
    let this = std::env::current_exe()?;
    let address = free_address()?;
    let (this, answer_path) = (this.to_str().ok_or("no path")?, answer_file.to_str().ok_or("no path")?);
    let floor = Server::start(address, &[this, "floor", &address.to_string(), answer_path])?;
    if ask(floor.address, &request)?.len() != answer.len() {
        return Err("the floor's answer has another length".into());
    }

    let load = |server: &Server, connections| server.load(&request, answer.len(), connections);
    load(&roomkey, CONNECTIONS)?;
    load(&floor, CONNECTIONS)?;
    println!("\n{CONNECTIONS} connections    requests/s    server busy    CPU µs/request (of it user)");
    let mut rates = Vec::new();
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let (ours, least) = (load(&roomkey, CONNECTIONS)?, load(&floor, CONNECTIONS)?);
        println!("       roomkey    {ours}\n         floor    {least}");
        rates.push(ours.rate() / least.rate());
        costs.push(ours.cost() / least.cost());
    }
    println!("requests/s, roomkey / floor: {}", spread(&mut rates));
    println!("CPU/request, roomkey / floor: {}", spread(&mut costs));
    println!("resident: {} after that", roomkey.resident()?);
    load(&roomkey, MANY_CONNECTIONS)?;
    println!("resident: {} after {MANY_CONNECTIONS} busy connections", roomkey.resident()?);
    Ok(())
}

fn spread(ratios: &mut [f64]) -> String {
    ratios.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2} to {:.2})", ratios[ratios.len() / 2], ratios[0], ratios[ratios.len() - 1])
}

fn configuration_for(address: SocketAddr) -> String {
    format!(
        r#"
server.listen = "{address}"
admin.listen = "127.0.0.1:0"
[livekit]
url = "wss://calls.example.com"
api_key = "APIbenchmark"
api_secret = "{SECRET}"
[[authenticate]]
kind = "jwt"
issuer = "https://id.example.com"
audience = "calls"
secret = "{SECRET}"
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "org:{{org}}:**"
role = "participant"
"#
    )
}

/// What a browser's `fetch` sends, less what nobody reads.
fn request() -> Result<String, Failure> {
    let now = SystemClock.now();
    let claims = json!({
        "iss": "https://id.example.com", "aud": "calls", "sub": "user-4711", "iat": now, "exp": now + 3600,
        "name": "Alice Example", "email": "alice@example.com", "org": "acme",
    });
    let bearer = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))?;
    let body = json!({"room_name": ROOM}).to_string();
    Ok(format!(
        "POST /livekit/token HTTP/1.1\r\nhost: calls.example.com\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\norigin: https://app.example.com\r\naccept: */*\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// One request, and the whole answer.
fn ask(address: SocketAddr, request: &[u8]) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    while !answer.ends_with("\r\n\r\n") && reader.read_line(&mut answer)? > 0 {}
    if !answer.starts_with("HTTP/1.1 201 ") {
        return Err(answer.into());
    }
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?.parse()?;
    reader.take(length).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A process on the server's core; it ends when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    /// From exec to the first answer of `/healthz`.
    started: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(address: SocketAddr, command: &[&str]) -> Result<Self, Failure> {
        let since = Instant::now();
        let process = Command::new("taskset").args(["-c", SERVER_CORE]).args(command).stderr(Stdio::null()).spawn()?;
        let mut server = Self { process, address, started: Duration::ZERO };
        while !server.is_up() {
            if since.elapsed() > Duration::from_secs(10) || server.process.try_wait()?.is_some() {
                return Err(format!("{} does not answer", command[0]).into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        server.started = since.elapsed();
        Ok(server)
    }

    /// Whether it answers; the floor has no `/healthz`, and 404 will do.
    fn is_up(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let mut answer = [0; 12];
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    /// A line of its `/proc/PID/status`.
    fn resident(&self) -> Result<String, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(format!("{:.1} MiB", kilobytes / 1024.0))
    }

    /// Seconds of CPU so far, in user mode and in all; a tick is 10 ms on Linux.
    fn cpu(&self) -> Result<[f64; 2], Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let mut ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).map(str::parse::<f64>);
        let (Some(Ok(user)), Some(Ok(system))) = (ticks.next(), ticks.next()) else { return Err("no times".into()) };
        Ok([user / 100.0, (user + system) / 100.0])
    }

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
