//! What can be wrong at the border.

/// Why something was refused before it was sent or taken in. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// A setting makes no sense.
    #[error("{what}: {reason}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// A webhook is not from whom it says: answer 401 and count it.
    #[error("the signature does not hold: {reason}")]
    Signature {
        /// What is missing or does not match.
        reason: &'static str,
    },
    /// A webhook's payload is not what its topic promises.
    #[error("{topic}: `{path}` {reason}")]
    Payload {
        /// The platform's topic.
        topic: String,
        /// Where in the payload.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// A message template does not compile or render.
    #[error("template `{name}`, line {line}: {reason}")]
    Template {
        /// The template's name and part, such as `reminder.html`.
        name: String,
        /// From 1; 0 where unknown.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A document of the model does not fit.
    #[error(transparent)]
    Model(#[from] shopwright_model::ModelError),
}
