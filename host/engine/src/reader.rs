//! The shop's model as a run sees it: what is stored, with the run's own unflushed writes over it.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use shopwright_commerce::{Cursor, Doc, PriceChangeRow, PriceCursor, Reader, Unavailable};
use shopwright_model::{EntityKind, Millis, market::PriceChange, types::Money};
use shopwright_policy::ShopFacts;
use shopwright_store::{StoreError, ops::Own};

use crate::{
    cx::{Overlay, RunCx},
    ground::Ground,
};

/// The [`Reader`] of a run.
pub(crate) struct RunReader<'a> {
    store: &'a Ground,
    facts: &'a ShopFacts,
    overlay: &'a Overlay,
    now: Millis,
    pending: &'a [Own],
    /// Versions of the documents that were read: a write that rests on them expects these.
    versions: Mutex<HashMap<(EntityKind, String), i64>>,
}

impl<'a> RunReader<'a> {
    pub fn new(cx: &'a RunCx) -> Self {
        Self {
            store: &cx.core.store,
            facts: &cx.shop.facts,
            overlay: &cx.overlay,
            now: cx.now,
            pending: &cx.pending.own,
            versions: Mutex::default(),
        }
    }

    /// The version under which a document was read; none: it was not, or it is the run's own.
    pub fn into_versions(self) -> HashMap<(EntityKind, String), i64> {
        self.versions.into_inner()
    }

    fn over(&self, kind: EntityKind, id: &str) -> Option<String> {
        if self.overlay.documents.is_empty() {
            return None;
        }
        self.overlay.documents.get(&(kind, id.to_owned())).map(|doc| doc.to_string())
    }
}

fn down(error: StoreError) -> Unavailable {
    tracing::warn!(%error, "a read failed");
    Unavailable { reason: "the shop's data cannot be read now".into() }
}

#[async_trait]
impl Reader for RunReader<'_> {
    fn now(&self) -> Millis {
        self.now
    }

    fn shop(&self) -> &ShopFacts {
        self.facts
    }

    async fn entity(&self, kind: EntityKind, id: &str) -> Result<Option<String>, Unavailable> {
        if let Some(doc) = self.over(kind, id) {
            return Ok(Some(doc));
        }
        let stored = self.store.entity(&self.facts.id, kind, id).await.map_err(down)?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        self.versions.lock().insert((kind, id.to_owned()), version);
        Ok(stored.map(|stored| stored.doc.to_string()))
    }

    async fn owned(
        &self,
        kind: EntityKind,
        owner: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Doc>, Unavailable> {
        let after = after.map(|cursor| (cursor.sort, cursor.id.as_str()));
        let docs = self.store.entities_owned(&self.facts.id, kind, owner, after, limit).await.map_err(down)?;
        Ok(docs.into_iter().map(|doc| self.shown(kind, doc)).collect())
    }

    async fn by_alt(&self, kind: EntityKind, alt: &str) -> Result<Option<String>, Unavailable> {
        let stored = self.store.entity_by_alt(&self.facts.id, kind, alt).await.map_err(down)?;
        Ok(stored.map(|doc| self.shown(kind, doc).doc))
    }

    async fn scan(&self, kind: EntityKind, after_id: Option<&str>, limit: u32) -> Result<Vec<Doc>, Unavailable> {
        let docs = self.store.entities_scan(&self.facts.id, kind, after_id, limit).await.map_err(down)?;
        Ok(docs.into_iter().map(|doc| self.shown(kind, doc)).collect())
    }

    async fn variant_product(&self, variant: &str) -> Result<Option<String>, Unavailable> {
        let product = self.store.product_of_variant(&self.facts.id, variant).await.map_err(down)?;
        let Some(stored) = product else { return Ok(None) };
        #[derive(serde::Deserialize)]
        struct Id {
            id: String,
        }
        let Ok(Id { id }) = serde_json::from_str::<Id>(&stored.doc) else { return Ok(None) };
        if let Some(own) = self.over(EntityKind::Product, &id) {
            return Ok(Some(own));
        }
        self.versions.lock().insert((EntityKind::Product, id), stored.version);
        Ok(Some(stored.doc.to_string()))
    }

    async fn units_sold(&self, variant: &str, from: Millis, to: Millis) -> Result<i64, Unavailable> {
        self.store.units_sold(&self.facts.id, variant, from, to).await.map_err(down)
    }

    async fn price_changes(
        &self,
        variant: &str,
        before: Option<PriceCursor>,
        limit: u32,
    ) -> Result<Vec<PriceChangeRow>, Unavailable> {
        let before = before.map(|cursor| (cursor.at, cursor.row));
        let mut rows = self.store.price_changes(&self.facts.id, variant, before, limit).await.map_err(down)?;
        rows.extend(self.pending.iter().filter_map(|own| match own {
            Own::PriceChange(row)
                if row.variant == variant && before.is_none_or(|before| (row.at, row.id) < before) =>
            {
                Some(row.clone())
            }
            _ => None,
        }));
        rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
        rows.truncate(limit as usize);
        Ok(rows
            .into_iter()
            .map(|row| {
                let money = |amount| Money { amount, currency: row.currency.clone() };
                PriceChangeRow {
                    row: row.id,
                    change: PriceChange {
                        variant_id: row.variant.clone(),
                        before: money(row.before),
                        after: money(row.after),
                        at: row.at.unsigned_abs(),
                        reason: row.reason.clone(),
                        by: row.by.clone(),
                    },
                }
            })
            .collect())
    }
}

impl RunReader<'_> {
    /// A stored document, or the run's own newer one.
    fn shown(&self, kind: EntityKind, doc: shopwright_store::Doc) -> Doc {
        let text = self.over(kind, &doc.id).unwrap_or_else(|| doc.doc.to_string());
        Doc { id: doc.id, sort: doc.sort, doc: text }
    }
}
