//! `market`: competitors' prices and our own price history.

use shopwright_model::{
    EntityKind, Millis,
    market::{ChangesPage, CompetitorPrice},
    types::Page,
};

use crate::{
    Reader, Surface,
    paging::{limit, owned_where, price_cursor, price_next},
    reader::PriceCursor,
    surface::ReadFuture,
};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("market", "prices-of", prices_of);
    surface.read("market", "changes-of", changes_of);
}

/// By competitor.
fn prices_of<'a>(reader: &'a dyn Reader, (variant,): (String,)) -> ReadFuture<'a, Vec<CompetitorPrice>> {
    Box::pin(async move {
        let mut prices: Vec<CompetitorPrice> =
            owned_where(reader, EntityKind::CompetitorPrice, &variant, usize::MAX, |_| true).await?;
        prices.sort_by(|a, b| a.competitor.cmp(&b.competitor));
        Ok(prices)
    })
}

fn changes_of<'a>(reader: &'a dyn Reader, (variant, page): (String, Page)) -> ReadFuture<'a, ChangesPage> {
    Box::pin(async move {
        let limit = limit(&page)?;
        let mut rows = reader.price_changes(&variant, price_cursor(&page)?, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|last| {
            price_next(PriceCursor { at: Millis::try_from(last.change.at).unwrap_or(Millis::MAX), row: last.row })
        });
        Ok(ChangesPage { items: rows.into_iter().map(|row| row.change).collect(), next })
    })
}
