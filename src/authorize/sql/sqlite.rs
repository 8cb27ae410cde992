//! An SQLite file, read and never written.
//!
//! It is opened anew for as long as it is not there, and when another file takes
//! its name. One in WAL mode needs its folder to be writable, or its `-shm` file
//! to be there.
//!
//! Nothing waits for the file on a thread that serves requests, and a query that
//! does not end is ended: it may run as long as the authorizer's timeout.
//!
//! Sources: `sqlite.org/c3ref/open.html`, `sqlite.org/pragma.html#pragma_query_only`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Statement, params_from_iter};
use serde_json::{Number, Value};

use super::pool::Pool;
use super::query::Query;
use super::row::{MAX_ROWS, Row};

/// How many steps of a query lie between two looks at the clock: far below a
/// millisecond.
const STEPS: i32 = 10_000;
/// The longest value in bytes that is read.
const MAX_VALUE_BYTES: i32 = 1024 * 1024;

/// One file.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: Arc<Path>,
    sql: Arc<str>,
    timeout: Duration,
    pool: Arc<Pool<Open>>,
    /// The files that answered last.
    last: Arc<Mutex<Option<Ids>>>,
}

/// A connection, and which file it is to.
struct Open {
    connection: Connection,
    file: Option<FileId>,
    page_bytes: u64,
}

/// A backup that is put in place leaves another file under the same name.
type FileId = (u64, u64);

/// Of the database, and of the write-ahead log beside it.
type Ids = (Option<FileId>, Option<FileId>);

impl Sqlite {
    pub(super) fn new(path: &Path, query: &Query, timeout: Duration, max_connections: usize) -> Self {
        Self {
            path: path.into(),
            sql: query.sql.as_str().into(),
            timeout,
            pool: Pool::new(max_connections),
            last: Arc::default(),
        }
    }

    /// At most [`MAX_ROWS`] rows of the answer.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the query is not for it.
    pub(super) async fn ask(&self, values: Vec<String>) -> Result<Vec<Row>, String> {
        self.run(move |statement| rows(statement, &values)).await
    }

    /// The names of the columns that the query gives.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::ask`].
    pub(super) async fn columns(&self) -> Result<Vec<String>, String> {
        self.run(|statement| Ok(statement.column_names().map(str::to_owned).collect())).await
    }

    /// Does it where waiting harms nobody. Its slot is taken until it is done,
    /// even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Statement<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, String> {
        let until = Instant::now() + self.timeout;
        let slot = self.pool.slot().await?;
        let (path, sql, timeout, last) = (self.path.clone(), self.sql.clone(), self.timeout, self.last.clone());
        let done = tokio::task::spawn_blocking(move || {
            let (file, log) = (file_id(&path), file_id(&log_of(&path)));
            let ids: Ids = (file.map(|(id, _)| id), log.map(|(id, _)| id));
            let same = slot.take().filter(|open| open.file.is_some() && open.file == ids.0);
            let before = *last.lock().unwrap_or_else(PoisonError::into_inner);
            let replaced = before.is_some_and(|before| before.0 != ids.0 && before.1 == ids.1);
            if log.is_some_and(|(_, bytes)| bytes > 0) && (replaced || (same.is_none() && keeps_no_log(&path))) {
                return Err("the -wal file beside it belongs to a database that was there before; remove -wal and -shm when another is put in place".to_owned());
            }
            let mut open = match same {
                Some(open) => open,
                None => connect(&path, ids.0, timeout).map_err(|error| why(&error))?,
            };
            // SQLite takes what is missing of the last page for zeros, and rows in it for none.
            if file.is_some_and(|(_, bytes)| bytes % open.page_bytes != 0) {
                return Err("the file ends in the middle of a page; put copies in place whole, by renaming".to_owned());
            }
            let done = prepared(&mut open.connection, &sql, until, work);
            if done.is_ok() {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(ids);
                slot.give_back(open);
            }
            done
        });
        done.await.map_err(|error| format!("the query broke off: {error}"))?
    }
}

/// Which file it is, and how long.
fn file_id(path: &Path) -> Option<(FileId, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|file| ((file.dev(), file.ino()), file.len()))
}

/// The write-ahead log of a database. SQLite lays it over whatever is there.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Whether a database says of itself that it is written without a log
/// (`sqlite.org/fileformat2.html`, bytes 18 and 19 of the header).
fn keeps_no_log(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18..] == [1, 1]
}

fn connect(path: &Path, file: Option<FileId>, timeout: Duration) -> Result<Open, Error> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Somebody who writes may be in the way; there must be time left to say so.
    connection.busy_timeout(timeout / 4 * 3)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    connection.pragma_update(None, "query_only", true)?;
    let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?;
    Ok(Open { connection, file, page_bytes: u64::from(page_bytes.max(1)) })
}

fn prepared<T>(
    connection: &mut Connection,
    sql: &str,
    until: Instant,
    work: impl FnOnce(&mut Statement<'_>) -> Result<T, Error>,
) -> Result<T, String> {
    let late = move || Instant::now() >= until;
    connection.progress_handler(STEPS, Some(late)).map_err(|error| why(&error))?;
    let mut statement = connection.prepare(sql).map_err(|error| why(&error))?;
    if !statement.readonly() {
        return Err("the query writes; it may only read".to_owned());
    }
    let worked = work(&mut statement);
    drop(statement);
    worked.map_err(|error| match error {
        // Such as a search for nonsense: the message quotes it. Without any value in it there is no table any more.
        Error::SqliteFailure(failure, _) if failure.code == ErrorCode::Unknown => match connection.prepare(sql) {
            Ok(_) => "the query failed on the values that it was given".to_owned(),
            Err(error) => why(&error),
        },
        other => why(&other),
    })
}

fn rows(statement: &mut Statement<'_>, values: &[String]) -> Result<Vec<Row>, Error> {
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while rows.len() < MAX_ROWS
        && let Some(row) = found.next()?
    {
        // Of the same preparation as the values: a changed schema causes a new one.
        let names = row.as_ref().column_names().enumerate();
        let columns = names.map(|(index, name)| Ok((name.to_owned(), value(row.get_ref(index)?)?)));
        rows.push(Row(columns.collect::<Result<_, Error>>()?));
    }
    Ok(rows)
}

fn value(value: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => Number::from_f64(number).map_or(Value::Bool(false), Value::Number),
        ValueRef::Text(_) => value.as_str()?.into(),
        ValueRef::Blob(_) => Value::Array(Vec::new()),
    })
}

/// What SQLite says, without the query.
fn why(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
