//! Backtests beside a host: one runs at a time, the others wait in line; what came of each is kept.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shopwright_engine::{Engine, EngineError};
use shopwright_store::BacktestRow;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::{
    TrialError,
    backtest::{self, Progress, Request},
};

/// How often progress is written down while a backtest runs.
const BEAT: Duration = Duration::from_secs(2);
/// A backtest that has not moved for so long is nobody's any more, in milliseconds.
const ABANDONED: i64 = 120_000;
/// Backtests of one host that have not ended, at most.
const MOST: usize = 20;
/// The most differing pairs that are kept of one backtest.
pub const PAIRS_KEPT: usize = 10_000;

/// How far a backtest is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProgressView {
    /// Recorded events of the span, once they are loaded.
    pub events: u64,
    /// Of them, those that have happened.
    pub done: u64,
    /// Segments of runs that were executed.
    pub segments: u64,
    /// How long it has been running, in seconds of real time.
    pub seconds: f64,
}

/// The backtests of a host. Cheap to clone.
#[derive(Clone)]
pub struct Backtests(Arc<Inner>);

struct Inner {
    engine: Engine,
    turn: Semaphore,
    running: Mutex<HashMap<String, Arc<Progress>>>,
}

fn text<T: Serialize>(value: &T) -> String {
    // Plain data of ours: cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

impl Backtests {
    /// Over a host's engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(Inner { engine, turn: Semaphore::new(1), running: Mutex::default() }))
    }

    /// Checks what is asked for and puts it in line. `id`: of the new backtest; later ones must sort behind.
    ///
    /// # Errors
    /// What is not there or makes no sense; too many in line; the store's.
    pub async fn start(&self, shop: &str, id: String, by: String, request: Request) -> Result<BacktestRow, TrialError> {
        let engine = &self.0.engine;
        let plan = backtest::plan(engine, shop, &request).await?;
        if self.0.running.lock().len() >= MOST {
            let reason = format!("{MOST} backtests are in line already: wait for one, or cancel it");
            return Err(TrialError::invalid("too-many-backtests", "", reason));
        }
        let now = engine.clock().now();
        let row = BacktestRow {
            id: id.clone(),
            shop: shop.into(),
            installation: request.installation.clone(),
            request: text(&request),
            state: "queued".into(),
            progress: text(&ProgressView::default()),
            report: None,
            error: None,
            by,
            created_at: now,
            updated_at: now,
            ended_at: None,
        };
        engine.store().backtest_put(&row).await?;
        let progress = Arc::new(Progress::default());
        self.0.running.lock().insert(id, progress.clone());
        let (own, begun) = (self.clone(), row.clone());
        tokio::spawn(async move {
            let id = begun.id.clone();
            own.work(begun, plan, &progress).await;
            own.0.running.lock().remove(&id);
        });
        Ok(row)
    }

    async fn work(&self, mut row: BacktestRow, plan: backtest::Plan, progress: &Arc<Progress>) {
        let inner = &self.0;
        let (engine, store) = (&inner.engine, inner.engine.store());
        let mut beat = tokio::time::interval(BEAT);
        // Polled in one piece: who asks anew stands at the end of the line again.
        let mut turn = std::pin::pin!(inner.turn.acquire());
        let turn = loop {
            tokio::select! {
                turn = &mut turn => break Some(turn),
                _ = beat.tick() => {
                    row.updated_at = engine.clock().now();
                    let _ = store.backtest_put(&row).await;
                    if progress.cancelled.load(Relaxed) {
                        break None;
                    }
                }
            }
        };
        let began = Instant::now();
        let standing = || ProgressView {
            events: progress.events.load(Relaxed),
            done: progress.done.load(Relaxed),
            segments: progress.segments.load(Relaxed),
            seconds: began.elapsed().as_secs_f64(),
        };
        row.state = "running".into();
        // A task of its own: polled here it would stand still, perhaps with a connection in its hands, while a beat
        // waits for one.
        let mut done = {
            let (engine, progress, waits) = (engine.clone(), progress.clone(), turn.is_none());
            tokio::spawn(async move {
                if waits {
                    return Err(TrialError::Cancelled);
                }
                backtest::run(&engine, plan, &progress).await
            })
        };
        let result = loop {
            tokio::select! {
                result = &mut done => break result.unwrap_or_else(|fault| {
                    Err(EngineError::Internal { reason: format!("the backtest broke off: {fault}") }.into())
                }),
                _ = beat.tick() => {
                    row.progress = text(&standing());
                    row.updated_at = engine.clock().now();
                    // The next beat tries again.
                    let _ = store.backtest_put(&row).await;
                }
            }
        };
        drop(turn);
        row.progress = text(&standing());
        let ended = match result {
            Ok(outcome) => {
                row.state = "done".into();
                let mut report = outcome.report;
                let pairs: Vec<String> = outcome.differing.iter().take(PAIRS_KEPT).map(text).collect();
                if outcome.differing.len() > pairs.len() {
                    report
                        .notes
                        .push(format!("{} pairs differ: the first {PAIRS_KEPT} are kept", outcome.differing.len()));
                }
                row.report = Some(text(&report));
                store.backtest_pairs_put(&row.shop, &row.id, 0, &pairs).await
            }
            Err(TrialError::Cancelled) => {
                row.state = "cancelled".into();
                Ok(())
            }
            Err(error) => {
                row.state = "failed".into();
                row.error = Some(error.to_string());
                Ok(())
            }
        };
        row.updated_at = engine.clock().now();
        row.ended_at = Some(row.updated_at);
        if let Err(error) = ended {
            row.state = "failed".into();
            row.report = None;
            row.error = Some(format!("its report could not be kept: {error}"));
        }
        if let Err(error) = store.backtest_put(&row).await {
            tracing::warn!(backtest = row.id, %error, "what came of a backtest could not be kept");
        }
    }

    /// A backtest as it stands.
    ///
    /// # Errors
    /// No such backtest, or the store's.
    pub async fn find(&self, shop: &str, id: &str) -> Result<BacktestRow, TrialError> {
        let engine = &self.0.engine;
        let gone = || TrialError::NotFound("such backtest".into());
        let row = engine.store().backtest(shop, id).await?.ok_or_else(gone)?;
        let running = self.0.running.lock().get(id).cloned();
        match running {
            Some(progress) if row.ended_at.is_none() => {
                let mut row = row;
                let mut known: ProgressView = serde_json::from_str(&row.progress).unwrap_or_default();
                known.events = progress.events.load(Relaxed);
                known.done = progress.done.load(Relaxed);
                known.segments = progress.segments.load(Relaxed);
                row.progress = text(&known);
                Ok(row)
            }
            None if row.ended_at.is_none() => {
                // Another node's, or that of a host that was stopped.
                let now = engine.clock().now();
                engine.store().backtests_abandon(now - ABANDONED, now).await?;
                engine.store().backtest(shop, id).await?.ok_or_else(gone)
            }
            _ => Ok(row),
        }
    }

    /// Stops a backtest; false when it had ended.
    ///
    /// # Errors
    /// No such backtest; one that runs on another node; the store's.
    pub async fn cancel(&self, shop: &str, id: &str) -> Result<bool, TrialError> {
        let row = self.find(shop, id).await?;
        if row.ended_at.is_some() {
            return Ok(false);
        }
        let running = self.0.running.lock().get(id).cloned();
        match running {
            Some(progress) => progress.cancelled.store(true, Relaxed),
            None => {
                return Err(TrialError::invalid(
                    "elsewhere",
                    "/id",
                    "it runs on another node: ask that one, or wait until it has ended",
                ));
            }
        }
        Ok(true)
    }
}
