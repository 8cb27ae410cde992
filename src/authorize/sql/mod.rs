//! The app's own database decides: a row is a role.
//!
//! No row says nothing, and a row without a role says no. Whatever else cannot
//! be understood, or does not come in time, is undecided. The database is only
//! read, and the rows are the operator's own words: no ceiling cuts them.

mod pool;
mod postgres;
mod query;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use super::{Authorizer, Unavailable, Verdict};
use crate::ask::{Ask, Context};
use crate::authenticate::Caller;
use crate::units;
pub(crate) use query::{Dialect, Parameter, Query};

/// Between two tries while the database was not reached yet.
const RETRY: Duration = Duration::from_secs(2);

/// One `kind = "sql"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SqlSettings {
    /// The authorizer in the configuration, such as `authorize[0]`, for the log.
    pub(crate) path: String,
    pub(crate) source: Source,
    pub(crate) query: Query,
    /// For the whole question, the wait for a connection too.
    pub(crate) timeout: Duration,
    pub(crate) max_connections: usize,
}

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Sqlite(PathBuf),
    /// Never prints its password.
    Postgres(Box<tokio_postgres::Config>),
}

/// The databases of the process, which outlive its configurations.
#[derive(Debug, Default)]
pub(crate) struct Databases(Mutex<Vec<Weak<Database>>>);

impl Databases {
    /// The database with these settings: the one that is in use already, or a
    /// new one that begins to be reached.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    fn get(&self, settings: &SqlSettings) -> Result<Arc<Database>, String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|database| database.strong_count() > 0);
        let known = all.iter().filter_map(Weak::upgrade).find(|database| database.settings == *settings);
        if let Some(known) = known {
            return Ok(known);
        }
        let database = Arc::new(Database::new(settings.clone())?);
        all.push(Arc::downgrade(&database));
        database.begin();
        Ok(database)
    }
}

#[derive(Debug)]
struct Database {
    settings: SqlSettings,
    driver: Driver,
    begun: AtomicBool,
    /// Whether it was ever reached and the query found good.
    met: AtomicBool,
}

#[derive(Debug)]
enum Driver {
    Sqlite(sqlite::Sqlite),
    Postgres(Box<postgres::Postgres>),
}

impl Database {
    fn new(settings: SqlSettings) -> Result<Self, String> {
        let SqlSettings { source, query, timeout, max_connections, .. } = &settings;
        let driver = match source {
            Source::Sqlite(path) => Driver::Sqlite(sqlite::Sqlite::new(path, query, *timeout, *max_connections)),
            Source::Postgres(config) => {
                Driver::Postgres(Box::new(postgres::Postgres::new(config, query, *timeout, *max_connections)?))
            }
        };
        Ok(Self { settings, driver, begun: AtomicBool::new(false), met: AtomicBool::new(false) })
    }

    /// What the database says of a user in a room.
    async fn ask(&self, user: &str, room: &str, provider: &str) -> Result<Verdict, String> {
        let values = self.settings.query.parameters.iter().map(|parameter| match parameter {
            Parameter::User => user,
            Parameter::Room => room,
            Parameter::Provider => provider,
        });
        let asked = async {
            match &self.driver {
                Driver::Sqlite(file) => file.ask(values.map(str::to_owned).collect()).await,
                Driver::Postgres(server) => server.ask(&values.map(Some).collect::<Vec<_>>()).await,
            }
        };
        self.in_time(asked).await.and_then(|rows| row::verdict(&rows))
    }

    /// Whether the query can be asked, and could decide. Gives the columns that
    /// nobody looks at.
    async fn check(&self) -> Result<Vec<String>, String> {
        let asked = async {
            match &self.driver {
                Driver::Sqlite(file) => file.columns().await,
                Driver::Postgres(server) => server.columns(&self.settings.query).await,
            }
        };
        let columns = self.in_time(asked).await?;
        Ok(row::check(columns.iter().map(String::as_str))?.into_iter().map(str::to_owned).collect())
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let limit = self.settings.timeout;
        let late = || Err(format!("no answer within {}", units::display(limit)));
        timeout(limit, asked).await.unwrap_or_else(|_| late())
    }

    /// Tries until it was reached once, for as long as somebody uses it.
    fn begin(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.begun.swap(true, Relaxed) {
            return;
        }
        let database = Arc::downgrade(self);
        runtime.spawn(async move {
            let mut last = None;
            while !meet(&database, &mut last).await {
                sleep(RETRY).await;
            }
        });
    }
}

/// Whether it was reached, or nobody uses it any more. `last` is why not, so that
/// the log says it once.
async fn meet(database: &Weak<Database>, last: &mut Option<String>) -> bool {
    let Some(database) = database.upgrade() else { return true };
    let setting = &database.settings.path;
    match database.check().await {
        Ok(unused) => {
            if !unused.is_empty() {
                tracing::warn!(setting, columns = ?unused, "The query gives columns that nobody looks at");
            }
            tracing::info!(setting, "The database can be asked");
            database.met.store(true, Relaxed);
            true
        }
        Err(why) => {
            if last.as_ref() != Some(&why) {
                tracing::error!(setting, why, "Cannot ask the database");
            }
            *last = Some(why);
            false
        }
    }
}

/// Asks the database.
#[derive(Debug)]
pub(crate) struct Sql(Arc<Database>);

impl Sql {
    pub(crate) const KIND: &str = "sql";

    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(settings: &SqlSettings, databases: &Databases) -> Result<Self, String> {
        databases.get(settings).map(Self)
    }

    /// Whether the query can be asked now, and could decide.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) async fn probe(settings: &SqlSettings) -> Result<(), String> {
        Database::new(settings.clone())?.check().await.map(drop)
    }
}

#[async_trait]
impl Authorizer for Sql {
    fn name(&self) -> &str {
        Self::KIND
    }

    async fn decide(&self, caller: &Caller, ask: &Ask, _: &Context) -> Result<Verdict, Unavailable> {
        // Only the query could say what no room means, and it has no word for it.
        let Some(room) = ask.resource.room() else { return Ok(Verdict::Pass) };
        let provider = ask.action.provider().as_str();
        self.0.ask(caller.subject(), room.as_str(), provider).await.map_err(Unavailable::new)
    }

    fn is_ready(&self) -> bool {
        // If it was made outside of a runtime, this is inside of one.
        self.0.begin();
        self.0.met.load(Relaxed)
    }
}
