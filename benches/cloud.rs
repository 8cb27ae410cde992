//! Liveblocks' cloud form over loopback: what Roomkey adds to the time that Liveblocks takes, and what it takes to wait.
//!
//! Liveblocks is a thread of the client here and answers any request alike, at once or after a while. Roomkey has a core,
//! the client and Liveblocks share the other.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "support/answering.rs"]
mod answering;
mod support;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;

use support::{Failure, ROOM, Server, ask, free_address};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);
/// Characters of the token, about as many as Liveblocks' have.
const TOKEN: usize = 700;

/// How long Liveblocks takes when requests are to pile up.
const SLOW: Duration = Duration::from_millis(50);
const MANY_CONNECTIONS: usize = 200;
const REQUESTS: usize = 20_000;
/// Whether memory stays flat shows only after the first time.
const TIMES: usize = 5;
const SAMPLE: Duration = Duration::from_millis(500);

fn main() -> Result<(), Failure> {
    if std::env::args().any(|argument| argument == "--bench") {
        support::pin()?;
        latency()?;
        waiting()
    } else {
        println!("to measure: cargo bench --bench cloud");
        Ok(())
    }
}

/// Liveblocks asked directly, with the very bytes that Roomkey sends, against the whole way. By turns.
fn latency() -> Result<(), Failure> {
    let both = Both::start(Duration::ZERO)?;
    for connections in [1, 16] {
        let round = |target: &Target| {
            let end = Instant::now() + ROUND;
            target.load(connections, move || Instant::now() < end)
        };
        round(&both.liveblocks)?;
        round(&both.roomkey)?;
        let mut rounds = Vec::new();
        let before = both.server.cpu()?[1];
        for _ in 0..ROUNDS {
            rounds.push([round(&both.liveblocks)?, round(&both.roomkey)?]);
        }
        let cpu = both.server.cpu()?[1] - before;
        let requests: usize = rounds.iter().map(|[_, whole]| whole.latencies.len()).sum();

        println!("\n{connections} connections            p50 µs                  p99 µs         requests/s");
        let [direct, whole] = [0, 1].map(|at| {
            let each = |value: fn(&Load) -> f64| spread(rounds.iter().map(|round| value(&round[at])));
            format!("{:>22} {:>23} {:>22}", each(Load::p50), each(Load::p99), each(Load::rate))
        });
        let added = |value: fn(&Load) -> f64| spread(rounds.iter().map(|[direct, whole]| value(whole) - value(direct)));
        println!(
            "liveblocks {direct}\n   roomkey {whole}\n     added {:>22} {:>23}",
            added(Load::p50),
            added(Load::p99)
        );
        println!("CPU of roomkey: {:.1} µs/request", cpu / count(requests) * 1e6);
    }
    Ok(())
}

/// Many requests under way, each of which waits for Liveblocks.
fn waiting() -> Result<(), Failure> {
    let both = Both::start(SLOW)?;
    println!("\nLiveblocks takes {SLOW:?}, {MANY_CONNECTIONS} in flight");
    println!("liveblocks {}", both.liveblocks.load(MANY_CONNECTIONS, only(REQUESTS))?);
    println!("resident: {:.1} MiB before", both.server.resident()?);
    for _ in 0..TIMES {
        let is_done = AtomicBool::new(false);
        let (load, samples) = thread::scope(|scope| {
            let sampler = scope.spawn(|| {
                let mut samples = Vec::new();
                while !is_done.load(Ordering::Relaxed) {
                    thread::sleep(SAMPLE);
                    samples.push(both.server.resident()?);
                }
                Ok::<_, Failure>(samples)
            });
            let load = both.roomkey.load(MANY_CONNECTIONS, only(REQUESTS));
            is_done.store(true, Ordering::Relaxed);
            (load, sampler.join())
        });
        let samples = samples.map_err(|_| "the sampler panicked")??;
        println!("   roomkey {}", load?);
        let samples: Vec<_> = samples.iter().map(|sample| format!("{sample:.1}")).collect();
        println!("resident: {:.1} MiB after {REQUESTS}; meanwhile {}", both.server.resident()?, samples.join(" "));
    }
    Ok(())
}

/// Whether another request is to be made, so many times.
fn only(requests: usize) -> impl Fn() -> bool + Clone {
    let made = Arc::new(AtomicUsize::new(0));
    move || made.fetch_add(1, Ordering::Relaxed) < requests
}

/// Liveblocks, and a Roomkey that asks it.
struct Both {
    server: Server,
    roomkey: Target,
    liveblocks: Target,
}

impl Both {
    fn start(delay: Duration) -> Result<Self, Failure> {
        let asked = Arc::new(OnceLock::new());
        let liveblocks = answering::start(&json!({"token": "t".repeat(TOKEN)}), delay, asked.clone())?;
        let folder = tempfile::tempdir()?;
        let configuration = folder.path().join("roomkey.toml");
        let address = free_address()?;
        let provider =
            format!("[liveblocks]\nsecret_key = \"sk_bench\"\nbase_url = \"http://{liveblocks}\"\nmax_in_flight = 256");
        std::fs::write(&configuration, support::configuration(address, &provider, Algorithm::HS256, "")?)?;
        let path = configuration.to_str().ok_or("no path")?;
        let server = Server::start(address, &[env!("CARGO_BIN_EXE_roomkey"), "serve", "--config", path])?;
        let request = support::request("/api/liveblocks-auth", &json!({"room": ROOM}), Algorithm::HS256)?;
        let roomkey = Target::new(address, request.as_bytes())?;
        let liveblocks = Target::new(liveblocks, asked.get().ok_or("Liveblocks was not asked")?)?;
        Ok(Self { server, roomkey, liveblocks })
    }
}

/// Whom to ask, and what.
struct Target {
    address: SocketAddr,
    request: Arc<[u8]>,
    /// Bytes of every answer.
    size: usize,
}

impl Target {
    fn new(address: SocketAddr, request: &[u8]) -> Result<Self, Failure> {
        Ok(Self { address, request: request.into(), size: ask(address, request)?.len() })
    }

    /// Asks over and over on each connection while there is more to ask.
    fn load(&self, connections: usize, more: impl Fn() -> bool + Clone + Send + 'static) -> Result<Load, Failure> {
        let since = Instant::now();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let mut latencies = runtime.block_on(async {
            let mut all = JoinSet::new();
            for _ in 0..connections {
                all.spawn(converse(self.address, self.request.clone(), self.size, more.clone()));
            }
            let mut latencies = Vec::new();
            while let Some(done) = all.join_next().await {
                latencies.extend(done??);
            }
            Ok::<_, Failure>(latencies)
        })?;
        latencies.sort();
        Ok(Load { latencies, took: since.elapsed() })
    }
}

/// One connection's requests, and how long each took.
async fn converse(
    address: SocketAddr,
    request: Arc<[u8]>,
    size: usize,
    more: impl Fn() -> bool,
) -> Result<Vec<Duration>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; size];
    let mut latencies = Vec::new();
    while more() {
        let since = Instant::now();
        stream.write_all(&request).await?;
        let mut read = 0;
        while read < size {
            match stream.read(&mut answer[read..]).await? {
                0 => return Err("the connection was closed".into()),
                more => read += more,
            }
            // An error may be shorter.
            if !answer.starts_with(b"HTTP/1.1 200 ") {
                return Err(String::from_utf8_lossy(&answer[..read]).into());
            }
        }
        latencies.push(since.elapsed());
    }
    Ok(latencies)
}

/// What asking came to.
struct Load {
    /// From the shortest to the longest.
    latencies: Vec<Duration>,
    took: Duration,
}

impl Load {
    /// In microseconds, like the other.
    fn p50(&self) -> f64 {
        self.latencies[self.latencies.len() / 2].as_secs_f64() * 1e6
    }

    fn p99(&self) -> f64 {
        self.latencies[self.latencies.len() * 99 / 100].as_secs_f64() * 1e6
    }

    fn rate(&self) -> f64 {
        count(self.latencies.len()) / self.took.as_secs_f64()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.p50() / 1000.0, self.p99() / 1000.0);
        write!(f, "{:.0} requests/s, p50 {p50:.1} ms, p99 {p99:.1} ms", self.rate())
    }
}

fn count(requests: usize) -> f64 {
    u32::try_from(requests).map_or(f64::INFINITY, f64::from)
}

/// The median of all rounds, and between what they lie.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    format!("{:.0} ({:.0} to {:.0})", values[values.len() / 2], values[0], values[values.len() - 1])
}
