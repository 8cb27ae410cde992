//! Connections that are open and unused, and how many there may be.
//!
//! A connection is here only if whoever had it last was done with it. One that
//! was left half-way, by a timeout or a client that went away, is gone with it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection unused for longer is not used again: what stands between us and
/// a database may have forgotten it without a word.
const MAX_IDLE: Duration = Duration::from_mins(1);

/// At most so many connections at once.
pub(super) struct Pool<T> {
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<(T, Instant)>>,
}

/// The right to one connection.
#[derive(Debug)]
pub(super) struct Slot<T> {
    pool: Arc<Pool<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> Pool<T> {
    pub(super) fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Self { slots: Arc::new(Semaphore::new(max_connections)), idle: Mutex::default() })
    }

    /// Waits for a slot. How many may wait is bounded by how many requests are
    /// served at once, and for how long by each one's timeout.
    pub(super) async fn slot(self: &Arc<Self>) -> Result<Slot<T>, String> {
        let permit = self.slots.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        Ok(Slot { pool: self.clone(), _permit: permit })
    }
}

impl<T> Slot<T> {
    /// The connection that was used last, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < MAX_IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    /// Drops all that are unused: one of them was broken.
    pub(super) fn forget_idle(&self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Leaves the connection for the next one. Without it, it ends.
    pub(super) fn give_back(self, connection: T) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("free", &self.slots.available_permits()).finish_non_exhaustive()
    }
}
