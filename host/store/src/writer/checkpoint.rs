//! Checkpoints of SQLite's write-ahead log, beside the writer instead of in it.
//!
//! Left to itself, SQLite moves the log into the file within the commit that makes it too long, and
//! every operation waits for it. Here a task on a connection of its own moves what has been
//! committed so far while the writer goes on; then the writer moves the short rest, so that
//! the log is empty and begins anew instead of growing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::JoinHandle;

use crate::{
    sql::{Connection, Pool, Statement, args},
    store::Database,
};

/// The log's length at which it is moved. Longer: pages that change all the time are moved less
/// often; shorter: a faster start after a crash.
const LONG: u64 = 32 << 20;

/// Moves what it can without keeping anybody waiting.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

pub(crate) struct Checkpoint {
    log: PathBuf,
    /// Its length when last seen.
    length: u64,
    under_way: Option<JoinHandle<()>>,
}

impl Checkpoint {
    pub(super) fn of(database: &Path) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        Self { log: log.into(), length: 0, under_way: None }
    }

    /// Waits for the one that is under way.
    pub(super) async fn end(self) {
        if let Some(task) = self.under_way {
            // It reports its own failure.
            drop(task.await);
        }
    }

    /// To be called after every batch; by how much the log has grown.
    pub(super) async fn after_batch(&mut self, database: &Arc<Database>, writer: &mut Option<Connection>) -> u64 {
        let length = std::fs::metadata(&self.log).map_or(0, |meta| meta.len());
        // After it began anew it is shorter than it was: what was written is its length then.
        let grown = if length >= self.length { length - self.length } else { length };
        self.length = length;
        match &self.under_way {
            Some(task) if task.is_finished() => {
                self.under_way = None;
                if let Some(connection) = writer {
                    checkpoint(connection, PASSIVE).await;
                }
            }
            Some(_) => {}
            None if length > LONG => {
                let database = Arc::clone(database);
                self.under_way = Some(tokio::spawn(async move {
                    if let Ok(mut connection) = database.write.acquire().await {
                        checkpoint(&mut connection, PASSIVE).await;
                    }
                }));
            }
            None => {}
        }
        grown
    }
}

async fn checkpoint(connection: &mut Connection, sql: &'static str) {
    // A checkpoint that fails (the disk is full) is tried again after the next batch; nothing is lost.
    if let Err(error) = connection.fetch(&Statement::new(sql, args![])).await {
        tracing::warn!(%error, "the write-ahead log was not moved into the database");
    }
}

/// At the end: the whole log, so that the next start need not read it.
pub(crate) async fn finish(pool: &Pool) {
    if let Ok(mut connection) = pool.acquire().await {
        checkpoint(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    }
}
