//! A server of HTTP that answers any request alike, at once or after a while.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

/// Starts it on a thread of this process; keeps the first request.
pub(crate) fn start(body: &Value, delay: Duration, first: Arc<OnceLock<Vec<u8>>>) -> std::io::Result<SocketAddr> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer: Arc<[u8]> = (head + &body).into_bytes().into();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, first) = (answer.clone(), first.clone());
                tokio::spawn(async move { drop(answer_all(stream, &answer, delay, &first).await) });
            }
        });
    });
    Ok(address)
}

/// One connection's requests, until it is closed.
async fn answer_all(
    mut stream: TcpStream,
    answer: &[u8],
    delay: Duration,
    first: &OnceLock<Vec<u8>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut seen = Vec::new();
    loop {
        let length = loop {
            match length(&seen) {
                Some(length) if length <= seen.len() => break length,
                _ if stream.read_buf(&mut seen).await? == 0 => return Ok(()),
                _ => (),
            }
        };
        let request: Vec<_> = seen.drain(..length).collect();
        first.get_or_init(|| request);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(answer).await?;
    }
}

/// Of a request with its body, once the head is there.
fn length(seen: &[u8]) -> Option<usize> {
    let head = seen.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let mut lines = std::str::from_utf8(&seen[..head]).ok()?.lines();
    let body = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    Some(head + body.unwrap_or(0))
}
