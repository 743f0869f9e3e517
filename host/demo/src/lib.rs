//! The demo: a realistic shop from a seed, its live traffic on an accelerated clock, and what happens
//! told in the terminal.

// The platform's payloads are long objects.
#![recursion_limit = "256"]

pub mod calendar;
pub mod dice;
pub mod shop;
pub mod show;
pub mod traffic;

pub use shop::{Shop, Size};
pub use traffic::Traffic;
