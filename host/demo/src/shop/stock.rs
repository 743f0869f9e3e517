//! What lies in the warehouses.

use shopwright_model::Millis;

use super::history::{Fate, Sale};
use crate::{
    calendar::{DAY, HOUR},
    dice::Dice,
};

/// The shop's warehouses: number at the platform, name, share of the stock.
pub const LOCATIONS: [(u64, &str, f64); 3] =
    [(61_001, "Hamburg", 0.6), (61_002, "Lyon", 0.25), (61_003, "Leeds", 0.15)];

/// Stock of one variant at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Units on the shelf.
    pub on_hand: i64,
    /// Of these, promised to orders.
    pub reserved: i64,
    /// Units ordered from the supplier, and when they come.
    pub incoming: Option<(i64, Millis)>,
    /// When it last changed.
    pub updated_at: Millis,
}

/// How well a variant is stocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Out,
    Scarce,
    Normal,
    Plenty,
}

/// Units sold per day of each variant over the last `days` of the history.
#[must_use]
pub fn velocity(sales: &[Sale], variants: usize, start: Millis, days: i64) -> Vec<f64> {
    let mut units = vec![0_u32; variants];
    for sale in sales.iter().rev().take_while(|sale| sale.placed_at > start - days * DAY) {
        if !matches!(sale.fate, Fate::Cancelled(_)) {
            for line in &sale.lines {
                units[line.variant as usize] += line.quantity;
            }
        }
    }
    units.into_iter().map(|units| f64::from(units) / days as f64).collect()
}

/// Fills the warehouses.
#[must_use]
pub fn fill(seed: u64, sales: &[Sale], variants: usize, start: Millis) -> Vec<[Stock; 3]> {
    let mut dice = Dice::new(seed, "stock");
    // The last week counts for more than the month before it, as whoever orders for a shop would see it.
    let (week, month) = (velocity(sales, variants, start, 7), velocity(sales, variants, start, 28));
    let velocity: Vec<f64> = week.iter().zip(&month).map(|(week, month)| 0.6 * week + 0.4 * month).collect();
    let mut reserved = vec![0_i64; variants];
    for sale in sales.iter().rev().take_while(|sale| sale.placed_at > start - 5 * DAY) {
        if sale.fate == Fate::Waiting {
            for line in &sale.lines {
                reserved[line.variant as usize] += i64::from(line.quantity);
            }
        }
    }
    (0..variants)
        .map(|variant| {
            // What sells fast runs short more often; what does not sell lies there.
            let odds = match velocity[variant] {
                fast if fast > 0.1 => [0.02, 0.12, 0.78, 0.08],
                slow if slow > 0.0 => [0.03, 0.05, 0.84, 0.08],
                // What has not sold for a month was sold out long ago, or lies like lead.
                _ => [0.82, 0.0, 0.0, 0.18],
            };
            let cover = [Cover::Out, Cover::Scarce, Cover::Normal, Cover::Plenty][dice.weighted(&odds)];
            let days = match cover {
                Cover::Out => 0.0,
                Cover::Scarce => dice.range(1.5, 8.0),
                Cover::Normal => dice.range(24.0, 70.0),
                Cover::Plenty => dice.range(150.0, 420.0),
            };
            let total = (days * velocity[variant].max(0.02)).round().min(900.0);
            let total = match cover {
                Cover::Out => 0.0,
                Cover::Scarce => total.max(1.0),
                Cover::Normal => total.max(1.0),
                Cover::Plenty => total.max(6.0),
            };
            let incoming = matches!(cover, Cover::Out | Cover::Scarce) && velocity[variant] > 0.0 && dice.chance(0.6);
            let incoming = incoming.then(|| {
                let units = (velocity[variant] * 45.0).ceil().max(10.0) as i64;
                (units, start + dice.between(1, 21) * DAY + 7 * HOUR)
            });
            let mut left = total as i64;
            let mut levels = LOCATIONS.map(|(_, _, share)| {
                let on_hand = ((total * share).floor() as i64).min(left);
                left -= on_hand;
                Stock { on_hand, reserved: 0, incoming: None, updated_at: start - dice.between(HOUR, 3 * DAY) }
            });
            levels[0].on_hand += left + reserved[variant];
            levels[0].reserved = reserved[variant];
            levels[0].incoming = incoming;
            levels
        })
        .collect()
}
