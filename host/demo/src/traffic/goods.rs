//! Stock, competitors, product pages and reviews.

use serde_json::json;
use shopwright_model::Millis;

use super::{Plan, Post, Story, Traffic, platform};
use crate::{
    calendar::{self, DAY, HOUR, MINUTE},
    shop::{
        REVIEW_IDS, ZONE,
        catalogue::charm,
        market::{Behaviour, RIVALS},
        reviews,
    },
};

/// What a competitor does with a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Move {
    /// Up or down a little.
    Drift,
    /// The weekend's sale begins.
    Sale,
    /// The weekend's sale is over.
    SaleEnds,
    /// A little below us.
    Match,
    /// Sold out, or there again.
    Stock,
}

impl Traffic {
    /// Takes units from the warehouse that has most, and tells what is left.
    pub(super) fn take(&mut self, variant: usize, units: i64, posts: &mut Vec<Post>) {
        let place = (0..3).max_by_key(|&place| (self.available[variant][place], 3 - place)).unwrap_or(0);
        self.available[variant][place] = (self.available[variant][place] - units).max(0);
        self.tell_level(variant, place, posts);
    }

    fn tell_level(&mut self, variant: usize, place: usize, posts: &mut Vec<Post>) {
        let body = platform::level(variant, place, self.available[variant][place], self.now);
        posts.push(self.webhook("inventory_levels/update", body));
    }

    /// Once an hour: which competitors change which prices in the next hour.
    pub(super) fn rivals(&mut self) -> Option<Story> {
        self.plan(self.now + HOUR, Plan::Rivals);
        let weekend = calendar::weekend_sale(self.now, ZONE);
        let was = calendar::weekend_sale(self.now - DAY, ZONE);
        let hour = calendar::hour(self.now, ZONE);
        for (rival, what) in RIVALS.iter().enumerate() {
            let products = self.products_of(rival);
            if products.is_empty() {
                continue;
            }
            // The sale begins on Friday morning and ends on Monday morning, a tenth of it each hour.
            if what.behaviour == Behaviour::FridayDiscounter && weekend != was && (5..15).contains(&hour) {
                let to = if weekend { Move::Sale } else { Move::SaleEnds };
                let share = products.len().div_ceil(30);
                for _ in 0..share {
                    let product = *self.dice.goods.pick(&products);
                    let at = self.now + self.dice.goods.between(0, HOUR - 1);
                    self.plan(at, Plan::RivalMove(rival, product, to));
                }
            }
            let calm = if what.behaviour == Behaviour::Premium { 0.4 } else { 1.0 };
            // Prices are made during the day.
            let awake = if (6..22).contains(&hour) { 1.5 } else { 0.0 };
            let expected = products.len() as f64 * self.lively.moves * calm * awake / 24.0;
            let count = expected.floor() as usize + usize::from(self.dice.goods.chance(expected.fract()));
            for _ in 0..count {
                let product = *self.dice.goods.pick(&products);
                let to = if self.dice.goods.chance(0.2) { Move::Stock } else { Move::Drift };
                let at = self.now + self.dice.goods.between(0, HOUR - 1);
                self.plan(at, Plan::RivalMove(rival, product, to));
            }
        }
        None
    }

    /// Products that this competitor sells too.
    fn products_of(&self, rival: usize) -> Vec<usize> {
        let mut products: Vec<usize> = self
            .shop
            .quotes
            .iter()
            .filter(|quote| quote.rival == rival)
            .map(|quote| self.shop.variants[quote.variant].product)
            .collect();
        products.dedup();
        products
    }

    pub(super) fn rival_move(
        &mut self,
        rival: usize,
        product: usize,
        to: Move,
        posts: &mut Vec<Post>,
    ) -> Option<Story> {
        let drift = 1.0 + 0.06 * self.dice.goods.normal();
        let sale = self.dice.goods.range(0.86, 0.93);
        let (mut events, mut first) = (Vec::new(), None);
        for at in 0..self.shop.quotes.len() {
            let quote = self.shop.quotes[at];
            if quote.rival != rival || self.shop.variants[quote.variant].product != product {
                continue;
            }
            let ours = self.shop.variants[quote.variant].price as f64;
            let mut new = quote;
            match to {
                Move::Drift => {
                    // Never far from what the thing is worth.
                    let base = (quote.base as f64 * drift).clamp(ours * 0.8, ours * 1.3);
                    new.base = charm(base);
                    new.price = new.base;
                }
                Move::Sale => new.price = charm(quote.base as f64 * sale),
                Move::SaleEnds => new.price = quote.base,
                Move::Match => {
                    new.base = charm(ours * RIVALS[rival].level - 50.0);
                    new.price = new.base;
                }
                Move::Stock => new.in_stock = !quote.in_stock,
            }
            if new == quote {
                continue;
            }
            new.at = self.now;
            self.shop.quotes[at] = new;
            first.get_or_insert((quote, new));
            let record = self.shop.quote_record(&new);
            events.push(self.cloud_event("prices", "competitor.price-changed", json!(record)));
        }
        let (before, after) = first?;
        posts.push(Post::Events(events));
        Some(Story::Rival {
            rival: RIVALS[rival].name,
            product: self.shop.products[product].title.clone(),
            before: before.price,
            after: after.price,
            in_stock: after.in_stock,
        })
    }

    /// Every morning: what was ordered comes, and what runs out is ordered.
    pub(super) fn suppliers(&mut self) -> Option<Story> {
        self.plan(self.now + DAY, Plan::Suppliers);
        for variant in 0..self.available.len() {
            let due = self.shop.levels[variant][0].incoming.is_some_and(|(_, at)| at <= self.now + 12 * HOUR);
            let low = self.available[variant].iter().sum::<i64>() < 3 && self.dice.goods.chance(0.04);
            if due || low {
                let at = self.now + self.dice.goods.between(0, 5 * HOUR);
                self.plan(at, Plan::Restock(variant));
            }
        }
        None
    }

    pub(super) fn restock(&mut self, variant: usize, posts: &mut Vec<Post>) -> Option<Story> {
        let ordered = self.shop.levels[variant][0].incoming.take().map(|(units, _)| units);
        let units = ordered.unwrap_or_else(|| self.dice.goods.between(10, 60));
        self.available[variant][0] += units;
        self.tell_level(variant, 0, posts);
        Some(Story::Restocked { product: self.shop.title(variant), units })
    }

    /// Every day: a few product pages are edited.
    pub(super) fn editor(&mut self) -> Option<Story> {
        self.plan(self.now + DAY, Plan::Editor);
        for _ in 0..1 + self.dice.goods.below(3) {
            let product = self.dice.goods.below(self.shop.products.len());
            let at = self.now + self.dice.goods.between(0, 6 * HOUR);
            self.plan(at, Plan::Edit(product));
        }
        None
    }

    pub(super) fn edit(&mut self, product: usize, posts: &mut Vec<Post>) -> Option<Story> {
        let more = *self.dice.goods.pick(&[
            " Now with a longer warranty.",
            " New: the packaging is made of grass paper.",
            " Our staff's advice: treat it before the first rain.",
        ]);
        let description = &mut self.shop.products[product].description;
        if !description.ends_with(more) {
            description.push_str(more);
        }
        let body = platform::product(&self.shop, product, &|variant| self.available[variant].iter().sum(), self.now);
        posts.push(self.webhook("products/update", body));
        Some(Story::Edited { product: self.shop.products[product].title.clone() })
    }

    pub(super) fn review(&mut self, order: usize, posts: &mut Vec<Post>) -> Option<Story> {
        let order = &self.orders[order];
        let variant = &self.shop.variants[order.lines[0].variant as usize];
        let product = &self.shop.products[variant.product];
        let at: Millis = self.now - self.now % MINUTE;
        let mut review =
            reviews::review(&self.shop.people[order.person], product, variant, false, at, &mut self.dice.parcels);
        let title = product.title.clone();
        review.id = (REVIEW_IDS + self.shop.reviews.len() as u64 + self.offset(100_000)).to_string();
        self.shop.reviews.push(review.clone());
        let event = self.cloud_event("reviews", "review.created", json!(review));
        posts.push(Post::Events(vec![event]));
        Some(Story::Review { product: title, rating: review.rating, text: review.text })
    }
}
