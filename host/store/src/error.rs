//! What can go wrong in the store.

use std::sync::Arc;

/// Why the store did not do what it was asked.
///
/// It can be cloned, since one failed transaction answers every operation that was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot write now. Nothing was stored, or (a connection that was
    /// lost during the commit) it is not known whether it was; the caller may try again.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// The cause in words.
        reason: Arc<str>,
    },
    /// The database holds something that it should never hold.
    #[error("the database is damaged: {what}; restore it from a backup")]
    Corrupt {
        /// Where and what.
        what: Arc<str>,
    },
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date: {reason}")]
    Migration {
        /// What the migration said.
        reason: Arc<str>,
    },
    /// The operation or the URL cannot be carried out as it is; trying again will not help.
    #[error("the store refuses this: {reason}")]
    Invalid {
        /// What was wrong with it.
        reason: Arc<str>,
    },
}

/// The store's results.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    pub(crate) fn unavailable(reason: impl AsRef<str>) -> Self {
        Self::Unavailable { reason: reason.as_ref().into() }
    }

    pub(crate) fn corrupt(what: impl AsRef<str>) -> Self {
        Self::Corrupt { what: what.as_ref().into() }
    }

    pub(crate) fn invalid(reason: impl AsRef<str>) -> Self {
        Self::Invalid { reason: reason.as_ref().into() }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(ref database) => {
                let code = database.code().unwrap_or_default();
                of_code(&code, database.message())
            }
            E::Io(error) => Self::unavailable(format!("the connection to the database failed: {error}")),
            E::PoolTimedOut => Self::unavailable("no connection to the database was free in time"),
            E::PoolClosed => Self::unavailable("the store is closed"),
            E::WorkerCrashed => Self::unavailable("the database connection has ended"),
            E::Tls(error) => Self::unavailable(format!("TLS to the database failed: {error}")),
            E::Protocol(reason) => Self::unavailable(format!("the database's answer was not understood: {reason}")),
            E::BeginFailed => Self::unavailable("a transaction could not be begun"),
            E::Configuration(error) => Self::invalid(format!("the database URL is wrong: {error}")),
            E::ColumnDecode { index, source } => Self::corrupt(format!("column {index}: {source}")),
            E::Decode(source) => Self::corrupt(source.to_string()),
            other => Self::invalid(other.to_string()),
        }
    }
}

/// SQLite gives (extended) result codes as decimal numbers, PostgreSQL five-character SQLSTATEs.
fn of_code(code: &str, message: &str) -> StoreError {
    if code.len() == 5 {
        return match &code[..2] {
            "53" if code == "53100" => StoreError::unavailable(format!("the database's disk is full ({message})")),
            // Insufficient resources, connection, operator intervention, system error, rollback.
            "53" | "08" | "57" | "58" | "40" | "55" => StoreError::unavailable(format!("{message} (SQLSTATE {code})")),
            "XX" if code != "XX000" => StoreError::corrupt(format!("{message} (SQLSTATE {code})")),
            "25" if code == "25006" => StoreError::unavailable("the database is read-only"),
            _ => StoreError::invalid(format!("{message} (SQLSTATE {code})")),
        };
    }
    // https://www.sqlite.org/rescode.html: the low byte is the primary code.
    match code.parse::<i32>().map_or(0, |code| code & 0xff) {
        5 | 6 => StoreError::unavailable(format!("the database file is locked by another process ({message})")),
        7 => StoreError::unavailable("the database is out of memory"),
        8 => StoreError::unavailable(format!("the database file is read-only ({message})")),
        10 => StoreError::unavailable(format!("the disk failed ({message})")),
        13 => StoreError::unavailable(format!("the disk is full ({message})")),
        14 => StoreError::unavailable(format!("the database file cannot be opened ({message})")),
        11 | 26 => StoreError::corrupt(message),
        _ => StoreError::invalid(format!("{message} (SQLite {code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_who_may_try_again() {
        for (code, words) in
            [("13", "disk is full"), ("778", "disk failed"), ("53100", "disk is full"), ("57P01", "57P01")]
        {
            let error = of_code(code, "message");
            assert!(error.is_unavailable(), "{code}: {error}");
            assert!(error.to_string().contains(words), "{code}: {error}");
        }
        assert!(matches!(of_code("11", "m"), StoreError::Corrupt { .. }));
        assert!(matches!(of_code("XX001", "m"), StoreError::Corrupt { .. }));
        for code in ["1555", "23505", "22021"] {
            assert!(matches!(of_code(code, "m"), StoreError::Invalid { .. }), "{code}");
        }
    }
}
