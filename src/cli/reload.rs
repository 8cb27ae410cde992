//! A new configuration under load: at SIGHUP, or when a file of it changes.
//!
//! A bad one changes nothing and is said loudly; the good one that runs goes
//! on.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

use super::Files;
use crate::config::Purpose;
use crate::service::Handle;

/// How often files are looked at.
const POLL: Duration = Duration::from_secs(2);

/// What tells one content of a file from another.
type Stamp = Option<(SystemTime, u64)>;

/// Watches until it is dropped.
pub(super) async fn watch(sources: Files, handle: Handle, mut files: Vec<PathBuf>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("Cannot listen for SIGHUP");
        return;
    };
    let mut stamps = stamps(&files);
    let mut poll = interval(POLL);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = poll.tick() => false,
        };
        let now = self::stamps(&files);
        if !asked && now == stamps {
            continue;
        }
        match sources.load(Purpose::Serve) {
            Ok(config) => match handle.replace(&config) {
                Ok(()) => {
                    files = config.files;
                    tracing::info!("New configuration in place");
                }
                Err(error) => {
                    tracing::error!(%error, "The new configuration cannot be used, the old one stays in place");
                }
            },
            Err(problems) => {
                for problem in problems {
                    tracing::error!(key = problem.key, source = problem.source, "{}", problem.message);
                }
                tracing::error!("The new configuration is bad, the old one stays in place");
            }
        }
        stamps = self::stamps(&files);
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp =
        |file: &PathBuf| std::fs::metadata(file).ok().and_then(|data| Some((data.modified().ok()?, data.len())));
    files.iter().map(stamp).collect()
}
