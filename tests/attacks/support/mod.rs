//! The built binary, started and asked from outside.

pub(crate) mod http;
pub(crate) mod jwt;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http::{Answer, Ask};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const API_KEY: &str = "APItest";
/// 40 characters.
pub(crate) const API_SECRET: &str = "lk-secret-CANARY-0123456789abcdefghijklm";
pub(crate) const ORIGIN: &str = "https://app.example.com";

/// The head of every configuration: its own ports, and every log line.
pub(crate) const HEAD: &str = r#"
[server]
listen = "127.0.0.1:0"
header_read_timeout = "10s"
request_timeout = "10s"
shutdown_grace = "3s"
[admin]
listen = "127.0.0.1:0"
[log]
level = "trace"
format = "json"
[cors]
allowed_origins = ["https://app.example.com"]
"#;

pub(crate) const LIVEKIT: &str = r#"
[livekit]
url = "wss://rtc.example.com"
api_key = "APItest"
api_secret = "lk-secret-CANARY-0123456789abcdefghijklm"
"#;

/// RS256 of `https://id.example` for `rtc`.
pub(crate) const JWT: &str = r#"
[[authenticate]]
kind = "jwt"
issuer = "https://id.example"
audience = "rtc"
public_key_file = "app.pem"
cookie = "session"
"#;

/// alice enters standup, bob the lounge, everyone the rooms of the tenant.
pub(crate) const RULES: &str = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
name = "members"
room = "{rooms}"
role = "participant"
[[authorize.rules]]
room = "org:{tenant}:**"
role = "viewer"
"#;

/// Everything above.
pub(crate) fn usual() -> String {
    [HEAD, LIVEKIT, JWT, RULES].concat()
}

/// A configuration with little patience, for those who are slow on purpose.
pub(crate) fn hasty(config: &str) -> String {
    config.replace("_timeout = \"10s\"", "_timeout = \"2s\"")
}

/// As [`usual`], and every room is open to participants.
pub(crate) fn open() -> String {
    [HEAD, LIVEKIT, JWT, "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"participant\" }]\n"]
        .concat()
}

/// A folder with the test keys in it.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file can be written");
    write("app.pem", jwt::RSA_PUBLIC);
    write("app-private.pem", jwt::RSA);
    write("p256.pem", include_str!("../../keys/test-p256.public.pem"));
    write("p384.pem", include_str!("../../keys/test-p384.public.pem"));
    write("p521.pem", include_str!("../../keys/test-p521.public.pem"));
    write("ed25519.pem", include_str!("../../keys/test-ed25519.public.pem"));
    write("rsa1024.pem", include_str!("../../keys/test-rsa1024.public.pem"));
    folder
}

fn command(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomkey"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command that ended said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> Said {
    let mut child = command(folder, arguments, environment).spawn().expect("the binary starts");
    // One that does not read its input may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = thread::spawn({
        let mut out = child.stdout.take().expect("a pipe");
        move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        }
    });
    let errors = collect(&mut child);
    let status = wait(&mut child, Duration::from_secs(15));
    let err = errors.finish();
    let Some(status) = status else { panic!("{arguments:?} did not end: {err}") };
    Said { code: status.code(), out: output.join().expect("a reader").expect("text"), err }
}

/// Writes a configuration and runs `check` over it.
#[track_caller]
pub(crate) fn check(config: &str, environment: &[(&str, &str)]) -> Said {
    let folder = folder();
    fs::write(folder.path().join("roomkey.toml"), config).expect("a file can be written");
    run(folder.path(), &["check", "--config", "roomkey.toml"], environment, "")
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Everything a child writes to stderr.
struct Errors {
    text: Arc<Mutex<String>>,
    reader: thread::JoinHandle<()>,
}

fn collect(child: &mut Child) -> Errors {
    let text = Arc::new(Mutex::new(String::new()));
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let reader = thread::spawn({
        let text = Arc::clone(&text);
        move || {
            for line in lines.map_while(Result::ok) {
                let mut text = text.lock().expect("no reader panics");
                text.push_str(&line);
                text.push('\n');
            }
        }
    });
    Errors { text, reader }
}

impl Errors {
    fn so_far(&self) -> String {
        self.text.lock().expect("no reader panics").clone()
    }

    fn finish(self) -> String {
        self.reader.join().expect("a reader");
        self.text.lock().expect("no reader panics").clone()
    }
}

/// A running service; it ends with the value.
pub(crate) struct Server {
    child: Child,
    errors: Option<Errors>,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Server {
    #[track_caller]
    pub(crate) fn start(config: &str) -> Self {
        Self::start_in(folder(), config, &[])
    }

    #[track_caller]
    pub(crate) fn start_in(folder: TempDir, config: &str, environment: &[(&str, &str)]) -> Self {
        fs::write(folder.path().join("roomkey.toml"), config).expect("a file can be written");
        Self::spawn(folder, &["serve", "--config", "roomkey.toml"], environment)
    }

    /// Starts it, and waits until it says where it listens and answers there.
    #[track_caller]
    pub(crate) fn spawn(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(folder.path(), arguments, environment).spawn().expect("the binary starts");
        let errors = collect(&mut child);
        let end = Instant::now() + Duration::from_secs(15);
        let listening = loop {
            let said = errors.so_far();
            if let Some(line) = said.lines().find(|line| line.contains("Listening")) {
                break line.to_owned();
            }
            let over = child.try_wait().expect("a child can be waited for").is_some();
            if over || Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it did not start: {}", errors.finish());
            }
            thread::sleep(Duration::from_millis(5));
        };
        // `"address":"127.0.0.1:7890"` in JSON, `address="127.0.0.1:7890"` in text.
        let address = |name: &str| {
            let after = listening.split_once(name).map_or("", |(_, after)| after).trim_start_matches(['"', ':', '=']);
            after.split('"').next().and_then(|text| text.parse().ok()).unwrap_or(([127, 0, 0, 1], 1).into())
        };
        let (public, admin) = (address("address"), address("admin"));
        let server = Self { child, errors: Some(errors), public, admin, folder };
        assert_eq!(server.ask("GET", "/healthz").send().status, 200);
        server
    }

    pub(crate) fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(self.public, method, target)
    }

    /// `POST /livekit/token`.
    pub(crate) fn post(&self) -> Ask {
        self.ask("POST", "/livekit/token")
    }

    /// The answer to a JSON body with a bearer.
    #[track_caller]
    pub(crate) fn token(&self, bearer: &str, body: impl ToString) -> Answer {
        self.post().bearer(bearer).json(body.to_string()).send()
    }

    /// The claims of the token that a body gets.
    #[track_caller]
    pub(crate) fn claims(&self, bearer: &str, body: impl ToString) -> Value {
        claims(&self.token(bearer, body))
    }

    pub(crate) fn log(&self) -> String {
        self.errors.as_ref().map(Errors::so_far).unwrap_or_default()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the end; its code and all it logged.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Said {
        let status = wait(&mut self.child, Duration::from_secs(15));
        let mut out = String::new();
        let _ = self.child.stdout.take().expect("a pipe").read_to_string(&mut out);
        let err = self.errors.take().expect("taken once").finish();
        Said { code: status.and_then(|status| status.code()), out, err }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The claims of an answered token of 10 minutes, in either dialect.
#[track_caller]
pub(crate) fn claims(answer: &Answer) -> Value {
    let body = answer.json();
    let (status, field) = if body.get("token").is_some() { (200, "token") } else { (201, "participant_token") };
    assert_eq!(answer.status, status, "{answer:?}");
    jwt::opened(body[field].as_str().unwrap_or_else(|| panic!("no token in {answer:?}")), 600)
}
