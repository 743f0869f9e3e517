//! Writes what a batch came to: a statement for each table, none for a table without rows.

use super::{
    events::concerns,
    world::{Event, World},
};
use crate::{
    blob,
    error::{Result, StoreError},
    ops::RunState,
    sql::{Connection, Rows, Ty, args},
};

use Ty::{Bytes as B, Int as I, Text as T};

impl World<'_> {
    /// Whether anything was written.
    pub(super) async fn emit(&self, c: &mut Connection) -> Result<bool> {
        let mut wrote = self.emit_events(c).await?;
        wrote |= self.documents.emit(c).await?;
        wrote |= self.emit_runs(c).await?;
        wrote |= self.emit_waits(c).await?;
        wrote |= self.emit_history(c).await?;
        wrote |= self.emit_effects(c).await?;
        wrote |= self.emit_own(c).await?;
        Ok(wrote)
    }

    async fn emit_events(&self, c: &mut Connection) -> Result<bool> {
        let mut events = Rows::new(&[I, T, T, T, T, I, I, T, T, I, I, I]);
        let mut about = Rows::new(&[T, T, T, I]);
        for Event { event, seq, root } in &self.events {
            let list = concerns(event);
            let text = serde_json::to_string(&list).map_err(|error| StoreError::invalid(error.to_string()))?;
            events.push([
                (*seq).into(),
                (&event.shop).into(),
                (&event.source).into(),
                (&event.id).into(),
                (&event.kind).into(),
                event.at.into(),
                event.received_at.into(),
                text.into(),
                (&event.data).into(),
                event.run.into(),
                (*root).into(),
                event.depth.into(),
            ]);
            for entity in list.into_iter().chain(["*"]) {
                about.push([(&event.shop).into(), entity.into(), (&event.kind).into(), (*seq).into()]);
            }
        }
        let wrote = !events.is_empty();
        c.execute_rows(
            "INSERT INTO events (seq, shop, source, id, kind, at, received_at, concerns, data, run, root, depth) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
             column12 FROM {v}",
            args![],
            events,
        )
        .await?;
        c.execute_rows(
            "INSERT INTO event_concerns (shop, entity, kind, seq) SELECT column1, column2, column3, column4 FROM {v}",
            args![],
            about,
        )
        .await?;
        Ok(wrote)
    }

    async fn emit_runs(&self, c: &mut Connection) -> Result<bool> {
        let mut new =
            Rows::new(&[I, T, T, T, T, T, T, T, T, T, I, T, I, I, I, I, T, I, I, I, I, T, T, T, I, I, I, I, I, I]);
        let mut changed = Rows::new(&[I, T, I, I, I, I, T, I, I, I, T, T, T, I, I, I, I]);
        let mut ids: Vec<i64> = self.runs.values().filter(|run| run.changed).map(|run| run.id).collect();
        ids.sort_unstable();
        for run in ids.iter().map(|id| &self.runs[id]) {
            let wait = run.wait.flatten();
            if let Some((fresh, event_seq, root)) = &run.fresh {
                new.push([
                    run.id.into(),
                    (&fresh.shop).into(),
                    (&fresh.installation).into(),
                    (&fresh.workflow).into(),
                    (&fresh.digest).into(),
                    (&fresh.settings).into(),
                    (&fresh.mode).into(),
                    run.state.as_str().into(),
                    (&fresh.key).into(),
                    fresh.trigger.as_str().into(),
                    (*event_seq).into(),
                    (&fresh.input).into(),
                    // The first try is number 1.
                    (1 + run.attempts).into(),
                    run.fence.into(),
                    run.node.into(),
                    run.due_at.into(),
                    wait.into(),
                    run.cursor.into(),
                    fresh.created_at.into(),
                    run.updated_at.into(),
                    run.ended_at.into(),
                    run.outcome.into(),
                    run.error_code.into(),
                    (&run.error).into(),
                    run.chunks.into(),
                    run.entries.into(),
                    run.effects.into(),
                    (*root).into(),
                    fresh.depth.into(),
                    fresh.parent.into(),
                ]);
            } else {
                changed.push([
                    run.id.into(),
                    run.state.as_str().into(),
                    run.fence.into(),
                    run.node.into(),
                    run.due_at.into(),
                    run.wait.is_none().into(),
                    wait.into(),
                    run.cursor.into(),
                    run.updated_at.into(),
                    run.ended_at.into(),
                    run.outcome.into(),
                    run.error_code.into(),
                    (&run.error).into(),
                    run.chunks.into(),
                    run.entries.into(),
                    run.effects.into(),
                    run.attempts.into(),
                ]);
            }
        }
        c.execute_rows(
            "INSERT INTO runs (id, shop, installation, workflow, digest, settings, mode, state, key, trigger_kind, event_seq, \
             input, attempt, fence, node, due_at, wait, cursor, created_at, updated_at, ended_at, outcome, error_code, error, \
             chunks, entries, effects, root, depth, parent) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
             column12, column13, column14, column15, column16, column17, column18, column19, column20, column21, column22, \
             column23, column24, column25, column26, column27, column28, column29, column30 FROM {v}",
            args![],
            new,
        )
        .await?;
        c.execute_rows(
            "UPDATE runs SET state = v.column2, fence = v.column3, node = v.column4, due_at = v.column5, \
             wait = CASE WHEN v.column6 = 1 THEN runs.wait ELSE v.column7 END, cursor = v.column8, updated_at = v.column9, \
             ended_at = v.column10, outcome = v.column11, error_code = v.column12, error = v.column13, chunks = v.column14, \
             entries = runs.entries + v.column15, effects = runs.effects + v.column16, attempt = runs.attempt + v.column17 \
             FROM {v} WHERE runs.id = v.column1",
            args![],
            changed,
        )
        .await?;
        let mut once = Rows::new(&[T, T, I, I]);
        for (shop, name, run, at) in &self.new_once {
            once.push([(*shop).into(), (*name).into(), (*run).into(), (*at).into()]);
        }
        c.execute_rows(
            "INSERT INTO once (shop, name, run, at) SELECT column1, column2, column3, column4 FROM {v}",
            args![],
            once,
        )
        .await?;
        Ok(!ids.is_empty())
    }

    async fn emit_waits(&self, c: &mut Connection) -> Result<bool> {
        let mut gone: Vec<i64> =
            self.runs.values().filter(|run| run.changed && run.had_waits).map(|run| run.id).collect();
        gone.sort_unstable();
        let mut waiting: Vec<_> = self
            .runs
            .values()
            .filter(|run| run.changed && run.state == RunState::Waiting)
            .filter_map(|run| Some((run.id, run.shop, run.waits?)))
            .collect();
        waiting.sort_unstable_by_key(|(id, ..)| *id);
        let mut new = Rows::new(&[T, T, T, I]);
        for (id, shop, events) in waiting {
            for (entity, kind) in events {
                new.push([shop.into(), entity.into(), kind.into(), id.into()]);
            }
        }
        let wrote = !gone.is_empty() || !new.is_empty();
        c.execute_rows("DELETE FROM waits WHERE run IN (SELECT column1 FROM {v})", args![], Rows::ints(gone)).await?;
        c.execute_rows(
            "INSERT INTO waits (shop, entity, kind, run) SELECT column1, column2, column3, column4 FROM {v} WHERE true \
             ON CONFLICT DO NOTHING",
            args![],
            new,
        )
        .await?;
        Ok(wrote)
    }

    async fn emit_history(&self, c: &mut Connection) -> Result<bool> {
        let mut cuts = Rows::new(&[I, I]);
        for (run, chunks) in &self.journal_cuts {
            cuts.push([(*run).into(), (*chunks).into()]);
        }
        let mut journal = Rows::new(&[I, I, T, B]);
        for (run, chunk, shop, bytes) in &self.journal {
            // The flush that cuts may bring a chunk of its own.
            if !self.journal_cuts.iter().any(|(cut, chunks)| cut == run && chunk >= chunks) {
                journal.push([(*run).into(), (*chunk).into(), (*shop).into(), blob::pack(bytes).into()]);
            }
        }
        let mut logs = Rows::new(&[I, T, B]);
        for (run, shop, bytes) in &self.logs {
            logs.push([(*run).into(), (*shop).into(), blob::pack(bytes).into()]);
        }
        let wrote = !(cuts.is_empty() && journal.is_empty() && logs.is_empty());
        c.execute_rows(
            "DELETE FROM journal WHERE (run, chunk) IN (SELECT j.run, j.chunk FROM {v} CROSS JOIN journal j \
             WHERE j.run = v.column1 AND j.chunk >= v.column2)",
            args![],
            cuts,
        )
        .await?;
        c.execute_rows(
            "INSERT INTO journal (run, chunk, shop, bytes) SELECT column1, column2, column3, column4 FROM {v}",
            args![],
            journal,
        )
        .await?;
        c.execute_rows(
            "INSERT INTO run_logs (run, shop, bytes) SELECT column1, column2, column3 FROM {v}",
            args![],
            logs,
        )
        .await?;
        Ok(wrote)
    }

    async fn emit_effects(&self, c: &mut Connection) -> Result<bool> {
        let mut effects: Vec<_> = self.effects.values().collect();
        effects.sort_unstable_by_key(|effect| (effect.run, effect.position));
        let mut set = Rows::new(&[I, I, T, T, T, T, T, T, T, T, T, I, I, T, T, I, I]);
        for effect in effects {
            set.push([
                effect.run.into(),
                effect.position.into(),
                (&effect.id).into(),
                (&effect.shop).into(),
                (&effect.installation).into(),
                (&effect.action).into(),
                (&effect.subject).into(),
                (&effect.request).into(),
                effect.state.as_str().into(),
                (&effect.connector).into(),
                (&effect.answer).into(),
                effect.attempts.into(),
                effect.next_at.into(),
                (&effect.error).into(),
                (&effect.tag).into(),
                effect.created_at.into(),
                effect.updated_at.into(),
            ]);
        }
        let wrote = !set.is_empty();
        c.execute_rows(
            "INSERT INTO effects (run, position, id, shop, installation, action, subject, request, state, connector, answer, \
             attempts, next_at, error, tag, created_at, updated_at) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
             column12, column13, column14, column15, column16, column17 FROM {v} WHERE true \
             ON CONFLICT (run, position) DO UPDATE SET state = excluded.state, connector = excluded.connector, \
             answer = excluded.answer, attempts = excluded.attempts, next_at = excluded.next_at, error = excluded.error, \
             updated_at = excluded.updated_at",
            args![],
            set,
        )
        .await?;
        Ok(wrote)
    }

    async fn emit_own(&self, c: &mut Connection) -> Result<bool> {
        let mut facts = Rows::new(&[T, T, I]);
        let mut bumped: Vec<_> = self.bumped.iter().collect();
        bumped.sort_unstable();
        for fact in bumped {
            facts.push([fact.0.into(), fact.1.into(), self.facts[fact].into()]);
        }
        let mut messages = Rows::new(&[T, T, T, T, T, T, T, T, I, I, I]);
        for m in &self.messages {
            messages.push([
                (&m.id).into(),
                (&m.shop).into(),
                (&m.channel).into(),
                (&m.recipient).into(),
                (&m.customer).into(),
                (&m.subject).into(),
                (&m.text).into(),
                (&m.html).into(),
                m.at.into(),
                m.run.into(),
                m.seq.into(),
            ]);
        }
        let mut wrote = !(facts.is_empty() && messages.is_empty());
        c.execute_rows(
            "INSERT INTO facts (shop, key, version) SELECT column1, column2, column3 FROM {v} WHERE true \
             ON CONFLICT (shop, key) DO UPDATE SET version = excluded.version",
            args![],
            facts,
        )
        .await?;
        c.execute_rows(
            "INSERT INTO messages (id, shop, channel, recipient, customer, subject, text, html, at, run, seq) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11 \
             FROM {v} WHERE true ON CONFLICT DO NOTHING",
            args![],
            messages,
        )
        .await?;
        wrote |= self.emit_memory(c).await?;
        wrote |= self.emit_prices_and_approvals(c).await?;
        Ok(wrote)
    }

    async fn emit_memory(&self, c: &mut Connection) -> Result<bool> {
        let mut memory: Vec<_> = self.memory.iter().collect();
        memory.sort_unstable();
        let (mut gone, mut kept) = (Rows::new(&[T, T, T]), Rows::new(&[T, T, T, T]));
        for ((shop, installation, key), value) in memory {
            match value {
                None => gone.push([(*shop).into(), (*installation).into(), (*key).into()]),
                Some(value) => kept.push([(*shop).into(), (*installation).into(), (*key).into(), (*value).into()]),
            }
        }
        let wrote = !(gone.is_empty() && kept.is_empty());
        c.execute_rows(
            "DELETE FROM memory WHERE (shop, installation, key) IN (SELECT column1, column2, column3 FROM {v})",
            args![],
            gone,
        )
        .await?;
        c.execute_rows(
            "INSERT INTO memory (shop, installation, key, value) SELECT column1, column2, column3, column4 FROM {v} WHERE true \
             ON CONFLICT (shop, installation, key) DO UPDATE SET value = excluded.value",
            args![],
            kept,
        )
        .await?;
        Ok(wrote)
    }

    async fn emit_prices_and_approvals(&self, c: &mut Connection) -> Result<bool> {
        let mut prices = Rows::new(&[I, T, T, I, I, I, T, T, T]);
        for p in &self.price_changes {
            prices.push([
                p.id.into(),
                (&p.shop).into(),
                (&p.variant).into(),
                p.at.into(),
                p.before.into(),
                p.after.into(),
                (&p.currency).into(),
                (&p.reason).into(),
                (&p.by).into(),
            ]);
        }
        let mut ids: Vec<_> = self.approvals.keys().collect();
        ids.sort_unstable();
        let mut approvals = Rows::new(&[T, T, I, I, T, T, T, T, T, T, I, I, T, T, I]);
        for a in ids.into_iter().map(|id| self.approvals[id]) {
            approvals.push([
                (&a.id).into(),
                (&a.shop).into(),
                a.run.into(),
                a.position.into(),
                (&a.title).into(),
                (&a.details).into(),
                (&a.choices).into(),
                (&a.state).into(),
                (&a.asked).into(),
                (&a.escalate_to).into(),
                a.deadline_at.into(),
                a.created_at.into(),
                (&a.choice).into(),
                (&a.answered_by).into(),
                a.answered_at.into(),
            ]);
        }
        let wrote = !(prices.is_empty() && approvals.is_empty());
        c.execute_rows(
            "INSERT INTO price_changes (id, shop, variant, at, before_amount, after_amount, currency, reason, by_whom) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9 FROM {v} WHERE true \
             ON CONFLICT DO NOTHING",
            args![],
            prices,
        )
        .await?;
        c.execute_rows(
            "INSERT INTO approvals (id, shop, run, position, title, details, choices, state, asked, escalate_to, deadline_at, \
             created_at, choice, answered_by, answered_at) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
             column12, column13, column14, column15 FROM {v} WHERE true \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, asked = excluded.asked, \
             escalate_to = excluded.escalate_to, deadline_at = excluded.deadline_at, choice = excluded.choice, \
             answered_by = excluded.answered_by, answered_at = excluded.answered_at",
            args![],
            approvals,
        )
        .await?;
        Ok(wrote)
    }
}
