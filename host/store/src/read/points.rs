//! The point reads that are batched, each kind one query over a set of keys.

use shopwright_model::{EntityKind, Millis, RunId};

use super::{Reader, loader::Loader};
use crate::{
    blob,
    error::{Result, StoreError},
    rows::Stored,
    sql::{Arg, Row, Rows, Statement, Ty, args},
    stats::Stats,
    store::Store,
};

type ShopText = (String, String);
/// shop, subject, action, tag, since.
type Counted = (String, String, Option<String>, Option<String>, Millis);

pub(crate) struct Loaders {
    entity: Loader<(String, EntityKind, String), Option<Stored>>,
    variant: Loader<ShopText, Option<Stored>>,
    facts: Loader<(String, Vec<String>), Vec<i64>>,
    memory: Loader<(String, String, String), Option<String>>,
    counted: Loader<Counted, u64>,
    journal: Loader<RunId, Vec<Vec<u8>>>,
}

impl Loaders {
    pub(crate) fn start(reader: &Reader) -> Self {
        /// The closure that a loader wants, around an async function of reader and keys.
        macro_rules! with {
            ($query:path) => {{
                let reader = reader.clone();
                Loader::start(move |keys| {
                    let reader = reader.clone();
                    async move { $query(&reader, keys).await }
                })
            }};
        }
        Self {
            entity: with!(entities),
            variant: with!(variants),
            facts: with!(facts),
            memory: with!(memory),
            counted: with!(counted),
            journal: with!(journals),
        }
    }
}

impl Store {
    /// A document; none: it is not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn entity(&self, shop: &str, kind: EntityKind, id: &str) -> Result<Option<Stored>> {
        self.inner.faults.check()?;
        Stats::add(&self.inner.stats.reads, 1);
        if let Some(known) = self.inner.cache.get(shop, kind, id) {
            Stats::add(&self.inner.stats.cached, 1);
            return Ok(known);
        }
        self.inner.loaders.entity.load((shop.into(), kind, id.into())).await
    }

    /// The product that a variant is of.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn product_of_variant(&self, shop: &str, variant: &str) -> Result<Option<Stored>> {
        Stats::add(&self.inner.stats.reads, 1);
        if let Some(known) = self.inner.cache.product_of_variant(shop, variant) {
            self.inner.faults.check()?;
            Stats::add(&self.inner.stats.cached, 1);
            return Ok(Some(known));
        }
        self.inner.loaders.variant.load((shop.into(), variant.into())).await
    }

    /// The versions of facts, in the order of `keys`; 0 for those that were never set.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn facts(&self, shop: &str, keys: &[String]) -> Result<Vec<i64>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        Stats::add(&self.inner.stats.reads, 1);
        self.inner.loaders.facts.load((shop.into(), keys.to_vec())).await
    }

    /// What an installation remembers under a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn memory_get(&self, shop: &str, installation: &str, key: &str) -> Result<Option<String>> {
        Stats::add(&self.inner.stats.reads, 1);
        self.inner.loaders.memory.load((shop.into(), installation.into(), key.into())).await
    }

    /// How many effects on a subject count against a limit since a time: intended, sent, done or unknown.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn effects_counted(
        &self,
        shop: &str,
        subject: &str,
        action: Option<&str>,
        tag: Option<&str>,
        since: Millis,
    ) -> Result<u64> {
        Stats::add(&self.inner.stats.reads, 1);
        let key = (shop.into(), subject.into(), action.map(Into::into), tag.map(Into::into), since);
        self.inner.loaders.counted.load(key).await
    }

    /// A run's journal, chunk by chunk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Corrupt`] for a chunk that cannot be read.
    pub async fn journal(&self, run: RunId) -> Result<Vec<Vec<u8>>> {
        Stats::add(&self.inner.stats.reads, 1);
        self.inner.loaders.journal.load(run).await
    }
}

/// Which of `n` keys a row answers: its first column.
fn place(row: &Row, n: usize) -> Result<usize> {
    let place = row.int(0)?;
    usize::try_from(place)
        .ok()
        .filter(|place| *place < n)
        .ok_or_else(|| StoreError::corrupt(format!("a batched read answered for key {place} of {n}")))
}

const PLACE_SHOP_ID: &[Ty] = &[Ty::Int, Ty::Text, Ty::Text];

fn stored(row: &Row, from: usize) -> Result<Stored> {
    Ok(Stored { doc: row.shared(from)?, version: row.int(from + 1)?, since: row.int(from + 2)? })
}

async fn entities(reader: &Reader, keys: Vec<(String, EntityKind, String)>) -> Result<Vec<Option<Stored>>> {
    let epoch = reader.cache.epoch();
    let mut set = Rows::new(&[Ty::Int, Ty::Text, Ty::Text, Ty::Text]);
    for (n, (shop, kind, id)) in (0_i64..).zip(&keys) {
        set.push([n.into(), shop.into(), kind.as_str().into(), id.into()]);
    }
    let statement = Statement::with_rows(
        "SELECT v.column1, e.doc, e.version, e.since FROM {v} CROSS JOIN entities e \
         WHERE e.shop = v.column2 AND e.kind = v.column3 AND e.id = v.column4",
        args![],
        set,
    );
    let mut all = vec![None; keys.len()];
    for row in reader.fetch(&statement).await? {
        all[place(&row, keys.len())?] = Some(stored(&row, 1)?);
    }
    for ((shop, kind, id), value) in keys.iter().zip(&all) {
        reader.cache.put(epoch, shop, *kind, id, value.clone());
    }
    Ok(all)
}

fn pairs(keys: &[ShopText]) -> Rows<'_> {
    let mut set = Rows::new(PLACE_SHOP_ID);
    for (n, (shop, id)) in (0_i64..).zip(keys) {
        set.push([n.into(), shop.into(), id.into()]);
    }
    set
}

async fn variants(reader: &Reader, keys: Vec<ShopText>) -> Result<Vec<Option<Stored>>> {
    let epoch = reader.cache.epoch();
    let statement = Statement::with_rows(
        "SELECT v.column1, e.doc, e.version, e.since, e.id FROM {v} CROSS JOIN variants a CROSS JOIN entities e \
         WHERE a.shop = v.column2 AND a.variant = v.column3 \
         AND e.shop = a.shop AND e.kind = 'product' AND e.id = a.product",
        args![],
        pairs(&keys),
    );
    let mut all = vec![None; keys.len()];
    for row in reader.fetch(&statement).await? {
        let (n, found) = (place(&row, keys.len())?, stored(&row, 1)?);
        let (shop, variant) = &keys[n];
        reader.cache.put_variant(epoch, shop, variant, &row.text(4)?, &found);
        all[n] = Some(found);
    }
    Ok(all)
}

async fn facts(reader: &Reader, calls: Vec<(String, Vec<String>)>) -> Result<Vec<Vec<i64>>> {
    let mut all: Vec<Vec<i64>> = calls.iter().map(|(_, keys)| vec![0; keys.len()]).collect();
    let flat: Vec<(usize, usize)> =
        calls.iter().enumerate().flat_map(|(call, (_, keys))| (0..keys.len()).map(move |key| (call, key))).collect();
    let mut set = Rows::new(PLACE_SHOP_ID);
    for (n, (call, key)) in (0_i64..).zip(&flat) {
        let (shop, keys) = &calls[*call];
        set.push([n.into(), shop.into(), (&keys[*key]).into()]);
    }
    let statement = Statement::with_rows(
        "SELECT v.column1, f.version FROM {v} CROSS JOIN facts f WHERE f.shop = v.column2 AND f.key = v.column3",
        args![],
        set,
    );
    for row in reader.fetch(&statement).await? {
        let (call, key) = flat[place(&row, flat.len())?];
        all[call][key] = row.int(1)?;
    }
    Ok(all)
}

async fn memory(reader: &Reader, keys: Vec<(String, String, String)>) -> Result<Vec<Option<String>>> {
    let mut set = Rows::new(&[Ty::Int, Ty::Text, Ty::Text, Ty::Text]);
    for (n, (shop, installation, key)) in (0_i64..).zip(&keys) {
        set.push([n.into(), shop.into(), installation.into(), key.into()]);
    }
    let statement = Statement::with_rows(
        "SELECT v.column1, m.value FROM {v} CROSS JOIN memory m \
         WHERE m.shop = v.column2 AND m.installation = v.column3 AND m.key = v.column4",
        args![],
        set,
    );
    let mut all = vec![None; keys.len()];
    for row in reader.fetch(&statement).await? {
        all[place(&row, keys.len())?] = Some(row.text(1)?);
    }
    Ok(all)
}

async fn counted(reader: &Reader, keys: Vec<Counted>) -> Result<Vec<u64>> {
    let mut set = Rows::new(&[Ty::Int, Ty::Text, Ty::Text, Ty::Text, Ty::Text, Ty::Int]);
    for (n, (shop, subject, action, tag, since)) in (0_i64..).zip(&keys) {
        set.push([n.into(), shop.into(), subject.into(), action.into(), tag.into(), Arg::Int(Some(*since))]);
    }
    let statement = Statement::with_rows(
        "SELECT v.column1, count(*) FROM {v} CROSS JOIN effects e \
         WHERE e.shop = v.column2 AND e.subject = v.column3 AND e.created_at >= v.column6 \
         AND (v.column4 IS NULL OR e.action = v.column4) AND (v.column5 IS NULL OR e.tag = v.column5) \
         AND e.state IN ('intended', 'sent', 'done', 'unknown') GROUP BY v.column1",
        args![],
        set,
    );
    let mut all = vec![0; keys.len()];
    for row in reader.fetch(&statement).await? {
        all[place(&row, keys.len())?] = row.int(1)?.unsigned_abs();
    }
    Ok(all)
}

async fn journals(reader: &Reader, keys: Vec<RunId>) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut set = Rows::new(&[Ty::Int, Ty::Int]);
    for (n, run) in (0_i64..).zip(&keys) {
        set.push([n.into(), (*run).into()]);
    }
    let statement = Statement::with_rows(
        "SELECT v.column1, j.bytes FROM {v} CROSS JOIN journal j WHERE j.run = v.column2 ORDER BY v.column1, j.chunk",
        args![],
        set,
    );
    let mut all = vec![Vec::new(); keys.len()];
    for row in reader.fetch(&statement).await? {
        all[place(&row, keys.len())?].push(blob::unpack(row.bytes(1)?)?);
    }
    Ok(all)
}
