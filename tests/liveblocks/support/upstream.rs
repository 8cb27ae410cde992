//! A Liveblocks that does what a test wants.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What to do with a request; `false` ends the connection.
type Behaviour = Arc<dyn Fn(&mut TcpStream, usize) -> bool + Send + Sync>;

struct Shared {
    behaviour: Mutex<Behaviour>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    peak: AtomicUsize,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

/// The bytes of an answer after which the connection ends.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if status != 204 && status != 304 {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

impl Upstream {
    /// Gives `TOKEN-1`, `TOKEN-2`, …
    pub(crate) fn good() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Arc::new(give_token)),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        });
        let upstream = Self { address, shared: shared.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
                shared.peak.fetch_max(open, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(stream, &shared);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        upstream
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on does this with each request; it is told the request's number.
    pub(crate) fn does(&self, behaviour: impl Fn(&mut TcpStream, usize) -> bool + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// From now on sends these bytes, whatever they are, and ends the connection.
    pub(crate) fn sends(&self, bytes: Vec<u8>) {
        self.does(move |stream, _| {
            let _maybe_nobody_reads = stream.write_all(&bytes);
            false
        });
    }

    pub(crate) fn gives_tokens(&self) {
        self.does(give_token);
    }

    /// From now on says nothing.
    pub(crate) fn hangs(&self) {
        self.does(|stream, _| {
            hold(stream);
            false
        });
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests so far.
    pub(crate) fn calls(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// The newest request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("a request came")
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many there were at once, at most.
    pub(crate) fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !holds(self) {
            assert!(Instant::now() < until, "{what}: {} calls, {} open", self.calls(), self.open());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub(crate) fn give_token(stream: &mut TcpStream, number: usize) -> bool {
    let body = format!("{{\"token\":\"TOKEN-{number}\"}}");
    let answer = reply(200, &[("content-type", "application/json")], body.as_bytes());
    let kept = String::from_utf8(answer).unwrap().replace("connection: close\r\n", "");
    stream.write_all(kept.as_bytes()).is_ok()
}

/// Waits until the other side goes away, half a minute at most.
pub(crate) fn hold(stream: &mut TcpStream) {
    let _set = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let _gone = stream.read(&mut [0; 1]);
}

fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        let number = {
            let mut all = shared.seen.lock().unwrap();
            all.push(seen);
            all.len()
        };
        let behaviour = shared.behaviour.lock().unwrap().clone();
        if !behaviour(&mut writer, number) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let mut seen = Seen { line: first, headers, body: String::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}
