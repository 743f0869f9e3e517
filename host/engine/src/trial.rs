//! Trials: one installation in an engine of its own, over a [`World`] instead of a store.
//!
//! Backtests and replays of bundles are built on it (`shopwright_trial`). The programs, host calls,
//! guardrails and the journal are those of the host; what a run reads and where its flushes go is the
//! world's. Runs execute one after another in the order in which they were handed over, so that the
//! same input gives the same result to the last byte.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use shopwright_model::{Clock as _, EntityKind, Millis, RunId, VirtualClock};
use shopwright_policy::{ActionKind, Rule, Rules};
use shopwright_sandbox::Sandbox;
use shopwright_store::{
    Doc, Store, StoreOptions, Stored,
    ops::{EventRow, Flush, Flushed, NewRun, PriceChangeRow, Rule as KeyRule, RunRow, Started, TriggerKind},
};
use shopwright_triggers::Schedule;

use crate::{
    EngineError, EngineLimits, EngineOptions, Installation, Limits, Mode, Retention, Rollout, Senders, Shop, calls,
    core::Core,
    execute,
    install::{Installed, Program},
    intake, plugins,
    queue::Task,
    shop::{Installations, ShopState},
};

/// What a trial's runs read, and where what they do goes. All of it is as of now by the trial's clock.
///
/// The methods are those of the store under shorter names; see there.
#[allow(unused_variables)]
pub trait World: Send + Sync {
    /// A document.
    fn entity(&self, kind: EntityKind, id: &str) -> Option<Stored>;
    /// What belongs to an owner, latest first, behind (sort, id).
    fn owned(&self, kind: EntityKind, owner: &str, after: Option<(i64, &str)>, limit: u32) -> Vec<Doc>;
    /// The document with this second name.
    fn by_alt(&self, kind: EntityKind, alt: &str) -> Option<Doc>;
    /// All of a kind by id.
    fn scan(&self, kind: EntityKind, after: Option<&str>, limit: u32) -> Vec<Doc>;
    /// The product that a variant is of.
    fn product_of_variant(&self, variant: &str) -> Option<Stored>;
    /// Units in orders placed from `from` up to before `to`.
    fn units_sold(&self, variant: &str, from: Millis, to: Millis) -> i64;
    /// A variant's price changes, latest first, before (time, id).
    fn price_changes(&self, variant: &str, before: Option<(Millis, i64)>, limit: u32) -> Vec<PriceChangeRow>;
    /// How many effects on a subject count against a limit.
    fn effects_counted(&self, subject: &str, action: Option<&str>, tag: Option<&str>, since: Millis) -> u64;
    /// How many effects of an action count against a limit.
    fn effects_since(&self, installation: Option<&str>, action: &str, since: Millis) -> u64;
    /// What is remembered under a key of a memory space.
    fn memory(&self, space: &str, key: &str) -> Option<String>;
    /// Which run was started under a name that starts at most once.
    fn once(&self, name: &str) -> Option<RunId>;
    /// A run.
    fn run(&self, run: RunId) -> Option<RunRow>;
    /// A run's journal, chunk by chunk.
    fn journal(&self, run: RunId) -> Vec<Vec<u8>>;
    /// An event.
    fn event(&self, seq: i64) -> Option<EventRow>;
    /// Events of some kinds that concern an entity (none: any) after a number, earliest first.
    fn events_matching(&self, entity: Option<&str>, kinds: &[String], after: i64, limit: u32) -> Vec<EventRow>;
    /// The number of the latest event.
    fn latest_seq(&self) -> i64;
    /// What a run leaves behind.
    fn flush(&self, flush: Flush) -> Flushed;
    /// Told of every run before a segment of it executes.
    fn executing(&self, run: RunId) {}
    /// The seed of a run's randomness, where it is not the trial's own.
    fn seed(&self, run: RunId) -> Option<u64> {
        None
    }
    /// Told of every call that the journal answers.
    fn answered(&self, run: RunId, position: u32) {}
    /// Told when a run asks for something else than its journal says.
    fn diverged(&self, run: RunId, position: u32, call: &str, args: &[u8]) {}
    /// Told of every action that a run asks for, also of one that the journal answers.
    fn asked(&self, run: RunId, position: u32, action: &ActionKind) {}
    /// Whether a call that is not in the journal may be made; a run that may not is stopped there. `args`:
    /// MessagePack.
    fn may_call(&self, run: RunId, position: u32, call: &str, args: &[u8]) -> bool {
        true
    }
}

/// What a trial is made of.
pub struct TrialOptions {
    /// Runs the component. A host's own: what it has compiled is not compiled again.
    pub sandbox: Sandbox,
    /// The component, with its manifest.
    pub component: Vec<u8>,
    /// The shop it is tried in.
    pub shop: Shop,
    /// The shop's guardrails.
    pub rules: Vec<Rule>,
    /// Id of the installation.
    pub installation: String,
    /// Its settings; what is absent takes the schema's default.
    pub settings: Value,
    /// What it may do; all that it asks for where absent.
    pub grants: Option<Value>,
    /// Take settings and grants as they are, for runs that were made under an earlier version.
    pub unchecked: bool,
    /// Seeds the runs' randomness, together with their ids.
    pub seed: u64,
    /// Limits, as of the host.
    pub limits: EngineLimits,
    /// What it reads and where it writes.
    pub world: Arc<dyn World>,
    /// Its time.
    pub clock: VirtualClock,
}

/// A workflow that an event triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub workflow: String,
    /// The run's concurrency key.
    pub key: Option<String>,
    /// What happens when the key is taken.
    pub rule: KeyRule,
}

/// One installation in an engine of its own.
pub struct Trial {
    core: Arc<Core>,
    shop: Arc<ShopState>,
    installed: Arc<Installed>,
    clock: VirtualClock,
}

impl Trial {
    /// Makes one: checks the component, its manifest, settings and grants as an install does.
    ///
    /// # Errors
    /// As [`crate::Engine::add_component`] and [`crate::Engine::install`].
    pub async fn open(options: TrialOptions) -> Result<Self, EngineError> {
        let TrialOptions { sandbox, component, shop, rules, installation, settings, grants, unchecked, .. } = options;
        let clock = options.clock;
        // Empty, and stays empty: a floor under calls that no world answers.
        let store = Store::open(
            "sqlite::memory:",
            StoreOptions { clock: Arc::new(clock.clone()), cache_bytes: 0, ..StoreOptions::default() },
        )
        .await?;
        let refused = |code: &'static str| move |reason: String| EngineError::Refused { code, reason };
        let imports = sandbox.inspect(&component).map_err(|e| refused("bad-component")(e.to_string()))?;
        let manifest = shopwright_registry::extract(&component)
            .map_err(|e| refused("bad-manifest")(e.to_string()))?
            .ok_or_else(|| refused("no-manifest")("the component carries no manifest".into()))?;
        let digest = shopwright_registry::digest(&component);
        let core = Arc::new(Core::over(
            EngineOptions {
                store,
                sandbox: sandbox.clone(),
                clock: Arc::new(clock.clone()),
                seed: options.seed,
                senders: Senders::default(),
                limits: options.limits,
                retention: Retention::default(),
            },
            calls::all(),
            Some(options.world),
        ));
        let program = Arc::new(Program::new(&core, manifest, imports)?);
        core.programs.write().insert(digest.clone(), program.clone());
        let settings = if unchecked { settings } else { plugins::check_settings(&program, &settings)? };
        let grants = if unchecked { None } else { grants };
        let grants = plugins::check_grants(&program, grants.as_ref())?;
        if sandbox.load(&digest).is_none() {
            let (compiler, name) = (sandbox, digest.clone());
            tokio::task::spawn_blocking(move || compiler.compile(&component, &name))
                .await
                .map_err(EngineError::internal)?
                .map_err(|e| refused("bad-component")(e.to_string()))?;
        }
        core.prepared(&digest, &grants).await?;
        let now = clock.now();
        let record = Installation {
            id: installation.clone(),
            shop: shop.id.clone(),
            plugin: program.manifest.name.clone(),
            version: program.manifest.version.to_string(),
            digest,
            settings,
            grants,
            mode: Mode::Shadow,
            beside: None,
            rollout: Rollout::default(),
            limits: Limits::default(),
            created_at: now,
            updated_at: now,
        };
        let installed = Arc::new(Installed::of(record, program));
        let state = Arc::new(ShopState::new(shop.clone(), Rules::from(rules)));
        *state.installations.write() = Arc::new(Installations::of(BTreeMap::from([(installation, installed.clone())])));
        core.shops.write().insert(shop.id, state.clone());
        Ok(Self { core, shop: state, installed, clock })
    }

    /// What is tried.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installed.record
    }

    /// Its time.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// The node number that its runs are held under.
    #[must_use]
    pub fn node(&self) -> i64 {
        self.core.store.node()
    }

    /// The kinds of event that may trigger it.
    #[must_use]
    pub fn triggers_on(&self, kind: &str) -> bool {
        self.installed.program.workflows.iter().any(|w| w.triggers.iter().any(|t| t.kinds.iter().any(|k| k == kind)))
    }

    /// The workflows that an event triggers, by kind and condition, with the runs' keys.
    #[must_use]
    pub fn plan(&self, event: &EventRow) -> Vec<Planned> {
        let event = shopwright_store::ops::NewEvent {
            shop: event.shop.clone(),
            source: event.source.clone(),
            id: event.id.clone(),
            kind: event.kind.clone(),
            at: event.at,
            received_at: event.received_at,
            concerns: event.concerns.clone(),
            data: event.data.clone(),
            // Its ancestry was counted when it happened.
            ..shopwright_store::ops::NewEvent::default()
        };
        let runs = intake::runs(&self.core, &self.shop, &event, event.received_at).unwrap_or_default();
        runs.into_iter().map(|run| Planned { workflow: run.workflow, key: run.key, rule: run.rule }).collect()
    }

    /// Its schedules: (workflow, number within it, schedule).
    #[must_use]
    pub fn schedules(&self) -> Vec<(&str, usize, &Schedule)> {
        let workflows = self.installed.program.workflows.iter();
        workflows
            .flat_map(|w| w.schedules.iter().enumerate().map(|(n, (schedule, _))| (w.name.as_str(), n, schedule)))
            .collect()
    }

    /// When a schedule of [`Trial::schedules`] fires next after a time, in the shop's zone.
    #[must_use]
    pub fn next_fire(&self, schedule: &Schedule, after: Millis) -> Option<Millis> {
        schedule.next_after(after, self.shop.zone)
    }

    /// A workflow's key and rule for a run that a schedule starts.
    #[must_use]
    pub fn plan_fire(&self, workflow: &str, at: Millis) -> Planned {
        let value = serde_json::json!({"id": "", "kind": "schedule", "at": at, "concerns": [], "data": null});
        let found = self.installed.program.workflow(workflow);
        let key = found.and_then(|w| w.key.as_ref()).and_then(|key| key.eval(&value).ok().flatten());
        Planned { workflow: workflow.into(), key, rule: found.map_or(KeyRule::Allow, |w| w.rule) }
    }

    /// A run of what was planned, not yet started.
    #[must_use]
    pub fn new_run(&self, planned: Planned, trigger: TriggerKind, input: Option<String>) -> NewRun {
        NewRun {
            id: self.core.ids.run(),
            shop: self.shop.shop.id.clone(),
            installation: self.installed.record.id.clone(),
            workflow: planned.workflow,
            digest: self.installed.record.digest.clone(),
            settings: self.installed.settings.clone(),
            mode: "backtest".into(),
            key: planned.key,
            rule: planned.rule,
            once: None,
            trigger,
            event_seq: 0,
            input,
            cursor: 0,
            root: 0,
            depth: 0,
            parent: None,
            created_at: self.clock.now(),
            node: Some(self.core.store.node()),
        }
    }

    /// Puts a run that the world has started into the queue.
    pub fn started(&self, new: &NewRun, started: &Started, event: Option<&Arc<EventRow>>) {
        intake::enqueue_started(&self.core, new, started, event);
    }

    /// Puts a run that the world has woken into the queue.
    pub fn resume(&self, run: RunRow, event: Option<Arc<EventRow>>) {
        self.core.queue.push(Task { run, event });
    }

    /// Lets go of what it held. Without it the empty store lives until the process ends.
    pub async fn close(&self) {
        self.core.store.close().await;
    }

    /// Executes what is queued, one after another, and what follows from it now. Gives how many segments
    /// that were.
    pub async fn drain(&self) -> u64 {
        let mut segments = 0;
        while let Some(task) = self.core.queue.pop() {
            let (id, shop, installation) = (task.run.id, task.run.shop.clone(), task.run.installation.clone());
            if let Some(world) = self.core.store.world() {
                world.executing(task.run.id);
            }
            // Boxed: the future of a run is large, and callers keep it in theirs.
            Box::pin(execute::execute(&self.core, task)).await;
            self.core.queue.done(id, &shop, &installation);
            segments += 1;
        }
        segments
    }
}
