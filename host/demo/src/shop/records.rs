//! The shop as the documents of the model, one after the other.

use serde_json::{Value, json};
use shopwright_model::{
    Entity, EntityKind, Millis, ModelError, carts, catalog, customers,
    entity::{ArticleDoc, EngagementDoc},
    inventory, market, orders, reviews, support,
    types::Money,
};

use super::{
    CHECKOUT_IDS, CURRENCY, DOMAIN, INVENTORY_IDS, Shop,
    catalogue::ONLY,
    engagement,
    history::{Fate, Sale},
    market::{Quote, RIVALS},
    order_id, order_number,
    people::{Person, Persona},
    stock::LOCATIONS,
};
use crate::calendar::DAY;

/// A document of the shop, typed.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // Each is the record of its name.
pub enum Record {
    Product(catalog::Product),
    Level(inventory::Level),
    Article(ArticleDoc),
    CompetitorPrice(market::CompetitorPrice),
    Customer(customers::Customer),
    Engagement(EngagementDoc),
    Order(orders::Order),
    Cart(carts::Cart),
    Review(reviews::Review),
    Ticket(support::Ticket),
}

impl Record {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Product(_) => EntityKind::Product,
            Self::Level(_) => EntityKind::Level,
            Self::Article(_) => EntityKind::Article,
            Self::CompetitorPrice(_) => EntityKind::CompetitorPrice,
            Self::Customer(_) => EntityKind::Customer,
            Self::Engagement(_) => EntityKind::Engagement,
            Self::Order(_) => EntityKind::Order,
            Self::Cart(_) => EntityKind::Cart,
            Self::Review(_) => EntityKind::Review,
            Self::Ticket(_) => EntityKind::Ticket,
        }
    }

    /// The document.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Product(record) => json!(record),
            Self::Level(record) => json!(record),
            Self::Article(record) => json!(record),
            Self::CompetitorPrice(record) => json!(record),
            Self::Customer(record) => json!(record),
            Self::Engagement(record) => json!(record),
            Self::Order(record) => json!(record),
            Self::Cart(record) => json!(record),
            Self::Review(record) => json!(record),
            Self::Ticket(record) => json!(record),
        }
    }

    /// Appends the document as JSON.
    ///
    /// # Panics
    /// Never: records have text keys, and a vector takes all that is written.
    pub fn write_json(&self, to: &mut Vec<u8>) {
        match self {
            Self::Product(record) => serde_json::to_writer(to, record),
            Self::Level(record) => serde_json::to_writer(to, record),
            Self::Article(record) => serde_json::to_writer(to, record),
            Self::CompetitorPrice(record) => serde_json::to_writer(to, record),
            Self::Customer(record) => serde_json::to_writer(to, record),
            Self::Engagement(record) => serde_json::to_writer(to, record),
            Self::Order(record) => serde_json::to_writer(to, record),
            Self::Cart(record) => serde_json::to_writer(to, record),
            Self::Review(record) => serde_json::to_writer(to, record),
            Self::Ticket(record) => serde_json::to_writer(to, record),
        }
        .expect("records have text keys, and a vector takes all");
    }

    /// The document with its index terms.
    ///
    /// # Errors
    /// What the model finds wrong with it; never for a generated shop.
    pub fn entity(&self) -> Result<Entity, ModelError> {
        match self {
            Self::Product(record) => Entity::of_product(record),
            Self::Level(record) => Entity::of_level(record),
            Self::Customer(record) => Entity::of_customer(record),
            Self::Order(record) => Entity::of_order(record),
            Self::Cart(record) => Entity::of_cart(record),
            Self::Ticket(record) => Entity::of_ticket(record),
            other => Entity::parse(other.kind(), &other.value()),
        }
    }
}

/// Cents of the shop's currency.
#[must_use]
pub fn money(cents: i64) -> Money {
    Money { amount: cents, currency: CURRENCY.into() }
}

impl Shop {
    /// Every document, in the order to import them; made one at a time.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let products = (0..self.products.len()).map(|at| Record::Product(self.product_record(at)));
        let levels = (0..self.levels.len()).flat_map(move |variant| {
            (0..LOCATIONS.len()).map(move |place| Record::Level(self.level_record(variant, place)))
        });
        let articles = self.articles.iter().cloned().map(Record::Article);
        let quotes = self.quotes.iter().map(|quote| Record::CompetitorPrice(self.quote_record(quote)));
        let people = self.people.iter().map(|person| Record::Customer(customer_record(person)));
        let letters = self
            .people
            .iter()
            .flat_map(|person| engagement::letters(self.seed, person, self.start).into_iter().map(Record::Engagement));
        let orders = (0..self.sales.len()).map(|at| Record::Order(self.order_record(at)));
        let carts = (0..self.sales.len()).filter(|&at| self.with_cart[at]).map(|at| Record::Cart(self.cart_record(at)));
        let reviews = self.reviews.iter().cloned().map(Record::Review);
        let tickets = self.tickets.iter().cloned().map(Record::Ticket);
        products
            .chain(levels)
            .chain(articles)
            .chain(quotes)
            .chain(people)
            .chain(letters)
            .chain(orders)
            .chain(carts)
            .chain(reviews)
            .chain(tickets)
    }

    /// A product as its document.
    #[must_use]
    pub fn product_record(&self, at: usize) -> catalog::Product {
        let product = &self.products[at];
        catalog::Product {
            id: product.id.to_string(),
            title: product.title.clone(),
            description: product.description.clone(),
            category: product.family().category.into(),
            tags: product.tags.clone(),
            publication: if product.published { catalog::Publication::Published } else { catalog::Publication::Draft },
            variants: product
                .variants
                .clone()
                .map(|n| {
                    let variant = &self.variants[n];
                    catalog::ProductVariant {
                        id: variant.id.to_string(),
                        product: product.id.to_string(),
                        sku: variant.sku.clone(),
                        title: variant.option.clone(),
                        price: money(variant.price),
                        compare_at: variant.compare_at.map(money),
                        cost: Some(money(variant.cost)),
                        extra: format!(r#"{{"inventory_item_id":"{}"}}"#, INVENTORY_IDS + n as u64),
                    }
                })
                .collect(),
            extra: "{}".into(),
        }
    }

    /// A stock level as its document.
    #[must_use]
    pub fn level_record(&self, variant: usize, place: usize) -> inventory::Level {
        let stock = &self.levels[variant][place];
        inventory::Level {
            variant_id: self.variants[variant].id.to_string(),
            location: LOCATIONS[place].0.to_string(),
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            incoming: stock.incoming.map_or(0, |(units, _)| units),
            incoming_at: stock.incoming.map(|(_, at)| at as u64),
            updated_at: stock.updated_at as u64,
        }
    }

    /// A competitor's price as its document.
    #[must_use]
    pub fn quote_record(&self, quote: &Quote) -> market::CompetitorPrice {
        let rival = &RIVALS[quote.rival];
        let variant = &self.variants[quote.variant];
        market::CompetitorPrice {
            competitor: rival.name.into(),
            variant_id: variant.id.to_string(),
            price: money(quote.price),
            in_stock: quote.in_stock,
            url: Some(format!("https://{}/p/{}", rival.domain, variant.sku.to_lowercase())),
            at: quote.at as u64,
        }
    }

    /// An order of the past as its document.
    #[must_use]
    pub fn order_record(&self, at: usize) -> orders::Order {
        let sale = &self.sales[at];
        let shipped = match sale.fate {
            Fate::Shipped(at) | Fate::Delivered(at, _) | Fate::Returned(at, _) => Some(at),
            Fate::Waiting | Fate::Cancelled(_) => None,
        };
        let delivered = match sale.fate {
            Fate::Delivered(_, at) | Fate::Returned(_, at) => Some(at),
            _ => None,
        };
        orders::Order {
            id: order_id(at),
            number: order_number(at),
            customer: Some(self.people[sale.person as usize].id.to_string()),
            cart: self.with_cart[at].then(|| cart_id(at)),
            lines: self.lines(sale),
            total: money(sale.total()),
            payment: match sale.fate {
                Fate::Returned(..) | Fate::Cancelled(_) => orders::Payment::Refunded,
                _ => orders::Payment::Paid,
            },
            fulfilment: match sale.fate {
                Fate::Waiting => orders::Fulfilment::Unfulfilled,
                Fate::Shipped(_) => orders::Fulfilment::Fulfilled,
                Fate::Delivered(..) => orders::Fulfilment::Delivered,
                Fate::Returned(..) => orders::Fulfilment::Returned,
                Fate::Cancelled(_) => orders::Fulfilment::Cancelled,
            },
            placed_at: sale.placed_at as u64,
            cancelled_at: match sale.fate {
                Fate::Cancelled(at) => Some(at as u64),
                _ => None,
            },
            expected_delivery: Some((sale.placed_at + 5 * DAY) as u64),
            shipments: shipped.map(|shipped| shipment(at, shipped, delivered)).into_iter().collect(),
            tags: Vec::new(),
            extra: if sale.percent > 0 {
                format!(r#"{{"discount_codes":[{{"code":"SAVE{0}","percent":{0}}}]}}"#, sale.percent)
            } else {
                "{}".into()
            },
        }
    }

    /// The cart that an order of the past came from.
    #[must_use]
    pub fn cart_record(&self, at: usize) -> carts::Cart {
        let sale = &self.sales[at];
        let person = &self.people[sale.person as usize];
        carts::Cart {
            id: cart_id(at),
            customer: Some(person.id.to_string()),
            email: Some(person.email.clone()),
            phone: person.phone.clone(),
            lines: self.lines(sale),
            total: money(sale.total()),
            step: carts::Step::Completed,
            created_at: (sale.placed_at - sale.cart_age) as u64,
            updated_at: sale.placed_at as u64,
            recovery_url: None,
            extra: "{}".into(),
        }
    }

    /// What a line with this variant is called: product and variant.
    #[must_use]
    pub fn title(&self, variant: usize) -> String {
        let variant = &self.variants[variant];
        let title = &self.products[variant.product].title;
        if variant.option == ONLY { title.clone() } else { format!("{title} - {}", variant.option) }
    }

    fn lines(&self, sale: &Sale) -> Vec<orders::Line> {
        sale.lines
            .iter()
            .map(|line| {
                let variant = &self.variants[line.variant as usize];
                orders::Line {
                    variant_id: variant.id.to_string(),
                    sku: variant.sku.clone(),
                    title: self.title(line.variant as usize),
                    quantity: line.quantity,
                    price: money(line.price),
                    discount: money(sale.discount(line)),
                }
            })
            .collect()
    }
}

/// A customer as their document.
#[must_use]
pub fn customer_record(person: &Person) -> customers::Customer {
    let consent = |channel, granted| customers::Consent { channel, granted, at: person.created_at as u64 };
    let mut consents = vec![consent(customers::Channel::Email, person.email_consent)];
    if person.phone.is_some() {
        consents.push(consent(customers::Channel::Sms, person.sms_consent));
    }
    let mut tags = Vec::new();
    if person.email_consent {
        tags.push("newsletter".to_owned());
    }
    if person.persona == Persona::Premium {
        tags.push("vip".to_owned());
    }
    customers::Customer {
        id: person.id.to_string(),
        email: Some(person.email.clone()),
        phone: person.phone.clone(),
        name: person.name(),
        locale: person.city.country.locale.into(),
        time_zone: person.zone().name().into(),
        tags,
        consents,
        created_at: person.created_at as u64,
        extra: format!(r#"{{"city":"{}","country":"{}"}}"#, person.city.name, person.city.country.code),
    }
}

/// The carrier; invented.
const CARRIER: &str = "Heron Parcel";

/// A parcel; the number follows from the order's place.
#[must_use]
pub fn shipment(order: usize, shipped: Millis, delivered: Option<Millis>) -> orders::Shipment {
    let number = format!("HP{:09}EU", 310_000_000 + order as u64 * 7);
    orders::Shipment {
        id: (71_000_001 + order as u64).to_string(),
        carrier: CARRIER.into(),
        tracking_url: Some(format!("https://heron-parcel.example/track/{number}")),
        tracking_number: number,
        status: if delivered.is_some() { "delivered" } else { "in_transit" }.into(),
        shipped_at: shipped as u64,
        delivered_at: delivered.map(|at| at as u64),
    }
}

/// The token of the cart of the order at this place of the history: what the platform knows a cart by.
pub(crate) fn cart_id(at: usize) -> String {
    token(CHECKOUT_IDS + at as u64)
}

/// 32 characters of hex that look random and differ for different numbers.
pub(crate) fn token(n: u64) -> String {
    // Fibonacci hashing: multiplication by an odd number loses nothing.
    format!("{:016x}{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n.wrapping_mul(0xd134_2543_de82_ef95))
}

/// Where customers get back into a checkout.
#[must_use]
pub fn recovery_url(token: &str) -> String {
    format!("https://{DOMAIN}/checkouts/{token}/recover")
}
