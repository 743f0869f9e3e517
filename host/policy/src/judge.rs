//! The verdict.

use serde::{Deserialize, Serialize};
use shopwright_model::{
    Millis,
    customers::Channel,
    discount_actions::{Offer, Value},
    types::Money,
};

use crate::{
    action::{Action, ActionKind},
    facts::{CustomerFacts, Facts, HOUR, Scope, VariantFacts, effects_today, message, messages_sent},
    grant::Grant,
    percent::Percent,
    rule::{Floor, Mode, PercentOf, Products, QuietThen, Rule, RuleKind, Rules, TimeOfDay, Unknown},
    words::money_words,
    zone,
};

/// Stands for the rule's id where it was the grant that did not cover the action.
pub const GRANT: &str = "grant";

/// What becomes of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may happen.
    Allow,
    /// It may not.
    Deny {
        /// Id of the rule, or [`GRANT`].
        rule: String,
        /// The rule in words, with what could not be checked in brackets.
        words: String,
    },
    /// A person decides. After a yes, judge again with [`Rules::approved`].
    Ask {
        /// Id of the rule.
        rule: String,
        /// The rule in words.
        words: String,
    },
    /// Not now. Judge again then: other rules may have their say by that time.
    NotYet {
        /// Milliseconds since the epoch: the first moment at which this rule has no objection.
        until: Millis,
        /// Id of the rule.
        rule: String,
        /// The rule in words.
        words: String,
    },
}

/// What one rule finds.
enum Finding {
    Fine,
    Breach,
    /// A breach, or what counts as one because it cannot be checked: why.
    Unchecked(String),
    /// The rule says itself what to do about what is not known.
    Unknown(Unknown, String),
    Until(Millis, String),
}

/// Judges an action. Rules are looked at in a fixed order (the grant first, then by kind and id); the
/// first denial is the verdict; without one the first question; without one the longest wait.
///
/// A price equal to the present one is allowed: there is nothing to do.
#[must_use]
pub fn judge(action: &Action, facts: &Facts, rules: &Rules, grant: &Grant) -> Verdict {
    if let Some(words) = grant.objection(&action.kind, facts) {
        return Verdict::Deny { rule: GRANT.into(), words };
    }
    if let (ActionKind::SetPrice { price, .. }, Some(variant)) = (&action.kind, &facts.variant)
        && *price == variant.price
    {
        return Verdict::Allow;
    }
    let consent = message(&action.kind).and_then(|(_, channel, purpose)| {
        let (rule, mode) = rules.consent(channel, purpose)?;
        Some((rule, mode, judge_consent(facts.customer.as_ref(), channel)))
    });
    let others = rules
        .enabled()
        .filter(|rule| rule.kind != RuleKind::MarketingConsent)
        .map(|rule| (rule, rule.mode, judge_rule(rule, &action.kind, facts, rules)));

    let mut question: Option<Verdict> = None;
    let mut wait: Option<(Millis, &Rule, String)> = None;
    for (rule, mode, finding) in consent.into_iter().chain(others) {
        let (mode, detail) = match finding {
            Finding::Fine | Finding::Unknown(Unknown::Allow, _) => continue,
            Finding::Breach => (mode, String::new()),
            Finding::Unchecked(detail) | Finding::Unknown(Unknown::Deny, detail) => (Mode::Deny, detail),
            Finding::Unknown(Unknown::Ask, detail) => (Mode::Ask, detail),
            Finding::Until(until, detail) => {
                if wait.as_ref().is_none_or(|(known, ..)| until > *known) {
                    wait = Some((until, rule, detail));
                }
                continue;
            }
        };
        match mode {
            Mode::Deny => return Verdict::Deny { rule: rule.id.clone(), words: in_words(rule, &detail) },
            Mode::Ask if question.is_none() => {
                question = Some(Verdict::Ask { rule: rule.id.clone(), words: in_words(rule, &detail) });
            }
            Mode::Ask => {}
        }
    }
    let later = |(until, rule, detail): (Millis, &Rule, String)| {
        let words = in_words(rule, &detail);
        Verdict::NotYet { until, rule: rule.id.clone(), words }
    };
    question.or(wait.map(later)).unwrap_or(Verdict::Allow)
}

fn in_words(rule: &Rule, detail: &str) -> String {
    if detail.is_empty() { rule.words() } else { format!("{} ({detail})", rule.words()) }
}

/// One rule on one action; rules of other sorts of action find nothing.
fn judge_rule(rule: &Rule, action: &ActionKind, facts: &Facts, rules: &Rules) -> Finding {
    match &rule.kind {
        RuleKind::MarketingConsent => Finding::Fine,
        RuleKind::PriceFloor { floor, products, if_unknown } => {
            on_price(action, facts, products, |price, variant| judge_floor(price, variant, floor, *if_unknown))
        }
        RuleKind::MinimumMargin { percent, products, if_unknown } => {
            on_price(action, facts, products, |price, variant| judge_margin(price, variant, *percent, *if_unknown))
        }
        RuleKind::LargestPriceChange { percent, window_hours, products } => {
            on_price(action, facts, products, |price, variant| {
                judge_change(price, variant, facts, *percent, *window_hours)
            })
        }
        RuleKind::DiscountCeiling { percent, amount } => match action {
            ActionKind::CreateDiscount(offer) => judge_ceiling(offer, *percent, amount.as_ref(), rules),
            _ => Finding::Fine,
        },
        RuleKind::DiscountDuration { max_hours } => match action {
            ActionKind::CreateDiscount(offer) => {
                let latest = i128::from(facts.now) + i128::from(*max_hours) * i128::from(HOUR);
                breach_if(i128::from(offer.expires_at) > latest)
            }
            _ => Finding::Fine,
        },
        RuleKind::MessageFrequency { max, window_hours, purpose, channel } => match message(action) {
            Some((customer, over, of))
                if purpose.is_none_or(|purpose| purpose == of) && channel.is_none_or(|channel| channel == over) =>
            {
                let need = messages_sent(customer, facts.now, *window_hours, *purpose, *channel);
                match facts.count(&need) {
                    Some(sent) => breach_if(sent >= u64::from(*max)),
                    None => Finding::Unchecked("how many were sent is not known".into()),
                }
            }
            _ => Finding::Fine,
        },
        RuleKind::ActionBudget { function, per_day } if function == action.name() => {
            let need = effects_today(Scope::Shop, function, facts.now, &facts.shop);
            match facts.count(&need) {
                Some(done) => breach_if(done >= u64::from(*per_day)),
                None => Finding::Unchecked("how many there were today is not known".into()),
            }
        }
        RuleKind::ActionBudget { .. } => Finding::Fine,
        RuleKind::QuietHours { from, to, channels, purposes, then } => match message(action) {
            Some((_, channel, purpose)) if channels.contains(&channel) && purposes.contains(&purpose) => {
                judge_quiet(*from, *to, *then, facts)
            }
            _ => Finding::Fine,
        },
    }
}

fn breach_if(breach: bool) -> Finding {
    if breach { Finding::Breach } else { Finding::Fine }
}

fn judge_consent(customer: Option<&CustomerFacts>, channel: Channel) -> Finding {
    let Some(customer) = customer else {
        return Finding::Unchecked("the shop does not know this customer".into());
    };
    // Of two at the same moment the refusal counts.
    let latest = customer
        .consents
        .iter()
        .filter(|consent| consent.channel == channel)
        .max_by_key(|consent| (consent.at, !consent.granted));
    match latest {
        Some(consent) if consent.granted => Finding::Fine,
        _ => Finding::Breach,
    }
}

/// A rule on prices: only for price changes, only for the products it binds.
fn on_price(
    action: &ActionKind,
    facts: &Facts,
    products: &Products,
    judge: impl FnOnce(&Money, &VariantFacts) -> Finding,
) -> Finding {
    let ActionKind::SetPrice { price, .. } = action else { return Finding::Fine };
    let Some(variant) = &facts.variant else {
        return Finding::Unchecked("the shop does not know this variant".into());
    };
    if products.bind(variant) { judge(price, variant) } else { Finding::Fine }
}

/// `other` in the price's currency, or why the two cannot be compared.
fn comparable(price: &Money, other: &Money, what: &str) -> Result<i128, Finding> {
    if price.currency == other.currency {
        return Ok(i128::from(other.amount));
    }
    Err(Finding::Unchecked(format!("{what} is {}, the price {}", money_words(other), money_words(price))))
}

fn judge_floor(price: &Money, variant: &VariantFacts, floor: &Floor, if_unknown: Unknown) -> Finding {
    let amount = i128::from(price.amount);
    match floor {
        Floor::Amount { amount: floor } => match comparable(price, floor, "the floor") {
            Ok(floor) => breach_if(amount < floor),
            Err(finding) => finding,
        },
        Floor::Percent { percent, of } => {
            let (base, what) = match of {
                PercentOf::Cost => (variant.cost.as_ref(), "the cost"),
                PercentOf::CompareAt => (variant.compare_at.as_ref(), "the compare-at price"),
            };
            match base {
                Some(base) => match comparable(price, base, what) {
                    Ok(base) => breach_if(!percent.reached_by(amount, base)),
                    Err(finding) => finding,
                },
                None if *of == PercentOf::CompareAt => Finding::Fine,
                None => Finding::Unknown(if_unknown, "the cost of this variant is not known".into()),
            }
        }
    }
}

/// Margin = (price - cost) / price. At a price of 0 there is none.
fn judge_margin(price: &Money, variant: &VariantFacts, least: Percent, if_unknown: Unknown) -> Finding {
    let Some(cost) = &variant.cost else {
        return Finding::Unknown(if_unknown, "the cost of this variant is not known".into());
    };
    match comparable(price, cost, "the cost") {
        Ok(cost) => {
            let amount = i128::from(price.amount);
            breach_if(amount <= 0 || !least.reached_by(amount - cost, amount))
        }
        Err(finding) => finding,
    }
}

/// Compares with the price at the window's begin: what the oldest change within it replaced, or the
/// present price where there was none. Of several changes at that very moment none is known to be the
/// oldest: the price must keep to each.
fn judge_change(price: &Money, variant: &VariantFacts, facts: &Facts, most: Percent, hours: u32) -> Finding {
    let Some(changes) = &facts.price_changes else {
        return Finding::Unchecked("earlier changes of this price are not known".into());
    };
    let begin = facts.now - Millis::from(hours) * HOUR;
    let first = changes.iter().map(|change| change.at).filter(|&at| at > begin).min();
    let oldest = changes.iter().filter(|change| Some(change.at) == first).map(|change| &change.before);
    for reference in oldest.chain(first.is_none().then_some(&variant.price)) {
        match comparable(price, reference, "the earlier price") {
            Ok(reference) if most.covers((i128::from(price.amount) - reference).abs(), reference) => {}
            Ok(_) => return Finding::Breach,
            Err(finding) => return finding,
        }
    }
    Finding::Fine
}

fn judge_ceiling(offer: &Offer, percent: Option<Percent>, amount: Option<&Money>, rules: &Rules) -> Finding {
    let none_for = |is_for: fn(&RuleKind) -> bool, sort: &str| {
        if rules.enabled().any(|rule| is_for(&rule.kind)) {
            return Finding::Fine;
        }
        Finding::Unchecked(format!("no ceiling is set for discounts {sort}, so they are not allowed"))
    };
    match &offer.value {
        Value::Percent(asked) => match percent {
            // Both are the doubles nearest to decimals, so their order is that of the decimals.
            Some(most) => breach_if(asked.is_nan() || *asked > most.as_f64()),
            None => none_for(|kind| matches!(kind, RuleKind::DiscountCeiling { percent: Some(_), .. }), "in percent"),
        },
        Value::Amount(asked) => match amount {
            Some(most) => match comparable(asked, most, "the ceiling") {
                Ok(most) => breach_if(i128::from(asked.amount) > most),
                Err(finding) => finding,
            },
            None => none_for(|kind| matches!(kind, RuleKind::DiscountCeiling { amount: Some(_), .. }), "of an amount"),
        },
    }
}

fn judge_quiet(from: TimeOfDay, to: TimeOfDay, then: QuietThen, facts: &Facts) -> Finding {
    let own = facts.customer.as_ref().map(|customer| customer.time_zone.as_str()).and_then(|name| name.parse().ok());
    let zone: chrono_tz::Tz = own.unwrap_or_else(|| zone::zone_of(&facts.shop.time_zone));
    let minute = zone::minute_of_day(facts.now, zone);
    let (from, end) = (from.minute_of_day(), to.minute_of_day());
    let quiet = if from < end { (from..end).contains(&minute) } else { minute >= from || minute < end };
    match then {
        _ if !quiet => Finding::Fine,
        QuietThen::Deny => Finding::Breach,
        QuietThen::Delay => {
            Finding::Until(zone::next_at(facts.now, end, zone), format!("allowed again at {to}, {zone}"))
        }
    }
}
