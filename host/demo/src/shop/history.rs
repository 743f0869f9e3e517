//! Two years of orders.

use shopwright_model::Millis;

use super::{
    catalogue::{FAMILIES, Product, Variant},
    people::{Person, Persona},
};
use crate::{
    calendar::{self, DAY, HISTORY_DAYS, HOUR, MINUTE},
    dice::{Dice, Wheel},
};

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not sent yet.
    Waiting,
    /// On its way since.
    Shipped(Millis),
    /// Sent, and there.
    Delivered(Millis, Millis),
    /// Sent, there, and sent back.
    Returned(Millis, Millis),
    /// Cancelled at.
    Cancelled(Millis),
}

/// One line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaleLine {
    /// Index of the variant.
    pub variant: u32,
    /// Units.
    pub quantity: u32,
    /// Cents for one, before discount.
    pub price: i64,
}

/// An order, in as few bytes as it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Index of the customer.
    pub person: u32,
    /// When it was placed.
    pub placed_at: Millis,
    /// What was bought.
    pub lines: Box<[SaleLine]>,
    /// Percent off every line.
    pub percent: u8,
    /// What became of it.
    pub fate: Fate,
    /// How long before the order its cart was begun.
    pub cart_age: Millis,
}

impl Sale {
    /// Cents off a line.
    #[must_use]
    pub fn discount(&self, line: &SaleLine) -> i64 {
        line.price * i64::from(line.quantity) * i64::from(self.percent) / 100
    }

    /// Cents for the goods after discount.
    #[must_use]
    pub fn goods(&self) -> i64 {
        self.lines.iter().map(|line| line.price * i64::from(line.quantity) - self.discount(line)).sum()
    }

    /// Cents that the customer pays.
    #[must_use]
    pub fn total(&self) -> i64 {
        let goods = self.goods();
        goods + super::shipping(goods)
    }
}

/// What visitors put into carts, by month: popularity times season.
#[derive(Debug, Clone)]
pub struct Demand {
    months: Vec<Wheel>,
    families: Vec<Vec<usize>>,
    family_months: Vec<Vec<Wheel>>,
    variants: Vec<Wheel>,
}

impl Demand {
    /// The demand for these products.
    #[must_use]
    pub fn new(products: &[Product], variants: &[Variant]) -> Self {
        let families: Vec<Vec<usize>> = (0..FAMILIES.len())
            .map(|family| {
                (0..products.len()).filter(|&p| products[p].family == family && products[p].published).collect()
            })
            .collect();
        let wheel = |month: usize, of: &mut dyn Iterator<Item = &Product>| {
            Wheel::new(of.map(|p| p.popularity * p.family().season[month]).collect::<Vec<_>>())
        };
        Self {
            months: (0..12).map(|month| wheel(month, &mut products.iter())).collect(),
            family_months: families
                .iter()
                .map(|members| (0..12).map(|month| wheel(month, &mut members.iter().map(|&p| &products[p]))).collect())
                .collect(),
            families,
            variants: products
                .iter()
                .map(|p| Wheel::new(variants[p.variants.clone()].iter().map(|v| v.share)))
                .collect(),
        }
    }

    /// Index of a variant that somebody who likes `favourite` wants in `month`.
    pub fn wish(&self, products: &[Product], favourite: usize, month: usize, dice: &mut Dice) -> usize {
        let product = if dice.chance(0.45) && !self.families[favourite].is_empty() {
            self.families[favourite][self.family_months[favourite][month].turn(dice)]
        } else {
            self.months[month].turn(dice)
        };
        products[product].variants.start + self.variants[product].turn(dice)
    }

    /// One to four lines, mostly one or two; no variant twice.
    pub fn basket(&self, products: &[Product], person: &Person, month: usize, dice: &mut Dice) -> Vec<(usize, u32)> {
        let size = 1 + dice.weighted(&[0.52, 0.28, 0.14, 0.06]);
        let mut basket: Vec<(usize, u32)> = Vec::with_capacity(size);
        for _ in 0..size {
            let variant = self.wish(products, person.favourite, month, dice);
            if basket.iter().all(|&(other, _)| other != variant) {
                basket.push((variant, if dice.chance(0.09) { 2 } else { 1 }));
            }
        }
        basket
    }
}

/// Days of the history as a line of "how much has been bought until then", so that customers' orders
/// fall where the shop is busy.
struct Seasons {
    start: Millis,
    sums: Vec<f64>,
}

impl Seasons {
    fn new(seed: u64, start: Millis) -> Self {
        let mut dice = Dice::new(seed, "seasons");
        let mut sum = 0.0;
        let sums = (0..HISTORY_DAYS)
            .map(|day| {
                let at = start - (HISTORY_DAYS - day) as Millis * DAY;
                sum += calendar::busy(at + 12 * HOUR, super::ZONE)
                    * calendar::trend((HISTORY_DAYS - day) as f64)
                    * (1.0 + 0.06 * dice.normal()).max(0.5);
                sum
            })
            .collect();
        Self { start, sums }
    }

    /// How much has been bought until `at`.
    fn until(&self, at: Millis) -> f64 {
        let day = (at - self.start).div_euclid(DAY) + HISTORY_DAYS as Millis;
        if day < 0 { 0.0 } else { self.sums[(day as usize).min(HISTORY_DAYS - 1)] }
    }

    /// The day (0 is the first) when `much` has been bought.
    fn day(&self, much: f64) -> usize {
        self.sums.partition_point(|&sum| sum < much).min(HISTORY_DAYS - 1)
    }
}

/// Makes `count` orders of `people`, oldest first.
#[must_use]
pub fn write(
    seed: u64,
    count: usize,
    start: Millis,
    people: &[Person],
    products: &[Product],
    variants: &[Variant],
    demand: &Demand,
) -> Vec<Sale> {
    let seasons = Seasons::new(seed, start);
    let mut dice = Dice::new(seed, "orders");
    let end = seasons.sums[HISTORY_DAYS - 1];
    // When each customer begins and stops to buy, in units of the whole shop's business.
    let spans: Vec<(f64, f64)> = people
        .iter()
        .map(|person| {
            let from = seasons.until(person.created_at);
            let to = if person.persona == Persona::Lapsed { from + (end - from) * dice.range(0.05, 0.5) } else { end };
            (from, to)
        })
        .collect();
    let wanted: Vec<f64> =
        people.iter().zip(&spans).map(|(person, span)| person.rhythm.orders * (span.1 - span.0) / end).collect();
    let scale = count as f64 / wanted.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut sales = Vec::with_capacity(count);
    let mut owed = 0.0;
    for (at, person) in people.iter().enumerate() {
        // What is left over goes to the next, so that the sum is what was asked for.
        owed += wanted[at] * scale;
        let mut orders = if person.persona == Persona::Newcomer { owed.round().min(1.0) } else { owed.round() };
        if at + 1 == people.len() {
            orders = (count - sales.len()) as f64;
        }
        let orders = (orders.max(0.0) as usize).min(count - sales.len());
        owed -= orders as f64;
        let step = (spans[at].1 - spans[at].0) / orders.max(1) as f64;
        for k in 0..orders {
            let jitter = (0.5 + 0.28 * dice.normal()).clamp(0.02, 0.98);
            let day = seasons.day(spans[at].0 + (k as f64 + jitter) * step);
            let midnight = start - (HISTORY_DAYS - day) as Millis * DAY;
            let placed_at = (moment(midnight, person, &mut dice))
                .clamp(person.created_at + 5 * MINUTE, (start - MINUTE).max(person.created_at + 5 * MINUTE));
            sales.push(sale(at, person, placed_at, start, products, variants, demand, &mut dice));
        }
    }
    sales.sort_by_key(|sale| (sale.placed_at, sale.person));
    sales
}

/// A moment of the day that begins (UTC) at `midnight`, by the customer's own clock.
fn moment(midnight: Millis, person: &Person, dice: &mut Dice) -> Millis {
    let hour = dice.weighted(&calendar::HOURS) as Millis;
    let offset = hour - calendar::hour(midnight, person.zone()) as Millis;
    midnight + offset.rem_euclid(24) * HOUR + dice.between(0, HOUR - 1)
}

#[allow(clippy::too_many_arguments)]
fn sale(
    at: usize,
    person: &Person,
    placed_at: Millis,
    start: Millis,
    products: &[Product],
    variants: &[Variant],
    demand: &Demand,
    dice: &mut Dice,
) -> Sale {
    let month = calendar::month(placed_at, super::ZONE);
    // Prices were lower in former times.
    let inflation = 1.0 - 0.035 * ((start - placed_at) as f64 / (365.0 * DAY as f64));
    let lines: Box<[SaleLine]> = demand
        .basket(products, person, month, dice)
        .into_iter()
        .map(|(variant, quantity)| {
            let price = variants[variant].price as f64 * inflation;
            SaleLine { variant: variant as u32, quantity, price: (price / 10.0).round() as i64 * 10 }
        })
        .collect();
    let sale_time = matches!(month, 0 | 10);
    let discounted = dice.chance((0.05 + 0.55 * person.rhythm.price_sensitivity) * if sale_time { 1.4 } else { 1.0 });
    let percent = if discounted { [5, 10, 10, 15, 20][dice.below(if sale_time { 5 } else { 4 })] } else { 0 };
    let returns =
        lines.iter().map(|line| products[variants[line.variant as usize].product].family().returns).fold(0.0, f64::max);
    let fate = fate(placed_at, start, returns, dice);
    let cart_age = (dice.log_normal(person.rhythm.decision as f64, 0.45) as Millis).clamp(4 * MINUTE, 12 * DAY);
    Sale { person: at as u32, placed_at, lines, percent, fate, cart_age }
}

fn fate(placed_at: Millis, start: Millis, returns: f64, dice: &mut Dice) -> Fate {
    if dice.chance(0.022) {
        let at = placed_at + dice.between(10 * MINUTE, 20 * HOUR);
        return if at < start { Fate::Cancelled(at) } else { Fate::Waiting };
    }
    let shipped = placed_at + dice.between(14 * HOUR, 52 * HOUR);
    // Now and then a parcel is lost or late.
    let late = if dice.chance(0.04) { dice.between(4, 12) * DAY } else { 0 };
    let delivered = shipped + dice.between(30 * HOUR, 4 * DAY) + late;
    if shipped >= start {
        Fate::Waiting
    } else if delivered >= start {
        Fate::Shipped(shipped)
    } else if dice.chance(returns) && delivered + 8 * DAY < start {
        Fate::Returned(shipped, delivered)
    } else {
        Fate::Delivered(shipped, delivered)
    }
}
