//! Node numbers. Every process that works on a database has a number of its own: it is in the ids that
//! the process gives and on the runs that it holds.
//!
//! On PostgreSQL a number is leased and renewed. A node that stops renewing loses its runs to the
//! others, whose fences then keep its late writes out.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use shopwright_model::{Millis, RunId};

use crate::{
    error::{Result, StoreError},
    sql::{Backend, Statement, args},
    store::{Database, PROCESS_COUNT, Store, StoreOptions},
};

/// The shortest lease: a renewal must fit into a third of it.
const LEAST: Duration = Duration::from_secs(1);
/// Node numbers have 10 bits.
const NODES: i64 = 1024;

/// How long a lease holds without being renewed, in milliseconds.
fn held(options: &StoreOptions) -> Millis {
    Millis::try_from(options.lease.max(LEAST).as_millis()).unwrap_or(Millis::MAX / 2)
}

/// Takes this process's number, or the one that its name had before. Gives it and the session's name.
pub(crate) async fn lease(database: &Database, options: &StoreOptions) -> Result<(i64, String)> {
    let now = options.clock.now();
    let session = format!("{}-{}-{now}", std::process::id(), PROCESS_COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = database.write.acquire().await?;
    // Two nodes may start at the same moment: whoever loses the race for a number looks again.
    for _ in 0..100 {
        let rows = connection.query("SELECT node, name, lease_until FROM nodes ORDER BY node", args![]).await?;
        let mut free = 0;
        let mut mine = None;
        for row in &rows {
            let (node, name, until) = (row.int(0)?, row.text(1)?, row.int(2)?);
            if name == options.node_name {
                mine = Some(node);
            } else if node == free && until >= now {
                free += 1;
            }
        }
        if let Some(node) = mine {
            let statement = Statement::new(
                "UPDATE nodes SET session = ?, lease_until = ? WHERE node = ? AND name = ?",
                args![&session, now + held(options), node, &options.node_name],
            );
            if connection.execute(&statement).await? == 1 {
                return Ok((node, session));
            }
            continue;
        }
        if free >= NODES {
            return Err(StoreError::unavailable(format!("all {NODES} node numbers are taken")));
        }
        let statement = Statement::new(
            "INSERT INTO nodes (node, name, session, lease_until) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            args![free, &options.node_name, &session, now + held(options)],
        );
        if connection.execute(&statement).await? == 1 {
            return Ok((free, session));
        }
        // The number belongs to a node that is gone, and whose runs nobody has taken over yet.
        for statement in take_over(now) {
            connection.execute(&statement).await?;
        }
    }
    Err(StoreError::unavailable("no node number could be leased"))
}

/// Frees the runs and the numbers of nodes whose lease ran out.
fn take_over(now: Millis) -> Vec<Statement<'static>> {
    vec![
        Statement::new(
            "UPDATE runs SET node = NULL WHERE state = 'active' AND node IN (SELECT node FROM nodes WHERE lease_until < ?)",
            args![now],
        ),
        Statement::new("DELETE FROM nodes WHERE lease_until < ?", args![now]),
    ]
}

/// Renews the lease for as long as the store is open. A SQLite file has one process, held by a lock:
/// nothing to renew.
pub(crate) fn keep(store: &Store) {
    if store.backend() == Backend::Sqlite {
        return;
    }
    let weak = Arc::downgrade(&store.inner);
    let renew_every = store.inner.options.lease.max(LEAST) / 3;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(renew_every).await;
            let Some(inner) = weak.upgrade() else { return };
            if inner.closed.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = renew(&Store { inner }).await {
                tracing::warn!(%error, "the node's lease was not renewed");
            }
        }
    });
}

async fn renew(store: &Store) -> Result<()> {
    let inner = &store.inner;
    let now = inner.options.clock.now();
    let mut statements = vec![Statement::new(
        "UPDATE nodes SET lease_until = ? WHERE node = ? AND session = ? RETURNING node",
        args![now + held(&inner.options), inner.node, &inner.session],
    )];
    statements.extend(take_over(now));
    let rows = store.write(statements).await?;
    if rows.first().is_none_or(Vec::is_empty) {
        let reason =
            format!("node {} was taken over by another process of the name `{}`", inner.node, inner.options.node_name);
        tracing::error!("{reason}");
        inner.closed.store(true, Ordering::Release);
        return Err(StoreError::unavailable(reason));
    }
    Ok(())
}

impl Store {
    /// The active runs that this node holds, with their fences.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn held(&self) -> Result<Vec<(RunId, i64)>> {
        let sql = "SELECT id, fence FROM runs WHERE state = 'active' AND node = ?";
        let rows = self.fetch(Statement::new(sql, args![self.node()])).await?;
        rows.iter().map(|row| Ok((RunId(row.int(0)?), row.int(1)?))).collect()
    }

    /// Holds these runs no more, as far as they still have this fence: whoever claims next gets them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn give_back(&self, runs: &[(RunId, i64)]) -> Result<()> {
        let sql = "UPDATE runs SET node = NULL WHERE id = ? AND fence = ? AND state = 'active' AND node = ?";
        let statements = runs.iter().map(|(run, fence)| Statement::new(sql, args![run.0, *fence, self.node()]));
        self.write(statements.collect()).await.map(drop)
    }
}

/// Gives the number back, so that others need not wait for the lease to run out.
pub(crate) async fn release(store: &Store) {
    let inner = &store.inner;
    let statement = Statement::new(
        "UPDATE nodes SET lease_until = 0 WHERE node = ? AND session = ?",
        args![inner.node, &inner.session],
    );
    if let Ok(mut connection) = inner.database.write.acquire().await {
        // The lease runs out by itself if this fails.
        drop(connection.execute(&statement).await);
    }
}
