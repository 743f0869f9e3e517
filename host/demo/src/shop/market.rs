//! Competitors: what they ask, and how they move.

use shopwright_model::Millis;

use super::catalogue::{Product, Variant, charm};
use crate::{
    calendar::{self, DAY, HOUR},
    dice::Dice,
};

/// How a competitor sets prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Cuts prices from Friday to Sunday.
    FridayDiscounter,
    /// Stays a little below whatever we ask, after some hours.
    Matcher,
    /// Asks more than we do and moves rarely.
    Premium,
}

/// A competitor.
#[derive(Debug, Clone, Copy)]
pub struct Rival {
    /// Its name; invented.
    pub name: &'static str,
    /// Where its shop is.
    pub domain: &'static str,
    /// How it sets prices.
    pub behaviour: Behaviour,
    /// Share of our variants that it sells too.
    pub overlap: f64,
    /// Its usual price in relation to ours.
    pub level: f64,
}

/// The competitors.
pub static RIVALS: [Rival; 3] = [
    Rival {
        name: "Moorgate Outfitting",
        domain: "moorgate-outfitting.example",
        behaviour: Behaviour::FridayDiscounter,
        overlap: 0.34,
        level: 1.01,
    },
    Rival {
        name: "Tarnbrook",
        domain: "tarnbrook.example",
        behaviour: Behaviour::Matcher,
        overlap: 0.26,
        level: 0.985,
    },
    Rival {
        name: "Hald & Sohn",
        domain: "hald-und-sohn.example",
        behaviour: Behaviour::Premium,
        overlap: 0.18,
        level: 1.08,
    },
];

/// What a competitor asks for a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Index into [`RIVALS`].
    pub rival: usize,
    /// Index of the variant.
    pub variant: usize,
    /// Cents, outside of sales.
    pub base: i64,
    /// Cents, now.
    pub price: i64,
    /// Whether it can be had there.
    pub in_stock: bool,
    /// Since when.
    pub at: Millis,
}

/// What the competitors ask at `start`, by variant.
#[must_use]
pub fn watch(seed: u64, products: &[Product], variants: &[Variant], start: Millis) -> Vec<Quote> {
    let mut dice = Dice::new(seed, "market");
    // On a Friday morning the weekend's sale has not begun yet.
    let weekend = calendar::weekend_sale(start - 12 * HOUR, super::ZONE);
    let mut quotes = Vec::new();
    for product in products {
        for (rival, what) in RIVALS.iter().enumerate() {
            // A competitor has a product with all its sizes, or not at all.
            if !dice.chance(what.overlap) {
                continue;
            }
            let level = what.level * (1.0 + 0.03 * dice.normal());
            for variant in product.variants.clone() {
                let base = charm(variants[variant].price as f64 * level);
                let sale = weekend && what.behaviour == Behaviour::FridayDiscounter;
                quotes.push(Quote {
                    rival,
                    variant,
                    base,
                    price: if sale { charm(base as f64 * 0.9) } else { base },
                    in_stock: !dice.chance(0.07),
                    at: start - dice.between(HOUR, 6 * DAY),
                });
            }
        }
    }
    quotes
}
