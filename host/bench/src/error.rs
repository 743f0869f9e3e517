//! Why something could not be measured.

use std::path::Path;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file, a process or a connection.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The host did not start, or ended.
    #[error("the host {what}; its log ends with:\n{log}")]
    Host {
        /// What it did.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// The host gave another answer than was expected.
    #[error("{what}: the host answered {status}: {body}")]
    Answer {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// The answer.
        body: String,
    },
    /// The host did not get done in time.
    #[error("{what} after {seconds} s: {state}")]
    Late {
        /// What had not happened.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
        /// How far it was.
        state: String,
    },
    /// The database, looked at from outside.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// A component that the binary carries.
    #[error(transparent)]
    Bundle(#[from] shopwright_bundle::BundleError),
    /// The sandbox that packages them.
    #[error(transparent)]
    Sandbox(#[from] shopwright_sandbox::SandboxError),
    /// A trial in this process.
    #[error("the trial: {0}")]
    Trial(String),
    /// PostgreSQL does not start.
    #[error("the PostgreSQL server for the measurement does not start: {0}")]
    Postgres(String),
}

/// Says what was being done when the system gave an error.
pub(crate) fn doing(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> BenchError {
    move |source| BenchError::Io { what: what.into(), source }
}

/// Says which file it was.
pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> BenchError + '_ {
    move |source| BenchError::Io { what: path.display().to_string(), source }
}
