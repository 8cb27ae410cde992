//! Roomkey as a process, and what it asks: backends, identity providers and
//! callers that do what a test wants.

mod answer;
mod configs;
mod cut;
mod database;
mod keys;
mod roomkey;
mod upstream;

pub(crate) use answer::Answer;
pub(crate) use configs::{
    APP_SECRET, AUTHORIZE, JWT, LIVEBLOCKS, LIVEBLOCKS_SECRET, LIVEKIT, LIVEKIT_SECRET, MEMBERS, SESSION, SIGNING,
    TABLE, asking, session, sql,
};
pub(crate) use cut::{Then, Way};
pub(crate) use database::{File, Server, skipped, variable};
pub(crate) use keys::{Key, claims_of, discovery, hs256, now, serve_set, set, tag, user};
pub(crate) use roomkey::{Ask, Ran, Roomkey, at_once, check, conformance, run, run_in, run_online};
pub(crate) use upstream::{Seen, Upstream, hold, nowhere, reply, reply_json};
