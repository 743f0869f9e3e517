//! What the shop's platform is told of after the commit: changes to our own model go out from the
//! ledger, at least once and with the effect's id as idempotency key.

use std::sync::Arc;

use serde_json::Value;
use shopwright_connectors::{Outcome, callback::Message};
use shopwright_model::Millis;
use shopwright_store::ops::{EffectRow, EffectState};

use crate::{core::Core, notice::Notice};

/// How the ledger names this way out.
pub(crate) const CONNECTOR: &str = "platform";

/// Rows taken at once.
const BATCH: u32 = 64;

/// How long a row that is being sent is left alone: after a crash it is sent again then.
const LEASE: Millis = 120_000;

/// Sends from the ledger for as long as the engine runs.
pub(crate) async fn run(core: Arc<Core>) {
    if core.senders.callback.is_none() {
        return;
    }
    while !core.is_stopping() {
        match step(&core).await {
            Ok(n) if n == BATCH as usize => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the ledger cannot be read; trying again"),
        }
        let next = core.clock.now() + 1_000;
        tokio::select! {
            () = core.outbox.notified() => {}
            () = core.clock.until(next) => {}
            () = core.stopped.notified() => return,
        }
    }
}

/// Sends what is due; gives how many rows it looked at.
pub(crate) async fn step(core: &Arc<Core>) -> Result<usize, shopwright_store::StoreError> {
    let now = core.clock.now();
    let mut rows = core.store.effects_pending(now, BATCH).await?;
    rows.retain(|row| row.connector == CONNECTOR);
    if rows.is_empty() {
        return Ok(0);
    }
    for row in &mut rows {
        // One that is being sent: whoever did so has died. All others were counted when they were put off.
        row.attempts += u32::from(row.state == EffectState::Sent);
        row.state = EffectState::Sent;
        row.next_at = Some(now + LEASE);
        row.updated_at = now;
    }
    core.store.update_effects(rows.clone()).await?;
    let sends = rows.into_iter().map(|row| async move { settle(core, row).await });
    let rows: Vec<EffectRow> = futures::future::join_all(sends).await;
    let count = rows.len();
    if core.is_heard() {
        core.tell(rows.iter().filter(|row| row.state != EffectState::Intended).map(|row| Notice::Effect {
            shop: row.shop.clone(),
            run: row.run,
            installation: row.installation.clone(),
            workflow: String::new(),
            effect: row.id.clone(),
            action: row.action.clone(),
            subject: row.subject.clone(),
            state: crate::actions::state_name(row.state),
            reason: "told the platform".into(),
            request: Arc::new(serde_json::from_str(&row.request).unwrap_or_default()),
            error: row.error.clone(),
            at: row.updated_at,
        }));
    }
    core.store.update_effects(rows).await?;
    Ok(count)
}

async fn settle(core: &Core, mut row: EffectRow) -> EffectRow {
    let outcome = call_back(core, &row).await;
    let now = core.clock.now();
    row.updated_at = now;
    match outcome {
        Outcome::Done { reference } => {
            row.state = EffectState::Done;
            row.next_at = None;
            row.error = None;
            let mut answer: Value = row
                .answer
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_else(|| serde_json::json!({}));
            answer["reference"] = reference.into();
            row.answer = Some(answer.to_string());
        }
        Outcome::Refused { reason } => {
            row.state = EffectState::Failed;
            row.next_at = None;
            row.error = Some(reason);
        }
        Outcome::Retry { reason, .. } | Outcome::Unknown { reason } if row.attempts >= core.limits.effect_attempts => {
            row.state = EffectState::Failed;
            row.next_at = None;
            row.error = Some(format!("given up after {} tries: {reason}", row.attempts));
        }
        Outcome::Retry { after, reason } => {
            row.state = EffectState::Intended;
            row.next_at = Some(now + pause(core, row.attempts, after));
            row.attempts += 1;
            row.error = Some(reason);
        }
        Outcome::Unknown { reason } => {
            row.state = EffectState::Intended;
            row.next_at = Some(now + pause(core, row.attempts, None));
            row.attempts += 1;
            row.error = Some(reason);
        }
    }
    core.metrics.effect(&row.action, row.state);
    row
}

/// The pause before the next try of an effect, in milliseconds.
pub(crate) fn pause(core: &Core, attempts: u32, at_least: Option<u64>) -> Millis {
    let base = core.limits.effect_backoff.as_millis();
    let cap = core.limits.effect_backoff_max.as_millis();
    let ceiling = (base << attempts.saturating_sub(1).min(30)).min(cap);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let drawn = (ceiling as f64 * core.jitter()) as Millis;
    drawn.max(1) + at_least.map_or(0, |wait| Millis::try_from(wait).unwrap_or(Millis::MAX / 4))
}

/// Hands an effect to the callback.
pub(crate) async fn call_back(core: &Core, row: &EffectRow) -> Outcome {
    let Some(callback) = core.senders.callback.clone() else {
        return Outcome::Retry { after: None, reason: "no callback is configured any more".into() };
    };
    // The row has the arguments under the action's name, which the message names already.
    let data = match serde_json::from_str(&row.request).unwrap_or_default() {
        Value::Object(named) if named.len() == 1 => named.into_iter().next().map_or(Value::Null, |(_, data)| data),
        other => other,
    };
    let message = Message { kind: &row.action, id: &row.id, shop: &row.shop, at: row.created_at, data: &data };
    callback.send(&message, core.clock.now()).await
}
