//! Attacks on the built binary, from outside: each row of the table of attacks
//! is a function that begins with the row's id, and each further promise is a
//! function whose name says it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;

mod backend;
mod caller;
mod config;
mod config_lists;
mod cookies;
mod edge;
mod environment;
mod grants;
mod rooms;
mod tokens;
