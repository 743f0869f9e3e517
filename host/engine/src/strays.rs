//! Runs that the store says are ours, and that nobody here has.
//!
//! When the connection to the database is lost during a commit, it is not known whether it was written.
//! The caller is told that the store was away and tries again; but if it *was* written, the runs that it
//! started, woke or claimed are active and this node's, and no task of this process knows of them. They would
//! stay so until the next start. So after every such failure the store is asked what it thinks we hold.

use std::collections::HashMap;

use shopwright_model::{Millis, RunId};
use shopwright_store::StoreError;

use crate::core::Core;

/// Between two looks. A run that is unknown in both, with the same fence, is a stray: one that has just been
/// written is queued long before. Should it not be, its old fence keeps the slower of two executions out.
const PAUSE: Millis = 1_000;

/// What the looks have found so far.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    /// Failures of the store that have been looked into.
    failures: u64,
    /// Looks left to do that find nothing.
    left: u8,
    looked_at: Millis,
    suspects: HashMap<RunId, i64>,
}

/// Looks for strays where there is reason to, and gives them back to be claimed; how many.
pub(crate) async fn look(core: &Core) -> Result<usize, StoreError> {
    let now = core.clock.now();
    {
        let mut strays = core.strays.lock();
        let failures = core.store.stats().failures;
        if strays.failures != failures {
            (strays.failures, strays.left) = (failures, 2);
        }
        if strays.left == 0 || (now < strays.looked_at + PAUSE && now >= strays.looked_at) {
            return Ok(0);
        }
        strays.looked_at = now;
    }
    // First what the store says, then what the queue has: what is written is queued afterwards.
    let held = core.store.held().await?;
    let unknown: HashMap<RunId, i64> = held.into_iter().filter(|(run, _)| !core.queue.has(*run)).collect();
    let strays: Vec<(RunId, i64)> = {
        let mut strays = core.strays.lock();
        let before = std::mem::replace(&mut strays.suspects, unknown);
        strays.left = if strays.suspects.is_empty() { strays.left - 1 } else { 2 };
        let again = |(run, fence): &(&RunId, &i64)| before.get(run) == Some(fence);
        strays.suspects.iter().filter(again).map(|(run, fence)| (*run, *fence)).collect()
    };
    if strays.is_empty() {
        return Ok(0);
    }
    tracing::warn!(runs = strays.len(), "runs were written whose start was never confirmed; they are taken up now");
    core.store.give_back(&strays).await?;
    Ok(strays.len())
}
