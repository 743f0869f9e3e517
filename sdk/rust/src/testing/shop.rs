//! The pretended shop's data.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Event,
    carts::Cart,
    catalog::Product,
    customers::{Customer, Engagement, Standing},
    inventory::Level,
    market::{CompetitorPrice, PriceChange},
    orders::Order,
    reviews::Review,
    support::{Article, Ticket},
};

#[derive(Default)]
pub(crate) struct Shop {
    pub customers: BTreeMap<String, Customer>,
    pub standings: BTreeMap<String, Standing>,
    pub engagements: BTreeMap<String, Vec<Engagement>>,
    pub products: BTreeMap<String, Product>,
    pub levels: BTreeMap<(String, String), Level>,
    pub velocities: BTreeMap<String, f64>,
    pub orders: BTreeMap<String, Order>,
    pub carts: BTreeMap<String, Cart>,
    pub tickets: BTreeMap<String, Ticket>,
    pub articles: Vec<Article>,
    pub reviews: BTreeMap<String, Review>,
    pub prices: BTreeMap<(String, String), CompetitorPrice>,
    pub changes: Vec<PriceChange>,
}

/// Something that [`Host::put`](super::Host::put) puts into the shop.
pub trait Record {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn put(self, shop: &mut Shop);
}

macro_rules! records {
    ($($record:ty: |$shop:ident, $value:ident| $put:expr;)*) => {$(
        impl Record for $record {
            #[allow(private_interfaces)]
            fn put(self, $shop: &mut Shop) {
                let $value = self;
                $put;
            }
        }
    )*};
}

records! {
    Customer: |shop, it| shop.customers.insert(it.id.clone(), it);
    Product: |shop, it| shop.products.insert(it.id.clone(), it);
    Level: |shop, it| shop.levels.insert((it.variant_id.clone(), it.location.clone()), it);
    Order: |shop, it| shop.orders.insert(it.id.clone(), it);
    Cart: |shop, it| shop.carts.insert(it.id.clone(), it);
    Ticket: |shop, it| shop.tickets.insert(it.id.clone(), it);
    Article: |shop, it| shop.articles.push(it);
    Review: |shop, it| shop.reviews.insert(it.id.clone(), it);
    CompetitorPrice: |shop, it| shop.prices.insert((it.variant_id.clone(), it.competitor.clone()), it);
    PriceChange: |shop, it| shop.changes.push(it);
}

impl Shop {
    /// Keeps the entity that an event carries.
    pub fn take(&mut self, event: &Event) {
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return };
        match event.kind.split('.').next() {
            Some("customer") => self.keep::<Customer>(data),
            Some("product") => self.keep::<Product>(data),
            Some("inventory") => self.keep::<Level>(data),
            Some("order") => self.keep::<Order>(data),
            Some("cart") => self.keep::<Cart>(data),
            Some("ticket") => self.keep::<Ticket>(data),
            Some("review") => self.keep::<Review>(data),
            Some("competitor") => self.keep::<CompetitorPrice>(data),
            _ => {}
        }
    }

    fn keep<T: Record + DeserializeOwned>(&mut self, data: Value) {
        if let Ok(record) = serde_json::from_value::<T>(data) {
            record.put(self);
        }
    }
}

/// A record from JSON with the record's field names in snake_case; optional fields and lists may be
/// left out.
///
/// # Panics
/// JSON that is no such record.
pub fn record<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap_or_else(|error| panic!("no such record: {error}"))
}
