//! The group-commit writer: one task, one transaction at a time, many operations in each.
//!
//! While a transaction is being written, operations gather in a channel; the next transaction takes all
//! there are (up to a limit). The cost of a commit (the disk) and of a statement (with SQLite a change
//! of threads, with PostgreSQL a round trip) is shared by all of them.
//!
//! A batch is written in three steps: [`load`] reads in a few set-shaped queries everything that the
//! operations' outcomes depend on; [`world`] decides operation by operation, in order, in memory, so that a
//! later operation sees what an earlier one of the same batch did; `World::emit` writes all that
//! came of it in a few set-shaped statements. Since nobody else writes meanwhile, what was read stays
//! true until the commit:
//! - SQLite: `BEGIN IMMEDIATE` in the one process that has the file open.
//! - PostgreSQL: an advisory lock held by one transaction over all nodes. It also makes `events.seq` the
//!   order of commits: a number is taken under the lock and its transaction is visible before the
//!   next one gets the lock, so a reader that has seen n has seen everything below n. Waits rely on it:
//!   "has an event come after my cursor" and "register my wait" must not miss each other.
//!
//! Operations that are not part of the hot path ([`Op::is_plain`]) run after that, one by one, in the same
//! transaction.

mod alone;
mod api;
pub(crate) mod checkpoint;
mod documents;
mod emit;
mod events;
mod flush;
mod load;
mod runs;
mod world;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use parking_lot::Mutex;
use shopwright_model::{Millis, RunId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{Result, StoreError},
    faults::{FaultKind, Faults},
    ops::{Accepted, EffectRow, Flush, Flushed, NewEvent, NewRun, Reopen, RunRow, Started},
    read::{Cache, Change},
    rows::{AuditEntry, ImportBatch, ImportRow},
    sql::{Backend, Connection, Row, Statement, args},
    stats::Stats,
    store::Database,
};

/// What the writer is asked to do. All plain data: an operation can be tried again.
pub(crate) enum Op {
    Accept(Vec<NewEvent>),
    Flush(Box<Flush>),
    Start(Vec<NewRun>),
    Cancel {
        shop: String,
        run: RunId,
        now: Millis,
        reason: String,
    },
    Effects(Vec<EffectRow>),
    Import(Box<ImportBatch>),
    Wake {
        runs: Vec<RunId>,
        now: Millis,
    },
    ClaimDue {
        now: Millis,
        limit: u32,
    },
    ClaimActive {
        limit: u32,
        per_installation: u32,
        /// (shop, installation) that have enough already.
        except: Vec<(String, String)>,
    },
    Reopen(Box<Reopen>),
    Recover,
    Sql(Vec<Statement<'static>>),
    Audit(Box<AuditEntry>),
    /// Write what came before, give the connection back and end.
    Close,
}

impl Op {
    /// Whether it runs by itself, after what is decided in memory.
    const fn is_plain(&self) -> bool {
        matches!(
            self,
            Self::Wake { .. }
                | Self::ClaimDue { .. }
                | Self::ClaimActive { .. }
                | Self::Reopen(_)
                | Self::Recover
                | Self::Sql(_)
                | Self::Audit(_)
        )
    }

    /// How much of a batch it takes.
    fn weight(&self) -> usize {
        match self {
            Self::Accept(events) => events.len(),
            Self::Start(runs) => runs.len(),
            Self::Effects(rows) => rows.len(),
            Self::Import(batch) => batch.puts.len(),
            _ => 1,
        }
    }
}

/// What it answers.
pub(crate) enum Answer {
    Accepted(Vec<Accepted>),
    Flushed(Flushed),
    Started(Vec<Started>),
    Cancelled(bool),
    Done,
    Import(Box<ImportRow>),
    Runs(Vec<RunRow>),
    Rows(Vec<Vec<Row>>),
    Number(i64),
}

impl Answer {
    /// An operation that was answered by another's answer: cannot be, but must not panic either.
    #[allow(clippy::unused_self)] // Takes the answer so that it is gone.
    pub(crate) fn unexpected(self) -> StoreError {
        StoreError::invalid("the writer gave another operation's answer")
    }
}

pub(crate) type Reply = oneshot::Sender<Result<Answer>>;

/// An operation and who waits for its answer.
pub(crate) struct Job {
    pub(crate) op: Op,
    pub(crate) reply: Reply,
}

pub(crate) struct Writer {
    database: Arc<Database>,
    node: i64,
    batch: usize,
    stats: Arc<Stats>,
    faults: Arc<Faults>,
    cache: Arc<Cache>,
    trouble: Arc<Mutex<Option<StoreError>>>,
    /// Kept between batches; none for a database in memory, which has only one connection for all.
    connection: Option<Connection>,
    /// The latest event's number; SQLite only, where nobody else gives numbers.
    last_seq: Option<i64>,
    checkpoint: Option<checkpoint::Checkpoint>,
}

/// What a batch came to.
struct Outcome {
    answers: Vec<Answer>,
    /// It is committed, but nobody is to be told.
    silent: bool,
}

/// PostgreSQL: the lock that makes writers take turns. Any number that nothing else uses.
const BEGIN_POSTGRES: &str = "BEGIN; SELECT pg_advisory_xact_lock(7310589219038204)";

impl Writer {
    pub(crate) fn new(
        database: Arc<Database>,
        node: i64,
        batch: usize,
        stats: Arc<Stats>,
        faults: Arc<Faults>,
        cache: Arc<Cache>,
        trouble: Arc<Mutex<Option<StoreError>>>,
    ) -> Self {
        let checkpoint = database.path.as_deref().map(checkpoint::Checkpoint::of);
        Self { database, node, batch, stats, faults, cache, trouble, connection: None, last_seq: None, checkpoint }
    }

    /// Works until every sender is gone.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            let started = Instant::now();
            let (mut ops, mut replies) = (Vec::new(), Vec::new());
            let mut close = None;
            let mut weight = 0;
            let mut next = Some(first);
            while let Some(Job { op, reply }) = next.take() {
                if matches!(op, Op::Close) {
                    close = Some(reply);
                    break;
                }
                weight += op.weight();
                ops.push(op);
                replies.push(reply);
                if weight < self.batch {
                    next = queue.try_recv().ok();
                }
            }
            if !ops.is_empty() {
                self.work(&ops, replies).await;
            }
            if let Some(reply) = close {
                if let Some(checkpoint) = self.checkpoint.take() {
                    checkpoint.end().await;
                }
                self.connection = None;
                drop(reply.send(Ok(Answer::Done)));
                return;
            }
            Stats::add(&self.stats.operations, ops.len() as u64);
            Stats::add(&self.stats.busy_us, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
            if let Some(checkpoint) = &mut self.checkpoint {
                let grown = checkpoint.after_batch(&self.database, &mut self.connection).await;
                Stats::add(&self.stats.bytes_written, grown);
            }
        }
    }

    async fn work(&mut self, ops: &[Op], replies: Vec<Reply>) {
        match self.transaction(ops).await {
            Ok(outcome) => {
                *self.trouble.lock() = None;
                answer(outcome, replies);
            }
            // Something about one of them: it must not take the others down with it.
            Err(error) if ops.len() > 1 && !error.is_unavailable() => {
                tracing::warn!(%error, operations = ops.len(), "a batch failed; its operations are tried one by one");
                for (op, reply) in ops.iter().zip(replies) {
                    match self.transaction(std::slice::from_ref(op)).await {
                        Ok(outcome) => answer(outcome, vec![reply]),
                        Err(error) => drop(reply.send(Err(error))),
                    }
                }
            }
            Err(error) => {
                if error.is_unavailable() {
                    tracing::error!(%error, operations = ops.len(), "nothing can be written");
                    Stats::add(&self.stats.failures, 1);
                    *self.trouble.lock() = Some(error.clone());
                }
                for reply in replies {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }

    async fn transaction(&mut self, ops: &[Op]) -> Result<Outcome> {
        self.faults.check()?;
        Stats::add(&self.stats.batches, 1);
        let mut connection = self.begin().await?;
        let result = self.within(&mut connection, ops).await;
        match &result {
            Ok(_) => self.keep(connection),
            Err(_) => {
                // What is in memory may belong to a transaction that was not committed.
                self.last_seq = None;
                if connection.raw("ROLLBACK").await.is_ok() {
                    self.keep(connection);
                } else if connection.in_transaction().await {
                    connection.discard().await;
                } else {
                    // It had been rolled back already.
                    self.keep(connection);
                }
            }
        }
        result
    }

    /// A connection in a transaction.
    async fn begin(&mut self) -> Result<Connection> {
        if let Some(mut connection) = self.connection.take() {
            if begin(&mut connection).await.is_ok() {
                return Ok(connection);
            }
            // The server may have been away in the meantime: nothing has been said yet, begin anew.
            connection.discard().await;
        }
        let mut connection = self.database.write.acquire().await?;
        match begin(&mut connection).await {
            Ok(()) => Ok(connection),
            Err(error) => {
                connection.discard().await;
                Err(error)
            }
        }
    }

    fn keep(&mut self, connection: Connection) {
        if self.database.has_spare_connections() {
            self.connection = Some(connection);
        }
    }

    async fn within(&mut self, connection: &mut Connection, ops: &[Op]) -> Result<Outcome> {
        let last_seq = match (connection.backend(), self.last_seq) {
            (Backend::Sqlite, Some(seq)) => seq,
            _ if ops.iter().all(Op::is_plain) => 0,
            _ => connection.query("SELECT coalesce(max(seq), 0) FROM events", args![]).await?[0].int(0)?,
        };
        let loaded = load::load(connection, ops).await?;
        let mut world = world::World::new(&loaded, self.node, last_seq);
        let mut answers: Vec<Option<Answer>> = ops.iter().map(|op| world.decide(op)).collect();
        let seq = world.last_seq();
        let mut wrote = world.emit(connection).await?;
        let changes = world.changes(self.cache.is_off());
        for (op, answer) in ops.iter().zip(&mut answers) {
            if answer.is_none() {
                *answer = Some(alone::run(connection, op, self.node, &mut wrote).await?);
            }
        }
        let answers = answers.into_iter().flatten().collect();
        let fault = if wrote { self.faults.strike() } else { None };
        match fault {
            Some(FaultKind::Error) => return Err(StoreError::unavailable("the disk is full (an injected fault)")),
            Some(FaultKind::Crash) => return Err(Faults::death()),
            Some(FaultKind::CrashCommitted | FaultKind::AnswerLost) | None => {}
        }
        self.commit(connection, changes).await?;
        if wrote {
            self.stats.commits.fetch_add(1, Ordering::AcqRel);
        }
        if fault == Some(FaultKind::AnswerLost) {
            return Err(StoreError::unavailable("the connection was lost during the commit (an injected fault)"));
        }
        if !ops.iter().all(Op::is_plain) {
            self.last_seq = Some(seq);
        }
        Ok(Outcome { answers, silent: fault.is_some() })
    }

    async fn commit(&self, connection: &mut Connection, changes: Vec<Change>) -> Result<()> {
        let started = Instant::now();
        self.cache.begin_commit();
        let result = connection.raw("COMMIT").await;
        self.cache.end_commit(result.is_ok().then_some(changes));
        Stats::add(&self.stats.commit_us, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
        result
    }
}

async fn begin(connection: &mut Connection) -> Result<()> {
    match connection.backend() {
        Backend::Sqlite => connection.raw("BEGIN IMMEDIATE").await,
        Backend::Postgres => connection.script(BEGIN_POSTGRES).await,
    }
}

fn answer(outcome: Outcome, replies: Vec<Reply>) {
    if outcome.silent {
        for reply in replies {
            drop(reply.send(Err(Faults::death())));
        }
        return;
    }
    for (answer, reply) in outcome.answers.into_iter().zip(replies) {
        // Whoever does not wait any more needs no answer.
        drop(reply.send(Ok(answer)));
    }
}
