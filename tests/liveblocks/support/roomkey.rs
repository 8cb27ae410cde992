//! The binary under test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{API_KEY, Answer, PATH};

/// For how long anything here may take at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `roomkey serve` or `dev`, gone with the value.
pub(crate) struct Roomkey {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
    _folder: TempDir,
}

/// A command that came to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn command(folder: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomkey"));
    command.args(arguments).current_dir(folder.path()).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end, in a folder with `roomkey.toml`.
pub(crate) fn run(arguments: &[&str], config: &str, environment: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roomkey.toml"), config).unwrap();
    let mut child = command(&folder, arguments, environment).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("{arguments:?} did not end: {}", String::from_utf8_lossy(&output.stderr));
        }
        sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    /// Refused at start: exit 1 and a line `setting: place: why`.
    #[track_caller]
    pub(crate) fn refused(&self, setting: &str, why: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        let is_it = |line: &str| line.starts_with(setting);
        let said = self.stderr.lines().any(|line| is_it(line) && line.contains(why));
        assert!(said, "no line about {setting} with {why:?}: {self:?}");
    }
}

impl Roomkey {
    pub(crate) fn serve(config: &str) -> Self {
        Self::serve_with(config, &[])
    }

    pub(crate) fn serve_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let ports = [("ROOMKEY__SERVER__LISTEN", "127.0.0.1:0"), ("ROOMKEY__ADMIN__LISTEN", "127.0.0.1:0")];
        Self::start(&["serve", "--config", "roomkey.toml"], config, &[&ports, environment].concat())
    }

    pub(crate) fn start(arguments: &[&str], config: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("roomkey.toml"), config).unwrap();
        let mut child = command(&folder, arguments, environment).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let sources: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stderr.take().unwrap()), Box::new(child.stdout.take().unwrap())];
        for source in sources {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(source).lines().map_while(Result::ok) {
                    *said.lock().unwrap() += &(line + "\n");
                }
            });
        }
        let until = Instant::now() + PATIENCE;
        let address = loop {
            let so_far = said.lock().unwrap().clone();
            // `"address":"…"` or, as text, `address="…"`
            let line = so_far.lines().find(|line| line.contains("Listening"));
            let address = line.and_then(|line| line.split_once("address").map(|(_, rest)| rest));
            if let Some(address) = address {
                let mut parts = address.trim_start_matches(['"', ':', '=']).split('"');
                break parts.next().unwrap().parse().unwrap();
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "it did not start: {so_far}");
            sleep(Duration::from_millis(5));
        };
        Self { child, address, said, _folder: folder }
    }

    /// Everything that it wrote, to stdout and to stderr.
    pub(crate) fn said(&self) -> String {
        sleep(Duration::from_millis(50)); // its last line may be under way
        self.said.lock().unwrap().clone()
    }

    /// Waits for a log line that has all of these in it.
    #[track_caller]
    pub(crate) fn must_say(&self, parts: &[&str]) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let said = self.said.lock().unwrap().clone();
            if said.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
                return;
            }
            assert!(Instant::now() < until, "no line with {parts:?} in: {said}");
            sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory in bytes: now, and at its highest.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Sends these bytes, and reads to the end of the connection.
    pub(crate) fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer)
    }

    /// Any request; its answer is checked for what all answers must have.
    #[track_caller]
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let answer = self.send(&request(method, path, headers, body));
        if path.split('?').next() == Some(PATH) {
            answer.must_be_well_formed(method == "HEAD");
        }
        answer
    }

    /// A body from someone, as a browser sends it.
    #[track_caller]
    pub(crate) fn ask(&self, authorization: &str, body: impl AsRef<[u8]>) -> Answer {
        let headers = [("authorization", authorization), ("content-type", "application/json")];
        self.request("POST", PATH, &headers, body.as_ref())
    }

    #[track_caller]
    pub(crate) fn enter(&self, authorization: &str, room: &str) -> Answer {
        self.ask(authorization, json!({"room": room}).to_string())
    }

    /// The app's backend asks.
    #[track_caller]
    pub(crate) fn backend(&self, body: &Value) -> Answer {
        self.ask(&format!("Bearer {API_KEY}"), body.to_string())
    }

    #[track_caller]
    pub(crate) fn must_be_healthy(&self) {
        // of three, since the machine has other things to do
        let took = (0..3).map(|_| {
            let since = Instant::now();
            assert_eq!(self.request("GET", "/healthz", &[], b"").status, 200);
            since.elapsed()
        });
        let took = took.min().unwrap();
        assert!(took < Duration::from_millis(250), "/healthz took {took:?}");
    }
}

/// A request's bytes.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: roomkey.test\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

impl Drop for Roomkey {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
