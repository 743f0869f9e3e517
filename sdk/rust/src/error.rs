//! One error for `?`, and what the host does about it.

use std::fmt;

pub use crate::bindings::shopwright::plugin::types::{ActionError, ReadError};
use crate::{MoneyError, bindings::exports::shopwright::plugin::handler::Failure};

/// What a workflow and its helpers return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a workflow stops, and whether trying again may help.
///
/// Every error of the host becomes one with `?`: what was unavailable is tried again, all else ends
/// the run as failed. [`OrElse`] decides otherwise for one call:
///
/// ```
/// use shopwright_sdk::prelude::*;
///
/// fn stock(ctx: &Ctx, variant: &str) -> Result<i64> {
///     let available = ctx.inventory().available(variant).or_fatal().context("stock")?;
///     available.ok_or_else(|| Error::fatal("stock is not tracked"))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    retry: bool,
    message: String,
}

impl Error {
    /// The run is tried again, from its last kept point.
    pub fn retry(message: impl Into<String>) -> Error {
        Error { retry: true, message: message.into() }
    }

    /// The run ends as failed.
    pub fn fatal(message: impl Into<String>) -> Error {
        Error { retry: false, message: message.into() }
    }

    /// True if the run is to be tried again.
    pub fn is_retry(&self) -> bool {
        self.retry
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same with what was being done in front.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Error {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::Invalid(why) => Error::fatal(format!("the read was refused: {why}")),
            ReadError::Unavailable(why) => Error::retry(format!("the data could not be had: {why}")),
        }
    }
}

impl From<ActionError> for Error {
    fn from(error: ActionError) -> Error {
        match error {
            ActionError::Denied(rule) => Error::fatal(format!("a guardrail forbids the action: {rule}")),
            ActionError::NotApproved(why) => Error::fatal(format!("the action was not approved: {why}")),
            ActionError::Invalid(why) => Error::fatal(format!("the action was refused: {why}")),
            ActionError::Unavailable(why) => Error::retry(format!("the action could not be carried out: {why}")),
            ActionError::Unknown(why) => Error::fatal(format!("whether the action arrived is not known: {why}")),
        }
    }
}

impl From<MoneyError> for Error {
    fn from(error: MoneyError) -> Error {
        Error::fatal(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::fatal(format!("JSON: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        if error.retry { Failure::Retry(error.message) } else { Failure::Fatal(error.message) }
    }
}

/// Decides for one call what its failure means.
pub trait OrElse<T> {
    /// Any failure here is worth another try.
    fn or_retry(self) -> Result<T>;
    /// No failure here is worth another try.
    fn or_fatal(self) -> Result<T>;
    /// Says what was being done.
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> OrElse<T> for Result<T, E> {
    fn or_retry(self) -> Result<T> {
        self.map_err(|error| Error { retry: true, ..error.into() })
    }

    fn or_fatal(self) -> Result<T> {
        self.map_err(|error| Error { retry: false, ..error.into() })
    }

    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(what))
    }
}

/// What became of an action that the shop may forbid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt<T> {
    /// It was carried out.
    Done(T),
    /// A guardrail or a person forbade it: the reason, in the operator's words. Nothing happened.
    Refused(String),
}

impl<T> Attempt<T> {
    /// What was done, if it was.
    pub fn done(self) -> Option<T> {
        match self {
            Attempt::Done(value) => Some(value),
            Attempt::Refused(_) => None,
        }
    }
}

/// Takes a refusal as an answer, not as an error.
pub trait OrRefused<T> {
    /// A guardrail's or a person's no becomes [`Attempt::Refused`]; other errors stay errors.
    ///
    /// ```
    /// use shopwright_sdk::prelude::*;
    ///
    /// fn reprice(ctx: &Ctx, variant: &str, price: &Money) -> Result<Option<String>> {
    ///     match ctx.prices().set(variant, price, "demand fell").or_refused()? {
    ///         Attempt::Done(_) => Ok(None),
    ///         Attempt::Refused(rule) => Ok(Some(rule)),
    ///     }
    /// }
    /// ```
    fn or_refused(self) -> Result<Attempt<T>, ActionError>;
}

impl<T> OrRefused<T> for Result<T, ActionError> {
    fn or_refused(self) -> Result<Attempt<T>, ActionError> {
        match self {
            Ok(value) => Ok(Attempt::Done(value)),
            Err(ActionError::Denied(reason) | ActionError::NotApproved(reason)) => Ok(Attempt::Refused(reason)),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_unavailable_is_tried_again() {
        let text = || String::from("x");
        for (error, retry) in [
            (Error::from(ReadError::Invalid(text())), false),
            (ReadError::Unavailable(text()).into(), true),
            (ActionError::Denied(text()).into(), false),
            (ActionError::NotApproved(text()).into(), false),
            (ActionError::Invalid(text()).into(), false),
            (ActionError::Unavailable(text()).into(), true),
            (ActionError::Unknown(text()).into(), false),
        ] {
            assert_eq!(error.is_retry(), retry, "{error}");
        }
        let denied: Result<(), _> = Err(ActionError::Denied(text()));
        assert!(denied.clone().or_retry().is_err_and(|error| error.is_retry()));
        assert_eq!(denied.or_refused(), Ok(Attempt::Refused(text())));
        let gone: Result<(), _> = Err(ActionError::Unavailable(text()));
        assert_eq!(gone.clone().or_refused(), Err(ActionError::Unavailable(text())));
        assert!(gone.or_fatal().is_err_and(|error| !error.is_retry()));
    }
}
