//! Write a Shopwright plugin: durable workflows as plain functions.

// The generated bindings and the macros name the crate by its name.
extern crate self as shopwright_sdk;

/// The generated bindings. Use the typed handles of [`Ctx`] instead; these are for the macros.
#[doc(hidden)]
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub mod error;
pub mod event;
pub mod money;
pub mod settings;
pub mod time;
pub mod workflow;

mod ctx;
mod json_text;
mod plugin;
mod saga;
mod shop;

#[cfg(not(target_family = "wasm"))]
pub mod testing;

// What every call of the host goes through: the bindings in a component, the stand-in natively.
#[cfg(target_family = "wasm")]
use bindings::shopwright::plugin as host;
#[cfg(not(target_family = "wasm"))]
use testing::fake as host;

pub use ctx::{Approval, Ctx, Decision, Memory, Mode, RunInfo};
pub use error::{ActionError, Attempt, Error, OrElse, OrRefused, ReadError, Result};
pub use event::{Either, Entity, Event, Filter, FromEvent};
pub use money::{Amount, Money, MoneyError};
pub use saga::Saga;
pub use settings::{NoSettings, Settings};
pub use shop::*;
pub use time::{Duration, Timestamp, days, hours, millis, minutes, seconds, weeks};
pub use workflow::{FromTrigger, Outcome, Trigger};

pub use schemars;
pub use serde;
pub use serde_json;

/// Customers and what is known of them.
pub mod customers {
    pub use crate::bindings::shopwright::plugin::customers::{Channel, Consent, Customer, Engagement, Standing};
}

/// Products and variants.
pub mod catalog {
    pub use crate::bindings::shopwright::plugin::catalog::{Product, ProductVariant, Publication};
}

/// Stock.
pub mod inventory {
    pub use crate::bindings::shopwright::plugin::inventory::Level;
}

/// Orders.
pub mod orders {
    pub use crate::bindings::shopwright::plugin::orders::{Fulfilment, Line, Order, Payment, Shipment};
}

/// Carts.
pub mod carts {
    pub use crate::bindings::shopwright::plugin::carts::{Cart, Step};
}

/// Tickets and articles.
pub mod support {
    pub use crate::bindings::shopwright::plugin::support::{Article, Message, Priority, Status, Ticket};
}

/// Reviews.
pub mod reviews {
    pub use crate::bindings::shopwright::plugin::reviews::{Review, Summary};
}

/// Competitors' prices and our own changes.
pub mod market {
    pub use crate::bindings::shopwright::plugin::market::{CompetitorPrice, PriceChange};
}

/// Messages.
pub mod messaging {
    pub use crate::bindings::shopwright::plugin::messaging::{Email, Purpose, Sms};
}

/// Discount codes.
pub mod discounts {
    pub use crate::bindings::shopwright::plugin::discount_actions::{Created, Offer, Value};
}

/// The run's log.
pub mod log {
    pub use crate::bindings::shopwright::plugin::workflow::Level;
}

/// What most workflows use.
pub mod prelude {
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;

    pub use crate::{
        ActionError, Amount, Attempt, Ctx, Duration, Either, Error, FromEvent, FromTrigger, Money, NoSettings, OrElse,
        OrRefused, Outcome, ReadError, Result, Saga, Timestamp, Trigger, days,
        discounts::Offer,
        event::*,
        hours,
        log::Level as LogLevel,
        messaging::{Email, Sms},
        minutes, seconds, settings, weeks,
    };
}

#[doc(hidden)]
pub mod __private {
    pub use wit_bindgen::rt;

    pub use crate::{
        bindings::exports::shopwright::plugin::{about, handler},
        plugin::{no_such_workflow, run},
    };
}
