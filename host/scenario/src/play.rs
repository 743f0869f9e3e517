//! Carries a scenario out in the real engine.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value, json};
use shopwright_engine::{
    Engine, EngineError, EngineLimits, EngineOptions, IncomingEvent, Install, NewShop, Retention, Senders,
};
use shopwright_model::{Clock as _, Entity, EntityKind, Millis, VirtualClock, kinds};
use shopwright_policy::Rule;
use shopwright_registry::Manifest;
use shopwright_sandbox::Sandbox;
use shopwright_store::{ApprovalFilter, Store, StoreOptions};
use toml::{Spanned, Table};

use crate::{
    error::{ScenarioError, Source},
    file::{Guardrails, Scenario, Step},
    fill::{Filler, id_of, json_of, json_of_table},
    look::{self, Seen},
    remote::Servers,
    report::Failure,
    time::{point, span},
};

pub(crate) const SHOP: &str = "scenario";

/// 2026-03-02, a Monday, 10:00 in Berlin: no quiet hours, no change of clocks near.
const BEGIN: Millis = 1_772_442_000_000;

/// More wake-ups than these between two steps are a run that goes round in circles.
const MOST_WAKES: usize = 100_000;

/// What came of a scenario.
#[derive(Debug)]
pub(crate) struct Played {
    pub failures: Vec<Failure>,
    pub timelines: Vec<String>,
    /// The host calls made, by workflow.
    pub used: BTreeMap<String, BTreeSet<String>>,
    /// How much time passed in it, in milliseconds.
    pub passed: Millis,
}

/// A scenario with the file that it is based on.
pub(crate) struct Script<'a> {
    pub source: &'a Source,
    pub scenario: &'a Scenario,
    pub base: Option<(&'a Source, &'a Scenario)>,
}

impl Script<'_> {
    /// The base first.
    fn parts(&self) -> impl Iterator<Item = (&Source, &Scenario)> {
        self.base.into_iter().chain([(self.source, self.scenario)])
    }
}

/// Plays it.
pub(crate) async fn play(
    sandbox: &Sandbox,
    component: &[u8],
    manifest: &Manifest,
    script: &Script<'_>,
) -> Result<Played, ScenarioError> {
    let stage = Stage::set(sandbox, component, manifest, script).await?;
    let result = stage.play(script).await;
    result.map_err(|error| *error)
}

/// An engine with a shop, in virtual time.
struct Stage {
    engine: Engine,
    clock: VirtualClock,
    begin: Millis,
    installation: String,
    servers: Arc<Servers>,
    filler: std::sync::Mutex<Filler>,
}

type Stop = Box<ScenarioError>;

impl Stage {
    async fn set(
        sandbox: &Sandbox,
        component: &[u8],
        manifest: &Manifest,
        script: &Script<'_>,
    ) -> Result<Stage, ScenarioError> {
        let broken = |error: &dyn std::fmt::Display, remedy: &str| script.source.error(0, error.to_string(), remedy);
        let mut begin = BEGIN;
        for (source, scenario) in script.parts() {
            if let Some(text) = &scenario.shop.begin {
                begin = point(text.get_ref(), 0).filter(|at| *at > 0).ok_or_else(|| {
                    let message = format!("\"{}\" is not a time", text.get_ref());
                    source.error(text.span().start, message, "write RFC 3339, such as \"2026-03-02T10:00:00+01:00\"")
                })?;
            }
        }
        let of = |get: fn(&Scenario) -> Option<&String>, default: &str| {
            script.parts().filter_map(|(_, scenario)| get(scenario)).last().cloned().unwrap_or_else(|| default.into())
        };
        let currency = of(|scenario| scenario.shop.currency.as_ref(), "EUR");
        let clock = VirtualClock::new(begin);
        let options = StoreOptions { clock: Arc::new(clock.clone()), readers: 1, ..StoreOptions::default() };
        let store = Store::open("sqlite::memory:", options).await;
        let store = store.map_err(|error| broken(&error, "this is a fault of the host, not of the scenario"))?;
        let servers = Servers::new(manifest);
        servers.expect(script.source, &script.scenario.http, true)?;
        if let Some((source, scenario)) = script.base {
            servers.expect(source, &scenario.http, false)?;
        }
        let options = EngineOptions {
            store,
            sandbox: sandbox.clone(),
            clock: Arc::new(clock.clone()),
            seed: 1,
            senders: Senders { http: Some(servers.clone()), ..Senders::default() },
            limits: EngineLimits::default(),
            retention: Retention::default(),
        };
        let engine = Engine::open(options).await;
        let engine = engine.map_err(|error| broken(&error, "this is a fault of the host, not of the scenario"))?;
        let shop = NewShop {
            id: SHOP.into(),
            name: of(|scenario| scenario.shop.name.as_ref(), "Example Shop"),
            currency: currency.clone(),
            time_zone: of(|scenario| scenario.shop.time_zone.as_ref(), "Europe/Berlin"),
        };
        engine.create_shop(shop).await.map_err(|error| broken(&error, "correct the table [shop]"))?;
        engine.start_in_virtual_time();

        let filler = Filler::new(begin, &currency);
        let stage = Stage {
            engine,
            clock,
            begin,
            installation: manifest.name.clone(),
            servers,
            filler: std::sync::Mutex::new(filler),
        };
        stage.furnish(script).await?;
        stage.install(component, manifest, script).await?;
        Ok(stage)
    }

    /// Guardrails and records.
    async fn furnish(&self, script: &Script<'_>) -> Result<(), ScenarioError> {
        let guardrails = script.parts().filter_map(|(_, scenario)| scenario.shop.guardrails).last();
        if guardrails == Some(Guardrails::None) {
            let rules = self.engine.rules(SHOP).map_err(|error| script.source.error(0, error.to_string(), ""))?;
            for rule in rules {
                let removed = self.engine.delete_rule(SHOP, &rule.id).await;
                removed.map_err(|error| script.source.error(0, error.to_string(), "report this"))?;
            }
        }
        for (source, scenario) in script.parts() {
            for table in &scenario.guardrail {
                let mut rule = Value::Object(json_of_table(table.get_ref()));
                let wrong = |error: &dyn std::fmt::Display| {
                    source.error(
                        table.span().start,
                        format!("guardrail: {error}"),
                        "write it as the guardrails of a shop are",
                    )
                };
                self.filler().plain("", &mut rule).map_err(|error| wrong(&error))?;
                let rule = Rule::parse(&rule).map_err(|error| wrong(&error))?;
                self.engine.put_rule(SHOP, rule).await.map_err(|error| wrong(&error))?;
            }
        }
        let mut given: Vec<Entity> = Vec::new();
        for (source, scenario) in script.parts() {
            for (kind, table) in scenario.records() {
                let record = self.record(source, kind, table, self.begin)?;
                let entity = entity(source, kind, &record, table.span().start)?;
                // A scenario may give again what its base gave.
                given.retain(|known| (known.kind, &known.id) != (entity.kind, &entity.id));
                given.push(entity);
            }
        }
        if given.is_empty() {
            return Ok(());
        }
        let event = IncomingEvent {
            source: "/scenario".into(),
            id: "given".into(),
            kind: "scenario.given".into(),
            at: Some(self.begin),
            data: "{}".into(),
            puts: given,
            ..IncomingEvent::default()
        };
        let accepted = self.engine.ingest(SHOP, vec![event]).await;
        accepted.map_err(|error| script.source.error(0, error.to_string(), "correct the records"))?;
        Ok(())
    }

    async fn install(&self, component: &[u8], manifest: &Manifest, script: &Script<'_>) -> Result<(), ScenarioError> {
        let added = self.engine.add_component(SHOP, component.to_vec(), "scenario").await;
        let added = added
            .map_err(|error| script.source.error(0, error.to_string(), "correct the plugin and build it again"))?;
        // A plugin that leaves its hosts to the operator is granted those that the scenario answers for.
        let grants = manifest.http.iter().any(|host| host == "*").then(|| {
            let names = added.permissions.iter().map(shopwright_registry::Permission::name);
            let grants = names.filter(|name| !name.starts_with("workflow.") && !name.starts_with("memory."));
            let of = |name: String| match name.as_str() {
                "http.send" => json!({ "function": name, "hosts": self.servers.hosts() }),
                _ => json!({ "function": name }),
            };
            Value::Array(grants.map(of).collect())
        });
        let mut settings = Map::new();
        let (mut place, mut file) = (0, script.source);
        for (source, scenario) in script.parts() {
            if let Some(table) = &scenario.settings {
                settings.extend(json_of_table(table.get_ref()));
                (place, file) = (table.span().start, source);
            }
        }
        let request = Install {
            id: Some(self.installation.clone()),
            plugin: manifest.name.clone(),
            version: None,
            settings: Value::Object(settings),
            grants,
            mode: None,
            beside: None,
        };
        let installed = self.engine.install(SHOP, request).await;
        installed.map_err(|error| file.error(place, error.to_string(), "correct the table [settings]"))?;
        Ok(())
    }

    async fn play(&self, script: &Script<'_>) -> Result<Played, Stop> {
        let Script { source, scenario, .. } = script;
        let mut failures = Vec::new();
        let mut seen = Seen::default();
        for (number, step) in scenario.step.iter().enumerate() {
            self.happen(source, number, step).await?;
            let name = match step.get_ref().name.as_str() {
                "" => format!("step {}", number + 1),
                name => format!("step {} ({name})", number + 1),
            };
            let line = source.place(step.span().start).0;
            let got = look::actions(&self.engine, &mut seen).await.map_err(|error| self.fault(source, step, &error))?;
            let expected = self.expectations(source, &step.get_ref().expect)?;
            failures.extend(
                look::compare_actions(&expected, &got, self.begin)
                    .map(|text| Failure { line, text: format!("{name}: {text}") }),
            );
            if let Some(waits) = &step.get_ref().waits {
                let got = look::waits(&self.engine, &self.installation).await;
                let got = got.map_err(|error| self.fault(source, step, &error))?;
                let expected = self.expectations(source, waits)?;
                failures.extend(
                    look::compare_waits(&expected, &got, self.begin)
                        .map(|text| Failure { line, text: format!("{name}: {text}") }),
                );
            }
        }
        failures.extend(self.servers.failures());
        let fault = |error: EngineError| Box::new(source.error(0, error.to_string(), "this is a fault of the host"));
        let runs = look::runs(&self.engine).await.map_err(fault)?;
        failures.extend(look::compare_runs(source, scenario, &runs));
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut timelines = Vec::new();
        for run in &runs {
            let Some(timeline) = self.engine.timeline(SHOP, run.id).await.map_err(fault)? else { continue };
            // The journal names a request that only reads by what it does, the import is one.
            let named = |call: &str| if call == "http.get" { "http.send" } else { call }.to_owned();
            let calls = timeline.entries.iter().map(|entry| named(&entry.call));
            used.entry(run.workflow.clone()).or_default().extend(calls);
            if !failures.is_empty() {
                timelines.push(look::timeline(&timeline, self.begin));
            }
        }
        let passed = self.clock.now() - self.begin;
        self.engine.stop().await;
        Ok(Played { failures, timelines, used, passed })
    }

    /// Lets time pass and does what the step says.
    async fn happen(&self, source: &Source, number: usize, step: &Spanned<Step>) -> Result<(), Stop> {
        let body = step.get_ref();
        if let Some(after) = &body.after {
            let time = span(after.get_ref()).ok_or_else(|| {
                let message = format!("\"{}\" is not a time", after.get_ref());
                source.error(
                    after.span().start,
                    message,
                    "write numbers with a unit, such as \"90m\", \"2h\" or \"1d 12h\"",
                )
            })?;
            self.pass(time).await.map_err(|error| self.fault(source, step, &error))?;
        }
        if let Some(kind) = &body.event {
            let at = kind.span().start;
            let event = self.event(source, number, kind.get_ref(), at, body).await?;
            let accepted = self.engine.ingest(SHOP, vec![event]).await;
            accepted.map_err(|error| source.error(at, error.to_string(), "correct the event's kind or data"))?;
        }
        if let Some(workflow) = &body.start {
            let input = body.input.as_ref().map_or_else(|| json!({}), json_of);
            let started = self.engine.start_run(SHOP, &self.installation, workflow.get_ref(), &input, None).await;
            started.map_err(|error| {
                source.error(workflow.span().start, error.to_string(), "name a workflow of plugin.toml")
            })?;
        }
        if let Some(choice) = &body.answer {
            self.answer(source, choice).await?;
        }
        self.settle().await.map_err(|error| self.fault(source, step, &error))
    }

    async fn event(
        &self,
        source: &Source,
        number: usize,
        kind: &str,
        at: usize,
        step: &Step,
    ) -> Result<IncomingEvent, Stop> {
        let now = self.clock.now();
        let data = match (kinds::carries(kind), &step.data) {
            (Some((entity_kind, _)), Some(data)) => {
                let offset = data.span().start;
                let toml::Value::Table(table) = data.get_ref() else {
                    return Err(Box::new(source.error(offset, "the data is no table", "write data = { id = \"…\" }")));
                };
                let written = json_of_table(table);
                let id = id_of(entity_kind, &written);
                let now_there = self.engine.store().entity(SHOP, entity_kind, &id).await;
                let now_there =
                    now_there.map_err(|error| source.error(at, error.to_string(), "this is a fault of the host"))?;
                if let Some(Value::Object(record)) = now_there.and_then(|stored| serde_json::from_str(&stored.doc).ok())
                {
                    self.filler().know(entity_kind, &id, record);
                }
                let record = self.filler().record(entity_kind, written, now);
                let record = record.map_err(|error| source.error(offset, error, "correct it"))?;
                entity(source, entity_kind, &record, offset)?;
                record
            }
            (Some(_), None) => {
                let message = format!("an event of the kind \"{kind}\" carries an entity");
                return Err(Box::new(source.error(at, message, "say which: data = { id = \"…\" }")));
            }
            (None, data) => data.as_ref().map_or_else(|| json!({}), |data| json_of(data.get_ref())),
        };
        Ok(IncomingEvent {
            source: "/scenario".into(),
            id: format!("step-{}", number + 1),
            kind: kind.into(),
            at: Some(now),
            concerns: step.concerns.clone(),
            data: data.to_string(),
            ..IncomingEvent::default()
        })
    }

    async fn answer(&self, source: &Source, choice: &Spanned<String>) -> Result<(), Stop> {
        let offset = choice.span().start;
        let filter = ApprovalFilter { limit: 100, ..ApprovalFilter::default() };
        let all = self.engine.store().approvals_list(SHOP, &filter).await;
        let all = all.map_err(|error| source.error(offset, error.to_string(), "this is a fault of the host"))?;
        let open: Vec<_> = all.into_iter().filter(|one| matches!(one.state.as_str(), "open" | "escalated")).collect();
        let [question] = &open[..] else {
            let titles: Vec<&str> = open.iter().map(|one| one.title.as_str()).collect();
            let message = format!("{} questions are open: {}", open.len(), titles.join("; "));
            return Err(Box::new(source.error(offset, message, "answer when exactly one is open")));
        };
        let answered = self.engine.answer(SHOP, &question.id, choice.get_ref(), "scenario").await;
        answered
            .map_err(|error| source.error(offset, error.to_string(), "answer with one of the question's choices"))?;
        Ok(())
    }

    /// Lets time pass, stopping wherever something is due.
    async fn pass(&self, time: Millis) -> Result<(), EngineError> {
        let until = self.clock.now() + time;
        for _ in 0..MOST_WAKES {
            self.settle().await?;
            match self.engine.next_wake().await? {
                Some(at) if at <= until => self.clock.set(at),
                _ => break,
            }
        }
        self.clock.set(until);
        self.settle().await
    }

    async fn settle(&self) -> Result<(), EngineError> {
        self.engine.idle().await
    }

    fn record(
        &self,
        source: &Source,
        kind: EntityKind,
        table: &Spanned<Table>,
        now: Millis,
    ) -> Result<Value, ScenarioError> {
        let record = self.filler().record(kind, json_of_table(table.get_ref()), now);
        record.map_err(|error| source.error(table.span().start, format!("{kind}: {error}"), "correct it"))
    }

    /// Expectations with times and money as the model has them, and their lines.
    fn expectations(&self, source: &Source, tables: &[Spanned<Table>]) -> Result<Vec<(usize, Value)>, Stop> {
        let one = |table: &Spanned<Table>| {
            let offset = table.span().start;
            let mut value = Value::Object(json_of_table(table.get_ref()));
            if let Some(until) = value.get_mut("until")
                && let Some(at) = until.as_str().and_then(|text| point(text, self.begin))
            {
                *until = at.into();
            }
            self.filler().plain("", &mut value).map_err(|error| source.error(offset, error, "correct it"))?;
            Ok((source.place(offset).0, value))
        };
        tables.iter().map(one).collect()
    }

    fn filler(&self) -> std::sync::MutexGuard<'_, Filler> {
        // A panic while it is held ends the test anyway.
        self.filler.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn fault(&self, source: &Source, step: &Spanned<Step>, error: &EngineError) -> Stop {
        Box::new(source.error(step.span().start, error.to_string(), "this is a fault of the host, not of the scenario"))
    }
}

/// Checks a record against the model.
fn entity(source: &Source, kind: EntityKind, record: &Value, offset: usize) -> Result<Entity, ScenarioError> {
    Entity::parse(kind, record).map_err(|error| {
        source.error(offset, error.to_string(), format!("see the record of a {kind} in the interface (wit/0.1)"))
    })
}

/// The manifests' names of what a component imports, as journals name them: `orders.get`.
pub(crate) fn imported(
    sandbox: &Sandbox,
    component: &[u8],
) -> Result<BTreeSet<String>, shopwright_sandbox::SandboxError> {
    let imports = sandbox.inspect(component)?;
    // Calls whose answers are the same at every replay leave no trace in a journal.
    let traceless = ["workflow.info", "workflow.now", "workflow.random", "workflow.log"];
    let names = imports.functions.into_iter().map(|one| format!("{}.{}", one.interface, one.function));
    Ok(names.filter(|name| !traceless.contains(&name.as_str())).collect())
}

/// What is rendered of each effect that was a message, by effect.
pub(crate) type Rendered = HashMap<String, (String, String, String)>;
