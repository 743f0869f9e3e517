//! Backtests as they are kept: what was asked for, how far it is, what came of it.

use shopwright_model::Millis;

use crate::{
    error::Result,
    rows::BacktestRow,
    sql::{Row, Rows, Statement, Ty, args},
    store::Store,
};

const COLUMNS: &str =
    "id, shop, installation, request, state, progress, report, error, by_whom, created_at, updated_at, ended_at";

fn backtest(row: &Row) -> Result<BacktestRow> {
    Ok(BacktestRow {
        id: row.text(0)?,
        shop: row.text(1)?,
        installation: row.opt_text(2)?,
        request: row.text(3)?,
        state: row.text(4)?,
        progress: row.text(5)?,
        report: row.opt_text(6)?,
        error: row.opt_text(7)?,
        by: row.text(8)?,
        created_at: row.int(9)?,
        updated_at: row.int(10)?,
        ended_at: row.opt_int(11)?,
    })
}

impl Store {
    /// Makes a backtest's row, or moves it on. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn backtest_put(&self, row: &BacktestRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO backtests (id, shop, installation, request, state, progress, report, error, by_whom, created_at, \
             updated_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, progress = excluded.progress, report = excluded.report, \
             error = excluded.error, updated_at = excluded.updated_at, ended_at = excluded.ended_at \
             WHERE backtests.ended_at IS NULL",
            args![
                &row.id,
                &row.shop,
                &row.installation,
                &row.request,
                &row.state,
                &row.progress,
                &row.report,
                &row.error,
                &row.by,
                row.created_at,
                row.updated_at,
                row.ended_at
            ],
        ))
        .await
        .map(drop)
    }

    /// A backtest.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn backtest(&self, shop: &str, id: &str) -> Result<Option<BacktestRow>> {
        let sql = format!("SELECT {COLUMNS} FROM backtests WHERE id = ? AND shop = ?");
        self.fetch_one(Statement::new(sql, args![id, shop])).await?.as_ref().map(backtest).transpose()
    }

    /// A shop's backtests, the newest first, before one of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn backtests_list(&self, shop: &str, before: Option<&str>, limit: u32) -> Result<Vec<BacktestRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM backtests WHERE shop = ? AND (CAST(? AS TEXT) IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"
        );
        self.fetch(Statement::new(sql, args![shop, before, before, limit])).await?.iter().map(backtest).collect()
    }

    /// Keeps the pairs that a backtest found different, JSON text each, from number `first` on.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn backtest_pairs_put(&self, shop: &str, id: &str, first: i64, pairs: &[String]) -> Result<()> {
        for (chunk, from) in pairs.chunks(256).zip((first..).step_by(256)) {
            let mut set = Rows::new(&[Ty::Text, Ty::Int, Ty::Text, Ty::Text]);
            for (pair, n) in chunk.iter().zip(from..) {
                set.push([id.into(), n.into(), shop.into(), pair.into()]);
            }
            self.write_one(Statement::with_rows(
                "INSERT INTO backtest_pairs (backtest, n, shop, pair) \
                 SELECT column1, column2, column3, column4 FROM {v} WHERE true ON CONFLICT (backtest, n) DO NOTHING",
                args![],
                set,
            ))
            .await?;
        }
        Ok(())
    }

    /// Pairs of a backtest in their order, after one of them: (number, JSON text).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn backtest_pairs(&self, shop: &str, id: &str, after: i64, limit: u32) -> Result<Vec<(i64, String)>> {
        let statement = Statement::new(
            "SELECT n, pair FROM backtest_pairs WHERE backtest = ? AND shop = ? AND n > ? ORDER BY n LIMIT ?",
            args![id, shop, after, limit],
        );
        self.fetch(statement).await?.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect()
    }

    /// Ends backtests that say they run but have not moved since a time: their host is gone. Gives how many.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn backtests_abandon(&self, moved_before: Millis, now: Millis) -> Result<u64> {
        let statement = Statement::new(
            "UPDATE backtests SET state = 'failed', error = 'the host was stopped while it ran: start it again', \
             updated_at = ?, ended_at = ? WHERE ended_at IS NULL AND updated_at < ? RETURNING id",
            args![now, now, moved_before],
        );
        Ok(self.write_one(statement).await?.len() as u64)
    }
}
