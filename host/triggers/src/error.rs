//! What can be wrong with a schedule or an expression.

/// Why a schedule or an expression was refused, or could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// The schedule is no crontab line.
    #[error("schedule `{schedule}`: {field}: {reason}; {remedy}")]
    Schedule {
        /// The text that was given.
        schedule: String,
        /// Which field: `minute`, `hour`, `day of month`, `month`, `weekday`, or `fields` for the whole.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
        /// What to write instead.
        remedy: String,
    },
    /// The expression is longer than [`MAX_EXPRESSION_BYTES`](crate::MAX_EXPRESSION_BYTES).
    #[error("the expression has {length} bytes; at most {limit} are allowed: split it, or decide in the workflow")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The expression does not compile.
    #[error("expression `{expression}`, line {line}, column {column}: {reason}")]
    Syntax {
        /// The text that was given.
        expression: String,
        /// From 1.
        line: u32,
        /// From 1, in characters.
        column: u32,
        /// What is wrong there, and what to write instead.
        reason: String,
    },
    /// The expression cannot be evaluated on this value, such as a text compared with a number.
    #[error("expression `{expression}`: {reason}")]
    Evaluation {
        /// The expression's text.
        expression: String,
        /// What went wrong.
        reason: String,
    },
    /// A condition gave something else than a boolean.
    #[error("condition `{expression}` gave {got}, not true or false: compare it with something")]
    NotBoolean {
        /// The expression's text.
        expression: String,
        /// The type it gave, in CEL's words.
        got: String,
    },
    /// A key gave a list, a map or another value that is no key.
    #[error("key `{expression}` gave {got}, not a text or a number: name a field that holds an id")]
    NotKey {
        /// The expression's text.
        expression: String,
        /// The type it gave, in CEL's words.
        got: String,
    },
    /// The expression used more than [`MAX_STEPS`](crate::MAX_STEPS) steps on this value.
    #[error("expression `{expression}` took more than {limit} steps on this value: go over fewer or shorter lists")]
    TooManySteps {
        /// The expression's text.
        expression: String,
        /// Steps allowed.
        limit: u64,
    },
}
