//! Opening a store and the handle that everybody shares.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use shopwright_model::{Clock, SystemClock};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{Result, StoreError},
    faults::{FaultKind, Faults},
    nodes, read,
    sql::{Backend, Pool, Row, Statement, postgres_options, sqlite_options},
    stats::{Stats, StoreStats},
    writer::{self, Answer, Job, Op},
};

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// This process's name among the nodes that share the database. A process that comes back under
    /// the same name takes its number and its unfinished runs over; no two may run at once.
    pub node_name: String,
    /// How long a node that stops renewing keeps what it holds (PostgreSQL only). Renewed three times as
    /// often; at least a second.
    pub lease: Duration,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Connections that read.
    pub readers: u32,
    /// The most operations in one transaction.
    pub batch: usize,
    /// How many operations may wait for the writer before callers wait to hand theirs over.
    pub queue: usize,
    /// Bytes of documents kept in memory (SQLite only); 0: none.
    pub cache_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            node_name: "node".into(),
            lease: Duration::from_secs(30),
            clock: Arc::new(SystemClock::default()),
            readers: 4,
            batch: 512,
            queue: 4096,
            cache_bytes: 64 << 20,
        }
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions").field("node_name", &self.node_name).finish_non_exhaustive()
    }
}

/// The store. Clones share one writer and one set of connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("node", &self.inner.node).finish_non_exhaustive()
    }
}

/// What outlives a (simulated) crash of the process: the database.
pub(crate) struct Database {
    pub(crate) write: Pool,
    pub(crate) read: Pool,
    /// Of a SQLite file: for its `-wal` beside it.
    pub(crate) path: Option<PathBuf>,
    /// Held as long as the store is open: one process per file.
    lock: Mutex<Option<std::fs::File>>,
}

impl Database {
    /// Whether a connection may be kept by one task; not if it is the only one.
    pub(crate) fn has_spare_connections(&self) -> bool {
        self.path.is_some() || self.write.backend() == Backend::Postgres
    }
}

pub(crate) struct Inner {
    pub(crate) database: Arc<Database>,
    pub(crate) options: StoreOptions,
    pub(crate) node: i64,
    pub(crate) session: String,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) loaders: read::Loaders,
    pub(crate) cache: Arc<read::Cache>,
    pub(crate) closed: AtomicBool,
    pub(crate) pass: Mutex<Option<crate::admin::Pass>>,
    /// Why the last write failed, if it did.
    pub(crate) trouble: Arc<Mutex<Option<StoreError>>>,
}

impl Store {
    /// Opens the database at `url` (`sqlite://path/file.db`, `sqlite::memory:`, `postgres://…`), brings its
    /// schema up to date and leases a node number.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a URL that is none, [`StoreError::Unavailable`] when the database cannot
    /// be reached or another process has the file open, [`StoreError::Migration`].
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self> {
        let database = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url, &options).await?
        } else if url.starts_with("sqlite:") {
            open_sqlite(url, &options).await?
        } else {
            return Err(StoreError::invalid(format!(
                "`{url}` is no database URL: use sqlite://path/file.db, sqlite::memory: or postgres://user@host/name"
            )));
        };
        Self::over(Arc::new(database), options).await
    }

    async fn over(database: Arc<Database>, options: StoreOptions) -> Result<Self> {
        let (node, session) = nodes::lease(&database, &options).await?;
        let stats = Arc::new(Stats::default());
        let faults = Arc::new(Faults::default());
        let trouble = Arc::new(Mutex::new(None));
        let cache_bytes = if database.write.backend() == Backend::Sqlite { options.cache_bytes } else { 0 };
        let cache = Arc::new(read::Cache::new(cache_bytes));
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let writer = writer::Writer::new(
            Arc::clone(&database),
            node,
            options.batch.max(1),
            Arc::clone(&stats),
            Arc::clone(&faults),
            Arc::clone(&cache),
            Arc::clone(&trouble),
        );
        let reader =
            read::Reader::new(Arc::clone(&database), Arc::clone(&faults), Arc::clone(&cache), Arc::clone(&stats));
        let loaders = read::Loaders::start(&reader);
        let inner = Arc::new(Inner {
            database,
            options,
            node,
            session,
            jobs,
            stats,
            faults,
            loaders,
            cache,
            closed: AtomicBool::new(false),
            pass: Mutex::default(),
            trouble,
        });
        tokio::spawn(writer.run(queue));
        let store = Self { inner };
        nodes::keep(&store);
        Ok(store)
    }

    /// Starts anew on the same database, as a process does after a crash: a new writer, an empty cache,
    /// no armed fault. The only way back to a database in memory.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn reopen(&self) -> Result<Self> {
        self.stop().await;
        Self::over(Arc::clone(&self.inner.database), self.inner.options.clone()).await
    }

    /// This process's number among the nodes, 0 to 1023.
    #[must_use]
    pub fn node(&self) -> i64 {
        self.inner.node
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.inner.database.write.backend()
    }

    /// Waits until what was handed over is written, then closes the database. Later calls fail.
    pub async fn close(&self) {
        self.stop().await;
        nodes::release(self).await;
        if self.inner.database.path.is_some() {
            writer::checkpoint::finish(&self.inner.database.write).await;
        }
        self.inner.database.read.close().await;
        self.inner.database.write.close().await;
        drop(self.inner.database.lock.lock().take());
    }

    /// Refuses new operations and ends the writer when it has answered those before.
    async fn stop(&self) {
        self.inner.closed.store(true, Ordering::Release);
        let (reply, answer) = oneshot::channel();
        if self.inner.jobs.send(Job { op: Op::Close, reply }).await.is_ok() {
            // An error: the writer has ended already.
            drop(answer.await);
        }
    }

    /// Counts since the store was opened.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.inner.stats.read(self.queue_len())
    }

    /// How many operations wait for the writer.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.inner.jobs.max_capacity() - self.inner.jobs.capacity()
    }

    /// How many write transactions were committed since the store was opened.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.inner.stats.commits.load(Ordering::Acquire)
    }

    /// None while writing works; else why the last write failed.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Some(StoreError::unavailable("the store is closed"));
        }
        self.inner.faults.check().err().or_else(|| self.inner.trouble.lock().clone())
    }

    /// Whether the last write worked and the store is open.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.trouble().is_none()
    }

    /// For crash tests: arms a fault at the `k`-th write transaction from now (1: the next one).
    pub fn fail_after(&self, k: u64, kind: FaultKind) {
        self.inner.faults.arm(k, kind);
    }

    /// Hands an operation to the writer and waits for its answer.
    pub(crate) async fn submit(&self, op: Op) -> Result<Answer> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(StoreError::unavailable("the store is closed"));
        }
        self.inner.faults.check()?;
        let (reply, answer) = oneshot::channel();
        let ended = || StoreError::unavailable("the writer has ended");
        self.inner.jobs.send(Job { op, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Statements in one write transaction; the rows that each gave back.
    pub(crate) async fn write(&self, statements: Vec<Statement<'_>>) -> Result<Vec<Vec<Row>>> {
        match self.submit(Op::Sql(statements.into_iter().map(Statement::into_owned).collect())).await? {
            Answer::Rows(rows) => Ok(rows),
            other => Err(other.unexpected()),
        }
    }

    /// One statement in a write transaction; whether it gave a row back (`RETURNING`).
    pub(crate) async fn write_one(&self, statement: Statement<'_>) -> Result<Vec<Row>> {
        Ok(self.write(vec![statement]).await?.pop().unwrap_or_default())
    }

    /// Rows of a query, read beside the writer.
    pub(crate) async fn fetch(&self, statement: Statement<'_>) -> Result<Vec<Row>> {
        self.inner.faults.check()?;
        read::fetch(&self.inner.database.read, &statement).await
    }

    pub(crate) async fn fetch_one(&self, statement: Statement<'_>) -> Result<Option<Row>> {
        Ok(self.fetch(statement).await?.into_iter().next())
    }
}

async fn open_sqlite(url: &str, options: &StoreOptions) -> Result<Database> {
    let writer = sqlite_options(url, true)?;
    if url.contains(":memory:") || url.contains("mode=memory") {
        // One connection for all: connections to a shared cache would lock one another out.
        let pool = Pool::sqlite(writer, 1).await?;
        migrate(&pool).await?;
        return Ok(Database { write: pool.clone(), read: pool, path: None, lock: Mutex::default() });
    }
    let path = writer.get_filename().to_owned();
    let lock = lock_file(&path)?;
    // The second is for checkpoints beside the writer.
    let write = Pool::sqlite(writer, 2).await?;
    migrate(&write).await?;
    let read = Pool::sqlite(sqlite_options(url, false)?, options.readers.max(1)).await?;
    Ok(Database { write, read, path: Some(path), lock: Mutex::new(Some(lock)) })
}

/// A SQLite store counts its events and caches its documents in memory: a second process would not see.
fn lock_file(database: &std::path::Path) -> Result<std::fs::File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let shown = path.display();
    let file = std::fs::File::create(&path)
        .map_err(|error| StoreError::unavailable(format!("{shown} cannot be written: {error}")))?;
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => {
            StoreError::unavailable(format!("another process has {} open", database.display()))
        }
        std::fs::TryLockError::Error(error) => StoreError::unavailable(format!("{shown} cannot be locked: {error}")),
    })?;
    Ok(file)
}

async fn open_postgres(url: &str, options: &StoreOptions) -> Result<Database> {
    let connect = postgres_options(url)?;
    // The second is for the lease.
    let write = Pool::postgres(connect.clone(), 2).await?;
    migrate(&write).await?;
    let read = Pool::postgres(connect, options.readers.max(1)).await?;
    Ok(Database { write, read, path: None, lock: Mutex::default() })
}

async fn migrate(pool: &Pool) -> Result<()> {
    let text = match pool.backend() {
        Backend::Sqlite => include_str!("../migrations/sqlite/0001_init.sql"),
        Backend::Postgres => include_str!("../migrations/postgres/0001_init.sql"),
    };
    let init = Migration::new(1, "init".into(), MigrationType::Simple, sqlx::SqlStr::from_static(text), false);
    let migrator = Migrator::with_migrations(vec![init]);
    let result = match pool {
        Pool::Sqlite(pool, _) => migrator.run(pool).await,
        Pool::Postgres(pool, _) => migrator.run(pool).await,
    };
    result.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => match StoreError::from(error) {
            error @ StoreError::Unavailable { .. } => error,
            error => StoreError::Migration { reason: error.to_string().into() },
        },
        other => StoreError::Migration { reason: other.to_string().into() },
    })
}

/// A number that rises, for whoever needs one within this process.
pub(crate) static PROCESS_COUNT: AtomicU64 = AtomicU64::new(0);
