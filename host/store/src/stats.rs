//! What the store counts about itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Write transactions committed.
    pub commits: u64,
    /// Operations answered by the writer.
    pub operations: u64,
    /// Transactions tried, with those that wrote nothing or failed.
    pub batches: u64,
    /// Time in which the writer was not idle, in microseconds.
    pub busy_us: u64,
    /// Of that, time in COMMIT (the disk), in microseconds.
    pub commit_us: u64,
    /// Growth of SQLite's write-ahead log, as far as it was seen; 0 for PostgreSQL.
    pub bytes_written: u64,
    /// Point reads answered.
    pub reads: u64,
    /// Of them, by the cache.
    pub cached: u64,
    /// Queries that the others took.
    pub read_queries: u64,
    /// Transactions of which it is not certain that nothing was written: the database was not to be had.
    pub failures: u64,
    /// Operations that wait for the writer now.
    pub queue_len: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) commits: AtomicU64,
    pub(crate) operations: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) busy_us: AtomicU64,
    pub(crate) commit_us: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) cached: AtomicU64,
    pub(crate) read_queries: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    pub(crate) fn read(&self, queue_len: usize) -> StoreStats {
        StoreStats {
            commits: self.commits.load(Relaxed),
            operations: self.operations.load(Relaxed),
            batches: self.batches.load(Relaxed),
            busy_us: self.busy_us.load(Relaxed),
            commit_us: self.commit_us.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            reads: self.reads.load(Relaxed),
            cached: self.cached.load(Relaxed),
            read_queries: self.read_queries.load(Relaxed),
            failures: self.failures.load(Relaxed),
            queue_len,
        }
    }
}
