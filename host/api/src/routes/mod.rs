//! The routes, one file a resource.

pub mod approvals;
pub mod audit;
pub mod catalogues;
pub mod events;
pub mod feed;
pub mod guardrails;
pub mod health;
pub mod installations;
pub mod limits;
pub mod mailbox;
pub mod market;
pub mod model;
pub mod openapi;
pub mod plugins;
pub mod publishers;
pub mod repairs;
pub mod rollouts;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod shops;
pub mod tokens;
pub mod trials;
pub mod upgrades;
pub mod webhooks;
