//! Counters and gauges, as Prometheus reads them. No shop is a label: a host's figures tell nothing of
//! one tenant to another.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use shopwright_model::Millis;
use shopwright_sandbox::Guest;
use shopwright_store::ops::EffectState;

use crate::busy::Busy;

/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkflowLabel {
    workflow: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    workflow: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EffectLabel {
    action: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabel {
    call: &'static str,
}

/// The engine's figures.
pub(crate) struct Metrics {
    registry: Registry,
    pub events: Counter,
    pub duplicates: Counter,
    pub refused_busy: Counter,
    pub loops_stopped: Counter,
    pub conditions_failed: Counter,
    pub conflicts: Counter,
    pub retries: Counter,
    pub schedule_fires: Counter,
    pub removed: Counter,
    pub rollbacks: Counter,
    started: Family<WorkflowLabel, Counter>,
    ended: Family<EndLabel, Counter>,
    run_seconds: Histogram,
    segments: Counter,
    sandbox_seconds: Histogram,
    fuel: Counter,
    reads: Family<CallLabel, Counter>,
    effects: Family<EffectLabel, Counter>,
    pub active: Gauge,
    pub executing: Gauge,
    pub store_operations: Gauge,
    pub store_commits: Gauge,
    pub store_queue: Gauge,
    pub store_busy: Seconds,
    pub store_commit: Seconds,
    pub store_log_bytes: Gauge,
    pub store_reads: Gauge,
    pub store_reads_cached: Gauge,
    pub store_read_queries: Gauge,
    /// Executing runs: the sandbox and all around it.
    pub runs_busy: Busy,
    /// Encoding and decoding journals.
    pub journal_busy: Busy,
    pub runs_busy_seconds: Seconds,
    pub journal_seconds: Seconds,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("shopwright");
        macro_rules! register {
            ($kind:expr, $name:literal, $help:literal) => {{
                let metric = $kind;
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        let times = || Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0, 3_600.0, 86_400.0]);
        let short = || Histogram::new([0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1, 1.0]);
        Self {
            events: register!(Counter::default(), "events_accepted", "Events accepted for the first time"),
            duplicates: register!(Counter::default(), "events_duplicate", "Events that had been accepted before"),
            refused_busy: register!(
                Counter::default(),
                "events_refused_busy",
                "Deliveries refused because queues were full"
            ),
            loops_stopped: register!(
                Counter::default(),
                "loops_stopped",
                "Events that triggered nothing because too many runs descend from one event"
            ),
            conditions_failed: register!(
                Counter::default(),
                "conditions_failed",
                "Trigger conditions that gave an error"
            ),
            conflicts: register!(
                Counter::default(),
                "run_conflicts",
                "Segments made anew because what they decided on had changed"
            ),
            retries: register!(Counter::default(), "run_retries", "Runs put off for another try"),
            schedule_fires: register!(Counter::default(), "schedule_fires", "Runs started by schedules"),
            removed: register!(Counter::default(), "rows_removed", "Rows removed by retention"),
            rollbacks: register!(
                Counter::default(),
                "rollbacks_automatic",
                "Versions that the host took back because too many of their runs failed"
            ),
            started: register!(Family::default(), "runs_started", "Runs started"),
            ended: register!(Family::default(), "runs_ended", "Runs ended, by how"),
            run_seconds: register!(times(), "run_seconds", "From accepting a run's trigger to its end"),
            segments: register!(Counter::default(), "segments", "Instances made: once per run and once per wake-up"),
            sandbox_seconds: register!(
                short(),
                "sandbox_seconds",
                "Computing time of one segment in the sandbox, host calls included"
            ),
            fuel: register!(Counter::default(), "fuel_used", "Fuel used by guests"),
            reads: register!(Family::default(), "reads", "Reads made by guests"),
            effects: register!(Family::default(), "effects", "Actions by what became of them"),
            active: register!(Gauge::default(), "runs_active", "Runs queued or executing in this process"),
            executing: register!(Gauge::default(), "runs_executing", "Runs executing in this process"),
            store_operations: register!(Gauge::default(), "store_operations", "Operations the store's writer has done"),
            store_commits: register!(
                Gauge::default(),
                "store_commits",
                "Transactions the store's writer has committed"
            ),
            store_queue: register!(Gauge::default(), "store_queue", "Operations waiting for the store's writer"),
            store_busy: register!(
                Seconds::default(),
                "store_busy_seconds",
                "Time in which the store's writer was not idle"
            ),
            store_commit: register!(
                Seconds::default(),
                "store_commit_seconds",
                "Time that the store's writer spent in COMMIT"
            ),
            store_log_bytes: register!(
                Gauge::default(),
                "store_log_bytes",
                "Bytes written to SQLite's write-ahead log"
            ),
            store_reads: register!(Gauge::default(), "store_reads", "Point reads that the store answered"),
            store_reads_cached: register!(Gauge::default(), "store_reads_cached", "Point reads answered from memory"),
            store_read_queries: register!(
                Gauge::default(),
                "store_read_queries",
                "Queries made for the other point reads"
            ),
            runs_busy_seconds: register!(
                Seconds::default(),
                "runs_busy_seconds",
                "Computing time of runs, the sandbox included"
            ),
            journal_seconds: register!(
                Seconds::default(),
                "journal_seconds",
                "Computing time of encoding and decoding journals"
            ),
            runs_busy: Busy::default(),
            journal_busy: Busy::default(),
            registry,
        }
    }

    pub fn started(&self, workflow: &str) {
        self.started.get_or_create(&WorkflowLabel { workflow: workflow.into() }).inc();
    }

    pub fn ended(&self, workflow: &str, state: &'static str, took: Millis) {
        self.ended.get_or_create(&EndLabel { workflow: workflow.into(), state }).inc();
        #[allow(clippy::cast_precision_loss)]
        self.run_seconds.observe(took as f64 / 1_000.0);
    }

    pub fn segment(&self, guest: &Guest) {
        self.segments.inc();
        self.fuel.inc_by(guest.fuel_used());
        self.sandbox_seconds.observe(guest.executed().as_secs_f64());
    }

    pub fn read(&self, call: &'static str) {
        self.reads.get_or_create(&CallLabel { call }).inc();
    }

    pub fn effect(&self, action: &str, state: EffectState) {
        let state = crate::actions::state_name(state);
        self.effects.get_or_create(&EffectLabel { action: action.into(), state }).inc();
    }

    /// The text format of Prometheus.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
