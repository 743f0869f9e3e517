//! `reviews`: what customers say of a product.

use shopwright_model::{
    EntityKind,
    reviews::{Review, Summary},
};

use crate::{Reader, Surface, paging::owned_where, surface::ReadFuture};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("reviews", "summary-of", summary_of);
}

/// Over the newest 5,000.
fn summary_of<'a>(reader: &'a dyn Reader, (product,): (String,)) -> ReadFuture<'a, Option<Summary>> {
    Box::pin(async move {
        let all: Vec<Review> = owned_where(reader, EntityKind::Review, &product, usize::MAX, |_| true).await?;
        Ok(summary(all))
    })
}

/// `all` newest first.
fn summary(all: Vec<Review>) -> Option<Summary> {
    if all.is_empty() {
        return None;
    }
    let sum: u64 = all.iter().map(|review| u64::from(review.rating)).sum();
    // At most 5,000 reviews with at most 5 stars.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let (count, average) = (all.len() as u32, sum as f64 / all.len() as f64);
    // Of equals `min_by_key` keeps the first, which is the newest.
    let with_text = all.into_iter().filter(|review| !review.text.trim().is_empty());
    let best = with_text.min_by_key(|review| std::cmp::Reverse(review.rating));
    Some(Summary { count, average, best })
}
