//! Events on their way in: checked, turned into model changes and runs, accepted in one transaction.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use shopwright_model::{
    Entity, EntityKind, Millis, RunId,
    kinds::{self, Change},
};
use shopwright_store::ops::{Accepted, EventRow, NewEvent, NewRun, Put, RunRow, RunState, Started, TriggerKind};

use crate::{EngineError, core::Core, notice::Notice, queue::Task, shop::ShopState};

/// An event from outside.
#[derive(Debug, Clone, Default)]
pub struct IncomingEvent {
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`; (source, id) is accepted once.
    pub id: String,
    /// CloudEvents `type`: the kind.
    pub kind: String,
    /// CloudEvents `time`; when it is received where absent.
    pub at: Option<Millis>,
    /// `type:id` of what it concerns. What the data tells is added.
    pub concerns: Vec<String>,
    /// JSON text.
    pub data: String,
    /// Further documents that change with it.
    pub puts: Vec<Entity>,
    /// Further documents that go with it.
    pub removes: Vec<(EntityKind, String)>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Intake {
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`.
    pub id: String,
    /// Its number in the shop's history.
    pub seq: i64,
    /// It had been accepted before; nothing was done now.
    pub duplicate: bool,
    /// What it triggered.
    pub runs: Vec<IntakeRun>,
    /// How many waiting runs it woke.
    pub woken: usize,
}

/// What an event did to one workflow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct IntakeRun {
    /// The run; none where it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Installation.
    pub installation: String,
    /// Workflow.
    pub workflow: String,
    /// `started`, `queued`, `skipped`, `replaced` (it replaced another).
    pub outcome: &'static str,
}

const MAX_DATA: usize = 1 << 20;
const MAX_CONCERNS: usize = 64;

/// Where an event comes from: outside, or a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin {
    pub run: Option<RunId>,
    pub root: i64,
    pub depth: u32,
}

/// Checks an event and says all that it does.
///
/// # Errors
/// [`EngineError::Invalid`] with the field and the reason.
pub(crate) fn plan(
    core: &Core,
    shop: &ShopState,
    incoming: IncomingEvent,
    origin: Origin,
    now: Millis,
) -> Result<NewEvent, EngineError> {
    let IncomingEvent { source, id, kind, at, mut concerns, data, puts, removes } = incoming;
    for (field, value, most) in [("source", &source, 512), ("id", &id, 256)] {
        if value.is_empty() || value.len() > most {
            return Err(EngineError::invalid("bad-event", field, format!("it must have 1 to {most} characters")));
        }
    }
    if let Some(problem) = kinds::problem(&kind) {
        return Err(EngineError::invalid("bad-event", "type", problem));
    }
    if data.len() > MAX_DATA {
        return Err(EngineError::invalid(
            "bad-event",
            "data",
            format!("it has {} bytes; {MAX_DATA} are allowed", data.len()),
        ));
    }
    let at = at.unwrap_or(now);
    let mut puts: Vec<Put> =
        puts.into_iter().map(|entity| Put { entity, expect: None, since: at, newer_only: true }).collect();
    let mut removes = removes;
    match kinds::carries(&kind) {
        Some((entity_kind, Change::Put)) => {
            let entity =
                Entity::parse_text(entity_kind, &data).map_err(|e| EngineError::invalid("bad-data", "data", e))?;
            for concern in entity.concerns() {
                if !concerns.contains(&concern) {
                    concerns.push(concern);
                }
            }
            puts.push(Put { entity, expect: None, since: at, newer_only: true });
        }
        Some((entity_kind, Change::Remove)) => {
            let value: Value = serde_json::from_str(&data).map_err(|e| EngineError::invalid("bad-data", "data", e))?;
            let gone = Entity::id_of(entity_kind, &value).ok_or_else(|| {
                EngineError::invalid("bad-data", "data", format!("the id of the {entity_kind} is missing"))
            })?;
            let concern = format!("{entity_kind}:{gone}");
            if !concerns.contains(&concern) {
                concerns.push(concern);
            }
            removes.push((entity_kind, gone));
        }
        None => {}
    }
    if concerns.len() > MAX_CONCERNS {
        concerns.truncate(MAX_CONCERNS);
    }
    for concern in &concerns {
        if concern.len() > 256 || !concern.split_once(':').is_some_and(|(t, id)| !t.is_empty() && !id.is_empty()) {
            return Err(EngineError::invalid("bad-event", "concerns", format!("`{concern}` is not `type:id`")));
        }
    }
    let mut event = NewEvent {
        shop: shop.shop.id.clone(),
        source,
        id,
        kind,
        at,
        received_at: now,
        concerns,
        data,
        run: origin.run,
        root: origin.root,
        depth: origin.depth,
        puts,
        removes,
        runs: Vec::new(),
    };
    event.runs = runs(core, shop, &event, now)?;
    Ok(event)
}

/// The runs that an event triggers.
pub(crate) fn runs(core: &Core, shop: &ShopState, event: &NewEvent, now: Millis) -> Result<Vec<NewRun>, EngineError> {
    let installations = shop.installations();
    let Some(triggers) = installations.by_kind.get(&event.kind) else {
        return Ok(Vec::new());
    };
    if event.depth >= core.limits.depth || (event.root != 0 && !core.count_root(event.root)) {
        tracing::warn!(
            shop = event.shop,
            kind = event.kind,
            depth = event.depth,
            root = event.root,
            "the event triggers nothing: too many runs descend from one event (a loop?)"
        );
        core.metrics.loops_stopped.inc();
        return Ok(Vec::new());
    }
    // Only conditions and keys need the data as a value.
    let value: OnceLock<Result<Value, serde_json::Error>> = OnceLock::new();
    let value = || {
        value
            .get_or_init(|| {
                let data: Value = serde_json::from_str(&event.data)?;
                Ok(json!({"id": event.id, "kind": event.kind, "at": event.at, "concerns": event.concerns, "data": data}))
            })
            .as_ref()
            .map_err(|e| EngineError::invalid("bad-data", "data", e))
    };
    let mut runs: Vec<NewRun> = Vec::new();
    for triggered in triggers {
        let installed = &triggered.installed;
        let workflow = &triggered.program().workflows[triggered.workflow];
        let taken = |r: &NewRun| r.installation == installed.record.id && r.workflow == workflow.name;
        if runs.iter().any(taken) {
            continue; // Two triggers of one workflow matched: one run.
        }
        if let Some(condition) = &workflow.triggers[triggered.trigger].condition {
            match condition.check(value()?) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(
                        shop = event.shop, installation = installed.record.id, workflow = workflow.name, %error,
                        "a trigger's condition failed; the event does not trigger it"
                    );
                    core.metrics.conditions_failed.inc();
                    continue;
                }
            }
        }
        let key = match &workflow.key {
            None => None,
            Some(key) => match key.eval(value()?) {
                Ok(key) => key,
                Err(error) => {
                    tracing::warn!(
                        shop = event.shop, installation = installed.record.id, workflow = workflow.name, %error,
                        "a concurrency key failed; the run has none"
                    );
                    None
                }
            },
        };
        let mut side = (&installed.record.digest, &installed.settings);
        if installed.candidate.is_some() {
            // Both versions' triggers are looked at; by the installed one's key one of them takes the run.
            let installed_key = match installed.program.workflow(&workflow.name).map(|own| &own.key) {
                Some(Some(expression)) if triggered.candidate => expression.eval(value()?).ok().flatten(),
                Some(None) => None,
                _ => key.clone(),
            };
            let own = installed_key.as_deref().or(event.concerns.first().map(String::as_str)).unwrap_or(&event.id);
            let taken = installed.candidate_for(own, &event.concerns);
            if taken.is_some() != triggered.candidate {
                continue;
            }
            if let Some(candidate) = taken {
                side = (&candidate.digest, &candidate.settings);
            }
        }
        runs.push(NewRun {
            id: core.ids.run(),
            shop: event.shop.clone(),
            installation: installed.record.id.clone(),
            workflow: workflow.name.clone(),
            digest: side.0.clone(),
            settings: side.1.clone(),
            mode: installed.record.mode.as_str().into(),
            key,
            rule: workflow.rule,
            once: None,
            trigger: TriggerKind::Event,
            event_seq: 0,
            input: None,
            cursor: 0,
            root: event.root,
            depth: event.depth,
            parent: event.run,
            created_at: now,
            node: core.place(shop, installed),
        });
    }
    Ok(runs)
}

/// Accepts events: all are durable when this returns.
///
/// # Errors
/// Busy, invalid (with the index of the event in the field), or the store's.
pub(crate) async fn ingest(
    core: &Arc<Core>,
    shop: &Arc<ShopState>,
    incoming: Vec<IncomingEvent>,
) -> Result<Vec<Intake>, EngineError> {
    let queued = core.queue.len();
    if queued + incoming.len() > core.limits.queued {
        core.metrics.refused_busy.inc();
        // A rough guess at how long the surplus takes.
        let retry_after_ms = 1_000 + (queued as u64 / 10);
        return Err(EngineError::Busy { queued, limit: core.limits.queued, retry_after_ms });
    }
    let now = core.clock.now();
    let single = incoming.len() == 1;
    let mut events = Vec::with_capacity(incoming.len());
    for (n, event) in incoming.into_iter().enumerate() {
        events.push(plan(core, shop, event, Origin::default(), now).map_err(|error| match error {
            EngineError::Invalid { code, field, reason } => {
                let field = if single { format!("/{field}") } else { format!("/{n}/{field}") };
                EngineError::Invalid { code, field, reason }
            }
            other => other,
        })?);
    }
    let accepted = core.store.accept(events.clone()).await?;
    let intake = events.iter().zip(&accepted).map(|(event, accepted)| told(event, accepted)).collect();
    enqueue_accepted(core, events, &accepted).await;
    Ok(intake)
}

fn told(event: &NewEvent, accepted: &Accepted) -> Intake {
    let runs = event.runs.iter().zip(&accepted.runs).map(|(new, started)| {
        let (run, outcome) = match started {
            Started::Active { run, replaced } if replaced.is_empty() => (Some(*run), "started"),
            Started::Active { run, .. } => (Some(*run), "replaced"),
            Started::Blocked(run) => (Some(*run), "queued"),
            Started::Before(run) => (Some(*run), "started"),
            Started::Skipped => (None, "skipped"),
        };
        IntakeRun { run, installation: new.installation.clone(), workflow: new.workflow.clone(), outcome }
    });
    Intake {
        source: event.source.clone(),
        id: event.id.clone(),
        seq: accepted.seq,
        duplicate: accepted.duplicate,
        runs: if accepted.duplicate { Vec::new() } else { runs.collect() },
        woken: accepted.woken.len(),
    }
}

/// Puts what accepted events started into the queue.
pub(crate) async fn enqueue_accepted(core: &Arc<Core>, events: Vec<NewEvent>, accepted: &[Accepted]) {
    let heard = core.is_heard();
    let mut woken = Vec::new();
    for (mut event, accepted) in events.into_iter().zip(accepted) {
        if accepted.duplicate {
            core.metrics.duplicates.inc();
            continue;
        }
        core.metrics.events.inc();
        woken.extend_from_slice(&accepted.woken);
        if heard {
            core.tell([Notice::Event {
                shop: event.shop.clone(),
                seq: accepted.seq,
                kind: event.kind.clone(),
                concerns: event.concerns.clone(),
                at: event.at,
            }]);
        }
        let runs = std::mem::take(&mut event.runs);
        if runs.is_empty() {
            continue;
        }
        let event = Arc::new(EventRow {
            seq: accepted.seq,
            shop: event.shop,
            source: event.source,
            id: event.id,
            kind: event.kind,
            at: event.at,
            received_at: event.received_at,
            concerns: event.concerns,
            data: event.data,
            run: event.run,
            root: if event.root == 0 { accepted.seq } else { event.root },
            depth: event.depth,
        });
        for (new, started) in runs.iter().zip(&accepted.runs) {
            enqueue_started(core, new, started, Some(&event));
        }
    }
    enqueue_ids(core, &woken).await;
}

/// Puts one started run into the queue.
pub(crate) fn enqueue_started(core: &Arc<Core>, new: &NewRun, started: &Started, event: Option<&Arc<EventRow>>) {
    let Started::Active { run, replaced } = started else {
        return;
    };
    core.metrics.started(&new.workflow);
    if core.is_heard() {
        let at = new.created_at;
        core.tell(replaced.iter().map(|old| Notice::RunReplaced { shop: new.shop.clone(), run: *old, by: *run, at }));
        core.tell([Notice::RunStarted {
            shop: new.shop.clone(),
            run: *run,
            installation: new.installation.clone(),
            workflow: new.workflow.clone(),
            trigger: match (&new.trigger, event) {
                (TriggerKind::Event, Some(event)) => event.kind.clone(),
                (TriggerKind::Event, None) => "event".into(),
                (TriggerKind::Schedule, _) => "schedule".into(),
                (TriggerKind::Manual, _) => "manual".into(),
                (TriggerKind::Continued, _) => "continued".into(),
            },
            at,
        }]);
    }
    if new.node.is_none() {
        return; // Left for whoever claims it.
    }
    let seq = event.map(|e| e.seq).or((new.event_seq != 0).then_some(new.event_seq));
    let row = RunRow {
        id: *run,
        shop: new.shop.clone(),
        installation: new.installation.clone(),
        workflow: new.workflow.clone(),
        digest: new.digest.clone(),
        settings: new.settings.clone(),
        mode: new.mode.clone(),
        state: RunState::Active,
        key: new.key.clone(),
        trigger: new.trigger,
        event_seq: seq,
        input: new.input.clone(),
        attempt: 1,
        fence: shopwright_store::ops::FIRST_FENCE,
        node: new.node,
        due_at: None,
        wait: None,
        // For runs without an event the writer has set it: loaded with the first wait.
        cursor: if new.cursor != 0 { new.cursor } else { seq.unwrap_or(0) },
        created_at: new.created_at,
        updated_at: new.created_at,
        ended_at: None,
        outcome: None,
        error_code: None,
        error: None,
        chunks: 0,
        entries: 0,
        effects: 0,
        root: event.map_or(new.root, |e| e.root),
        depth: new.depth,
        parent: new.parent,
    };
    core.queue.push(Task { run: row, event: event.cloned() });
}

/// Puts runs that are active and ours into the queue, by their ids.
pub(crate) async fn enqueue_ids(core: &Arc<Core>, ids: &[RunId]) {
    if ids.is_empty() {
        return;
    }
    loop {
        match core.store.runs_by_id(ids).await {
            Ok(rows) => {
                let node = core.store.node();
                for run in rows {
                    if run.state == RunState::Active && run.node == Some(node) {
                        core.queue.push(Task { run, event: None });
                    }
                }
                return;
            }
            Err(error) => {
                // They are ours in the store: whoever restarts finds them, but we are still here.
                tracing::warn!(%error, runs = ids.len(), "woken runs could not be loaded; trying again");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                if core.is_stopping() {
                    return;
                }
            }
        }
    }
}
