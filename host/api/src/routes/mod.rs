//! The routes, one file a resource.

pub mod approvals;
pub mod audit;
pub mod events;
pub mod feed;
pub mod guardrails;
pub mod health;
pub mod installations;
pub mod mailbox;
pub mod model;
pub mod openapi;
pub mod plugins;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod shops;
pub mod tokens;
pub mod trials;
pub mod webhooks;
