//! The engine with real components, a real store and virtual time.

mod cart;
#[path = "../../../../tests/support/probe.rs"]
mod probe;
mod support;
mod waits;
