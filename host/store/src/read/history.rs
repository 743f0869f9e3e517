//! What trials load at once: the recorded events, the model's versions, runs and ledger of a span.

use std::sync::Arc;

use shopwright_model::{EntityKind, Millis, RunId};

use super::{effects::effect, events::event, runs::run_row};
use crate::{
    error::{Result, StoreError},
    ops::{EffectRow, EventRow, PriceChangeRow, RunRow},
    sql::{Row, Statement, args},
    store::Store,
};

/// A version of a document, present or past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// For past ones: their place in the order in which versions ended. 0: the present one.
    pub n: i64,
    /// Kind.
    pub kind: EntityKind,
    /// Id.
    pub id: String,
    /// As of [`crate::Stored::version`].
    pub version: i64,
    /// From when it was so.
    pub since: Millis,
    /// Until when; none: it is so.
    pub till: Option<Millis>,
    /// Whom it belongs to.
    pub owner: Option<String>,
    /// Second name and sort term; of past versions they are not kept (the document tells).
    pub terms: Option<(Option<String>, i64)>,
    /// JSON text.
    pub doc: Arc<str>,
}

/// An effect as limits count it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Run.
    pub run: RunId,
    /// Position in its journal.
    pub position: u32,
    /// Installation.
    pub installation: String,
    /// `messaging.send-email`.
    pub action: String,
    /// `customer:42`.
    pub subject: String,
    /// `marketing`, `transactional`, or empty.
    pub tag: String,
    /// When it was asked for.
    pub at: Millis,
}

fn kind(row: &Row, index: usize) -> Result<EntityKind> {
    let text = row.str(index)?;
    text.parse().map_err(|_| StoreError::corrupt(format!("`{text}` is no kind of document")))
}

impl Store {
    /// The number of the first event that was received at or after a time; one past the latest where there
    /// is none. Events are received in the order of their numbers (between nodes: but for their clocks).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn first_seq_at(&self, at: Millis) -> Result<i64> {
        // Bisection: numbers are the table's key, times have no index.
        let (mut low, mut high) = (1, self.latest_seq().await? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self
                .fetch_one(Statement::new(
                    "SELECT seq, received_at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1",
                    args![middle],
                ))
                .await?;
            match row {
                Some(row) if row.int(1)? < at => low = row.int(0)? + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Events in the order of acceptance, from after a number up to before another.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn events_range(&self, shop: &str, after: i64, before: i64, limit: u32) -> Result<Vec<EventRow>> {
        let statement = Statement::new(
            "SELECT e.seq, e.shop, e.source, e.id, e.kind, e.at, e.received_at, e.concerns, e.data, e.run, e.root, e.depth \
             FROM events e WHERE e.seq > ? AND e.seq < ? AND e.shop = ? ORDER BY e.seq LIMIT ?",
            args![after, before, shop, limit],
        );
        self.fetch(statement).await?.iter().map(event).collect()
    }

    /// When the oldest event of a shop that is still there was received.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn oldest_event(&self, shop: &str) -> Result<Option<Millis>> {
        let statement =
            Statement::new("SELECT received_at FROM events WHERE shop = ? ORDER BY seq LIMIT 1", args![shop]);
        self.fetch_one(statement).await?.map(|row| row.int(0)).transpose()
    }

    /// The present documents of a shop by kind and id, after one of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn versions_now(
        &self,
        shop: &str,
        after: Option<(EntityKind, &str)>,
        limit: u32,
    ) -> Result<Vec<Version>> {
        let (after_kind, after_id) = after.map_or(("", ""), |(kind, id)| (kind.as_str(), id));
        let statement = Statement::new(
            "SELECT kind, id, version, since, owner, alt, sort, doc FROM entities \
             WHERE shop = ? AND (kind, id) > (?, ?) ORDER BY kind, id LIMIT ?",
            args![shop, after_kind, after_id, limit],
        );
        let rows = self.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Version {
                    n: 0,
                    kind: kind(row, 0)?,
                    id: row.text(1)?,
                    version: row.int(2)?,
                    since: row.int(3)?,
                    till: None,
                    owner: row.opt_text(4)?,
                    terms: Some((row.opt_text(5)?, row.int(6)?)),
                    doc: row.shared(7)?,
                })
            })
            .collect()
    }

    /// A place in the order in which versions ended before which none is of interest to a span from a time on.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn versions_past_from(&self, from: Millis) -> Result<i64> {
        let last = self.fetch_one(Statement::new("SELECT coalesce(max(n), 0) FROM entities_past", args![])).await?;
        let (mut low, mut high) = (0, last.map_or(Ok(0), |row| row.int(0))?);
        // Bisection: `n` is the table's key, times have no index. They rise with it but for messages that came
        // late; the latest of several tells more than one.
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self
                .fetch_one(Statement::new(
                    "SELECT max(till), max(n) FROM (SELECT till, n FROM entities_past WHERE n > ? ORDER BY n LIMIT 64) AS few",
                    args![middle],
                ))
                .await?;
            let found = row.map(|row| Ok::<_, StoreError>((row.opt_int(0)?, row.opt_int(1)?))).transpose()?;
            match found {
                Some((Some(till), Some(n))) if till <= from && n > middle => low = n.min(high),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The versions of a shop's documents that ended after a time, in the order in which they ended, after one
    /// of them (its `n`).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn versions_past(&self, shop: &str, ended_after: Millis, after: i64, limit: u32) -> Result<Vec<Version>> {
        let statement = Statement::new(
            "SELECT n, kind, id, version, since, till, owner, doc FROM entities_past \
             WHERE n > ? AND shop = ? AND till > ? ORDER BY n LIMIT ?",
            args![after, shop, ended_after, limit],
        );
        let rows = self.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Version {
                    n: row.int(0)?,
                    kind: kind(row, 1)?,
                    id: row.text(2)?,
                    version: row.int(3)?,
                    since: row.int(4)?,
                    till: Some(row.int(5)?),
                    owner: row.opt_text(6)?,
                    terms: None,
                    doc: row.shared(7)?,
                })
            })
            .collect()
    }

    /// A shop's price changes up to before a time, in the order in which they were made, after one of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn price_changes_all(
        &self,
        shop: &str,
        before: Millis,
        after: i64,
        limit: u32,
    ) -> Result<Vec<PriceChangeRow>> {
        let statement = Statement::new(
            "SELECT id, shop, variant, at, before_amount, after_amount, currency, reason, by_whom FROM price_changes \
             WHERE id > ? AND shop = ? AND at < ? ORDER BY id LIMIT ?",
            args![after, shop, before, limit],
        );
        let rows = self.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(PriceChangeRow {
                    id: row.int(0)?,
                    shop: row.text(1)?,
                    variant: row.text(2)?,
                    at: row.int(3)?,
                    before: row.int(4)?,
                    after: row.int(5)?,
                    currency: row.text(6)?,
                    reason: row.text(7)?,
                    by: row.text(8)?,
                })
            })
            .collect()
    }

    /// The effects of one action that count against limits, asked for from a time up to before another, in the
    /// order of time, after one of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn effects_counting(
        &self,
        shop: &str,
        action: &str,
        (from, to): (Millis, Millis),
        after: (Millis, RunId, u32),
        limit: u32,
    ) -> Result<Vec<Counted>> {
        let statement = Statement::new(
            "SELECT run, position, installation, action, subject, tag, created_at FROM effects \
             WHERE action = ? AND shop = ? AND created_at >= ? AND created_at < ? \
             AND (created_at, run, position) > (?, ?, ?) \
             AND state IN ('intended', 'sent', 'done', 'unknown') ORDER BY created_at, run, position LIMIT ?",
            args![action, shop, from.max(after.0), to, after.0, after.1, after.2, limit],
        );
        let rows = self.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Counted {
                    run: RunId(row.int(0)?),
                    position: row.small(1)?,
                    installation: row.text(2)?,
                    action: row.text(3)?,
                    subject: row.text(4)?,
                    tag: row.text(5)?,
                    at: row.int(6)?,
                })
            })
            .collect()
    }

    /// The runs of an installation in one mode (`live`, `shadow`), created from a time on, by id, after one of
    /// them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn runs_of(
        &self,
        shop: &str,
        installation: &str,
        mode: &str,
        after: RunId,
        limit: u32,
    ) -> Result<Vec<RunRow>> {
        let sql = format!(
            "SELECT {} FROM runs r WHERE r.shop = ? AND r.id > ? AND r.installation = ? AND r.mode = ? ORDER BY r.id LIMIT ?",
            super::runs::COLUMNS
        );
        self.fetch(Statement::new(sql, args![shop, after, installation, mode, limit]))
            .await?
            .iter()
            .map(run_row)
            .collect()
    }

    /// The effects of an installation's runs, by run and position, after one of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn effects_of_runs(
        &self,
        shop: &str,
        installation: &str,
        after: (RunId, u32),
        limit: u32,
    ) -> Result<Vec<EffectRow>> {
        let sql = format!(
            "SELECT {} FROM effects WHERE (run, position) > (?, ?) AND shop = ? AND installation = ? \
             ORDER BY run, position LIMIT ?",
            super::effects::COLUMNS
        );
        let statement = Statement::new(sql, args![after.0, after.1, shop, installation, limit]);
        self.fetch(statement).await?.iter().map(effect).collect()
    }

    /// As [`Store::effects_counted`], as a shadow counts: its own recorded effects since it stands beside
    /// another installation, and everybody's but that one's from then on.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    #[allow(clippy::too_many_arguments)]
    pub async fn effects_counted_beside(
        &self,
        shop: &str,
        subject: Option<&str>,
        action: &str,
        tag: Option<&str>,
        since: Millis,
        beside: Beside<'_>,
    ) -> Result<u64> {
        let mut sql = "SELECT count(*) FROM effects WHERE action = ? AND shop = ? AND created_at >= ? \
             AND ((state = 'recorded' AND installation = ?) \
             OR (state IN ('intended', 'sent', 'done', 'unknown') AND NOT (installation = ? AND created_at >= ?)))"
            .to_owned();
        let mut args = args![action, shop, since, beside.own, beside.live, beside.from];
        for (text, condition) in
            [(subject, " AND subject = ?"), (tag, " AND tag = ?"), (beside.only, " AND installation IN (?)")]
        {
            if let Some(text) = text {
                sql.push_str(condition);
                args.push(text.into());
            }
        }
        self.count(Statement::new(sql, args)).await
    }
}

/// Between whom a shadow counts.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// The shadow.
    pub own: &'a str,
    /// The live installation it stands beside.
    pub live: &'a str,
    /// Since when it does.
    pub from: Millis,
    /// Count this installation alone.
    pub only: Option<&'a str>,
}
