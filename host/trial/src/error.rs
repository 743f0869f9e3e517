//! What can go wrong in a trial.

use shopwright_engine::EngineError;
use shopwright_store::StoreError;

/// Why a trial could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrialError {
    /// The engine's: no such version, settings against the schema, a component that is refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was asked for makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// Stable code.
        code: &'static str,
        /// JSON pointer.
        field: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// It was cancelled.
    #[error("it was cancelled")]
    Cancelled,
    /// A bundle that cannot be read.
    #[error("the bundle cannot be read: {0}")]
    Bundle(String),
    /// A bundle of a later version.
    #[error("the bundle has format {found}; this program reads up to {known}: use a newer one")]
    BundleVersion {
        /// What it has.
        found: u32,
        /// What is known.
        known: u32,
    },
}

impl From<StoreError> for TrialError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl TrialError {
    pub(crate) fn invalid(code: &'static str, field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { code, field, reason: reason.into() }
    }

    pub(crate) fn internal(reason: impl std::fmt::Display) -> Self {
        Self::Engine(EngineError::Internal { reason: reason.to_string() })
    }
}
