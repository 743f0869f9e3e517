//! The engine with real components, a real store and virtual time.

mod cart;
mod support;
