//! How long a client may keep a connection waiting.
//!
//! The rule: a client owes something at every moment except while its request is being answered, and what it owes has
//! a limit. hyper has one timer for heads, which runs while a kept-alive connection is idle too, and none for writes;
//! so the stream and the service note what happens in a [`Progress`], and a [`Patience`], polled after each turn of
//! the connection in the same task, keeps the time. A request that arrives and is answered whole sets no timer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::Limits;

/// Nothing has arrived yet.
const NEW: u8 = 0;
/// A head has begun and is not complete.
const HEAD: u8 = 1;
/// A request is being answered; its body and its deadline are the handler's business.
const BUSY: u8 = 2;
/// The last request is answered and the next one has not begun.
const IDLE: u8 = 3;

/// What happens on one connection, shared by its stream, its service and its [`Patience`].
///
/// All three run in one task, so the atomics only make it `Send`: they order nothing.
#[derive(Debug, Default)]
pub(super) struct Progress {
    phase: AtomicU8,
    /// Whether the client's side takes no more bytes for now.
    stuck: AtomicBool,
    /// Counts what starts a new wait.
    turn: AtomicU32,
}

impl Progress {
    /// A head is complete and its request goes to the handler.
    pub(super) fn asked(&self) {
        self.enter(BUSY);
    }

    /// The handler has answered. The answer may still have to be written.
    pub(super) fn answered(&self) {
        self.enter(IDLE);
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Relaxed);
        self.turn.fetch_add(1, Relaxed);
    }

    /// Bytes have arrived. Between requests they begin a head.
    ///
    /// Bytes that arrive while a request is answered are its body, or belong to a pipelined request: half of that
    /// one's head then counts as idle until more of it arrives.
    fn read(&self) {
        if matches!(self.phase.load(Relaxed), NEW | IDLE) {
            self.enter(HEAD);
        }
    }

    /// A write was tried, and either moved or is `stuck`.
    fn wrote(&self, stuck: bool) {
        if !stuck || !self.stuck.load(Relaxed) {
            self.turn.fetch_add(1, Relaxed);
        }
        self.stuck.store(stuck, Relaxed);
    }
}

/// A connection's stream, which notes what it reads and writes.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) progress: Arc<Progress>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.read();
        }
        result
    }
}

// Without vectored writes hyper copies an answer's head and body into one buffer; answers here are small.
impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.progress.wrote(result.is_pending());
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a client failed to do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// Its first or next request.
    Request,
    /// The rest of a head.
    Head,
    /// Taking its answer.
    Reading,
}

/// The timer of one connection.
#[derive(Debug)]
pub(super) struct Patience {
    progress: Arc<Progress>,
    limits: Limits,
    /// The turn that `wait` belongs to.
    turn: Option<u32>,
    wait: Option<(Instant, Owed)>,
    /// Set anew only when it would ring too late. When it rings too early it is set to the end of the wait, so a
    /// connection with steady requests touches the timer once in an idle timeout.
    alarm: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(progress: Arc<Progress>, limits: Limits) -> Self {
        Self { progress, limits, turn: None, wait: None, alarm: Box::pin(sleep(limits.header_read_timeout)) }
    }

    /// Waits until the client has used up its time. Poll it after the connection, in the same task.
    pub(super) async fn over(&mut self) -> Owed {
        poll_fn(|cx| self.poll_over(cx)).await
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Owed> {
        let turn = self.progress.turn.load(Relaxed);
        if self.turn != Some(turn) {
            self.turn = Some(turn);
            self.wait = self.owed().and_then(|(limit, owed)| {
                // A limit too long for the clock is none.
                Some((Instant::now().checked_add(limit)?, owed))
            });
        }
        let Some((end, owed)) = self.wait else {
            return Poll::Pending;
        };
        if self.alarm.deadline() > end {
            self.alarm.as_mut().reset(end);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if self.alarm.deadline() >= end {
                return Poll::Ready(owed);
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }

    /// What the client owes now, and how long it may take.
    fn owed(&self) -> Option<(Duration, Owed)> {
        if self.progress.stuck.load(Relaxed) {
            return Some((self.limits.write_timeout, Owed::Reading));
        }
        match self.progress.phase.load(Relaxed) {
            NEW => Some((self.limits.header_read_timeout, Owed::Request)),
            HEAD => Some((self.limits.header_read_timeout, Owed::Head)),
            IDLE => Some((self.limits.idle_timeout, Owed::Request)),
            _ => None,
        }
    }
}
