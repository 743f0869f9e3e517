//! The sandbox against plugins, well-behaved and hostile, written in the text format.

mod cache;
mod determinism;
mod hostile;
mod inspect;
mod plugins;
mod running;
mod scaling;
