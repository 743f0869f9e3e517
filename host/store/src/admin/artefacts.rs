//! Versions and components that nobody needs any more. Which those are is the engine's decision: it looks through
//! the runs in small steps ([`Store::digests_of_runs`]), beside the writer, and then names what goes.

use shopwright_model::{Millis, RunId};

use crate::{
    error::Result,
    sql::{Statement, args},
    store::Store,
};

impl Store {
    /// Which components the next `limit` runs behind `after` need: those that live, and those whose journals are
    /// kept. And the last run that was looked at; none at the end.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn digests_of_runs(&self, after: RunId, limit: u32) -> Result<(Vec<String>, Option<RunId>)> {
        let statement = Statement::new(
            "SELECT digest, max(id), count(*), max(needed) FROM (SELECT id, digest, CASE WHEN kept = 1 \
             OR state IN ('active', 'blocked', 'waiting') THEN 1 ELSE 0 END AS needed FROM runs WHERE id > ? \
             ORDER BY id LIMIT ?) AS part GROUP BY digest",
            args![after, limit],
        );
        let (mut digests, mut last, mut seen) = (Vec::new(), after.0, 0);
        for row in self.fetch(statement).await? {
            last = last.max(row.int(1)?);
            seen += row.int(2)?;
            if row.small(3)? == 1 {
                digests.push(row.text(0)?);
            }
        }
        Ok((digests, (seen >= i64::from(limit)).then_some(RunId(last))))
    }

    /// Removes a version that no installation of its shop has, and none's rollout speaks of; whether it did. That
    /// no run needs it is for the caller to know.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn version_delete(&self, shop: &str, plugin: &str, version: &str) -> Result<bool> {
        let statement = Statement::new(
            "DELETE FROM versions WHERE shop = ? AND plugin = ? AND version = ? \
             AND NOT EXISTS (SELECT 1 FROM installations x WHERE x.removed_at IS NULL AND x.shop = versions.shop \
             AND (x.digest = versions.digest OR x.rollout LIKE '%' || versions.digest || '%')) RETURNING digest",
            args![shop, plugin, version],
        );
        Ok(!self.write_one(statement).await?.is_empty())
    }

    /// Removes a component's bytes if no version and no installation refers to them; whether it did. That no run
    /// needs them is for the caller to know.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn component_delete(&self, digest: &str) -> Result<bool> {
        let statement = Statement::new(
            "DELETE FROM components WHERE digest = ? \
             AND NOT EXISTS (SELECT 1 FROM versions x WHERE x.digest = components.digest) \
             AND NOT EXISTS (SELECT 1 FROM installations x WHERE x.removed_at IS NULL \
             AND (x.digest = components.digest OR x.rollout LIKE '%' || components.digest || '%')) RETURNING digest",
            args![digest],
        );
        Ok(!self.write_one(statement).await?.is_empty())
    }

    /// Every shop's versions that were added before: (shop, plugin, version, digest).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn versions_before(&self, before: Millis) -> Result<Vec<(String, String, String, String)>> {
        let statement = Statement::new(
            "SELECT shop, plugin, version, digest FROM versions WHERE created_at < ? ORDER BY shop, plugin, created_at",
            args![before],
        );
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?, row.text(3)?))).collect()
    }

    /// The components that versions of any shop refer to.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn versions_all_digests(&self) -> Result<std::collections::HashSet<String>> {
        let rows = self.fetch(Statement::new("SELECT DISTINCT digest FROM versions", args![])).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }
}
