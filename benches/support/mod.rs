//! What the benchmarks of whole requests share: a server on a core of its own, and the client's request.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use roomkey::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

/// What signs the caller's token, and the setting of what verifies it.
fn login(algorithm: Algorithm) -> Result<(EncodingKey, String), Failure> {
    let file = |name| format!("public_key_file = \"{}/tests/keys/{name}\"", env!("CARGO_MANIFEST_DIR"));
    Ok(match algorithm {
        Algorithm::RS256 => {
            let key = include_bytes!("../../tests/keys/test-rsa2048.private.pem");
            (EncodingKey::from_rsa_pem(key)?, file("test-rsa2048.public.pem"))
        }
        Algorithm::ES256 => {
            let key = include_bytes!("../../tests/keys/test-p256.private.pem");
            (EncodingKey::from_ec_pem(key)?, file("test-p256.public.pem"))
        }
        _ => (EncodingKey::from_secret(SECRET.as_bytes()), format!("secret = \"{SECRET}\"")),
    })
}

/// Of the caller's token, among others.
pub(crate) const SECRET: &str = "0NyAFuTrHUxPsJKxCKTNs1hFLKh1hsC1Wj7lhUE3m7e";
pub(crate) const ROOM: &str = "org:acme:team-7:standup";

const SERVER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Puts this process, which is the client, on its core; threads that it starts follow.
pub(crate) fn pin() -> Result<(), Failure> {
    let pinned = Command::new("taskset")
        .args(["-cp", CLIENT_CORE, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
    if pinned.is_ok_and(|status| status.success()) { Ok(()) } else { Err("needs Linux, taskset and two cores".into()) }
}

/// What a browser's `fetch` sends, less what nobody reads.
pub(crate) fn request(path: &str, body: &Value, algorithm: Algorithm) -> Result<String, Failure> {
    let now = SystemClock.now();
    let claims = json!({
        "iss": "https://id.example.com", "aud": "calls", "sub": "user-4711", "iat": now, "exp": now + 3600,
        "name": "Alice Example", "email": "alice@example.com", "org": "acme",
    });
    let bearer = jsonwebtoken::encode(&Header::new(algorithm), &claims, &login(algorithm)?.0)?;
    let body = body.to_string();
    Ok(format!(
        "POST {path} HTTP/1.1\r\nhost: calls.example.com\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\norigin: https://app.example.com\r\naccept: */*\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Who asks, and that they may, for a Roomkey there.
pub(crate) fn configuration(
    address: SocketAddr,
    provider: &str,
    algorithm: Algorithm,
    rules: &str,
) -> Result<String, Failure> {
    let (_, key) = login(algorithm)?;
    Ok(format!(
        r#"
server.listen = "{address}"
admin.listen = "127.0.0.1:0"
{provider}
[[authenticate]]
kind = "jwt"
issuer = "https://id.example.com"
audience = "calls"
{key}
[[authorize]]
kind = "rules"
{rules}
[[authorize.rules]]
room = "org:{{org}}:**"
role = "participant"
"#
    ))
}

pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// One request, and the whole answer.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    while !answer.ends_with("\r\n\r\n") && reader.read_line(&mut answer)? > 0 {}
    if !answer.starts_with("HTTP/1.1 20") {
        return Err(answer.into());
    }
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?.parse()?;
    reader.take(length).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A process on the server's core; it ends when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts it and waits for the first answer of `/healthz`.
    pub(crate) fn start(address: SocketAddr, command: &[&str]) -> Result<Self, Failure> {
        let since = Instant::now();
        let process = Command::new("taskset").args(["-c", SERVER_CORE]).args(command).stderr(Stdio::null()).spawn()?;
        let mut server = Self { process, address };
        while !server.is_up() {
            if since.elapsed() > Duration::from_secs(10) || server.process.try_wait()?.is_some() {
                return Err(format!("{} does not answer", command[0]).into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(server)
    }

    /// Whether it answers; the floor has no `/healthz`, and 404 will do.
    fn is_up(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let mut answer = [0; 12];
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    /// MiB, by a line of its `/proc/PID/status`.
    pub(crate) fn resident(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }

    /// Seconds of CPU so far, in user mode and in all; a tick is 10 ms on Linux.
    pub(crate) fn cpu(&self) -> Result<[f64; 2], Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let mut ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).map(str::parse::<f64>);
        let (Some(Ok(user)), Some(Ok(system))) = (ticks.next(), ticks.next()) else { return Err("no times".into()) };
        Ok([user / 100.0, (user + system) / 100.0])
    }
}
