//! What a backtest's runs stand on: the shop as it was, with what each run did itself over it.
//!
//! Runs, their keys, waits and timers live here under the rules of the store's writer. All of it happens
//! in virtual time, one thing after another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use shopwright_engine::World;
use shopwright_model::{Clock as _, EntityKind, Millis, RunId, VirtualClock};
use shopwright_store::{
    Doc, Stored,
    ops::{
        EffectState, EventRow, FIRST_FENCE, Flush, Flushed, NewRun, Next, Own, PriceChangeRow, Rule, RunRow, RunState,
        Started,
    },
};

use crate::{
    compare::{Act, PairKey, RunEnd, Side},
    counts::Counts,
    history::History,
};

/// A run of the backtest that has not ended.
struct Live {
    row: RunRow,
    chunks: Vec<Vec<u8>>,
    /// What it waits for: (entity or `*`, kind).
    waits: Vec<(String, String)>,
    /// What it changed itself.
    overlay: BTreeMap<(EntityKind, String), Arc<str>>,
    pair: PairKey,
}

#[derive(Default)]
struct State {
    /// Number of the latest event that has happened.
    present: i64,
    executing: Option<RunId>,
    runs: HashMap<RunId, Live>,
    keys: HashMap<(String, String), Vec<RunId>>,
    once: HashMap<String, RunId>,
    waits: HashMap<(String, String), BTreeSet<RunId>>,
    timers: BTreeSet<(Millis, RunId)>,
    memory: HashMap<(String, String), String>,
    prices: HashMap<String, Vec<PriceChangeRow>>,
    /// Its own effects as limits count them.
    counted: Counts,
    seeds: HashMap<RunId, u64>,
    side: Side,
}

/// The world of a backtest.
pub struct Replica {
    history: Arc<History>,
    clock: VirtualClock,
    state: Mutex<State>,
}

impl Replica {
    /// A world over a history.
    #[must_use]
    pub fn new(history: Arc<History>, clock: VirtualClock) -> Self {
        Self { history, clock, state: Mutex::default() }
    }

    /// An event has happened: it can be waited for from now on. Gives the runs it wakes.
    pub fn happen(&self, event: &EventRow) -> Vec<RunRow> {
        let mut state = self.state.lock();
        state.present = event.seq;
        let mut woken = BTreeSet::new();
        for entity in event.concerns.iter().map(String::as_str).chain(["*"]) {
            if let Some(runs) = state.waits.get(&(entity.to_owned(), event.kind.clone())) {
                woken.extend(runs.iter().copied());
            }
        }
        woken.into_iter().filter_map(|run| state.take(run, self.clock.now())).collect()
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.state.lock().timers.first().map(|(at, _)| *at)
    }

    /// Takes the runs that are due now.
    pub fn due(&self) -> Vec<RunRow> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        while let Some((_, run)) = state.timers.first().copied().filter(|(at, _)| *at <= now) {
            let before = state.timers.len();
            taken.extend(state.take(run, now));
            if state.timers.len() == before {
                state.timers.pop_first();
            }
        }
        taken
    }

    /// Starts a run under its rule. `seed`: of the run that it stands for.
    pub fn start(&self, new: &NewRun, event: Option<&EventRow>, pair: PairKey, seed: Option<u64>) -> Started {
        let mut state = self.state.lock();
        let started = state.start(new, event, pair);
        if let (Started::Active { .. } | Started::Blocked(_), Some(seed)) = (&started, seed) {
            state.seeds.insert(new.id, seed);
        }
        started
    }

    /// What came of it: every run's pair, acts and end. Runs that have not ended are as they stand.
    #[must_use]
    pub fn finish(&self) -> Side {
        let mut state = self.state.lock();
        let mut open: Vec<(RunId, PairKey, RunState)> =
            state.runs.values().map(|live| (live.row.id, live.pair.clone(), live.row.state)).collect();
        open.sort_by_key(|(run, ..)| *run);
        for (run, pair, at) in open {
            let end = if at == RunState::Blocked { RunEnd::Blocked } else { RunEnd::Waiting };
            state.side.end(&pair, run, end);
        }
        std::mem::take(&mut state.side)
    }

    fn own(&self, state: &State, kind: EntityKind, id: &str) -> Option<Arc<str>> {
        let run = state.runs.get(&state.executing?)?;
        if run.overlay.is_empty() {
            return None;
        }
        run.overlay.get(&(kind, id.to_owned())).cloned()
    }

    /// Documents with the executing run's own over them.
    fn over(&self, kind: EntityKind, mut docs: Vec<Doc>) -> Vec<Doc> {
        let state = self.state.lock();
        for doc in &mut docs {
            if let Some(own) = self.own(&state, kind, &doc.id) {
                doc.doc = own;
            }
        }
        docs
    }
}

impl State {
    /// Makes a waiting run active; none: it does not wait.
    fn take(&mut self, run: RunId, now: Millis) -> Option<RunRow> {
        let live = self.runs.get_mut(&run)?;
        if live.row.state != RunState::Waiting {
            return None;
        }
        live.row.state = RunState::Active;
        live.row.fence += 1;
        live.row.updated_at = now;
        if let Some(at) = live.row.due_at.take() {
            self.timers.remove(&(at, run));
        }
        for wait in std::mem::take(&mut live.waits) {
            if let Some(runs) = self.waits.get_mut(&wait) {
                runs.remove(&run);
                if runs.is_empty() {
                    self.waits.remove(&wait);
                }
            }
        }
        Some(self.runs.get(&run)?.row.clone())
    }

    fn start(&mut self, new: &NewRun, event: Option<&EventRow>, pair: PairKey) -> Started {
        if let Some(name) = &new.once
            && let Some(before) = self.once.get(name)
        {
            return Started::Before(*before);
        }
        let mut at = RunState::Active;
        let mut replaced = Vec::new();
        if let Some(key) = &new.key {
            let place = (new.workflow.clone(), key.clone());
            let taken = self.keys.get(&place).cloned().unwrap_or_default();
            if !taken.is_empty() {
                match new.rule {
                    Rule::Allow => {}
                    Rule::Queue => at = RunState::Blocked,
                    Rule::Skip => {
                        self.side.skipped += 1;
                        return Started::Skipped;
                    }
                    Rule::Replace => {
                        for run in taken {
                            self.remove(run, RunEnd::Replaced);
                            replaced.push(run);
                        }
                    }
                }
            }
            self.keys.entry(place).or_default().push(new.id);
        }
        if let Some(name) = &new.once {
            self.once.insert(name.clone(), new.id);
        }
        self.insert(new, event, at, pair);
        match at {
            RunState::Blocked => Started::Blocked(new.id),
            _ => Started::Active { run: new.id, replaced },
        }
    }

    fn insert(&mut self, new: &NewRun, event: Option<&EventRow>, at: RunState, pair: PairKey) {
        let seq = event.map(|event| event.seq);
        let active = at == RunState::Active;
        let root = match (new.root, event) {
            (0, Some(event)) if event.root != 0 => event.root,
            (0, _) => seq.unwrap_or(0),
            (root, _) => root,
        };
        let row = RunRow {
            id: new.id,
            shop: new.shop.clone(),
            installation: new.installation.clone(),
            workflow: new.workflow.clone(),
            digest: new.digest.clone(),
            settings: new.settings.clone(),
            mode: new.mode.clone(),
            state: at,
            key: new.key.clone(),
            trigger: new.trigger,
            event_seq: seq,
            input: new.input.clone(),
            attempt: 1,
            fence: if active { FIRST_FENCE } else { 0 },
            node: new.node.filter(|_| active),
            due_at: None,
            wait: None,
            cursor: if new.cursor != 0 { new.cursor } else { seq.unwrap_or(self.present) },
            created_at: new.created_at,
            updated_at: new.created_at,
            ended_at: None,
            outcome: None,
            error_code: None,
            error: None,
            chunks: 0,
            entries: 0,
            effects: 0,
            root,
            depth: new.depth,
            parent: new.parent,
        };
        self.side.begin(&pair, new.id);
        let live = Live { row, chunks: Vec::new(), waits: Vec::new(), overlay: BTreeMap::new(), pair };
        self.runs.insert(new.id, live);
    }

    /// Ends a run.
    fn remove(&mut self, run: RunId, end: RunEnd) {
        self.take(run, 0);
        let Some(live) = self.runs.remove(&run) else { return };
        self.side.end(&live.pair, run, end);
        if let Some(key) = live.row.key {
            let place = (live.row.workflow, key);
            if let Some(runs) = self.keys.get_mut(&place) {
                runs.retain(|other| *other != run);
                if runs.is_empty() {
                    self.keys.remove(&place);
                }
            }
        }
    }

    /// Lets the next in line of a key go on, if nothing else of it runs.
    fn unblock(&mut self, place: Option<(String, String)>, node: i64, now: Millis) -> Vec<RunId> {
        let Some(runs) = place.and_then(|place| self.keys.get(&place)) else { return Vec::new() };
        let blocked = |run: &RunId| self.runs.get(run).is_some_and(|live| live.row.state == RunState::Blocked);
        if !runs.iter().all(blocked) {
            return Vec::new();
        }
        let Some(next) = runs.iter().min().copied() else { return Vec::new() };
        if let Some(live) = self.runs.get_mut(&next) {
            live.row.state = RunState::Active;
            live.row.fence += 1;
            live.row.node = Some(node);
            live.row.updated_at = now;
        }
        vec![next]
    }

    fn keep(&mut self, flush: &mut Flush, pair: &PairKey) {
        for row in std::mem::take(&mut flush.effects) {
            if row.state != EffectState::Denied {
                self.counted.add(&row.action, &row.subject, &row.tag, &row.installation, row.created_at);
            }
            self.side.act(pair, Act::of(&row));
        }
        for own in std::mem::take(&mut flush.own) {
            match own {
                Own::Put(put) => {
                    if let Some(live) = self.runs.get_mut(&flush.run) {
                        live.overlay.insert((put.entity.kind, put.entity.id), put.entity.doc.into());
                    }
                }
                Own::Memory(key, value) => {
                    let place = (flush.installation.clone(), key);
                    match value {
                        Some(value) => self.memory.insert(place, value),
                        None => self.memory.remove(&place),
                    };
                }
                Own::PriceChange(row) => self.prices.entry(row.variant.clone()).or_default().push(row),
                // A trial sends nothing and asks nobody.
                Own::Message(_) | Own::Approval(_) => {}
            }
        }
    }

    fn flush(&mut self, mut flush: Flush) -> Flushed {
        let Some(live) = self.runs.get_mut(&flush.run) else { return Flushed::Fenced };
        if live.row.state != RunState::Active || live.row.fence != flush.fence {
            return Flushed::Fenced;
        }
        if !flush.journal.is_empty() {
            live.chunks.push(std::mem::take(&mut flush.journal));
            live.row.chunks += 1;
            live.row.entries += flush.entries;
        }
        live.row.updated_at = flush.now;
        let pair = live.pair.clone();
        let place = live.row.key.clone().map(|key| (live.row.workflow.clone(), key));
        self.keep(&mut flush, &pair);
        let starts = flush.starts.iter().map(|new| self.start(new, None, pair.clone())).collect();
        let mut unblocked = Vec::new();
        match flush.next {
            Next::Stay => {}
            Next::Wait { due_at, wait, events, cursor } => {
                if let Some(live) = self.runs.get_mut(&flush.run) {
                    live.row.state = RunState::Waiting;
                    live.row.due_at = due_at;
                    live.row.wait = Some(wait);
                    live.row.cursor = cursor.unwrap_or(live.row.cursor);
                    live.waits.clone_from(&events);
                }
                self.timers.extend(due_at.map(|at| (at, flush.run)));
                for wait in events {
                    self.waits.entry(wait).or_default().insert(flush.run);
                }
            }
            Next::Retry { due_at, wait, chunks } => {
                if let Some(live) = self.runs.get_mut(&flush.run) {
                    live.chunks.truncate(chunks as usize);
                    live.row.chunks = chunks;
                    live.row.attempt += 1;
                    live.row.state = RunState::Waiting;
                    live.row.due_at = Some(due_at);
                    live.row.wait = Some(wait);
                }
                self.timers.insert((due_at, flush.run));
            }
            Next::Done(_) => {
                self.remove(flush.run, RunEnd::Done);
                unblocked = self.unblock(place, flush.node, flush.now);
            }
            Next::Failed { code, message } => {
                self.remove(flush.run, RunEnd::Failed { code, message });
                unblocked = self.unblock(place, flush.node, flush.now);
            }
            Next::Continue { run, .. } => {
                self.remove(flush.run, RunEnd::Continued);
                if let Some(key) = &run.key {
                    self.keys.entry((run.workflow.clone(), key.clone())).or_default().push(run.id);
                }
                self.insert(&run, None, RunState::Active, pair);
            }
        }
        Flushed::Done { events: Vec::new(), starts, unblocked, already: false }
    }
}

impl World for Replica {
    fn entity(&self, kind: EntityKind, id: &str) -> Option<Stored> {
        let stored = self.history.entity(kind, id, self.clock.now());
        match self.own(&self.state.lock(), kind, id) {
            Some(doc) => {
                let (version, since) = stored.map_or((0, self.clock.now()), |stored| (stored.version, stored.since));
                Some(Stored { doc, version, since })
            }
            None => stored,
        }
    }

    fn owned(&self, kind: EntityKind, owner: &str, after: Option<(i64, &str)>, limit: u32) -> Vec<Doc> {
        self.over(kind, self.history.owned(kind, owner, after, limit, self.clock.now()))
    }

    fn by_alt(&self, kind: EntityKind, alt: &str) -> Option<Doc> {
        let found = self.history.by_alt(kind, alt, self.clock.now())?;
        self.over(kind, vec![found]).pop()
    }

    fn scan(&self, kind: EntityKind, after: Option<&str>, limit: u32) -> Vec<Doc> {
        self.over(kind, self.history.scan(kind, after, limit, self.clock.now()))
    }

    fn product_of_variant(&self, variant: &str) -> Option<Stored> {
        let (id, mut stored) = self.history.product_of_variant(variant, self.clock.now())?;
        if let Some(own) = self.own(&self.state.lock(), EntityKind::Product, &id) {
            stored.doc = own;
        }
        Some(stored)
    }

    fn units_sold(&self, variant: &str, from: Millis, to: Millis) -> i64 {
        self.history.units_sold(variant, from, to, self.clock.now())
    }

    fn price_changes(&self, variant: &str, before: Option<(Millis, i64)>, limit: u32) -> Vec<PriceChangeRow> {
        let mut rows = self.history.prices(variant, self.clock.now()).to_vec();
        if let Some(own) = self.state.lock().prices.get(variant) {
            rows.extend_from_slice(own);
        }
        rows.retain(|row| before.is_none_or(|before| (row.at, row.id) < before));
        rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
        rows.truncate(limit as usize);
        rows
    }

    fn effects_counted(&self, subject: &str, action: Option<&str>, tag: Option<&str>, since: Millis) -> u64 {
        // The engine always names the action.
        let Some(action) = action else { return 0 };
        let now = self.clock.now();
        let past = self.history.counts.on(action, subject, tag, since, now);
        past + self.state.lock().counted.on(action, subject, tag, since, now)
    }

    fn effects_since(&self, installation: Option<&str>, action: &str, since: Millis) -> u64 {
        let now = self.clock.now();
        let past = self.history.counts.of(action, installation, since, now);
        past + self.state.lock().counted.of(action, installation, since, now)
    }

    fn memory(&self, space: &str, key: &str) -> Option<String> {
        self.state.lock().memory.get(&(space.to_owned(), key.to_owned())).cloned()
    }

    fn once(&self, name: &str) -> Option<RunId> {
        self.state.lock().once.get(name).copied()
    }

    fn run(&self, run: RunId) -> Option<RunRow> {
        self.state.lock().runs.get(&run).map(|live| live.row.clone())
    }

    fn journal(&self, run: RunId) -> Vec<Vec<u8>> {
        self.state.lock().runs.get(&run).map(|live| live.chunks.clone()).unwrap_or_default()
    }

    fn event(&self, seq: i64) -> Option<EventRow> {
        self.history.event(seq).map(|event| (**event).clone())
    }

    fn events_matching(&self, entity: Option<&str>, kinds: &[String], after: i64, limit: u32) -> Vec<EventRow> {
        let present = self.state.lock().present;
        self.history.events_matching(entity, kinds, after, present, limit)
    }

    fn latest_seq(&self) -> i64 {
        self.state.lock().present
    }

    fn flush(&self, flush: Flush) -> Flushed {
        self.state.lock().flush(flush)
    }

    fn executing(&self, run: RunId) {
        self.state.lock().executing = Some(run);
    }

    fn seed(&self, run: RunId) -> Option<u64> {
        self.state.lock().seeds.get(&run).copied()
    }
}
