//! Databases of the app.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// A file of SQLite.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    /// With these tables and rows in it.
    pub(crate) fn new(sql: &str) -> Self {
        let file = Self::missing();
        file.execute(sql);
        file
    }

    /// Where none is yet.
    pub(crate) fn missing() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    pub(crate) fn open(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    /// The first value of the first row.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// A database of its own on the PostgreSQL server that the environment names
/// (see tests/postgres.sh), dropped with the value.
pub(crate) struct Server {
    admin: String,
    pooler: String,
    name: &'static str,
}

impl Server {
    /// With these tables and rows in it; nothing, and a word about it, without a
    /// server.
    pub(crate) fn new(name: &'static str, sql: &str) -> Option<Self> {
        let server = Self::without(name)?;
        server.create(sql);
        Some(server)
    }

    /// Where no such database is yet.
    pub(crate) fn without(name: &'static str) -> Option<Self> {
        let found = (variable("ROOMKEY_TEST_POSTGRES"), variable("ROOMKEY_TEST_PGBOUNCER"));
        let (Some(admin), Some(pooler)) = found else {
            skipped("ROOMKEY_TEST_POSTGRES and ROOMKEY_TEST_PGBOUNCER name no servers");
            return None;
        };
        let server = Self { admin, pooler, name };
        server.drop_database();
        Some(server)
    }

    pub(crate) fn create(&self, sql: &str) {
        execute(&self.admin, &format!("create database {}", self.name));
        self.execute(sql);
    }

    fn drop_database(&self) {
        execute(&self.admin, &format!("drop database if exists {} with (force)", self.name));
    }

    pub(crate) fn url(&self) -> String {
        self.admin.replace("/postgres?", &format!("/{}?", self.name))
    }

    /// By way of the pooler.
    pub(crate) fn pooled(&self) -> String {
        self.pooler.replace("/postgres?", &format!("/{}?", self.name))
    }

    /// By way of what listens there.
    pub(crate) fn by(&self, address: SocketAddr) -> String {
        self.url().replace(&self.address().to_string(), &address.to_string())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let after = self.admin.split_once('@').unwrap().1;
        after.split('/').next().unwrap().parse().unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) -> Vec<String> {
        execute(&self.url(), sql)
    }

    pub(crate) fn execute_pooled(&self, sql: &str) -> Vec<String> {
        execute(&self.pooled(), sql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drop_database();
    }
}

/// Says so where it is seen: what a test that passes prints is not.
pub(crate) fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let line = format!("SKIPPED {test}: {why}; see tests/postgres.sh\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What tests/postgres.sh says in that variable.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Runs statements; gives the first column of all rows.
fn execute(url: &str, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = url.parse::<Config>().unwrap().connect(NoTls).await.expect("the server is there");
        let connection = tokio::spawn(connection);
        let answer = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        drop(client);
        let _ended = connection.await;
        let rows = answer.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        rows.collect()
    })
}
