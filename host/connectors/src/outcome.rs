//! What came of one attempt to send.

/// What came of one attempt. The reasons are for people: they name the receiving side's answer and
/// hold neither secrets nor addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiving side has taken it.
    Done {
        /// The id it gave, if it gave one.
        reference: Option<String>,
    },
    /// It has not taken it, and may later.
    Retry {
        /// Not before so many milliseconds from now, if it said so.
        after: Option<u64>,
        /// Why not now.
        reason: String,
    },
    /// It will not take it. Trying again will not help.
    Refused {
        /// Why.
        reason: String,
    },
    /// It was sent and no answer came: it may have arrived or not. Send again only where the receiving
    /// side knows the idempotency key.
    Unknown {
        /// What happened instead of an answer.
        reason: String,
    },
}

impl Outcome {
    /// Whether to send again: after [`Outcome::Retry`] always; after [`Outcome::Unknown`] where the
    /// receiving side tells a repetition by its key.
    #[must_use]
    pub fn again(&self, receiver_knows_key: bool) -> bool {
        match self {
            Self::Retry { .. } => true,
            Self::Unknown { .. } => receiver_knows_key,
            Self::Done { .. } | Self::Refused { .. } => false,
        }
    }
}

/// At most 200 characters of what the other side said, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    line.trim_end().to_owned()
}
