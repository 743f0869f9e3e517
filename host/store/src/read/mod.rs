//! Reads. Point reads that runs make all the time are batched ([`loader`]) and, on SQLite, answered
//! from memory where possible ([`cache`]); the rest are plain queries.
//!
//! Every read sees everything that was answered before it began.

mod cache;
mod effects;
mod entities;
mod events;
mod history;
mod loader;
mod lookups;
mod points;
pub(crate) mod runs;
mod usage;

use std::sync::Arc;

pub(crate) use cache::{Cache, Change};
pub use history::{Beside, Counted, Version};
pub(crate) use points::Loaders;

use crate::{
    error::Result,
    faults::Faults,
    sql::{Pool, Row, Statement},
    stats::Stats,
    store::Database,
};

/// What the loaders read with.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) database: Arc<Database>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) stats: Arc<Stats>,
}

impl Reader {
    pub(crate) const fn new(
        database: Arc<Database>,
        faults: Arc<Faults>,
        cache: Arc<Cache>,
        stats: Arc<Stats>,
    ) -> Self {
        Self { database, faults, cache, stats }
    }

    pub(crate) async fn fetch(&self, statement: &Statement<'_>) -> Result<Vec<Row>> {
        self.faults.check()?;
        Stats::add(&self.stats.read_queries, 1);
        fetch(&self.database.read, statement).await
    }
}

pub(crate) async fn fetch(pool: &Pool, statement: &Statement<'_>) -> Result<Vec<Row>> {
    let mut connection = pool.acquire().await?;
    let result = connection.fetch(statement).await;
    if result.as_ref().is_err_and(crate::StoreError::is_unavailable) {
        connection.discard().await;
    }
    result
}
