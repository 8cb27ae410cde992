//! `POST /api/liveblocks-auth` on the built binary, from outside: what is asked
//! of Liveblocks, what comes of every answer, and what the browser's client
//! makes of it.
//!
//! The recorded cases are in `tests/vectors/liveblocks.json` and
//! `tests/vectors/liveblocks-client-behaviour.txt`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::format_push_string, clippy::format_collect, reason = "texts are short here")]

mod support;

mod attacks;
mod commands;
mod configuration;
mod edge;
mod identify;
mod limits;
mod local;
mod overload;
mod personal;
mod rooms;
mod secrecy;
mod silent;
mod stop;
mod upstream;
mod vectors;
