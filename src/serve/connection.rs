//! One listener and its connections.
//!
//! The rule: whatever a client does, it costs one of a bounded number of connections, for a bounded time and with
//! bounded memory; and no error of a connection or of accepting one ends the listener.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::pin::{self, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tower::Service;
use tracing::{debug, error, warn};

use super::patience::{Owed, Patience, Progress, Watched};
use super::{Limits, Peer};

/// The longest head, from the request line to the empty line; a longer one is answered 431. A head of more than
/// hyper's default of 100 fields is too; naming that number has a cost at each request, by hyper's documentation.
const MAX_HEAD: usize = 32 * 1024;

/// Each connection's buffer for reading and for writing. It must hold a head; bodies pass through it in pieces.
const MAX_BUFFER: usize = MAX_HEAD;

/// How long to wait after a failure to accept, doubled with each further one up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long to let a client read an answer that came before it had sent its whole request.
const LINGER: Duration = Duration::from_secs(2);

/// Serves one listener until `stop` is ready, then closes it, tells its connections to finish and returns when all
/// are gone.
///
/// Requests in flight are answered; idle connections are closed. Dropping the future closes everything at once.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()> + Send) {
    // Once here instead of at each request.
    let router: Router = router.with_state(());
    let mut connections = JoinSet::new();
    // A connection is told to finish by dropping its sender: unlike a channel with many receivers, that costs no lock
    // at each turn of a connection.
    let mut stops: HashMap<task::Id, oneshot::Sender<Infallible>> = HashMap::new();
    let mut crowded = false;
    {
        let mut stop = pin!(stop);
        let mut accepting = pin!(accept(&listener));
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = connections.join_next_with_id() => {
                    stops.remove(&ended_id(&ended));
                    crowded &= connections.len() > limits.max_connections / 2;
                }
                (stream, peer) = &mut accepting, if connections.len() < limits.max_connections => {
                    accepting.set(accept(&listener));
                    let (sender, stopped) = oneshot::channel();
                    let connection = converse(stream, peer, router.clone(), limits, stopped);
                    stops.insert(connections.spawn(connection).id(), sender);
                    if connections.len() >= limits.max_connections && !crowded {
                        crowded = true;
                        warn!(max_connections = limits.max_connections, "Connection limit reached, new connections wait");
                    }
                }
            }
        }
    }
    drop(listener);
    drop(stops);
    while let Some(ended) = connections.join_next_with_id().await {
        ended_id(&ended);
    }
}

/// The id of a connection's task that has ended, whichever way.
fn ended_id(ended: &Result<(task::Id, ()), JoinError>) -> task::Id {
    match ended {
        Ok((id, ())) => *id,
        Err(error) => {
            error!("Connection ended by a panic");
            error.id()
        }
    }
}

/// The next connection, however many failures it takes.
async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, Peer::new(address)),
            Err(error) if is_of_one_connection(&error) => {
                debug!(%error, "Connection ended before it was accepted");
            }
            // Most likely no file descriptors are left: wait for some to be closed.
            Err(error) => {
                if pause < LONGEST_PAUSE {
                    warn!(%error, "Cannot accept connections for now");
                } else {
                    error!(%error, "Cannot accept connections");
                }
                sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

/// Whether accepting failed because of the connection, so that the next one may well succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// One connection from its first byte to its last.
async fn converse(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut stop: oneshot::Receiver<Infallible>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "Connection ended before it began");
        return;
    }
    let progress = Arc::new(Progress::default());
    let mut patience = Patience::new(Arc::clone(&progress), limits);
    let service = service_fn({
        let progress = Arc::clone(&progress);
        move |mut request: Request<Incoming>| {
            progress.asked();
            request.extensions_mut().insert(peer);
            let answer = router.clone().call(request);
            let progress = Arc::clone(&progress);
            async move {
                let answer = answer.await;
                progress.answered();
                answer
            }
        }
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .half_close(true)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(Watched { stream, progress }), service);

    let mut stopping = false;
    let result = loop {
        tokio::select! {
            // The connection first: what has already arrived is a request in flight, and patience counts from there.
            biased;
            result = &mut connection => break result,
            _ = &mut stop, if !stopping => {
                stopping = true;
                pin::Pin::new(&mut connection).graceful_shutdown();
            }
            owed = patience.over() => {
                debug!(?owed, "Connection timed out");
                if owed == Owed::Reading {
                    // Else the kernel would keep the unread answer and go on offering it.
                    let _ = connection.into_parts().io.into_inner().stream.set_zero_linger();
                }
                return;
            }
        }
    };
    if let Err(error) = result {
        debug!(%error, "Connection failed");
    }
    if !stopping {
        linger(connection.into_parts().io.into_inner().stream).await;
    }
}

/// Ends our half of a connection and discards what still arrives, until the client ends its half too.
///
/// An answer such as 413 or 431 can come before its request was read to the end. To close then would reset the
/// connection, and the client could lose the answer.
async fn linger(mut stream: TcpStream) {
    // On the heap: it would otherwise be part of every connection for all its life.
    let mut discarded = vec![0; 16 * 1024];
    let discard = async {
        stream.shutdown().await?;
        while stream.read(&mut discarded).await? > 0 {}
        io::Result::Ok(())
    };
    // Either way the connection is over.
    let _ = timeout(LINGER, discard).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_connection_do_not_pause_accepting() {
        // ECONNABORTED and EMFILE on Linux.
        assert!(is_of_one_connection(&io::Error::from_raw_os_error(103)));
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
    }
}
