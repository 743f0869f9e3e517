//! What a read may ask of the shop's model.

use async_trait::async_trait;
use shopwright_model::{EntityKind, Millis, market::PriceChange, types::ReadError};
use shopwright_policy::ShopFacts;

/// The data cannot be had now. Becomes `read-error.unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What failed, fit for the plugin to see.
    pub reason: String,
}

impl From<Unavailable> for ReadError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.reason)
    }
}

/// One document of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// Unique within shop and kind.
    pub id: String,
    /// The entity's sort term.
    pub sort: Millis,
    /// The record as JSON text.
    pub doc: String,
}

/// Where a list in descending order of (sort, id) goes on: after this document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its sort term.
    pub sort: Millis,
    /// Its id.
    pub id: String,
}

/// One row of our own price changes.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceChangeRow {
    /// Tells rows of the same moment apart; greater is newer.
    pub row: i64,
    /// What changed.
    pub change: PriceChange,
}

/// Where a list of price changes goes on: before this row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceCursor {
    /// Its time.
    pub at: Millis,
    /// Its number.
    pub row: i64,
}

/// The shop's model as a run sees it: committed data with the run's own uncommitted writes over it, or
/// in a trial the model as of a time.
///
/// Texts compare by bytes. Implementations may answer fewer than `limit` documents only where there are
/// no more.
#[async_trait]
pub trait Reader: Send + Sync {
    /// The run's logical time.
    fn now(&self) -> Millis;

    /// The shop.
    fn shop(&self) -> &ShopFacts;

    /// A document by id.
    async fn entity(&self, kind: EntityKind, id: &str) -> Result<Option<String>, Unavailable>;

    /// The documents of an owner in descending order of (sort, id), after the cursor.
    async fn owned(
        &self,
        kind: EntityKind,
        owner: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Doc>, Unavailable>;

    /// The document with this second name (a customer's address in lower case, an order's number without
    /// `#`); of several the last by (sort, id).
    async fn by_alt(&self, kind: EntityKind, alt: &str) -> Result<Option<String>, Unavailable>;

    /// All documents of a kind in ascending order of id, after that id.
    async fn scan(&self, kind: EntityKind, after_id: Option<&str>, limit: u32) -> Result<Vec<Doc>, Unavailable>;

    /// The product that has this variant.
    async fn variant_product(&self, variant: &str) -> Result<Option<String>, Unavailable>;

    /// Units of a variant in orders placed from `from` until before `to`, cancelled ones left out.
    async fn units_sold(&self, variant: &str, from: Millis, to: Millis) -> Result<i64, Unavailable>;

    /// Our own changes of a variant's price in descending order of (at, row), before the cursor.
    async fn price_changes(
        &self,
        variant: &str,
        before: Option<PriceCursor>,
        limit: u32,
    ) -> Result<Vec<PriceChangeRow>, Unavailable>;
}
