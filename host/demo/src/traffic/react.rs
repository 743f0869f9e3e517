//! What the workflows did, and what customers make of it.

use shopwright_model::{Millis, customers::Channel, support};

use super::{LiveMessage, Plan, Traffic};
use crate::{
    calendar::{self, HOUR, MINUTE},
    shop::{
        market::{Behaviour, RIVALS},
        people::Persona,
    },
};

/// What a discount is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Worth {
    /// Percent of the goods.
    Percent(f64),
    /// Cents.
    Amount(i64),
}

/// Something that a workflow did in the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// A message went to a customer.
    Message {
        /// By which channel.
        channel: Channel,
        /// The customer's id.
        customer: String,
        /// The template; empty for text messages.
        template: String,
        /// All that it says: the text, or the template's data as JSON.
        text: String,
    },
    /// A discount code was made; the code itself comes with a message.
    Offer {
        /// Whose it is.
        customer: String,
        /// What it is worth.
        worth: Worth,
    },
    /// The price of a variant changed.
    Price {
        /// The variant's id.
        variant: String,
        /// Cents.
        cents: i64,
    },
    /// Something was done about a ticket.
    Ticket {
        /// The ticket's id.
        ticket: String,
        /// What.
        change: TicketChange,
    },
}

/// What was done about a ticket.
#[derive(Debug, Clone, PartialEq)]
pub enum TicketChange {
    /// A team, and perhaps somebody of it, has it now.
    Assigned {
        /// The team.
        team: String,
        /// Who of the team.
        assignee: Option<String>,
    },
    /// Its priority.
    Priority(support::Priority),
    /// Its status.
    Status(support::Status),
    /// The customer was answered.
    Reply(String),
    /// Something was noted for colleagues.
    Note(String),
    /// Tags were added.
    Tags(Vec<String>),
}

/// What a message says, as far as customers care.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Content {
    /// Share off the price.
    off: f64,
    /// What others say.
    social: bool,
    /// That few are left.
    scarce: bool,
    /// How long after the cart was left, in ms.
    delay: Millis,
}

impl Traffic {
    /// Takes note of what a workflow did at `at`.
    pub fn react(&mut self, at: Millis, reaction: &Reaction) {
        self.now = self.now.max(at);
        match reaction {
            Reaction::Message { channel, customer, template, text } => self.message(*channel, customer, template, text),
            Reaction::Offer { customer, worth } => {
                if let Some(&person) = self.people_places.get(customer) {
                    self.offers.insert(person, *worth);
                }
            }
            Reaction::Price { variant, cents } => self.price(variant, *cents),
            Reaction::Ticket { ticket, change } => self.desk_change(ticket, change),
        }
    }

    fn message(&mut self, channel: Channel, customer: &str, template: &str, text: &str) {
        let Some(&person) = self.people_places.get(customer) else { return };
        let cart = self.cart_of.get(&person).copied().filter(|&cart| !self.carts[cart].bought);
        let lower = text.to_lowercase();
        let mut content = Content {
            off: 0.0,
            social: ["review", "rating", "stars", "rated"].iter().any(|word| lower.contains(word))
                || template.contains("social"),
            scarce: ["low_stock", "few left", "left in stock", "only "].iter().any(|word| lower.contains(word)),
            delay: 0,
        };
        if let Some(at) = cart {
            let goods = super::carts::worth(&self.carts[at].lines).max(1);
            if let (Some(worth), Some(code)) = (self.offers.get(&person).copied(), code_in(text)) {
                content.off = worth.cents(goods) as f64 / goods as f64;
                self.carts[at].offer = Some((code, worth));
            }
            content.delay = self.now - self.carts[at].updated_at;
        }
        let appeal = cart.map_or(0.0, |at| self.appeal(person, at, channel, content));
        if let Some(at) = cart {
            self.carts[at].messages += 1;
        }
        let rhythm = self.shop.people[person].rhythm;
        let dice = &mut self.dice.minds;
        let (opens, median) = match channel {
            Channel::Email => (rhythm.opens, rhythm.reads_email),
            Channel::Sms => (0.94, rhythm.reads_sms),
        };
        if !dice.chance(opens) {
            return;
        }
        let mut at = self.now + dice.log_normal(median as f64, 0.5) as Millis + MINUTE;
        // Nobody reads at night.
        let zone = self.shop.people[person].zone();
        let hour = calendar::hour(at, zone) as Millis;
        if hour < 7 {
            at += (7 - hour) * HOUR + self.dice.minds.between(0, 40 * MINUTE);
        }
        let message = LiveMessage { person, cart, channel, template: template.to_owned(), appeal };
        self.messages.push(message);
        self.plan(at, Plan::Read(self.messages.len() - 1));
    }

    /// The probability that somebody who reads this message buys.
    fn appeal(&self, person: usize, cart: usize, channel: Channel, content: Content) -> f64 {
        let rhythm = &self.shop.people[person].rhythm;
        let persona = self.shop.people[person].persona;
        let mut p = 0.14;
        p += rhythm.price_sensitivity * (content.off * 3.4).min(0.45);
        if content.social {
            p += 0.24 * rhythm.social_proof;
        }
        if content.scarce {
            p += 0.05;
        }
        match persona {
            // A gentle reminder in time is all they need.
            Persona::Regular | Persona::Premium if content.delay < 12 * HOUR => p += 0.16,
            Persona::Deliberate if content.delay < 10 * HOUR => p *= 0.4,
            Persona::Deliberate => p += 0.08,
            _ => {}
        }
        if channel == Channel::Sms && persona == Persona::Premium {
            p *= 0.3;
        }
        // Who is nagged, or waits for an answer, does not buy.
        p *= 0.55_f64.powi(self.carts[cart].messages.min(8) as i32);
        if self
            .tickets
            .iter()
            .any(|ticket| ticket.person == person && ticket.doc.status == support::Status::Open && !ticket.answered)
        {
            p *= 0.15;
        }
        p.clamp(0.0, 0.75)
    }

    fn price(&mut self, variant: &str, cents: i64) {
        let Some(&variant) = self.variant_places.get(variant) else { return };
        self.shop.variants[variant].price = cents;
        let product = self.shop.variants[variant].product;
        // Some competitors look every few hours, and follow.
        for (rival, what) in RIVALS.iter().enumerate() {
            let sells = self
                .shop
                .quotes
                .iter()
                .any(|quote| quote.rival == rival && self.shop.variants[quote.variant].product == product);
            if what.behaviour == Behaviour::Matcher && sells {
                let later = self.now + self.dice.goods.between(3 * HOUR, 9 * HOUR);
                let move_planned = Plan::RivalMove(rival, product, super::goods::Move::Match);
                if !self.queue.iter().any(|std::cmp::Reverse((_, _, plan))| *plan == move_planned) {
                    self.plan(later, move_planned);
                }
            }
        }
    }
}

/// The discount code in a message: the value of a field with `code` in its name, or the first word in
/// capitals and digits of at least five characters.
fn code_in(text: &str) -> Option<String> {
    if let Ok(data) = serde_json::from_str::<serde_json::Value>(text)
        && let Some(code) = code_field(&data)
    {
        return Some(code);
    }
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .find(|word| {
            word.len() >= 5
                && word.chars().any(|c| c.is_ascii_uppercase())
                && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        })
        .map(str::to_owned)
}

fn code_field(data: &serde_json::Value) -> Option<String> {
    let fields = data.as_object()?;
    fields.iter().find_map(|(name, value)| match value.as_str() {
        Some(code) if name.contains("code") && !code.is_empty() => Some(code.to_owned()),
        _ => code_field(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_people_would_find_them() {
        assert_eq!(code_in(r#"{"offer":{"code":"K7PX2M"},"name":"Ann"}"#).as_deref(), Some("K7PX2M"));
        assert_eq!(code_in("10 % off with WELCOME-10 until Sunday").as_deref(), Some("WELCOME-10"));
        assert_eq!(code_in("Your cart is waiting, Ann. SMS us."), None);
    }
}
