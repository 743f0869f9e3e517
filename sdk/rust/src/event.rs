//! Typed events: what a workflow is triggered by and waits for.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

pub use crate::bindings::shopwright::plugin::events::{Event, EventFilter};
use crate::{
    Result, Timestamp, carts::Cart, catalog::Product, customers::Customer, error::OrElse as _, inventory::Level,
    market::CompetitorPrice, orders::Order, reviews::Review, support::Ticket,
};

impl Event {
    /// The event's data as `T`.
    ///
    /// # Errors
    /// Data that is no `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.data).context(format_args!("data of the event {} ({})", self.id, self.kind))
    }

    /// When it happened.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }

    /// The id of the first `kind` that it concerns: `concerned("customer")` of `customer:42` is `42`.
    pub fn concerned(&self, kind: &str) -> Option<&str> {
        self.concerns.iter().find_map(|entity| entity.strip_prefix(kind)?.strip_prefix(':'))
    }
}

/// Something that an [`Event`] can be read as.
pub trait FromEvent: Sized {
    /// The kinds of event it is read from.
    fn kinds() -> Vec<String>;

    /// Reads it.
    ///
    /// # Errors
    /// Another kind of event, or data that does not fit.
    fn from_event(event: Event) -> Result<Self>;
}

/// Something that events concern.
pub trait Entity {
    /// As events name it: `customer:42`.
    fn entity(&self) -> String;
}

macro_rules! entities {
    ($($record:ty => $kind:literal;)*) => {$(
        impl Entity for $record {
            fn entity(&self) -> String {
                format!(concat!($kind, ":{}"), self.id)
            }
        }
    )*};
}

entities! {
    Customer => "customer";
    Product => "product";
    Order => "order";
    Cart => "cart";
    Ticket => "ticket";
    Review => "review";
}

/// The customer themselves, or the id.
pub trait CustomerId {
    /// The id alone: `42`.
    fn customer_id(&self) -> &str;
}

impl CustomerId for Customer {
    fn customer_id(&self) -> &str {
        &self.id
    }
}

impl CustomerId for str {
    fn customer_id(&self) -> &str {
        self
    }
}

impl CustomerId for String {
    fn customer_id(&self) -> &str {
        self
    }
}

/// Which events to wait for, and what they are read as.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter<E> {
    pub(crate) raw: EventFilter,
    event: PhantomData<fn() -> E>,
}

impl<E: FromEvent> Filter<E> {
    /// Every event of the kinds of `E`.
    pub fn any() -> Filter<E> {
        Filter { raw: EventFilter { kinds: E::kinds(), entity: None, condition: None }, event: PhantomData }
    }

    /// Those that concern `entity`, such as `customer:42`.
    #[must_use]
    pub fn concerning(mut self, entity: impl Into<String>) -> Filter<E> {
        self.raw.entity = Some(entity.into());
        self
    }

    /// Those for which a CEL expression over `event` holds: `event.data.total.amount > 10000`.
    #[must_use]
    pub fn when(mut self, condition: impl Into<String>) -> Filter<E> {
        self.raw.condition = Some(condition.into());
        self
    }

    /// Also those of another type, with the same entity and condition.
    #[must_use]
    pub fn or<F: FromEvent>(self) -> Filter<Either<E, F>> {
        let raw = EventFilter { kinds: Either::<E, F>::kinds(), ..self.raw };
        Filter { raw, event: PhantomData }
    }
}

/// One of two types of event; see [`Filter::or`].
#[derive(Debug, Clone, PartialEq)]
pub enum Either<A, B> {
    /// The first.
    A(A),
    /// The other.
    B(B),
}

impl<A: FromEvent, B: FromEvent> FromEvent for Either<A, B> {
    fn kinds() -> Vec<String> {
        [A::kinds(), B::kinds()].concat()
    }

    fn from_event(event: Event) -> Result<Self> {
        if A::kinds().contains(&event.kind) {
            A::from_event(event).map(Either::A)
        } else {
            B::from_event(event).map(Either::B)
        }
    }
}

macro_rules! events {
    ($($(#[$meta:meta])* $name:ident = $kind:literal { $field:ident: $data:ty })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// The event's id, unique with its source.
            pub id: String,
            /// When it happened.
            pub at: Timestamp,
            /// Every entity it concerns, as `type:id`.
            pub concerns: Vec<String>,
            /// What it carries, as it was then.
            pub $field: $data,
        }

        impl $name {
            /// The event's kind.
            pub const KIND: &'static str = $kind;

            /// All of them. A wait for one entity is much cheaper.
            pub fn any() -> Filter<$name> {
                Filter::any()
            }

            /// Those that concern this customer.
            pub fn by(customer: &(impl CustomerId + ?Sized)) -> Filter<$name> {
                Filter::any().concerning(format!("customer:{}", customer.customer_id()))
            }

            /// Those that concern this order, cart, product, ticket, …
            pub fn of(entity: &impl Entity) -> Filter<$name> {
                Filter::any().concerning(entity.entity())
            }
        }

        impl FromEvent for $name {
            fn kinds() -> Vec<String> {
                vec![$kind.into()]
            }

            fn from_event(event: Event) -> Result<$name> {
                if event.kind != $kind {
                    return Err(crate::Error::fatal(format!(
                        concat!("expected an event of the kind ", $kind, ", got {}"), event.kind
                    )));
                }
                let $field = event.data()?;
                Ok($name { id: event.id, at: Timestamp::from_millis(event.at), concerns: event.concerns, $field })
            }
        }
    )*};
}

events! {
    /// A customer placed an order.
    OrderPlaced = "order.placed" { order: Order }
    /// An order changed.
    OrderUpdated = "order.updated" { order: Order }
    /// An order was paid.
    OrderPaid = "order.paid" { order: Order }
    /// An order left the warehouse.
    OrderFulfilled = "order.fulfilled" { order: Order }
    /// An order arrived.
    OrderDelivered = "order.delivered" { order: Order }
    /// An order was cancelled.
    OrderCancelled = "order.cancelled" { order: Order }
    /// An order was paid back, in part or whole.
    OrderRefunded = "order.refunded" { order: Order }
    /// A cart was begun.
    CartCreated = "cart.created" { cart: Cart }
    /// A cart changed.
    CartUpdated = "cart.updated" { cart: Cart }
    /// Somebody became a customer.
    CustomerCreated = "customer.created" { customer: Customer }
    /// A customer's data changed.
    CustomerUpdated = "customer.updated" { customer: Customer }
    /// A product is new.
    ProductCreated = "product.created" { product: Product }
    /// A product changed.
    ProductUpdated = "product.updated" { product: Product }
    /// Stock of a variant changed at one location.
    InventoryUpdated = "inventory.updated" { level: Level }
    /// A customer asks for help.
    TicketCreated = "ticket.created" { ticket: Ticket }
    /// A ticket changed, by a message for example.
    TicketUpdated = "ticket.updated" { ticket: Ticket }
    /// A ticket was resolved.
    TicketResolved = "ticket.resolved" { ticket: Ticket }
    /// A ticket was closed, resolved or not.
    TicketClosed = "ticket.closed" { ticket: Ticket }
    /// A review was written.
    ReviewCreated = "review.created" { review: Review }
    /// A competitor asks for another price.
    CompetitorPriceChanged = "competitor.price-changed" { price: CompetitorPrice }
}
