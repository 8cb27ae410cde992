//! Databases of the app.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

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
