//! Reads. `get` answers none for an id that is not there; lists come page by page as they are read.

use std::vec;

use crate::{
    Duration, ReadError,
    bindings::shopwright::plugin::types::Page,
    carts::Cart,
    catalog::{Product, ProductVariant},
    customers::{Customer, Engagement, Standing},
    event::CustomerId,
    host,
    inventory::Level,
    market::{CompetitorPrice, PriceChange},
    orders::Order,
    reviews::Summary,
    support::{Article, Ticket},
};

type Read<T> = Result<T, ReadError>;

/// A long list, read page by page while it is gone through.
///
/// ```
/// # use shopwright_sdk::prelude::*;
/// fn spent_last_year(ctx: &Ctx, customer: &str) -> Result<Money> {
///     let mut sum = Money::zero(ctx.currency());
///     for order in ctx.orders().of_customer(customer) {
///         let order = order?;
///         if order.placed_at() < ctx.now() - days(365) {
///             break; // newest first: the pages after this one are never read
///         }
///         sum = sum.plus(&order.total)?;
///     }
///     Ok(sum)
/// }
/// ```
pub struct Pages<'a, T> {
    read: Reader<'a, T>,
    limit: u32,
    after: Option<String>,
    items: vec::IntoIter<T>,
    more: bool,
}

/// The items of a page, and where the next one begins.
type PageOf<T> = (Vec<T>, Option<String>);

type Reader<'a, T> = Box<dyn FnMut(&Page) -> Read<PageOf<T>> + 'a>;

impl<'a, T> Pages<'a, T> {
    fn new(read: impl FnMut(&Page) -> Read<PageOf<T>> + 'a) -> Pages<'a, T> {
        Pages { read: Box::new(read), limit: 50, after: None, items: Vec::new().into_iter(), more: true }
    }

    /// How many items one read asks for: 1 to 250, 50 unless told.
    #[must_use]
    pub fn by(mut self, limit: u32) -> Pages<'a, T> {
        self.limit = limit;
        self
    }
}

impl<T> Iterator for Pages<'_, T> {
    type Item = Read<T>;

    fn next(&mut self) -> Option<Read<T>> {
        loop {
            if let Some(item) = self.items.next() {
                return Some(Ok(item));
            }
            if !self.more {
                return None;
            }
            match (self.read)(&Page { limit: self.limit, after: self.after.take() }) {
                Ok((items, next)) => {
                    self.items = items.into_iter();
                    self.more = next.is_some();
                    self.after = next;
                }
                Err(error) => {
                    self.more = false;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The shop's customers.
#[derive(Debug, Clone, Copy)]
pub struct Customers(pub(crate) ());

impl Customers {
    /// By id.
    pub fn get(self, id: &str) -> Read<Option<Customer>> {
        host::customers::get(id)
    }

    /// By address, without regard to case.
    pub fn find_by_email(self, email: &str) -> Read<Option<Customer>> {
        host::customers::find_by_email(email)
    }

    /// What the host knows of the customer by counting and by prediction.
    pub fn standing(self, customer: &(impl CustomerId + ?Sized)) -> Read<Standing> {
        host::customers::get_standing(customer.customer_id())
    }

    /// How the customer answered to earlier messages, by template and channel.
    pub fn engagement(self, customer: &(impl CustomerId + ?Sized)) -> Read<Vec<Engagement>> {
        host::customers::engagement_of(customer.customer_id())
    }

    /// Those for which a CEL expression over `item` holds, in the order of their ids.
    pub fn query(self, condition: &str) -> Pages<'_, Customer> {
        Pages::new(move |page| host::customers::query(condition, page).map(|found| (found.items, found.next)))
    }
}

/// Products and variants.
#[derive(Debug, Clone, Copy)]
pub struct Catalog(pub(crate) ());

impl Catalog {
    /// By id.
    pub fn product(self, id: &str) -> Read<Option<Product>> {
        host::catalog::get_product(id)
    }

    /// By id.
    pub fn variant(self, id: &str) -> Read<Option<ProductVariant>> {
        host::catalog::get_variant(id)
    }

    /// Those for which a CEL expression over `item` holds, in the order of their ids.
    pub fn query(self, condition: &str) -> Pages<'_, Product> {
        Pages::new(move |page| host::catalog::query(condition, page).map(|found| (found.items, found.next)))
    }
}

/// Stock and its speed.
#[derive(Debug, Clone, Copy)]
pub struct Inventory(pub(crate) ());

impl Inventory {
    /// Stock by location; empty where stock is not tracked.
    pub fn levels(self, variant: &str) -> Read<Vec<Level>> {
        host::inventory::levels(variant)
    }

    /// Units that can be sold, over all locations; none where stock is not tracked.
    pub fn available(self, variant: &str) -> Read<Option<i64>> {
        let levels = host::inventory::levels(variant)?;
        Ok((!levels.is_empty()).then(|| levels.iter().map(|level| level.on_hand - level.reserved).sum()))
    }

    /// Units sold per day over the window that ends now: one hour to two years.
    pub fn velocity(self, variant: &str, window: Duration) -> Read<f64> {
        host::inventory::velocity(variant, window.as_millis())
    }
}

/// Orders.
#[derive(Debug, Clone, Copy)]
pub struct Orders(pub(crate) ());

impl Orders {
    /// By id.
    pub fn get(self, id: &str) -> Read<Option<Order>> {
        host::orders::get(id)
    }

    /// By what the customer knows it by, with or without the `#`.
    pub fn find_by_number(self, number: &str) -> Read<Option<Order>> {
        host::orders::find_by_number(number)
    }

    /// Newest first.
    pub fn of_customer<'a>(self, customer: &'a (impl CustomerId + ?Sized)) -> Pages<'a, Order> {
        let id = customer.customer_id();
        Pages::new(move |page| host::orders::of_customer(id, page).map(|found| (found.items, found.next)))
    }

    /// Those for which a CEL expression over `item` holds, in the order of their ids.
    pub fn query(self, condition: &str) -> Pages<'_, Order> {
        Pages::new(move |page| host::orders::query(condition, page).map(|found| (found.items, found.next)))
    }
}

/// Carts.
#[derive(Debug, Clone, Copy)]
pub struct Carts(pub(crate) ());

impl Carts {
    /// By id.
    pub fn get(self, id: &str) -> Read<Option<Cart>> {
        host::carts::get(id)
    }

    /// Not completed, newest first, at most 50.
    pub fn open_of_customer(self, customer: &(impl CustomerId + ?Sized)) -> Read<Vec<Cart>> {
        host::carts::open_of_customer(customer.customer_id())
    }
}

/// Tickets, the help centre's articles, and what can be done about tickets.
#[derive(Debug, Clone, Copy)]
pub struct Support(pub(crate) ());

impl Support {
    /// A ticket by id.
    pub fn get(self, id: &str) -> Read<Option<Ticket>> {
        host::support::get(id)
    }

    /// Open or pending, newest first, at most 50.
    pub fn open_of_customer(self, customer: &(impl CustomerId + ?Sized)) -> Read<Vec<Ticket>> {
        host::support::open_of_customer(customer.customer_id())
    }

    /// All, newest first.
    pub fn of_customer<'a>(self, customer: &'a (impl CustomerId + ?Sized)) -> Pages<'a, Ticket> {
        let id = customer.customer_id();
        Pages::new(move |page| host::support::of_customer(id, page).map(|found| (found.items, found.next)))
    }

    /// Articles of the help centre that share a word with `text`, best first. `limit` is 1 to 20.
    pub fn search_articles(self, text: &str, limit: u32) -> Read<Vec<Article>> {
        host::support::search_articles(text, limit)
    }
}

/// Reviews.
#[derive(Debug, Clone, Copy)]
pub struct Reviews(pub(crate) ());

impl Reviews {
    /// Count, average and the best one; none where the product has no review.
    pub fn summary(self, product: &str) -> Read<Option<Summary>> {
        host::reviews::summary_of(product)
    }
}

/// Competitors' prices and our own changes.
#[derive(Debug, Clone, Copy)]
pub struct Market(pub(crate) ());

impl Market {
    /// The latest of each competitor.
    pub fn prices(self, variant: &str) -> Read<Vec<CompetitorPrice>> {
        host::market::prices_of(variant)
    }

    /// Our own price changes, newest first.
    pub fn changes<'a>(self, variant: &'a str) -> Pages<'a, PriceChange> {
        Pages::new(move |page| host::market::changes_of(variant, page).map(|found| (found.items, found.next)))
    }
}
