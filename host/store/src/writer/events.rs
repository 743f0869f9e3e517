//! Accepting events.

use std::collections::HashSet;

use super::world::{Event, World};
use crate::ops::{Accepted, NewEvent, RunState};

impl<'a> World<'a> {
    /// Accepts an event: once. `now`: when a run emits it, its time; else that of the event's receipt.
    pub(super) fn accept(&mut self, event: &'a NewEvent, now: Option<i64>) -> Accepted {
        let name = (&*event.shop, &*event.source, &*event.id);
        if let Some(seq) = self.known_events.get(&name) {
            return Accepted { seq: *seq, duplicate: true, runs: Vec::new(), woken: Vec::new() };
        }
        self.seq += 1;
        let seq = self.seq;
        self.known_events.insert(name, seq);
        let root = if event.root == 0 { seq } else { event.root };
        for put in &event.puts {
            self.documents.put(&event.shop, put);
        }
        for (kind, id) in &event.removes {
            self.documents.remove(&event.shop, *kind, id, event.at);
        }
        let now = now.unwrap_or(event.received_at);
        let mut woken = Vec::new();
        for entity in concerns(event).into_iter().chain(["*"]) {
            let pair = (&*event.shop, entity, &*event.kind);
            self.latest.insert(pair, seq);
            for run in self.waits.get(&pair).cloned().unwrap_or_default() {
                if self.wake(run, pair, now) {
                    woken.push(shopwright_model::RunId(run));
                }
            }
        }
        self.events.push(Event { event, seq, root });
        let runs = event.runs.iter().map(|run| self.start(run, Some((seq, root)))).collect();
        Accepted { seq, duplicate: false, runs, woken }
    }

    /// Wakes a run that waits for `pair`; whether it did.
    fn wake(&mut self, run: i64, pair: super::load::Pair<'a>, now: i64) -> bool {
        let node = self.node;
        let Some(run) = self.runs.get_mut(&run) else { return false };
        // It may have been woken by another event, or wait for something else by now.
        let waits = run.state == RunState::Waiting
            && run.waits.is_none_or(|waits| waits.iter().any(|(entity, kind)| entity == pair.1 && kind == pair.2));
        if waits {
            run.take(node, now);
        }
        waits
    }
}

/// What an event concerns, each once, in order.
pub(super) fn concerns(event: &NewEvent) -> Vec<&str> {
    let mut seen = HashSet::with_capacity(event.concerns.len());
    event.concerns.iter().map(|entity| &**entity).filter(|entity| *entity != "*" && seen.insert(*entity)).collect()
}
