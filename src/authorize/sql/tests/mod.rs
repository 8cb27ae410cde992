//! What needs no database.

mod query;
