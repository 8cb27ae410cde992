//! The listeners, from ready to drained.
//!
//! The rule: a stop loses no request. First the service says that it is not ready and goes on serving, so that load
//! balancers turn away; then it accepts no more and finishes what it has; and the administrative listener answers
//! until that is done. Only the end of the grace period or a second signal cuts requests off.

mod connection;
mod patience;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

pub use connection::serve;

/// Bounds on the connections of each listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a head to its end; also how long a new connection may stay silent.
    pub header_read_timeout: Duration,
    /// How long a connection that has had an answer may wait before its next request.
    pub idle_timeout: Duration,
    /// How long a client may take no byte of its answer.
    pub write_timeout: Duration,
    /// How many connections a listener has at a time; further ones wait in the kernel's queue.
    pub max_connections: usize,
}

/// The times of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long to go on accepting while not ready.
    pub delay: Duration,
    /// How long requests in flight may then take to finish.
    pub grace: Duration,
}

/// How a [`run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every request in flight was answered.
    Drained,
    /// Connections were cut off by the end of the grace period or by a second signal.
    Cut,
}

/// Whether new requests should be sent here.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Whether the service is ready: between the start of a [`run`] and its first signal.
    pub fn is_ready(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The address a connection comes from, in the extensions of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// An IPv4 address that a listener for both versions reports as IPv6 becomes IPv4 again, so that it is in the
    /// ranges it belongs to.
    fn new(address: SocketAddr) -> Self {
        Self(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// The listeners of a service, bound, with what each one answers.
#[derive(Debug)]
pub struct Listeners {
    /// What callers reach.
    pub public: Vec<(TcpListener, Router)>,
    /// What operators reach; it answers until the public ones are drained.
    pub admin: Option<(TcpListener, Router)>,
}

/// The signals that ask for a stop, SIGTERM and SIGINT: from here on they no longer end the process by themselves.
///
/// # Errors
///
/// When the system refuses to hand them over.
pub fn signals() -> io::Result<mpsc::Receiver<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            info!(signal, "Signal received");
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Serves `listeners` from ready to the end, which the first of `signals` begins and the second brings about at once.
pub async fn run(
    listeners: Listeners,
    limits: Limits,
    shutdown: Shutdown,
    readiness: Arc<Readiness>,
    mut signals: mpsc::Receiver<()>,
) -> Ended {
    // Dropping the sender is the stop; dropping the tasks cuts their connections off.
    let (public_open, _) = watch::channel(());
    let (admin_open, _) = watch::channel(());
    let mut public = JoinSet::new();
    let mut admin = JoinSet::new();
    for (listener, router) in listeners.public {
        public.spawn(serve(listener, router, limits, closed(&public_open)));
    }
    if let Some((listener, router)) = listeners.admin {
        admin.spawn(serve(listener, router, limits, closed(&admin_open)));
    }

    readiness.0.store(true, Relaxed);
    next(&mut signals).await;
    readiness.0.store(false, Relaxed);
    info!(delay = ?shutdown.delay, grace = ?shutdown.grace, "Stopping, no longer ready");

    let finish = async {
        sleep(shutdown.delay).await;
        drop(public_open);
        let drain = async {
            while public.join_next().await.is_some() {}
            drop(admin_open);
            while admin.join_next().await.is_some() {}
        };
        timeout(shutdown.grace, drain).await.is_ok()
    };
    let drained = tokio::select! {
        biased;
        () = next(&mut signals) => false,
        drained = finish => drained,
    };
    if drained {
        info!("Stopped, every request was answered");
        Ended::Drained
    } else {
        warn!("Stopped, requests in flight were cut off");
        Ended::Cut
    }
}

/// The next signal. That no more can come is none.
async fn next(signals: &mut mpsc::Receiver<()>) {
    if signals.recv().await.is_none() {
        pending::<()>().await;
    }
}

/// Ready when `open` is dropped.
fn closed(open: &watch::Sender<()>) -> impl Future<Output = ()> + Send + use<> {
    let mut open = open.subscribe();
    async move { while open.changed().await.is_ok() {} }
}
