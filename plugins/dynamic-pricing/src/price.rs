//! The next price of a variant: pure, and never to and fro.
//!
//! Three things hold a price still. The *band*: what counts as scarce or too much begins at one
//! threshold and ends at another, so a cover that swings around one of them changes nothing. The *rest*:
//! a price stays for a while after each change, longer before it turns round. The *least change*: small
//! differences are let be.

use shopwright_sdk::{market::CompetitorPrice, prelude::*};

use crate::Settings;

/// Where a variant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", crate = "shopwright_sdk::serde")]
pub enum Pressure {
    /// Sells faster than there is stock.
    Scarce,
    /// As it should be.
    #[default]
    Balanced,
    /// Sells slower than it should.
    Excess,
}

/// Which way a price went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", crate = "shopwright_sdk::serde")]
pub enum Direction {
    /// Up.
    Rise,
    /// Down.
    Fall,
}

/// What is remembered of a variant between runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct Memory {
    /// Where the price began; the bounds are around it.
    pub base: Money,
    /// The price that was set last. Another one now means: a person set it, and that is the new base.
    pub set: Money,
    /// When, and which way.
    pub moved: Option<(Timestamp, Direction)>,
    /// Where it stood last.
    pub pressure: Pressure,
    /// When a guardrail forbade a price.
    pub refused: Option<Timestamp>,
    /// The cheapest competitor's price that was seen last.
    pub seen: Option<Money>,
    /// The competitor's price that staff was told of.
    pub told: Option<Money>,
}

impl Memory {
    /// Of a variant that is seen for the first time, or that a person has priced anew.
    pub fn new(price: &Money) -> Memory {
        Memory {
            base: price.clone(),
            set: price.clone(),
            moved: None,
            pressure: Pressure::Balanced,
            refused: None,
            seen: None,
            told: None,
        }
    }
}

/// What is known of a variant now.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Its price.
    pub price: &'a Money,
    /// Its cost, if known.
    pub cost: Option<&'a Money>,
    /// Units that can be sold; none: stock is not tracked.
    pub available: Option<i64>,
    /// Units on their way.
    pub incoming: i64,
    /// Units sold per day over the last week, and over the last four.
    pub velocity: (f64, f64),
    /// Who sells the same.
    pub competitors: &'a [CompetitorPrice],
    /// Time now.
    pub now: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Leave the price: why.
    Keep(&'static str),
    /// Change it.
    Change {
        /// The new price.
        price: Money,
        /// Which way.
        direction: Direction,
        /// Why, for the operator.
        reason: String,
    },
}

/// How many days the stock lasts at the speed it sells; none where stock is not tracked.
///
/// The last week counts for more than the month before it, so that a trend is seen early without one
/// busy day deciding. What sells next to nothing lasts two years.
pub fn cover_days(facts: &Facts<'_>) -> Option<f64> {
    const LONGEST: f64 = 730.0;
    let units = (facts.available? + facts.incoming).max(0) as f64;
    let per_day = 0.6 * facts.velocity.0 + 0.4 * facts.velocity.1;
    Some(if per_day > 0.0 {
        (units / per_day).min(LONGEST)
    } else if units > 0.0 {
        LONGEST
    } else {
        0.0
    })
}

/// Where a variant stands, given where it stood: to leave a state takes half as much again as to enter it.
pub fn pressure(cover: Option<f64>, before: Pressure, settings: &Settings) -> Pressure {
    let Some(cover) = cover else { return Pressure::Balanced };
    const BAND: f64 = 1.5;
    match before {
        Pressure::Scarce if cover < settings.scarce_days * BAND => Pressure::Scarce,
        Pressure::Excess if cover > settings.excess_days / BAND => Pressure::Excess,
        _ if cover < settings.scarce_days => Pressure::Scarce,
        _ if cover > settings.excess_days => Pressure::Excess,
        _ => Pressure::Balanced,
    }
}

/// The cheapest competitor who has stock, in our currency, at a price that is not too old.
pub fn cheapest<'a>(facts: &Facts<'a>, settings: &Settings) -> Option<&'a CompetitorPrice> {
    facts
        .competitors
        .iter()
        .filter(|other| other.in_stock && other.price.currency() == facts.price.currency())
        .filter(|other| other.price.is_positive() && other.at() + settings.competitor_age >= facts.now)
        .min_by_key(|other| other.price.minor())
}

/// How far our price is above another, in per cent of the other; below it is negative.
pub fn gap_percent(ours: &Money, theirs: &Money) -> Result<f64> {
    Ok(ours.ratio(theirs)?.map_or(0.0, |ratio| (ratio - 1.0) * 100.0))
}

/// Decides. `pressure` is where the variant stands now.
pub fn decide(facts: &Facts<'_>, memory: &Memory, pressure: Pressure, settings: &Settings) -> Result<Decision> {
    if memory.refused.is_some_and(|at| at + settings.refusal_rest > facts.now) {
        return Ok(Decision::Keep("a guardrail forbade the last price"));
    }
    if facts.available == Some(0) && facts.incoming == 0 {
        return Ok(Decision::Keep("there is nothing to sell"));
    }
    let Some((percent, why)) = wanted(facts, pressure, settings)? else {
        return Ok(Decision::Keep("demand, stock and competitors are in balance"));
    };
    let direction = if percent > 0.0 { Direction::Rise } else { Direction::Fall };
    if let Some((at, before)) = memory.moved {
        let rest = if before == direction { settings.rest } else { settings.turn_rest };
        if at + rest > facts.now {
            return Ok(Decision::Keep("the price was changed a short while ago"));
        }
    }
    if direction == Direction::Fall && facts.cost.is_none() {
        return Ok(Decision::Keep("the cost is not known, so the price is not lowered"));
    }

    let (least, most) = bounds(facts, memory, settings)?;
    if least.minor() > most.minor() {
        return Ok(Decision::Keep("the least margin is above the highest price allowed"));
    }
    let raw = facts.price.plus(&facts.price.percent(percent))?;
    let bounded = raw.minor().clamp(least.minor(), most.minor());
    let price = Money::new(with_ending(bounded, least.minor(), most.minor(), settings, &raw), raw.currency());

    let change = gap_percent(&price, facts.price)?;
    if change.abs() < settings.least_change || (change > 0.0) != (percent > 0.0) {
        return Ok(Decision::Keep("the price is at its bound already"));
    }
    let reason = format!("{why}: {} -> {price} ({change:+.1}%)", facts.price);
    Ok(Decision::Change { price, direction, reason })
}

/// How far to move in per cent, and why; none: stay.
fn wanted(facts: &Facts<'_>, pressure: Pressure, settings: &Settings) -> Result<Option<(f64, String)>> {
    let cover = cover_days(facts).unwrap_or_default();
    let trend = match facts.velocity {
        (week, month) if month > 0.0 => format!(", sales {:+.0}% against the month", (week / month - 1.0) * 100.0),
        _ => String::new(),
    };
    if let Some(other) = cheapest(facts, settings) {
        let gap = gap_percent(facts.price, &other.price)?;
        // What is scarce need not be cheap.
        if gap > settings.tolerated_gap && pressure != Pressure::Scarce {
            // Down to the tolerated gap, at most by one step: an answer, not a race.
            let target = other.price.percent(100.0 + settings.tolerated_gap);
            let percent = gap_percent(&target, facts.price)?.max(-settings.fall_step);
            return Ok(Some((percent, format!("{} asks {}, {gap:.0}% below us", other.competitor, other.price))));
        }
    }
    Ok(match pressure {
        Pressure::Scarce => {
            // The less there is, the further, up to a step.
            let shortage = (1.0 - cover / settings.scarce_days).clamp(0.0, 1.0);
            let percent = settings.rise_step * (0.5 + 0.5 * shortage);
            Some((percent, format!("stock lasts {cover:.0} days{trend}")))
        }
        Pressure::Excess => {
            let surplus = (cover / settings.excess_days - 1.0).clamp(0.0, 1.0);
            let percent = -settings.fall_step * (0.5 + 0.5 * surplus);
            Some((percent, format!("stock lasts {cover:.0} days{trend}")))
        }
        Pressure::Balanced => None,
    })
}

/// The lowest and the highest price allowed: around the base, above the least margin, and no rise above
/// what the tolerance to competitors leaves.
fn bounds(facts: &Facts<'_>, memory: &Memory, settings: &Settings) -> Result<(Money, Money)> {
    let mut least = memory.base.percent(100.0 - settings.most_below);
    if let Some(cost) = facts.cost {
        let with_margin = cost.percent(100.0 / (1.0 - settings.least_margin / 100.0).max(0.01));
        if with_margin.at_least(&least)? {
            least = with_margin;
        }
    }
    let mut most = memory.base.percent(100.0 + settings.most_above);
    if let Some(other) = cheapest(facts, settings) {
        let tolerated = other.price.percent(100.0 + settings.tolerated_gap);
        // Never a reason to fall: that is decided above.
        if most.at_least(&tolerated)? && tolerated.at_least(facts.price)? {
            most = tolerated;
        }
    }
    Ok((least, most))
}

/// The nearest price with the operator's ending within the bounds; the price itself if there is none.
fn with_ending(price: i64, least: i64, most: i64, settings: &Settings, like: &Money) -> i64 {
    // 100 minor units make a major one, or the ending has no meaning.
    let two_decimals = Money::from_major(1.0, like.currency()).minor() == 100;
    if settings.ending == 0 || !two_decimals {
        return price;
    }
    let below = (price - settings.ending).div_euclid(100) * 100 + settings.ending;
    let candidates = [below, below + 100].into_iter().filter(|candidate| (least..=most).contains(candidate));
    candidates.min_by_key(|candidate| (candidate - price).abs()).unwrap_or(price)
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::{BEGIN, record};

    use super::*;

    fn euro(minor: i64) -> Money {
        Money::new(minor, "EUR")
    }

    fn plain() -> Settings {
        Settings { ending: 0, ..Settings::default() }
    }

    fn competitor(price: i64, change: fn(&mut CompetitorPrice)) -> CompetitorPrice {
        let mut other = record(json!({
            "competitor": "rival", "variant_id": "v", "price": euro(price), "in_stock": true, "at": BEGIN,
        }));
        change(&mut other);
        other
    }

    struct Case {
        price: Money,
        cost: Option<Money>,
        available: Option<i64>,
        velocity: (f64, f64),
        competitors: Vec<CompetitorPrice>,
        now: Timestamp,
        memory: Memory,
        settings: Settings,
    }

    /// 100.00 EUR that cost 50.00; 30 days of stock; nobody else sells it.
    fn case() -> Case {
        Case {
            price: euro(10_000),
            cost: Some(euro(5_000)),
            available: Some(30),
            velocity: (1.0, 1.0),
            competitors: Vec::new(),
            now: BEGIN,
            memory: Memory::new(&euro(10_000)),
            settings: plain(),
        }
    }

    impl Case {
        fn facts(&self) -> Facts<'_> {
            Facts {
                price: &self.price,
                cost: self.cost.as_ref(),
                available: self.available,
                incoming: 0,
                velocity: self.velocity,
                competitors: &self.competitors,
                now: self.now,
            }
        }

        fn decide(&self) -> Decision {
            let pressure = pressure(cover_days(&self.facts()), self.memory.pressure, &self.settings);
            decide(&self.facts(), &self.memory, pressure, &self.settings).unwrap()
        }

        /// The new price in minor units, the old one if it is kept.
        fn next(&self) -> i64 {
            match self.decide() {
                Decision::Change { price, .. } => price.minor(),
                Decision::Keep(_) => self.price.minor(),
            }
        }
    }

    #[test]
    fn demand_against_stock_cover() {
        for (available, per_day, next) in [
            (30, 1.0, 10_000), // in balance
            (7, 1.0, 10_225),  // half of what it should be: three quarters of the step
            (1, 100.0, 10_300),
            (135, 1.0, 9_625), // half as much again: three quarters of the step
            (1000, 1.0, 9_500),
            (50, 0.0, 9_500), // not sold at all
            (0, 1.0, 10_000), // nothing to sell
        ] {
            let case = Case { available: Some(available), velocity: (per_day, per_day), ..case() };
            assert_eq!(case.next(), next, "{available} at {per_day} a day");
        }
        assert_eq!(Case { available: None, ..case() }.next(), 10_000, "not tracked");
    }

    #[test]
    fn a_competitor_is_answered_within_bounds() {
        let with =
            |price, change: fn(&mut CompetitorPrice)| Case { competitors: vec![competitor(price, change)], ..case() };
        assert_eq!(with(9_800, |_| {}).next(), 10_000, "tolerated");
        assert_eq!(with(9_400, |_| {}).next(), 9_870, "down to the tolerated gap");
        assert_eq!(with(5_000, |_| {}).next(), 9_500, "one step, no race");
        assert_eq!(with(5_000, |other| other.in_stock = false).next(), 10_000);
        assert_eq!(with(5_000, |other| other.at = 0).next(), 10_000, "too old");
        assert_eq!(with(5_000, |other| other.price = Money::new(5_000, "USD")).next(), 10_000);
        let scarce = Case { available: Some(5), ..with(5_000, |_| {}) };
        assert!(scarce.next() > 10_000, "what is scarce need not be cheap");
        let rise = Case { available: Some(1), ..with(9_700, |_| {}) };
        assert_eq!(rise.next(), 10_185, "rises stop at the tolerated gap");
    }

    #[test]
    fn margin_and_base_bound_every_price() {
        let excess = Case { available: Some(1000), ..case() };
        assert_eq!(Case { cost: Some(euro(7_800)), ..excess }.next(), 9_750, "20% margin on 78.00");
        let excess = Case { available: Some(1000), ..case() };
        assert_eq!(Case { cost: None, ..excess }.next(), 10_000, "unknown cost");
        let fallen = Case { price: euro(8_200), available: Some(1000), ..case() };
        assert_eq!(fallen.next(), 8_000, "20% below the base");
        let risen = Case { price: euro(10_800), available: Some(1), ..case() };
        assert_eq!(risen.next(), 11_000, "10% above the base");
        let at_bound = Case { price: euro(10_950), available: Some(1), ..case() };
        assert_eq!(at_bound.decide(), Decision::Keep("the price is at its bound already"));
        let impossible = Case { cost: Some(euro(20_000)), available: Some(1), ..case() };
        assert!(matches!(impossible.decide(), Decision::Keep(_)));
    }

    #[test]
    fn endings_stay_within_the_bounds() {
        let settings = Settings::default();
        for (price, least, most, ending) in
            [(1_925, 0, 9_999, 1_899), (1_960, 0, 9_999, 1_999), (1_960, 0, 1_980, 1_899), (1_960, 1_950, 1_980, 1_960)]
        {
            assert_eq!(with_ending(price, least, most, &settings, &euro(0)), ending, "{price}");
        }
        assert_eq!(with_ending(1_925, 0, 9_999, &settings, &Money::new(0, "JPY")), 1_925);
    }

    #[test]
    fn a_refusal_is_respected_for_a_while() {
        let mut case = Case { available: Some(1000), ..case() };
        case.memory.refused = Some(BEGIN);
        assert!(matches!(case.decide(), Decision::Keep(_)));
        case.now = BEGIN + days(7);
        assert_eq!(case.next(), 9_500);
    }

    /// A year of days with demand that swings as it likes: the price never goes to and fro.
    #[test]
    fn prices_never_flap() {
        for seed in 1..=20u64 {
            let mut random = seed;
            let mut chance = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) as f64 / f64::from(1u32 << 31)
            };
            let mut case = case();
            let mut changes: Vec<(Timestamp, Direction)> = Vec::new();
            for day in 0..365 {
                case.now = BEGIN + days(day);
                case.velocity = (chance() * 4.0, 1.0 + chance());
                case.available = Some((chance() * 200.0) as i64);
                case.competitors = vec![competitor(8_000 + (chance() * 4_000.0) as i64, |_| {})];
                case.competitors[0].at = case.now.as_millis();
                let now = pressure(cover_days(&case.facts()), case.memory.pressure, &case.settings);
                let decision = decide(&case.facts(), &case.memory, now, &case.settings).unwrap();
                case.memory.pressure = now;
                if let Decision::Change { price, direction, .. } = decision {
                    assert!((8_000..=11_000).contains(&price.minor()), "{price}");
                    if let Some((at, before)) = changes.last() {
                        let rest = case.now.since(*at);
                        assert!(rest >= days(if *before == direction { 1 } else { 7 }), "day {day}, after {rest}");
                    }
                    changes.push((case.now, direction));
                    case.memory.moved = Some((case.now, direction));
                    case.memory.set = price.clone();
                    case.price = price;
                }
            }
            assert!(changes.len() > 5, "prices do move: {}", changes.len());
        }
    }

    #[test]
    fn a_cover_around_a_threshold_changes_nothing() {
        let settings = plain();
        let mut state = Pressure::Balanced;
        let mut turns = 0;
        for cover in [13.9, 14.1, 13.8, 14.2, 20.0, 13.0, 20.9] {
            let next = pressure(Some(cover), state, &settings);
            turns += usize::from(next != state);
            state = next;
        }
        assert_eq!((turns, state), (1, Pressure::Scarce));
        assert_eq!(pressure(Some(21.1), state, &settings), Pressure::Balanced);
        assert_eq!(pressure(Some(61.0), Pressure::Excess, &settings), Pressure::Excess);
        assert_eq!(pressure(Some(59.0), Pressure::Excess, &settings), Pressure::Balanced);
    }
}
