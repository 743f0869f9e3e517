//! What a batch does, decided in memory over what was loaded.

use std::collections::{HashMap, HashSet};

use shopwright_model::EntityKind;

use super::{
    Answer, Op,
    documents::Documents,
    load::{Key, Loaded, LoadedRun, Pair},
    runs::Run,
};
use crate::ops::{ApprovalRow, EffectRow, MessageRow, NewEvent, PriceChangeRow};

/// An event that is written.
pub(super) struct Event<'a> {
    pub(super) event: &'a NewEvent,
    pub(super) seq: i64,
    pub(super) root: i64,
}

/// The state that decisions are made on, and what they came to.
pub(super) struct World<'a> {
    pub(super) node: i64,
    pub(super) seq: i64,
    pub(super) known_events: HashMap<(&'a str, &'a str, &'a str), i64>,
    pub(super) runs: HashMap<i64, Run<'a>>,
    /// Live runs of a key, by id.
    pub(super) keys: HashMap<Key<'a>, Vec<i64>>,
    pub(super) once: HashMap<(&'a str, &'a str), i64>,
    pub(super) facts: HashMap<(&'a str, &'a str), i64>,
    pub(super) documents: Documents<'a>,
    /// Runs that wait for an event.
    pub(super) waits: HashMap<Pair<'a>, Vec<i64>>,
    /// The latest event of those that somebody wants to wait for, and of this batch's.
    pub(super) latest: HashMap<Pair<'a>, i64>,
    pub(super) effects_there: &'a HashSet<(i64, i64)>,

    // What is to be written beside runs and documents.
    pub(super) events: Vec<Event<'a>>,
    pub(super) bumped: HashSet<(&'a str, &'a str)>,
    pub(super) new_once: Vec<(&'a str, &'a str, i64, i64)>,
    /// run, chunk, shop, bytes.
    pub(super) journal: Vec<(i64, u32, &'a str, &'a [u8])>,
    /// run, the number of chunks that stay.
    pub(super) journal_cuts: Vec<(i64, u32)>,
    /// run, shop, bytes.
    pub(super) logs: Vec<(i64, &'a str, &'a [u8])>,
    pub(super) effects: HashMap<(i64, u32), &'a EffectRow>,
    pub(super) messages: Vec<&'a MessageRow>,
    pub(super) memory: HashMap<(&'a str, &'a str, &'a str), Option<&'a str>>,
    pub(super) price_changes: Vec<&'a PriceChangeRow>,
    pub(super) approvals: HashMap<&'a str, &'a ApprovalRow>,
}

impl<'a> World<'a> {
    pub(super) fn new(loaded: &'a Loaded<'a>, node: i64, seq: i64) -> Self {
        let wanted = &loaded.wanted;
        let mut world = Self {
            node,
            seq,
            known_events: loaded.events.iter().map(|(place, seq)| (wanted.events[*place], *seq)).collect(),
            runs: HashMap::with_capacity(loaded.runs.len()),
            keys: HashMap::new(),
            once: loaded.once.iter().map(|(place, run)| (wanted.once[*place], *run)).collect(),
            facts: loaded.facts.iter().map(|(place, version)| (wanted.facts[*place], *version)).collect(),
            documents: Documents::new(
                loaded.documents.iter().map(|(place, document)| (wanted.documents[*place], document)),
            ),
            waits: HashMap::new(),
            latest: loaded.latest.iter().map(|(place, seq)| (wanted.latest[*place], *seq)).collect(),
            effects_there: &loaded.effects,
            events: Vec::new(),
            bumped: HashSet::new(),
            new_once: Vec::new(),
            journal: Vec::new(),
            journal_cuts: Vec::new(),
            logs: Vec::new(),
            effects: HashMap::new(),
            messages: Vec::new(),
            memory: HashMap::new(),
            price_changes: Vec::new(),
            approvals: HashMap::new(),
        };
        for (place, run) in &loaded.waits {
            world.waits.entry(wanted.pairs[*place]).or_default().push(*run);
        }
        for run in &loaded.runs {
            world.add_loaded(run);
        }
        for runs in world.keys.values_mut() {
            runs.sort_unstable();
        }
        world
    }

    fn add_loaded(&mut self, loaded: &'a LoadedRun) {
        let run = Run::of_loaded(loaded);
        if let Some(key) = run.key
            && !run.state.is_ended()
        {
            self.keys.entry(key).or_default().push(run.id);
        }
        self.runs.insert(run.id, run);
    }

    /// The number of the latest event after this batch.
    pub(super) const fn last_seq(&self) -> i64 {
        self.seq
    }

    /// Decides an operation; none: it is not decided in memory.
    pub(super) fn decide(&mut self, op: &'a Op) -> Option<Answer> {
        Some(match op {
            Op::Accept(events) => Answer::Accepted(events.iter().map(|event| self.accept(event, None)).collect()),
            Op::Flush(flush) => Answer::Flushed(self.flush(flush)),
            Op::Start(runs) => Answer::Started(runs.iter().map(|run| self.start(run, None)).collect()),
            Op::Cancel { shop, run, now, reason } => Answer::Cancelled(self.cancel(shop, *run, *now, reason)),
            Op::Effects(rows) => {
                for row in rows {
                    self.effects.insert((row.run.0, row.position), row);
                }
                Answer::Done
            }
            Op::Import(batch) => {
                for put in &batch.puts {
                    self.documents.put(&batch.shop, put);
                }
                // The import's progress is counted with the plain operations.
                return None;
            }
            _ => return None,
        })
    }

    pub(super) fn changes(&self, off: bool) -> Vec<crate::read::Change> {
        if off { Vec::new() } else { self.documents.changes() }
    }
}

/// `product:1`: how conflicts name a document.
pub(super) fn reference(kind: EntityKind, id: &str) -> String {
    format!("{kind}:{id}")
}
