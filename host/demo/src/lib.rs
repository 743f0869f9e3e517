//! The demo: a realistic shop from a seed, its live traffic on an accelerated clock, and what happens
//! told in the terminal.

// The platform's payloads are long objects.
#![recursion_limit = "256"]

pub mod calendar;
pub mod clock;
pub mod dice;
mod error;
mod fill;
mod keep;
mod notices;
mod run;
mod send;
pub mod shop;
pub mod show;
pub mod traffic;

pub use error::DemoError;
pub use run::{DemoOptions, START, run};
pub use shop::{Shop, Size};
pub use show::Summary;
pub use traffic::Traffic;
