//! Trials of real components: what they find, and that they touch nothing.

mod backtests;
mod bundles;
#[path = "../../../../tests/support/probe.rs"]
mod probe;
mod shadows;
#[path = "../../../engine/tests/it/support.rs"]
#[allow(dead_code)]
mod support;
