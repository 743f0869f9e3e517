//! A run as a person sees it: what it asked for, what it was answered, what came of its effects.

use serde::Serialize;
use serde_json::Value;
use shopwright_model::{Millis, RunId};
use shopwright_store::ops::{EffectRow, RunRow};

use crate::{
    EngineError,
    core::Core,
    cx::LogEntry,
    journal::{self, Journal},
};

/// One answered host call.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineEntry {
    /// Its place in the journal, from 0.
    pub position: usize,
    /// `customers.get`.
    pub call: String,
    /// Arguments.
    pub args: Value,
    /// Answer.
    pub answer: Value,
    /// The run's logical clock after it.
    pub at: Millis,
}

/// A run with all that is kept of it.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Its row.
    pub run: RunRow,
    /// Its journal.
    pub entries: Vec<TimelineEntry>,
    /// Its rows of the ledger.
    pub effects: Vec<EffectRow>,
    /// Its log.
    pub log: Vec<LogEntry>,
}

/// Reads all that is kept of a run.
///
/// # Errors
/// The store's, or a journal that cannot be read.
pub(crate) async fn read(core: &Core, shop: &str, id: RunId) -> Result<Option<Timeline>, EngineError> {
    let Some(run) = core.store.run(shop, id).await? else { return Ok(None) };
    let journal = Journal::read(&core.store.journal(id).await?).map_err(EngineError::internal)?;
    let entries = journal
        .entries()
        .iter()
        .enumerate()
        .map(|(position, entry)| TimelineEntry {
            position,
            call: entry.call.to_string(),
            args: shown(&entry.args),
            answer: shown(&entry.answer),
            at: entry.at,
        })
        .collect();
    let mut log = Vec::new();
    for chunk in core.store.log(id).await? {
        let lines: Vec<LogEntry> = rmp_serde::from_slice(&chunk).map_err(EngineError::internal)?;
        log.extend(lines);
    }
    let effects = core.store.effects_of(id).await?;
    Ok(Some(Timeline { run, entries, effects, log }))
}

fn shown(bytes: &[u8]) -> Value {
    journal::decode(bytes).unwrap_or(Value::Null)
}
