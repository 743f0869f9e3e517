//! A run of a bundle, run again: every call is answered from its journal, nothing is done.
//!
//! It agrees when it asks for the same calls with the same arguments, byte for byte, for the same actions
//! as the ledger has, writes the same log, and ends (or waits) the same.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shopwright_engine::{EngineLimits, Entry, Journal, LogEntry, Shop, Trial, TrialOptions, World};
use shopwright_model::{EntityKind, Millis, RunId, VirtualClock};
use shopwright_policy::ActionKind;
use shopwright_sandbox::{GuestLimits, Sandbox};
use shopwright_store::{
    Doc, Stored,
    ops::{EventRow, Flush, Flushed, Next, PriceChangeRow, RunRow, Started},
};

use crate::{
    TrialError,
    bundle::{Bundle, EventPart},
};

/// Failures that a host decides on by what is not in the bundle.
const BY_THE_HOST: [&str; 7] =
    ["too-slow", "not-installed", "shop-gone", "host-fault", "loop", "journal-unreadable", "trigger-gone"];

/// One call of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the journal, from 0.
    pub position: u32,
    /// `customers.get`.
    pub call: String,
    /// Arguments.
    pub args: Value,
    /// What the host answered.
    pub answer: Value,
    /// The run's logical clock after it, in milliseconds since 1970.
    pub at: Millis,
}

/// Where a replay differs first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Differing {
    /// `call`, `outcome`, `effect`, `log`.
    pub what: String,
    /// Place in the journal, for calls and effects; line of the log.
    pub position: Option<u32>,
    /// What the bundle says.
    pub recorded: Value,
    /// What the replay gave.
    pub replayed: Value,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// It is the same to the last byte.
    pub agrees: bool,
    /// The calls that were asked for again and found the same.
    pub steps: Vec<Step>,
    /// How many calls the journal has.
    pub recorded_steps: u32,
    /// Where it differs first; none: it agrees.
    pub difference: Option<Differing>,
    /// How it ended: `done`, `failed`, `continued`, `waiting`, or `stopped` at the end of the journal.
    pub state: String,
    /// Its outcome, its failure, what it waits for, or the call at which it was stopped.
    pub outcome: Value,
    /// Its log.
    pub log: Vec<LogEntry>,
    /// What is to be known when reading this.
    pub notes: Vec<String>,
}

#[derive(Default)]
struct Seen {
    answered: u32,
    asked: Vec<(u32, Value)>,
    diverged: Option<(u32, Value)>,
    end: Option<(u32, Value)>,
    next: Option<Next>,
    log: Vec<LogEntry>,
}

/// The world of a replay: the journal, and nothing else.
struct Recording {
    row: RunRow,
    event: Option<EventPart>,
    chunk: Vec<u8>,
    seed: u64,
    failure: Option<String>,
    seen: Mutex<Seen>,
}

fn value(bytes: &[u8]) -> Value {
    rmp_serde::from_slice(bytes).unwrap_or(Value::Null)
}

fn call(call: &str, args: &[u8]) -> Value {
    json!({"call": call, "args": value(args)})
}

impl World for Recording {
    fn entity(&self, _: EntityKind, _: &str) -> Option<Stored> {
        None
    }
    fn owned(&self, _: EntityKind, _: &str, _: Option<(i64, &str)>, _: u32) -> Vec<Doc> {
        Vec::new()
    }
    fn by_alt(&self, _: EntityKind, _: &str) -> Option<Doc> {
        None
    }
    fn scan(&self, _: EntityKind, _: Option<&str>, _: u32) -> Vec<Doc> {
        Vec::new()
    }
    fn product_of_variant(&self, _: &str) -> Option<Stored> {
        None
    }
    fn units_sold(&self, _: &str, _: Millis, _: Millis) -> i64 {
        0
    }
    fn price_changes(&self, _: &str, _: Option<(Millis, i64)>, _: u32) -> Vec<PriceChangeRow> {
        Vec::new()
    }
    fn effects_counted(&self, _: &str, _: Option<&str>, _: Option<&str>, _: Millis) -> u64 {
        0
    }
    fn effects_since(&self, _: Option<&str>, _: &str, _: Millis) -> u64 {
        0
    }
    fn memory(&self, _: &str, _: &str) -> Option<String> {
        None
    }
    fn once(&self, _: &str) -> Option<RunId> {
        None
    }
    fn run(&self, run: RunId) -> Option<RunRow> {
        (run == self.row.id).then(|| self.row.clone())
    }
    fn journal(&self, _: RunId) -> Vec<Vec<u8>> {
        vec![self.chunk.clone()]
    }
    fn event(&self, seq: i64) -> Option<EventRow> {
        let event = self.event.as_ref().filter(|event| event.seq == seq)?.clone();
        let EventPart { seq, source, id, kind, at, received_at, concerns, data } = event;
        let shop = self.row.shop.clone();
        Some(EventRow {
            seq,
            shop,
            source,
            id,
            kind,
            at,
            received_at,
            concerns,
            data,
            run: None,
            root: self.row.root,
            depth: self.row.depth,
        })
    }
    fn events_matching(&self, _: Option<&str>, _: &[String], _: i64, _: u32) -> Vec<EventRow> {
        Vec::new()
    }
    fn latest_seq(&self) -> i64 {
        0
    }
    fn flush(&self, flush: Flush) -> Flushed {
        let mut seen = self.seen.lock();
        if seen.next.is_some() {
            // What it continued into is a run of its own.
            return Flushed::Fenced;
        }
        if !flush.log.is_empty() {
            let lines: Vec<LogEntry> = rmp_serde::from_slice(&flush.log).unwrap_or_default();
            seen.log.extend(lines);
        }
        if !matches!(flush.next, Next::Stay) {
            seen.next = Some(flush.next);
        }
        let starts = flush.starts.iter().map(|new| Started::Before(new.id)).collect();
        Flushed::Done { events: Vec::new(), starts, unblocked: Vec::new(), already: false }
    }
    fn seed(&self, _: RunId) -> Option<u64> {
        Some(self.seed)
    }
    fn answered(&self, _: RunId, position: u32) {
        let mut seen = self.seen.lock();
        if seen.next.is_none() {
            seen.answered = position + 1;
        }
    }
    fn diverged(&self, _: RunId, position: u32, name: &str, args: &[u8]) {
        self.seen.lock().diverged = Some((position, call(name, args)));
    }
    fn asked(&self, _: RunId, position: u32, action: &ActionKind) {
        self.seen.lock().asked.push((position, serde_json::to_value(action).unwrap_or_default()));
    }
    fn may_call(&self, _: RunId, position: u32, name: &str, args: &[u8]) -> bool {
        if self.seen.lock().next.is_some() {
            return false;
        }
        // Waits come out as waits, and a call that ends the run by itself ends it again. All else would need the shop.
        let ends_it = matches!(self.failure.as_deref(), Some("bad-call" | "too-many-effects"));
        if ends_it || matches!(name, "workflow.sleep" | "workflow.sleep-until" | "workflow.wait-for" | "workflow.ask") {
            return true;
        }
        self.seen.lock().end = Some((position, call(name, args)));
        false
    }
}

/// The journal of a bundle.
pub(crate) fn journal(bundle: &Bundle) -> Result<Journal, TrialError> {
    let chunks: Vec<Vec<u8>> = bundle.journal.iter().map(|chunk| chunk.0.clone()).collect();
    Journal::read(&chunks).map_err(|error| TrialError::Bundle(error.to_string()))
}

/// A journal of one chunk, with so many lines of log before its end.
pub(crate) fn chunk(started: Millis, entries: impl IntoIterator<Item = Entry>, logged: u32) -> Vec<u8> {
    let mut journal = Journal::default();
    journal.start(started);
    for entry in entries {
        journal.push(entry);
    }
    journal.chunk(logged, true)
}

/// Runs a bundle's run again, with its own component or another one.
///
/// # Errors
/// A bundle that is damaged, or a component that is refused.
pub async fn replay(sandbox: &Sandbox, bundle: &Bundle, component: Option<&[u8]>) -> Result<Replay, TrialError> {
    let journal = journal(bundle)?;
    let entries = journal.entries();
    let started = journal.started().unwrap_or(bundle.run.created_at);
    // No log line is in the store: the replay writes all of them.
    let chunk = chunk(started, entries.iter().cloned(), 0);
    let row = bundle.run.row(&bundle.shop.id, 1);
    let clock = VirtualClock::new(entries.last().map_or(started, |entry| entry.at));
    let limits = EngineLimits {
        guest: GuestLimits {
            fuel: bundle.limits.fuel,
            memory_bytes: usize::try_from(bundle.limits.memory_bytes).unwrap_or(usize::MAX),
            log_bytes: usize::try_from(bundle.limits.log_bytes).unwrap_or(usize::MAX),
            output_bytes: usize::try_from(bundle.limits.output_bytes).unwrap_or(usize::MAX),
            ..GuestLimits::default()
        },
        journal_entries: bundle.limits.journal_entries,
        effects: bundle.limits.effects,
        ..EngineLimits::default()
    };
    let world = Arc::new(Recording {
        row: RunRow { cursor: since(bundle).unwrap_or(bundle.run.cursor), ..row },
        event: bundle.event.clone(),
        chunk,
        seed: bundle.seed,
        failure: bundle.run.error_code.clone(),
        seen: Mutex::default(),
    });
    let shop = Shop {
        id: bundle.shop.id.clone(),
        name: bundle.shop.name.clone(),
        currency: bundle.shop.currency.clone(),
        time_zone: bundle.shop.time_zone.clone(),
        created_at: 0,
    };
    let trial = Trial::open(TrialOptions {
        sandbox: sandbox.clone(),
        component: component.unwrap_or(&bundle.component.0).to_vec(),
        shop,
        rules: Vec::new(),
        installation: bundle.run.installation.clone(),
        settings: serde_json::from_str(&bundle.run.settings).unwrap_or_default(),
        grants: None,
        unchecked: true,
        seed: 0,
        limits,
        world: world.clone(),
        clock,
    })
    .await?;
    let mut row = world.row.clone();
    row.digest.clone_from(&trial.installation().digest);
    row.node = Some(trial.node());
    trial.resume(row, None);
    trial.drain().await;
    trial.close().await;
    let seen = std::mem::take(&mut *world.seen.lock());
    Ok(judge(bundle, entries, seen))
}

/// Where the recorded run's last wait began to look for events.
fn since(bundle: &Bundle) -> Option<i64> {
    let wait: Value = serde_json::from_str(bundle.run.wait.as_deref()?).ok()?;
    wait.get("since")?.as_i64()
}

/// What a run waits for, but for where it looks from.
fn wait(text: Option<&str>) -> Value {
    let mut value: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("since");
    }
    value
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn judge(bundle: &Bundle, entries: &[Entry], seen: Seen) -> Replay {
    let run = &bundle.run;
    let recorded_steps = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let steps: Vec<Step> = entries
        .iter()
        .zip(0..seen.answered)
        .map(|(entry, position)| Step {
            position,
            call: entry.call.to_string(),
            args: value(&entry.args),
            answer: value(&entry.answer),
            at: entry.at,
        })
        .collect();
    let mut notes = Vec::new();
    let (state, outcome, text) = match (&seen.end, &seen.next) {
        (Some((_, call)), _) => ("stopped", call.clone(), String::new()),
        (None, Some(Next::Done(text))) => ("done", parsed(text), text.clone()),
        (None, Some(Next::Continue { handed_on, .. })) => ("continued", parsed(handed_on), handed_on.clone()),
        (None, Some(Next::Failed { code, message })) => {
            ("failed", json!({"code": code, "message": message}), format!("{code}: {message}"))
        }
        (None, Some(Next::Wait { due_at, wait: text, .. })) => {
            ("waiting", json!({"until": due_at, "for": wait(Some(text))}), String::new())
        }
        (None, Some(Next::Retry { wait: text, .. })) => ("waiting", json!({"for": wait(Some(text))}), String::new()),
        (None, Some(Next::Stay) | None) => ("stopped", Value::Null, String::new()),
    };
    let recorded = match run.state.as_str() {
        "failed" => {
            json!({"code": run.error_code.clone().unwrap_or_default(), "message": run.error.clone().unwrap_or_default()})
        }
        "waiting" => json!({"until": run.due_at, "for": wait(run.wait.as_deref())}),
        "cancelled" => json!(run.error.clone().unwrap_or_default()),
        _ => run.outcome.as_deref().map_or(Value::Null, parsed),
    };
    let differs = |what: &str, position: Option<u32>, recorded: Value, replayed: Value| Differing {
        what: what.into(),
        position,
        recorded,
        replayed,
    };
    let ended = |state: &str, value: &Value| json!({"state": state, "outcome": value});
    let mut difference = None;
    if let Some((position, asked)) = &seen.diverged {
        let entry = entries.get(*position as usize);
        let recorded = entry.map_or(Value::Null, |entry| call(&entry.call, &entry.args));
        difference = Some(differs("call", Some(*position), recorded, asked.clone()));
    } else if seen.answered < recorded_steps {
        let entry = &entries[seen.answered as usize];
        let (recorded, replayed) = (call(&entry.call, &entry.args), ended(state, &outcome));
        difference = Some(differs("call", Some(seen.answered), recorded, replayed));
    } else {
        let failure = run.error_code.as_deref().unwrap_or_default();
        let same = match run.state.as_str() {
            "done" => matches!(state, "done" | "continued") && run.outcome.as_deref() == Some(text.as_str()),
            "failed" if BY_THE_HOST.contains(&failure) => {
                notes.push(format!(
                    "the host ended the run ({failure}) by what is not in the bundle: that is not compared"
                ));
                true
            }
            "failed" => state == "failed" && outcome == recorded,
            "waiting" => {
                let for_what = wait(run.wait.as_deref());
                let outside = matches!(for_what["for"].as_str(), Some("guardrail" | "effect" | "retry"));
                if outside {
                    notes.push("the run waits for something outside: the call that waits is not made again".into());
                }
                outside || (state == "waiting" && outcome == recorded)
            }
            // Cut off from outside: all that it did was found again.
            "cancelled" | "active" | "blocked" => matches!(state, "waiting" | "stopped"),
            _ => false,
        };
        if !same {
            difference = Some(differs("outcome", None, ended(&run.state, &recorded), ended(state, &outcome)));
        }
    }
    let difference = difference.or_else(|| effects(bundle, entries, &seen).or_else(|| log(bundle, &seen)));
    if bundle.masked {
        notes.push("personal data in the bundle was replaced".into());
    }
    Replay {
        agrees: difference.is_none(),
        steps,
        recorded_steps,
        difference,
        state: state.into(),
        outcome,
        log: seen.log,
        notes,
    }
}

/// The first action that differs from the ledger.
fn effects(bundle: &Bundle, entries: &[Entry], seen: &Seen) -> Option<Differing> {
    bundle.effects.iter().filter(|row| row.position < seen.answered).find_map(|row| {
        let asked = seen.asked.iter().find(|(position, _)| *position == row.position).map(|(_, action)| action);
        // A call that names no action of its own is compared by its arguments, which were the same.
        let same_call = entries.get(row.position as usize).is_some_and(|entry| entry.call == row.action.as_str());
        let recorded = parsed(&row.request);
        let same = asked.map_or(same_call, |asked| *asked == recorded);
        (!same).then(|| Differing {
            what: "effect".into(),
            position: Some(row.position),
            recorded,
            replayed: asked.cloned().unwrap_or_default(),
        })
    })
}

/// The first line of the log that differs.
fn log(bundle: &Bundle, seen: &Seen) -> Option<Differing> {
    // What earlier tries wrote stands before it.
    let earlier = if bundle.run.attempt > 1 { bundle.log.len().saturating_sub(seen.log.len()) } else { 0 };
    let recorded = bundle.log.get(earlier..).unwrap_or_default();
    let line = |entry: Option<&LogEntry>| entry.map_or(Value::Null, |entry| json!(entry));
    let most = recorded.len().max(seen.log.len());
    (0..most).find(|n| line(recorded.get(*n)) != line(seen.log.get(*n))).map(|n| Differing {
        what: "log".into(),
        position: u32::try_from(n).ok(),
        recorded: line(recorded.get(n)),
        replayed: line(seen.log.get(n)),
    })
}
