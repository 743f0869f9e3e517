//! What a message says.

use shopwright_sdk::{carts::Step, customers::Customer, prelude::*, support::Ticket};

use crate::{Settings, cart::Offerable};

/// A discount code as messages show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct Code {
    /// What is typed in.
    pub code: String,
    /// Per cent off, in words: `15`.
    pub percent: String,
    /// How long it holds, in words.
    pub valid: String,
}

/// What others say of a product in the cart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct Praise {
    /// The product's title.
    pub product: String,
    /// Stars, with one decimal.
    pub average: String,
    /// How many reviews.
    pub count: u32,
    /// The best one's words, if it has any.
    pub quote: Option<String>,
}

/// What the emails' templates are filled with. Every field is always there, so that templates can ask
/// for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct EmailData {
    /// The lines, with prices in words.
    pub lines: Vec<LineData>,
    /// `cart`, `contact`, `shipping` or `payment`: where the checkout was left.
    pub left_at: Step,
    /// Leads back into the checkout.
    pub link: Option<String>,
    /// The offer, if there is one.
    pub discount: Option<Code>,
    /// Reviews worth showing.
    pub praise: Vec<Praise>,
    /// Lines that are nearly sold out.
    pub nearly_gone: Vec<NearlyGone>,
    /// The subject of the ticket that was resolved, if one was.
    pub ticket: Option<String>,
}

/// A line of the cart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
#[allow(missing_docs)]
pub struct LineData {
    pub title: String,
    pub quantity: u32,
    pub price: String,
}

/// A line that is nearly sold out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
#[allow(missing_docs)]
pub struct NearlyGone {
    pub title: String,
    pub left: i64,
}

impl EmailData {
    /// The cart alone.
    pub fn of(offerable: &Offerable) -> EmailData {
        let line = |line: &shopwright_sdk::orders::Line| LineData {
            title: line.title.clone(),
            quantity: line.quantity,
            price: line.price.to_string(),
        };
        EmailData {
            lines: offerable.cart.lines.iter().map(line).collect(),
            left_at: offerable.cart.step,
            link: offerable.cart.recovery_url.clone(),
            discount: None,
            praise: Vec::new(),
            nearly_gone: Vec::new(),
            ticket: None,
        }
    }

    /// With reviews from the operator's threshold on, and what is nearly sold out.
    pub fn with_social_proof(mut self, ctx: &Ctx, offerable: &Offerable, settings: &Settings) -> Result<EmailData> {
        for product in &offerable.products {
            let Some(summary) = ctx.reviews().summary(&product.id)? else { continue };
            if summary.average >= settings.good_rating {
                self.praise.push(Praise {
                    product: product.title.clone(),
                    average: format!("{:.1}", summary.average),
                    count: summary.count,
                    quote: summary.best.map(|review| review.text),
                });
            }
        }
        for (variant, left) in &offerable.stock {
            if *left <= settings.low_stock
                && let Some(line) = offerable.cart.lines.iter().find(|line| line.variant_id == *variant)
            {
                self.nearly_gone.push(NearlyGone { title: line.title.clone(), left: *left });
            }
        }
        Ok(self)
    }

    /// After a ticket.
    pub fn after(mut self, ticket: &Ticket) -> EmailData {
        self.ticket = Some(ticket.subject.clone());
        self
    }
}

/// The text message, from the operator's text.
pub fn sms_text(settings: &Settings, customer: &Customer, code: &Code, link: Option<&str>) -> String {
    let first_name = customer.name.split_whitespace().next().unwrap_or_default();
    let text = settings
        .sms_text
        .replace("{name}", first_name)
        .replace("{percent}", &code.percent)
        .replace("{code}", &code.code)
        .replace("{valid}", &code.valid)
        .replace("{link}", link.unwrap_or_default());
    text.trim_end_matches([' ', ':']).to_owned()
}

/// `24 hours`, `2 days`.
pub fn in_words(time: Duration) -> String {
    let (count, unit) = match time.as_millis() / hours(1).as_millis() {
        0 => (time.as_millis() / minutes(1).as_millis(), "minute"),
        hours if hours > 24 && hours.is_multiple_of(24) => (hours / 24, "day"),
        hours => (hours, "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::sample;

    use super::*;

    #[test]
    fn the_text_message_is_filled_in() {
        let code = Code { code: "SAVE".into(), percent: "10".into(), valid: in_words(hours(24)) };
        let text = |link| sms_text(&Settings::default(), &sample::customer("1"), &code, link);
        assert_eq!(
            text(Some("https://s.example/c")),
            "Hi Kim, 10% off what is in your cart with the code SAVE, for 24 hours: https://s.example/c"
        );
        assert_eq!(text(None), "Hi Kim, 10% off what is in your cart with the code SAVE, for 24 hours");
        assert_eq!(in_words(days(3)), "3 days");
        assert_eq!(in_words(hours(1)), "1 hour");
    }
}
