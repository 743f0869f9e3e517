//! Write a Shopwright plugin: durable workflows as plain functions.
//!
//! # A workflow in twenty lines
//!
//! This one thanks a customer for the first order, asks for a review once it has arrived, and gives up
//! after a month. It runs for weeks and costs nothing while it waits: a wait puts it on disk, and a
//! restart of the host does not disturb it.
//!
//! ```
//! use shopwright_sdk::prelude::*;
//!
//! settings! {
//!     /// How customers are thanked.
//!     pub struct Settings {
//!         /// How long after the delivery the review is asked for.
//!         #[schemars(title = "Ask for a review after")]
//!         pub review_after: Duration = days(3),
//!     }
//! }
//!
//! pub fn thank(ctx: &Ctx, placed: OrderPlaced, settings: Settings) -> Result<Outcome> {
//!     let Some(customer) = &placed.order.customer else { return Outcome::done("no customer") };
//!     if ctx.customers().standing(customer)?.orders > 1 {
//!         return Outcome::done("not the first order");
//!     }
//!     let thanks = Email::transactional(customer, "thanks").with(&json!({ "order": placed.order.number }))?;
//!     ctx.messages().send_email(&thanks.because("the first order"))?;
//!
//!     let Some(delivered) = ctx.wait_for(OrderDelivered::of(&placed.order), days(30))? else {
//!         return Outcome::done("never delivered");
//!     };
//!     ctx.sleep(settings.review_after);
//!     let review = Email::marketing(customer, "review").because(format!("delivered on {}", delivered.at.date()));
//!     match ctx.messages().send_email(&review).or_refused()? {
//!         Attempt::Done(_) => Outcome::done("asked for a review"),
//!         Attempt::Refused(rule) => Outcome::done(rule),
//!     }
//! }
//!
//! shopwright_sdk::plugin! { settings = Settings; workflows = { "thank" => thank } }
//!
//! // A unit test: the host is pretended, time passes at once.
//! # fn main() -> Result<()> {
//! use shopwright_sdk::testing::*;
//!
//! let mut host = Host::new();
//! let order = sample::order("o1", "42");
//! host.put(sample::customer("42")).later(days(5), event("order.delivered", &order));
//! let outcome = host.run(thank, event("order.placed", &order), Settings::default())?;
//! assert_eq!(outcome, Outcome::done("asked for a review")?);
//! assert_eq!(host.waited(), days(8));
//! assert_eq!(host.actions().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # From nothing to a running workflow
//!
//! 1. `shopwright plugin new thanks` makes a crate with this shape: `src/lib.rs` (the code),
//!    `plugin.toml` (name, triggers, templates), `scenarios/` (tests in the real engine), a README.
//! 2. `cargo test` runs the unit tests, `shopwright plugin test` the scenarios; both pass at once.
//! 3. `shopwright plugin build` makes the component, with the manifest inside, and says what it may do.
//! 4. `shopwright plugin dev` rebuilds and reloads it in a running host whenever you save.
//!
//! # What a workflow is
//!
//! A function from a trigger and settings to an [`Outcome`]. The trigger is a typed event
//! ([`event::OrderPlaced`], [`event::CartUpdated`], …), one of two ([`Either`]), or a [`Trigger`] where a schedule
//! or a person starts it too. Settings are one type ([`settings!`]); the form that the operator fills in
//! is derived from it. [`plugin!`] makes the component of them. Which events start it, and what a second
//! one does while the first still waits, says `plugin.toml`:
//!
//! ```toml
//! name = "thanks"
//! version = "0.1.0"
//! title = "Thanks"
//! summary = "Thanks for the first order and asks for a review."
//! publisher = "me"
//! wit = "0.1"
//!
//! [[workflow]]
//! name = "thank"
//! title = "Thank a new customer"
//!
//! [[workflow.trigger]]
//! event = ["order.placed"]
//! when = "event.data.total.amount > 0"   # CEL over the event
//!
//! [workflow.concurrency]
//! key = "event.data.customer"
//! rule = "skip"                          # allow, queue, skip or replace
//!
//! [[template]]
//! name = "thanks"
//! subject = "Thank you, {{ customer.name }}"
//! text = "templates/thanks.txt"
//!
//! [[template]]
//! name = "review"
//! subject = "How is it?"
//! text = "templates/review.txt"
//! ```
//!
//! # What it may do
//!
//! What it calls, and nothing else. The component imports exactly the host functions that the code uses;
//! the operator sees them in words ("reads customers, sends email") before enabling it. There are no
//! files, sockets or clocks. Every action passes the shop's guardrails: one that is forbidden comes back
//! as [`ActionError::Denied`]; take it as an answer with [`OrRefused::or_refused`], or let `?` end the run.
//!
//! Servers of others are reached with [`Ctx::http`], at the hosts that `http` in `plugin.toml` names: `http =
//! ["api.example.com"]`. API keys are placeholders that the host fills in; see [`Http`].
//!
//! # What makes it durable
//!
//! Each call's answer is kept in the run's journal. After a wait or a crash the function runs again from
//! its first line, gets the same answers from the journal, and goes on live where they end. So:
//!
//! - Time comes from [`Ctx::now`], chance from [`Ctx::random`]; everything else that a function computes is
//!   the same each time by itself.
//! - An action that was carried out is never carried out again: not by a replay, not by a retry.
//! - A change of the code is for new runs; those that wait go on with the version they began with.
//!
//! # When something goes wrong
//!
//! Every error of the host becomes an [`Error`] with `?`. What was unavailable is tried again, later and
//! from the last kept point, as often as `retry` in `plugin.toml` says; all else ends the run as failed,
//! and the operator sees the reason. [`OrElse`] decides otherwise for one call; [`Saga`] undoes earlier
//! steps when a later one fails.
//!
//! # Money and time
//!
//! [`Money`] computes exactly and refuses to mix currencies; [`Duration`] and [`Timestamp`] are two types. The
//! records' time fields are milliseconds; methods of the same names give them typed:
//! `order.placed_at()`, `standing.decision_time()`.
//!
//! # Tests
//!
//! [`testing`] stands in for the host in unit tests. Scenario files run the component in the real engine, in
//! virtual time, with guardrails, conditions and replays:
//!
//! ```toml
//! title = "A new customer is thanked"
//!
//! [[customer]]
//! id = "42"
//! consent = ["email"]
//!
//! [[step]]
//! event = "order.placed"
//! data = { id = "o1", customer = "42", total = "40.00 EUR" }
//! expect = [{ action = "send-email", template = "thanks" }]
//!
//! [[step]]
//! after = "5d"
//! event = "order.delivered"
//! data = { id = "o1", fulfilment = "delivered" }
//! waits = [{ for = "time", until = "+8d" }]
//!
//! [[step]]
//! after = "3d"
//! expect = [{ action = "send-email", template = "review" }]
//!
//! [[run]]
//! outcome = "asked for a review"
//! ```

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

/// Requests to servers of others.
pub mod http {
    pub use crate::shop::http_types::{Header, HttpError, Method, Request, Response};
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
        http::{HttpError, Method},
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
