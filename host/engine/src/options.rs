//! What an engine is opened with.

use std::{sync::Arc, time::Duration};

use shopwright_connectors::{callback::Callback, http::Remote, smtp::Smtp};
use shopwright_model::Clock;
use shopwright_sandbox::{GuestLimits, Sandbox};
use shopwright_store::Store;

use crate::Vault;

/// What an engine is opened with.
pub struct EngineOptions {
    /// Where everything is kept.
    pub store: Store,
    /// What runs the components.
    pub sandbox: Sandbox,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Seeds the runs' randomness and the jitter of retries.
    pub seed: u64,
    /// Who carries effects to the outside.
    pub senders: Senders,
    /// Limits.
    pub limits: EngineLimits,
    /// How long things are kept.
    pub retention: Retention,
}

/// Who carries effects to the outside. What is none lands in the mailbox.
#[derive(Clone, Default)]
pub struct Senders {
    /// E-mail.
    pub smtp: Option<Arc<Smtp>>,
    /// The address that e-mail comes from: `Shop <shop@example.com>`.
    pub from: String,
    /// Text messages, staff notices, and a copy of every change for the shop's platform.
    pub callback: Option<Arc<Callback>>,
    /// Requests of plugins to servers of others. None: there are none.
    pub http: Option<Arc<dyn Remote>>,
    /// Seals and opens the shops' secrets. None: none can be set or used.
    pub vault: Option<Arc<Vault>>,
}

/// Limits of the engine. A workflow's own limits (manifest) apply where they are lower.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    /// Runs that execute at once. Far more than there are cores, since most wait for a commit: fewer than what
    /// arrives within two commits, and the processors idle.
    pub executing: usize,
    /// Runs of one installation that execute at once.
    pub executing_per_installation: usize,
    /// Runs that are queued or executing in this process; beyond, events are refused with "busy".
    pub queued: usize,
    /// Per run: fuel, memory, log, output, time on a processor without a break.
    pub guest: GuestLimits,
    /// Host calls that one run may make.
    pub journal_entries: u32,
    /// Actions that one run may ask for.
    pub effects: u32,
    /// How many runs may lie between an event from outside and a run.
    pub depth: u32,
    /// How many runs one event from outside may cause, over all its descendants, in a minute.
    pub runs_per_root: u32,
    /// Tries of one effect before it counts as failed.
    pub effect_attempts: u32,
    /// First pause between tries of an effect; doubles.
    pub effect_backoff: Duration,
    /// Longest pause between tries of an effect.
    pub effect_backoff_max: Duration,
    /// Requests of plugins to servers of others.
    pub http: HttpLimits,
}

/// How many requests of plugins go out. A run that has to wait for its turn is put aside: it holds neither an
/// instance nor a place among those that execute, so a slow server stops nobody else's runs.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// At once, in this process.
    pub at_once: usize,
    /// At once, of one installation.
    pub at_once_per_installation: usize,
    /// In a second, of one installation to one host, in the long run.
    pub per_second: u32,
    /// The most of them that come at once.
    pub burst: u32,
    /// Bytes of requests and answers that one run may have in its journal.
    pub bytes_per_run: usize,
}

impl Default for HttpLimits {
    /// 64 and 16 at once: few beside the runs that execute. 10 a second, and 50 together. 64 MiB a run.
    fn default() -> Self {
        Self { at_once: 64, at_once_per_installation: 16, per_second: 10, burst: 50, bytes_per_run: 64 << 20 }
    }
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            executing: 1_024,
            executing_per_installation: 768,
            queued: 50_000,
            guest: GuestLimits::default(),
            journal_entries: 10_000,
            effects: 1_000,
            depth: 16,
            runs_per_root: 1_000,
            effect_attempts: 12,
            effect_backoff: Duration::from_secs(2),
            effect_backoff_max: Duration::from_secs(3_600),
            http: HttpLimits::default(),
        }
    }
}

/// How long things are kept, in days.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Events.
    pub events: u32,
    /// Ended runs with their journals, logs and ledger rows.
    pub runs: u32,
    /// What documents were before.
    pub history: u32,
    /// Messages in the mailbox.
    pub messages: u32,
    /// Versions of plugins that nobody has installed, with their components, after they were added.
    pub versions: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: 90, runs: 30, history: 90, messages: 90, versions: 30 }
    }
}
