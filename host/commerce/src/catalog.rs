//! `catalog`: products and their variants.

use shopwright_model::{
    EntityKind,
    catalog::{Product, ProductVariant, ProductsPage},
    types::{Page, ReadError},
};

use crate::{
    Reader, Surface,
    paging::{by_id, query as matching, record},
    surface::ReadFuture,
};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("catalog", "get-product", get_product);
    surface.read("catalog", "get-variant", get_variant);
    surface.read("catalog", "query", query);
}

fn get_product<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Option<Product>> {
    Box::pin(async move { by_id(reader, EntityKind::Product, &id).await })
}

fn get_variant<'a>(reader: &'a dyn Reader, (id,): (String,)) -> ReadFuture<'a, Option<ProductVariant>> {
    Box::pin(async move {
        let product = product_of(reader, &id).await?;
        Ok(product.and_then(|product| product.variants.into_iter().find(|variant| variant.id == id)))
    })
}

/// The product that has this variant.
pub(crate) async fn product_of(reader: &dyn Reader, variant: &str) -> Result<Option<Product>, ReadError> {
    reader.variant_product(variant).await?.map(|doc| record(EntityKind::Product, &doc)).transpose()
}

fn query<'a>(reader: &'a dyn Reader, (condition, page): (String, Page)) -> ReadFuture<'a, ProductsPage> {
    Box::pin(async move {
        let (items, next) = matching(reader, EntityKind::Product, &condition, &page).await?;
        Ok(ProductsPage { items, next })
    })
}
