//! Connections and rows of either database.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use sqlx::{
    Arguments as _, ConnectOptions as _, Row as _,
    pool::{PoolConnection, PoolOptions},
    postgres::{PgArguments, PgConnectOptions, PgRow},
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

use super::{Arg, Backend, Rows, Statement, Texts, Ty, most_rows, padded};
use crate::error::{Result, StoreError};

/// How long a caller waits for a connection before it is told that there is none.
const ACQUIRE: Duration = Duration::from_secs(5);

/// A pool of connections.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(sqlx::SqlitePool, Arc<Texts>),
    Postgres(sqlx::PgPool, Arc<Texts>),
}

impl Pool {
    pub(crate) async fn sqlite(options: SqliteConnectOptions, connections: u32) -> Result<Self> {
        let pool = PoolOptions::new()
            .min_connections(1)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            // A connection that goes takes a database in memory with it.
            .idle_timeout(None)
            .max_lifetime(None)
            // It is this process's own file: there is no server to have gone away.
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self::Sqlite(pool, Arc::default()))
    }

    pub(crate) async fn postgres(options: PgConnectOptions, connections: u32) -> Result<Self> {
        let pool = PoolOptions::new()
            .min_connections(0)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            // Broken connections show at their first use and are replaced; asking before every use
            // would double the round trips.
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self::Postgres(pool, Arc::default()))
    }

    pub(crate) const fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(..) => Backend::Sqlite,
            Self::Postgres(..) => Backend::Postgres,
        }
    }

    pub(crate) async fn acquire(&self) -> Result<Connection> {
        Ok(match self {
            Self::Sqlite(pool, texts) => Connection::Sqlite(pool.acquire().await?, Arc::clone(texts)),
            Self::Postgres(pool, texts) => Connection::Postgres(pool.acquire().await?, Arc::clone(texts)),
        })
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool, _) => pool.close().await,
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}

/// How a SQLite file is opened, for its writer or for readers.
pub(crate) fn sqlite_options(url: &str, writer: bool) -> Result<SqliteConnectOptions> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An answer is given only for what a power failure cannot take back.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(false)
        .page_size(4096)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "1073741824")
        // The writer is never stalled by a checkpoint: `writer::checkpoint` runs them beside it.
        .pragma("wal_autocheckpoint", "0")
        .pragma("journal_size_limit", "0")
        // A commit looks through the whole cache, and another's commit empties a reader's: small ones are
        // faster. What is not in the log is read through the map.
        .pragma("cache_size", if writer { "-16384" } else { "-1024" })
        .pragma("cache_spill", "OFF")
        .statement_cache_capacity(if writer { 1024 } else { 256 })
        .row_buffer_size(512)
        .disable_statement_logging();
    Ok(options)
}

/// How a PostgreSQL server is reached.
pub(crate) fn postgres_options(url: &str) -> Result<PgConnectOptions> {
    Ok(PgConnectOptions::from_str(url)?
        .application_name("shopwright")
        // Every query of ours looks a few keys up in indexes, however large the tables are. Left to its
        // statistics (none, at first) the planner scans and hashes whole tables for sets of keys.
        .options([
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
            // What is answered is durable, whatever the server's default.
            ("synchronous_commit", "on"),
        ])
        .statement_cache_capacity(512)
        .disable_statement_logging())
}

/// A connection.
pub(crate) enum Connection {
    Sqlite(PoolConnection<sqlx::Sqlite>, Arc<Texts>),
    Postgres(PoolConnection<sqlx::Postgres>, Arc<Texts>),
}

impl Connection {
    pub(crate) const fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(..) => Backend::Sqlite,
            Self::Postgres(..) => Backend::Postgres,
        }
    }

    /// Gives a connection up whose state is not known, rather than back to its pool.
    pub(crate) async fn discard(self) {
        match self {
            // An error here is that of a connection which is thrown away anyway.
            Self::Sqlite(connection, _) => drop(connection.close().await),
            Self::Postgres(connection, _) => drop(connection.close().await),
        }
    }

    /// Rows of a query without a set.
    pub(crate) async fn query(&mut self, template: &'static str, args: Vec<Arg<'_>>) -> Result<Vec<Row>> {
        self.fetch(&Statement::new(template, args)).await
    }

    /// Rows of a query over a set, which is cut into pieces that fit a statement.
    pub(crate) async fn query_rows(
        &mut self,
        template: &'static str,
        args: Vec<Arg<'_>>,
        rows: Rows<'_>,
    ) -> Result<Vec<Row>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(&Statement::with_rows(template, args, rows)).await
    }

    /// As [`Connection::query_rows`] for statements that give no rows; the number of those changed.
    pub(crate) async fn execute_rows(
        &mut self,
        template: &'static str,
        args: Vec<Arg<'_>>,
        rows: Rows<'_>,
    ) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        self.execute(&Statement::with_rows(template, args, rows)).await
    }

    pub(crate) async fn fetch(&mut self, statement: &Statement<'_>) -> Result<Vec<Row>> {
        let mut all = Vec::new();
        for (rows, count) in pieces(self.backend(), statement) {
            match self {
                Self::Sqlite(connection, texts) => {
                    let (sql, args) = sqlite_query(texts, statement, rows, count)?;
                    let rows = sqlx::query_with(sql, args).fetch_all(&mut **connection).await?;
                    all.extend(rows.into_iter().map(Row::Sqlite));
                }
                Self::Postgres(connection, texts) => {
                    let (sql, args) = postgres_query(texts, statement, rows)?;
                    let rows = sqlx::query_with(sql, args).fetch_all(&mut **connection).await?;
                    all.extend(rows.into_iter().map(Row::Postgres));
                }
            }
        }
        Ok(all)
    }

    pub(crate) async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64> {
        let mut changed = 0;
        for (rows, count) in pieces(self.backend(), statement) {
            changed += match self {
                Self::Sqlite(connection, texts) => {
                    let (sql, args) = sqlite_query(texts, statement, rows, count)?;
                    sqlx::query_with(sql, args).execute(&mut **connection).await?.rows_affected()
                }
                Self::Postgres(connection, texts) => {
                    let (sql, args) = postgres_query(texts, statement, rows)?;
                    sqlx::query_with(sql, args).execute(&mut **connection).await?.rows_affected()
                }
            };
        }
        Ok(changed)
    }

    /// Several statements in one round trip, PostgreSQL's simple protocol.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(connection, _) => sqlx::raw_sql(sql).execute(&mut **connection).await.map(|_| ())?,
            Self::Postgres(connection, _) => sqlx::raw_sql(sql).execute(&mut **connection).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Whether it may still be within a transaction, after a ROLLBACK that failed.
    pub(crate) async fn in_transaction(&mut self) -> bool {
        match self {
            // SQLite rolls back by itself after some errors; then there is nothing to roll back.
            Self::Sqlite(connection, _) => {
                sqlx::query("BEGIN IMMEDIATE").execute(&mut **connection).await.is_err()
                    || sqlx::query("ROLLBACK").execute(&mut **connection).await.is_err()
            }
            Self::Postgres(..) => true,
        }
    }

    /// A statement without arguments, in this database's own words.
    pub(crate) async fn raw(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(connection, _) => sqlx::query(sql).execute(&mut **connection).await.map(|_| ())?,
            Self::Postgres(connection, _) => sqlx::query(sql).execute(&mut **connection).await.map(|_| ())?,
        }
        Ok(())
    }
}

/// The pieces of a statement's set, and the rows that each is padded to.
fn pieces<'a>(backend: Backend, statement: &'a Statement<'a>) -> Vec<(Piece<'a>, usize)> {
    let Some(rows) = &statement.rows else { return vec![(None, 0)] };
    let width = rows.types.len();
    rows.args
        .chunks(most_rows(backend, width) * width)
        .map(|args| (Some((rows.types, args)), padded(backend, args.len() / width)))
        .collect()
}

/// How many of the template's arguments come before its `{v}`.
fn before_rows(template: &str) -> usize {
    template.split("{v}").next().map_or(0, |head| head.bytes().filter(|b| *b == b'?').count())
}

type Piece<'a> = Option<(&'static [Ty], &'a [Arg<'a>])>;

fn sqlite_query(
    texts: &Texts,
    statement: &Statement<'_>,
    rows: Piece<'_>,
    count: usize,
) -> Result<(sqlx::SqlStr, SqliteArguments)> {
    let (types, set) = rows.unwrap_or((&[], &[]));
    let sql = texts.of(Backend::Sqlite, &statement.template, types, count);
    let mut to = SqliteArguments::default();
    to.reserve(statement.args.len() + count * types.len(), 0);
    let head = if rows.is_some() { before_rows(&statement.template) } else { statement.args.len() };
    for arg in &statement.args[..head] {
        add_sqlite(&mut to, arg)?;
    }
    for arg in set {
        add_sqlite(&mut to, arg)?;
    }
    for _ in set.len()..count * types.len() {
        add(to.add(None::<i64>))?;
    }
    for arg in &statement.args[head..] {
        add_sqlite(&mut to, arg)?;
    }
    Ok((sql, to))
}

fn add_sqlite(to: &mut SqliteArguments, arg: &Arg<'_>) -> Result<()> {
    add(match arg {
        Arg::Int(value) => to.add(*value),
        Arg::Text(value) => to.add(value.as_deref()),
        Arg::Shared(value) => to.add(Arc::clone(value)),
        Arg::Bytes(value) => to.add(&**value),
    })
}

fn postgres_query(texts: &Texts, statement: &Statement<'_>, rows: Piece<'_>) -> Result<(sqlx::SqlStr, PgArguments)> {
    let (types, set) = rows.unwrap_or((&[], &[]));
    let sql = texts.of(Backend::Postgres, &statement.template, types, 0);
    let mut to = PgArguments::default();
    let head = if rows.is_some() { before_rows(&statement.template) } else { statement.args.len() };
    for arg in &statement.args[..head] {
        add_postgres(&mut to, arg)?;
    }
    for (column, ty) in types.iter().enumerate() {
        let values = set.iter().skip(column).step_by(types.len());
        add(match ty {
            Ty::Int => to.add(
                values
                    .map(|arg| match arg {
                        Arg::Int(value) => *value,
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            ),
            Ty::Text => to.add(
                values
                    .map(|arg| match arg {
                        Arg::Text(value) => value.as_deref(),
                        Arg::Shared(value) => Some(&**value),
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            ),
            Ty::Bytes => to.add(
                values
                    .map(|arg| match arg {
                        Arg::Bytes(value) => Some(&**value),
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            ),
        })?;
    }
    for arg in &statement.args[head..] {
        add_postgres(&mut to, arg)?;
    }
    Ok((sql, to))
}

fn add_postgres(to: &mut PgArguments, arg: &Arg<'_>) -> Result<()> {
    add(match arg {
        Arg::Int(value) => to.add(*value),
        Arg::Text(value) => to.add(value.as_deref()),
        Arg::Shared(value) => to.add(&**value),
        Arg::Bytes(value) => to.add(&**value),
    })
}

fn add(result: std::result::Result<(), sqlx::error::BoxDynError>) -> Result<()> {
    result.map_err(|error| StoreError::invalid(format!("an argument cannot be sent: {error}")))
}

/// A row. Columns are read by position.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! column {
    ($row:expr, $index:expr, $ty:ty) => {
        match $row {
            Row::Sqlite(row) => row.try_get_unchecked::<$ty, usize>($index)?,
            Row::Postgres(row) => row.try_get_unchecked::<$ty, usize>($index)?,
        }
    };
}

impl Row {
    pub(crate) fn int(&self, index: usize) -> Result<i64> {
        Ok(column!(self, index, i64))
    }

    pub(crate) fn small(&self, index: usize) -> Result<u32> {
        let value = self.int(index)?;
        u32::try_from(value)
            .map_err(|_| StoreError::corrupt(format!("column {index} holds {value}, which must fit 32 bits")))
    }

    pub(crate) fn opt_int(&self, index: usize) -> Result<Option<i64>> {
        Ok(column!(self, index, Option<i64>))
    }

    pub(crate) fn text(&self, index: usize) -> Result<String> {
        Ok(column!(self, index, String))
    }

    pub(crate) fn opt_text(&self, index: usize) -> Result<Option<String>> {
        Ok(column!(self, index, Option<String>))
    }

    pub(crate) fn shared(&self, index: usize) -> Result<Arc<str>> {
        Ok(column!(self, index, &str).into())
    }

    pub(crate) fn str(&self, index: usize) -> Result<&str> {
        Ok(column!(self, index, &str))
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        Ok(column!(self, index, Vec<u8>))
    }
}
