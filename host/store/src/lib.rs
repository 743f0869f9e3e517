//! The store: everything that Shopwright keeps, in SQLite or PostgreSQL behind the same queries.
//!
//! Writes are operations ([`ops`]) that go to one group-commit writer; reads go beside it. What an
//! operation's answer says is durable, and every read that begins after it sees it.
//!
//! - `sql`: templates that both databases understand, connections, rows.
//! - `writer`: batches, decided in memory, written set by set. Start there to learn how a run moves.
//! - `read`: point reads in batches, the cache, lists.
//! - `admin`: shops, tokens, plugins, schedules, imports, audit, retention.

mod admin;
mod blob;
mod error;
mod faults;
mod names;
mod nodes;
pub mod ops;
mod read;
pub mod rows;
mod sql;
mod stats;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod writer;

pub use admin::{
    AUDIT_EXPORT, AuditChain, AuditExport, AuditExportError, AuditLine, CatalogueRow, LockRow, PublisherRow,
    verify_export,
};
pub use error::{Result, StoreError};
pub use faults::FaultKind;
pub use ops::*;
pub use read::{Beside, Counted, Version};
pub use rows::*;
pub use sql::Backend;
pub use stats::StoreStats;
pub use store::{Store, StoreOptions};
