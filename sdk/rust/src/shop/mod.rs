//! The shop: one handle per interface of the WIT. Reads in `reads`, what changes something in `actions`.

mod actions;
mod reads;
mod times;

pub use actions::*;
pub use reads::*;
