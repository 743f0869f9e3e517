//! `customers`: who they are, and what the host knows of them by counting.

use shopwright_model::{
    EntityKind, carts,
    customers::{Customer, CustomersPage, Engagement, Standing},
    entity::EngagementDoc,
    orders::{self, Order},
    types::{Money, Page},
};

use crate::{
    Reader, Surface,
    paging::{by_id, invalid, owned_where, query as matching, record},
    surface::ReadFuture,
};

/// How many of the newest orders are looked at for the decision time: each is a read of its cart.
const DECISIONS: usize = 20;

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("customers", "get", get);
    surface.read("customers", "find-by-email", find_by_email);
    surface.read("customers", "get-standing", get_standing);
    surface.read("customers", "engagement-of", engagement_of);
    surface.read("customers", "query", query);
}

fn get<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Option<Customer>> {
    Box::pin(async move { by_id(reader, EntityKind::Customer, &id).await })
}

fn find_by_email<'a>(reader: &'a dyn Reader, (email,): (String,)) -> ReadFuture<'a, Option<Customer>> {
    Box::pin(async move {
        let doc = reader.by_alt(EntityKind::Customer, &email.trim().to_lowercase()).await?;
        doc.map(|doc| record(EntityKind::Customer, &doc)).transpose()
    })
}

/// Counts over the customer's newest 5,000 orders that were not cancelled.
fn get_standing<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Standing> {
    Box::pin(async move {
        if reader.entity(EntityKind::Customer, &id).await?.is_none() {
            return Err(invalid(format!("`id` is `{id}`: there is no such customer")));
        }
        let placed: Vec<Order> = owned_where(reader, EntityKind::Order, &id, usize::MAX, is_placed).await?;
        let mut decisions = Vec::new();
        for order in placed.iter().filter(|order| order.cart.is_some()).take(DECISIONS) {
            let cart = order.cart.as_deref().unwrap_or_default();
            let cart: Option<carts::Cart> = by_id(reader, EntityKind::Cart, cart).await?;
            decisions.extend(cart.and_then(|cart| order.placed_at.checked_sub(cart.created_at)));
        }
        Ok(standing(&placed, decisions, &reader.shop().currency))
    })
}

fn is_placed(order: &Order) -> bool {
    order.cancelled_at.is_none() && order.fulfilment != orders::Fulfilment::Cancelled
}

/// `placed` newest first. Totals in another currency than the shop's are no part of the sum.
fn standing(placed: &[Order], decisions: Vec<u64>, currency: &str) -> Standing {
    let times = || placed.iter().map(|order| order.placed_at);
    let spent = placed
        .iter()
        .filter(|order| order.total.currency == currency)
        .fold(0_i64, |sum, order| sum.saturating_add(order.total.amount));
    let discounted = placed.iter().filter(|order| order.lines.iter().any(|line| line.discount.amount > 0)).count();
    // Counts are at most 5,000.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    Standing {
        orders: placed.len() as u32,
        spent: Money { amount: spent, currency: currency.into() },
        first_order_at: times().min(),
        last_order_at: times().max(),
        order_interval: median(
            times().zip(times().skip(1)).map(|(newer, older)| newer.saturating_sub(older)).collect(),
        ),
        decision_time: median(decisions),
        discount_share: (!placed.is_empty()).then(|| discounted as f64 / placed.len() as f64),
        predicted_value: None,
        churn_risk: None,
        tier: None,
        segments: Vec::new(),
    }
}

/// The middle value; of two the mean, rounded down.
fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(values[middle - 1].midpoint(values[middle])),
    }
}

/// By channel, then template.
fn engagement_of<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Vec<Engagement>> {
    Box::pin(async move {
        let all: Vec<EngagementDoc> = owned_where(reader, EntityKind::Engagement, &id, 1_000, |_| true).await?;
        let mut all: Vec<Engagement> = all.into_iter().map(|doc| doc.engagement).collect();
        all.sort_by(|a, b| (a.channel as u8, &a.template).cmp(&(b.channel as u8, &b.template)));
        Ok(all)
    })
}

fn query<'a>(reader: &'a dyn Reader, (condition, page): (String, Page)) -> ReadFuture<'a, CustomersPage> {
    Box::pin(async move {
        let (items, next) = matching(reader, EntityKind::Customer, &condition, &page).await?;
        Ok(CustomersPage { items, next })
    })
}
