//! Liveblocks: documents that several edit at once.

mod scope;

pub(crate) use scope::{Permissions, Role};
