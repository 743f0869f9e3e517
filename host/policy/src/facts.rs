//! What judging needs to know, and which of it a given action takes.

use serde::{Deserialize, Serialize};
use shopwright_model::{
    Millis,
    customers::{Channel, Consent},
    messaging::{Email, Purpose, Sms},
    types::Money,
};

use crate::{
    action::{Action, ActionKind},
    grant::Grant,
    rule::{RuleKind, Rules},
    zone::{day_start, zone_of},
};

/// Milliseconds in an hour.
pub(crate) const HOUR: Millis = 3_600_000;

/// What is known of the shop without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopFacts {
    /// The shop's id.
    pub id: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name; UTC counts where it is unknown.
    pub time_zone: String,
}

/// A fact that a verdict takes. Times named `after` are exclusive: what happened at that very moment
/// is outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// For [`Facts::variant`].
    Variant {
        /// Variant id.
        variant: String,
    },
    /// For [`Facts::price_changes`]: every change of this variant's price after that time.
    PriceChanges {
        /// Variant id.
        variant: String,
        /// Milliseconds since the epoch, exclusive.
        after: Millis,
    },
    /// For [`Facts::customer`].
    Customer {
        /// Customer id.
        id: String,
    },
    /// For [`Facts::counts`]: messages to this customer, carried out or on their way.
    MessagesSent {
        /// Customer id.
        customer: String,
        /// Milliseconds since the epoch, exclusive.
        after: Millis,
        /// None: any.
        purpose: Option<Purpose>,
        /// None: any.
        channel: Option<Channel>,
    },
    /// For [`Facts::counts`]: effects of one function, carried out or on their way.
    Effects {
        /// Of whom.
        scope: Scope,
        /// `messaging.send-email`.
        function: String,
        /// Milliseconds since the epoch, exclusive.
        after: Millis,
    },
}

/// Whose effects are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Of all installations of the shop.
    Shop,
    /// Of the installation that asks.
    Installation,
}

/// What a verdict rests on. Start with [`Facts::new`], ask [`needs`], fill in what it names. A rule
/// whose fact is absent denies: a guardrail never passes for want of knowledge.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The moment of judging.
    pub now: Millis,
    /// The shop.
    pub shop: ShopFacts,
    /// The variant whose price is to change. None: not there.
    pub variant: Option<VariantFacts>,
    /// Its price changes in any order: all that the need names. None: not gathered.
    pub price_changes: Option<Vec<PriceChangeFact>>,
    /// The customer a message goes to. None: not there.
    pub customer: Option<CustomerFacts>,
    /// For each [`Need::MessagesSent`] and [`Need::Effects`]: how many.
    pub counts: Vec<(Need, u64)>,
}

impl Facts {
    /// Facts of which only the moment and the shop are known.
    #[must_use]
    pub fn new(now: Millis, shop: ShopFacts) -> Self {
        Self { now, shop, variant: None, price_changes: None, customer: None, counts: Vec::new() }
    }

    pub(crate) fn count(&self, need: &Need) -> Option<u64> {
        self.counts.iter().find(|(asked, _)| asked == need).map(|(_, count)| *count)
    }
}

/// A variant as price rules see it.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantFacts {
    /// What it costs the customer now.
    pub price: Money,
    /// What it is struck through from.
    pub compare_at: Option<Money>,
    /// What it costs the shop.
    pub cost: Option<Money>,
    /// The product's category: a path with slashes.
    pub category: String,
    /// The product's tags.
    pub tags: Vec<String>,
}

/// One change of a price.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceChangeFact {
    /// When.
    pub at: Millis,
    /// The price until then.
    pub before: Money,
}

/// A customer as message rules see them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerFacts {
    /// What they agreed to, in any order; the latest of a channel counts.
    pub consents: Vec<Consent>,
    /// IANA name, empty where unknown.
    pub time_zone: String,
}

/// Whom a message goes to, over what, and why. None: the action is no message to a customer.
pub(crate) fn message(action: &ActionKind) -> Option<(&str, Channel, Purpose)> {
    match action {
        ActionKind::SendEmail(Email { customer, purpose, .. }) => Some((customer, Channel::Email, *purpose)),
        ActionKind::SendSms(Sms { customer, purpose, .. }) => Some((customer, Channel::Sms, *purpose)),
        _ => None,
    }
}

/// The need behind a frequency rule.
pub(crate) fn messages_sent(
    customer: &str,
    now: Millis,
    window_hours: u32,
    purpose: Option<Purpose>,
    channel: Option<Channel>,
) -> Need {
    Need::MessagesSent { customer: customer.into(), after: now - Millis::from(window_hours) * HOUR, purpose, channel }
}

/// The need behind a limit per day: from local midnight in the shop's zone.
pub(crate) fn effects_today(scope: Scope, function: &str, now: Millis, shop: &ShopFacts) -> Need {
    let after = day_start(now, zone_of(&shop.time_zone)) - 1;
    Need::Effects { scope, function: function.into(), after }
}

/// Which facts [`judge`](crate::judge) will want for this action, each once. Of `facts` only the moment
/// and the shop are looked at.
#[must_use]
pub fn needs(action: &Action, rules: &Rules, grant: &Grant, facts: &Facts) -> Vec<Need> {
    let mut all: Vec<Need> = Vec::new();
    let mut add = |need: Need| {
        if !all.contains(&need) {
            all.push(need);
        }
    };
    if grant.per_day.is_some() {
        add(effects_today(Scope::Installation, action.name(), facts.now, &facts.shop));
    }
    if let ActionKind::SetPrice { variant_id, .. } = &action.kind {
        add(Need::Variant { variant: variant_id.clone() });
        let longest = rules
            .enabled()
            .filter_map(|rule| match rule.kind {
                RuleKind::LargestPriceChange { window_hours, .. } => Some(window_hours),
                _ => None,
            })
            .max();
        if let Some(hours) = longest {
            add(Need::PriceChanges { variant: variant_id.clone(), after: facts.now - Millis::from(hours) * HOUR });
        }
    }
    if let Some((customer, channel, purpose)) = message(&action.kind) {
        if rules.consent(channel, purpose).is_some() {
            add(Need::Customer { id: customer.into() });
        }
        for rule in rules.enabled() {
            match &rule.kind {
                RuleKind::QuietHours { channels, purposes, .. }
                    if channels.contains(&channel) && purposes.contains(&purpose) =>
                {
                    add(Need::Customer { id: customer.into() });
                }
                RuleKind::MessageFrequency { window_hours, purpose: of, channel: over, .. }
                    if of.is_none_or(|of| of == purpose) && over.is_none_or(|over| over == channel) =>
                {
                    add(messages_sent(customer, facts.now, *window_hours, *of, *over));
                }
                _ => {}
            }
        }
    }
    for rule in rules.enabled() {
        if let RuleKind::ActionBudget { function, .. } = &rule.kind
            && function == action.name()
        {
            add(effects_today(Scope::Shop, function, facts.now, &facts.shop));
        }
    }
    all
}

/// The keys of the counters on whose value the verdict on this action rests: `sent:customer:42`,
/// `price:variant:9`, `effects:shop:messaging.send-email`, `effects:installation:messaging.send-email`
/// (the last is per installation: the caller adds which).
#[must_use]
pub fn counted_facts(action: &Action, rules: &Rules, grant: &Grant, facts: &Facts) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for need in needs(action, rules, grant, facts) {
        let key = match need {
            Need::Variant { variant } | Need::PriceChanges { variant, .. } => price_counter(&variant),
            Need::MessagesSent { customer, .. } => sent_counter(&customer),
            Need::Effects { scope, function, .. } => effects_counter(scope, &function),
            // Consent and time zone are the customer's own and no action changes them.
            Need::Customer { .. } => continue,
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The keys of every counter that carrying out this action moves, whatever the rules: the other side of
/// [`counted_facts`].
#[must_use]
pub fn counters_of(action: &Action) -> Vec<String> {
    let mut keys = Vec::with_capacity(3);
    if let ActionKind::SetPrice { variant_id, .. } = &action.kind {
        keys.push(price_counter(variant_id));
    }
    if let Some((customer, ..)) = message(&action.kind) {
        keys.push(sent_counter(customer));
    }
    keys.push(effects_counter(Scope::Shop, action.name()));
    keys.push(effects_counter(Scope::Installation, action.name()));
    keys
}

fn price_counter(variant: &str) -> String {
    format!("price:variant:{variant}")
}

fn sent_counter(customer: &str) -> String {
    format!("sent:customer:{customer}")
}

fn effects_counter(scope: Scope, function: &str) -> String {
    match scope {
        Scope::Shop => format!("effects:shop:{function}"),
        Scope::Installation => format!("effects:installation:{function}"),
    }
}
