//! What a waiting run waits for, as its row says: shown to people, and looked at before a replay.

use serde::{Deserialize, Serialize};
use shopwright_model::{Millis, events::EventFilter};

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "for")]
pub enum WaitFor {
    /// A time.
    #[default]
    Time,
    /// An event, or the deadline.
    Event {
        /// Which.
        filter: EventFilter,
        /// Milliseconds since the epoch.
        deadline: Millis,
        /// Number of the last event that the run received.
        since: i64,
    },
    /// A person's answer.
    Approval {
        /// Its id.
        approval: String,
        /// Its title.
        title: String,
    },
    /// The next try of an effect that could not be sent.
    Effect {
        /// The effect's id.
        effect: String,
        /// Why the last try failed.
        reason: String,
    },
    /// A guardrail allows the action later (quiet hours).
    Guardrail {
        /// The rule, in the operator's words.
        words: String,
    },
    /// The next try of the run.
    Retry {
        /// Why the last one failed.
        reason: String,
    },
}

impl WaitFor {
    /// As the row keeps it.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings and numbers: cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a row's text; none for an older program's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
