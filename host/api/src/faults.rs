//! From the errors of the crates below to problems.

use std::time::Duration;

use shopwright_engine::EngineError;
use shopwright_store::StoreError;

use crate::problem::{Fault, Problem, codes};

/// When to try again while the store is away.
const STORE_AWAY: Duration = Duration::from_secs(2);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            tracing::warn!(%error, "the store is unavailable");
            return Self::new(codes::UNAVAILABLE, "The store cannot be used now; nothing was changed.")
                .retry_after(STORE_AWAY);
        }
        Self::internal(error)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Busy { queued, limit, retry_after_ms } => {
                let detail = format!("The queue of runs is full ({queued} of {limit}); nothing was accepted.");
                Self::new(codes::BUSY, detail).retry_after(Duration::from_millis(retry_after_ms))
            }
            EngineError::Store(error) => error.into(),
            EngineError::NotFound { what, id: _ } => Self::no_such(what),
            EngineError::Invalid { code, field, reason } => {
                let pointer = pointer(&field);
                let place = if pointer.is_empty() { "/" } else { &pointer };
                let detail = format!("At {place}: {reason}.");
                let kind = if code == "bad-settings" { codes::INVALID_SETTINGS } else { codes::INVALID };
                Self::new(kind, detail).coded(code).with(vec![Fault::at(pointer, reason)])
            }
            EngineError::Conflict { code, reason } => Self::new(codes::CONFLICT, sentence(&reason)).coded(code),
            EngineError::Refused { code, reason } => Self::new(codes::REFUSED, sentence(&reason)).coded(code),
            EngineError::Internal { reason } => Self::internal(reason),
        }
    }
}

/// A field's name, or a pointer, as a pointer.
fn pointer(field: &str) -> String {
    if field.is_empty() || field.starts_with('/') { field.to_owned() } else { format!("/{field}") }
}

/// A message as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_errors_keep_their_codes_and_places() {
        for (error, status, code) in [
            (EngineError::Busy { queued: 9, limit: 9, retry_after_ms: 1500 }, 429, "busy"),
            (EngineError::NotFound { what: "installation", id: "secret".into() }, 404, "not-found"),
            (EngineError::Invalid { code: "bad-data", field: "data".into(), reason: "no".into() }, 422, "bad-data"),
            (EngineError::Conflict { code: "exists", reason: "there".into() }, 409, "exists"),
            (EngineError::Refused { code: "not-granted", reason: "x".into() }, 422, "not-granted"),
            (EngineError::Internal { reason: "secret".into() }, 500, "internal"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
            assert!(!problem.detail().contains("secret"), "{}", problem.detail());
        }
        let problem = Problem::from(EngineError::Invalid { code: "c", field: "/3/data".into(), reason: "r".into() });
        assert_eq!(problem.faults()[0].pointer, "/3/data");
    }
}
