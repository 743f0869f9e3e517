//! Executing a run: one segment after another, from its start or its last wait to its next wait or
//! its end.

use std::{pin::pin, sync::Arc};

use shopwright_model::{
    Millis,
    events::Event,
    handler::{Failure, Outcome, Trigger},
};
use shopwright_policy::{Grant, Grants};
use shopwright_sandbox::{Guest, Trap};
use shopwright_store::{
    StoreError,
    ops::{EventRow, Flushed, NewRun, Next, RunRow, RunState, TriggerKind},
};
use tracing::Instrument;

use crate::{
    core::Core,
    cx::{Overlay, Pending, RunCx, Stop, Wait, commit},
    install::{Installed, Program},
    journal::Journal,
    limits::Reserved,
    notice::Notice,
    queue::Task,
    waits::WaitFor,
};

/// Takes runs from the queue for as long as the engine runs.
pub(crate) async fn run_all(core: Arc<Core>) {
    let slots = Arc::new(tokio::sync::Semaphore::new(core.limits.executing));
    while !core.is_stopping() {
        // Never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let task = tokio::select! {
            task = core.queue.next() => task,
            () = core.stopped.notified() => return,
        };
        let core = core.clone();
        tokio::spawn(async move {
            let (id, shop, installation) = (task.run.id, task.run.shop.clone(), task.run.installation.clone());
            let span = tracing::info_span!(
                "run", run = %task.run.id, shop, installation, workflow = task.run.workflow, attempt = task.run.attempt
            );
            core.metrics.runs_busy.of(pin!(execute(&core, task).instrument(span))).await;
            if core.queue.done(id, &shop, &installation) {
                // There is room for more of it, which the store keeps.
                core.timer.notify_one();
            }
            drop(slot);
        });
    }
}

/// How a segment ended.
enum After {
    /// The run goes on at once, from its journal.
    Again,
    /// The run waits, ended, or is no longer ours.
    Left,
    /// The store does not answer.
    Down(StoreError),
}

/// Executes a run until it waits or ends.
pub(crate) async fn execute(core: &Arc<Core>, task: Task) {
    let Task { mut run, mut event } = task;
    let mut conflicts = 0u32;
    let mut again = false;
    loop {
        let after = segment(core, &mut run, &mut event, again).await;
        again = true;
        match after {
            After::Left => return,
            After::Again => {
                conflicts += 1;
                if conflicts > 3 {
                    // Many runs contend for one fact: let others through first.
                    tokio::task::yield_now().await;
                }
            }
            After::Down(error) => {
                tracing::warn!(%error, "the store does not answer; the run is held until it does");
                if !await_store(core).await {
                    return;
                }
            }
        }
        // What the store says of it now: the flush that failed may yet have been written.
        loop {
            match core.store.runs_by_id(&[run.id]).await {
                Ok(mut rows) => {
                    match rows.pop() {
                        Some(row)
                            if row.state == RunState::Active && row.node == run.node && row.fence == run.fence =>
                        {
                            run = row;
                        }
                        _ => return,
                    }
                    break;
                }
                Err(_) if await_store(core).await => {}
                Err(_) => return,
            }
        }
    }
}

/// Waits until the store answers again; false when the engine stops before.
async fn await_store(core: &Arc<Core>) -> bool {
    let mut pause = std::time::Duration::from_millis(50);
    loop {
        // Real time, also under a virtual clock: it is the machine that has to recover.
        tokio::time::sleep(pause).await;
        if core.is_stopping() {
            return false;
        }
        if core.store.latest_seq().await.is_ok() {
            return true;
        }
        pause = (pause * 2).min(std::time::Duration::from_secs(2));
    }
}

/// Ends a run that cannot even start.
async fn refuse(core: &Arc<Core>, run: &RunRow, code: &str, message: String) -> After {
    let flush = shopwright_store::ops::Flush {
        run: run.id,
        shop: run.shop.clone(),
        installation: run.installation.clone(),
        fence: run.fence,
        node: core.store.node(),
        now: core.clock.now(),
        journal: Vec::new(),
        entries: 0,
        chunk: run.chunks,
        log: Vec::new(),
        effects: Vec::new(),
        own: Vec::new(),
        expects: Vec::new(),
        bumps: Vec::new(),
        events: Vec::new(),
        starts: Vec::new(),
        next: Next::Failed { code: code.into(), message: message.clone() },
    };
    match commit(core, flush).await {
        Ok(flushed) => {
            tell_end(core, run, "failed", &message);
            if matches!(flushed, Flushed::Done { .. }) {
                crate::rollout::ended(core, run, true).await;
            }
            After::Left
        }
        Err(error) => After::Down(error),
    }
}

/// `again`: a segment before this one was dropped, and may have left rows in the ledger.
async fn segment(core: &Arc<Core>, run: &mut RunRow, event: &mut Option<Arc<EventRow>>, again: bool) -> After {
    let Ok(shop) = core.shop(&run.shop) else {
        return refuse(core, run, "shop-gone", format!("there is no shop `{}`", run.shop)).await;
    };
    let Some(installed) = shop.installed(&run.installation) else {
        return refuse(core, run, "not-installed", format!("`{}` was removed", run.installation)).await;
    };
    // A run that waits for an event is woken by any that may concern it: look before replaying.
    match look_before_replay(core, run).await {
        Ok(true) => {}
        Ok(false) => return wait_on(core, run).await,
        Err(error) => return After::Down(error),
    }
    let program = match core.program(&run.digest).await {
        Ok(program) => program,
        Err(crate::EngineError::Store(error)) => return After::Down(error),
        Err(error) => return refuse(core, run, error.code(), error.to_string()).await,
    };
    let Some(workflow) = program.workflow(&run.workflow) else {
        let message = format!("version {} has no workflow `{}`", program.manifest.version, run.workflow);
        return refuse(core, run, "no-workflow", message).await;
    };
    let grants = granted(&installed, &program, &run.digest);
    let prepared = match core.prepared(&run.digest, &grants).await {
        Ok(prepared) => prepared,
        Err(crate::EngineError::Store(error)) => return After::Down(error),
        Err(error) => return refuse(core, run, error.code(), error.to_string()).await,
    };
    let journal = if run.chunks == 0 {
        Journal::default()
    } else {
        match core.store.journal(run.id).await {
            Ok(chunks) => match Journal::read(&chunks) {
                Ok(journal) => journal,
                Err(error) => return refuse(core, run, "journal-unreadable", error.to_string()).await,
            },
            Err(error) => return After::Down(error),
        }
    };
    let trigger = match trigger(core, run, event).await {
        Ok(trigger) => trigger,
        Err(crate::EngineError::Store(error)) => return After::Down(error),
        Err(error) => return refuse(core, run, "trigger-gone", error.to_string()).await,
    };
    let guest = workflow.guest;
    let resumed = again || run.fence != shopwright_store::ops::FIRST_FENCE || !journal.is_empty() || run.chunks > 0;
    let mut cx = RunCx::new(core, shop, installed, program.clone(), grants, run.clone(), journal, guest, resumed);
    let settings = run.settings.to_string();
    cx.guest.keep_log(cx.log_lines >= cx.journal.logged());
    let (mut cx, result) =
        prepared.run::<_, Result<Outcome, Failure>>(cx, (run.workflow.clone(), trigger, settings)).await;
    core.metrics.segment(&cx.guest);
    *run = cx.run.clone();
    let stop = cx.stop.take();
    let most = guest.output_bytes;
    let outcome = match (stop, result) {
        (None, Ok(Ok(Outcome::Done(text) | Outcome::ContinueAsNew(text)))) if text.len() > most => Next::Failed {
            code: "too-much-output".into(),
            message: format!("the outcome has {} bytes; {most} are allowed", text.len()),
        },
        (Some(Stop::Wait(wait)), _) => return suspend(core, run, cx, wait).await,
        // Rehearsals do not come here.
        (Some(Stop::Fenced | Stop::Live), _) => return After::Left,
        (Some(Stop::Conflict(key)), _) => {
            tracing::debug!(key, "what the run decided on has changed; it decides anew");
            core.metrics.conflicts.inc();
            return After::Again;
        }
        (Some(Stop::Store(error)), _) => return After::Down(error),
        (Some(Stop::Nondeterminism { recorded, asked }), _) => {
            // Nothing of this replay counts.
            cx.pending = Pending::default();
            Next::Failed {
                code: "nondeterminism".into(),
                message: format!(
                    "at step {} the run asked for {asked}, but its journal says {recorded}; the plugin does not behave \
                     the same when it is run again (or was replaced under the same digest)",
                    cx.journal.position()
                ),
            }
        }
        (Some(Stop::Fail { code, message }), _) => Next::Failed { code: code.into(), message },
        (None, Ok(Ok(Outcome::Done(text)))) => Next::Done(as_json(text)),
        // One that has waited may go round for years.
        (None, Ok(Ok(Outcome::ContinueAsNew(_)))) if !resumed && !core.count_root(run.origin()) => Next::Failed {
            code: "loop".into(),
            message: "it continued as new again and again without ever waiting".into(),
        },
        (None, Ok(Ok(Outcome::ContinueAsNew(text)))) => {
            let (digest, settings) = successor(run, &cx);
            let next = NewRun {
                id: core.ids.run(),
                shop: run.shop.clone(),
                installation: run.installation.clone(),
                workflow: run.workflow.clone(),
                digest,
                settings,
                mode: run.mode.clone(),
                key: run.key.clone(),
                rule: shopwright_store::ops::Rule::Allow,
                once: None,
                trigger: TriggerKind::Continued,
                event_seq: 0,
                input: Some(as_json(text.clone())),
                cursor: cx.cursor,
                root: run.origin(),
                depth: run.depth,
                parent: Some(run.id),
                created_at: core.clock.now(),
                node: Some(core.store.node()),
            };
            Next::Continue { handed_on: as_json(text), run: Box::new(next) }
        }
        (None, Ok(Err(Failure::Retry(reason)))) => return retry(core, run, cx, workflow.retry, reason).await,
        (None, Ok(Err(Failure::Fatal(message)))) => Next::Failed { code: "fatal".into(), message },
        (None, Err(trap)) => Next::Failed { code: trap_code(&trap).into(), message: trap.to_string() },
    };
    finish(core, run, cx, outcome).await
}

/// The version and settings that a run continues with: the newest take over, this is where a long-lived workflow is
/// upgraded. In a rollout its key decides; without one it stays where it is.
fn successor(run: &RunRow, cx: &RunCx) -> (String, Arc<str>) {
    let installed = &cx.installed;
    if !cx.is_live() {
        return (run.digest.clone(), installed.settings.clone());
    }
    let candidate = match (&run.key, &installed.candidate) {
        (Some(key), Some(_)) => installed.candidate_for(key, &[]),
        (None, Some((_, side))) if side.digest == run.digest => Some(side),
        _ => None,
    };
    match candidate.filter(|side| side.program.workflow(&run.workflow).is_some()) {
        Some(side) => (side.digest.clone(), side.settings.clone()),
        None => (installed.record.digest.clone(), installed.settings.clone()),
    }
}

/// An outcome that is no JSON is kept as a JSON string.
fn as_json(text: String) -> String {
    if text.is_empty() {
        return "null".into();
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => text,
        Err(_) => serde_json::Value::String(text).to_string(),
    }
}

pub(crate) fn trap_code(trap: &Trap) -> &'static str {
    match trap {
        Trap::OutOfFuel { .. } => "out-of-fuel",
        Trap::OutOfMemory { .. } => "out-of-memory",
        Trap::WallClock { .. } => "too-slow",
        Trap::StackOverflow => "stack-overflow",
        Trap::TooMuchLog { .. } => "too-much-log",
        Trap::TooMuchData { .. } => "too-much-data",
        Trap::Wasi(_) => "wasi-refused",
        Trap::Host(_) => "host-fault",
        _ => "trap",
    }
}

async fn suspend(core: &Arc<Core>, run: &mut RunRow, mut cx: RunCx, wait: Wait) -> After {
    let mut notices = std::mem::take(&mut cx.pending.notices);
    if core.is_heard() {
        notices.push(Notice::RunWaiting {
            shop: run.shop.clone(),
            run: run.id,
            installation: run.installation.clone(),
            workflow: run.workflow.clone(),
            until: wait.due_at,
            waits_for: wait.description.clone(),
            at: core.clock.now(),
        });
    }
    let next = Next::Wait {
        due_at: wait.due_at,
        wait: wait.description.to_text(),
        events: wait.events,
        // 0: a run that no event started and that has not waited for one; the store knows since when.
        cursor: Some(wait.seen.max(cx.cursor)).filter(|&cursor| cursor != 0),
    };
    let flush = cx.take_flush(next);
    match commit(core, flush).await {
        Ok(Flushed::Done { already, .. }) => {
            cx.reserved.keep();
            core.tell(notices);
            if already { After::Again } else { After::Left }
        }
        Ok(Flushed::Fenced) => After::Left,
        Ok(Flushed::Conflict { .. }) => {
            core.metrics.conflicts.inc();
            After::Again
        }
        Err(error) => After::Down(error),
    }
}

async fn retry(
    core: &Arc<Core>,
    run: &RunRow,
    mut cx: RunCx,
    policy: shopwright_registry::Retry,
    reason: String,
) -> After {
    if run.attempt > policy.max {
        let message = format!("given up after {} tries: {reason}", run.attempt);
        return finish(core, run, cx, Next::Failed { code: "retries-exhausted".into(), message }).await;
    }
    // What was asked for since the last flush has not happened and will be asked for anew; the log
    // stays, since it tells why.
    cx.pending = Pending::default();
    cx.drain_guest_log();
    let first = policy.initial_seconds.max(1) * 1_000;
    let most = policy.max_seconds.max(1) * 1_000;
    let pause = first.saturating_mul(1 << (run.attempt.saturating_sub(1)).min(20)).min(most);
    // Between half and all of it, so that runs that failed together do not return together.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let pause = (pause as f64 * (0.5 + 0.5 * core.jitter())) as Millis;
    let due_at = core.clock.now() + pause;
    let chunks = cx.journal.chunks();
    let wait = WaitFor::Retry { reason: reason.clone() };
    let mut flush = cx.take_flush(Next::Retry { due_at, wait: wait.to_text(), chunks });
    flush.journal = Vec::new();
    flush.entries = 0;
    match commit(core, flush).await {
        Ok(Flushed::Done { .. }) => {
            core.metrics.retries.inc();
            tracing::info!(reason, due_at, "the run is tried again later");
            if core.is_heard() {
                core.tell([Notice::RunWaiting {
                    shop: run.shop.clone(),
                    run: run.id,
                    installation: run.installation.clone(),
                    workflow: run.workflow.clone(),
                    until: Some(due_at),
                    waits_for: wait,
                    at: core.clock.now(),
                }]);
            }
            After::Left
        }
        Ok(_) => After::Left,
        Err(error) => After::Down(error),
    }
}

async fn finish(core: &Arc<Core>, run: &RunRow, mut cx: RunCx, next: Next) -> After {
    let (state, outcome) = match &next {
        Next::Done(text) => ("done", text.clone()),
        Next::Failed { message, .. } => ("failed", message.clone()),
        Next::Continue { handed_on, .. } => ("continued", handed_on.clone()),
        _ => ("active", String::new()),
    };
    if let Next::Failed { code, message } = &next {
        tracing::warn!(code, message, "the run failed");
    }
    let notices = std::mem::take(&mut cx.pending.notices);
    let flush = cx.take_flush(next);
    match commit(core, flush).await {
        Ok(Flushed::Done { .. }) => {
            cx.reserved.keep();
            core.tell(notices);
            core.metrics.ended(&run.workflow, state, core.clock.now() - run.created_at);
            tell_end(core, run, state, &outcome);
            if cx.installed.watch.is_some() {
                crate::rollout::ended(core, run, state == "failed").await;
            }
            After::Left
        }
        Ok(Flushed::Fenced) => After::Left,
        Ok(Flushed::Conflict { .. }) => {
            core.metrics.conflicts.inc();
            After::Again
        }
        Err(error) => After::Down(error),
    }
}

fn tell_end(core: &Core, run: &RunRow, state: &'static str, outcome: &str) {
    if core.is_heard() {
        core.tell([Notice::RunEnded {
            shop: run.shop.clone(),
            run: run.id,
            installation: run.installation.clone(),
            workflow: run.workflow.clone(),
            state,
            outcome: outcome.to_owned(),
            at: core.clock.now(),
        }]);
    }
}

/// Whether a run that waits for an event has reason to go on.
async fn look_before_replay(core: &Core, run: &RunRow) -> Result<bool, StoreError> {
    let Some(WaitFor::Event { filter, deadline, since }) = run.wait.as_deref().and_then(WaitFor::parse) else {
        return Ok(true);
    };
    if core.clock.now() >= deadline || filter.condition.is_none() {
        return Ok(true);
    }
    Ok(crate::calls::workflow::first_match(core, &run.shop, &filter, since).await?.0.is_some())
}

/// Puts a run that was woken for nothing back to wait.
async fn wait_on(core: &Arc<Core>, run: &RunRow) -> After {
    let Some(WaitFor::Event { filter, deadline, since }) = run.wait.as_deref().and_then(WaitFor::parse) else {
        return After::Again;
    };
    let seen = match crate::calls::workflow::first_match(core, &run.shop, &filter, since).await {
        Ok((None, seen)) => seen,
        Ok((Some(_), _)) => return After::Again,
        Err(error) => return After::Down(error),
    };
    let entity = filter.entity.clone().unwrap_or_else(|| "*".into());
    let next = Next::Wait {
        due_at: Some(deadline),
        events: filter.kinds.iter().map(|kind| (entity.clone(), kind.clone())).collect(),
        wait: WaitFor::Event { filter, deadline, since }.to_text(),
        // None of those up to here matches.
        cursor: Some(seen),
    };
    let flush = shopwright_store::ops::Flush {
        run: run.id,
        shop: run.shop.clone(),
        installation: run.installation.clone(),
        fence: run.fence,
        node: core.store.node(),
        now: core.clock.now(),
        journal: Vec::new(),
        entries: 0,
        chunk: run.chunks,
        log: Vec::new(),
        effects: Vec::new(),
        own: Vec::new(),
        expects: Vec::new(),
        bumps: Vec::new(),
        events: Vec::new(),
        starts: Vec::new(),
        next,
    };
    match commit(core, flush).await {
        Ok(Flushed::Done { already: true, .. }) => After::Again,
        Ok(_) => After::Left,
        Err(error) => After::Down(error),
    }
}

/// What started the run, as the guest sees it.
pub(crate) async fn trigger(
    core: &Core,
    run: &RunRow,
    event: &mut Option<Arc<EventRow>>,
) -> Result<Trigger, crate::EngineError> {
    let input = || run.input.clone().unwrap_or_else(|| "null".into());
    Ok(match run.trigger {
        TriggerKind::Event => {
            let seq = run.event_seq.unwrap_or_default();
            if event.is_none() {
                let row = core.store.event(&run.shop, seq).await?;
                *event = Some(Arc::new(row.ok_or_else(|| crate::EngineError::not_found("event", seq))?));
            }
            match event {
                Some(event) => Trigger::Event(event_for_guest(event)),
                None => return Err(crate::EngineError::not_found("event", seq)),
            }
        }
        TriggerKind::Schedule => Trigger::Schedule(input().parse().unwrap_or_default()),
        TriggerKind::Manual => Trigger::Manual(input()),
        TriggerKind::Continued => Trigger::Continued(input()),
    })
}

/// An event as wit/ has it.
pub(crate) fn event_for_guest(event: &EventRow) -> Event {
    Event {
        id: event.id.clone(),
        kind: event.kind.clone(),
        at: event.at.unsigned_abs(),
        concerns: event.concerns.clone(),
        data: event.data.clone(),
    }
}

impl RunCx {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        core: &Arc<Core>,
        shop: Arc<crate::shop::ShopState>,
        installed: Arc<crate::install::Installed>,
        program: Arc<crate::install::Program>,
        grants: Arc<Grants>,
        run: RunRow,
        mut journal: Journal,
        limits: shopwright_sandbox::GuestLimits,
        resumed: bool,
    ) -> Self {
        let started = journal.started().unwrap_or_else(|| core.clock.now());
        journal.start(started);
        let seed = core.store.world().and_then(|world| world.seed(run.id)).unwrap_or_else(|| core.run_seed(run.id));
        Self {
            guest: Guest::new(limits, seed, started),
            core: core.clone(),
            shop,
            installed,
            program,
            grants,
            cursor: run.cursor_at_start(),
            effects: 0,
            settled: false,
            whole_answer: None,
            run,
            journal,
            pending: Pending::default(),
            overlay: Overlay::default(),
            log: Vec::new(),
            log_lines: 0,
            now: started,
            resumed,
            mark: 0,
            stop: None,
            rehearsal: false,
            reserved: Reserved::default(),
        }
    }
}

/// What a run may do. One of an earlier version keeps what that version imports, which was granted when it
/// began: an upgrade that asks for less takes nothing from the runs in flight.
pub(crate) fn granted(installed: &Installed, program: &Program, digest: &str) -> Arc<Grants> {
    if installed.record.digest == digest {
        return installed.grants.clone();
    }
    if let Some((_, side)) = &installed.candidate
        && side.digest == digest
    {
        return side.grants.clone();
    }
    if let Some(previous) = &installed.record.rollout.previous
        && previous.digest == digest
    {
        return Arc::new(previous.grants.clone());
    }
    let of = |(interface, function): (&str, &str)| {
        installed.grants.find(interface, function).cloned().unwrap_or_else(|| Grant::of(interface, function))
    };
    let own = program.asks_for().filter(|(interface, _)| !crate::install::is_free(interface)).map(of).collect();
    Grants::new(own).map_or_else(|_| installed.grants.clone(), Arc::new)
}

/// What a run's row tells of where it came from.
pub(crate) trait Beginning {
    /// Where a replay begins to look for events.
    fn cursor_at_start(&self) -> i64;

    /// What all that descends from it counts under.
    fn origin(&self) -> i64;
}

impl Beginning for RunRow {
    fn origin(&self) -> i64 {
        if self.root != 0 { self.root } else { self.event_seq.unwrap_or(self.id.0) }
    }

    fn cursor_at_start(&self) -> i64 {
        // The triggering event's number; the answers of later waits move it on during the replay. The
        // row's own cursor runs ahead of it (events that were looked at in vain).
        match self.wait.as_deref().and_then(WaitFor::parse) {
            _ if self.event_seq.is_some() => self.event_seq.unwrap_or_default(),
            Some(WaitFor::Event { since, .. }) => since,
            _ => self.cursor,
        }
    }
}
