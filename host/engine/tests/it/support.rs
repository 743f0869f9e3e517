//! What every test of the engine starts from.

use std::sync::Arc;

use serde_json::{Value, json};
use shopwright_engine::{Engine, EngineLimits, EngineOptions, IncomingEvent, Install, NewShop, Retention, Senders};
use shopwright_model::{Clock as _, Millis, VirtualClock};
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_store::{Store, StoreOptions};

/// 2026-03-02, a Monday, 10:00 in Berlin.
pub const START: Millis = 1_772_442_000_000;
pub const MINUTE: Millis = 60_000;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;
pub const SHOP: &str = "main";

/// An engine over a store, in virtual time.
pub struct World {
    pub engine: Engine,
    pub clock: VirtualClock,
}

/// One sandbox serves all tests of the process: its pool reserves a lot of address space.
pub fn sandbox() -> Sandbox {
    static SANDBOX: std::sync::OnceLock<Sandbox> = std::sync::OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(SandboxOptions::default()).expect("a sandbox")).clone()
}

impl World {
    /// Over an empty store in memory.
    pub async fn new() -> Self {
        let clock = VirtualClock::new(START);
        let store = Store::open("sqlite::memory:", StoreOptions { clock: Arc::new(clock.clone()), ..StoreOptions::default() })
            .await
            .expect("a store");
        Self::over(store, clock).await
    }

    /// Over a store; creates the shop if it is not there.
    pub async fn over(store: Store, clock: VirtualClock) -> Self {
        let engine = Engine::open(EngineOptions {
            store,
            sandbox: sandbox(),
            clock: Arc::new(clock.clone()),
            seed: 1,
            senders: Senders::default(),
            limits: EngineLimits::default(),
            retention: Retention::default(),
        })
        .await
        .expect("an engine");
        if engine.shops().is_empty() {
            let shop = NewShop { id: SHOP.into(), name: "Test".into(), currency: "EUR".into(), time_zone: "Europe/Berlin".into() };
            engine.create_shop(shop).await.expect("a shop");
        }
        engine.start_in_virtual_time();
        Self { engine, clock }
    }

    /// Uploads and enables a plugin of the bundle.
    pub async fn install(&self, plugin: &str, settings: Value) {
        let bytes = shopwright_bundle::package(self.engine.sandbox(), plugin).await.expect("a package");
        self.engine.add_component(SHOP, bytes, "test").await.expect("it is taken");
        let request = Install {
            id: None,
            plugin: plugin.into(),
            version: None,
            settings,
            grants: None,
            mode: None,
        };
        self.engine.install(SHOP, request).await.expect("it is installed");
    }

    /// Accepts an event and does what follows from it now.
    pub async fn event(&self, kind: &str, id: &str, data: Value) {
        let event = IncomingEvent {
            source: "/test".into(),
            id: id.into(),
            kind: kind.into(),
            at: Some(self.clock.now()),
            data: data.to_string(),
            ..IncomingEvent::default()
        };
        self.engine.ingest(SHOP, vec![event]).await.expect("it is accepted");
        self.engine.idle().await.expect("idle");
    }

    /// Lets time pass, stopping wherever something is due.
    pub async fn pass(&self, time: Millis) {
        let until = self.clock.now() + time;
        loop {
            self.engine.idle().await.expect("idle");
            match self.engine.next_wake().await.expect("a time") {
                Some(at) if at <= until => self.clock.set(at),
                _ => break,
            }
        }
        self.clock.set(until);
        self.engine.idle().await.expect("idle");
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

/// An order of the customer.
pub fn order(id: &str, customer: &str, at: Millis) -> Value {
    json!({"id": id, "number": format!("#{id}"), "customer": customer, "lines": [],
        "total": {"amount": 1000, "currency": "EUR"}, "payment": "paid", "fulfilment": "unfulfilled", "placed_at": at})
}
