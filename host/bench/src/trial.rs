//! Trials: a backtest of a day of 50,000 events, and what a shadow adds to the cost of an event.
//!
//! Both in this process, on a runtime with two threads, with an engine over the measured database: there
//! is no HTTP in either. Every event is a `cart.updated` of about 1 KB to a run with three reads and one
//! action.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shopwright_engine::{
    Engine, EngineLimits, EngineOptions, IncomingEvent, Install, Mode, NewShop, Retention, Senders,
};
use shopwright_model::{Entity, Millis, VirtualClock};
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_store::{Store, StoreOptions};
use shopwright_trial::{
    backtest::{self, Progress, Request},
    bundle::Bundle,
    mask,
};

use crate::{
    Bench,
    database::Place,
    error::BenchError,
    process::Usage,
    report::{Figure, Made, Target, Unit},
    shop::{Template, documents},
};

const SHOP: &str = "bench";
/// 2026-03-02.
const START: Millis = 1_772_409_600_000;
const DAY: Millis = 86_400_000;
/// Events accepted at once while the record is made.
const BATCH: u64 = 50;

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Trial(error.to_string())
}

/// An engine in virtual time with the shop of the benchmark.
struct World {
    engine: Engine,
    clock: VirtualClock,
}

impl World {
    async fn new(url: &str, component: Vec<u8>) -> Result<Self, BenchError> {
        let clock = VirtualClock::new(START);
        let options = StoreOptions { clock: Arc::new(clock.clone()), ..StoreOptions::default() };
        let store = Store::open(url, options).await.map_err(failed)?;
        let engine = Engine::open(EngineOptions {
            store,
            sandbox: Sandbox::new(SandboxOptions::default())?,
            clock: Arc::new(clock.clone()),
            seed: 1,
            senders: Senders::default(),
            limits: EngineLimits::default(),
            retention: Retention::default(),
        })
        .await
        .map_err(failed)?;
        let shop = NewShop {
            id: SHOP.into(),
            name: "Bench".into(),
            currency: "EUR".into(),
            time_zone: "Europe/Berlin".into(),
        };
        engine.create_shop(shop).await.map_err(failed)?;
        engine.start_in_virtual_time();
        engine.add_component(SHOP, component, "bench").await.map_err(failed)?;
        let world = Self { engine, clock };
        world.fill().await?;
        Ok(world)
    }

    async fn fill(&self) -> Result<(), BenchError> {
        let mut entities = Vec::new();
        for line in documents().lines() {
            let line: Value = serde_json::from_str(line).map_err(failed)?;
            let kind = line["kind"].as_str().unwrap_or_default().parse().map_err(failed)?;
            entities.push(Entity::parse(kind, &line["document"]).map_err(failed)?);
        }
        for (n, puts) in entities.chunks(500).enumerate() {
            let event = IncomingEvent {
                source: "/bench".into(),
                id: format!("fill-{n}"),
                kind: "bench.filled".into(),
                data: "null".into(),
                puts: puts.to_vec(),
                ..IncomingEvent::default()
            };
            self.engine.ingest(SHOP, vec![event]).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn enable(&self, id: &str, mode: Mode) -> Result<(), BenchError> {
        let install = Install {
            id: Some(id.into()),
            plugin: shopwright_bundle::BENCH.into(),
            version: None,
            settings: json!({}),
            grants: None,
            mode: Some(mode),
            beside: None,
        };
        self.engine.install(SHOP, install).await.map_err(failed)?;
        Ok(())
    }

    /// Has `count` events happen from number `first` on, the clock moved by `every` milliseconds after each batch.
    async fn happen(&self, template: &Template, first: u64, count: u64, every: Millis) -> Result<(), BenchError> {
        let mut bytes = Vec::new();
        let mut number = first;
        while number < first + count {
            let size = BATCH.min(first + count - number);
            let mut events = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            for n in number..number + size {
                bytes.clear();
                template.write(&mut bytes, n, START.unsigned_abs() + n);
                let mut event: Value = serde_json::from_slice(&bytes).map_err(failed)?;
                events.push(IncomingEvent {
                    source: "/bench".into(),
                    id: format!("e{n}"),
                    kind: "cart.updated".into(),
                    data: event["data"].take().to_string(),
                    ..IncomingEvent::default()
                });
            }
            self.engine.ingest(SHOP, events).await.map_err(failed)?;
            number += size;
            // Never many more than are executed at once.
            while self.engine.active() > 1_000 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if every > 0 {
                self.clock.advance(every);
            }
        }
        self.engine.idle().await.map_err(failed)
    }
}

/// Does it on two threads, as a host with two cores would.
async fn on_two_threads<T: Send + 'static>(
    work: impl Future<Output = Result<T, BenchError>> + Send + 'static,
) -> Result<T, BenchError> {
    tokio::task::spawn_blocking(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
        runtime.block_on(work)
    })
    .await
    .map_err(failed)?
}

/// A host makes its folder itself; the engine in this process has it made here.
fn folder(place: &Place) -> Result<(), BenchError> {
    std::fs::create_dir_all(place.data()).map_err(failed)
}

/// Measures backtests.
pub async fn backtests(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    folder(place)?;
    let (url, component, events) = (place.url(), bench.components.bench.clone(), bench.sizes.backtest);
    on_two_threads(async move {
        let world = World::new(&url, component).await?;
        world.enable("bench-run", Mode::Live).await?;
        #[allow(clippy::cast_possible_wrap)]
        let every = DAY / (events / BATCH).max(1) as Millis;
        world.happen(&Template::cart_updated(), 0, events, every).await?;
        world.clock.set(START + 2 * DAY);

        let mut made = Made::default();
        let request = Request {
            installation: Some("bench-run".into()),
            guardrails: true,
            from: START,
            to: Some(START + DAY + 1),
            ..Request::default()
        };
        let before = Usage::of(std::process::id());
        let began = Instant::now();
        let plan = backtest::plan(&world.engine, SHOP, &request).await.map_err(failed)?;
        let outcome = backtest::run(&world.engine, plan, &Progress::default()).await.map_err(failed)?;
        let took = began.elapsed().as_secs_f64();
        let used = (Usage::of(std::process::id()).processor() - before.processor()).as_secs_f64();
        let totals = outcome.report.totals;
        if totals.same != events {
            made.faults.push(format!("a backtest of the same version differs: {totals:?}"));
        }
        let mut add = |key: &str, what: &str, value, unit, target| {
            made.add(Figure::new("backtest", key, what, value, unit, target));
        };
        #[allow(clippy::cast_precision_loss)]
        let count = events as f64;
        let target = Target::below(15.0 * count / 50_000.0);
        add("time", "a backtest, history loaded, report made", took, Unit::Seconds, Some(target));
        add("events", "events with a run of three reads and one action", count / took, Unit::PerSecond, None);
        add("cpu", "processor time an event", used * 1e6 / count, Unit::Micros, None);

        let filter = shopwright_store::RunFilter { limit: 1, ..shopwright_store::RunFilter::default() };
        let runs = world.engine.store().runs_list(SHOP, &filter).await.map_err(failed)?;
        if let Some(run) = runs.first() {
            let open = Bundle::collect(&world.engine, SHOP, run.id).await.map_err(failed)?;
            let masked = mask::mask(&open).and_then(|bundle| bundle.to_bytes()).map_err(failed)?;
            let bytes = open.to_bytes().map_err(failed)?;
            #[allow(clippy::cast_precision_loss)]
            let size = |bytes: &[u8]| bytes.len() as f64;
            let component = size(&open.component.0);
            add("bundle", "a run exported as a file", size(&bytes), Unit::Bytes, None);
            add("bundle_masked", "  masked", size(&masked), Unit::Bytes, None);
            add("bundle_component", "  the component in it, unpacked", component, Unit::Bytes, None);
        }
        world.engine.stop().await;
        world.engine.store().close().await;
        Ok(made)
    })
    .await
}

/// Measures what a shadow adds.
pub async fn shadows(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    folder(place)?;
    let (url, component, events) = (place.url(), bench.components.bench.clone(), bench.sizes.shadow);
    on_two_threads(async move {
        let world = World::new(&url, component).await?;
        world.enable("bench-run", Mode::Live).await?;
        let template = Template::cart_updated();
        // Warm: pages, caches, compiled statements.
        world.happen(&template, 0, events / 4, 0).await?;
        let mut figures = Vec::new();
        let mut first = events / 4;
        // Alone, with a shadow, and alone again, so that a slow minute of the machine is seen.
        for step in 0..3 {
            if step == 1 {
                world.enable("shadow", Mode::Shadow).await?;
            }
            if step == 2 {
                world.engine.remove(SHOP, "shadow").await.map_err(failed)?;
            }
            let (before, began) = (Usage::of(std::process::id()), Instant::now());
            world.happen(&template, first, events, 0).await?;
            let used = Usage::of(std::process::id()).processor() - before.processor();
            figures.push((began.elapsed().as_secs_f64(), used.as_secs_f64()));
            first += events;
        }
        #[allow(clippy::cast_precision_loss)]
        let count = events as f64;
        let alone = (f64::midpoint(figures[0].0, figures[2].0), f64::midpoint(figures[0].1, figures[2].1));
        let both = figures[1];
        let mut made = Made::default();
        let mut add =
            |key: &str, what: &str, value, unit| made.add(Figure::new("shadow", key, what, value, unit, None));
        add("cpu_live", "processor time an event, live alone", alone.1 * 1e6 / count, Unit::Micros);
        add("cpu_both", "  with a shadow beside it", both.1 * 1e6 / count, Unit::Micros);
        add("cpu_added", "  what the shadow adds", (both.1 - alone.1) * 1e6 / count, Unit::Micros);
        add("rate_live", "events, live alone", count / alone.0, Unit::PerSecond);
        add("rate_both", "  with a shadow beside it", count / both.0, Unit::PerSecond);
        add("rate_left", "  of the rate is left", alone.0 / both.0 * 100.0, Unit::Percent);
        world.engine.stop().await;
        world.engine.store().close().await;
        Ok(made)
    })
    .await
}
