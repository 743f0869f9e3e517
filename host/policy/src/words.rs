//! Rules and amounts in words.

use shopwright_model::{customers::Channel, messaging::Purpose, types::Money};

use crate::rule::{Floor, PercentOf, Products, RuleKind};

/// An amount as people read it: `19.99 EUR`, `500 JPY`.
#[must_use]
pub fn money_words(money: &Money) -> String {
    let digits = minor_digits(&money.currency);
    let sign = if money.amount < 0 { "-" } else { "" };
    let amount = money.amount.unsigned_abs();
    let unit = 10_u64.pow(digits);
    if digits == 0 {
        return format!("{sign}{amount} {}", money.currency);
    }
    let width = digits as usize;
    format!("{sign}{}.{:0width$} {}", amount / unit, amount % unit, money.currency)
}

/// Decimal digits of a currency's minor unit, by ISO 4217.
fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// The sentence of a rule that the operator gave no words.
pub(crate) fn sentence(kind: &RuleKind) -> String {
    match kind {
        RuleKind::PriceFloor { floor, products, .. } => {
            let floor = match floor {
                Floor::Amount { amount } => money_words(amount),
                Floor::Percent { percent, of: PercentOf::Cost } => format!("{percent} of the cost"),
                Floor::Percent { percent, of: PercentOf::CompareAt } => format!("{percent} of the compare-at price"),
            };
            format!("No price under {floor}{}.", within(products))
        }
        RuleKind::MinimumMargin { percent, products, .. } => {
            format!("Every price{} leaves a margin of at least {percent}.", within(products))
        }
        RuleKind::LargestPriceChange { percent, window_hours, products } => {
            format!("A price{} changes by at most {percent} in {}.", within(products), hours(*window_hours))
        }
        RuleKind::DiscountCeiling { percent, amount } => {
            let parts = [percent.map(|percent| percent.to_string()), amount.as_ref().map(money_words)];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!("A discount is at most {}.", parts.join(" or "))
        }
        RuleKind::DiscountDuration { max_hours } => format!("A discount lasts at most {}.", hours(*max_hours)),
        RuleKind::MarketingConsent => "Marketing goes only to customers who agreed to it.".into(),
        RuleKind::MessageFrequency { max, window_hours, purpose, channel } => {
            let what = match (purpose, channel) {
                (Some(purpose), Some(channel)) => format!("{} {}", purpose_word(*purpose), channel_word(*channel)),
                (Some(purpose), None) => format!("{} messages", purpose_word(*purpose)),
                (None, Some(channel)) => channel_word(*channel).into(),
                (None, None) => "messages".into(),
            };
            format!("A customer gets at most {max} {what} in {}.", hours(*window_hours))
        }
        RuleKind::QuietHours { from, to, channels, purposes, .. } => {
            let purposes: Vec<&str> = purposes.iter().map(|&purpose| purpose_word(purpose)).collect();
            let channels: Vec<&str> = channels.iter().map(|&channel| channel_word(channel)).collect();
            format!("No {} {} between {from} and {to}.", purposes.join(" or "), channels.join(" or "))
        }
        RuleKind::ActionBudget { function, per_day } => format!("At most {per_day} times {function} a day."),
    }
}

fn channel_word(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email",
        Channel::Sms => "SMS",
    }
}

fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Transactional => "transactional",
        Purpose::Marketing => "marketing",
    }
}

fn hours(hours: u32) -> String {
    match hours {
        1 => "an hour".into(),
        more if more > 24 && more % 24 == 0 => format!("{} days", more / 24),
        more => format!("{more} hours"),
    }
}

fn within(products: &Products) -> String {
    let mut out = String::new();
    if let Some(category) = &products.category {
        out.push_str(" in ");
        out.push_str(category);
    }
    if !products.tags.is_empty() {
        out.push_str(" tagged ");
        out.push_str(&products.tags.join(" or "));
    }
    out
}
