//! The audit: append-only, and each row's hash covers the row before it, so that a row that was
//! changed or taken out shows.

use sha2::{Digest as _, Sha256};

use crate::{
    error::Result,
    rows::{AuditCheck, AuditEntry, AuditFault, AuditRow},
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
    // From the head, not from the last row: where rows were taken from the end, the gap stays.
    let head = connection.query("SELECT n, hash FROM audit_head WHERE one = 1", args![]).await?;
    let (n, previous) = match head.first() {
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
            &hash
        ],
    );
    connection.execute(&statement).await?;
    let head = Statement::new(
        "INSERT INTO audit_head (one, n, hash) VALUES (1, ?, ?) \
         ON CONFLICT (one) DO UPDATE SET n = excluded.n, hash = excluded.hash",
        args![n, hash],
    );
    connection.execute(&head).await?;
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

    /// The audit of every shop, earliest first, behind a number.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn audit_chain(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>> {
        let sql = format!("SELECT {AUDIT} FROM audit WHERE n > ? ORDER BY n LIMIT ?");
        self.fetch(Statement::new(sql, args![after, limit])).await?.iter().map(audit_row).collect()
    }

    /// Whether the audit has that row: its number with that hash, as an export said it once.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn audit_has(&self, n: i64, hash: &str) -> Result<bool> {
        let statement = Statement::new("SELECT 1 FROM audit WHERE n = ? AND hash = ?", args![n, hash]);
        Ok(self.fetch_one(statement).await?.is_some())
    }

    /// Checks the whole chain, and that it ends where it was left.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn audit_verify(&self) -> Result<AuditCheck> {
        // The head first: rows that are written meanwhile are behind it.
        let head = self.fetch_one(Statement::new("SELECT n, hash FROM audit_head WHERE one = 1", args![])).await?;
        let (head, hash) =
            head.map_or(Ok((0, String::new())), |row| Ok::<_, crate::StoreError>((row.int(0)?, row.text(1)?)))?;
        let mut chain = AuditChain::default();
        let mut at_head = None;
        let broken =
            |chain: &AuditChain, at, fault| AuditCheck { rows: chain.rows, broken_at: Some(at), fault: Some(fault) };
        loop {
            let rows = self.audit_chain(chain.n, 1000).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                if let Err(fault) = chain.follow(row) {
                    return Ok(broken(&chain, row.n, fault));
                }
                if row.n == head {
                    at_head = Some(row.hash.clone());
                }
            }
        }
        Ok(match at_head {
            None if chain.n < head => broken(&chain, chain.n + 1, AuditFault::Truncated),
            // Rows without a head: somebody set it back, or took it away.
            None if chain.n > head => broken(&chain, head + 1, AuditFault::Edited),
            Some(found) if found != hash => broken(&chain, head, AuditFault::Edited),
            _ => AuditCheck { rows: chain.rows, broken_at: None, fault: None },
        })
    }
}

/// Follows the chain row by row, in the store or in an export.
#[derive(Debug, Clone, Default)]
pub struct AuditChain {
    /// Rows that fitted.
    pub rows: u64,
    /// The number of the last of them; 0 before the first.
    pub n: i64,
    /// Its hash.
    pub hash: String,
}

impl AuditChain {
    /// Holds a row against the one before it.
    ///
    /// # Errors
    /// What is wrong with it; the chain stays where it was.
    pub fn follow(&mut self, row: &AuditRow) -> Result<(), AuditFault> {
        self.fits(row.n, &row.previous)?;
        if row.hash != hash(&row.previous, row.n, &row.entry) {
            return Err(AuditFault::Edited);
        }
        self.link(row.n, &row.previous, &row.hash)
    }

    /// Holds a row against the one before it, by its hashes alone.
    ///
    /// # Errors
    /// As [`AuditChain::follow`].
    pub fn link(&mut self, n: i64, previous: &str, hash: &str) -> Result<(), AuditFault> {
        self.fits(n, previous)?;
        (self.rows, self.n, self.hash) = (self.rows + 1, n, hash.to_owned());
        Ok(())
    }

    fn fits(&self, n: i64, previous: &str) -> Result<(), AuditFault> {
        if n != self.n + 1 {
            return Err(AuditFault::Removed);
        }
        if previous == self.hash { Ok(()) } else { Err(AuditFault::Edited) }
    }
}
