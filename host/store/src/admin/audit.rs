//! The audit: append-only, and each row's hash covers the row before it, so that a row that was
//! changed or taken out shows.

use sha2::{Digest as _, Sha256};

use crate::{
    error::Result,
    rows::{AuditCheck, AuditEntry, AuditRow},
    sql::{Connection, Row, Statement, args},
    store::Store,
    writer::{Answer, Op},
};

const AUDIT: &str = "n, shop, at, who, what, subject, before, after, origin, previous, hash";

fn audit_row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        n: row.int(0)?,
        entry: AuditEntry {
            shop: row.text(1)?,
            at: row.int(2)?,
            who: row.text(3)?,
            what: row.text(4)?,
            subject: row.text(5)?,
            before: row.opt_text(6)?,
            after: row.opt_text(7)?,
            origin: row.text(8)?,
        },
        previous: row.text(9)?,
        hash: row.text(10)?,
    })
}

/// SHA-256 over every field, each with its length before it so that none runs into the next.
fn hash(previous: &str, n: i64, entry: &AuditEntry) -> String {
    let mut hasher = Sha256::new();
    let mut field = |text: Option<&str>| match text {
        Some(text) => {
            hasher.update([1]);
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        None => hasher.update([0]),
    };
    field(Some(previous));
    field(Some(&n.to_string()));
    field(Some(&entry.shop));
    field(Some(&entry.at.to_string()));
    field(Some(&entry.who));
    field(Some(&entry.what));
    field(Some(&entry.subject));
    field(entry.before.as_deref());
    field(entry.after.as_deref());
    field(Some(&entry.origin));
    hex::encode(hasher.finalize())
}

/// Within a write transaction: appends an entry to the chain; its number.
pub(crate) async fn append(connection: &mut Connection, entry: &AuditEntry) -> Result<i64> {
    let last = connection.query("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1", args![]).await?;
    let (n, previous) = match last.first() {
        Some(row) => (row.int(0)? + 1, row.text(1)?),
        None => (1, String::new()),
    };
    let hash = hash(&previous, n, entry);
    let statement = Statement::new(
        "INSERT INTO audit (n, shop, at, who, what, subject, before, after, origin, previous, hash) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            n,
            &entry.shop,
            entry.at,
            &entry.who,
            &entry.what,
            &entry.subject,
            &entry.before,
            &entry.after,
            &entry.origin,
            previous,
            hash
        ],
    );
    connection.execute(&statement).await?;
    Ok(n)
}

impl Store {
    /// Appends to the audit; the entry's number.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn audit_append(&self, entry: AuditEntry) -> Result<i64> {
        match self.submit(Op::Audit(Box::new(entry))).await? {
            Answer::Number(n) => Ok(n),
            other => Err(other.unexpected()),
        }
    }

    /// A shop's audit, earliest first, behind a number.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn audit_list(&self, shop: &str, after: Option<i64>, limit: u32) -> Result<Vec<AuditRow>> {
        let sql = format!("SELECT {AUDIT} FROM audit WHERE shop = ? AND n > ? ORDER BY n LIMIT ?");
        self.fetch(Statement::new(sql, args![shop, after.unwrap_or(0), limit])).await?.iter().map(audit_row).collect()
    }

    /// Checks the whole chain.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn audit_verify(&self) -> Result<AuditCheck> {
        let mut check = AuditCheck { rows: 0, broken_at: None };
        let (mut n, mut previous) = (0, String::new());
        loop {
            let sql = format!("SELECT {AUDIT} FROM audit WHERE n > ? ORDER BY n LIMIT 1000");
            let rows = self.fetch(Statement::new(sql, args![n])).await?;
            if rows.is_empty() {
                return Ok(check);
            }
            for row in &rows {
                let row = audit_row(row)?;
                check.rows += 1;
                n += 1;
                if row.n != n || row.previous != previous || row.hash != hash(&previous, n, &row.entry) {
                    check.broken_at = Some(row.n);
                    return Ok(check);
                }
                previous = row.hash;
            }
        }
    }
}
