//! A backtest: one installation over the recorded events of a span, in virtual time.
//!
//! It runs in an engine of its own ([`shopwright_engine::Trial`]) over a [`Replica`]: reads are answered
//! from the shop's history as of the virtual moment, what runs ask for is judged by the guardrails and
//! recorded, and nothing is sent or written. Events, timers and schedules happen one after another in the
//! order of their times (an event before a timer of the same moment), each with all that follows from it
//! at once; so nothing sees the future, and the same backtest gives the same report, byte for byte.
//!
//! What is counted: guardrails that count messages and actions count the recorded effects of others,
//! those of the compared installation from before the span, and the backtest's own instead of what the
//! compared installation did in the span; price changes likewise. Rules and grants are those of today.
//! The plugin's memory begins empty. Documents are as they really were, what the live installation
//! changed included, with each run's own changes over them. Events that a tested run would emit are not
//! carried out; those that were recorded happen.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shopwright_engine::{Engine, Trial, TrialOptions};
use shopwright_model::{Clock as _, Millis, VirtualClock};
use shopwright_policy::Rule;
use shopwright_store::ops::{Started, TriggerKind};
use utoipa::ToSchema;

use crate::{
    TrialError,
    compare::{Pair, PairKey, Side},
    history::{History, LeftOut},
    record,
    report::{Report, Subject, compare},
    world::Replica,
};

/// The longest span, in milliseconds: a year.
const LONGEST: Millis = 366 * 86_400_000;
/// The randomness of runs that stand for no recorded one: the same in every backtest.
const SEED: u64 = 0x6261_636b_7465_7374;

/// What is to be tried.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The installation it is compared with and takes settings and grants from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// The plugin; that of the installation where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The version; that of the installation, else the highest, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The settings; those of the installation, else the defaults, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Value>,
    /// What it may do; what the installation may (and the version asks for), else all that it asks for, where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<Value>,
    /// Judge by the shop's guardrails as they are now; true where absent.
    #[serde(default = "yes")]
    pub guardrails: bool,
    /// The first moment of the span, in milliseconds since 1970.
    pub from: Millis,
    /// The end of the span, exclusive, in milliseconds since 1970; now where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Millis>,
}

fn yes() -> bool {
    true
}

/// How far a backtest is. Shared with whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Recorded events of the span, once they are loaded.
    pub events: AtomicU64,
    /// Events that have happened.
    pub done: AtomicU64,
    /// Segments of runs that were executed.
    pub segments: AtomicU64,
    /// Set it to have the backtest stop.
    pub cancelled: AtomicBool,
}

impl Progress {
    fn check(&self) -> Result<(), TrialError> {
        if self.cancelled.load(Relaxed) { Err(TrialError::Cancelled) } else { Ok(()) }
    }
}

/// What came of a backtest.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// The pairs that are not the same, in the order of events.
    pub differing: Vec<Pair>,
}

/// All that is to be known before it begins.
pub struct Plan {
    shop: shopwright_engine::Shop,
    rules: Vec<Rule>,
    component: Vec<u8>,
    tested: Subject,
    live: Option<Subject>,
    settings: Value,
    grants: Option<Value>,
    from: Millis,
    to: Millis,
    notes: Vec<String>,
}

/// Checks what is asked for, against the shop as it is now.
///
/// # Errors
/// What is not there or makes no sense.
pub async fn plan(engine: &Engine, shop: &str, request: &Request) -> Result<Plan, TrialError> {
    let now = engine.clock().now();
    let (from, to) = (request.from, request.to.unwrap_or(now));
    if from >= to || to - from > LONGEST {
        return Err(TrialError::invalid("bad-span", "/from", "the span must be more than nothing and at most a year"));
    }
    if to > now {
        return Err(TrialError::invalid(
            "bad-span",
            "/to",
            "it lies in the future: only what happened can be replayed",
        ));
    }
    let known = engine.installations(shop)?;
    let base = match &request.installation {
        None => None,
        Some(id) => {
            let found = known.iter().find(|one| one.id == *id);
            Some(found.ok_or_else(|| TrialError::NotFound(format!("installation `{id}`")))?)
        }
    };
    let plugin = match (&request.plugin, base) {
        (Some(plugin), _) => plugin.clone(),
        (None, Some(base)) => base.plugin.clone(),
        (None, None) => {
            return Err(TrialError::invalid("bad-backtest", "/plugin", "say which plugin, or which installation"));
        }
    };
    // Another plugin is tried in the installation's place, with nothing of its own.
    let same = base.filter(|base| base.plugin == plugin);
    let version = request.version.clone().or_else(|| same.map(|base| base.version.clone()));
    let (version, component) = engine.version_component(shop, &plugin, version.as_deref()).await?;
    let settings = request.settings.clone().or_else(|| same.map(|base| base.settings.clone())).unwrap_or_default();
    let grants = match (&request.grants, same) {
        (Some(grants), _) => Some(grants.clone()),
        // An upgrade that imports more is tried with all of it.
        (None, Some(base)) if base.digest == version.digest => {
            Some(serde_json::to_value(&base.grants).map_err(TrialError::internal)?)
        }
        (None, _) => None,
    };
    let rules = if request.guardrails { engine.rules(shop)? } else { Vec::new() };
    let found = engine.shops().into_iter().find(|known| known.id == shop);
    let shop_row = found.ok_or_else(|| TrialError::NotFound(format!("shop `{shop}`")))?;
    let subject = |installation: Option<String>, plugin: &str, version: &str, digest: &str| Subject {
        installation,
        plugin: plugin.into(),
        version: version.into(),
        digest: digest.into(),
    };
    let tested = subject(None, &plugin, &version.version, &version.digest);
    let live = base.map(|base| subject(Some(base.id.clone()), &base.plugin, &base.version, &base.digest));
    let notes = missing(engine, shop, from, now).await?;
    Ok(Plan { shop: shop_row, rules, component, tested, live, settings, grants, from, to, notes })
}

/// What retention has removed of the span.
async fn missing(engine: &Engine, shop: &str, from: Millis, now: Millis) -> Result<Vec<String>, TrialError> {
    const DAY: Millis = 86_400_000;
    let kept = engine.retention();
    let mut notes = Vec::new();
    let oldest = engine.store().oldest_event(shop).await?;
    if from < now - Millis::from(kept.events) * DAY {
        let since = oldest.map_or_else(|| "there are none".to_owned(), |at| format!("the oldest is of {at}"));
        notes
            .push(format!("events are kept for {} days: those before are missing in this span ({since})", kept.events));
    }
    if from < now - Millis::from(kept.history) * DAY {
        notes.push(format!(
            "what documents were is kept for {} days: before that, reads see a document as it was first known later, or none",
            kept.history
        ));
    }
    Ok(notes)
}

/// Runs a backtest.
///
/// # Errors
/// As an install of the version would fail; the store's; [`TrialError::Cancelled`].
pub async fn run(engine: &Engine, plan: Plan, progress: &Progress) -> Result<Outcome, TrialError> {
    let Plan { shop, rules, component, tested, live, settings, grants, from, to, notes } = plan;
    let shop_id = shop.id.clone();
    let store = engine.store();
    let recorded = match live.as_ref().and_then(|live| live.installation.as_deref()) {
        Some(installation) => Some(record::read(store, &shop_id, installation, "live", (from, to)).await?),
        None => None,
    };
    progress.check()?;
    let left_out = LeftOut {
        installation: live.as_ref().and_then(|live| live.installation.clone()),
        runs: recorded.iter().flat_map(|recorded| recorded.runs.keys().copied()).collect(),
        counted_before: longest_window(&rules),
    };
    let history = Arc::new(History::load(store, &shop_id, (from, to), &left_out).await?);
    progress.events.store(history.events.len() as u64, Relaxed);
    progress.check()?;

    let clock = VirtualClock::new(from);
    let world = Arc::new(Replica::new(history.clone(), clock.clone()));
    let installation = left_out.installation.clone().unwrap_or_else(|| tested.plugin.clone());
    let trial = Trial::open(TrialOptions {
        sandbox: engine.sandbox().clone(),
        component,
        shop,
        rules,
        installation,
        settings,
        grants,
        unchecked: false,
        seed: SEED,
        limits: engine.limits().clone(),
        world: world.clone(),
        clock,
    })
    .await?;
    let live_side = recorded.map(|recorded| recorded.side).unwrap_or_default();
    // A run that stands for a recorded one draws the same randomness.
    let seeds: HashMap<&PairKey, u64> =
        live_side.pairs.iter().filter_map(|(key, done)| Some((key, engine.run_seed(done.runs.first()?.0)))).collect();
    let played = play(&trial, &world, &history, &seeds, progress).await;
    trial.close().await;
    let tested_side = played?;
    let mut head = Report::head("backtest", tested, live, from, to);
    head.events = Some(history.events.len() as u64);
    head.notes = notes;
    if tested_side.skipped > 0 {
        head.notes.push(format!(
            "{} triggers started no run, since one of the same key was there (rule skip)",
            tested_side.skipped
        ));
    }
    let (report, differing) = compare(head, &tested_side, &live_side, false);
    Ok(Outcome { report, differing })
}

/// How far back the shop's rules look, in milliseconds; two days at least, since days begin in time zones.
fn longest_window(rules: &[Rule]) -> Millis {
    const HOUR: Millis = 3_600_000;
    let hours = rules.iter().filter_map(|rule| serde_json::to_value(rule).ok()?.get("window_hours")?.as_i64());
    hours.max().unwrap_or(0).max(48).saturating_mul(HOUR)
}

/// A schedule with its next time.
struct Due {
    workflow: String,
    n: usize,
    at: Millis,
}

/// Lets the span happen.
async fn play(
    trial: &Trial,
    world: &Replica,
    history: &History,
    seeds: &HashMap<&PairKey, u64>,
    progress: &Progress,
) -> Result<Side, TrialError> {
    let schedules = trial.schedules();
    let mut dues: Vec<Due> = schedules
        .iter()
        .filter_map(|(workflow, n, schedule)| {
            let at = trial.next_fire(schedule, history.from - 1)?;
            Some(Due { workflow: (*workflow).to_owned(), n: *n, at })
        })
        .collect();
    let mut events = history.events.iter();
    let mut next_event = events.next();
    let mut steps = 0_u32;
    loop {
        let at_event = next_event.map(|event| event.received_at.max(trial.clock().now()));
        let at_timer = world.next_due();
        let at_schedule = dues.iter().map(|due| due.at).min();
        let Some(at) = [at_event, at_timer, at_schedule].into_iter().flatten().min().filter(|at| *at < history.to)
        else {
            break;
        };
        trial.clock().set(at);
        if let Some(event) = next_event.filter(|_| at_event == Some(at)) {
            next_event = events.next();
            let woken = world.happen(event);
            if trial.triggers_on(&event.kind) {
                for planned in trial.plan(event) {
                    let pair = PairKey::Event { seq: event.seq, workflow: planned.workflow.clone() };
                    let new = trial.new_run(planned, TriggerKind::Event, None);
                    let seed = seeds.get(&pair).copied();
                    let started = world.start(&new, Some(event), pair, seed);
                    trial.started(&new, &started, Some(event));
                }
            }
            for run in woken {
                trial.resume(run, None);
            }
            progress.done.fetch_add(1, Relaxed);
        } else if at_timer == Some(at) {
            for run in world.due() {
                trial.resume(run, None);
            }
        } else {
            for due in dues.iter_mut().filter(|due| due.at == at) {
                let planned = trial.plan_fire(&due.workflow, at);
                let pair = PairKey::Schedule { at, workflow: due.workflow.clone() };
                let new = trial.new_run(planned, TriggerKind::Schedule, Some(at.to_string()));
                let seed = seeds.get(&pair).copied();
                let started: Started = world.start(&new, None, pair, seed);
                trial.started(&new, &started, None);
                let schedule = schedules.iter().find(|(workflow, n, _)| *workflow == due.workflow && *n == due.n);
                due.at = schedule.and_then(|(_, _, schedule)| trial.next_fire(schedule, at)).unwrap_or(Millis::MAX);
            }
        }
        let segments = trial.drain().await;
        progress.segments.fetch_add(segments, Relaxed);
        steps += 1;
        if steps.is_multiple_of(64) {
            progress.check()?;
            // A host that does other work beside it gets its turn.
            tokio::task::yield_now().await;
        }
    }
    Ok(world.finish())
}
