//! A PostgreSQL database, asked in transactions that can only read.
//!
//! Each question is one transaction that is sent at once and rolled back, with
//! an unnamed statement and no setting that outlives it, so that any server
//! behind a transaction pooler may answer it. The query is asked for as JSON: a
//! column of a type that is not built in would else be looked up by a statement
//! that is kept.
//!
//! Where TLS is used the certificate is verified, whatever `sslmode` is; a server
//! that has none is taken by `prefer`, which is the default, and by `disable`.
//!
//! Sources: PostgreSQL 17, 53.2.3 (extended query); PgBouncer 1.24,
//! `pool_mode`.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::pool::Pool;
use super::query::Query;
use super::row::{MAX_ROWS, Row};

/// The longest row in characters that is read.
const MAX_ROW_CHARS: usize = 64 * 1024;
/// What PostgreSQL says of a text that is none of a number, a uuid, a date, …: the
/// SQLSTATEs of no such form and out of range (Appendix A).
const UNFIT: [&str; 4] = ["22P02", "22003", "22007", "22008"];
/// Classes whose messages speak of connections, permissions, names and resources,
/// and hold no value (Appendix A).
const PLAIN: [&str; 10] = ["08", "0A", "25", "28", "3D", "42", "53", "55", "57", "58"];
/// A column that is there even if the query gives no row.
const OURS: &str = "roomkey_column";

/// One database.
#[derive(Debug)]
pub(super) struct Postgres {
    config: Config,
    /// Nothing: not to be used.
    tls: Option<Tls>,
    /// Begins a transaction.
    begin: String,
    /// The query, as it is asked.
    question: String,
    pool: Arc<Pool<Link>>,
}

struct Tls(MakeRustlsConnect);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// A connection. It ends with the value, whatever it was doing.
struct Link {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What came of a transaction.
enum Outcome {
    /// The database spoke, and the connection is as it was.
    Answered(Result<Vec<Row>, String>),
    /// The connection is of no use any more.
    Broken(String),
}

impl Postgres {
    /// # Errors
    ///
    /// TLS cannot be set up, and may be needed.
    pub(super) fn new(
        config: &Config,
        query: &Query,
        timeout: Duration,
        max_connections: usize,
    ) -> Result<Self, String> {
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(tls()?),
        };
        // A little sooner than ours, so that a slow query costs no connection.
        let theirs = timeout * 9 / 10;
        let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {}", theirs.as_millis());
        let question = bounded(&query.sql);
        Ok(Self { config: config.clone(), tls, begin, question, pool: Pool::new(max_connections) })
    }

    /// At most [`MAX_ROWS`] rows of the answer.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, or says no.
    pub(super) async fn ask(&self, values: &[Option<&str>]) -> Result<Vec<Row>, String> {
        self.transaction(&self.question, values).await
    }

    /// The names of the columns that the query gives, after it was asked about
    /// nobody in no room.
    ///
    /// # Errors
    ///
    /// As [`Postgres::ask`].
    pub(super) async fn columns(&self, query: &Query) -> Result<Vec<String>, String> {
        let sql = &query.sql;
        let one = bounded(&format!(
            "select * from (values (1)) as roomkey_one ({OURS}) left join lateral (\n{sql}\n) as roomkey_row on true"
        ));
        let rows = self.transaction(&one, &vec![None; query.parameters.len()]).await?;
        let columns = rows.into_iter().take(1).flat_map(|row| row.0).map(|(name, _)| name);
        Ok(columns.filter(|name| name != OURS).collect())
    }

    async fn transaction(&self, sql: &str, values: &[Option<&str>]) -> Result<Vec<Row>, String> {
        let slot = self.pool.slot().await?;
        if let Some(link) = slot.take().filter(|link| !link.client.is_closed()) {
            match link.transaction(&self.begin, sql, values).await {
                Outcome::Answered(answer) => {
                    slot.give_back(link);
                    return answer;
                }
                // It was closed while nobody looked. Nothing was decided, and
                // reading twice harms nobody.
                Outcome::Broken(_) => slot.forget_idle(),
            }
        }
        let link = self.connect().await?;
        match link.transaction(&self.begin, sql, values).await {
            Outcome::Answered(answer) => {
                slot.give_back(link);
                answer
            }
            Outcome::Broken(why) => Err(why),
        }
    }

    async fn connect(&self) -> Result<Link, String> {
        match &self.tls {
            Some(Tls(tls)) => Link::new(&self.config, tls.clone()).await,
            None => Link::new(&self.config, NoTls).await,
        }
    }
}

/// At most [`MAX_ROWS`] rows, each as JSON and no longer than
/// [`MAX_ROW_CHARS`].
fn bounded(sql: &str) -> String {
    format!("select left(to_json(roomkey_row)::text, {MAX_ROW_CHARS}) from (\n{sql}\n) as roomkey_row limit {MAX_ROWS}")
}

fn tls() -> Result<Tls, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier);
    let config = config.map_err(|error| {
        format!("cannot set up TLS, for which CA certificates must be installed (or sslmode=disable set, on a network of its own): {error}")
    })?;
    Ok(Tls(MakeRustlsConnect::new(config.with_no_client_auth())))
}

impl Link {
    async fn new<T>(config: &Config, tls: T) -> Result<Self, String>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, connection) = config.connect(tls).await.map_err(|error| why(&error))?;
        Ok(Self { client, task: tokio::spawn(async move { drop(connection.await) }) })
    }

    /// All in one go: nothing is sent after this was first polled.
    async fn transaction(&self, begin: &str, sql: &str, values: &[Option<&str>]) -> Outcome {
        let values: Vec<_> = values.iter().copied().map(Text).collect();
        let values: Vec<_> = values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::UNKNOWN)).collect();
        let (begun, found, ended) = tokio::join!(
            biased;
            self.client.batch_execute(begin),
            self.client.query_typed(sql, &values),
            self.client.batch_execute("ROLLBACK"),
        );
        match (&begun, &found, &ended) {
            (Err(first), ..) | (Ok(()), Err(first), Err(_)) | (Ok(()), Ok(_), Err(first)) => {
                Outcome::Broken(why(first))
            }
            (Ok(()), Err(error), Ok(())) => Outcome::Answered(Err(why(error))),
            (Ok(()), Ok(rows), Ok(())) => Outcome::Answered(rows.iter().map(row).collect()),
        }
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, String> {
    let json: &str = row.try_get(0).map_err(|error| why(&error))?;
    let unreadable = "a row is longer than 64 KiB, or cannot be read; select only role, name and ttl";
    serde_json::from_str(json).map_err(|_| unreadable.to_owned())
}

/// A value sent as text, which the query casts it to.
#[derive(Debug)]
struct Text<'a>(Option<&'a str>);

impl ToSql for Text<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// What the database or the way to it says, without anybody's data: some
/// messages quote values, and details do.
fn why(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        let code = said.code().code();
        if UNFIT.contains(&code) {
            return format!(
                "SQLSTATE {code}: a value does not fit the type of its column; compare as text, such as `column::text = :user`"
            );
        }
        let is_plain = PLAIN.iter().any(|class| code.starts_with(class));
        return if is_plain { format!("SQLSTATE {code}: {}", said.message()) } else { format!("SQLSTATE {code}") };
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _written = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
