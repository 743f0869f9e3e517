//! What the store's users call to write.

use shopwright_model::{Millis, RunId};

use super::{Answer, Op};
use crate::{
    error::Result,
    ops::{Accepted, EffectRow, Flush, Flushed, NewEvent, NewRun, Reopen, RunRow, Started},
    store::Store,
};

macro_rules! ask {
    ($store:expr, $op:expr, $answer:path) => {
        match $store.submit($op).await? {
            $answer(value) => Ok(value),
            other => Err(other.unexpected()),
        }
    };
}

impl Store {
    /// Accepts events with the documents they change and the runs they trigger, all in one transaction;
    /// durable when this answers. An event that was accepted before is answered with its first number.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        ask!(self, Op::Accept(events), Answer::Accepted)
    }

    /// Writes what a run leaves behind at a flush point, all or nothing.
    ///
    /// The successor of a run that continues as a new one ([`crate::Next::Continue`]) is active, and its node's at
    /// once if it names one.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`]: it is not known whether it was written; the run's row tells.
    pub async fn flush(&self, flush: Flush) -> Result<Flushed> {
        ask!(self, Op::Flush(Box::new(flush)), Answer::Flushed)
    }

    /// Starts runs under their concurrency rules; in one transaction.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn start(&self, runs: Vec<NewRun>) -> Result<Vec<Started>> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        ask!(self, Op::Start(runs), Answer::Started)
    }

    /// Takes waiting runs that are due, the longest due first: active, this node's, with new fences.
    /// `wait` still says what each waited for.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn claim_due(&self, now: Millis, limit: u32) -> Result<Vec<RunRow>> {
        ask!(self, Op::ClaimDue { now, limit }, Answer::Runs)
    }

    /// Takes active runs that no node holds (queued, or of a node that is gone), at most
    /// `per_installation` of each installation, in turns.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn claim_active(&self, limit: u32, per_installation: u32) -> Result<Vec<RunRow>> {
        self.claim_active_except(limit, per_installation, Vec::new()).await
    }

    /// As [`Store::claim_active`], leaving out these (shop, installation).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn claim_active_except(
        &self,
        limit: u32,
        per_installation: u32,
        except: Vec<(String, String)>,
    ) -> Result<Vec<RunRow>> {
        ask!(self, Op::ClaimActive { limit, per_installation, except }, Answer::Runs)
    }

    /// Makes a run that failed, waits or is stuck active again, with a new fence and held by nobody (one that is in
    /// line stays there); false when it has changed since it was read, its journal is gone, or its key is taken.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn run_reopen(&self, reopen: Reopen) -> Result<bool> {
        ask!(self, Op::Reopen(Box::new(reopen)), Answer::Cancelled)
    }

    /// At start: gives back what this node held before it was restarted; how many runs.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn recover(&self) -> Result<u64> {
        ask!(self, Op::Recover, Answer::Number).map(i64::unsigned_abs)
    }

    /// Ends a live run as cancelled; whether there was one. The next of its key goes on, and is to be
    /// had from [`Store::claim_active`].
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn cancel(&self, shop: &str, run: RunId, now: Millis, reason: &str) -> Result<bool> {
        ask!(self, Op::Cancel { shop: shop.into(), run, now, reason: reason.into() }, Answer::Cancelled)
    }

    /// Takes those of `runs` that wait: active, this node's, with new fences.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn wake(&self, runs: Vec<RunId>, now: Millis) -> Result<Vec<RunRow>> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        ask!(self, Op::Wake { runs, now }, Answer::Runs)
    }

    /// Changes effects outside a run's flush: what their dispatcher did. Those that are not there are
    /// added.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn update_effects(&self, rows: Vec<EffectRow>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.submit(Op::Effects(rows)).await? {
            Answer::Done => Ok(()),
            other => Err(other.unexpected()),
        }
    }
}
