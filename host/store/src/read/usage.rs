//! What limits and rollouts count. In memory while the host runs; from here when it starts.

use shopwright_model::{Millis, RunId};

use crate::{
    error::Result,
    sql::{Rows, Statement, Ty, args},
    store::Store,
};

impl Store {
    /// How many live runs of an installation's version have ended since a time, by spans of `width` milliseconds:
    /// (number of the span since 1970, ended, of these failed).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn runs_ended(
        &self,
        shop: &str,
        installation: &str,
        digest: &str,
        since: Millis,
        width: Millis,
    ) -> Result<Vec<(i64, u64, u64)>> {
        let statement = Statement::new(
            "SELECT span, count(*), sum(failed) FROM (SELECT ended_at / ? AS span, \
             CASE WHEN state = 'failed' THEN 1 ELSE 0 END AS failed FROM runs WHERE ended_at IS NOT NULL AND kept = 1 \
             AND ended_at >= ? AND shop = ? AND installation = ? AND digest = ? AND mode = 'live' \
             AND state IN ('done', 'failed')) AS ended GROUP BY span ORDER BY span",
            args![width, since, shop, installation, digest],
        );
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?.unsigned_abs(), row.int(2)?.unsigned_abs()))).collect()
    }

    /// How many effects each installation of a shop has carried out since a time (or may have).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn effects_by_installation(
        &self,
        shop: &str,
        actions: &[&str],
        since: Millis,
    ) -> Result<Vec<(String, u64)>> {
        let mut names = Rows::new(&[Ty::Text]);
        for action in actions {
            names.push([(*action).into()]);
        }
        let statement = Statement::with_rows(
            "SELECT e.installation, count(*) FROM {v} CROSS JOIN effects e WHERE e.action = v.column1 AND e.shop = ? \
             AND e.created_at >= ? AND e.state IN ('intended', 'sent', 'done', 'unknown') GROUP BY e.installation",
            args![shop, since],
            names,
        );
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?.unsigned_abs()))).collect()
    }

    /// How many bytes of keys and values each installation of a shop remembers; trials under `installation#mode`.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn memory_by_installation(&self, shop: &str) -> Result<Vec<(String, u64)>> {
        let statement = Statement::new(
            "SELECT installation, sum(octet_length(key) + octet_length(value)) FROM memory WHERE shop = ? \
             GROUP BY installation",
            args![shop],
        );
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?.unsigned_abs()))).collect()
    }

    /// How many runs of each installation of a shop have begun to execute, of those created since a time.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn runs_begun(&self, shop: &str, since: Millis) -> Result<Vec<(String, u64)>> {
        let statement = Statement::new(
            "SELECT installation, count(*) FROM runs WHERE shop = ? AND id >= ? \
             AND (chunks > 0 OR state IN ('waiting', 'done', 'failed')) GROUP BY installation",
            args![shop, RunId::first_at(since)],
        );
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?.unsigned_abs()))).collect()
    }

    /// How many runs of each installation of a shop were created before a time and ended since. That they began since
    /// then as well is not known, but may be.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn runs_ended_since(&self, shop: &str, since: Millis) -> Result<Vec<(String, u64)>> {
        let statement = Statement::new(
            "SELECT installation, count(*) FROM runs WHERE ended_at IS NOT NULL AND kept = 1 AND ended_at >= ? \
             AND shop = ? AND id < ? GROUP BY installation",
            args![since, shop, RunId::first_at(since)],
        );
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?.unsigned_abs()))).collect()
    }

    /// How many effects of a run were carried out, or may have been.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn effects_done(&self, run: RunId) -> Result<u64> {
        let statement = Statement::new(
            "SELECT count(*) FROM effects WHERE run = ? AND state IN ('intended', 'sent', 'done', 'unknown')",
            args![run],
        );
        self.count(statement).await
    }
}
