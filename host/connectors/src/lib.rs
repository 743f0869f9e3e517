//! Bridges to the world outside: what the host sends ([`callback`], [`smtp`] with [`templates`], and
//! requests of plugins with [`http`]), and
//! what platforms send to it ([`webhooks::signature`], [`shopify`]).
//!
//! Nothing here decides whether something may be sent, and nothing retries by itself: a sender makes
//! one attempt and says as an [`Outcome`] what came of it; the effect ledger keeps the count, and
//! [`backoff`] says when to try again. Time and randomness are passed in.

pub mod backoff;
pub mod callback;
mod error;
pub mod http;
pub mod money;
mod outcome;
pub mod shopify;
pub mod smtp;
pub mod templates;
pub mod webhooks;

pub use error::ConnectorError;
pub use outcome::Outcome;
