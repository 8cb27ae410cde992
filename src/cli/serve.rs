//! `roomkey serve`.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use super::{Failure, Files, block_on, reload};
use crate::config::{Config, Problem, Purpose};
use crate::serve::{Ended, signals};
use crate::service::Roomkey;
use crate::telemetry;

/// Connections that wait to be accepted, unless the kernel's own bound is lower.
/// With the usual 128 a burst of callers sees resets.
const BACKLOG: u32 = 4096;

pub(super) fn run(files: &Files) -> Result<(), Failure> {
    let config = files.load(Purpose::Serve)?;
    telemetry::init(config.log);
    block_on(async {
        say_what_is_questionable(&config);
        let public = bind("server.listen", config.server.listen)?;
        let admin = match config.admin {
            Some(address) => Some(bind("admin.listen", address)?),
            None => None,
        };
        until_stopped(config, Some(files.clone()), public, admin).await
    })
}

/// Warnings, and what is off.
pub(super) fn say_what_is_questionable(config: &Config) {
    for Problem { key, source, message } in config.warnings() {
        tracing::warn!(key, source, "{message}");
    }
    if config.livekit.is_none() {
        tracing::warn!("POST /livekit/token is off: livekit has no keys");
    }
    if config.liveblocks.is_none() {
        tracing::warn!("POST /api/liveblocks-auth is off: liveblocks has neither secret_key nor signing_secret");
    }
}

/// Serves on these listeners until a signal ends it; with `sources`, new
/// configurations come from there.
pub(super) async fn until_stopped(
    config: Config,
    sources: Option<Files>,
    public: TcpListener,
    admin: Option<TcpListener>,
) -> Result<(), Failure> {
    let signals = signals().map_err(|error| Failure::Because(format!("cannot listen for signals: {error}")))?;
    let address =
        |listener: &TcpListener| listener.local_addr().map_or_else(|_| String::new(), |address| address.to_string());
    tracing::info!(
        address = address(&public),
        admin = admin.as_ref().map(address),
        version = env!("CARGO_PKG_VERSION"),
        "Listening"
    );
    let roomkey = Roomkey::builder(config.clone()).build().map_err(|error| Failure::Because(error.to_string()))?;
    if let Some(sources) = sources {
        tokio::spawn(reload::watch(sources, roomkey.handle(), config));
    }
    match roomkey.serve(public, admin, signals).await {
        Ended::Drained => Ok(()),
        Ended::Cut => Err(Failure::Told),
    }
}

/// Listens, or says which setting asked for what cannot be had.
pub(super) fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Unix only: on Windows it would let others take the address.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error: std::io::Error| {
        Failure::Because(format!("{setting}: cannot listen on {address}: {error}; choose another address or port"))
    })
}
