//! Time: waiting runs that are due, schedules, deadlines of questions, retention.

use std::sync::Arc;

use shopwright_model::Millis;
use shopwright_registry::Missed;
use shopwright_store::{
    ApprovalRow, MessageRow, ScheduleRow, StoreError,
    ops::{NewRun, Started, TriggerKind},
};

use crate::{core::Core, install::CompiledWorkflow, intake, queue::Task};

/// Due runs taken at once.
const BATCH: u32 = 1_000;

/// A fire that is later than this counts as missed.
const LATE: Millis = 60_000;

/// Fires that one schedule may catch up on.
const CATCH_UP: usize = 1_000;

/// How often the store is looked at without a reason of our own: another node may have left work.
const LOOK: Millis = 1_000;

/// Keeps time for as long as the engine runs.
pub(crate) async fn run(core: Arc<Core>) {
    while !core.is_stopping() {
        let next = match pump(&core).await {
            Ok(_) => next_wake(&core).await.ok().flatten(),
            Err(error) => {
                tracing::warn!(%error, "what is due cannot be read; trying again");
                None
            }
        };
        let now = core.clock.now();
        let next = next.unwrap_or(Millis::MAX).min(now + LOOK);
        tokio::select! {
            () = core.clock.until(next.max(now + 1)) => {}
            () = core.timer.notified() => {}
            () = core.stopped.notified() => return,
        }
    }
}

/// When something is due next.
pub(crate) async fn next_wake(core: &Core) -> Result<Option<Millis>, StoreError> {
    core.reset_due();
    let all = [core.store.next_due().await?, core.store.next_schedule().await?, core.store.next_approval().await?];
    for at in all.into_iter().flatten() {
        core.due_by(at);
    }
    if let Some(at) = core.queue.next_release() {
        core.due_by(at);
    }
    if core.senders.callback.is_some()
        && let Some(at) = core.store.next_effect().await?
    {
        core.due_by(at);
    }
    Ok(Some(core.next_due()).filter(|&at| at != i64::MAX))
}

/// Does all that is due now; gives how many things that were.
pub(crate) async fn pump(core: &Arc<Core>) -> Result<usize, StoreError> {
    let mut done = core.queue.release();
    loop {
        let room = core.limits.queued.saturating_sub(core.queue.len());
        if room == 0 {
            break; // Backpressure: they stay due.
        }
        let limit = BATCH.min(u32::try_from(room).unwrap_or(BATCH));
        let rows = core.store.claim_due(core.clock.now(), limit).await?;
        let count = rows.len();
        for run in rows {
            core.queue.push(Task { run, event: None });
        }
        done += count;
        if count < limit as usize {
            break;
        }
    }
    done += crate::strays::look(core).await?;
    done += adopt(core).await?;
    done += schedules(core).await?;
    done += approvals(core).await?;
    Ok(done)
}

/// Takes active runs that nobody holds: after a start, or from a node that is gone.
pub(crate) async fn adopt(core: &Arc<Core>) -> Result<usize, StoreError> {
    let room = core.limits.queued.saturating_sub(core.queue.len());
    if room == 0 {
        return Ok(0);
    }
    let limit = BATCH.min(u32::try_from(room).unwrap_or(BATCH));
    let each = if core.queue.is_limited() { limit.div_ceil(8) } else { limit.div_ceil(4) };
    let full = core.queue.full();
    let rows = core.store.claim_active_except(limit, each, full.clone()).await?;
    let count = rows.len();
    core.queue.adopted(&full, &rows, each as usize);
    for run in rows {
        core.queue.push(Task { run, event: None });
    }
    Ok(count)
}

async fn schedules(core: &Arc<Core>) -> Result<usize, StoreError> {
    let now = core.clock.now();
    let due = core.store.schedules_due(now, BATCH).await?;
    let count = due.len();
    for row in due {
        fire(core, row, now).await?;
    }
    Ok(count)
}

/// Fires a schedule for the times that are due, each at most once by (schedule, time).
async fn fire(core: &Arc<Core>, row: ScheduleRow, now: Millis) -> Result<(), StoreError> {
    let Ok(shop) = core.shop(&row.shop) else { return Ok(()) };
    let installed = shop.installed(&row.installation).filter(|i| i.takes_events());
    let found = installed.as_ref().and_then(|installed| {
        let workflow = installed.program.workflow(&row.workflow)?;
        let (schedule, missed) = workflow.schedules.get(usize::try_from(row.n).ok()?)?;
        Some((installed, workflow, schedule, *missed))
    });
    let Some((installed, workflow, schedule, missed)) = found else {
        // Its installation has changed since: its rows were or will be replaced.
        core.store.schedule_advance(&row, None, row.last_at).await?;
        return Ok(());
    };
    let mut times = Vec::new();
    let mut next = row.next_at;
    while let Some(at) = next.filter(|&at| at <= now) {
        times.push(at);
        if times.len() > CATCH_UP {
            times.remove(0);
        }
        next = schedule.next_after(at, shop.zone);
    }
    let fires: Vec<Millis> = match missed {
        Missed::All => times.clone(),
        Missed::Once => times.last().copied().into_iter().collect(),
        Missed::None => times.iter().copied().filter(|at| now - at <= LATE).collect(),
    };
    for at in &fires {
        let value = serde_json::json!({"id": "", "kind": "schedule", "at": at, "concerns": [], "data": null});
        let mut workflow = workflow;
        let mut side = (&installed.record.digest, &installed.settings);
        let key_of = |workflow: &CompiledWorkflow| workflow.key.as_ref()?.eval(&value).ok().flatten();
        let mut key = key_of(workflow);
        if installed.candidate.is_some() {
            // When it fires is the installed version's to say until the candidate is promoted.
            let own = key.clone().unwrap_or_else(|| format!("schedule:{}:{at}", row.workflow));
            if let Some(candidate) = installed.candidate_for(&own, &[])
                && let Some(same) = candidate.program.workflow(&row.workflow)
            {
                workflow = same;
                side = (&candidate.digest, &candidate.settings);
                key = key_of(workflow);
            }
        }
        let new = NewRun {
            id: core.ids.run(),
            shop: row.shop.clone(),
            installation: row.installation.clone(),
            workflow: row.workflow.clone(),
            digest: side.0.clone(),
            settings: side.1.clone(),
            mode: installed.record.mode.as_str().into(),
            key,
            rule: workflow.rule,
            once: Some(format!("schedule:{}:{}:{}:{at}", row.installation, row.workflow, row.n)),
            trigger: TriggerKind::Schedule,
            event_seq: 0,
            input: Some(at.to_string()),
            cursor: 0,
            root: 0,
            depth: 0,
            parent: None,
            created_at: now,
            node: core.place(&shop, installed),
        };
        let started: Vec<Started> = core.store.start(vec![new.clone()]).await?;
        for outcome in &started {
            intake::enqueue_started(core, &new, outcome, None);
        }
    }
    core.metrics.schedule_fires.inc_by(fires.len() as u64);
    core.store.schedule_advance(&row, next, times.last().copied().or(row.last_at)).await?;
    Ok(())
}

async fn approvals(core: &Arc<Core>) -> Result<usize, StoreError> {
    let now = core.clock.now();
    let due = core.store.approvals_due(now, BATCH).await?;
    let count = due.len();
    for mut row in due {
        let time = row.deadline_at - row.created_at;
        match row.escalate_to.take() {
            Some(channel) => {
                let message = staff_message(core, &row, &channel, now);
                row.state = "escalated".into();
                row.asked = Some(channel);
                row.deadline_at = now + time.max(1);
                core.store.approval_update(row, now, Some(message)).await?;
            }
            None => {
                row.state = "expired".into();
                core.store.approval_update(row, now, None).await?;
                // Its run is active now: to be claimed.
                core.timer.notify_one();
            }
        }
    }
    Ok(count)
}

fn staff_message(core: &Core, row: &ApprovalRow, channel: &str, now: Millis) -> MessageRow {
    MessageRow {
        id: format!("{}-escalated", row.id),
        shop: row.shop.clone(),
        channel: "staff".into(),
        recipient: channel.into(),
        customer: None,
        subject: format!("Waiting for a decision: {}", row.title),
        text: format!("{}\n\n{}\n\nChoices: {}", row.title, row.details, row.choices),
        html: None,
        at: now,
        run: Some(row.run),
        seq: core.ids.next(),
    }
}

/// Removes what is past its time, in small steps.
pub(crate) async fn retention(core: Arc<Core>) {
    const DAY: Millis = 86_400_000;
    const STEP: u32 = 500;
    while !core.is_stopping() {
        let now = core.clock.now();
        let days = core.retention;
        let cutoffs = shopwright_store::Retention {
            events_before: Some(now - Millis::from(days.events) * DAY),
            journals_before: Some(now - Millis::from(days.runs) * DAY),
            past_before: Some(now - Millis::from(days.history) * DAY),
            messages_before: Some(now - Millis::from(days.messages) * DAY),
        };
        loop {
            match core.store.retention_step(cutoffs, STEP).await {
                Ok(0) => break,
                Ok(removed) => {
                    core.metrics.removed.inc_by(removed);
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "old rows could not be removed");
                    break;
                }
            }
            if core.is_stopping() {
                return;
            }
        }
        if let Err(error) = crate::artefacts::sweep(&core, now - Millis::from(days.versions) * DAY, STEP).await {
            tracing::warn!(%error, "old versions could not be removed");
        }
        if let Err(error) = crate::limits::recount(&core).await {
            tracing::warn!(%error, "the use of limits could not be counted anew");
        }
        tokio::select! {
            () = core.clock.until(now + DAY / 24) => {}
            () = core.stopped.notified() => return,
        }
    }
}
