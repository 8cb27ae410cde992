//! `roomkey healthcheck`: asks what runs, whatever became of its configuration
//! since.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Failure, Files, block_on};
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn run(files: &Files) -> Result<(), Failure> {
    let listen = Config::listen(&files.sources());
    let listen =
        listen.ok_or_else(|| Failure::Because("server.listen: is no address; see `roomkey check`".to_owned()))?;
    let address = reachable(listen);
    block_on(async {
        let asked = tokio::time::timeout(TIMEOUT, ask(address)).await;
        let failed = |why: String| Err(Failure::Because(format!("http://{address}/healthz: {why}")));
        match asked {
            Ok(Ok(http::StatusCode::OK)) => Ok(()),
            Ok(Ok(status)) => failed(format!("answered {status}")),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed("no answer within 2 s".to_owned()),
        }
    })
}

async fn ask(address: SocketAddr) -> Result<http::StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request =
        http::Request::get("/healthz").header(http::header::HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let status = sender.send_request(request).await?.status();
    connection.abort();
    Ok(status)
}

/// Where a listener answers on this machine: a wildcard on loopback of the same
/// family.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
