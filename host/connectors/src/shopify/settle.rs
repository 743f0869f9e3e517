//! From a translation and what is stored to documents and events.

use std::collections::HashMap;

use serde_json::Value;
use shopwright_model::{Entity, EntityKind, Millis, carts, customers, orders};

use super::carts::CartState;
use super::customers::CustomerState;
use super::inventory::LevelState;
use super::products::ProductState;
use super::refunds::{Edit, Fulfilment, Refund};
use super::{carts as carts_of, customers as customers_of, inventory, products, refunds};
use crate::ConnectorError;

/// Something that a translation must know before it can be settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// The stored document.
    Entity(EntityKind, String),
    /// The product with the variant of this inventory item ([`super::variant_of_item`] finds the variant in it).
    ProductOfItem(String),
}

/// What was looked up: the entity, or that there is none.
#[derive(Debug, Clone, Default)]
pub struct Known(HashMap<Lookup, Option<Entity>>);

impl Known {
    /// Keeps an answer.
    pub fn insert(&mut self, lookup: Lookup, found: Option<Entity>) {
        self.0.insert(lookup, found);
    }

    fn entity(&self, lookup: &Lookup) -> Option<&Entity> {
        self.0.get(lookup).and_then(Option::as_ref)
    }
}

/// What a payload means, before what is stored is known.
#[derive(Debug, Clone, Default)]
pub struct Translated {
    pub(super) changes: Vec<Change>,
    pub(super) removes: Vec<(EntityKind, String)>,
    pub(super) events: Vec<Draft>,
}

/// An event to be accepted together with the documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Dotted kind.
    pub kind: String,
    /// Tells the events of one delivery apart and is the same when it is delivered again: together with the
    /// delivery's key an event id.
    pub id_hint: String,
    /// When it happened, by the platform.
    pub at: Millis,
    /// `type:id` of every entity it concerns.
    pub concerns: Vec<String>,
    /// The entity's new state, or the payload.
    pub data: Value,
}

/// What is to be stored in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// In this order.
    pub events: Vec<Event>,
    /// Documents in their new state.
    pub puts: Vec<Entity>,
    /// Documents that go.
    pub removes: Vec<(EntityKind, String)>,
}

/// A change of one document.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub target: Target,
    pub state: State,
}

/// Which document.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Entity(EntityKind, String),
    /// The product with this inventory item.
    Product {
        item: String,
    },
    /// The stock of this inventory item's variant.
    Level {
        item: String,
        location: String,
    },
}

/// What the payload knows of it.
#[derive(Debug, Clone)]
pub(super) enum State {
    Order {
        order: Box<orders::Order>,
        updated_at: u64,
    },
    Refund(Refund),
    Fulfilment(Fulfilment),
    Edit(Edit),
    Cart(Box<CartState>),
    /// Its order was placed.
    CartCompleted,
    Customer(Box<CustomerState>),
    /// Only if there is none yet.
    NewCustomer(Box<customers::Customer>),
    Product(Box<ProductState>),
    /// The unit cost of an inventory item, if it has one.
    Cost {
        item: String,
        cost: Option<String>,
    },
    Level(LevelState),
    NoLevel,
}

/// What becomes of a document.
#[derive(Debug)]
pub(super) enum Applied {
    /// This is its state now; it may be what it was.
    Put(Entity),
    Remove(EntityKind, String),
    /// There is nothing that the payload could change.
    Nothing,
}

/// An event whose data, and sometimes kind, follow from what was stored.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub name: Name,
    pub at: Millis,
    /// Beside those of the entity.
    pub concerns: Vec<String>,
    /// Which of the changes it tells of.
    pub change: Option<usize>,
    /// Where there is no entity to tell of.
    pub data: Value,
    /// The kind where the change changed nothing.
    pub otherwise: String,
}

/// An event's kind.
#[derive(Debug, Clone)]
pub(super) enum Name {
    Is(String),
    /// `cart.created`, `cart.updated` or `cart.completed`.
    Cart,
    /// `order.fulfilled`, `order.delivered` or `order.updated`.
    Shipment,
}

impl Translated {
    /// The next thing to look up; none when [`Translated::settle`] can be called.
    #[must_use]
    pub fn missing(&self, known: &Known) -> Option<Lookup> {
        self.changes.iter().flat_map(|change| change.lookups(known)).find(|lookup| !known.0.contains_key(lookup))
    }

    /// Documents and events, given what is stored.
    ///
    /// # Errors
    /// [`ConnectorError::Model`] when a stored document cannot be read, [`ConnectorError::Payload`] when a part of
    /// the payload does not fit it.
    pub fn settle(&self, known: &Known) -> Result<Settled, ConnectorError> {
        let mut settled = Settled { removes: self.removes.clone(), ..Settled::default() };
        let mut results = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let before = change.stored(known);
            let applied = change.apply(known)?;
            match &applied {
                Applied::Put(after) if before != Some(after) => settled.puts.push(after.clone()),
                Applied::Remove(kind, id) => settled.removes.push((*kind, id.clone())),
                Applied::Put(_) | Applied::Nothing => {}
            }
            results.push((before, applied));
        }
        for (index, draft) in self.events.iter().enumerate() {
            let result = draft.change.and_then(|change| results.get(change));
            settled.events.push(draft.event(index, result)?);
        }
        Ok(settled)
    }
}

impl Change {
    /// What it needs, as far as can be said with what is known.
    fn lookups(&self, known: &Known) -> Vec<Lookup> {
        match &self.target {
            Target::Entity(kind, id) => vec![Lookup::Entity(*kind, id.clone())],
            Target::Product { item } => vec![Lookup::ProductOfItem(item.clone())],
            Target::Level { item, location } => {
                let product = Lookup::ProductOfItem(item.clone());
                let level = inventory::level_id(known.entity(&product), item, location);
                let level = level.map(|(_, id)| Lookup::Entity(EntityKind::Level, id));
                std::iter::once(product).chain(level).collect()
            }
        }
    }

    fn stored<'k>(&self, known: &'k Known) -> Option<&'k Entity> {
        let lookups = self.lookups(known);
        match (&self.target, lookups.as_slice()) {
            (Target::Level { .. }, [_]) => None,
            (_, lookups) => lookups.last().and_then(|lookup| known.entity(lookup)),
        }
    }

    fn apply(&self, known: &Known) -> Result<Applied, ConnectorError> {
        let stored = self.stored(known);
        match &self.state {
            State::Order { order, updated_at } => refunds::put_order(order, *updated_at, stored),
            State::Refund(refund) => refund.apply(stored),
            State::Fulfilment(fulfilment) => fulfilment.apply(stored),
            State::Edit(edit) => edit.apply(stored),
            State::Cart(cart) => cart.apply(stored),
            State::CartCompleted => carts_of::complete(stored),
            State::Customer(customer) => customer.apply(stored),
            State::NewCustomer(customer) => customers_of::new(customer, stored),
            State::Product(product) => product.apply(stored),
            State::Cost { item, cost } => products::set_cost(item, cost.as_deref(), stored),
            State::Level(level) => {
                let Target::Level { item, location } = &self.target else { return Ok(Applied::Nothing) };
                let product = known.entity(&Lookup::ProductOfItem(item.clone()));
                match inventory::level_id(product, item, location) {
                    Some((variant, _)) => level.apply(&variant, location, stored),
                    None => Ok(Applied::Nothing),
                }
            }
            State::NoLevel => Ok(match stored {
                Some(level) => Applied::Remove(EntityKind::Level, level.id.clone()),
                None => Applied::Nothing,
            }),
        }
    }
}

impl Draft {
    fn event(&self, index: usize, result: Option<&(Option<&Entity>, Applied)>) -> Result<Event, ConnectorError> {
        let mut concerns = Vec::new();
        let (kind, data) = match result {
            Some((before, Applied::Put(after))) => {
                concerns = after.concerns();
                (self.name.of(*before, after)?, parse(after)?)
            }
            Some((_, Applied::Remove(kind, id))) => {
                concerns.push(format!("{kind}:{id}"));
                let Name::Is(name) = &self.name else { return Ok(self.plain(index)) };
                (name.clone(), removed(*kind, id))
            }
            Some((_, Applied::Nothing)) => return Ok(Event { kind: self.otherwise.clone(), ..self.plain(index) }),
            None => return Ok(self.plain(index)),
        };
        for concern in &self.concerns {
            if !concerns.contains(concern) {
                concerns.push(concern.clone());
            }
        }
        Ok(Event { id_hint: format!("{index}"), kind, at: self.at, concerns, data })
    }

    fn plain(&self, index: usize) -> Event {
        let kind = match &self.name {
            Name::Is(kind) => kind.clone(),
            Name::Cart | Name::Shipment => self.otherwise.clone(),
        };
        Event {
            kind,
            id_hint: format!("{index}"),
            at: self.at,
            concerns: self.concerns.clone(),
            data: self.data.clone(),
        }
    }
}

impl Name {
    fn of(&self, before: Option<&Entity>, after: &Entity) -> Result<String, ConnectorError> {
        Ok(match self {
            Self::Is(kind) => kind.clone(),
            Self::Cart => {
                let done =
                    |entity| Ok::<_, ConnectorError>(record::<carts::Cart>(entity)?.step == carts::Step::Completed);
                match before {
                    _ if done(after)? && !before.map(done).transpose()?.unwrap_or(false) => "cart.completed".into(),
                    None => "cart.created".into(),
                    Some(_) => "cart.updated".into(),
                }
            }
            Self::Shipment => {
                let state = |entity| Ok::<_, ConnectorError>(record::<orders::Order>(entity)?.fulfilment);
                let (was, is) = (before.map(state).transpose()?, state(after)?);
                match is {
                    orders::Fulfilment::Delivered if was != Some(is) => "order.delivered".into(),
                    orders::Fulfilment::Fulfilled if was != Some(is) => "order.fulfilled".into(),
                    _ => "order.updated".into(),
                }
            }
        })
    }
}

/// What an event says of a document that is gone: what its id is made of.
fn removed(kind: EntityKind, id: &str) -> Value {
    match (kind, id.split_once('@')) {
        (EntityKind::Level, Some((variant, location))) => {
            serde_json::json!({ "variant_id": variant, "location": location })
        }
        _ => serde_json::json!({ "id": id }),
    }
}

/// The record of a stored document.
pub(super) fn record<T: serde::de::DeserializeOwned>(entity: &Entity) -> Result<T, ConnectorError> {
    serde_json::from_str(&entity.doc).map_err(|error| {
        let reason = format!("the stored document cannot be read: {error}");
        shopwright_model::ModelError::Document { kind: entity.kind, reason }.into()
    })
}

fn parse(entity: &Entity) -> Result<Value, ConnectorError> {
    record(entity)
}
