//! The rules a shop sets, and the set of them.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize, Serializer};
use shopwright_model::{customers::Channel, messaging::Purpose, types::Money};

use crate::{facts::VariantFacts, percent::Percent, words};

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}; {remedy}")]
pub struct RuleError {
    /// Which field of the JSON.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

/// One guardrail.
///
/// In JSON an object with `id`, `kind`, and the kind's own fields; `words`, `enabled` and `mode` may be
/// left out: `{"id": "floor", "kind": "price_floor", "amount": {"amount": 500, "currency": "EUR"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub struct Rule {
    /// Unique within the shop. Left out: the kind's name with dashes.
    pub id: String,
    /// What it checks.
    #[serde(flatten)]
    pub kind: RuleKind,
    /// The operator's own sentence, shown with a denial; empty: one is made.
    pub words: String,
    /// Whether it counts.
    pub enabled: bool,
    /// What a breach leads to.
    pub mode: Mode,
}

/// What a breach of a rule leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The action does not happen.
    #[default]
    Deny,
    /// A person decides.
    Ask,
}

/// What a rule does with a product whose cost is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The action does not happen.
    #[default]
    Deny,
    /// A person decides.
    Ask,
    /// As if the rule were not there.
    Allow,
}

/// What a rule checks. Rules are judged in the order of these kinds, within a kind by id.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleKind {
    /// Marketing only with the customer's consent for the channel. Required where a shop has no such
    /// rule; one that is not enabled lifts it for email, never for SMS. A person cannot consent in the
    /// customer's place over SMS either: there the mode is always deny.
    MarketingConsent,
    /// No price under this.
    PriceFloor {
        /// The lowest price allowed.
        #[serde(flatten)]
        floor: Floor,
        /// Which products.
        #[serde(flatten)]
        products: Products,
        /// For a floor by cost.
        if_unknown: Unknown,
    },
    /// (price - cost) / price is at least this.
    MinimumMargin {
        /// Of the price.
        percent: Percent,
        /// Which products.
        #[serde(flatten)]
        products: Products,
        /// Without a known cost there is no margin.
        if_unknown: Unknown,
    },
    /// A price lies at most this far, up or down, from what it was at the window's begin.
    LargestPriceChange {
        /// Of the price at the window's begin.
        percent: Percent,
        /// The window ends now.
        window_hours: u32,
        /// Which products.
        #[serde(flatten)]
        products: Products,
    },
    /// No discount over this. At least one of the two is set. Where ceilings are set and none is for the
    /// sort of discount that is asked for (percent or amount), that sort is denied: it could not be
    /// compared.
    DiscountCeiling {
        /// For discounts in percent.
        percent: Option<Percent>,
        /// For discounts of an amount.
        amount: Option<Money>,
    },
    /// No discount that is valid for longer.
    DiscountDuration {
        /// From now until it expires.
        max_hours: u32,
    },
    /// No more messages to one customer.
    MessageFrequency {
        /// The most in the window.
        max: u32,
        /// The window ends now.
        window_hours: u32,
        /// None: all count.
        purpose: Option<Purpose>,
        /// None: all count.
        channel: Option<Channel>,
    },
    /// No more effects of one function a day (the shop's local day), over all plugins.
    ActionBudget {
        /// `messaging.send-email`.
        function: String,
        /// The most.
        per_day: u32,
    },
    /// No messages at night, by the customer's clock, else by the shop's.
    QuietHours {
        /// First quiet minute.
        from: TimeOfDay,
        /// First minute that is not.
        to: TimeOfDay,
        /// Left out: all.
        channels: Vec<Channel>,
        /// Left out: marketing.
        purposes: Vec<Purpose>,
        /// What to do then.
        then: QuietThen,
    },
}

impl RuleKind {
    /// The kind's name in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MarketingConsent => "marketing_consent",
            Self::PriceFloor { .. } => "price_floor",
            Self::MinimumMargin { .. } => "minimum_margin",
            Self::LargestPriceChange { .. } => "largest_price_change",
            Self::DiscountCeiling { .. } => "discount_ceiling",
            Self::DiscountDuration { .. } => "discount_duration",
            Self::MessageFrequency { .. } => "message_frequency",
            Self::ActionBudget { .. } => "action_budget",
            Self::QuietHours { .. } => "quiet_hours",
        }
    }

    /// The names of all kinds, in the order they are judged.
    pub const NAMES: [&'static str; 9] = [
        "marketing_consent",
        "price_floor",
        "minimum_margin",
        "largest_price_change",
        "discount_ceiling",
        "discount_duration",
        "message_frequency",
        "action_budget",
        "quiet_hours",
    ];

    fn rank(&self) -> usize {
        Self::NAMES.iter().position(|name| *name == self.name()).unwrap_or(Self::NAMES.len())
    }
}

/// How low a price may go.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Floor {
    /// In the shop's currency.
    Amount {
        /// The lowest price allowed.
        amount: Money,
    },
    /// Relative to another price of the variant.
    Percent {
        /// 110 is a tenth over it.
        percent: Percent,
        /// Of what.
        of: PercentOf,
    },
}

/// What a floor in percent relates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PercentOf {
    /// The variant's cost.
    Cost,
    /// The price it is struck through from; the floor does not bind a variant that has none.
    CompareAt,
}

/// Which products a price rule binds; all where nothing is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Products {
    /// A category and everything below it: `shoes` binds `shoes/running`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// One of them suffices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Products {
    pub(crate) fn bind(&self, variant: &VariantFacts) -> bool {
        self.category.as_ref().is_none_or(|category| is_within(&variant.category, category))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| variant.tags.contains(tag)))
    }
}

/// Whether a category is `outer` or lies below it.
pub(crate) fn is_within(category: &str, outer: &str) -> bool {
    let outer = outer.trim_end_matches('/');
    category.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a message in quiet hours meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuietThen {
    /// [`Verdict::NotYet`](crate::Verdict::NotYet) with the moment the quiet hours end.
    #[default]
    Delay,
    /// What the rule's mode says.
    Deny,
}

/// A time by the clock on the wall: `21:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    minute: u16,
}

impl TimeOfDay {
    /// None where there is no such time.
    #[must_use]
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self { minute: hour * 60 + minute }) } else { None }
    }

    /// From `HH:MM`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let two = |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok());
        Self::new(two(hour)??, two(minute)??)
    }

    /// Minutes since midnight.
    #[must_use]
    pub const fn minute_of_day(self) -> u16 {
        self.minute
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Rule {
    /// An enabled rule that denies, with a made sentence.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: RuleKind) -> Self {
        Self { id: id.into(), kind, words: String::new(), enabled: true, mode: Mode::Deny }
    }

    /// The operator's sentence, or a made one.
    #[must_use]
    pub fn words(&self) -> String {
        if self.words.trim().is_empty() { words::sentence(&self.kind) } else { self.words.clone() }
    }

    /// Reads a rule from its JSON.
    ///
    /// # Errors
    /// The field, what is wrong with it, and what to write instead.
    pub fn parse(json: &serde_json::Value) -> Result<Self, RuleError> {
        crate::rule_parse::parse(json)
    }

    /// Whether its amounts are in the shop's currency.
    ///
    /// # Errors
    /// The field with another currency.
    pub fn check_currency(&self, currency: &str) -> Result<(), RuleError> {
        let amount = match &self.kind {
            RuleKind::PriceFloor { floor: Floor::Amount { amount }, .. } => Some(amount),
            RuleKind::DiscountCeiling { amount, .. } => amount.as_ref(),
            _ => None,
        };
        match amount {
            Some(amount) if amount.currency != currency => Err(RuleError {
                field: "amount.currency".into(),
                problem: format!("is `{}`", amount.currency),
                remedy: format!("the shop's prices are in `{currency}`"),
            }),
            _ => Ok(()),
        }
    }
}

impl TryFrom<serde_json::Value> for Rule {
    type Error = RuleError;

    fn try_from(json: serde_json::Value) -> Result<Self, RuleError> {
        Self::parse(&json)
    }
}

/// The rules of a shop, in the order they are judged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Rule>", into = "Vec<Rule>")]
pub struct Rules {
    rules: Vec<Rule>,
}

impl From<Vec<Rule>> for Rules {
    fn from(mut rules: Vec<Rule>) -> Self {
        rules.sort_by(|a, b| (a.kind.rank(), &a.id).cmp(&(b.kind.rank(), &b.id)));
        Self { rules }
    }
}

impl From<Rules> for Vec<Rule> {
    fn from(rules: Rules) -> Self {
        rules.rules
    }
}

impl Rules {
    /// What a new shop starts with.
    #[must_use]
    pub fn default_set() -> Self {
        let anything = Products::default;
        let time = |hour: u16| TimeOfDay { minute: hour * 60 };
        Self::from(vec![
            Rule::new("marketing-consent", RuleKind::MarketingConsent),
            Rule::new(
                "marketing-frequency",
                RuleKind::MessageFrequency {
                    max: 3,
                    window_hours: 7 * 24,
                    purpose: Some(Purpose::Marketing),
                    channel: None,
                },
            ),
            Rule::new(
                "quiet-hours",
                RuleKind::QuietHours {
                    from: time(21),
                    to: time(8),
                    channels: vec![Channel::Email, Channel::Sms],
                    purposes: vec![Purpose::Marketing],
                    then: QuietThen::Delay,
                },
            ),
            Rule::new(
                "discount-ceiling",
                RuleKind::DiscountCeiling { percent: Some(Percent::whole(30)), amount: None },
            ),
            Rule::new(
                "price-change",
                RuleKind::LargestPriceChange { percent: Percent::whole(20), window_hours: 24, products: anything() },
            ),
            Rule::new(
                "minimum-margin",
                RuleKind::MinimumMargin {
                    percent: Percent::whole(10),
                    products: anything(),
                    if_unknown: Unknown::Deny,
                },
            ),
        ])
    }

    /// All of them, in the order they are judged.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Those that count.
    pub fn enabled(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.enabled)
    }

    /// The rules as they stand once a person said yes to a breach of this one.
    #[must_use]
    pub fn approved(&self, rule: &str) -> Self {
        let mut rules = self.clone();
        rules.rules.iter_mut().filter(|known| known.id == rule).for_each(|known| known.enabled = false);
        rules
    }

    /// The rule that demands consent for such a message, and what a breach leads to; none: no consent is
    /// needed.
    pub(crate) fn consent(&self, channel: Channel, purpose: Purpose) -> Option<(&Rule, Mode)> {
        static BUILT_IN: LazyLock<Rule> = LazyLock::new(|| Rule::new("marketing-consent", RuleKind::MarketingConsent));
        if purpose == Purpose::Transactional {
            return None;
        }
        let all = || self.rules.iter().filter(|rule| rule.kind == RuleKind::MarketingConsent);
        let rule = all().find(|rule| rule.enabled).or_else(|| all().next()).unwrap_or(&BUILT_IN);
        match channel {
            Channel::Sms => Some((rule, Mode::Deny)),
            Channel::Email => rule.enabled.then_some((rule, rule.mode)),
        }
    }
}
