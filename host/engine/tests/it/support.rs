//! What every test of the engine starts from.

use std::sync::Arc;

use serde_json::{Value, json};
use shopwright_engine::{
    Engine, EngineError, EngineLimits, EngineOptions, IncomingEvent, Install, Intake, NewShop, Retention, Senders,
};
use shopwright_model::{Clock as _, Millis, RunId, VirtualClock};
use shopwright_policy::Rule;
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_store::{
    MessageFilter, RunFilter, Store, StoreOptions,
    ops::{EffectRow, MessageRow, RunRow, RunState},
};

use crate::probe;

/// 2026-03-02, a Monday, 10:00 in Berlin.
pub const START: Millis = 1_772_442_000_000;
pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60_000;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;
pub const SHOP: &str = "main";

/// An engine over a store, in virtual time.
pub struct World {
    pub engine: Engine,
    pub clock: VirtualClock,
}

/// What a world is made with.
pub struct Setup {
    pub senders: Senders,
    pub limits: EngineLimits,
    /// Without the rules that every shop begins with.
    pub bare: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { senders: Senders::default(), limits: EngineLimits::default(), bare: true }
    }
}

/// One sandbox serves all tests of the process: its pool reserves a lot of address space.
pub fn sandbox() -> Sandbox {
    static SANDBOX: std::sync::OnceLock<Sandbox> = std::sync::OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(SandboxOptions::default()).expect("a sandbox")).clone()
}

/// How stores are opened.
pub fn store_options(clock: &VirtualClock) -> StoreOptions {
    StoreOptions { clock: Arc::new(clock.clone()), ..StoreOptions::default() }
}

impl World {
    /// Over an empty store in memory, with the rules that every shop begins with.
    pub async fn new() -> Self {
        Self::with(Setup { bare: false, ..Setup::default() }).await
    }

    /// Over an empty store in memory, without any rule, with the probe installed.
    pub async fn probed() -> Self {
        Self::probed_with(Setup::default()).await
    }

    /// As [`World::probed`].
    pub async fn probed_with(setup: Setup) -> Self {
        let world = Self::with(setup).await;
        world.add(probe::package()).await;
        world.enable("probe", json!({})).await;
        world
    }

    /// Over an empty store in memory, with the probe installed under these workflows (TOML).
    pub async fn with_workflows(setup: Setup, workflows: &str, settings: Value) -> Self {
        let world = Self::with(setup).await;
        world.add(probe::package_as(&probe::manifest("1.0.0", workflows))).await;
        world.enable("probe", settings).await;
        world
    }

    /// Over an empty store in memory.
    pub async fn with(setup: Setup) -> Self {
        let clock = VirtualClock::new(START);
        let store = Store::open("sqlite::memory:", store_options(&clock)).await.expect("a store");
        Self::over(store, clock, setup).await.expect("an engine")
    }

    /// Over a store; creates the shop if it is not there.
    pub async fn over(store: Store, clock: VirtualClock, setup: Setup) -> Result<Self, EngineError> {
        let engine = Engine::open(EngineOptions {
            store,
            sandbox: sandbox(),
            clock: Arc::new(clock.clone()),
            seed: 1,
            senders: setup.senders,
            limits: setup.limits,
            retention: Retention::default(),
        })
        .await?;
        if engine.shops().is_empty() {
            let shop = NewShop {
                id: SHOP.into(),
                name: "Test".into(),
                currency: "EUR".into(),
                time_zone: "Europe/Berlin".into(),
            };
            engine.create_shop(shop).await?;
            if setup.bare {
                for rule in engine.rules(SHOP)? {
                    engine.delete_rule(SHOP, &rule.id).await?;
                }
            }
        }
        engine.start_in_virtual_time();
        Ok(Self { engine, clock })
    }

    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Uploads and enables a plugin of the bundle.
    pub async fn install(&self, plugin: &str, settings: Value) {
        let bytes = shopwright_bundle::package(self.engine.sandbox(), plugin).await.expect("a package");
        self.add(bytes).await;
        self.enable(plugin, settings).await;
    }

    /// Uploads a component.
    pub async fn add(&self, bytes: Vec<u8>) {
        self.engine.add_component(SHOP, bytes, "test").await.expect("it is taken");
    }

    /// Enables a plugin under its own name.
    pub async fn enable(&self, plugin: &str, settings: Value) {
        self.engine.install(SHOP, install(plugin, settings)).await.expect("it is installed");
    }

    /// Adds a guardrail.
    pub async fn rule(&self, rule: Value) {
        self.engine.put_rule(SHOP, Rule::parse(&rule).expect("a rule")).await.expect("it is kept");
    }

    /// Accepts an event.
    pub async fn accept(&self, kind: &str, id: &str, data: Value) -> Result<Intake, EngineError> {
        Ok(self.engine.ingest(SHOP, vec![event(self.clock.now(), kind, id, data)]).await?.remove(0))
    }

    /// Accepts an event and does what follows from it now.
    pub async fn event(&self, kind: &str, id: &str, data: Value) -> Intake {
        let intake = self.accept(kind, id, data).await.expect("it is accepted");
        self.idle().await;
        intake
    }

    /// Has the probe follow a script, as far as it goes now.
    pub async fn go(&self, id: &str, steps: Value) -> RunId {
        let intake = self.event("probe.go", id, json!({ "steps": steps })).await;
        intake.runs[0].run.expect("it is started")
    }

    /// As [`World::go`], by hand: no event stands before the run.
    pub async fn go_by_hand(&self, steps: Value) -> RunId {
        let run = self
            .engine
            .start_run(SHOP, "probe", "script", &json!({ "steps": steps }), None)
            .await
            .expect("it is started");
        self.idle().await;
        run
    }

    pub async fn idle(&self) {
        self.engine.idle().await.expect("idle");
    }

    /// Lets time pass, stopping wherever something is due.
    pub async fn pass(&self, time: Millis) {
        self.pass_until(self.clock.now() + time).await.expect("time passes");
    }

    pub async fn pass_until(&self, until: Millis) -> Result<(), EngineError> {
        loop {
            self.engine.idle().await?;
            match self.engine.next_wake().await? {
                Some(at) if at <= until => self.clock.set(at),
                _ => break,
            }
        }
        self.clock.set(until);
        self.engine.idle().await
    }

    pub async fn row(&self, run: RunId) -> RunRow {
        self.store().run(SHOP, run).await.expect("a store").expect("a run")
    }

    pub async fn state(&self, run: RunId) -> RunState {
        self.row(run).await.state
    }

    /// What the steps of a run that is done gave.
    pub async fn said(&self, run: RunId) -> Value {
        let row = self.row(run).await;
        assert_eq!(row.state, RunState::Done, "{:?} {:?} {:?}", row.error_code, row.error, row.wait);
        serde_json::from_str(&row.outcome.expect("an outcome")).expect("JSON")
    }

    /// Code and message of a run that failed.
    pub async fn failure(&self, run: RunId) -> (String, String) {
        let row = self.row(run).await;
        assert_eq!(row.state, RunState::Failed, "{row:?}");
        (row.error_code.unwrap_or_default(), row.error.unwrap_or_default())
    }

    /// All runs, the oldest first.
    pub async fn runs(&self) -> Vec<RunRow> {
        let filter = RunFilter { limit: 250, ..RunFilter::default() };
        let mut runs = self.store().runs_list(SHOP, &filter).await.expect("runs");
        runs.reverse();
        runs
    }

    pub async fn effects(&self, run: RunId) -> Vec<EffectRow> {
        self.store().effects_of(run).await.expect("a ledger")
    }

    /// The mailbox, the oldest first.
    pub async fn mail(&self) -> Vec<MessageRow> {
        let mut mail = self.store().messages_list(SHOP, None, 250, &MessageFilter::default()).await.expect("a mailbox");
        mail.reverse();
        mail
    }

    pub async fn memory(&self, key: &str) -> Option<String> {
        self.store().memory_get(SHOP, "probe", key).await.expect("a memory")
    }
}

/// What enables a plugin with all that it asks for.
pub fn install(plugin: &str, settings: Value) -> Install {
    Install { id: None, plugin: plugin.into(), version: None, settings, grants: None, mode: None, beside: None }
}

/// An event of the tests' own source.
pub fn event(now: Millis, kind: &str, id: &str, data: Value) -> IncomingEvent {
    IncomingEvent {
        source: "/test".into(),
        id: id.into(),
        kind: kind.into(),
        at: Some(now),
        data: data.to_string(),
        ..IncomingEvent::default()
    }
}

/// A customer who takes marketing e-mail.
pub fn customer(id: &str) -> Value {
    json!({"id": id, "email": format!("{id}@example.com"), "phone": "+4930123456", "name": "Ann", "locale": "en-GB",
        "time_zone": "Europe/Berlin", "tags": [], "created_at": START - 100 * DAY,
        "consents": [{"channel": "email", "granted": true, "at": START - 100 * DAY}]})
}

/// A cart of one line.
pub fn cart(id: &str, customer: &str, amount: i64) -> Value {
    json!({"id": id, "customer": customer, "email": format!("{customer}@example.com"),
        "lines": [{"variant_id": "v1", "sku": "s", "title": "Shoe", "quantity": 1,
            "price": {"amount": amount, "currency": "EUR"}, "discount": {"amount": 0, "currency": "EUR"}}],
        "total": {"amount": amount, "currency": "EUR"}, "step": "shipping",
        "created_at": START, "updated_at": START, "recovery_url": "https://shop.example/recover/c1"})
}

/// A product of one variant.
pub fn product(id: &str, variant: &str, price: i64, cost: i64) -> Value {
    let money = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    json!({"id": id, "title": "Shoe", "category": "shoes", "publication": "published",
        "variants": [{"id": variant, "product": id, "title": "Shoe", "price": money(price), "cost": money(cost)}]})
}

/// An order of the customer.
pub fn order(id: &str, customer: &str, at: Millis) -> Value {
    json!({"id": id, "number": format!("#{id}"), "customer": customer, "lines": [],
        "total": {"amount": 1000, "currency": "EUR"}, "payment": "paid", "fulfilment": "unfulfilled", "placed_at": at})
}
