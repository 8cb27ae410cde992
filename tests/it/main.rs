//! Roomkey from outside: through the crate's public API, its router, and the
//! command where a command is meant.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod architecture;
mod bearers;
mod bodies;
mod clock;
mod configurations;
mod decisions;
mod grants;
mod model;
mod readme;
mod roles;
mod rust_client;
mod seams;
mod support;
mod vectors;
mod when;
