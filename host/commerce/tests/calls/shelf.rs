//! A shop in memory.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value as Json;
use shopwright_commerce::{Cursor, Doc, PriceChangeRow, PriceCursor, Reader, ShopFacts, Unavailable};
use shopwright_model::{Entity, EntityKind, Millis};

/// When it is in the tests: well past every stamp in them.
pub const NOW: Millis = 1_000 * 86_400_000;

pub struct Shelf {
    pub shop: ShopFacts,
    pub entities: BTreeMap<(EntityKind, String), Entity>,
    pub changes: Vec<PriceChangeRow>,
    /// Documents handed out.
    pub examined: AtomicU32,
    /// Whether everything is out of reach.
    pub away: bool,
}

impl Shelf {
    pub fn new() -> Self {
        Self {
            shop: ShopFacts { id: "shop".into(), currency: "EUR".into(), time_zone: "Europe/Berlin".into() },
            entities: BTreeMap::new(),
            changes: Vec::new(),
            examined: AtomicU32::new(0),
            away: false,
        }
    }

    pub fn with(mut self, kind: EntityKind, documents: impl IntoIterator<Item = Json>) -> Self {
        for document in documents {
            self.put(Entity::parse(kind, &document).expect("a document"));
        }
        self
    }

    pub fn put(&mut self, entity: Entity) {
        self.entities.insert((entity.kind, entity.id.clone()), entity);
    }

    fn of(&self, kind: EntityKind) -> Result<Vec<&Entity>, Unavailable> {
        if self.away {
            return Err(Unavailable { reason: "the store is away".into() });
        }
        Ok(self.entities.values().filter(|entity| entity.kind == kind).collect())
    }

    fn hand_out<'a>(&self, entities: impl Iterator<Item = &'a Entity>, limit: u32) -> Vec<Doc> {
        let docs: Vec<Doc> = entities
            .take(limit as usize)
            .map(|entity| Doc { id: entity.id.clone(), sort: entity.sort, doc: entity.doc.clone() })
            .collect();
        self.examined.fetch_add(u32::try_from(docs.len()).expect("few"), Ordering::Relaxed);
        docs
    }
}

#[async_trait::async_trait]
impl Reader for Shelf {
    fn now(&self) -> Millis {
        NOW
    }

    fn shop(&self) -> &ShopFacts {
        &self.shop
    }

    async fn entity(&self, kind: EntityKind, id: &str) -> Result<Option<String>, Unavailable> {
        Ok(self.of(kind)?.into_iter().find(|entity| entity.id == id).map(|entity| entity.doc.clone()))
    }

    async fn owned(
        &self,
        kind: EntityKind,
        owner: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Doc>, Unavailable> {
        let mut all = self.of(kind)?;
        all.retain(|entity| entity.owner.as_deref() == Some(owner));
        all.retain(|entity| after.is_none_or(|c| (entity.sort, &entity.id) < (c.sort, &c.id)));
        all.sort_by(|a, b| (b.sort, &b.id).cmp(&(a.sort, &a.id)));
        Ok(self.hand_out(all.into_iter(), limit))
    }

    async fn by_alt(&self, kind: EntityKind, alt: &str) -> Result<Option<String>, Unavailable> {
        let named = self.of(kind)?.into_iter().filter(|entity| entity.alt.as_deref() == Some(alt));
        let found = named.max_by_key(|entity| (entity.sort, entity.id.clone()));
        Ok(found.map(|entity| entity.doc.clone()))
    }

    async fn scan(&self, kind: EntityKind, after_id: Option<&str>, limit: u32) -> Result<Vec<Doc>, Unavailable> {
        let all = self.of(kind)?.into_iter();
        Ok(self.hand_out(all.filter(|entity| after_id.is_none_or(|after| entity.id.as_str() > after)), limit))
    }

    async fn variant_product(&self, variant: &str) -> Result<Option<String>, Unavailable> {
        let mut all = self.of(EntityKind::Product)?.into_iter();
        Ok(all.find(|entity| entity.parts.iter().any(|part| part == variant)).map(|entity| entity.doc.clone()))
    }

    async fn units_sold(&self, variant: &str, from: Millis, to: Millis) -> Result<i64, Unavailable> {
        let orders = self.of(EntityKind::Order)?;
        let within = orders.iter().filter(|order| order.sort >= from && order.sort < to);
        Ok(within.flat_map(|order| &order.sales).filter(|(sold, _)| sold == variant).map(|(_, units)| units).sum())
    }

    async fn price_changes(
        &self,
        variant: &str,
        before: Option<PriceCursor>,
        limit: u32,
    ) -> Result<Vec<PriceChangeRow>, Unavailable> {
        let key = |row: &PriceChangeRow| (Millis::try_from(row.change.at).expect("in range"), row.row);
        let mut rows: Vec<PriceChangeRow> =
            self.changes.iter().filter(|row| row.change.variant_id == variant).cloned().collect();
        rows.retain(|row| before.is_none_or(|before| key(row) < (before.at, before.row)));
        rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
        rows.truncate(limit as usize);
        Ok(rows)
    }
}
