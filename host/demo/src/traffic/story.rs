//! What happens, for people, and what is sent of it, for machines.

use serde_json::Value;
use shopwright_model::{Millis, customers::Channel};

/// Why somebody bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// In the same visit.
    AtOnce,
    /// After some thought, without a message.
    Thought,
    /// Came back to a cart that was left, without having read a message.
    CameBack,
    /// Because of a message: by e-mail or (true) by text message.
    Reminded {
        /// By text message.
        sms: bool,
    },
}

/// Something that happened in the shop, for people. Money is in cents.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The fields say what they are.
pub enum Story {
    /// A checkout was begun.
    CartBegun { cart: String, who: String, what: String, cents: i64 },
    /// The visitor went a step further: `shipping`, `payment`.
    CartStep { cart: String, who: String, step: &'static str },
    /// The visitor went away.
    CartLeft { cart: String, who: String, step: &'static str, cents: i64 },
    /// Somebody bought. `messages`: how many messages about this cart had gone out.
    Order {
        number: String,
        cart: String,
        who: String,
        cents: i64,
        why: Why,
        messages: u32,
        code: Option<String>,
        off: i64,
    },
    /// Somebody read a message.
    Read { who: String, channel: Channel, template: String, clicked: bool },
    /// A parcel left.
    Shipped { number: String },
    /// A parcel arrived.
    Delivered { number: String },
    /// Somebody wrote.
    Letter { ticket: String, who: String, subject: String, text: String },
    /// A ticket was settled. `by_person`: a colleague did it.
    Settled { ticket: String, subject: String, after: Millis, by_person: bool },
    /// The customer was not content with an answer.
    NotContent { ticket: String, who: String },
    /// A competitor changed the price of a product.
    Rival { rival: &'static str, product: String, before: i64, after: i64, in_stock: bool },
    /// Goods arrived.
    Restocked { product: String, units: i64 },
    /// A product's page was edited.
    Edited { product: String },
    /// Somebody rated a product.
    Review { product: String, rating: u32, text: String },
}

/// What a platform sends to the host.
#[derive(Debug, Clone, PartialEq)]
pub enum Post {
    /// A signed webhook of the shop platform.
    Webhook {
        /// Such as `orders/create`.
        topic: &'static str,
        /// The same on every retry.
        webhook_id: String,
        /// Of what happened.
        event_id: String,
        /// When it happened.
        triggered_at: Millis,
        /// The payload.
        body: Value,
    },
    /// CloudEvents, as one batch.
    Events(Vec<Value>),
}
