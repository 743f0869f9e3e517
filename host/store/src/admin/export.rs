//! The audit as JSON Lines, to be kept elsewhere and verified without a host.
//!
//! First a head, then a line for every row of the chain in order, then an end. A row of another shop is a link:
//! its number and hashes alone, so that the chain can be followed and nothing is told. `before` and `after` are
//! the very text that was hashed.

use serde::{Deserialize, Serialize};
use shopwright_model::Millis;

use super::AuditChain;
use crate::rows::{AuditEntry, AuditFault, AuditRow};

/// What the head says it is.
pub const AUDIT_EXPORT: &str = "shopwright-audit-1";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AuditLine {
    /// The first.
    Head {
        /// [`AUDIT_EXPORT`].
        format: String,
        /// Whose rows are whole; none: every shop's.
        shop: Option<String>,
        /// When it was made.
        exported_at: Millis,
    },
    /// A row.
    Row {
        /// Its number.
        n: i64,
        /// Hash of the row before.
        previous: String,
        /// Its hash.
        hash: String,
        /// Shop.
        shop: String,
        /// When.
        at: Millis,
        /// Who.
        who: String,
        /// What.
        what: String,
        /// On what.
        subject: String,
        /// It before.
        before: Option<String>,
        /// It after.
        after: Option<String>,
        /// Where from.
        origin: String,
    },
    /// A row of another shop.
    Link {
        /// Its number.
        n: i64,
        /// Hash of the row before.
        previous: String,
        /// Its hash.
        hash: String,
    },
    /// The last.
    End {
        /// The last row's number.
        end: i64,
        /// Its hash.
        last: String,
    },
}

impl AuditLine {
    /// A row as a line for that shop, or for all.
    #[must_use]
    pub fn of(row: AuditRow, shop: Option<&str>) -> Self {
        let AuditRow { n, entry, previous, hash } = row;
        if shop.is_some_and(|shop| shop != entry.shop) {
            return Self::Link { n, previous, hash };
        }
        let AuditEntry { shop, at, who, what, subject, before, after, origin } = entry;
        Self::Row { n, previous, hash, shop, at, who, what, subject, before, after, origin }
    }
}

/// What verifying an export gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditExport {
    /// Whose rows are whole.
    pub shop: Option<String>,
    /// Rows whose contents were checked.
    pub whole: u64,
    /// The last row's number.
    pub n: i64,
    /// Its hash.
    pub hash: String,
}

/// Why an export cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditExportError {
    /// It is no export.
    #[error("line {line} is not of an audit export: {reason}")]
    Format {
        /// From 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A row does not fit.
    #[error("line {line}: entry {n} was {}", fault.as_str())]
    Row {
        /// From 1.
        line: usize,
        /// Which row.
        n: i64,
        /// What is wrong with it.
        fault: AuditFault,
    },
    /// It has no end, or not the one that its last line says.
    #[error("the export was truncated after entry {n}")]
    Truncated {
        /// The last row that is there.
        n: i64,
    },
}

/// Verifies an export.
///
/// # Errors
/// The first thing that does not fit.
pub fn verify_export<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<AuditExport, AuditExportError> {
    let mut chain = AuditChain::default();
    let (mut shop, mut whole, mut ended) = (None, 0, false);
    for (at, text) in lines.into_iter().enumerate() {
        let line = at + 1;
        let wrong = |reason: String| AuditExportError::Format { line, reason };
        let parsed = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if ended {
            return Err(wrong("something follows its end".into()));
        }
        let fitted = match parsed {
            AuditLine::Head { format, shop: whose, .. } if at == 0 && format == AUDIT_EXPORT => {
                shop = whose;
                continue;
            }
            AuditLine::Head { .. } => return Err(wrong(format!("it does not begin as `{AUDIT_EXPORT}`"))),
            _ if at == 0 => return Err(wrong("its head is missing".into())),
            AuditLine::Row { n, previous, hash, shop, at, who, what, subject, before, after, origin } => {
                let entry = AuditEntry { shop, at, who, what, subject, before, after, origin };
                whole += 1;
                chain.follow(&AuditRow { n, entry, previous, hash }).map_err(|fault| (n, fault))
            }
            AuditLine::Link { n, previous, hash } => {
                // A row of one's own that was made a link hides what it said.
                chain.link(n, &previous, &hash).map_err(|fault| (n, fault))
            }
            AuditLine::End { end, last } => {
                if (end, &last) != (chain.n, &chain.hash) {
                    return Err(AuditExportError::Truncated { n: chain.n });
                }
                ended = true;
                continue;
            }
        };
        fitted.map_err(|(n, fault)| AuditExportError::Row { line, n, fault })?;
    }
    if !ended {
        return Err(AuditExportError::Truncated { n: chain.n });
    }
    Ok(AuditExport { shop, whole, n: chain.n, hash: chain.hash })
}
