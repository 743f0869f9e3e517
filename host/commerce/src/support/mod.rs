//! `support`: tickets and the help centre.

mod search;

use shopwright_model::{
    EntityKind,
    support::{Status, Ticket, TicketsPage},
    types::Page,
};

use crate::{
    Reader, Surface,
    paging::{by_id, owned_page, owned_where},
    surface::ReadFuture,
};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("support", "get", get);
    surface.read("support", "open-of-customer", open_of_customer);
    surface.read("support", "of-customer", of_customer);
    surface.read("support", "search-articles", search::search_articles);
}

fn get<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Option<Ticket>> {
    Box::pin(async move { by_id(reader, EntityKind::Ticket, &id).await })
}

fn open_of_customer<'a>(reader: &'a dyn Reader, (customer,): (String,)) -> ReadFuture<'a, Vec<Ticket>> {
    Box::pin(async move {
        let is_open = |ticket: &Ticket| matches!(ticket.status, Status::Open | Status::Pending);
        owned_where(reader, EntityKind::Ticket, &customer, 50, is_open).await
    })
}

fn of_customer<'a>(reader: &'a dyn Reader, (customer, page): (String, Page)) -> ReadFuture<'a, TicketsPage> {
    Box::pin(async move {
        let (items, next) = owned_page(reader, EntityKind::Ticket, &customer, &page).await?;
        Ok(TicketsPage { items, next })
    })
}
