//! Roomkey hands out the keys to realtime rooms: a frontend asks it for a token
//! before it joins a LiveKit call or a Liveblocks document.
//!
//! Data flows one way, and each step is a type that only its own module makes:
//!
//! ```text
//! request ─▶ authenticate ─▶ authorize ─▶ livekit | liveblocks ─▶ response
//!              Caller          Permit          token
//! ```
//!
//! # Layout, in reading order
//!
//! - [`ask`]: what is asked for; [`name`]: names of rooms and identities;
//!   [`claims`]: what is known of a caller; [`pattern`] and [`template`]: how
//!   claims select rooms and fill texts; `expression`: conditions in CEL;
//!   `room_index`: which of many rules speak of a room;
//!   `json`, `units`, `nearest`: strict JSON, durations, "did you mean".
//! - [`authenticate`]: who asks. One file for each authenticator.
//! - [`authorize`]: may they. One file for each authorizer, and the engine.
//! - [`role`]: the rights that a decision gives, in each vendor's words;
//!   `project`: further accounts at a vendor that it may send to.
//! - `livekit`, `liveblocks`: from a permit to that vendor's token; siblings
//!   that do not know each other.
//! - `callback`, `outbound`, `invite`: the app's backend as a decider, calls to
//!   others, and invites.
//! - `http`: the edge; nothing else knows axum. `serve`: listeners and the end.
//! - `config`: from files and the environment to settings that were checked.
//! - `snapshot`, `service`: what puts it all together. `cli`: the commands.
//!
//! # Embedding it
//!
//! ```no_run
//! use roomkey::{Config, Purpose, Roomkey, Sources};
//!
//! # fn main() -> Result<(), Vec<roomkey::Problem>> {
//! let sources = Sources { files: vec!["roomkey.toml".into()], ..Sources::default() };
//! let roomkey = Roomkey::builder(Config::load(&sources, Purpose::Serve)?).build().expect("TLS can be set up");
//! let router: axum::Router = roomkey.router();
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod ask;
pub mod authenticate;
pub mod authorize;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod callback;
pub mod claims;
#[doc(hidden)]
pub mod cli;
pub mod clock;
mod config;
mod expression;
mod http;
mod invite;
mod json;
mod liveblocks;
mod livekit;
pub mod name;
mod nearest;
mod outbound;
pub mod pattern;
mod project;
mod random;
pub mod role;
mod room_index;
pub mod serve;
mod service;
mod snapshot;
mod telemetry;
pub mod template;
mod units;

pub use config::{Config, Problem, Purpose, Sources};
pub use service::{BuildError, Builder, Handle, Roomkey};
