//! What people and programs set up: shops, tokens, guardrails, plugins, schedules, imports; and the
//! audit and retention beside it. All writes go through the one writer.

mod approvals;
mod artefacts;
mod audit;
mod backtests;
mod export;
mod imports;
mod market;
mod plugins;
mod retention;
mod schedules;
mod secrets;
mod shops;

pub use audit::AuditChain;
pub(crate) use audit::append;
pub use export::{AUDIT_EXPORT, AuditExport, AuditExportError, AuditLine, verify_export};
pub(crate) use imports::advance;
pub use market::{CatalogueRow, LockRow, PublisherRow};
pub(crate) use retention::Pass;
