//! The commerce model: what a shop consists of, as the `wit/` folder defines it. No I/O.
//!
//! The record types ([`customers::Customer`], [`orders::Order`], …) are generated from `wit/0.1` and
//! not written again anywhere in the host. In JSON (events, imports, the admin API) they have the
//! same field names in `snake_case`; cases of enums too.

pub mod bytes_text;
pub mod clock;
pub mod entity;
pub mod ids;
pub mod json_text;
pub mod kinds;

/// The generated bindings, as `wasmtime::component::bindgen!` would write them, with serde derives.
#[allow(missing_docs, clippy::all, clippy::pedantic, unused_variables)]
pub mod wit {
    include!(concat!(env!("OUT_DIR"), "/wit.rs"));
}

pub use wit::exports::shopwright::plugin::handler;
pub use wit::shopwright::plugin::{
    carts, catalog, customers, discount_actions, events, http, inventory, market, messaging, orders, pricing_actions,
    reviews, support, support_actions, types, workflow,
};

pub use clock::{Clock, SystemClock, VirtualClock};
pub use entity::{Entity, EntityKind, ModelError};
pub use ids::{IdSource, RunId};

/// Milliseconds since the Unix epoch, UTC, as the host counts them (WIT's `timestamp` is the same
/// unsigned).
pub type Millis = i64;
