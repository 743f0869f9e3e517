//! When a workflow runs: crontab schedules in a time zone, CEL conditions on events, and the keys
//! that group runs. Pure: no clock, no I/O.
//!
//! ```
//! use shopwright_triggers::{Condition, Root, Schedule};
//!
//! let schedule = Schedule::parse("0 6 * * MON-FRI")?;
//! assert_eq!(schedule.words(), "Monday to Friday at 06:00");
//!
//! let worth_it = Condition::compile("event.data.total.amount > 1000", Root::Event)?;
//! let event = serde_json::json!({ "kind": "cart.updated", "data": { "total": { "amount": 4500 } } });
//! assert!(worth_it.check(&event)?);
//! # Ok::<(), shopwright_triggers::TriggerError>(())
//! ```

mod condition;
mod error;
mod schedule;

pub use condition::{Condition, KeyExpr, MAX_EXPRESSION_BYTES, MAX_STEPS, Root};
pub use error::TriggerError;
pub use schedule::Schedule;
