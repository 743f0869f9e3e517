//! Bulk imports: documents and progress move together, so that an import that was cut off goes on
//! where it stopped.

use crate::{
    error::{Result, StoreError},
    rows::{ImportBatch, ImportRow},
    sql::{Connection, Row, Statement, args},
    store::Store,
    writer::{Answer, Op},
};

/// Refused lines that are kept to be shown.
const ERRORS_KEPT: usize = 100;
const IMPORT: &str =
    "SELECT shop, id, lines, ok, failed, errors, done, updated_at FROM imports WHERE shop = ? AND id = ?";

fn import_row(row: &Row) -> Result<ImportRow> {
    Ok(ImportRow {
        shop: row.text(0)?,
        id: row.text(1)?,
        lines: row.int(2)?,
        ok: row.int(3)?,
        failed: row.int(4)?,
        errors: serde_json::from_str(row.str(5)?)
            .map_err(|error| StoreError::corrupt(format!("an import's errors are no list: {error}")))?,
        done: row.int(6)? != 0,
        updated_at: row.int(7)?,
    })
}

/// Within a write transaction: moves the import's progress forward by `batch`. A batch that was counted
/// before (its answer was lost) is not counted again.
pub(crate) async fn advance(connection: &mut Connection, batch: &ImportBatch) -> Result<ImportRow> {
    let found = connection.query(IMPORT, args![&batch.shop, &batch.import]).await?;
    let mut row = match found.first() {
        Some(row) => import_row(row)?,
        None => ImportRow { shop: batch.shop.clone(), id: batch.import.clone(), ..ImportRow::default() },
    };
    let end = batch.from_line + batch.lines - 1;
    if batch.lines > 0 && end <= row.lines {
        return Ok(row);
    }
    row.lines = row.lines.max(end);
    row.ok += i64::try_from(batch.puts.len()).unwrap_or(i64::MAX);
    row.failed += i64::try_from(batch.errors.len()).unwrap_or(i64::MAX);
    let room = ERRORS_KEPT.saturating_sub(row.errors.len());
    row.errors.extend(batch.errors.iter().take(room).cloned());
    row.done |= batch.done;
    row.updated_at = batch.now;
    let errors = serde_json::to_string(&row.errors).map_err(|error| StoreError::invalid(error.to_string()))?;
    let statement = Statement::new(
        "INSERT INTO imports (shop, id, lines, ok, failed, errors, done, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (shop, id) DO UPDATE SET lines = excluded.lines, ok = excluded.ok, failed = excluded.failed, \
         errors = excluded.errors, done = excluded.done, updated_at = excluded.updated_at",
        args![&row.shop, &row.id, row.lines, row.ok, row.failed, errors, row.done, row.updated_at],
    );
    connection.execute(&statement).await?;
    Ok(row)
}

impl Store {
    /// Stores a step of an import: its documents and the import's progress, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn import_batch(&self, batch: ImportBatch) -> Result<ImportRow> {
        match self.submit(Op::Import(Box::new(batch))).await? {
            Answer::Import(row) => Ok(*row),
            other => Err(other.unexpected()),
        }
    }

    /// How far an import is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn import_get(&self, shop: &str, id: &str) -> Result<Option<ImportRow>> {
        self.fetch_one(Statement::new(IMPORT, args![shop, id])).await?.as_ref().map(import_row).transpose()
    }
}
