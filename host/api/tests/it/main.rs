//! The API in-process: the real router over a real engine on a database in memory, in virtual time.

mod access;
mod audited;
mod described;
mod events;
mod feed;
mod model;
mod plugins;
mod rollouts;
mod secrets;
mod support;
mod tokens;
mod trials;
mod webhooks;
