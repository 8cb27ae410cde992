//! The binary under test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, user};

/// For how long anything here may take at most.
const PATIENCE: Duration = Duration::from_secs(20);

const FILE: &str = "roomkey.toml";

/// A running `roomkey serve`, gone with the value.
pub(crate) struct Roomkey {
    child: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
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

fn command(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomkey"));
    let ports = [("ROOMKEY__SERVER__LISTEN", "127.0.0.1:0"), ("ROOMKEY__ADMIN__LISTEN", "127.0.0.1:0")];
    command.args(arguments).current_dir(folder).env_clear().envs(ports).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs `check` over a configuration.
pub(crate) fn run(config: &str, environment: &[(&str, &str)]) -> Ran {
    check(&["check"], config, environment)
}

/// Runs `check`, which also asks what is remote.
pub(crate) fn run_online(config: &str) -> Ran {
    check(&["check", "--online"], config, &[])
}

/// Runs `check` with these arguments over a configuration, unless that is empty.
pub(crate) fn check(arguments: &[&str], config: &str, environment: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = arguments.to_vec();
    if !config.is_empty() {
        std::fs::write(folder.path().join(FILE), config).unwrap();
        arguments.extend(["--config", FILE]);
    }
    run_in(folder.path(), &arguments, environment)
}

/// Runs `conformance` beside files of these names and contents.
pub(crate) fn conformance(arguments: &[&str], files: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    run_in(folder.path(), &[&["conformance"], arguments].concat(), &[])
}

/// Runs any command where there is what it needs.
pub(crate) fn run_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let output = command(folder, arguments, environment).stdout(Stdio::piped()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    /// Exit 1 and a line `place: setting: why`.
    #[track_caller]
    pub(crate) fn refused(&self, setting: &str, why: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        let said = self.stderr.lines().any(|line| line.contains(setting) && line.contains(why));
        assert!(said, "no line about {setting} with {why:?}: {self:?}");
    }
}

impl Roomkey {
    #[track_caller]
    pub(crate) fn serve(config: &str) -> Self {
        Self::serve_with(config, &[])
    }

    #[track_caller]
    pub(crate) fn serve_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), config).unwrap();
        Self::start(folder, &["serve", "--config", FILE], environment)
    }

    /// By the environment alone.
    #[track_caller]
    pub(crate) fn sidecar(environment: &[(&str, &str)]) -> Self {
        Self::start(tempfile::tempdir().unwrap(), &["serve"], environment)
    }

    #[track_caller]
    fn start(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(folder.path(), arguments, environment).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let until = Instant::now() + PATIENCE;
        let listening = loop {
            let so_far = said.lock().unwrap().clone();
            if let Some(line) = so_far.lines().find(|line| line.contains("Listening")) {
                break line.to_owned();
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > until {
                let _gone = (child.kill(), child.wait());
                panic!("it did not start: {}", said.lock().unwrap());
            }
            sleep(Duration::from_millis(5));
        };
        let address = |name: &str| {
            let rest = listening.split_once(&format!("\"{name}\":\"")).expect("an address").1;
            rest.split('"').next().unwrap().parse().unwrap()
        };
        Self { child, address: address("address"), admin: address("admin"), said, _folder: folder }
    }

    /// Everything that it wrote.
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

    /// `POST /livekit/token`.
    pub(crate) fn livekit(&self) -> Ask {
        Ask::new(self.address, "POST", "/livekit/token").body(&json!({"room_name": "standup"}))
    }

    /// Asks for a LiveKit token of that user's for that room.
    pub(crate) fn enter(&self, who: &str, room: &str) -> Answer {
        self.livekit().by(&user(json!({"sub": who}))).body(&json!({"room_name": room})).send()
    }

    /// `POST /api/liveblocks-auth`.
    pub(crate) fn liveblocks(&self) -> Ask {
        Ask::new(self.address, "POST", "/api/liveblocks-auth").body(&json!({"room": "standup"}))
    }

    /// `POST /v1/invites`.
    pub(crate) fn invites(&self) -> Ask {
        Ask::new(self.address, "POST", "/v1/invites")
    }

    /// Makes it read its configuration again.
    pub(crate) fn reload(&self) {
        self.signal("-HUP");
    }

    /// Tells it to end; gives its exit code.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended.code();
            }
            assert!(Instant::now() < until, "it does not end: {}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    pub(crate) fn is_ready(&self) -> bool {
        Ask::new(self.admin, "GET", "/readyz").send().status == 200
    }

    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.is_ready() {
            assert!(Instant::now() < until, "never ready: {}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub(crate) fn must_be_healthy(&self) {
        // of three, since the machine has other things to do
        let took = (0..3).map(|_| {
            let since = Instant::now();
            assert_eq!(Ask::new(self.address, "GET", "/healthz").send().status, 200);
            since.elapsed()
        });
        let took = took.min().unwrap();
        assert!(took < Duration::from_millis(250), "/healthz took {took:?}");
    }
}

/// A request to be.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    address: SocketAddr,
    line: String,
    headers: String,
    body: String,
}

impl Ask {
    fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self { address, line: format!("{method} {path}"), headers: String::new(), body: String::new() }
    }

    /// Adds a header, beside others of its name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn by(self, authorization: &str) -> Self {
        self.header("authorization", authorization)
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.header("cookie", cookie)
    }

    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self
    }

    fn head(&self) -> String {
        let Self { line, headers, body, address } = self;
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n"
        )
    }

    /// Sends the head, and gives what is left to do.
    pub(crate) fn begin(&self) -> impl FnOnce() -> Answer {
        let mut stream = self.open(&self.head());
        let body = self.body.clone();
        move || {
            stream.write_all(body.as_bytes()).unwrap();
            finish(stream)
        }
    }

    pub(crate) fn send(&self) -> Answer {
        finish(self.open(&(self.head() + &self.body)))
    }

    fn open(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// Sends it all and goes away.
    pub(crate) fn abandon(&self, after: Duration) {
        let _stream = self.open(&(self.head() + &self.body));
        sleep(after);
    }
}

fn finish(mut stream: TcpStream) -> Answer {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    assert!(read.is_ok(), "{read:?} after {:?}", String::from_utf8_lossy(&answer));
    Answer::parse(&answer)
}

impl Drop for Roomkey {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Does this so many times side by side, and waits for all of them.
pub(crate) fn at_once<T: Send>(times: usize, work: impl Fn() -> T + Sync) {
    scope(|scope| (0..times).for_each(|_| drop(scope.spawn(&work))));
}
