//! The shop as it was: every version of its documents over a span, its events, price changes and the
//! effects that limits count, all in memory, answered as of a time.
//!
//! A version is known from when it was so, and not before the event that brought it was received: a
//! message that came late was not there to be read either. Second names, sort terms, variants and sales
//! of past versions are read out of the documents, once, when they are first asked for.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
    sync::{Arc, OnceLock},
};

use shopwright_model::{
    Entity, EntityKind, Millis, RunId,
    kinds::{self, Change},
};
use shopwright_policy::ActionKind;
use shopwright_store::{
    Doc, Store, Stored, Version,
    ops::{EventRow, PriceChangeRow},
};

use crate::{TrialError, counts::Counts};

/// Rows read at once.
const PAGE: u32 = 5_000;

/// A version of a document.
struct Kept {
    /// From when it can be read.
    known: Millis,
    /// When the document was removed; none: it was replaced, or is there still.
    gone: Option<Millis>,
    version: i64,
    since: Millis,
    doc: Arc<str>,
    owner: Option<Arc<str>>,
    terms: OnceLock<(Option<String>, i64)>,
}

impl Kept {
    /// Second name and sort term.
    fn terms(&self, kind: EntityKind) -> &(Option<String>, i64) {
        self.terms.get_or_init(|| {
            // It was checked when it was stored; one that an older program stored otherwise has no terms.
            Entity::parse_text(kind, &self.doc).map_or((None, 0), |entity| (entity.alt, entity.sort))
        })
    }
}

/// A document's versions in their order.
#[derive(Default)]
struct Chain(Vec<Kept>);

impl Chain {
    fn at(&self, now: Millis) -> Option<&Kept> {
        let after = self.0.partition_point(|kept| kept.known <= now);
        let kept = self.0.get(after.checked_sub(1)?)?;
        if kept.gone.is_some_and(|gone| gone <= now) { None } else { Some(kept) }
    }
}

/// Units of an order, from when until when they counted.
struct Sale {
    placed: Millis,
    units: i64,
    known: Millis,
    till: Millis,
}

type Ids = Vec<Arc<str>>;

/// The shop as it was over a span.
pub struct History {
    /// From when, inclusive.
    pub from: Millis,
    /// Until when, exclusive.
    pub to: Millis,
    /// The events received in it, in their order.
    pub events: Vec<Arc<EventRow>>,
    documents: HashMap<EntityKind, BTreeMap<Arc<str>, Chain>>,
    owners: HashMap<(EntityKind, Arc<str>), Ids>,
    alts: HashMap<EntityKind, OnceLock<HashMap<String, Ids>>>,
    variants: OnceLock<HashMap<String, Ids>>,
    sales: OnceLock<HashMap<String, Vec<Sale>>>,
    prices: HashMap<String, Vec<PriceChangeRow>>,
    pub(crate) counts: Counts,
    by_entity: HashMap<String, Vec<u32>>,
    by_kind: HashMap<String, Vec<u32>>,
}

/// What is left out of the record, since the trial takes its place, and how far back it is read.
#[derive(Default)]
pub struct LeftOut {
    /// Installation whose effects of the span are not counted.
    pub installation: Option<String>,
    /// Its runs: their price changes of the span are not counted.
    pub runs: HashSet<RunId>,
    /// How far back before the span effects are counted, in milliseconds: the longest window of a rule.
    pub counted_before: Millis,
}

impl History {
    /// Loads it. Takes memory for the whole model of the shop and for its versions of the span.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(
        store: &Store,
        shop: &str,
        (from, to): (Millis, Millis),
        left_out: &LeftOut,
    ) -> Result<Self, TrialError> {
        let mut history = Self {
            from,
            to,
            events: Vec::new(),
            documents: HashMap::new(),
            owners: HashMap::new(),
            alts: EntityKind::ALL.into_iter().map(|kind| (kind, OnceLock::new())).collect(),
            variants: OnceLock::new(),
            sales: OnceLock::new(),
            prices: HashMap::new(),
            counts: Counts::default(),
            by_entity: HashMap::new(),
            by_kind: HashMap::new(),
        };
        history.load_events(store, shop).await?;
        let late = history.late();
        history.load_documents(store, shop, &late).await?;
        history.load_counts(store, shop, left_out).await?;
        Ok(history)
    }

    async fn load_events(&mut self, store: &Store, shop: &str) -> Result<(), TrialError> {
        let first = store.first_seq_at(self.from).await?;
        let before = store.first_seq_at(self.to).await?;
        let mut after = first - 1;
        loop {
            let rows = store.events_range(shop, after, before, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in rows {
                if row.received_at < self.from || row.received_at >= self.to {
                    continue; // Two nodes' clocks.
                }
                let n = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
                for entity in &row.concerns {
                    self.by_entity.entry(entity.clone()).or_default().push(n);
                }
                self.by_kind.entry(row.kind.clone()).or_default().push(n);
                self.events.push(Arc::new(row));
            }
        }
        Ok(())
    }

    /// Documents' states that were brought by an event after they had begun: (kind, id, since) → when the
    /// event was received.
    fn late(&self) -> HashMap<(EntityKind, String, Millis), Millis> {
        let mut late = HashMap::new();
        for event in &self.events {
            let Some((kind, Change::Put | Change::Remove)) = kinds::carries(&event.kind) else { continue };
            if event.received_at <= event.at {
                continue;
            }
            let prefix = kind.as_str();
            let id = event
                .concerns
                .iter()
                .find_map(|concern| concern.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(':')));
            if let Some(id) = id {
                late.entry((kind, id.to_owned(), event.at)).or_insert(event.received_at);
            }
        }
        late
    }

    async fn load_documents(
        &mut self,
        store: &Store,
        shop: &str,
        late: &HashMap<(EntityKind, String, Millis), Millis>,
    ) -> Result<(), TrialError> {
        let mut after = store.versions_past_from(self.from).await?;
        let mut tills: HashMap<(EntityKind, Arc<str>), Millis> = HashMap::new();
        loop {
            let rows = store.versions_past(shop, self.from, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.n;
            for row in rows {
                self.add(row, late, &mut tills);
            }
        }
        let mut after: Option<(EntityKind, String)> = None;
        loop {
            let place = after.as_ref().map(|(kind, id)| (*kind, id.as_str()));
            let rows = store.versions_now(shop, place, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.kind, last.id.clone()));
            for row in rows {
                self.add(row, late, &mut tills);
            }
        }
        // Past versions without a successor: removed.
        for ((kind, id), till) in tills {
            if let Some(kept) = self.documents.get_mut(&kind).and_then(|d| d.get_mut(&id)).and_then(|c| c.0.last_mut())
            {
                let learned = late.get(&(kind, id.to_string(), till)).copied().unwrap_or(till);
                kept.gone = Some(learned.max(kept.known));
            }
        }
        Ok(())
    }

    /// `tills`: when the last known version of a document ended.
    fn add(
        &mut self,
        row: Version,
        late: &HashMap<(EntityKind, String, Millis), Millis>,
        tills: &mut HashMap<(EntityKind, Arc<str>), Millis>,
    ) {
        let Version { kind, id, version, since, till, owner, terms, doc, .. } = row;
        let learned = late.get(&(kind, id.clone(), since)).copied().unwrap_or(since);
        let id: Arc<str> = id.into();
        let owner: Option<Arc<str>> = owner.map(Into::into);
        if let Some(owner) = &owner {
            let ids = self.owners.entry((kind, owner.clone())).or_default();
            if ids.last() != Some(&id) && !ids.contains(&id) {
                ids.push(id.clone());
            }
        }
        let chain = self.documents.entry(kind).or_default().entry(id.clone()).or_default();
        let mut known = learned;
        if let Some(before) = chain.0.last_mut() {
            // Accepted in this order, so learned in this order.
            known = known.max(before.known);
            if version <= before.version
                && let Some(till) = tills.get(&(kind, id.clone()))
            {
                // It was removed, and came back.
                let learned = late.get(&(kind, id.to_string(), *till)).copied().unwrap_or(*till);
                before.gone = Some(learned.max(before.known));
            }
        }
        match till {
            Some(till) => tills.insert((kind, id), till),
            None => tills.remove(&(kind, id)),
        };
        let terms = terms.map_or_else(OnceLock::new, OnceLock::from);
        chain.0.push(Kept { known, gone: None, version, since, doc, owner, terms });
    }

    async fn load_counts(&mut self, store: &Store, shop: &str, left_out: &LeftOut) -> Result<(), TrialError> {
        let mut after = 0;
        loop {
            let rows = store.price_changes_all(shop, self.to, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in rows {
                let run = row.by.strip_prefix("run:").and_then(|run| run.parse().ok());
                if row.at >= self.from && run.is_some_and(|run| left_out.runs.contains(&run)) {
                    continue;
                }
                self.prices.entry(row.variant.clone()).or_default().push(row);
            }
        }
        for rows in self.prices.values_mut() {
            rows.sort_by_key(|row| (row.at, row.id));
        }
        for action in ActionKind::NAMES {
            let mut after = (0, RunId(0), 0);
            loop {
                let span = (self.from - left_out.counted_before, self.to);
                let rows = store.effects_counting(shop, action, span, after, PAGE).await?;
                let Some(last) = rows.last() else { break };
                after = (last.at, last.run, last.position);
                for row in rows {
                    if row.at >= self.from && left_out.installation.as_ref() == Some(&row.installation) {
                        continue;
                    }
                    self.counts.add(&row.action, &row.subject, &row.tag, &row.installation, row.at);
                }
            }
        }
        Ok(())
    }

    fn chain(&self, kind: EntityKind, id: &str) -> Option<&Chain> {
        self.documents.get(&kind)?.get(id)
    }

    /// How many versions of documents there are.
    #[must_use]
    pub fn versions(&self) -> usize {
        self.documents.values().flat_map(BTreeMap::values).map(|chain| chain.0.len()).sum()
    }

    /// A document as of a time.
    #[must_use]
    pub fn entity(&self, kind: EntityKind, id: &str, now: Millis) -> Option<Stored> {
        let kept = self.chain(kind, id)?.at(now)?;
        Some(Stored { doc: kept.doc.clone(), version: kept.version, since: kept.since })
    }

    fn doc(&self, kind: EntityKind, id: &str, kept: &Kept) -> Doc {
        Doc { id: id.to_owned(), sort: kept.terms(kind).1, doc: kept.doc.clone(), version: kept.version }
    }

    /// What belonged to an owner, latest first, behind (sort, id).
    #[must_use]
    pub fn owned(
        &self,
        kind: EntityKind,
        owner: &str,
        after: Option<(i64, &str)>,
        limit: u32,
        now: Millis,
    ) -> Vec<Doc> {
        let Some(ids) = self.owners.get(&(kind, owner.into())) else { return Vec::new() };
        let mut docs: Vec<Doc> = ids
            .iter()
            .filter_map(|id| {
                let kept = self.chain(kind, id)?.at(now)?;
                (kept.owner.as_deref() == Some(owner)).then(|| self.doc(kind, id, kept))
            })
            .filter(|doc| after.is_none_or(|after| (doc.sort, doc.id.as_str()) < after))
            .collect();
        docs.sort_by(|a, b| (b.sort, &b.id).cmp(&(a.sort, &a.id)));
        docs.truncate(limit as usize);
        docs
    }

    /// The document with this second name.
    #[must_use]
    pub fn by_alt(&self, kind: EntityKind, alt: &str, now: Millis) -> Option<Doc> {
        let index = self.alts.get(&kind)?.get_or_init(|| {
            let mut index: HashMap<String, Ids> = HashMap::new();
            for (id, chain) in self.documents.get(&kind).into_iter().flatten() {
                for kept in &chain.0 {
                    let Some(alt) = &kept.terms(kind).0 else { continue };
                    let ids = index.entry(alt.clone()).or_default();
                    if !ids.contains(id) {
                        ids.push(id.clone());
                    }
                }
            }
            index
        });
        let found = index.get(alt)?.iter().filter_map(|id| {
            let kept = self.chain(kind, id)?.at(now)?;
            (kept.terms(kind).0.as_deref() == Some(alt)).then(|| self.doc(kind, id, kept))
        });
        found.max_by(|a, b| (a.sort, &a.id).cmp(&(b.sort, &b.id)))
    }

    /// All of a kind by id.
    #[must_use]
    pub fn scan(&self, kind: EntityKind, after: Option<&str>, limit: u32, now: Millis) -> Vec<Doc> {
        let Some(documents) = self.documents.get(&kind) else { return Vec::new() };
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        documents
            .range::<str, _>((begin, Bound::Unbounded))
            .filter_map(|(id, chain)| Some(self.doc(kind, id, chain.at(now)?)))
            .take(limit as usize)
            .collect()
    }

    /// The product that a variant was of, with its id.
    #[must_use]
    pub fn product_of_variant(&self, variant: &str, now: Millis) -> Option<(Arc<str>, Stored)> {
        let kind = EntityKind::Product;
        let index = self.variants.get_or_init(|| {
            let mut index: HashMap<String, Ids> = HashMap::new();
            for (id, chain) in self.documents.get(&kind).into_iter().flatten() {
                for kept in &chain.0 {
                    for variant in variants(&kept.doc) {
                        let ids = index.entry(variant).or_default();
                        if !ids.contains(id) {
                            ids.push(id.clone());
                        }
                    }
                }
            }
            index
        });
        index.get(variant)?.iter().find_map(|id| {
            let kept = self.chain(kind, id)?.at(now)?;
            // A variant that moved between products is of the one that has it.
            let has = index.get(variant)?.len() == 1 || variants(&kept.doc).iter().any(|v| v == variant);
            has.then(|| (id.clone(), Stored { doc: kept.doc.clone(), version: kept.version, since: kept.since }))
        })
    }

    /// Units in orders placed from `from` up to before `to`, as the orders were then.
    #[must_use]
    pub fn units_sold(&self, variant: &str, from: Millis, to: Millis, now: Millis) -> i64 {
        let sales = self.sales.get_or_init(|| {
            let kind = EntityKind::Order;
            let mut index: HashMap<String, Vec<Sale>> = HashMap::new();
            for chain in self.documents.get(&kind).into_iter().flatten().map(|(_, chain)| chain) {
                for (n, kept) in chain.0.iter().enumerate() {
                    let Ok(order) = Entity::parse_text(kind, &kept.doc) else { continue };
                    let till = chain.0.get(n + 1).map_or(Millis::MAX, |next| next.known);
                    let till = kept.gone.map_or(till, |gone| gone.min(till));
                    for (variant, units) in order.sales {
                        let sale = Sale { placed: order.sort, units, known: kept.known, till };
                        index.entry(variant).or_default().push(sale);
                    }
                }
            }
            for sales in index.values_mut() {
                sales.sort_by_key(|sale| sale.placed);
            }
            index
        });
        let Some(sales) = sales.get(variant) else { return 0 };
        let begin = sales.partition_point(|sale| sale.placed < from);
        sales[begin..]
            .iter()
            .take_while(|sale| sale.placed < to)
            .filter(|sale| sale.known <= now && now < sale.till)
            .map(|sale| sale.units)
            .sum()
    }

    /// A variant's price changes up to now, the earliest first.
    pub(crate) fn prices(&self, variant: &str, now: Millis) -> &[PriceChangeRow] {
        let Some(rows) = self.prices.get(variant) else { return &[] };
        &rows[..rows.partition_point(|row| row.at <= now)]
    }

    /// Events of some kinds that concern an entity (none: any), with numbers after `after` up to `latest`.
    pub(crate) fn events_matching(
        &self,
        entity: Option<&str>,
        kinds: &[String],
        after: i64,
        latest: i64,
        limit: u32,
    ) -> Vec<EventRow> {
        let mut found: Vec<u32> = Vec::new();
        let range = |index: &[u32]| {
            let seq = |n: &u32| self.events[*n as usize].seq;
            let begin = index.partition_point(|n| seq(n) <= after);
            let end = index.partition_point(|n| seq(n) <= latest);
            begin..end.max(begin)
        };
        match entity {
            Some(entity) => {
                let Some(index) = self.by_entity.get(entity) else { return Vec::new() };
                let of_kind = |n: &&u32| kinds.contains(&self.events[**n as usize].kind);
                found.extend(index[range(index)].iter().filter(of_kind).take(limit as usize));
            }
            None => {
                for kind in kinds {
                    let Some(index) = self.by_kind.get(kind) else { continue };
                    found.extend(index[range(index)].iter().take(limit as usize));
                }
                found.sort_unstable();
                found.truncate(limit as usize);
            }
        }
        found.into_iter().map(|n| (*self.events[n as usize]).clone()).collect()
    }

    /// The event with this number.
    pub(crate) fn event(&self, seq: i64) -> Option<&Arc<EventRow>> {
        let n = self.events.partition_point(|event| event.seq < seq);
        self.events.get(n).filter(|event| event.seq == seq)
    }
}

/// The ids of a product's variants.
fn variants(doc: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Variant {
        id: String,
    }
    #[derive(serde::Deserialize)]
    struct Product {
        variants: Vec<Variant>,
    }
    serde_json::from_str::<Product>(doc).map_or_else(|_| Vec::new(), |p| p.variants.into_iter().map(|v| v.id).collect())
}
