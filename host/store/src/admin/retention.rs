//! Retention: what is old enough goes, in small steps that do not hold the writer up.
//!
//! Events are looked through in the order of acceptance, one pass at a time: those that a live run
//! began with stay for as long as it lives (its replay needs them), and the very last event stays
//! always (the next one's number is counted from it).

use std::collections::HashSet;

use shopwright_model::{Millis, RunId};

use crate::{
    error::{Result, StoreError},
    rows::Retention,
    sql::{Rows, Statement, Ty, args},
    store::Store,
};

/// How far the pass over the events is.
#[derive(Debug)]
pub(crate) struct Pass {
    after: i64,
    /// Numbers of the events that live runs began with.
    needed: HashSet<i64>,
}

impl Store {
    /// Removes at most about `limit` rows of each kind; how many it removed. To be called again and
    /// again until it removes none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn retention_step(&self, cutoffs: Retention, limit: u32) -> Result<u64> {
        let mut removed = 0;
        if let Some(before) = cutoffs.events_before {
            removed += self.events_step(before, limit).await?;
            for sql in [
                "DELETE FROM deliveries WHERE (shop, key) IN (SELECT shop, key FROM deliveries WHERE at < ? ORDER BY at LIMIT ?) \
                 RETURNING 1",
                "DELETE FROM once WHERE (shop, name) IN (SELECT shop, name FROM once WHERE at < ? ORDER BY at LIMIT ?) \
                 RETURNING 1",
            ] {
                removed += self.delete(Statement::new(sql, args![before, limit])).await?;
            }
        }
        if let Some(before) = cutoffs.journals_before {
            removed += self.journals_step(before, limit).await?;
        }
        if let Some(before) = cutoffs.past_before {
            let statement = Statement::new(
                "DELETE FROM entities_past WHERE n IN (SELECT n FROM entities_past ORDER BY n LIMIT ?) AND till < ? RETURNING 1",
                args![limit, before],
            );
            removed += self.delete(statement).await?;
        }
        if let Some(before) = cutoffs.messages_before {
            removed += self.messages_step(before, limit).await?;
        }
        Ok(removed)
    }

    async fn delete(&self, statement: Statement<'_>) -> Result<u64> {
        Ok(self.write_one(statement).await?.len() as u64)
    }

    async fn events_step(&self, before: Millis, limit: u32) -> Result<u64> {
        // Taken in a statement of its own: the guard must not live across the query.
        let kept = self.inner.pass.lock().take();
        let mut pass = match kept {
            Some(pass) => pass,
            None => self.begin_pass().await?,
        };
        let statement = Statement::new(
            "SELECT seq, received_at, shop, kind, concerns FROM events \
             WHERE seq > ? AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?",
            args![pass.after, limit],
        );
        let (mut seqs, mut concerns) = (Vec::new(), Rows::new(&[Ty::Text, Ty::Text, Ty::Text, Ty::Int]));
        let mut ended = true;
        for row in self.fetch(statement).await? {
            let seq = row.int(0)?;
            ended = row.int(1)? >= before;
            if ended {
                break;
            }
            pass.after = seq;
            if pass.needed.contains(&seq) {
                continue;
            }
            seqs.push(seq);
            let (shop, kind) = (row.text(2)?, row.text(3)?);
            let entities: Vec<String> = serde_json::from_str(row.str(4)?)
                .map_err(|error| StoreError::corrupt(format!("the concerns of event {seq} are no list: {error}")))?;
            for entity in entities.iter().map(String::as_str).chain(["*"]) {
                concerns.push([shop.clone().into(), entity.to_owned().into(), kind.clone().into(), seq.into()]);
            }
        }
        let removed = seqs.len() as u64;
        if !seqs.is_empty() {
            let gone = Statement::with_rows(
                "DELETE FROM events WHERE seq IN (SELECT column1 FROM {v})",
                args![],
                Rows::ints(seqs),
            );
            let concerns = Statement::with_rows(
                "DELETE FROM event_concerns WHERE (shop, entity, kind, seq) IN (SELECT column1, column2, column3, column4 FROM {v})",
                args![],
                concerns,
            );
            self.write(vec![gone, concerns]).await?;
        }
        if !ended {
            *self.inner.pass.lock() = Some(pass);
        }
        Ok(removed)
    }

    async fn begin_pass(&self) -> Result<Pass> {
        let statement = Statement::new(
            "SELECT event_seq FROM runs WHERE state IN ('active', 'blocked', 'waiting') AND event_seq IS NOT NULL",
            args![],
        );
        let needed = self.fetch(statement).await?.iter().map(|row| row.int(0)).collect::<Result<_>>()?;
        Ok(Pass { after: 0, needed })
    }

    async fn journals_step(&self, before: Millis, limit: u32) -> Result<u64> {
        let statement = Statement::new(
            "SELECT id FROM runs WHERE ended_at IS NOT NULL AND kept = 1 AND ended_at < ? ORDER BY ended_at LIMIT ?",
            args![before, limit],
        );
        let runs = self.fetch(statement).await?.iter().map(|row| row.int(0).map(RunId)).collect::<Result<Vec<_>>>()?;
        if runs.is_empty() {
            return Ok(0);
        }
        let of = |sql| Statement::with_rows(sql, args![], Rows::ints(runs.iter().map(|run| run.0)));
        self.write(vec![
            of("DELETE FROM journal WHERE run IN (SELECT column1 FROM {v})"),
            of("DELETE FROM run_logs WHERE run IN (SELECT column1 FROM {v})"),
            of("UPDATE runs SET kept = 0 WHERE id IN (SELECT column1 FROM {v})"),
        ])
        .await?;
        Ok(runs.len() as u64)
    }

    async fn messages_step(&self, before: Millis, limit: u32) -> Result<u64> {
        // The shops that have messages, one index look-up each.
        let shops = Statement::new(
            "WITH RECURSIVE s(shop) AS (SELECT min(shop) FROM messages \
             UNION ALL SELECT (SELECT min(m.shop) FROM messages m WHERE m.shop > s.shop) FROM s WHERE s.shop IS NOT NULL) \
             SELECT shop FROM s WHERE shop IS NOT NULL",
            args![],
        );
        let mut removed = 0;
        for row in self.fetch(shops).await? {
            let statement = Statement::new(
                "DELETE FROM messages WHERE (shop, seq, id) IN \
                 (SELECT shop, seq, id FROM messages WHERE shop = ? ORDER BY seq LIMIT ?) AND at < ? RETURNING 1",
                args![row.text(0)?, limit, before],
            );
            removed += self.delete(statement).await?;
        }
        Ok(removed)
    }
}
