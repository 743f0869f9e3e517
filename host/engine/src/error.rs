//! What the engine says when it does not do what was asked.

use shopwright_store::StoreError;

/// Why the engine did not do it. [`EngineError::code`] is stable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The queues are full; nothing was accepted.
    #[error("the queue of runs is full ({queued} of {limit}): try again in {} s", retry_after_ms.div_ceil(1000))]
    Busy {
        /// Runs that are queued or executing.
        queued: usize,
        /// How many may be.
        limit: usize,
        /// When trying again makes sense.
        retry_after_ms: u64,
    },
    /// The store does not answer; nothing was accepted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such thing in this shop.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its id as given.
        id: String,
    },
    /// What was given makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// Stable code.
        code: &'static str,
        /// Where, as a JSON pointer or a field's name.
        field: String,
        /// Why, and what to do.
        reason: String,
    },
    /// It is there already, or in a state that forbids this.
    #[error("{reason}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What stands against it, and what to do.
        reason: String,
    },
    /// A component that cannot be taken.
    #[error("{reason}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// What is wrong with it, with the names.
        reason: String,
    },
    /// A fault of ours.
    #[error("internal error: {reason}")]
    Internal {
        /// For the log.
        reason: String,
    },
}

impl EngineError {
    /// The stable code of the error, as the API shows it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "queue-full",
            Self::Store(_) => "store-unavailable",
            Self::NotFound { .. } => "not-found",
            Self::Invalid { code, .. } | Self::Conflict { code, .. } | Self::Refused { code, .. } => code,
            Self::Internal { .. } => "internal",
        }
    }

    pub(crate) fn invalid(code: &'static str, field: impl Into<String>, reason: impl ToString) -> Self {
        Self::Invalid { code, field: field.into(), reason: reason.to_string() }
    }

    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    pub(crate) fn internal(reason: impl ToString) -> Self {
        Self::Internal { reason: reason.to_string() }
    }
}
