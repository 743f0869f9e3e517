//! The engine with real components, a real store and virtual time.

mod approvals;
mod cart;
mod concurrency;
mod crash;
mod effects;
mod faults;
mod grants;
mod guardrails;
mod http;
#[path = "../../../../tests/support/mail.rs"]
mod mail;
#[path = "../../../../tests/support/probe.rs"]
mod probe;
#[path = "../../../../tests/support/receiver.rs"]
mod receiver;
mod runs;
mod schedules;
mod support;
mod waits;
