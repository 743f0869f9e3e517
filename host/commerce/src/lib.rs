//! What each host call reads, or which action it asks for: one file per interface of `wit/`.
//!
//! A new host call is one function in `wit/`, one in its file here, and nothing else. A read is a
//! function from a [`Reader`] and the call's parameters to an answer; an action is a function from the
//! parameters to a [`shopwright_policy::ActionKind`], and [`changes`] says what carrying it out does to
//! the shop's own model. The engine implements [`Surface`] and [`Reader`]; journal, grants, guardrails
//! and timeline wrap every call that [`register`] names.

mod carts;
mod catalog;
mod changes;
mod customers;
mod discount_actions;
mod inventory;
mod market;
mod messaging;
mod orders;
mod paging;
mod pricing_actions;
mod reader;
mod reviews;
mod support;
mod support_actions;
mod surface;

pub use changes::{Outgoing, OwnEvent, OwnWrites, Why, changes, discount_code};
pub use paging::SCAN_LIMIT;
pub use reader::{Cursor, Doc, PriceChangeRow, PriceCursor, Reader, Unavailable};
pub use shopwright_policy::ShopFacts;
pub use surface::{Params, Performed, ReadFuture, Returns, Surface};

/// Names every read and action to `surface`.
pub fn register(surface: &mut impl Surface) {
    customers::register(surface);
    catalog::register(surface);
    inventory::register(surface);
    orders::register(surface);
    carts::register(surface);
    support::register(surface);
    reviews::register(surface);
    market::register(surface);
    messaging::register(surface);
    pricing_actions::register(surface);
    discount_actions::register(surface);
    support_actions::register(surface);
}
