//! `workflow`: durable execution.

use shopwright_model::{
    Millis,
    events::{Event, EventFilter},
    kinds,
    workflow::{Approval, Decision, Level, Mode, RunInfo},
};
use shopwright_sandbox::HostFunctions;
use shopwright_store::{
    StoreError,
    ops::{ApprovalRow, EventRow, NewRun, Own, Rule, TriggerKind},
};
use shopwright_triggers::{Condition, Root};

use super::{Live, journaled, journaled_silent};
use crate::{
    core::Core,
    cx::{RunCx, Stop, Wait},
    execute::Beginning as _,
    intake::{self, IncomingEvent, Origin},
    notice::Notice,
    waits::WaitFor,
};

/// Ten years: nobody means more, and sums stay far from overflow.
const LONGEST: u64 = 10 * 366 * 86_400_000;

pub(super) fn register(functions: &mut HostFunctions<RunCx>) {
    // The same at every replay by themselves: no journal entry.
    functions.add("workflow", "info", |mut store, (): ()| {
        let cx: &mut RunCx = store.data_mut();
        Ok((RunInfo {
            run: cx.run.id.to_string(),
            shop: cx.run.shop.clone(),
            installation: cx.run.installation.clone(),
            attempt: cx.run.attempt,
            mode: match cx.run.mode.as_str() {
                "shadow" => Mode::Shadow,
                "backtest" => Mode::Backtest,
                _ => Mode::Live,
            },
            currency: cx.shop.facts.currency.clone(),
            time_zone: cx.shop.facts.time_zone.clone(),
        },))
    });
    functions.add("workflow", "now", |mut store, (): ()| {
        let cx: &mut RunCx = store.data_mut();
        Ok((cx.now.unsigned_abs(),))
    });
    functions.add("workflow", "random", |mut store, (): ()| {
        let cx: &mut RunCx = store.data_mut();
        Ok((cx.guest.random_u64(),))
    });
    functions.add("workflow", "log", |mut store, (level, message, fields): (Level, String, String)| {
        let cx: &mut RunCx = store.data_mut();
        cx.guest.charge_log(message.len() + fields.len())?;
        cx.drain_guest_log();
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        if !cx.rehearsal && cx.core.is_heard() && cx.log_lines >= cx.journal.logged() {
            cx.core.tell([Notice::Log {
                shop: cx.run.shop.clone(),
                run: cx.run.id,
                installation: cx.run.installation.clone(),
                workflow: cx.run.workflow.clone(),
                level: level.into(),
                message: message.clone(),
                at: cx.now,
            }]);
        }
        cx.write_log(level, message, fields);
        Ok(())
    });
    journaled_silent(functions, "workflow", "sleep", "workflow.sleep", |cx, (time,): (u64,)| {
        Box::pin(async move {
            if time > LONGEST {
                let message = format!("sleep of {time} ms: at most {LONGEST} ms (ten years) are allowed");
                return Err(cx.stop(Stop::Fail { code: "bad-call", message }));
            }
            let due = cx.now + time.cast_signed();
            sleep_until(cx, due)
        })
    });
    journaled_silent(functions, "workflow", "sleep-until", "workflow.sleep-until", |cx, (at,): (u64,)| {
        Box::pin(async move {
            let due = Millis::try_from(at).unwrap_or(Millis::MAX);
            if due > cx.now.saturating_add(LONGEST.cast_signed()) {
                let message = format!("sleep until {at}: at most ten years ahead are allowed");
                return Err(cx.stop(Stop::Fail { code: "bad-call", message }));
            }
            sleep_until(cx, due)
        })
    });
    journaled(functions, "workflow", "wait-for", "workflow.wait-for", wait_for);
    journaled_silent(functions, "workflow", "emit", "workflow.emit", emit);
    journaled(functions, "workflow", "start", "workflow.start", start);
    journaled(functions, "workflow", "ask", "workflow.ask", ask);
}

fn sleep_until(cx: &mut RunCx, due: Millis) -> wasmtime::Result<()> {
    if due <= cx.now || due <= cx.core.clock.now() {
        cx.set_now(due);
        return Ok(());
    }
    Err(cx.stop(Stop::Wait(Wait { due_at: Some(due), description: WaitFor::Time, ..Wait::default() })))
}

/// The first event after `since` that a filter selects, and up to which number was looked.
pub(crate) async fn first_match(
    core: &Core,
    shop: &str,
    filter: &EventFilter,
    since: i64,
) -> Result<(Option<EventRow>, i64), StoreError> {
    // What a condition that does not compile selects was decided when the wait began.
    let condition = filter.condition.as_deref().map(|text| Condition::compile(text, Root::Event)).transpose();
    let Ok(condition) = condition else { return Ok((None, since)) };
    // Before looking: what is accepted while we look is found by the store when the wait is written.
    let latest = core.store.latest_seq().await?;
    let mut after = since;
    loop {
        let rows = core.store.events_matching(shop, filter.entity.as_deref(), &filter.kinds, after, 100).await?;
        let more = rows.len() == 100;
        for row in rows {
            after = row.seq;
            let Some(condition) = &condition else { return Ok((Some(row), after)) };
            let data: serde_json::Value = serde_json::from_str(&row.data).unwrap_or_default();
            let value = serde_json::json!({
                "id": row.id, "kind": row.kind, "at": row.at, "concerns": row.concerns, "data": data
            });
            match condition.check(&value) {
                Ok(true) => return Ok((Some(row), after)),
                Ok(false) => {}
                Err(error) => tracing::warn!(shop, event = row.seq, %error, "a wait's condition failed on an event"),
            }
        }
        if !more {
            return Ok((None, latest.max(after)));
        }
    }
}

fn wait_for(cx: &mut RunCx, (filter, timeout): (EventFilter, u64)) -> Live<'_, Option<Event>> {
    Box::pin(async move {
        let problem = if timeout > LONGEST {
            Some(format!("timeout of {timeout} ms: at most {LONGEST} ms (ten years) are allowed"))
        } else if filter.kinds.is_empty() || filter.kinds.len() > 32 {
            Some("an event filter needs 1 to 32 kinds".to_owned())
        } else if let Some(kind) = filter.kinds.iter().find(|kind| kinds::problem(kind).is_some()) {
            Some(format!("`{kind}` is no event kind: {}", kinds::problem(kind).unwrap_or_default()))
        } else {
            let condition = filter.condition.as_deref().map(|text| Condition::compile(text, Root::Event)).transpose();
            condition.err().map(|error| format!("the filter's condition does not compile: {error}"))
        };
        if let Some(message) = problem {
            return Err(cx.stop(Stop::Fail { code: "bad-call", message: format!("workflow.wait-for: {message}") }));
        }
        if cx.cursor == 0 {
            // A run that no event started: the store has noted which events came before it.
            match cx.core.store.run(&cx.run.shop, cx.run.id).await {
                Ok(row) => cx.cursor = row.map_or(0, |row| row.cursor),
                Err(error) => return Err(cx.stop(Stop::Store(error))),
            }
        }
        let deadline = cx.now + timeout.cast_signed();
        let (found, seen) = match first_match(&cx.core, &cx.run.shop, &filter, cx.cursor).await {
            Ok(found) => found,
            Err(error) => return Err(cx.stop(Stop::Store(error))),
        };
        let now = cx.core.clock.now();
        if let Some(row) = found {
            // An event received after the deadline is not one that came in time.
            if row.received_at <= deadline {
                cx.cursor = row.seq;
                cx.mark = row.seq;
                cx.set_now(row.received_at.min(now));
                return Ok(Some(crate::execute::event_for_guest(&row)));
            }
        }
        if now >= deadline {
            cx.mark = cx.cursor;
            cx.set_now(deadline);
            return Ok(None);
        }
        let entity = filter.entity.clone().unwrap_or_else(|| "*".into());
        let events = filter.kinds.iter().map(|kind| (entity.clone(), kind.clone())).collect();
        let description = WaitFor::Event { filter, deadline, since: cx.cursor };
        Err(cx.stop(Stop::Wait(Wait { due_at: Some(deadline), description, events, seen })))
    })
}

fn emit(cx: &mut RunCx, (kind, concerns, data): (String, Vec<String>, String)) -> Live<'_, ()> {
    Box::pin(async move {
        let reserved = ["shopify.", "woocommerce.", "bigcommerce.", "privacy."];
        let message = if reserved.iter().any(|prefix| kind.starts_with(prefix)) {
            Some(format!("`{kind}` begins with a platform's prefix: {}", reserved.join(", ")))
        } else {
            None
        };
        if let Some(message) = message {
            return Err(cx.stop(Stop::Fail { code: "bad-call", message: format!("workflow.emit: {message}") }));
        }
        if !cx.is_live() {
            return Ok(()); // A trial's events trigger nothing.
        }
        let event = IncomingEvent {
            source: format!("/installations/{}", cx.run.installation),
            id: cx.effect_id(),
            kind,
            at: Some(cx.core.clock.now()),
            concerns,
            data: if data.is_empty() { "null".into() } else { data },
            ..IncomingEvent::default()
        };
        match plan_own(cx, event) {
            Ok(event) => {
                cx.pending.events.push(event);
                Ok(())
            }
            Err(error) => {
                let message = format!("workflow.emit: {error}");
                Err(cx.stop(Stop::Fail { code: "bad-call", message }))
            }
        }
    })
}

/// An event that this run causes, with its ancestry.
pub(crate) fn plan_own(
    cx: &RunCx,
    event: IncomingEvent,
) -> Result<shopwright_store::ops::NewEvent, crate::EngineError> {
    let origin = Origin { run: Some(cx.run.id), root: cx.run.origin(), depth: cx.run.depth + 1 };
    if serde_json::from_str::<serde::de::IgnoredAny>(&event.data).is_err() {
        return Err(crate::EngineError::invalid("bad-data", "data", "it is no JSON document"));
    }
    intake::plan(&cx.core, &cx.shop, event, origin, cx.core.clock.now())
}

fn start(cx: &mut RunCx, (workflow, key, input): (String, String, String)) -> Live<'_, String> {
    Box::pin(async move {
        let problem = if cx.program.workflow(&workflow).is_none() {
            Some(format!("the plugin has no workflow `{workflow}`"))
        } else if key.is_empty() || key.len() > 256 {
            Some("the key must have 1 to 256 characters".into())
        } else if cx.run.depth + 1 >= cx.core.limits.depth {
            Some(format!("more than {} runs descend from one another", cx.core.limits.depth))
        } else {
            None
        };
        if let Some(message) = problem {
            return Err(cx.stop(Stop::Fail { code: "bad-call", message: format!("workflow.start: {message}") }));
        }
        // The id must be known now and be the same if this segment is made again: whether the key was
        // taken is asked first, and the flush conflicts if that changes.
        let name = format!("start:{}:{}:{workflow}:{key}", cx.memory_space(), cx.run.mode);
        cx.depend_on(&name).await?;
        match cx.core.store.once(&cx.run.shop, &name).await {
            Ok(Some(run)) => return Ok(run.to_string()),
            Ok(None) => {}
            Err(error) => return Err(cx.stop(Stop::Store(error))),
        }
        let known = cx.pending.starts.iter().find(|s| s.once.as_deref() == Some(name.as_str())).map(|s| s.id);
        if let Some(run) = known {
            return Ok(run.to_string());
        }
        if !cx.core.count_root(cx.run.origin()) {
            let message = format!("more than {} runs in a minute descend from one event", cx.core.limits.runs_per_root);
            return Err(cx.stop(Stop::Fail { code: "loop", message }));
        }
        let id = cx.core.ids.run();
        cx.pending.starts.push(NewRun {
            id,
            shop: cx.run.shop.clone(),
            installation: cx.run.installation.clone(),
            workflow,
            digest: cx.run.digest.clone(),
            settings: cx.run.settings.clone(),
            mode: cx.run.mode.clone(),
            key: None,
            rule: Rule::Allow,
            once: Some(name),
            trigger: TriggerKind::Manual,
            event_seq: 0,
            input: Some(if input.is_empty() { "null".into() } else { input }),
            cursor: 0,
            root: cx.run.origin(),
            depth: cx.run.depth + 1,
            parent: Some(cx.run.id),
            created_at: cx.core.clock.now(),
            node: cx.core.place(&cx.shop, &cx.installed),
        });
        Ok(id.to_string())
    })
}

fn ask(cx: &mut RunCx, (approval,): (Approval,)) -> Live<'_, Decision> {
    Box::pin(async move {
        let Approval { title, details, choices, deadline, escalate_to } = approval;
        let mut sorted = choices.clone();
        sorted.sort();
        sorted.dedup();
        let problem = if !(2..=10).contains(&choices.len()) || sorted.len() != choices.len() {
            Some("there must be two to ten choices, each once".to_owned())
        } else if title.is_empty() || title.len() > 500 {
            Some("the title must have 1 to 500 characters".into())
        } else if deadline == 0 || deadline > LONGEST {
            Some(format!("a deadline of {deadline} ms: it must be 1 ms to ten years"))
        } else if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&details).is_err() {
            Some("the details must be a JSON object".into())
        } else {
            None
        };
        if let Some(message) = problem {
            return Err(cx.stop(Stop::Fail { code: "bad-call", message: format!("workflow.ask: {message}") }));
        }
        if !cx.is_live() {
            return Ok(Decision::Expired); // A trial asks nobody.
        }
        let question = Question { title, details, choices, deadline: deadline.cast_signed(), escalate_to };
        Ok(match decide(cx, question).await? {
            Some(choice) => Decision::Chosen(choice),
            None => Decision::Expired,
        })
    })
}

/// A question to a person, by a workflow or by a guardrail.
pub(crate) struct Question {
    pub title: String,
    pub details: String,
    pub choices: Vec<String>,
    /// Milliseconds for each person.
    pub deadline: Millis,
    pub escalate_to: Option<String>,
}

/// Asks, waits, and gives what was chosen (none: nobody answered in time).
async fn decide(cx: &mut RunCx, question: Question) -> wasmtime::Result<Option<String>> {
    let id = cx.effect_id();
    decide_as(cx, id, question).await
}

/// As [`decide`], under an id of its own: one call can ask several questions, one after another.
pub(crate) async fn decide_as(cx: &mut RunCx, id: String, question: Question) -> wasmtime::Result<Option<String>> {
    let row = match cx.core.store.approval(&cx.run.shop, &id).await {
        Ok(row) => row,
        Err(error) => return Err(cx.stop(Stop::Store(error))),
    };
    let Question { title, details, choices, deadline, escalate_to } = question;
    if let Some(row) = row {
        match row.state.as_str() {
            "answered" => {
                cx.set_now(row.answered_at.unwrap_or_else(|| cx.core.clock.now()));
                return Ok(row.choice);
            }
            "expired" => {
                cx.set_now(row.deadline_at);
                return Ok(None);
            }
            _ => {
                let description = WaitFor::Approval { approval: id, title };
                // The deadline is kept by the approvals' own timer, which wakes the run.
                return Err(cx.stop(Stop::Wait(Wait { description, ..Wait::default() })));
            }
        }
    }
    let now = cx.core.clock.now();
    cx.pending.own.push(Own::Approval(ApprovalRow {
        id: id.clone(),
        shop: cx.run.shop.clone(),
        run: cx.run.id,
        position: cx.journal.position(),
        title: title.clone(),
        details,
        choices: serde_json::to_string(&choices).unwrap_or_default(),
        state: "open".into(),
        asked: None,
        escalate_to,
        deadline_at: now + deadline,
        created_at: now,
        choice: None,
        answered_by: None,
        answered_at: None,
    }));
    cx.core.due_by(now + deadline);
    let description = WaitFor::Approval { approval: id, title };
    Err(cx.stop(Stop::Wait(Wait { description, ..Wait::default() })))
}
