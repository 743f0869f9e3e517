//! Who buys: customers with rhythms of their own.

use chrono_tz::Tz;
use shopwright_model::Millis;

use super::names::{CITIES, City, FIRST_NAMES, LAST_NAMES};
use crate::{
    calendar::{DAY, HOUR, MINUTE},
    dice::Dice,
};

/// What kind of buyer somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    /// Comes back often and decides within hours.
    Regular,
    /// Thinks for days.
    Deliberate,
    /// Waits for a discount.
    Bargain,
    /// Buys what others praise.
    Social,
    /// Spends a lot, dislikes being pushed.
    Premium,
    /// Has bought once or never.
    Newcomer,
    /// Bought once, long ago.
    Lapsed,
}

/// A customer.
#[derive(Debug, Clone)]
pub struct Person {
    /// Number at the platform.
    pub id: u64,
    /// First name.
    pub first: &'static str,
    /// Last name.
    pub last: &'static str,
    /// Address at one of the reserved example domains.
    pub email: String,
    /// From the ranges set aside for fiction.
    pub phone: Option<String>,
    /// Where they live.
    pub city: &'static City,
    /// Street and number.
    pub street: String,
    /// When the account was made.
    pub created_at: Millis,
    /// What kind of buyer.
    pub persona: Persona,
    /// How they behave in time.
    pub rhythm: Rhythm,
    /// Allows marketing by e-mail.
    pub email_consent: bool,
    /// Allows marketing by text message.
    pub sms_consent: bool,
    /// Index of the family they like best.
    pub favourite: usize,
}

/// How somebody behaves in time.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Median time from the first item in the cart to the order.
    pub decision: Millis,
    /// Orders in two years.
    pub orders: f64,
    /// 0 to 1: how much a discount matters.
    pub price_sensitivity: f64,
    /// 0 to 1: how much other people's opinion matters.
    pub social_proof: f64,
    /// Probability that an e-mail is opened.
    pub opens: f64,
    /// Median time until an e-mail is read.
    pub reads_email: Millis,
    /// Median time until a text message is read.
    pub reads_sms: Millis,
}

impl Person {
    /// First and last name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// The zone they live in.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.city.country.zone
    }
}

/// Makes `count` customers; those who joined last stand last, newcomers among them.
#[must_use]
pub fn invite(seed: u64, count: usize, start: Millis, families: usize) -> Vec<Person> {
    let mut dice = Dice::new(seed, "people");
    let mut joined: Vec<Millis> = (0..count)
        .map(|_| {
            // More than half were there before the history begins; the others came since.
            let ago = if dice.chance(0.58) { 730.0 + dice.exponential(240.0) } else { 730.0 * dice.unit().powf(1.25) };
            start - (ago * DAY as f64) as Millis - dice.between(0, DAY - 1)
        })
        .collect();
    joined.sort_unstable();
    (0..count).map(|n| person(n, joined[n], start, families, &mut dice)).collect()
}

/// Makes the `n`-th customer.
pub fn person(n: usize, created_at: Millis, start: Millis, families: usize, dice: &mut Dice) -> Person {
    let (first, last) = (*dice.pick(&FIRST_NAMES), *dice.pick(&LAST_NAMES));
    let weights: Vec<f64> = CITIES.iter().map(|city| city.weight).collect();
    let city = &CITIES[dice.weighted(&weights)];
    let fresh = start - created_at < 21 * DAY;
    let persona = if fresh && dice.chance(0.7) {
        Persona::Newcomer
    } else {
        [
            Persona::Regular,
            Persona::Deliberate,
            Persona::Bargain,
            Persona::Social,
            Persona::Premium,
            Persona::Newcomer,
            Persona::Lapsed,
        ][dice.weighted(&[0.24, 0.16, 0.19, 0.14, 0.06, 0.11, 0.1])]
    };
    let domain = *dice.pick(&["example.com", "example.org", "example.net"]);
    let email = format!("{}.{}{}@{domain}", plain(first), plain(last), n % 1_000);
    let phone = dice.chance(0.62).then(|| city.country.phone(dice));
    Person {
        id: super::CUSTOMER_IDS + n as u64,
        first,
        last,
        email,
        street: city.country.street(dice),
        email_consent: dice.chance(if persona == Persona::Premium { 0.6 } else { 0.78 }),
        sms_consent: phone.is_some() && dice.chance(if persona == Persona::Bargain { 0.7 } else { 0.42 }),
        phone,
        city,
        created_at,
        persona,
        rhythm: rhythm(persona, dice),
        favourite: dice.below(families),
    }
}

fn rhythm(persona: Persona, dice: &mut Dice) -> Rhythm {
    // (decision hours, orders in two years, price, social, opens, e-mail hours, text minutes)
    let (decision, orders, price, social, opens, email, sms) = match persona {
        Persona::Regular => (5.0, 15.0, 0.25, 0.25, 0.68, 1.2, 12.0),
        Persona::Deliberate => (62.0, 7.0, 0.4, 0.4, 0.55, 5.0, 50.0),
        Persona::Bargain => (30.0, 7.5, 0.9, 0.25, 0.62, 3.0, 8.0),
        Persona::Social => (22.0, 8.0, 0.35, 0.9, 0.62, 2.5, 20.0),
        Persona::Premium => (9.0, 20.0, 0.08, 0.35, 0.5, 3.0, 40.0),
        Persona::Newcomer => (16.0, 0.9, 0.65, 0.5, 0.5, 3.0, 15.0),
        Persona::Lapsed => (40.0, 1.3, 0.5, 0.4, 0.25, 18.0, 60.0),
    };
    Rhythm {
        decision: (dice.log_normal(decision, 0.35) * HOUR as f64) as Millis,
        orders: dice.log_normal(orders, 0.5),
        price_sensitivity: (price + 0.1 * dice.normal()).clamp(0.0, 1.0),
        social_proof: (social + 0.1 * dice.normal()).clamp(0.0, 1.0),
        opens: (opens + 0.1 * dice.normal()).clamp(0.05, 0.95),
        reads_email: (dice.log_normal(email, 0.4) * HOUR as f64) as Millis,
        reads_sms: (dice.log_normal(sms, 0.4) * MINUTE as f64) as Millis,
    }
}

/// Lower-case ASCII, for addresses.
fn plain(name: &str) -> String {
    name.chars()
        .filter_map(|c| match c {
            'ä' | 'á' | 'à' | 'å' | 'Å' => Some('a'),
            'ö' | 'ó' | 'ô' | 'ø' => Some('o'),
            'ü' | 'ú' => Some('u'),
            'é' | 'è' | 'ë' | 'É' => Some('e'),
            'í' | 'ï' => Some('i'),
            'ç' => Some('c'),
            'ñ' => Some('n'),
            c if c.is_ascii_alphabetic() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
