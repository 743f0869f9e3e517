//! What happened: actions, waits and runs, and what differs from what was expected.

use std::collections::HashSet;

use serde_json::{Value, json};
use shopwright_engine::{Engine, EngineError, Timeline, WaitFor};
use shopwright_model::Millis;
use shopwright_store::{
    MessageFilter, RunFilter,
    ops::{EffectState, RunRow, RunState},
};

use crate::{
    error::Source,
    file::Scenario,
    fill::json_of,
    matching::{Aligned, align, clip, difference, short},
    play::{Rendered, SHOP},
    report::Failure,
    time::relative,
};

/// More runs or messages than these are no scenario.
const MANY: u32 = 10_000;

/// The effects that were compared before.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashSet<(String, &'static str)>);

/// All runs, in the order they began.
pub(crate) async fn runs(engine: &Engine) -> Result<Vec<RunRow>, EngineError> {
    let mut runs = engine.store().runs_list(SHOP, &RunFilter { limit: MANY, ..RunFilter::default() }).await?;
    runs.reverse();
    Ok(runs)
}

/// The actions since the last look, in order.
pub(crate) async fn actions(engine: &Engine, seen: &mut Seen) -> Result<Vec<Value>, EngineError> {
    let messages = engine.store().messages_list(SHOP, None, MANY, &MessageFilter::default()).await?;
    let rendered: Rendered =
        messages.into_iter().map(|message| (message.id, (message.recipient, message.subject, message.text))).collect();
    let mut found = Vec::new();
    for run in runs(engine).await? {
        for effect in engine.store().effects_of(run.id).await? {
            let state = state(effect.state);
            if seen.0.insert((effect.id.clone(), state)) {
                let at = if state == "denied" { effect.updated_at } else { effect.created_at };
                found.push((at, run.id, effect.position, effect, state));
            }
        }
    }
    found.sort_by_key(|(at, run, position, ..)| (*at, *run, *position));
    Ok(found
        .into_iter()
        .map(|(at, run, _, effect, state)| {
            let request: Value = serde_json::from_str(&effect.request).unwrap_or_default();
            let mut shown = json!({ "action": effect.action, "state": state, "at": at, "run": run });
            if let Value::Object(shown) = &mut shown {
                if let Some(error) = effect.error {
                    shown.insert("error".into(), error.into());
                }
                if let Some((to, subject, text)) = rendered.get(&effect.id) {
                    shown.insert("to".into(), to.as_str().into());
                    shown.insert("subject".into(), subject.as_str().into());
                    shown.insert("text".into(), text.as_str().into());
                }
                // `{"send_email": {…}}`: the arguments alone.
                if let Some((_, Value::Object(arguments))) =
                    request.as_object().and_then(|request| request.iter().next())
                {
                    shown.extend(arguments.clone());
                }
            }
            shown
        })
        .collect())
}

fn state(state: EffectState) -> &'static str {
    match state {
        // Whether a platform has heard of it already is not the plugin's matter.
        EffectState::Intended | EffectState::Sent | EffectState::Done => "done",
        EffectState::Failed => "failed",
        EffectState::Unknown => "unknown",
        EffectState::Denied => "denied",
        EffectState::Recorded => "recorded",
    }
}

/// What an action differs in from what is expected; an action that says nothing of its state is expected
/// to be carried out.
fn action_difference(expected: &Value, got: &Value) -> Option<String> {
    let mut expected = expected.clone();
    if let Value::Object(wanted) = &mut expected {
        wanted.entry("state").or_insert_with(|| "done".into());
        // `send-email` is as good as `messaging.send-email`.
        if let (Some(Value::String(name)), Some(full)) = (wanted.get("action"), got["action"].as_str())
            && full.rsplit('.').next() == Some(name)
        {
            wanted.insert("action".into(), full.into());
        }
    }
    difference(&expected, got)
}

/// What differs between the actions expected and got.
pub(crate) fn compare_actions(expected: &[(usize, Value)], got: &[Value], begin: Millis) -> Option<String> {
    let same = |e: usize, g: usize| action_difference(&expected[e].1, &got[g]).is_none();
    let aligned = align(expected.len(), got.len(), same);
    if aligned.iter().all(|one| matches!(one, Aligned::Both(..))) {
        return None;
    }
    let mut text = String::from("the actions differ (- expected, + happened)");
    for (index, one) in aligned.iter().enumerate() {
        match one {
            Aligned::Both(_, g) => text.push_str(&format!("\n      {}", action_line(&got[*g], begin))),
            Aligned::Missing(e) => {
                let (line, wanted) = &expected[*e];
                text.push_str(&format!("\n    - {} (line {line})", short(wanted)));
                // Where one of the same name happened instead, say what is wrong with it.
                if let Some(Aligned::Surplus(g)) = aligned.get(index + 1)
                    && let Some(difference) = action_difference(wanted, &got[*g])
                {
                    text.push_str(&format!("\n        {difference}"));
                }
            }
            Aligned::Surplus(g) => text.push_str(&format!("\n    + {}", action_line(&got[*g], begin))),
        }
    }
    Some(text)
}

/// An action in one line.
fn action_line(action: &Value, begin: Millis) -> String {
    let mut rest = action.clone();
    let mut line = format!(
        "{} {}",
        relative(action["at"].as_i64().unwrap_or(begin), begin),
        action["action"].as_str().unwrap_or("?")
    );
    if let Some(fields) = rest.as_object_mut() {
        for known in ["action", "at", "run"] {
            fields.shift_remove(known);
        }
        if fields.get("state").and_then(Value::as_str) == Some("done") {
            fields.shift_remove("state");
        }
    }
    line.push(' ');
    line.push_str(&clip(&rest.to_string(), 400));
    line
}

/// What waits now.
pub(crate) async fn waits(engine: &Engine, installation: &str) -> Result<Vec<Value>, EngineError> {
    let waiting = runs(engine)
        .await?
        .into_iter()
        .filter(|run| run.state == RunState::Waiting && run.installation == installation);
    Ok(waiting
        .map(|run| {
            let mut shown = json!({ "workflow": run.workflow, "until": run.due_at });
            let (what, more) = match run.wait.as_deref().and_then(WaitFor::parse).unwrap_or_default() {
                WaitFor::Time => (json!("time"), json!({})),
                WaitFor::Event { filter, deadline, .. } => {
                    let kinds = if let [kind] = &filter.kinds[..] { json!(kind) } else { json!(filter.kinds) };
                    (kinds, json!({ "entity": filter.entity, "condition": filter.condition, "until": deadline }))
                }
                WaitFor::Approval { title, .. } => (json!("approval"), json!({ "title": title })),
                WaitFor::Effect { reason, .. } => (json!("effect"), json!({ "reason": reason })),
                WaitFor::Guardrail { words } => (json!("guardrail"), json!({ "words": words })),
                WaitFor::Retry { reason } => (json!("retry"), json!({ "reason": reason })),
            };
            if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
                shown.insert("for".into(), what);
                shown.extend(more);
            }
            shown
        })
        .collect())
}

/// What differs between the waits expected and got.
pub(crate) fn compare_waits(expected: &[(usize, Value)], got: &[Value], begin: Millis) -> Option<String> {
    let same = |e: usize, g: usize| difference(&expected[e].1, &got[g]).is_none();
    let aligned = align(expected.len(), got.len(), same);
    if aligned.iter().all(|one| matches!(one, Aligned::Both(..))) {
        return None;
    }
    let line = |wait: &Value| {
        let mut wait = wait.clone();
        if let Some(until) = wait.get_mut("until")
            && let Some(at) = until.as_i64()
        {
            *until = relative(at, begin).into();
        }
        short(&wait)
    };
    let mut text = String::from("what waits differs (- expected, + waits)");
    for one in aligned {
        text.push_str(&match one {
            Aligned::Both(_, g) => format!("\n      {}", line(&got[g])),
            Aligned::Missing(e) => format!("\n    - {} (line {})", line(&expected[e].1), expected[e].0),
            Aligned::Surplus(g) => format!("\n    + {}", line(&got[g])),
        });
    }
    Some(text)
}

fn run_state(state: RunState) -> &'static str {
    match state {
        RunState::Active => "active",
        RunState::Blocked => "blocked",
        RunState::Waiting => "waiting",
        RunState::Done => "done",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}

fn run_value(run: &RunRow) -> Value {
    let outcome: Value = run.outcome.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    json!({
        "workflow": run.workflow, "state": run_state(run.state), "outcome": outcome,
        "error": run.error.as_deref().unwrap_or_default(),
    })
}

/// What differs between the runs expected and those there are. A run that failed unexpectedly is always a
/// difference.
pub(crate) fn compare_runs(source: &Source, scenario: &Scenario, runs: &[RunRow]) -> Vec<Failure> {
    let Some(expected) = &scenario.run else {
        let failed = runs.iter().filter(|run| run.state == RunState::Failed);
        return failed
            .map(|run| Failure {
                line: 1,
                text: format!(
                    "a run of {} failed: {}",
                    run.workflow,
                    run.error.as_deref().unwrap_or("no reason is known")
                ),
            })
            .collect();
    };
    let mut failures = Vec::new();
    if expected.len() != runs.len() {
        let line = expected.first().map_or(1, |run| source.place(run.span().start).0);
        let all: Vec<String> = runs.iter().map(|run| short(&run_value(run))).collect();
        let text = format!("expected {} runs, there are {}:\n    {}", expected.len(), runs.len(), all.join("\n    "));
        failures.push(Failure { line, text });
    }
    for (number, (expected, run)) in expected.iter().zip(runs).enumerate() {
        let wanted = expected.get_ref();
        let mut value = json!({ "state": wanted.state.as_deref().unwrap_or("done") });
        if let Value::Object(value) = &mut value {
            if let Some(workflow) = &wanted.workflow {
                value.insert("workflow".into(), workflow.as_str().into());
            }
            if let Some(outcome) = &wanted.outcome {
                value.insert("outcome".into(), json_of(outcome));
            }
            if let Some(error) = &wanted.error {
                value.insert("error".into(), format!("~{error}").into());
            }
        }
        let got = run_value(run);
        if let Some(difference) = difference(&value, &got) {
            let text = format!("run {}: {difference}\n    it is {}", number + 1, short(&got));
            failures.push(Failure { line: source.place(expected.span().start).0, text });
        }
    }
    failures
}

/// A run, call by call.
pub(crate) fn timeline(timeline: &Timeline, begin: Millis) -> String {
    let run = &timeline.run;
    let end = run.ended_at.map_or_else(String::new, |at| format!(" .. {}", relative(at, begin)));
    let mut text = format!(
        "run of {} ({}) {}{end}: {}",
        run.workflow,
        run.id,
        relative(run.created_at, begin),
        run_state(run.state),
    );
    if let Some(error) = &run.error {
        text.push_str(&format!(": {error}"));
    }
    for entry in &timeline.entries {
        text.push_str(&format!(
            "\n  {:>12} {} {} -> {}",
            relative(entry.at, begin),
            entry.call,
            clip(&entry.args.to_string(), 160),
            clip(&entry.answer.to_string(), 160)
        ));
    }
    for line in &timeline.log {
        text.push_str(&format!(
            "\n  {:>12} [{}] {} {}",
            relative(line.at, begin),
            line.level,
            line.message,
            line.fields
        ));
    }
    if let Some(outcome) = &run.outcome {
        text.push_str(&format!("\n  ended with {}", clip(outcome, 400)));
    }
    text
}
