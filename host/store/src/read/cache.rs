//! Documents in memory, for SQLite only: this process is the only writer of the file, so that the
//! cache knows of every change. (On PostgreSQL other nodes write too: no cache.)
//!
//! Coherence. The writer makes the epoch odd before it commits, applies the changes after the commit
//! and makes the epoch even again, all before it answers anybody. A reader puts what it read only if
//! the epoch was even when it began and is still the same: then no commit began in between, and what
//! it read is the latest.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, RwLock};
use shopwright_model::EntityKind;

use crate::rows::Stored;

type Key = (EntityKind, String, String);

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    /// Keys in the order they came, for removal: first in, first out, with a second chance for those
    /// that were read since.
    order: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    stored: Option<Stored>,
    read: bool,
}

/// What a committed transaction did to a document.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) shop: String,
    pub(crate) kind: EntityKind,
    pub(crate) id: String,
    /// None: removed.
    pub(crate) stored: Option<Stored>,
}

#[derive(Debug)]
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    /// Shop → variant → its product's id. Forgotten whole when a product changes: they do so rarely.
    variants: RwLock<HashMap<String, HashMap<String, String>>>,
    most_bytes: usize,
    epoch: AtomicU64,
}

const SHARDS: usize = 16;
/// What an entry costs beside its texts.
const OVERHEAD: usize = 256;
/// Variants of a shop whose products are remembered at most.
const MOST_VARIANTS: usize = 50_000;

impl Cache {
    /// A cache of at most `bytes`; 0: one that keeps nothing.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            variants: RwLock::default(),
            most_bytes: bytes / SHARDS,
            epoch: AtomicU64::new(0),
        }
    }

    pub(crate) const fn is_off(&self) -> bool {
        self.most_bytes == 0
    }

    fn shard(&self, shop: &str, id: &str) -> &Mutex<Shard> {
        // FNV-1a: a few nanoseconds for the short texts that ids are.
        let hash = shop
            .bytes()
            .chain(id.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    /// None: not known. `Some(None)`: known to be absent.
    pub(crate) fn get(&self, shop: &str, kind: EntityKind, id: &str) -> Option<Option<Stored>> {
        if self.is_off() {
            return None;
        }
        let mut shard = self.shard(shop, id).lock();
        let entry = shard.entries.get_mut(&(kind, shop.to_owned(), id.to_owned()))?;
        entry.read = true;
        Some(entry.stored.clone())
    }

    /// The product of a variant; none: not known.
    pub(crate) fn product_of_variant(&self, shop: &str, variant: &str) -> Option<Stored> {
        let epoch = self.epoch();
        let product = self.variants.read().get(shop)?.get(variant)?.clone();
        let stored = self.get(shop, EntityKind::Product, &product)??;
        // Both must be of the same time.
        (epoch.is_multiple_of(2) && self.epoch() == epoch).then_some(stored)
    }

    /// Puts what was read since `epoch`.
    pub(crate) fn put_variant(&self, epoch: u64, shop: &str, variant: &str, product: &str, stored: &Stored) {
        if self.is_off() || !epoch.is_multiple_of(2) {
            return;
        }
        self.put(epoch, shop, EntityKind::Product, product, Some(stored.clone()));
        let mut variants = self.variants.write();
        if self.epoch() == epoch {
            let own = variants.entry(shop.to_owned()).or_default();
            if own.len() >= MOST_VARIANTS {
                own.clear();
            }
            own.insert(variant.to_owned(), product.to_owned());
        }
    }

    /// To be taken before a read whose result is to be put.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Puts what was read since `epoch`.
    pub(crate) fn put(&self, epoch: u64, shop: &str, kind: EntityKind, id: &str, stored: Option<Stored>) {
        if self.is_off() || !epoch.is_multiple_of(2) {
            return;
        }
        let mut shard = self.shard(shop, id).lock();
        // Under the lock: a commit that begins now applies its changes behind this.
        if self.epoch() == epoch {
            shard.insert((kind, shop.to_owned(), id.to_owned()), stored, self.most_bytes);
        }
    }

    /// Before COMMIT.
    pub(crate) fn begin_commit(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// After COMMIT, whatever came of it: `changes` if it succeeded. None: it is not known, forget all.
    pub(crate) fn end_commit(&self, changes: Option<Vec<Change>>) {
        if !self.is_off() {
            match changes {
                Some(changes) => {
                    if changes.iter().any(|change| change.kind == EntityKind::Product) {
                        self.variants.write().clear();
                    }
                    for Change { shop, kind, id, stored } in changes {
                        let mut shard = self.shard(&shop, &id).lock();
                        shard.insert((kind, shop, id), stored, self.most_bytes);
                    }
                }
                None => {
                    self.variants.write().clear();
                    for shard in &self.shards {
                        *shard.lock() = Shard::default();
                    }
                }
            }
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

impl Shard {
    fn insert(&mut self, key: Key, stored: Option<Stored>, most_bytes: usize) {
        let size = |key: &Key, stored: &Option<Stored>| {
            OVERHEAD + 2 * (key.1.len() + key.2.len()) + stored.as_ref().map_or(0, |s| s.doc.len())
        };
        self.bytes += size(&key, &stored);
        if let Some(entry) = self.entries.get_mut(&key) {
            self.bytes -= size(&key, &entry.stored);
            entry.stored = stored;
        } else {
            self.order.push_back(key.clone());
            self.entries.insert(key, Entry { stored, read: false });
        }
        while self.bytes > most_bytes {
            let Some(key) = self.order.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if entry.read && self.order.len() > 1 {
                entry.read = false;
                self.order.push_back(key);
            } else if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= size(&key, &entry.stored);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(version: i64, size: usize) -> Stored {
        Stored { doc: "x".repeat(size).into(), version, since: 0 }
    }

    fn change(id: &str, stored: Option<Stored>) -> Change {
        Change { shop: "s".into(), kind: EntityKind::Cart, id: id.into(), stored }
    }

    #[test]
    fn a_read_that_a_commit_overtook_is_not_kept() {
        let cache = Cache::new(1 << 20);
        let epoch = cache.epoch();
        cache.begin_commit();
        cache.put(epoch, "s", EntityKind::Cart, "c", Some(stored(1, 1)));
        assert_eq!(cache.get("s", EntityKind::Cart, "c"), None);
        let during = cache.epoch();
        cache.end_commit(Some(vec![change("c", Some(stored(2, 1)))]));
        cache.put(epoch, "s", EntityKind::Cart, "c", Some(stored(1, 1)));
        cache.put(during, "s", EntityKind::Cart, "c", Some(stored(1, 1)));
        assert_eq!(cache.get("s", EntityKind::Cart, "c"), Some(Some(stored(2, 1))));
        cache.begin_commit();
        cache.end_commit(Some(vec![change("c", None)]));
        assert_eq!(cache.get("s", EntityKind::Cart, "c"), Some(None));
        cache.begin_commit();
        cache.end_commit(None);
        assert_eq!(cache.get("s", EntityKind::Cart, "c"), None);
    }

    #[test]
    fn a_variant_is_looked_up_anew_once_a_product_has_changed() {
        let cache = Cache::new(1 << 20);
        let product = stored(1, 10);
        cache.put_variant(cache.epoch(), "s", "v", "p", &product);
        assert_eq!(cache.product_of_variant("s", "v"), Some(product.clone()));
        assert_eq!(cache.product_of_variant("other", "v"), None);
        let epoch = cache.epoch();
        cache.begin_commit();
        assert_eq!(cache.product_of_variant("s", "v"), None);
        let change = Change { shop: "s".into(), kind: EntityKind::Product, id: "q".into(), stored: None };
        cache.end_commit(Some(vec![change]));
        assert_eq!(cache.product_of_variant("s", "v"), None);
        cache.put_variant(epoch, "s", "v", "p", &product);
        assert_eq!(cache.product_of_variant("s", "v"), None);
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_is_read() {
        let cache = Cache::new(SHARDS * 20_000);
        cache.begin_commit();
        cache.end_commit(Some(vec![change("kept", Some(stored(1, 100)))]));
        for n in 0..2_000 {
            assert!(cache.get("s", EntityKind::Cart, "kept").is_some(), "{n}");
            cache.begin_commit();
            cache.end_commit(Some(vec![change(&n.to_string(), Some(stored(1, 1_000)))]));
        }
        for shard in &cache.shards {
            let shard = shard.lock();
            assert!(shard.bytes <= 20_000);
            assert_eq!(shard.entries.len(), shard.order.len());
        }
    }
}
