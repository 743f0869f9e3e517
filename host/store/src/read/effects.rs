//! The ledger, the mailbox and the questions to people.

use shopwright_model::{Millis, RunId};

use crate::{
    error::{Result, StoreError},
    ops::{ApprovalRow, EffectRow, EffectState, MessageRow},
    rows::{ApprovalFilter, EffectFilter, MessageFilter},
    sql::{Row, Statement, args},
    store::Store,
};

macro_rules! effect_columns {
    () => {
        "id, shop, run, position, installation, action, subject, request, state, connector, answer, attempts, next_at, error, tag, \
         created_at, updated_at"
    };
}

pub(super) const COLUMNS: &str = effect_columns!();

pub(super) fn effect(row: &Row) -> Result<EffectRow> {
    let state = row.str(8)?;
    Ok(EffectRow {
        id: row.text(0)?,
        shop: row.text(1)?,
        run: RunId(row.int(2)?),
        position: row.small(3)?,
        installation: row.text(4)?,
        action: row.text(5)?,
        subject: row.text(6)?,
        request: row.text(7)?,
        state: EffectState::parse(state)
            .ok_or_else(|| StoreError::corrupt(format!("`{state}` is no state of an effect")))?,
        connector: row.text(9)?,
        answer: row.opt_text(10)?,
        attempts: row.small(11)?,
        next_at: row.opt_int(12)?,
        error: row.opt_text(13)?,
        tag: row.text(14)?,
        created_at: row.int(15)?,
        updated_at: row.int(16)?,
    })
}

const APPROVAL: &str = "id, shop, run, position, title, details, choices, state, asked, escalate_to, deadline_at, created_at, \
     choice, answered_by, answered_at";

fn approval_row(row: &Row) -> Result<ApprovalRow> {
    Ok(ApprovalRow {
        id: row.text(0)?,
        shop: row.text(1)?,
        run: RunId(row.int(2)?),
        position: row.small(3)?,
        title: row.text(4)?,
        details: row.text(5)?,
        choices: row.text(6)?,
        state: row.text(7)?,
        asked: row.opt_text(8)?,
        escalate_to: row.opt_text(9)?,
        deadline_at: row.int(10)?,
        created_at: row.int(11)?,
        choice: row.opt_text(12)?,
        answered_by: row.opt_text(13)?,
        answered_at: row.opt_int(14)?,
    })
}

/// The run and position in an effect's id, `run_…-position`.
fn parts_of(id: &str) -> Option<(RunId, u32)> {
    let (run, position) = id.rsplit_once('-')?;
    Some((run.parse().ok()?, position.parse().ok()?))
}

impl Store {
    /// The effects of a run, by position.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn effects_of(&self, run: RunId) -> Result<Vec<EffectRow>> {
        let statement = Statement::new(
            concat!("SELECT ", effect_columns!(), " FROM effects WHERE run = ? ORDER BY position"),
            args![run],
        );
        self.fetch(statement).await?.iter().map(effect).collect()
    }

    /// The effect with this id (`run_…-position`).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn effect(&self, shop: &str, id: &str) -> Result<Option<EffectRow>> {
        let Some((run, position)) = parts_of(id) else { return Ok(None) };
        let statement = Statement::new(
            concat!("SELECT ", effect_columns!(), " FROM effects WHERE run = ? AND position = ? AND shop = ?"),
            args![run, position, shop],
        );
        self.fetch_one(statement).await?.as_ref().map(effect).transpose()
    }

    /// Effects that are to be sent, or sent again, by now; the longest due first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn effects_pending(&self, now: Millis, limit: u32) -> Result<Vec<EffectRow>> {
        let statement = Statement::new(
            concat!(
                "SELECT ",
                effect_columns!(),
                " FROM effects WHERE state IN ('intended', 'sent') AND next_at <= ? \
                 ORDER BY next_at, run, position LIMIT ?"
            ),
            args![now, limit],
        );
        self.fetch(statement).await?.iter().map(effect).collect()
    }

    /// When the next effect is to be sent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn next_effect(&self) -> Result<Option<Millis>> {
        let statement = Statement::new(
            "SELECT next_at FROM effects WHERE state IN ('intended', 'sent') AND next_at IS NOT NULL ORDER BY next_at LIMIT 1",
            args![],
        );
        self.fetch_one(statement).await?.map(|row| row.int(0)).transpose()
    }

    /// Effects of a shop, those of the newest runs first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn effects_list(&self, shop: &str, filter: &EffectFilter) -> Result<Vec<EffectRow>> {
        let (run, position) = filter.before.map_or((i64::MAX, u32::MAX), |(run, position)| (run.0, position));
        let mut sql =
            concat!("SELECT ", effect_columns!(), " FROM effects WHERE shop = ? AND (run, position) < (?, ?)")
                .to_owned();
        let mut args = args![shop, run, position];
        if let Some(state) = filter.state {
            sql.push_str(" AND state = ?");
            args.push(state.as_str().into());
        }
        for (text, column) in [
            (&filter.installation, " AND installation = ?"),
            (&filter.subject, " AND subject = ?"),
            (&filter.action, " AND action = ?"),
        ] {
            if let Some(text) = text {
                sql.push_str(column);
                args.push(text.into());
            }
        }
        sql.push_str(" ORDER BY run DESC, position DESC LIMIT ?");
        args.push(filter.limit.into());
        self.fetch(Statement::new(sql, args)).await?.iter().map(effect).collect()
    }

    /// How many effects of an installation count against a limit since a time, as [`Store::effects_counted`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn effects_of_installation_since(
        &self,
        shop: &str,
        installation: &str,
        action: Option<&str>,
        since: Millis,
    ) -> Result<u64> {
        let statement = Statement::new(
            "SELECT count(*) FROM effects WHERE shop = ? AND installation = ? AND created_at >= ? \
             AND (CAST(? AS TEXT) IS NULL OR action = ?) AND state IN ('intended', 'sent', 'done', 'unknown')",
            args![shop, installation, since, action, action],
        );
        self.count(statement).await
    }

    /// The mailbox, latest first, before a `seq`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn messages_list(
        &self,
        shop: &str,
        before: Option<i64>,
        limit: u32,
        filter: &MessageFilter,
    ) -> Result<Vec<MessageRow>> {
        let mut sql = "SELECT id, shop, channel, recipient, customer, subject, text, html, at, run, seq FROM messages \
                       WHERE shop = ? AND seq < ?"
            .to_owned();
        let mut args = args![shop, before.unwrap_or(i64::MAX)];
        for (text, column) in [
            (&filter.channel, " AND channel = ?"),
            (&filter.recipient, " AND recipient = ?"),
            (&filter.customer, " AND customer = ?"),
        ] {
            if let Some(text) = text {
                sql.push_str(column);
                args.push(text.into());
            }
        }
        if let Some(run) = filter.run {
            sql.push_str(" AND run = ?");
            args.push(run.into());
        }
        sql.push_str(" ORDER BY seq DESC, id DESC LIMIT ?");
        args.push(limit.into());
        let rows = self.fetch(Statement::new(sql, args)).await?;
        rows.iter()
            .map(|row| {
                Ok(MessageRow {
                    id: row.text(0)?,
                    shop: row.text(1)?,
                    channel: row.text(2)?,
                    recipient: row.text(3)?,
                    customer: row.opt_text(4)?,
                    subject: row.text(5)?,
                    text: row.text(6)?,
                    html: row.opt_text(7)?,
                    at: row.int(8)?,
                    run: row.opt_int(9)?.map(RunId),
                    seq: row.int(10)?,
                })
            })
            .collect()
    }

    /// Questions to people, latest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn approvals_list(&self, shop: &str, filter: &ApprovalFilter) -> Result<Vec<ApprovalRow>> {
        let (at, id) = filter.before.clone().unwrap_or((i64::MAX, String::new()));
        let mut sql = format!("SELECT {APPROVAL} FROM approvals WHERE shop = ? AND (created_at, id) < (?, ?)");
        let mut args = args![shop, at, id];
        if let Some(state) = &filter.state {
            sql.push_str(" AND state = ?");
            args.push(state.into());
        }
        if let Some(run) = filter.run {
            sql.push_str(" AND run = ?");
            args.push(run.into());
        }
        sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");
        args.push(filter.limit.into());
        self.fetch(Statement::new(sql, args)).await?.iter().map(approval_row).collect()
    }

    /// A question.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn approval(&self, shop: &str, id: &str) -> Result<Option<ApprovalRow>> {
        let sql = format!("SELECT {APPROVAL} FROM approvals WHERE id = ? AND shop = ?");
        self.fetch_one(Statement::new(sql, args![id, shop])).await?.as_ref().map(approval_row).transpose()
    }

    /// Questions whose deadline has passed without an answer, the longest past first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn approvals_due(&self, now: Millis, limit: u32) -> Result<Vec<ApprovalRow>> {
        let sql = format!(
            "SELECT {APPROVAL} FROM approvals WHERE state IN ('open', 'escalated') AND deadline_at <= ? \
             ORDER BY deadline_at, id LIMIT ?"
        );
        self.fetch(Statement::new(sql, args![now, limit])).await?.iter().map(approval_row).collect()
    }
}
