//! Small questions of the engine that no other file has room for.

use shopwright_model::{Millis, RunId};

use crate::{
    Result, Store,
    sql::{Statement, args},
};

impl Store {
    /// Which run was started under a name that starts at most once.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn once(&self, shop: &str, name: &str) -> Result<Option<RunId>> {
        let statement = Statement::new("SELECT run FROM once WHERE shop = ? AND name = ?", args![shop, name]);
        self.fetch_one(statement).await?.map(|row| row.int(0).map(RunId)).transpose()
    }

    /// The earliest deadline of a question that is open.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_approval(&self) -> Result<Option<Millis>> {
        let statement =
            Statement::new("SELECT min(deadline_at) FROM approvals WHERE state IN ('open', 'escalated')", args![]);
        self.fetch_one(statement).await?.map_or(Ok(None), |row| row.opt_int(0))
    }

    /// How many effects of an action count since a time: of one installation, or (none) of the shop.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn effects_since(
        &self,
        shop: &str,
        installation: Option<&str>,
        action: &str,
        since: Millis,
    ) -> Result<u64> {
        let statement = Statement::new(
            "SELECT count(*) FROM effects WHERE shop = ? AND action = ? AND created_at >= ? \
             AND (CAST(? AS TEXT) IS NULL OR installation = ?) AND state IN ('intended', 'sent', 'done', 'unknown')",
            args![shop, action, since, installation, installation],
        );
        self.count(statement).await
    }
}
