//! Documents of the model: versions, what they were before, and what is derived from them.

use std::collections::HashMap;

use shopwright_model::{EntityKind, Millis};

use super::load::LoadedDocument;
use crate::{
    error::Result,
    ops::Put,
    read::Change,
    rows::Stored,
    sql::{Connection, Rows, Ty, args},
};

type Name<'a> = (&'a str, EntityKind, &'a str);

#[derive(Default)]
struct Document<'a> {
    /// 0: it is not there.
    version: i64,
    sort: i64,
    /// As it was before this batch.
    stored: Option<&'a LoadedDocument>,
    change: Option<Pending<'a>>,
}

enum Pending<'a> {
    Put(&'a Put),
    Removed,
}

/// A version that came and went within this batch.
struct Passed<'a> {
    name: Name<'a>,
    version: i64,
    put: &'a Put,
    till: Millis,
}

pub(super) struct Documents<'a> {
    all: HashMap<Name<'a>, Document<'a>>,
    /// Stored versions that end in this batch, and when.
    ended: Vec<(Name<'a>, Millis)>,
    passed: Vec<Passed<'a>>,
    /// Changed ones in the order of their first change: rows are written in an order that does not
    /// depend on a hash.
    changed: Vec<Name<'a>>,
}

const PUT: &[Ty] = &[Ty::Text, Ty::Text, Ty::Text, Ty::Text, Ty::Text, Ty::Text, Ty::Int, Ty::Int, Ty::Int];

macro_rules! put {
    () => {
        "INSERT INTO entities (shop, kind, id, doc, owner, alt, sort, since, version) \
         SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9 FROM {v} WHERE true \
         ON CONFLICT (shop, kind, id) DO UPDATE SET "
    };
}

impl<'a> Documents<'a> {
    pub(super) fn new(loaded: impl Iterator<Item = (Name<'a>, &'a LoadedDocument)>) -> Self {
        let all = loaded
            .map(|(name, stored)| {
                (name, Document { version: stored.version, sort: stored.sort, stored: Some(stored), change: None })
            })
            .collect();
        Self { all, ended: Vec::new(), passed: Vec::new(), changed: Vec::new() }
    }

    /// 0: it is not there.
    pub(super) fn version(&self, shop: &str, kind: EntityKind, id: &str) -> i64 {
        self.all.get(&(shop, kind, id)).map_or(0, |document| document.version)
    }

    /// Replaces the document, unless `put` says not to.
    pub(super) fn put(&mut self, shop: &'a str, put: &'a Put) {
        if put.expect.is_none_or(|version| version == self.version(shop, put.entity.kind, &put.entity.id)) {
            self.put_checked(shop, put);
        }
    }

    /// As [`Documents::put`], when `put.expect` has been looked at.
    pub(super) fn put_checked(&mut self, shop: &'a str, put: &'a Put) {
        let name = (shop, put.entity.kind, &*put.entity.id);
        let document = self.all.entry(name).or_default();
        if put.newer_only && document.version > 0 && document.sort > put.entity.sort {
            return;
        }
        Self::end(name, document, put.since, &mut self.ended, &mut self.passed, &mut self.changed);
        document.version += 1;
        document.sort = put.entity.sort;
        document.change = Some(Pending::Put(put));
    }

    pub(super) fn remove(&mut self, shop: &'a str, kind: EntityKind, id: &'a str, at: Millis) {
        let name = (shop, kind, id);
        let Some(document) = self.all.get_mut(&name) else { return };
        if document.version > 0 {
            Self::end(name, document, at, &mut self.ended, &mut self.passed, &mut self.changed);
            document.version = 0;
            document.change = Some(Pending::Removed);
        }
    }

    /// Notes that the present version ends.
    fn end(
        name: Name<'a>,
        document: &mut Document<'a>,
        till: Millis,
        ended: &mut Vec<(Name<'a>, Millis)>,
        passed: &mut Vec<Passed<'a>>,
        changed: &mut Vec<Name<'a>>,
    ) {
        match document.change.take() {
            None => {
                changed.push(name);
                if document.stored.is_some() {
                    ended.push((name, till));
                }
            }
            Some(Pending::Put(put)) => passed.push(Passed { name, version: document.version, put, till }),
            Some(Pending::Removed) => {}
        }
    }

    /// What the cache is told after the commit.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.changed
            .iter()
            .filter_map(|name| {
                let document = self.all.get(name)?;
                let stored = match document.change.as_ref()? {
                    Pending::Put(put) => Some(Stored {
                        doc: put.entity.doc.as_str().into(),
                        version: document.version,
                        since: put.since,
                    }),
                    Pending::Removed => None,
                };
                Some(Change { shop: name.0.to_owned(), kind: name.1, id: name.2.to_owned(), stored })
            })
            .collect()
    }

    pub(super) async fn emit(&self, c: &mut Connection) -> Result<bool> {
        if self.changed.is_empty() {
            return Ok(false);
        }
        self.emit_past(c).await?;
        let mut removed = Rows::new(&[Ty::Text, Ty::Text, Ty::Text]);
        let mut puts = Rows::new(PUT);
        // Most changes leave owner and second name alone; then so does this, and their indexes.
        let mut same_terms = Rows::new(PUT);
        for name in &self.changed {
            let Some(document) = self.all.get(name) else { continue };
            match &document.change {
                Some(Pending::Put(put)) => {
                    let same = document
                        .stored
                        .is_some_and(|stored| stored.owner == put.entity.owner && stored.alt == put.entity.alt);
                    let to = if same { &mut same_terms } else { &mut puts };
                    to.push([
                        name.0.into(),
                        name.1.as_str().into(),
                        name.2.into(),
                        (&put.entity.doc).into(),
                        (&put.entity.owner).into(),
                        (&put.entity.alt).into(),
                        put.entity.sort.into(),
                        put.since.into(),
                        document.version.into(),
                    ]);
                }
                Some(Pending::Removed) if document.stored.is_some() => {
                    removed.push([name.0.into(), name.1.as_str().into(), name.2.into()]);
                }
                _ => {}
            }
        }
        c.execute_rows(
            "DELETE FROM entities WHERE (shop, kind, id) IN (SELECT column1, column2, column3 FROM {v})",
            args![],
            removed,
        )
        .await?;
        c.execute_rows(
            concat!(
                put!(),
                "doc = excluded.doc, sort = excluded.sort, since = excluded.since, version = excluded.version"
            ),
            args![],
            same_terms,
        )
        .await?;
        c.execute_rows(
            concat!(
                put!(),
                "doc = excluded.doc, owner = excluded.owner, alt = excluded.alt, sort = excluded.sort, \
                 since = excluded.since, version = excluded.version"
            ),
            args![],
            puts,
        )
        .await?;
        self.emit_variants(c).await?;
        self.emit_sales(c).await?;
        Ok(true)
    }

    async fn emit_past(&self, c: &mut Connection) -> Result<()> {
        let mut ended = Rows::new(&[Ty::Text, Ty::Text, Ty::Text, Ty::Int]);
        for ((shop, kind, id), till) in &self.ended {
            ended.push([(*shop).into(), kind.as_str().into(), (*id).into(), (*till).into()]);
        }
        c.execute_rows(
            "INSERT INTO entities_past (shop, kind, id, version, since, till, owner, doc) \
             SELECT e.shop, e.kind, e.id, e.version, e.since, v.column4, e.owner, e.doc FROM {v} CROSS JOIN entities e \
             WHERE e.shop = v.column1 AND e.kind = v.column2 AND e.id = v.column3",
            args![],
            ended,
        )
        .await?;
        let mut passed = Rows::new(&[Ty::Text, Ty::Text, Ty::Text, Ty::Int, Ty::Int, Ty::Int, Ty::Text, Ty::Text]);
        for Passed { name, version, put, till } in &self.passed {
            passed.push([
                name.0.into(),
                name.1.as_str().into(),
                name.2.into(),
                (*version).into(),
                put.since.into(),
                (*till).into(),
                (&put.entity.owner).into(),
                (&put.entity.doc).into(),
            ]);
        }
        c.execute_rows(
            "INSERT INTO entities_past (shop, kind, id, version, since, till, owner, doc) \
             SELECT column1, column2, column3, column4, column5, column6, column7, column8 FROM {v}",
            args![],
            passed,
        )
        .await?;
        Ok(())
    }

    /// Names of the changed documents of a kind that were stored before, and what is put now.
    fn of_kind(&self, kind: EntityKind) -> (Rows<'a>, Vec<(Name<'a>, &'a Put)>) {
        let (mut before, mut now) = (Rows::new(&[Ty::Text, Ty::Text]), Vec::new());
        for name in self.changed.iter().filter(|name| name.1 == kind) {
            let Some(document) = self.all.get(name) else { continue };
            if document.stored.is_some() {
                before.push([name.0.into(), name.2.into()]);
            }
            if let Some(Pending::Put(put)) = &document.change {
                now.push((*name, *put));
            }
        }
        (before, now)
    }

    async fn emit_variants(&self, c: &mut Connection) -> Result<()> {
        let (before, now) = self.of_kind(EntityKind::Product);
        c.execute_rows(
            "DELETE FROM variants WHERE (shop, product) IN (SELECT column1, column2 FROM {v})",
            args![],
            before,
        )
        .await?;
        // Two products may claim the same variant; the last one gets it.
        let mut of: HashMap<(&str, &str), &str> = HashMap::new();
        let mut order = Vec::new();
        for (name, put) in &now {
            for variant in &put.entity.parts {
                if of.insert((name.0, variant), name.2).is_none() {
                    order.push((name.0, &**variant));
                }
            }
        }
        let mut set = Rows::new(&[Ty::Text, Ty::Text, Ty::Text]);
        for key in order {
            set.push([key.0.into(), key.1.into(), of[&key].into()]);
        }
        c.execute_rows(
            "INSERT INTO variants (shop, variant, product) SELECT column1, column2, column3 FROM {v} WHERE true \
             ON CONFLICT (shop, variant) DO UPDATE SET product = excluded.product",
            args![],
            set,
        )
        .await?;
        Ok(())
    }

    async fn emit_sales(&self, c: &mut Connection) -> Result<()> {
        let (before, now) = self.of_kind(EntityKind::Order);
        c.execute_rows(
            "DELETE FROM sales WHERE (shop, order_id) IN (SELECT column1, column2 FROM {v})",
            args![],
            before,
        )
        .await?;
        let mut set = Rows::new(&[Ty::Text, Ty::Text, Ty::Int, Ty::Text, Ty::Int]);
        for (name, put) in &now {
            for (variant, units) in &put.entity.sales {
                set.push([name.0.into(), variant.into(), put.entity.sort.into(), name.2.into(), (*units).into()]);
            }
        }
        c.execute_rows(
            "INSERT INTO sales (shop, variant, at, order_id, units) \
             SELECT column1, column2, column3, column4, column5 FROM {v} WHERE true \
             ON CONFLICT (shop, variant, at, order_id) DO NOTHING",
            args![],
            set,
        )
        .await?;
        Ok(())
    }
}
