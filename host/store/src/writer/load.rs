//! Reads what a batch's outcomes depend on.

use std::collections::HashSet;

use shopwright_model::EntityKind;

use super::Op;
use crate::{
    error::{Result, StoreError},
    ops::{Flush, NewEvent, NewRun, Next, Own, Put, RunState},
    sql::{Connection, Row, Rows, Ty, args},
};

/// A run as far as decisions need it.
#[derive(Debug, Clone)]
pub(crate) struct LoadedRun {
    pub(crate) id: i64,
    pub(crate) state: RunState,
    pub(crate) fence: i64,
    pub(crate) node: Option<i64>,
    pub(crate) cursor: i64,
    pub(crate) chunks: i64,
    pub(crate) effects: i64,
    pub(crate) shop: String,
    /// installation, workflow, key.
    pub(crate) key: Option<(String, String, String)>,
}

/// A document as far as decisions need it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadedDocument {
    pub(crate) version: i64,
    pub(crate) sort: i64,
    pub(crate) owner: Option<String>,
    pub(crate) alt: Option<String>,
}

/// What was read. Positions are those of the keys in [`Wanted`].
#[derive(Default)]
pub(crate) struct Loaded<'a> {
    pub(crate) wanted: Wanted<'a>,
    /// Of `wanted.events`: the number of the one that is there.
    pub(crate) events: Vec<(usize, i64)>,
    pub(crate) runs: Vec<LoadedRun>,
    /// Of `wanted.facts`.
    pub(crate) facts: Vec<(usize, i64)>,
    /// Of `wanted.documents`.
    pub(crate) documents: Vec<(usize, LoadedDocument)>,
    /// Of `wanted.pairs`: a run that waits for it.
    pub(crate) waits: Vec<(usize, i64)>,
    /// Of `wanted.latest`: the latest event's number.
    pub(crate) latest: Vec<(usize, i64)>,
    /// Of `wanted.once`: the run.
    pub(crate) once: Vec<(usize, i64)>,
    /// Effects that are there already: run, position. Only of runs that had any.
    pub(crate) effects: HashSet<(i64, i64)>,
}

/// shop, entity or `*`, event kind.
pub(crate) type Pair<'a> = (&'a str, &'a str, &'a str);
/// shop, installation, workflow, key.
pub(crate) type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The keys of what is to be read.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    /// shop, source, id.
    pub(crate) events: Vec<(&'a str, &'a str, &'a str)>,
    pub(crate) runs: Vec<i64>,
    pub(crate) facts: Vec<(&'a str, &'a str)>,
    pub(crate) documents: Vec<(&'a str, EntityKind, &'a str)>,
    pub(crate) pairs: Vec<Pair<'a>>,
    pub(crate) latest: Vec<Pair<'a>>,
    /// shop, name.
    pub(crate) once: Vec<(&'a str, &'a str)>,
    pub(crate) keys: Vec<Key<'a>>,
    /// Runs that may end in this batch: others of their key may have to go on.
    ending: HashSet<i64>,
    /// run, position.
    effects: Vec<(i64, i64)>,
}

impl<'a> Wanted<'a> {
    fn of(ops: &'a [Op]) -> Self {
        let mut wanted = Self::default();
        for op in ops {
            match op {
                Op::Accept(events) => events.iter().for_each(|event| wanted.event(event)),
                Op::Flush(flush) => wanted.flush(flush),
                Op::Start(runs) => runs.iter().for_each(|run| wanted.run(run)),
                Op::Cancel { run, .. } => {
                    wanted.runs.push(run.0);
                    wanted.ending.insert(run.0);
                }
                Op::Import(batch) => batch.puts.iter().for_each(|put| wanted.put(&batch.shop, put)),
                _ => {}
            }
        }
        wanted.facts.sort_unstable();
        wanted.facts.dedup();
        wanted.documents.sort_unstable();
        wanted.documents.dedup();
        wanted.pairs.sort_unstable();
        wanted.pairs.dedup();
        wanted.latest.sort_unstable();
        wanted.latest.dedup();
        wanted.keys.sort_unstable();
        wanted.keys.dedup();
        wanted.runs.sort_unstable();
        wanted.runs.dedup();
        wanted
    }

    fn event(&mut self, event: &'a NewEvent) {
        self.events.push((&event.shop, &event.source, &event.id));
        self.pairs.push((&event.shop, "*", &event.kind));
        self.pairs.extend(event.concerns.iter().map(|entity| (&*event.shop, &**entity, &*event.kind)));
        event.puts.iter().for_each(|put| self.put(&event.shop, put));
        self.documents.extend(event.removes.iter().map(|(kind, id)| (&*event.shop, *kind, &**id)));
        event.runs.iter().for_each(|run| self.run(run));
    }

    fn put(&mut self, shop: &'a str, put: &'a Put) {
        self.documents.push((shop, put.entity.kind, &put.entity.id));
    }

    fn run(&mut self, run: &'a NewRun) {
        if let Some(name) = &run.once {
            self.once.push((&run.shop, name));
        }
        if let Some(key) = &run.key {
            self.keys.push((&run.shop, &run.installation, &run.workflow, key));
        }
    }

    fn flush(&mut self, flush: &'a Flush) {
        self.runs.push(flush.run.0);
        self.facts.extend(flush.expects.iter().map(|(key, _)| (&*flush.shop, &**key)));
        self.facts.extend(flush.bumps.iter().map(|key| (&*flush.shop, &**key)));
        for own in &flush.own {
            if let Own::Put(put) = own {
                self.put(&flush.shop, put);
            }
        }
        flush.events.iter().for_each(|event| self.event(event));
        flush.starts.iter().for_each(|run| self.run(run));
        self.effects.extend(flush.effects.iter().map(|effect| (effect.run.0, i64::from(effect.position))));
        match &flush.next {
            Next::Stay | Next::Retry { .. } => {}
            Next::Wait { events, .. } => {
                self.latest.extend(events.iter().map(|(entity, kind)| (&*flush.shop, &**entity, &**kind)));
            }
            Next::Done(_) | Next::Failed { .. } => drop(self.ending.insert(flush.run.0)),
            Next::Continue { run, .. } => {
                self.ending.insert(flush.run.0);
                self.run(run);
            }
        }
    }
}

/// A set of rows that begin with their position.
fn numbered<'a, const N: usize>(
    types: &'static [Ty],
    keys: impl Iterator<Item = [crate::sql::Arg<'a>; N]>,
) -> Rows<'a> {
    let mut rows = Rows::new(types);
    for (n, key) in (0_i64..).zip(keys) {
        rows.args.push(n.into());
        rows.args.extend(key);
    }
    rows
}

fn places(rows: &[Row]) -> Result<Vec<(usize, i64)>> {
    rows.iter().map(|row| Ok((place(row)?, row.int(1)?))).collect()
}

fn place(row: &Row) -> Result<usize> {
    usize::try_from(row.int(0)?)
        .map_err(|_| StoreError::corrupt("a batched read answered for a key that was not asked for"))
}

const INT_2_TEXTS: &[Ty] = &[Ty::Int, Ty::Text, Ty::Text];
const INT_3_TEXTS: &[Ty] = &[Ty::Int, Ty::Text, Ty::Text, Ty::Text];

macro_rules! run_load {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.state, r.fence, r.node, r.cursor, r.chunks, r.effects, r.shop, r.key, \
             CASE WHEN r.key IS NOT NULL THEN r.installation END, CASE WHEN r.key IS NOT NULL THEN r.workflow END \
             FROM {v} CROSS JOIN runs r WHERE ",
            $rest
        )
    };
}

fn loaded_run(row: &Row) -> Result<LoadedRun> {
    let state = row.str(1)?;
    let key = match row.opt_text(8)? {
        Some(key) => Some((row.text(9)?, row.text(10)?, key)),
        None => None,
    };
    Ok(LoadedRun {
        id: row.int(0)?,
        state: RunState::parse(state).ok_or_else(|| StoreError::corrupt(format!("`{state}` is no state of a run")))?,
        fence: row.int(2)?,
        node: row.opt_int(3)?,
        cursor: row.int(4)?,
        chunks: row.int(5)?,
        effects: row.int(6)?,
        shop: row.text(7)?,
        key,
    })
}

async fn runs_by_id(connection: &mut Connection, ids: Vec<i64>) -> Result<Vec<LoadedRun>> {
    connection
        .query_rows(run_load!("r.id = v.column1"), args![], Rows::ints(ids))
        .await?
        .iter()
        .map(loaded_run)
        .collect()
}

async fn runs_by_key(connection: &mut Connection, keys: &[Key<'_>]) -> Result<Vec<LoadedRun>> {
    let mut set = Rows::new(&[Ty::Text, Ty::Text, Ty::Text, Ty::Text]);
    for (shop, installation, workflow, key) in keys {
        set.push([(*shop).into(), (*installation).into(), (*workflow).into(), (*key).into()]);
    }
    connection
        .query_rows(
            run_load!(
                "r.shop = v.column1 AND r.installation = v.column2 AND r.workflow = v.column3 AND r.key = v.column4 \
                 AND r.key IS NOT NULL AND r.state IN ('active', 'blocked', 'waiting')"
            ),
            args![],
            set,
        )
        .await?
        .iter()
        .map(loaded_run)
        .collect()
}

pub(crate) async fn load<'a>(connection: &mut Connection, ops: &'a [Op]) -> Result<Loaded<'a>> {
    let wanted = Wanted::of(ops);
    let mut loaded = Loaded::default();
    let c = connection;
    loaded.events = places(
        &c.query_rows(
            "SELECT v.column1, e.seq FROM {v} CROSS JOIN events e \
             WHERE e.shop = v.column2 AND e.source = v.column3 AND e.id = v.column4",
            args![],
            numbered(INT_3_TEXTS, wanted.events.iter().map(|(a, b, c)| [(*a).into(), (*b).into(), (*c).into()])),
        )
        .await?,
    )?;
    loaded.waits = places(
        &c.query_rows(
            "SELECT v.column1, w.run FROM {v} CROSS JOIN waits w \
             WHERE w.shop = v.column2 AND w.entity = v.column3 AND w.kind = v.column4",
            args![],
            numbered(INT_3_TEXTS, wanted.pairs.iter().map(|(a, b, c)| [(*a).into(), (*b).into(), (*c).into()])),
        )
        .await?,
    )?;
    // In an order that does not depend on the database's plan.
    loaded.waits.sort_unstable();
    let mut ids: Vec<i64> = wanted.runs.iter().copied().chain(loaded.waits.iter().map(|(_, run)| *run)).collect();
    ids.sort_unstable();
    ids.dedup();
    loaded.runs = runs_by_id(c, ids).await?;
    load_keys(c, &wanted, &mut loaded).await?;
    loaded.facts = places(
        &c.query_rows(
            "SELECT v.column1, f.version FROM {v} CROSS JOIN facts f WHERE f.shop = v.column2 AND f.key = v.column3",
            args![],
            numbered(INT_2_TEXTS, wanted.facts.iter().map(|(a, b)| [(*a).into(), (*b).into()])),
        )
        .await?,
    )?;
    let documents = c
        .query_rows(
            "SELECT v.column1, e.version, e.sort, e.owner, e.alt FROM {v} CROSS JOIN entities e \
             WHERE e.shop = v.column2 AND e.kind = v.column3 AND e.id = v.column4",
            args![],
            numbered(
                INT_3_TEXTS,
                wanted.documents.iter().map(|(a, b, c)| [(*a).into(), b.as_str().into(), (*c).into()]),
            ),
        )
        .await?;
    loaded.documents = documents
        .iter()
        .map(|row| {
            let document = LoadedDocument {
                version: row.int(1)?,
                sort: row.int(2)?,
                owner: row.opt_text(3)?,
                alt: row.opt_text(4)?,
            };
            Ok((place(row)?, document))
        })
        .collect::<Result<_>>()?;
    let latest = c
        .query_rows(
            "SELECT v.column1, coalesce((SELECT max(c.seq) FROM event_concerns c \
             WHERE c.shop = v.column2 AND c.entity = v.column3 AND c.kind = v.column4), 0) FROM {v}",
            args![],
            numbered(INT_3_TEXTS, wanted.latest.iter().map(|(a, b, c)| [(*a).into(), (*b).into(), (*c).into()])),
        )
        .await?;
    loaded.latest = places(&latest)?;
    loaded.once = places(
        &c.query_rows(
            "SELECT v.column1, o.run FROM {v} CROSS JOIN once o WHERE o.shop = v.column2 AND o.name = v.column3",
            args![],
            numbered(INT_2_TEXTS, wanted.once.iter().map(|(a, b)| [(*a).into(), (*b).into()])),
        )
        .await?,
    )?;
    load_effects(c, &wanted, &mut loaded).await?;
    loaded.wanted = wanted;
    Ok(loaded)
}

/// Live runs of the keys that new runs want, or that ending runs may free.
async fn load_keys(connection: &mut Connection, wanted: &Wanted<'_>, loaded: &mut Loaded<'_>) -> Result<()> {
    let mut keys = wanted.keys.clone();
    let ending = loaded.runs.iter().filter(|run| wanted.ending.contains(&run.id));
    keys.extend(ending.filter_map(|run| {
        let (installation, workflow, key) = run.key.as_ref()?;
        Some((&*run.shop, &**installation, &**workflow, &**key))
    }));
    keys.sort_unstable();
    keys.dedup();
    let found = runs_by_key(connection, &keys).await?;
    let known: HashSet<i64> = loaded.runs.iter().map(|run| run.id).collect();
    loaded.runs.extend(found.into_iter().filter(|run| !known.contains(&run.id)));
    Ok(())
}

/// Which of the batch's effects are there already: `runs.effects` counts only new ones. A run that had
/// none needs no look.
async fn load_effects(connection: &mut Connection, wanted: &Wanted<'_>, loaded: &mut Loaded<'_>) -> Result<()> {
    let had: HashSet<i64> = loaded.runs.iter().filter(|run| run.effects > 0).map(|run| run.id).collect();
    let mut set = Rows::new(&[Ty::Int, Ty::Int]);
    for (run, position) in wanted.effects.iter().filter(|(run, _)| had.contains(run)) {
        set.push([(*run).into(), (*position).into()]);
    }
    let rows = connection
        .query_rows(
            "SELECT e.run, e.position FROM {v} CROSS JOIN effects e WHERE e.run = v.column1 AND e.position = v.column2",
            args![],
            set,
        )
        .await?;
    for row in rows {
        loaded.effects.insert((row.int(0)?, row.int(1)?));
    }
    Ok(())
}
