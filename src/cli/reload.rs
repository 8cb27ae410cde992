//! A new configuration under load: at SIGHUP, or when a file of it changes.
//!
//! A bad one changes nothing and is said loudly; the good one that runs goes
//! on.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

use super::{Files, serve};
use crate::config::{Config, Problem, Purpose};
use crate::service::Handle;

/// How often files are looked at.
const POLL: Duration = Duration::from_secs(2);

/// What tells one content of a file from another.
type Stamp = Option<(SystemTime, u64)>;

/// Watches until it is dropped. `running` is the configuration of the start.
pub(super) async fn watch(sources: Files, handle: Handle, running: Config) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("Cannot listen for SIGHUP");
        return;
    };
    let mut files = running.files.clone();
    let mut stamps = stamps(&files);
    // Of the last try, if it was bad: what it lacks may come without a file changing that we know.
    let mut bad: Vec<Problem> = Vec::new();
    let mut poll = interval(POLL);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = poll.tick() => false,
        };
        let now = self::stamps(&files);
        if !asked && now == stamps && bad.is_empty() {
            continue;
        }
        stamps = now;
        match sources.load(Purpose::Serve) {
            Ok(config) => {
                bad.clear();
                put_in_place(&handle, &running, &config);
                if config.files != files {
                    files = config.files;
                    stamps = self::stamps(&files);
                }
            }
            Err(problems) if problems == bad && !asked => (),
            Err(problems) => {
                for Problem { key, source, message } in &problems {
                    tracing::error!(key, source, "{message}");
                }
                tracing::error!("The new configuration is bad, the old one stays in place");
                bad = problems;
            }
        }
    }
}

fn put_in_place(handle: &Handle, running: &Config, config: &Config) {
    if let Err(error) = handle.replace(config) {
        tracing::error!(%error, "The new configuration cannot be used, the old one stays in place");
        return;
    }
    tracing::info!("New configuration in place");
    serve::say_what_is_questionable(config);
    let (old, new) = (&running.server, &config.server);
    for (key, changed) in [
        ("server.listen", old.listen != new.listen),
        ("server.header_read_timeout", old.header_read_timeout != new.header_read_timeout),
        ("server.idle_timeout", old.idle_timeout != new.idle_timeout),
        ("server.max_connections", old.max_connections != new.max_connections),
        ("server.shutdown_delay", old.shutdown_delay != new.shutdown_delay),
        ("server.shutdown_grace", old.shutdown_grace != new.shutdown_grace),
        ("admin.listen", running.admin != config.admin),
        ("log.level", running.log.level != config.log.level),
    ] {
        if changed {
            tracing::warn!(key, "Takes effect at the next start");
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp =
        |file: &PathBuf| std::fs::metadata(file).ok().and_then(|data| Some((data.modified().ok()?, data.len())));
    files.iter().map(stamp).collect()
}
