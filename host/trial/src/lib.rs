//! Trying a workflow before it is trusted: shadow reports, backtests, replays of single runs.
//!
//! - [`history`]: the shop as it was over a span, every version of its documents, in memory.
//! - [`world`]: what a backtest's runs stand on: the history, with what they did themselves over it.
//! - [`backtest`]: a version over a span's recorded events, in virtual time. [`jobs`] runs them beside a host.
//! - [`compare`], [`report`]: two sides set beside each other, event by event.
//! - [`shadow`]: the report of an installation in the mode shadow.
//! - [`bundle`], [`mask`], [`replay`]: a run in a file, without its personal data, and run again.

pub mod backtest;
pub mod bundle;
pub mod compare;
mod counts;
mod error;
pub mod history;
pub mod jobs;
pub mod mask;
pub mod record;
pub mod replay;
pub mod report;
pub mod shadow;
mod walk;
pub mod world;

pub use error::TrialError;
