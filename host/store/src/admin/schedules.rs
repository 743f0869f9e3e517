//! Schedules: what fires when. That each time fires at most once is the doing of `NewRun::once`.

use shopwright_model::Millis;

use crate::{
    error::Result,
    rows::ScheduleRow,
    sql::{Row, Rows, Statement, Ty, args},
    store::Store,
};

const SCHEDULE: &str = "shop, installation, workflow, n, cron, next_at, last_at";

fn schedule_row(row: &Row) -> Result<ScheduleRow> {
    Ok(ScheduleRow {
        shop: row.text(0)?,
        installation: row.text(1)?,
        workflow: row.text(2)?,
        n: row.int(3)?,
        cron: row.text(4)?,
        next_at: row.opt_int(5)?,
        last_at: row.opt_int(6)?,
    })
}

impl Store {
    /// Replaces an installation's schedules by `rows`.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn schedules_put(&self, shop: &str, installation: &str, rows: Vec<ScheduleRow>) -> Result<()> {
        let mut set = Rows::new(&[Ty::Text, Ty::Int, Ty::Text, Ty::Int, Ty::Int]);
        for row in rows {
            set.push([row.workflow.into(), row.n.into(), row.cron.into(), row.next_at.into(), row.last_at.into()]);
        }
        let mut statements = vec![Self::schedules_gone(shop, installation)];
        if !set.is_empty() {
            statements.push(Statement::with_rows(
                "INSERT INTO schedules (shop, installation, workflow, n, cron, next_at, last_at) \
                 SELECT CAST(? AS TEXT), CAST(? AS TEXT), column1, column2, column3, column4, column5 FROM {v}",
                args![shop, installation],
                set,
            ));
        }
        self.write(statements).await.map(drop)
    }

    fn schedules_gone<'a>(shop: &'a str, installation: &'a str) -> Statement<'a> {
        Statement::new("DELETE FROM schedules WHERE shop = ? AND installation = ?", args![shop, installation])
    }

    /// Removes an installation's schedules.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn schedules_remove(&self, shop: &str, installation: &str) -> Result<()> {
        self.write_one(Self::schedules_gone(shop, installation)).await.map(drop)
    }

    /// A shop's schedules.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn schedules_list(&self, shop: &str) -> Result<Vec<ScheduleRow>> {
        let sql = format!("SELECT {SCHEDULE} FROM schedules WHERE shop = ? ORDER BY installation, workflow, n");
        self.fetch(Statement::new(sql, args![shop])).await?.iter().map(schedule_row).collect()
    }

    /// Schedules that are due, the longest due first.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn schedules_due(&self, now: Millis, limit: u32) -> Result<Vec<ScheduleRow>> {
        let sql = format!(
            "SELECT {SCHEDULE} FROM schedules WHERE next_at IS NOT NULL AND next_at <= ? \
             ORDER BY next_at, shop, installation, workflow, n LIMIT ?"
        );
        self.fetch(Statement::new(sql, args![now, limit])).await?.iter().map(schedule_row).collect()
    }

    /// Notes that a schedule fired for `last_at` and when it fires next. `row.next_at` must still be the
    /// stored time; else another node was there first, and the answer is false.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn schedule_advance(
        &self,
        row: &ScheduleRow,
        next_at: Option<Millis>,
        last_at: Option<Millis>,
    ) -> Result<bool> {
        let statement = Statement::new(
            "UPDATE schedules SET next_at = ?, last_at = ? \
             WHERE shop = ? AND installation = ? AND workflow = ? AND n = ? AND next_at = ? RETURNING n",
            args![next_at, last_at, &row.shop, &row.installation, &row.workflow, row.n, row.next_at],
        );
        Ok(!self.write_one(statement).await?.is_empty())
    }

    /// When the next schedule is due.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_schedule(&self) -> Result<Option<Millis>> {
        let sql = "SELECT next_at FROM schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1";
        self.fetch_one(Statement::new(sql, args![])).await?.map(|row| row.int(0)).transpose()
    }
}
