//! `carts`: what is about to be bought.

use shopwright_model::{
    EntityKind,
    carts::{Cart, Step},
};

use crate::{
    Reader, Surface,
    paging::{by_id, owned_where},
    surface::ReadFuture,
};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("carts", "get", get);
    surface.read("carts", "open-of-customer", open_of_customer);
}

fn get<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Option<Cart>> {
    Box::pin(async move { by_id(reader, EntityKind::Cart, &id).await })
}

fn open_of_customer<'a>(reader: &'a dyn Reader, (customer,): (String,)) -> ReadFuture<'a, Vec<Cart>> {
    Box::pin(async move {
        let is_open = |cart: &Cart| cart.step != Step::Completed;
        owned_where(reader, EntityKind::Cart, &customer, 50, is_open).await
    })
}
