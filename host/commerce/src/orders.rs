//! `orders`: what was bought.

use shopwright_model::{
    EntityKind,
    orders::{Order, OrdersPage},
    types::Page,
};

use crate::{
    Reader, Surface,
    paging::{by_id, owned_page, query as matching, record},
    surface::ReadFuture,
};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("orders", "get", get);
    surface.read("orders", "find-by-number", find_by_number);
    surface.read("orders", "of-customer", of_customer);
    surface.read("orders", "query", query);
}

fn get<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Option<Order>> {
    Box::pin(async move { by_id(reader, EntityKind::Order, &id).await })
}

fn find_by_number<'a>(reader: &'a dyn Reader, (number,): (String,)) -> ReadFuture<'a, Option<Order>> {
    Box::pin(async move {
        let doc = reader.by_alt(EntityKind::Order, number.trim().trim_start_matches('#')).await?;
        doc.map(|doc| record(EntityKind::Order, &doc)).transpose()
    })
}

fn of_customer<'a>(reader: &'a dyn Reader, (customer, page): (String, Page)) -> ReadFuture<'a, OrdersPage> {
    Box::pin(async move {
        let (items, next) = owned_page(reader, EntityKind::Order, &customer, &page).await?;
        Ok(OrdersPage { items, next })
    })
}

fn query<'a>(reader: &'a dyn Reader, (condition, page): (String, Page)) -> ReadFuture<'a, OrdersPage> {
    Box::pin(async move {
        let (items, next) = matching(reader, EntityKind::Order, &condition, &page).await?;
        Ok(OrdersPage { items, next })
    })
}
