//! What runs stand on: the store, or in a trial a [`World`] made for it.
//!
//! Everything that an executing run reads and writes passes here. The methods have the names and
//! signatures of [`Store`]'s, so that no caller knows which of the two answers. What is not named here
//! goes to the store; a trial's is an empty one in memory, so that nothing a trial does can reach a shop.

use std::{ops::Deref, sync::Arc};

use shopwright_model::{EntityKind, Millis, RunId};
use shopwright_store::{
    ApprovalRow, Doc, Store, StoreError, Stored,
    ops::{EffectRow, EventRow, Flush, Flushed, PriceChangeRow, RunRow},
};

use crate::trial::World;

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) struct Ground {
    store: Store,
    world: Option<Arc<dyn World>>,
}

impl Deref for Ground {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Asks the world if there is one, else the store.
macro_rules! either {
    ($self:ident, $world:ident => $in_trial:expr, $store:expr) => {
        match &$self.world {
            Some($world) => Ok($in_trial),
            None => $store.await,
        }
    };
}

impl Ground {
    pub fn new(store: Store, world: Option<Arc<dyn World>>) -> Self {
        Self { store, world }
    }

    /// The world of a trial; none: this is a host.
    pub fn world(&self) -> Option<&dyn World> {
        self.world.as_deref()
    }

    pub async fn entity(&self, shop: &str, kind: EntityKind, id: &str) -> Result<Option<Stored>> {
        either!(self, world => world.entity(kind, id), self.store.entity(shop, kind, id))
    }

    pub async fn entities_owned(
        &self,
        shop: &str,
        kind: EntityKind,
        owner: &str,
        after: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<Doc>> {
        either!(self, world => world.owned(kind, owner, after, limit),
            self.store.entities_owned(shop, kind, owner, after, limit))
    }

    pub async fn entity_by_alt(&self, shop: &str, kind: EntityKind, alt: &str) -> Result<Option<Doc>> {
        either!(self, world => world.by_alt(kind, alt), self.store.entity_by_alt(shop, kind, alt))
    }

    pub async fn entities_scan(
        &self,
        shop: &str,
        kind: EntityKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Doc>> {
        either!(self, world => world.scan(kind, after, limit), self.store.entities_scan(shop, kind, after, limit))
    }

    pub async fn product_of_variant(&self, shop: &str, variant: &str) -> Result<Option<Stored>> {
        either!(self, world => world.product_of_variant(variant), self.store.product_of_variant(shop, variant))
    }

    pub async fn units_sold(&self, shop: &str, variant: &str, from: Millis, to: Millis) -> Result<i64> {
        either!(self, world => world.units_sold(variant, from, to), self.store.units_sold(shop, variant, from, to))
    }

    pub async fn price_changes(
        &self,
        shop: &str,
        variant: &str,
        before: Option<(Millis, i64)>,
        limit: u32,
    ) -> Result<Vec<PriceChangeRow>> {
        either!(self, world => world.price_changes(variant, before, limit),
            self.store.price_changes(shop, variant, before, limit))
    }

    pub async fn effects_counted(
        &self,
        shop: &str,
        subject: &str,
        action: Option<&str>,
        tag: Option<&str>,
        since: Millis,
    ) -> Result<u64> {
        either!(self, world => world.effects_counted(subject, action, tag, since),
            self.store.effects_counted(shop, subject, action, tag, since))
    }

    pub async fn effects_since(
        &self,
        shop: &str,
        installation: Option<&str>,
        action: &str,
        since: Millis,
    ) -> Result<u64> {
        either!(self, world => world.effects_since(installation, action, since),
            self.store.effects_since(shop, installation, action, since))
    }

    /// In a trial runs execute one after another: nothing that one decided on changes meanwhile.
    pub async fn facts(&self, shop: &str, keys: &[String]) -> Result<Vec<i64>> {
        either!(self, _world => vec![0; keys.len()], self.store.facts(shop, keys))
    }

    pub async fn memory_get(&self, shop: &str, installation: &str, key: &str) -> Result<Option<String>> {
        either!(self, world => world.memory(installation, key), self.store.memory_get(shop, installation, key))
    }

    pub async fn once(&self, shop: &str, name: &str) -> Result<Option<RunId>> {
        either!(self, world => world.once(name), self.store.once(shop, name))
    }

    pub async fn run(&self, shop: &str, run: RunId) -> Result<Option<RunRow>> {
        either!(self, world => world.run(run), self.store.run(shop, run))
    }

    pub async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>> {
        either!(self, world => runs.iter().filter_map(|run| world.run(*run)).collect(), self.store.runs_by_id(runs))
    }

    pub async fn journal(&self, run: RunId) -> Result<Vec<Vec<u8>>> {
        either!(self, world => world.journal(run), self.store.journal(run))
    }

    pub async fn event(&self, shop: &str, seq: i64) -> Result<Option<EventRow>> {
        either!(self, world => world.event(seq), self.store.event(shop, seq))
    }

    pub async fn events_matching(
        &self,
        shop: &str,
        entity: Option<&str>,
        kinds: &[String],
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>> {
        either!(self, world => world.events_matching(entity, kinds, after_seq, limit),
            self.store.events_matching(shop, entity, kinds, after_seq, limit))
    }

    pub async fn latest_seq(&self) -> Result<i64> {
        either!(self, world => world.latest_seq(), self.store.latest_seq())
    }

    /// A trial sends nothing, so nothing is ever half sent.
    pub async fn effect(&self, shop: &str, id: &str) -> Result<Option<EffectRow>> {
        either!(self, _world => None, self.store.effect(shop, id))
    }

    /// A trial asks nobody.
    pub async fn approval(&self, shop: &str, id: &str) -> Result<Option<ApprovalRow>> {
        either!(self, _world => None, self.store.approval(shop, id))
    }

    pub async fn update_effects(&self, rows: Vec<EffectRow>) -> Result<()> {
        either!(self, _world => (), self.store.update_effects(rows))
    }

    pub async fn flush(&self, flush: Flush) -> Result<Flushed> {
        either!(self, world => world.flush(flush), self.store.flush(flush))
    }
}
