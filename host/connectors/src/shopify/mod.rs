//! Shopify: webhooks in, the shop's model and events out.
//!
//! [`verify`] checks a delivery, [`translate`] says what a payload means. A payload rarely holds a whole
//! record of the model: a refund knows its order's id and nothing else of it, a product no cost, a cart no
//! customer. So a translation is in terms of what is stored: it names what it needs ([`Translated::missing`]),
//! and [`Translated::settle`] makes documents and events of it, in the transaction that stores them. Both
//! are pure.
//!
//! ```no_run
//! # use shopwright_connectors::shopify::{self, Known, Lookup, Setting};
//! # fn fetch(_: &Lookup) -> Option<shopwright_model::Entity> { None }
//! # fn main() -> Result<(), shopwright_connectors::ConnectorError> {
//! # let payload = serde_json::json!({});
//! let translated = shopify::translate("refunds/create", &payload, Setting { currency: "EUR", received_at: 0 })?;
//! let mut known = Known::default();
//! while let Some(lookup) = translated.missing(&known) {
//!     let found = fetch(&lookup);
//!     known.insert(lookup, found);
//! }
//! let settled = translated.settle(&known)?; // events, puts, removes
//! # Ok(())
//! # }
//! ```
//!
//! How the platform's words map:
//! - A cart and the checkout that follows it are one cart here; its id is the cart's token, which both
//!   carry (a checkout without a cart: its own token). Placing the order completes it.
//! - Stock is known as "available" for an inventory item at a location; the item is found by its
//!   variant (`extra.inventory_item_id`), and `on_hand` is available plus what is reserved.
//! - Money is the shop's currency, not the buyer's.
//! - Deliveries come in any order: a state older than the stored one (`updated_at`) does not replace it.
//! - What the records leave out is kept in `extra`, without nulls, empty values, GraphQL ids and money bags that
//!   only repeat an amount.

mod carts;
mod customers;
mod delivery;
mod inventory;
mod orders;
mod products;
mod raw;
mod read;
mod refunds;
mod settle;

use serde_json::Value;
use shopwright_model::Millis;

use crate::ConnectorError;
pub use delivery::{Delivery, verify};
pub use products::variant_of_item;
pub use raw::raw;
use read::Node;
pub use settle::{Event, Known, Lookup, Settled, Translated};

/// What a translation needs to know besides the payload.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The shop's currency, ISO 4217: products and carts do not name it.
    pub currency: &'a str,
    /// When the delivery came in: stands for times that the payload leaves out.
    pub received_at: Millis,
}

/// What a payload means. A topic that is not known becomes one event `shopify.<topic with dots>` with the payload
/// as it is.
///
/// # Errors
/// [`ConnectorError::Payload`] with the path, where the payload is not what its topic promises. [`raw`] keeps
/// it all the same.
pub fn translate(topic: &str, payload: &Value, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let node = Node::root(topic, payload);
    match topic {
        "orders/create" => orders::order(&node, "order.placed", setting),
        "orders/updated" | "orders/partially_fulfilled" => orders::order(&node, "order.updated", setting),
        "orders/paid" => orders::order(&node, "order.paid", setting),
        "orders/cancelled" => orders::order(&node, "order.cancelled", setting),
        "orders/fulfilled" => orders::order(&node, "order.fulfilled", setting),
        "orders/edited" => refunds::edit(&node, setting),
        "orders/delete" => orders::delete(&node, setting),
        "refunds/create" => refunds::refund(&node, setting),
        "fulfillments/create" | "fulfillments/update" => refunds::fulfilment(&node, setting),
        "checkouts/create" | "checkouts/update" => carts::checkout(&node, setting),
        "checkouts/delete" => carts::delete_checkout(&node, setting),
        "carts/create" | "carts/update" => carts::cart(&node, setting),
        "customers/create" => customers::customer(&node, "customer.created", setting),
        "customers/update" | "customers/enable" | "customers/disable" => {
            customers::customer(&node, "customer.updated", setting)
        }
        "customers/delete" => customers::delete(&node, setting),
        "customers_email_marketing_consent/update" | "customers_marketing_consent/update" => {
            customers::consent(&node, setting)
        }
        "products/create" => products::product(&node, "product.created", setting),
        "products/update" => products::product(&node, "product.updated", setting),
        "products/delete" => products::delete(&node, setting),
        "inventory_items/create" | "inventory_items/update" => inventory::item(&node, setting),
        "inventory_levels/update" | "inventory_levels/connect" => inventory::level(&node, setting),
        "inventory_levels/disconnect" => inventory::disconnect(&node, setting),
        "customers/data_request" => raw::privacy(&node, "privacy.data-requested", setting),
        "customers/redact" => raw::privacy(&node, "privacy.customer-redact", setting),
        "shop/redact" => raw::privacy(&node, "privacy.shop-redact", setting),
        _ => Ok(raw(topic, payload, setting)),
    }
}
