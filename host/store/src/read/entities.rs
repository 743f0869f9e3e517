//! Lists and searches over the shop's model.

use shopwright_model::{EntityKind, Millis};

use crate::{
    error::Result,
    ops::PriceChangeRow,
    rows::{Doc, Stored},
    sql::{Row, Statement, args},
    store::Store,
};

fn doc(row: &Row) -> Result<Doc> {
    Ok(Doc { id: row.text(0)?, sort: row.int(1)?, doc: row.shared(2)?, version: row.int(3)? })
}

impl Store {
    /// What belongs to an owner, latest first, behind `after` (sort and id of the last one seen).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn entities_owned(
        &self,
        shop: &str,
        kind: EntityKind,
        owner: &str,
        after: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<Doc>> {
        let statement = match after {
            None => Statement::new(
                "SELECT id, sort, doc, version FROM entities WHERE shop = ? AND kind = ? AND owner = ? \
                 ORDER BY sort DESC, id DESC LIMIT ?",
                args![shop, kind.as_str(), owner, limit],
            ),
            Some((sort, id)) => Statement::new(
                "SELECT id, sort, doc, version FROM entities WHERE shop = ? AND kind = ? AND owner = ? \
                 AND (sort, id) < (?, ?) ORDER BY sort DESC, id DESC LIMIT ?",
                args![shop, kind.as_str(), owner, sort, id, limit],
            ),
        };
        self.fetch(statement).await?.iter().map(doc).collect()
    }

    /// The document with this second name (address, order number); the latest, if there are several.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn entity_by_alt(&self, shop: &str, kind: EntityKind, alt: &str) -> Result<Option<Doc>> {
        let statement = Statement::new(
            "SELECT id, sort, doc, version FROM entities WHERE shop = ? AND kind = ? AND alt = ? \
             ORDER BY sort DESC, id DESC LIMIT 1",
            args![shop, kind.as_str(), alt],
        );
        self.fetch_one(statement).await?.as_ref().map(doc).transpose()
    }

    /// All of a kind by id, behind `after`.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn entities_scan(
        &self,
        shop: &str,
        kind: EntityKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Doc>> {
        let statement = Statement::new(
            "SELECT id, sort, doc, version FROM entities WHERE shop = ? AND kind = ? AND id > ? ORDER BY id LIMIT ?",
            args![shop, kind.as_str(), after.unwrap_or_default(), limit],
        );
        self.fetch(statement).await?.iter().map(doc).collect()
    }

    /// How many there are of a kind.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn entity_count(&self, shop: &str, kind: EntityKind) -> Result<u64> {
        let statement =
            Statement::new("SELECT count(*) FROM entities WHERE shop = ? AND kind = ?", args![shop, kind.as_str()]);
        self.count(statement).await
    }

    /// The document as it was at a time; none: it was not there, or that is no longer kept.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn entity_as_of(&self, shop: &str, kind: EntityKind, id: &str, at: Millis) -> Result<Option<Stored>> {
        let statement = Statement::new(
            "SELECT doc, version, since FROM entities WHERE shop = ? AND kind = ? AND id = ? AND since <= ? \
             UNION ALL \
             SELECT doc, version, since FROM entities_past WHERE shop = ? AND kind = ? AND id = ? AND since <= ? AND till > ? \
             ORDER BY since DESC, version DESC LIMIT 1",
            args![shop, kind.as_str(), id, at, shop, kind.as_str(), id, at, at],
        );
        let row = self.fetch_one(statement).await?;
        row.map(|row| Ok(Stored { doc: row.shared(0)?, version: row.int(1)?, since: row.int(2)? })).transpose()
    }

    /// Units of a variant in orders placed from `from` up to before `to` that were not cancelled.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn units_sold(&self, shop: &str, variant: &str, from: Millis, to: Millis) -> Result<i64> {
        let statement = Statement::new(
            "SELECT CAST(coalesce(sum(units), 0) AS BIGINT) FROM sales WHERE shop = ? AND variant = ? AND at >= ? AND at < ?",
            args![shop, variant, from, to],
        );
        self.fetch_one(statement).await?.map_or(Ok(0), |row| row.int(0))
    }

    /// A variant's price changes, latest first, before one (time and id).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn price_changes(
        &self,
        shop: &str,
        variant: &str,
        before: Option<(Millis, i64)>,
        limit: u32,
    ) -> Result<Vec<PriceChangeRow>> {
        let (at, id) = before.unwrap_or((i64::MAX, i64::MAX));
        let statement = Statement::new(
            "SELECT id, shop, variant, at, before_amount, after_amount, currency, reason, by_whom FROM price_changes \
             WHERE shop = ? AND variant = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?",
            args![shop, variant, at, id, limit],
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

    /// What an installation remembers, by key, behind `after`.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn memory_list(
        &self,
        shop: &str,
        installation: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>> {
        let statement = Statement::new(
            "SELECT key, value FROM memory WHERE shop = ? AND installation = ? AND key > ? ORDER BY key LIMIT ?",
            args![shop, installation, after.unwrap_or_default(), limit],
        );
        self.fetch(statement).await?.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    pub(crate) async fn count(&self, statement: Statement<'_>) -> Result<u64> {
        Ok(self.fetch_one(statement).await?.map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }
}
