//! What all webhooks share.

pub mod signature;
