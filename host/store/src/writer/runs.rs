//! Runs: starting under the concurrency rules, waking, ending, unblocking.

use shopwright_model::RunId;

use super::{
    load::{Key, LoadedRun},
    world::World,
};
use crate::ops::{NewRun, Rule, RunState, Started};

/// A run as a batch sees and changes it.
pub(super) struct Run<'a> {
    pub(super) id: i64,
    pub(super) shop: &'a str,
    pub(super) key: Option<Key<'a>>,
    pub(super) state: RunState,
    pub(super) fence: i64,
    pub(super) node: Option<i64>,
    pub(super) cursor: i64,
    pub(super) chunks: i64,
    pub(super) due_at: Option<i64>,
    /// None: what it was. `Some(None)`: nothing.
    pub(super) wait: Option<Option<&'a str>>,
    pub(super) updated_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) outcome: Option<&'a str>,
    pub(super) error_code: Option<&'a str>,
    pub(super) error: Option<String>,
    /// How many more.
    pub(super) attempts: i64,
    pub(super) entries: i64,
    pub(super) effects: i64,
    /// What it waits for since this batch.
    pub(super) waits: Option<&'a [(String, String)]>,
    /// It waited before this batch: rows of `waits` are there.
    pub(super) had_waits: bool,
    pub(super) changed: bool,
    /// It is new: the run, `event_seq` and root.
    pub(super) fresh: Option<(&'a NewRun, Option<i64>, i64)>,
}

impl<'a> Run<'a> {
    pub(super) fn of_loaded(loaded: &'a LoadedRun) -> Self {
        let key = loaded
            .key
            .as_ref()
            .map(|(installation, workflow, key)| (&*loaded.shop, &**installation, &**workflow, &**key));
        Self {
            id: loaded.id,
            shop: &loaded.shop,
            key,
            state: loaded.state,
            fence: loaded.fence,
            node: loaded.node,
            cursor: loaded.cursor,
            chunks: loaded.chunks,
            due_at: None,
            wait: None,
            updated_at: 0,
            ended_at: None,
            outcome: None,
            error_code: None,
            error: None,
            attempts: 0,
            entries: 0,
            effects: 0,
            waits: None,
            had_waits: loaded.state == RunState::Waiting,
            changed: false,
            fresh: None,
        }
    }

    /// Active, with a new fence: whoever held it before holds it no more.
    pub(super) fn take(&mut self, node: impl Into<Option<i64>>, now: i64) {
        self.state = RunState::Active;
        self.fence += 1;
        self.node = node.into();
        self.due_at = None;
        self.waits = None;
        self.updated_at = now;
        self.changed = true;
    }

    pub(super) fn end(&mut self, state: RunState, now: i64) {
        self.state = state;
        self.node = None;
        self.due_at = None;
        self.wait = Some(None);
        self.waits = None;
        self.updated_at = now;
        self.ended_at = Some(now);
        self.changed = true;
    }

    /// Ends it from outside: with a new fence, so that a flush under way is refused.
    fn cancel(&mut self, code: &'static str, reason: String, now: i64) {
        self.end(RunState::Cancelled, now);
        self.fence += 1;
        self.error_code = Some(code);
        self.error = Some(reason);
    }
}

impl<'a> World<'a> {
    /// Starts a run under its rule. `event`: number and root of the event it comes with.
    pub(super) fn start(&mut self, run: &'a NewRun, event: Option<(i64, i64)>) -> Started {
        if let Some(name) = &run.once
            && let Some(before) = self.once.get(&(&*run.shop, &**name))
        {
            return Started::Before(RunId(*before));
        }
        if self.runs.get(&run.id.0).is_some_and(|known| known.fresh.is_some()) {
            // Ids are given once; the same one again in this batch is the same start again.
            return Started::Before(run.id);
        }
        let key = run.key.as_deref().map(|key| (&*run.shop, &*run.installation, &*run.workflow, key));
        let live = key.and_then(|key| self.keys.get(&key)).cloned().unwrap_or_default();
        let mut replaced = Vec::new();
        let mut state = RunState::Active;
        if !live.is_empty() {
            match run.rule {
                Rule::Allow => {}
                Rule::Queue => state = RunState::Blocked,
                Rule::Skip => return Started::Skipped,
                Rule::Replace => {
                    for id in live {
                        if let Some(other) = self.runs.get_mut(&id) {
                            other.cancel("replaced", format!("replaced by {}", run.id), run.created_at);
                            replaced.push(RunId(id));
                        }
                    }
                    if let Some(key) = key {
                        self.keys.remove(&key);
                    }
                }
            }
        }
        self.insert(run, event, state);
        if let Some(name) = &run.once {
            self.once.insert((&run.shop, name), run.id.0);
            self.new_once.push((&run.shop, name, run.id.0, run.created_at));
        }
        match state {
            RunState::Blocked => Started::Blocked(run.id),
            _ => Started::Active { run: run.id, replaced },
        }
    }

    /// Adds a run in a state that has been decided.
    pub(super) fn insert(&mut self, run: &'a NewRun, event: Option<(i64, i64)>, state: RunState) {
        let key = run.key.as_deref().map(|key| (&*run.shop, &*run.installation, &*run.workflow, key));
        if let Some(key) = key {
            self.keys.entry(key).or_default().push(run.id.0);
        }
        let event_seq = if run.event_seq == 0 { event.map(|(seq, _)| seq) } else { Some(run.event_seq) };
        let root = match (run.root, event) {
            (0, Some((_, root))) => root,
            (0, None) => event_seq.unwrap_or(0),
            (root, _) => root,
        };
        let cursor = match (run.cursor, event) {
            (0, Some((seq, _))) => seq,
            (0, None) => self.seq,
            (cursor, _) => cursor,
        };
        let node = if state == RunState::Active { run.node } else { None };
        self.runs.insert(
            run.id.0,
            Run {
                id: run.id.0,
                shop: &run.shop,
                key,
                state,
                // Whoever is told that it is theirs knows the first fence without reading it.
                fence: i64::from(node.is_some()),
                node,
                cursor,
                chunks: 0,
                due_at: None,
                wait: Some(None),
                updated_at: run.created_at,
                ended_at: None,
                outcome: None,
                error_code: None,
                error: None,
                attempts: 0,
                entries: 0,
                effects: 0,
                waits: None,
                had_waits: false,
                changed: true,
                fresh: Some((run, event_seq, root)),
            },
        );
    }

    /// Takes an ended run off its key and lets the next in line go on, if nothing else of the key runs.
    pub(super) fn unblock(&mut self, ended: i64, node: Option<i64>, now: i64) -> Vec<RunId> {
        let Some(key) = self.runs.get(&ended).and_then(|run| run.key) else { return Vec::new() };
        let Some(live) = self.keys.get_mut(&key) else { return Vec::new() };
        live.retain(|id| *id != ended);
        let states = |id: &i64| self.runs.get(id).map(|run| run.state);
        if live.iter().any(|id| states(id) != Some(RunState::Blocked)) {
            return Vec::new();
        }
        let Some(next) = live.iter().min().copied() else { return Vec::new() };
        if let Some(run) = self.runs.get_mut(&next) {
            run.take(node, now);
        }
        vec![RunId(next)]
    }

    /// Ends a live run from outside; whether there was one. The next of its key is left to whoever
    /// claims it.
    pub(super) fn cancel(&mut self, shop: &str, run: RunId, now: i64, reason: &str) -> bool {
        let Some(found) = self.runs.get_mut(&run.0) else { return false };
        if found.shop != shop || found.state.is_ended() {
            return false;
        }
        found.cancel("cancelled", reason.to_owned(), now);
        self.unblock(run.0, None, now);
        true
    }
}
