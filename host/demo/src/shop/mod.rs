//! The shop: everything that was there before the show begins, from a seed.

pub mod catalogue;
pub mod engagement;
pub mod help;
pub mod history;
pub mod letters;
pub mod market;
pub mod names;
pub mod people;
pub mod records;
pub mod reviews;
pub mod stock;
pub mod tickets;

use chrono_tz::Tz;
use shopwright_model::{EntityKind, Millis, entity::ArticleDoc};

use self::{
    catalogue::{FAMILIES, Product, Variant},
    history::{Demand, Sale},
    market::Quote,
    people::Person,
    stock::Stock,
};
pub use records::Record;

/// The shop's id.
pub const SHOP: &str = "quillmoor";
/// What it is called.
pub const NAME: &str = "Quillmoor Outfitters";
/// Where customers find it.
pub const DOMAIN: &str = "quillmoor.example";
/// Its domain at the platform, as the platform's headers say it.
pub const PLATFORM_DOMAIN: &str = "quillmoor-demo.myshopify.com";
/// What its prices are in.
pub const CURRENCY: &str = "EUR";
/// Its zone.
pub const ZONE: Tz = Tz::Europe__Berlin;

pub(crate) const PRODUCT_IDS: u64 = 8_100_001;
pub(crate) const VARIANT_IDS: u64 = 44_000_001;
pub(crate) const INVENTORY_IDS: u64 = 46_000_001;
pub(crate) const CUSTOMER_IDS: u64 = 7_200_001;
pub(crate) const ORDER_IDS: u64 = 5_600_001;
pub(crate) const CHECKOUT_IDS: u64 = 30_000_001;
pub(crate) const REVIEW_IDS: u64 = 900_001;
pub(crate) const TICKET_IDS: u64 = 120_001;

/// The platform's id of the order at this place of the history.
#[must_use]
pub fn order_id(at: usize) -> String {
    (ORDER_IDS + at as u64).to_string()
}

/// What the customer knows that order by.
#[must_use]
pub fn order_number(at: usize) -> String {
    format!("#{}", 1_001 + at)
}

/// Cents for delivery of goods worth so many cents.
#[must_use]
pub fn shipping(goods: i64) -> i64 {
    if goods >= 5_000 { 0 } else { 490 }
}

/// How large a shop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Products; each has one to nine variants.
    pub products: usize,
    /// Customers.
    pub customers: usize,
    /// Orders in the two years before the start.
    pub orders: usize,
}

impl Size {
    /// What the demo shows.
    pub const FULL: Self = Self { products: 400, customers: 5_000, orders: 40_000 };
    /// Enough for a test.
    pub const SMALL: Self = Self { products: 40, customers: 200, orders: 1_200 };
}

/// A shop with its past.
#[derive(Debug, Clone)]
pub struct Shop {
    /// What it was made from.
    pub seed: u64,
    /// The end of its past and the beginning of the show.
    pub start: Millis,
    /// What it sells.
    pub products: Vec<Product>,
    /// What can be put into a cart; a product's are neighbours.
    pub variants: Vec<Variant>,
    /// Stock by variant and location (see [`stock::LOCATIONS`]).
    pub levels: Vec<[Stock; 3]>,
    /// Who buys.
    pub people: Vec<Person>,
    /// What was bought, oldest first.
    pub sales: Vec<Sale>,
    /// What visitors want.
    pub demand: Demand,
    /// What competitors ask.
    pub quotes: Vec<Quote>,
    /// The help centre.
    pub articles: Vec<ArticleDoc>,
    /// What buyers say, oldest first.
    pub reviews: Vec<shopwright_model::reviews::Review>,
    /// What customer service has heard, oldest first.
    pub tickets: Vec<shopwright_model::support::Ticket>,
    /// Places in `sales` whose cart is known too: the last three of each customer.
    pub(crate) with_cart: Vec<bool>,
}

impl Shop {
    /// Makes the shop of this seed, whose past ends at `start`. The same arguments make the same shop.
    #[must_use]
    pub fn generate(seed: u64, size: Size, start: Millis) -> Self {
        let (products, variants) = catalogue::stock_up(seed, size.products);
        let demand = Demand::new(&products, &variants);
        let people = people::invite(seed, size.customers, start, FAMILIES.len());
        let sales = history::write(seed, size.orders, start, &people, &products, &variants, &demand);
        let levels = stock::fill(seed, &sales, variants.len(), start);
        let quotes = market::watch(seed, &products, &variants, start);
        let reviews = reviews::write(seed, &sales, &people, &products, &variants, start);
        let tickets = tickets::write(seed, &sales, &people, &products, &variants, start);
        let mut seen = vec![0_u8; people.len()];
        let mut with_cart = vec![false; sales.len()];
        for (at, sale) in sales.iter().enumerate().rev() {
            let seen = &mut seen[sale.person as usize];
            with_cart[at] = *seen < 3;
            *seen = seen.saturating_add(1);
        }
        let articles = help::articles();
        Self {
            seed,
            start,
            products,
            variants,
            levels,
            people,
            sales,
            demand,
            quotes,
            articles,
            reviews,
            tickets,
            with_cart,
        }
    }

    /// Units sold per day of each variant over the last four weeks.
    #[must_use]
    pub fn velocity(&self) -> Vec<f64> {
        stock::velocity(&self.sales, self.variants.len(), self.start, 28)
    }

    /// How many records of each kind [`Shop::records`] gives, in its order; engagements are left out,
    /// since counting them means making them.
    #[must_use]
    pub fn counts(&self) -> Vec<(EntityKind, usize)> {
        vec![
            (EntityKind::Product, self.products.len()),
            (EntityKind::Level, self.levels.len() * 3),
            (EntityKind::Article, self.articles.len()),
            (EntityKind::CompetitorPrice, self.quotes.len()),
            (EntityKind::Customer, self.people.len()),
            (EntityKind::Order, self.sales.len()),
            (EntityKind::Cart, self.with_cart.iter().filter(|&&there| there).count()),
            (EntityKind::Review, self.reviews.len()),
            (EntityKind::Ticket, self.tickets.len()),
        ]
    }
}
