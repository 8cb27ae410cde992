//! Attacks on the built binary, from outside: each row of the table of attacks
//! is a function that begins with the row's id, and each further promise is a
//! function whose name says it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::too_many_lines, reason = "a table of attacks is as long as it is")]
#![expect(clippy::needless_pass_by_value, reason = "a body is text or JSON, written where it is sent")]

mod support;

mod backend;
mod caller;
mod commands;
mod config;
mod config_lists;
mod cookies;
mod edge;
mod environment;
mod grants;
mod invites;
mod limits;
mod reload;
mod rooms;
mod secrets;
mod tokens;
