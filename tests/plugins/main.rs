//! Plug-ins on the built binary, from outside: the app's backend as authorizer
//! and as authenticator, identity providers' key sets, trusted headers, and databases.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::format_push_string, reason = "texts are short here")]
#![expect(clippy::needless_pass_by_value, reason = "a document is JSON, written where it is given")]

mod support;

mod answers;
mod broken;
mod cache;
mod ceiling;
mod conformance;
mod discovery;
mod grants;
mod headers;
mod keys;
mod online;
mod overload;
mod postgres;
mod projects;
mod question;
mod refusals;
mod rotation;
mod session;
mod short_forms;
mod sql;
mod when;
