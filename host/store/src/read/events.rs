//! Events as they were accepted.

use shopwright_model::{Millis, RunId};

use crate::{
    error::{Result, StoreError},
    ops::EventRow,
    rows::EventFilter,
    sql::{Row, Rows, Statement, Ty, args},
    store::Store,
};

macro_rules! event_columns {
    () => {
        "e.seq, e.shop, e.source, e.id, e.kind, e.at, e.received_at, e.concerns, e.data, e.run, e.root, e.depth"
    };
}

pub(super) fn event(row: &Row) -> Result<EventRow> {
    let concerns = serde_json::from_str(row.str(7)?)
        .map_err(|error| StoreError::corrupt(format!("an event's concerns are no list: {error}")))?;
    Ok(EventRow {
        seq: row.int(0)?,
        shop: row.text(1)?,
        source: row.text(2)?,
        id: row.text(3)?,
        kind: row.text(4)?,
        at: row.int(5)?,
        received_at: row.int(6)?,
        concerns,
        data: row.text(8)?,
        run: row.opt_int(9)?.map(RunId),
        root: row.int(10)?,
        depth: row.small(11)?,
    })
}

impl Store {
    /// The event with this number.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn event(&self, shop: &str, seq: i64) -> Result<Option<EventRow>> {
        let statement = Statement::new(
            concat!("SELECT ", event_columns!(), " FROM events e WHERE e.shop = ? AND e.seq = ?"),
            args![shop, seq],
        );
        self.fetch_one(statement).await?.as_ref().map(event).transpose()
    }

    /// The event with this source and id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn event_by_id(&self, shop: &str, source: &str, id: &str) -> Result<Option<EventRow>> {
        let statement = Statement::new(
            concat!("SELECT ", event_columns!(), " FROM events e WHERE e.shop = ? AND e.source = ? AND e.id = ?"),
            args![shop, source, id],
        );
        self.fetch_one(statement).await?.as_ref().map(event).transpose()
    }

    /// Many events by number, in no order, whatever their shop: for runs that are to be resumed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn events_by_seq(&self, seqs: &[i64]) -> Result<Vec<EventRow>> {
        let statement = Statement::with_rows(
            concat!("SELECT ", event_columns!(), " FROM {v} CROSS JOIN events e WHERE e.seq = v.column1"),
            args![],
            Rows::ints(seqs.iter().copied()),
        );
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(statement).await?.iter().map(event).collect()
    }

    /// Events, latest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn events_list(&self, shop: &str, filter: &EventFilter) -> Result<Vec<EventRow>> {
        let before = filter.before.unwrap_or(i64::MAX);
        let statement = match (&filter.entity, &filter.kind) {
            (None, None) => Statement::new(
                concat!(
                    "SELECT ",
                    event_columns!(),
                    " FROM events e WHERE e.shop = ? AND e.seq < ? ORDER BY e.seq DESC LIMIT ?"
                ),
                args![shop, before, filter.limit],
            ),
            (entity, Some(kind)) => Statement::new(
                concat!(
                    "SELECT ",
                    event_columns!(),
                    " FROM event_concerns c CROSS JOIN events e \
                     WHERE c.shop = ? AND c.entity = ? AND c.kind = ? AND c.seq < ? AND e.seq = c.seq \
                     ORDER BY c.seq DESC LIMIT ?"
                ),
                args![shop, entity.as_deref().unwrap_or("*"), kind, before, filter.limit],
            ),
            (Some(entity), None) => Statement::new(
                concat!(
                    "SELECT ",
                    event_columns!(),
                    " FROM event_concerns c CROSS JOIN events e \
                     WHERE c.shop = ? AND c.entity = ? AND c.seq < ? AND e.seq = c.seq ORDER BY c.seq DESC LIMIT ?"
                ),
                args![shop, entity, before, filter.limit],
            ),
        };
        self.fetch(statement).await?.iter().map(event).collect()
    }

    /// Events of some kinds that concern an entity (none: any) after a number, earliest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn events_matching(
        &self,
        shop: &str,
        entity: Option<&str>,
        kinds: &[String],
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>> {
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let mut set = Rows::new(&[Ty::Text]);
        for kind in kinds {
            set.push([kind.into()]);
        }
        let statement = Statement::with_rows(
            concat!(
                "SELECT ",
                event_columns!(),
                " FROM {v} CROSS JOIN event_concerns c CROSS JOIN events e \
                 WHERE c.shop = ? AND c.entity = ? AND c.kind = v.column1 AND c.seq > ? AND e.seq = c.seq \
                 ORDER BY c.seq LIMIT ?"
            ),
            args![shop, entity.unwrap_or("*"), after_seq, limit],
            set,
        );
        self.fetch(statement).await?.iter().map(event).collect()
    }

    /// The number of the latest event; 0: there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn latest_seq(&self) -> Result<i64> {
        let row = self.fetch_one(Statement::new("SELECT coalesce(max(seq), 0) FROM events", args![])).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Events that happened from `from` up to before `to`, in the order of acceptance, after a number.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn events_between(
        &self,
        shop: &str,
        from: Millis,
        to: Millis,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>> {
        let statement = Statement::new(
            concat!(
                "SELECT ",
                event_columns!(),
                " FROM events e \
                 WHERE e.shop = ? AND e.seq > ? AND e.at >= ? AND e.at < ? ORDER BY e.seq LIMIT ?"
            ),
            args![shop, after_seq, from, to, limit],
        );
        self.fetch(statement).await?.iter().map(event).collect()
    }
}
