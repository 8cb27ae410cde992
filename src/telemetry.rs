//! Log lines, on stderr.
//!
//! Audit lines come whatever the level is. Libraries speak from `warn` up
//! alone: what they say below that could show a header. A panic shows where it
//! was and never its message, which could hold anything.

use std::io::{IsTerminal as _, stderr};
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::authorize::AUDIT_TARGET;
use crate::config::{Log, LogFormat};

/// Begins to log. Only the first call in a process does anything.
pub(crate) fn init(log: Log) {
    let filter = Targets::new()
        .with_default(LevelFilter::WARN.min(log.level))
        .with_target("roomkey", log.level)
        .with_target(AUDIT_TARGET, LevelFilter::INFO);
    let terminal = stderr().is_terminal();
    let json = log.format.map_or(!terminal, |format| format == LogFormat::Json);
    let lines = fmt::layer().with_writer(stderr).with_ansi(terminal);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(filter).boxed()
    } else {
        lines.with_filter(filter).boxed()
    };
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map_or_else(String::new, ToString::to_string);
            tracing::error!(place, "Panicked");
        }));
    }
}
