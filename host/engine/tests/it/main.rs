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
mod limits;
#[path = "../../../../tests/support/mail.rs"]
mod mail;
mod moving;
#[path = "../../../../tests/support/probe.rs"]
mod probe;
#[path = "../../../../tests/support/receiver.rs"]
mod receiver;
mod rollout;
mod runs;
mod schedules;
mod support;
mod waits;
