//! A small blocking HTTP/1.1 client that sends exactly the bytes it is given.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No test waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A header's one value; nothing if there is none.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all: Vec<_> = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).collect();
        assert!(all.len() <= 1, "{name} came {} times: {self:?}", all.len());
        all.first().map(|(_, value)| value.as_str())
    }

    /// Whether one of the values of a header, split at commas, is `wanted`.
    pub(crate) fn lists(&self, name: &str, wanted: &str) -> bool {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(wanted))
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The `code` of a problem document.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code in {self:?}")).to_owned()
    }

    /// Asserts status and code of a problem document.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
    }
}

/// An open connection.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("an option can be set");
        Self(BufReader::new(stream))
    }

    /// Sends bytes; that the server has closed already is seen when reading.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// The next answer; nothing if the connection ends without one.
    pub(crate) fn read(&mut self) -> Option<Answer> {
        self.read_after(false)
    }

    pub(crate) fn read_to_head(&mut self) -> Option<Answer> {
        self.read_after(true)
    }

    /// Whether nothing but the end is left.
    pub(crate) fn is_over(&mut self) -> bool {
        !matches!(self.0.read(&mut [0; 1]), Ok(1))
    }

    fn read_after(&mut self, bodiless: bool) -> Option<Answer> {
        let mut head = Vec::new();
        let mut byte = [0; 1];
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                Ok(_) | Err(_) => return None,
            }
        }
        let head = String::from_utf8(head).expect("answers' heads are text");
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status is a number");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").map(|length| length.parse::<usize>().expect("a length"));
        let mut body = Vec::new();
        match length {
            _ if bodiless || status == 100 || status == 204 => (),
            Some(length) => {
                body.resize(length, 0);
                self.0.read_exact(&mut body).ok()?;
            }
            None => drop(self.0.read_to_end(&mut body).ok()?),
        }
        answer.body = String::from_utf8(body).expect("answers' bodies are text");
        Some(answer)
    }
}

/// A request to be.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self { address, method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header, beside others of its name.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("Authorization", format!("Bearer {}", token.as_ref()))
    }

    /// A body, and `application/json`.
    pub(crate) fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The bytes. `Host` is our own unless there is one, the length the body's.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let has = |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut line = |name: &str, value: &str| bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        if !has("host") {
            line("Host", &self.address.to_string());
        }
        self.headers.iter().for_each(|(name, value)| line(name, value));
        if !has("content-length") && !has("transfer-encoding") && (!self.body.is_empty() || self.method == "POST") {
            line("Content-Length", &self.body.len().to_string());
        }
        if !has("connection") {
            line("Connection", "close");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    #[track_caller]
    pub(crate) fn send(&self) -> Answer {
        let mut connection = Connection::open(self.address);
        connection.send(self.bytes());
        let answer = if self.method == "HEAD" { connection.read_to_head() } else { connection.read() };
        answer.unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(&self.bytes())))
    }
}
