//! The heart: from an event to an effect that happens once.
//!
//! # The way of an event
//!
//! [`Engine::ingest`] checks it, finds the workflows it triggers ([`intake`](self)) and hands it to the
//! store, which writes the event, the documents it carries, the runs it starts and the runs it wakes in
//! one transaction. Then the runs stand in the queue (fair over shops and installations); an executor takes
//! one, makes a fresh instance in the sandbox, and answers its host calls: from the journal while it
//! replays, live after that. The run waits (its instance is dropped, its wake conditions are rows), or it
//! ends; either way what it did since the last flush commits in one transaction.
//!
//! # The journal is lazy
//!
//! Reads need no write of their own: a run that dies before it has acted just starts over. The buffer is
//! flushed before something leaves the house, when the run waits, and when it ends. Actions on our own
//! model are buffered with the journal and commit with it. What a run decided on (a counter that a
//! guardrail judged by, a memory key it incremented, a document it changed) is checked at the flush; if it
//! has changed, nothing is written and the run decides anew.
//!
//! # Time
//!
//! All of it takes a [`Clock`]; with a [`shopwright_model::VirtualClock`], [`Engine::idle`] and
//! [`Engine::next_wake`] drive months in milliseconds.

mod actions;
mod artefacts;
mod busy;
mod calls;
mod core;
mod cx;
mod error;
mod execute;
mod ground;
mod hosts;
mod http;
mod install;
mod intake;
mod journal;
mod limits;
mod look;
mod metrics;
mod moving;
mod notice;
mod options;
mod outbox;
mod plugins;
mod queue;
mod reader;
mod rehearsal;
mod rollout;
mod secrets;
mod shop;
mod shops;
mod strays;
mod timeline;
mod timers;
mod trial;
mod vault;
mod waits;

use std::sync::{Arc, atomic::Ordering};

use serde_json::Value;
use shopwright_model::{Clock, Millis, RunId};
use shopwright_sandbox::Sandbox;
use shopwright_store::{
    Store,
    ops::{NewRun, Rule, Started, TriggerKind},
};
use tokio::sync::broadcast;

use crate::core::Core;
pub use crate::{
    busy::Busy,
    cx::LogEntry,
    error::EngineError,
    install::{Change, Install, Installation, Mode, VersionInfo},
    intake::{IncomingEvent, Intake, IntakeRun},
    journal::{Entry, Journal, JournalError},
    limits::{Limits, Used},
    moving::{Bulk, BulkResult, Move, Moved, Repair, RepairOutcome, Repaired, RetryFrom, SettingsOf},
    notice::Notice,
    options::{EngineLimits, EngineOptions, HttpLimits, Retention, Senders},
    rehearsal::Rehearsed,
    rollout::{Candidate, Guard, Release, RollOut, RolledBack, Rollout, RolloutFigures, Share, bucket},
    secrets::{NewSecret, SecretInfo},
    shop::{NewShop, Shop},
    timeline::{Timeline, TimelineEntry},
    trial::{Planned, Trial, TrialOptions, World},
    vault::{Vault, VaultError},
    waits::WaitFor,
};
pub use shopwright_sandbox::WIT_VERSION;

/// The engine. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
}

impl Engine {
    /// Opens the engine over a store: loads shops and installations, compiles their triggers, and
    /// takes back the runs that a process before this one left.
    ///
    /// # Errors
    /// The store's; an installation whose component cannot be loaded is paused with a warning instead.
    pub async fn open(options: EngineOptions) -> Result<Self, EngineError> {
        let core = Arc::new(Core::new(options, calls::all()));
        let left = core.store.recover().await?;
        if left > 0 {
            tracing::info!(runs = left, "runs that were in flight are taken up again");
        }
        shops::load(&core).await?;
        // A version that failed too often just before the host stopped.
        let shops: Vec<_> = core.shops.read().values().cloned().collect();
        for shop in shops {
            for (id, installed) in &shop.installations().by_id {
                if let Some(watch) = &installed.watch {
                    rollout::judge(&core, &shop.shop.id, id, watch).await;
                }
            }
        }
        Ok(Self { core })
    }

    /// Starts executing: runs, timers, the outbox, retention.
    pub fn start(&self) {
        tokio::spawn(execute::run_all(self.core.clone()));
        tokio::spawn(timers::run(self.core.clone()));
        tokio::spawn(outbox::run(self.core.clone()));
        tokio::spawn(timers::retention(self.core.clone()));
    }

    /// Starts executing runs only: the caller moves time with [`Engine::idle`] and the clock.
    pub fn start_in_virtual_time(&self) {
        tokio::spawn(execute::run_all(self.core.clone()));
    }

    /// Takes no new work and returns when what executes has reached a flush point (at most ten
    /// seconds). What is queued is found again at the next start.
    pub async fn stop(&self) {
        self.core.stopping.store(true, Ordering::Release);
        self.core.stopped.notify_waiters();
        self.core.queue.clear();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(10), self.core.queue.empty()).await;
    }

    /// Where everything is kept.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.core.store
    }

    /// What runs the components.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.core.sandbox
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.core.clock
    }

    /// The seed of a run's randomness: the same at every replay, on every node.
    #[must_use]
    pub fn run_seed(&self, run: RunId) -> u64 {
        self.core.run_seed(run)
    }

    /// The limits that every run has.
    #[must_use]
    pub fn limits(&self) -> &EngineLimits {
        &self.core.limits
    }

    /// How long things are kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.core.retention
    }

    /// A new id for a row of the caller's.
    #[must_use]
    pub fn next_id(&self) -> i64 {
        self.core.ids.next()
    }

    /// Accepts events: all of one call in one transaction, durable when this returns.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when the queues are full, [`EngineError::Invalid`] with the event's place,
    /// or the store's. In each case nothing was accepted.
    pub async fn ingest(&self, shop: &str, events: Vec<IncomingEvent>) -> Result<Vec<Intake>, EngineError> {
        let shop = self.core.shop(shop)?;
        intake::ingest(&self.core, &shop, events).await
    }

    /// Starts a run by hand. With a key, a second start with the same key gives the first run.
    ///
    /// # Errors
    /// No such installation or workflow, or the store's.
    pub async fn start_run(
        &self,
        shop: &str,
        installation: &str,
        workflow: &str,
        input: &Value,
        key: Option<&str>,
    ) -> Result<RunId, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let installed =
            state.installed(installation).ok_or_else(|| EngineError::not_found("installation", installation))?;
        let id = core.ids.run();
        let own = key.map_or_else(|| id.to_string(), str::to_owned);
        let candidate = installed.candidate_for(&own, &[]).filter(|side| side.program.workflow(workflow).is_some());
        if candidate.is_none() && installed.program.workflow(workflow).is_none() {
            return Err(EngineError::not_found("workflow", workflow));
        }
        let new = NewRun {
            id,
            shop: shop.into(),
            installation: installation.into(),
            workflow: workflow.into(),
            digest: candidate.map_or(&installed.record.digest, |side| &side.digest).clone(),
            settings: candidate.map_or(&installed.settings, |side| &side.settings).clone(),
            mode: if installed.record.mode == Mode::Shadow { "shadow" } else { "live" }.into(),
            key: None,
            rule: Rule::Allow,
            once: key.map(|key| format!("manual:{installation}:{workflow}:{key}")),
            trigger: TriggerKind::Manual,
            event_seq: 0,
            input: Some(input.to_string()),
            cursor: 0,
            root: 0,
            depth: 0,
            parent: None,
            created_at: core.clock.now(),
            node: core.place(&state, &installed),
        };
        let started = core.store.start(vec![new.clone()]).await?;
        match started.first() {
            Some(outcome @ Started::Active { run, .. }) => {
                intake::enqueue_started(core, &new, outcome, None);
                Ok(*run)
            }
            Some(Started::Blocked(run) | Started::Before(run)) => Ok(*run),
            Some(Started::Skipped) | None => Err(EngineError::internal("the store did not start the run")),
        }
    }

    /// The live installation that a shadow stands beside: the one it names, else one of the same plugin.
    ///
    /// # Errors
    /// No such shop.
    pub fn beside(&self, shop: &str, installation: &str) -> Result<Option<Installation>, EngineError> {
        Ok(self.core.shop(shop)?.beside(installation).map(|installed| installed.record.clone()))
    }

    /// Cancels a run that has not ended; false when there is none such.
    ///
    /// # Errors
    /// The store's.
    pub async fn cancel(&self, shop: &str, run: RunId, reason: &str) -> Result<bool, EngineError> {
        let cancelled = self.core.store.cancel(shop, run, self.core.clock.now(), reason).await?;
        if cancelled {
            // The next of its key may be free now.
            self.core.timer.notify_one();
            self.core.tell([Notice::RunEnded {
                shop: shop.into(),
                run,
                installation: String::new(),
                workflow: String::new(),
                state: "cancelled",
                outcome: reason.into(),
                at: self.core.clock.now(),
            }]);
        }
        Ok(cancelled)
    }

    /// Answers a question; the run that asked goes on.
    ///
    /// # Errors
    /// No such question, a choice that is none of its, or one that was answered before.
    pub async fn answer(&self, shop: &str, approval: &str, choice: &str, by: &str) -> Result<(), EngineError> {
        let core = &self.core;
        let row =
            core.store.approval(shop, approval).await?.ok_or_else(|| EngineError::not_found("approval", approval))?;
        let choices: Vec<String> = serde_json::from_str(&row.choices).unwrap_or_default();
        if !choices.iter().any(|known| known == choice) {
            let reason = format!("`{choice}` is none of its choices: {}", choices.join(", "));
            return Err(EngineError::invalid("bad-choice", "choice", reason));
        }
        let closed = || EngineError::Conflict {
            code: "approval-closed",
            reason: "it was answered or has expired: nothing is left to decide".into(),
        };
        if !matches!(row.state.as_str(), "open" | "escalated") {
            return Err(closed());
        }
        core.store.approval_answer(shop, approval, choice, by, core.clock.now()).await?.ok_or_else(closed)?;
        // The run is active now: to be claimed.
        core.timer.notify_one();
        Ok(())
    }

    /// A run with its journal, effects and log.
    ///
    /// # Errors
    /// The store's, or a journal that cannot be read.
    pub async fn timeline(&self, shop: &str, run: RunId) -> Result<Option<Timeline>, EngineError> {
        timeline::read(&self.core, shop, run).await
    }

    /// Does all that is due now and returns when nothing is left to do before time moves on. For
    /// virtual time.
    ///
    /// # Errors
    /// The store's.
    pub async fn idle(&self) -> Result<(), EngineError> {
        loop {
            self.core.queue.empty().await;
            let due = timers::pump(&self.core).await?;
            let sent = if self.core.senders.callback.is_some() { outbox::step(&self.core).await? } else { 0 };
            if due == 0 && sent == 0 && self.core.queue.len() == 0 {
                return Ok(());
            }
        }
    }

    /// When something is due next; none: nothing ever will be by itself.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_wake(&self) -> Result<Option<Millis>, EngineError> {
        Ok(timers::next_wake(&self.core).await?)
    }

    /// Runs that are queued or executing in this process.
    #[must_use]
    pub fn active(&self) -> usize {
        self.core.queue.len()
    }

    /// Figures in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let stats = self.core.store.stats();
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let metrics = &self.core.metrics;
        metrics.active.set(gauge(self.core.queue.len() as u64));
        metrics.executing.set(gauge(self.core.queue.executing() as u64));
        metrics.store_operations.set(gauge(stats.operations));
        metrics.store_commits.set(gauge(stats.commits));
        metrics.store_queue.set(gauge(stats.queue_len as u64));
        #[allow(clippy::cast_precision_loss)]
        let seconds = |us: u64| us as f64 / 1e6;
        metrics.store_busy.set(seconds(stats.busy_us));
        metrics.store_commit.set(seconds(stats.commit_us));
        metrics.store_log_bytes.set(gauge(stats.bytes_written));
        metrics.store_reads.set(gauge(stats.reads));
        metrics.store_reads_cached.set(gauge(stats.cached));
        metrics.store_read_queries.set(gauge(stats.read_queries));
        metrics.runs_busy_seconds.set(metrics.runs_busy.seconds());
        metrics.journal_seconds.set(metrics.journal_busy.seconds());
        metrics.text()
    }

    /// The live feed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.core.notices.subscribe()
    }
}
