//! Runs, their journals and logs.

use shopwright_model::{Millis, RunId};

use crate::{
    blob,
    error::{Result, StoreError},
    ops::{RunRow, RunState, TriggerKind},
    rows::{RunCounts, RunFilter},
    sql::{Row, Rows, Statement, args},
    store::Store,
};

macro_rules! run_columns {
    () => {
        "r.id, r.shop, r.installation, r.workflow, r.digest, r.settings, r.mode, r.state, r.key, r.trigger_kind, r.event_seq, \
         r.input, r.attempt, r.fence, r.node, r.due_at, r.wait, r.cursor, r.created_at, r.updated_at, r.ended_at, r.outcome, \
         r.error_code, r.error, r.chunks, r.entries, r.effects, r.root, r.depth, r.parent"
    };
}

pub(crate) const COLUMNS: &str = run_columns!();

pub(crate) const RUNS_BY_ID: &str =
    concat!("SELECT ", run_columns!(), " FROM {v} CROSS JOIN runs r WHERE r.id = v.column1 ORDER BY r.id");

pub(crate) fn run_row(row: &Row) -> Result<RunRow> {
    let (state, trigger) = (row.str(7)?, row.str(9)?);
    Ok(RunRow {
        id: RunId(row.int(0)?),
        shop: row.text(1)?,
        installation: row.text(2)?,
        workflow: row.text(3)?,
        digest: row.text(4)?,
        settings: row.shared(5)?,
        mode: row.text(6)?,
        state: RunState::parse(state).ok_or_else(|| StoreError::corrupt(format!("`{state}` is no state of a run")))?,
        key: row.opt_text(8)?,
        trigger: TriggerKind::parse(trigger)
            .ok_or_else(|| StoreError::corrupt(format!("`{trigger}` is no trigger of a run")))?,
        event_seq: row.opt_int(10)?,
        input: row.opt_text(11)?,
        attempt: row.small(12)?,
        fence: row.int(13)?,
        node: row.opt_int(14)?,
        due_at: row.opt_int(15)?,
        wait: row.opt_text(16)?,
        cursor: row.int(17)?,
        created_at: row.int(18)?,
        updated_at: row.int(19)?,
        ended_at: row.opt_int(20)?,
        outcome: row.opt_text(21)?,
        error_code: row.opt_text(22)?,
        error: row.opt_text(23)?,
        chunks: row.small(24)?,
        entries: row.small(25)?,
        effects: row.small(26)?,
        root: row.int(27)?,
        depth: row.small(28)?,
        parent: row.opt_int(29)?.map(RunId),
    })
}

impl Store {
    /// A run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn run(&self, shop: &str, run: RunId) -> Result<Option<RunRow>> {
        let statement = Statement::new(
            concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.id = ? AND r.shop = ?"),
            args![run, shop],
        );
        self.fetch_one(statement).await?.as_ref().map(run_row).transpose()
    }

    /// Many runs, by id, whatever their shop.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let statement = Statement::with_rows(RUNS_BY_ID, args![], Rows::ints(runs.iter().map(|run| run.0)));
        self.fetch(statement).await?.iter().map(run_row).collect()
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn runs_list(&self, shop: &str, filter: &RunFilter) -> Result<Vec<RunRow>> {
        let mut sql = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.shop = ? AND r.id < ?").to_owned();
        let mut args = args![shop, filter.before.map_or(i64::MAX, |run| run.0)];
        if let Some(state) = filter.state {
            sql.push_str(" AND r.state = ?");
            args.push(state.as_str().into());
        }
        for (text, column) in [
            (&filter.installation, " AND r.installation = ?"),
            (&filter.workflow, " AND r.workflow = ?"),
            (&filter.error_code, " AND r.error_code = ?"),
            (&filter.digest, " AND r.digest = ?"),
        ] {
            if let Some(text) = text {
                sql.push_str(column);
                args.push(text.into());
            }
        }
        sql.push_str(" ORDER BY r.id DESC LIMIT ?");
        args.push(filter.limit.into());
        self.fetch(Statement::new(sql, args)).await?.iter().map(run_row).collect()
    }

    /// How many runs a shop has in each state.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn run_counts(&self, shop: &str) -> Result<RunCounts> {
        let statement = Statement::new("SELECT state, count(*) FROM runs WHERE shop = ? GROUP BY state", args![shop]);
        let mut counts = RunCounts::default();
        for row in self.fetch(statement).await? {
            let to = match RunState::parse(row.str(0)?) {
                Some(RunState::Active) => &mut counts.active,
                Some(RunState::Blocked) => &mut counts.blocked,
                Some(RunState::Waiting) => &mut counts.waiting,
                Some(RunState::Done) => &mut counts.done,
                Some(RunState::Failed) => &mut counts.failed,
                Some(RunState::Cancelled) => &mut counts.cancelled,
                None => return Err(StoreError::corrupt(format!("`{}` is no state of a run", row.str(0)?))),
            };
            *to = row.int(1)?.unsigned_abs();
        }
        Ok(counts)
    }

    /// How many runs that have not ended are pinned to a component, in any shop.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn live_runs_of_digest(&self, digest: &str) -> Result<u64> {
        let statement = Statement::new(
            "SELECT count(*) FROM runs WHERE digest = ? AND state IN ('active', 'blocked', 'waiting')",
            args![digest],
        );
        self.count(statement).await
    }

    /// When the next waiting run is due.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn next_due(&self) -> Result<Option<Millis>> {
        let statement = Statement::new(
            "SELECT due_at FROM runs WHERE state = 'waiting' AND due_at IS NOT NULL ORDER BY due_at LIMIT 1",
            args![],
        );
        self.fetch_one(statement).await?.map(|row| row.int(0)).transpose()
    }

    /// A run's log, chunk by chunk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Corrupt`] for a chunk that cannot be read.
    pub async fn log(&self, run: RunId) -> Result<Vec<Vec<u8>>> {
        let statement = Statement::new("SELECT bytes FROM run_logs WHERE run = ? ORDER BY n", args![run]);
        self.fetch(statement).await?.iter().map(|row| blob::unpack(row.bytes(0)?)).collect()
    }
}
