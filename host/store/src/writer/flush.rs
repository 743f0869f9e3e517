//! Flushes: what a run leaves behind, all or nothing.

use std::collections::HashSet;

use shopwright_model::RunId;

use super::world::{World, reference};
use crate::ops::{Flush, Flushed, Next, Own, RunState};

impl<'a> World<'a> {
    pub(super) fn flush(&mut self, flush: &'a Flush) -> Flushed {
        let Some(run) = self.runs.get(&flush.run.0) else { return Flushed::Fenced };
        if run.state != RunState::Active || run.fence != flush.fence || run.node != Some(flush.node) {
            return Flushed::Fenced;
        }
        if let Some(key) = self.conflict(flush, run.chunks) {
            return Flushed::Conflict { key };
        }
        for key in &flush.bumps {
            let fact = (&*flush.shop, &**key);
            *self.facts.entry(fact).or_insert(0) += 1;
            self.bumped.insert(fact);
        }
        self.own(flush);
        let events = flush.events.iter().map(|event| self.accept(event, Some(flush.now))).collect();
        let starts = flush.starts.iter().map(|run| self.start(run, None)).collect();
        self.history(flush);
        let (unblocked, already) = self.next(flush);
        Flushed::Done { events, starts, unblocked, already }
    }

    /// What changed since the run read it.
    fn conflict(&self, flush: &'a Flush, chunks: i64) -> Option<String> {
        // A flush that was written, but whose answer was lost, and that is tried again.
        if !flush.journal.is_empty() && i64::from(flush.chunk) != chunks {
            return Some(format!("journal:{}", flush.run));
        }
        for (key, version) in &flush.expects {
            if self.facts.get(&(&*flush.shop, &**key)).copied().unwrap_or(0) != *version {
                return Some(key.clone());
            }
        }
        // Only the first change of a document is against what is stored.
        let mut seen = HashSet::new();
        for own in &flush.own {
            if let Own::Put(put) = own
                && seen.insert((put.entity.kind, &put.entity.id))
                && let Some(version) = put.expect
                && self.documents.version(&flush.shop, put.entity.kind, &put.entity.id) != version
            {
                return Some(reference(put.entity.kind, &put.entity.id));
            }
        }
        None
    }

    fn own(&mut self, flush: &'a Flush) {
        for own in &flush.own {
            match own {
                Own::Put(put) => self.documents.put_checked(&flush.shop, put),
                Own::Memory(key, value) => {
                    self.memory.insert((&flush.shop, &flush.installation, key), value.as_deref());
                }
                Own::Message(message) => self.messages.push(message),
                Own::PriceChange(change) => self.price_changes.push(change),
                Own::Approval(approval) => drop(self.approvals.insert(&approval.id, approval)),
            }
        }
    }

    /// Journal, log and ledger.
    fn history(&mut self, flush: &'a Flush) {
        let id = flush.run.0;
        let mut new_effects = 0;
        for effect in &flush.effects {
            let key = (effect.run.0, i64::from(effect.position));
            let known = self.effects.insert((effect.run.0, effect.position), effect).is_some();
            if !known && !self.effects_there.contains(&key) {
                new_effects += 1;
            }
        }
        if !flush.log.is_empty() {
            self.logs.push((id, &flush.shop, &flush.log));
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.effects += new_effects;
        run.entries += i64::from(flush.entries);
        run.updated_at = flush.now;
        run.changed = true;
        if !flush.journal.is_empty() {
            run.chunks += 1;
            self.journal.push((id, flush.chunk, &flush.shop, &flush.journal));
        }
    }

    /// How the run goes on: whom that unblocks, and whether what it waits for is there already.
    fn next(&mut self, flush: &'a Flush) -> (Vec<RunId>, bool) {
        let id = flush.run.0;
        let Some(run) = self.runs.get_mut(&id) else { return (Vec::new(), false) };
        match &flush.next {
            Next::Stay => {}
            Next::Wait { due_at, wait, events, cursor } => {
                run.cursor = cursor.unwrap_or(run.cursor);
                run.wait = Some(Some(wait));
                let there = |(entity, kind): &(String, String)| {
                    self.latest.get(&(&*flush.shop, &**entity, &**kind)).is_some_and(|seq| *seq > run.cursor)
                };
                if events.iter().any(there) {
                    return (Vec::new(), true);
                }
                run.state = RunState::Waiting;
                run.node = None;
                run.due_at = *due_at;
                run.waits = Some(events);
                for (entity, kind) in events {
                    self.waits.entry((&flush.shop, entity, kind)).or_default().push(id);
                }
            }
            Next::Retry { due_at, wait, chunks } => {
                run.state = RunState::Waiting;
                run.node = None;
                run.due_at = Some(*due_at);
                run.wait = Some(Some(wait));
                run.waits = Some(&[]);
                run.attempts += 1;
                if i64::from(*chunks) < run.chunks {
                    run.chunks = i64::from(*chunks);
                    self.journal_cuts.push((id, *chunks));
                }
            }
            Next::Done(outcome) => {
                run.end(RunState::Done, flush.now);
                run.outcome = Some(outcome);
                return (self.unblock(id, Some(self.node), flush.now), false);
            }
            Next::Failed { code, message } => {
                run.end(RunState::Failed, flush.now);
                run.error_code = Some(code);
                run.error = Some(message.clone());
                return (self.unblock(id, Some(self.node), flush.now), false);
            }
            Next::Continue { handed_on, run: next } => {
                run.end(RunState::Done, flush.now);
                run.outcome = Some(handed_on);
                // It inherits the key, ahead of those in line.
                if let Some(live) = run.key.and_then(|key| self.keys.get_mut(&key)) {
                    live.retain(|other| *other != id);
                }
                self.insert(next, None, RunState::Active);
            }
        }
        (Vec::new(), false)
    }
}
