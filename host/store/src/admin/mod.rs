//! What people and programs set up: shops, tokens, guardrails, plugins, schedules, imports; and the
//! audit and retention beside it. All writes go through the one writer.

mod approvals;
mod audit;
mod backtests;
mod imports;
mod plugins;
mod retention;
mod schedules;
mod secrets;
mod shops;

pub(crate) use audit::append;
pub(crate) use imports::advance;
pub(crate) use retention::Pass;
