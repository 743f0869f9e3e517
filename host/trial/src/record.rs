//! What an installation really did: a side of the comparison, read from runs and ledger.

use std::collections::HashMap;

use shopwright_model::{Millis, RunId};
use shopwright_store::{
    Store,
    ops::{RunRow, RunState, TriggerKind},
};

use crate::{
    TrialError,
    compare::{Act, PairKey, RunEnd, Side},
};

/// Rows read at once.
const PAGE: u32 = 2_000;

/// A side with the runs behind it.
pub struct Recorded {
    /// What they did.
    pub side: Side,
    /// All runs of the span, those without a pair included.
    pub runs: HashMap<RunId, Option<PairKey>>,
}

/// Reads what the runs of an installation in one mode did that were begun from `from` up to before `to`,
/// as far as it was asked for before `to`.
///
/// # Errors
/// The store's.
pub async fn read(
    store: &Store,
    shop: &str,
    installation: &str,
    mode: &str,
    (from, to): (Millis, Millis),
) -> Result<Recorded, TrialError> {
    let mut recorded = Recorded { side: Side::default(), runs: HashMap::new() };
    let mut after = RunId(RunId::floor(from).0 - 1);
    let mut last = after;
    // Ids rise with time but for runs that borrowed from the next millisecond, and for two nodes' clocks.
    let end = RunId::floor(to.saturating_add(60_000));
    'pages: loop {
        let rows = store.runs_of(shop, installation, mode, after, PAGE).await?;
        let Some(newest) = rows.last() else { break };
        after = newest.id;
        for row in rows {
            if row.id >= end {
                break 'pages;
            }
            if row.created_at < from || row.created_at >= to {
                continue;
            }
            last = last.max(row.id);
            let pair = pair_of(&row, &recorded.runs);
            if let Some(pair) = &pair {
                recorded.side.begin(pair, row.id);
                recorded.side.end(pair, row.id, end_of(&row));
            }
            recorded.runs.insert(row.id, pair);
        }
    }
    let mut after = (RunId(RunId::floor(from).0 - 1), u32::MAX);
    'pages: loop {
        let rows = store.effects_of_runs(shop, installation, after, PAGE).await?;
        let Some(newest) = rows.last() else { break };
        after = (newest.run, newest.position);
        for row in rows {
            if row.run > last {
                break 'pages;
            }
            if row.created_at >= to {
                continue;
            }
            if let Some(Some(pair)) = recorded.runs.get(&row.run) {
                recorded.side.act(pair, Act::of(&row));
            }
        }
    }
    Ok(recorded)
}

fn pair_of(row: &RunRow, known: &HashMap<RunId, Option<PairKey>>) -> Option<PairKey> {
    match row.trigger {
        TriggerKind::Event => Some(PairKey::Event { seq: row.event_seq?, workflow: row.workflow.clone() }),
        TriggerKind::Schedule => {
            let at = row.input.as_deref()?.parse().ok()?;
            Some(PairKey::Schedule { at, workflow: row.workflow.clone() })
        }
        // By a run of the span: its pair. By hand, or by one from before the span: none.
        TriggerKind::Manual | TriggerKind::Continued => known.get(&row.parent?).cloned().flatten(),
    }
}

fn end_of(row: &RunRow) -> RunEnd {
    match row.state {
        RunState::Active => RunEnd::Active,
        RunState::Blocked => RunEnd::Blocked,
        RunState::Waiting => RunEnd::Waiting,
        RunState::Done => RunEnd::Done,
        RunState::Cancelled if row.error_code.as_deref() == Some("replaced") => RunEnd::Replaced,
        RunState::Cancelled => RunEnd::Cancelled,
        RunState::Failed => RunEnd::Failed {
            code: row.error_code.clone().unwrap_or_default(),
            message: row.error.clone().unwrap_or_default(),
        },
    }
}
