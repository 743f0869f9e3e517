//! What a plugin can ask for, as values: the arguments of every action of `wit/`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shopwright_model::{
    Millis,
    discount_actions::{Offer, Value},
    http,
    messaging::{Email, Sms},
    support::{Priority, Status},
    types::Money,
};

use crate::facts::ShopFacts;

/// An action with its place in `wit/`. Serialised as its [`ActionKind`] alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// WIT interface, such as `messaging`.
    pub interface: &'static str,
    /// WIT function, such as `send-email`.
    pub function: &'static str,
    /// What exactly is asked for.
    pub kind: ActionKind,
}

/// The actions and their arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// `messaging.send-email`
    SendEmail(Email),
    /// `messaging.send-sms`
    SendSms(Sms),
    /// `messaging.notify-staff`
    NotifyStaff {
        /// Name of a staff channel from the shop's settings.
        channel: String,
        /// What it says.
        text: String,
        /// A JSON object.
        #[serde(with = "shopwright_model::json_text", default = "shopwright_model::json_text::empty")]
        data: String,
    },
    /// `pricing-actions.set-price`
    SetPrice {
        /// Whose price.
        variant_id: String,
        /// The new one.
        price: Money,
        /// Kept with the change.
        reason: String,
    },
    /// `discount-actions.create`
    CreateDiscount(Offer),
    /// `support-actions.assign`
    Assign {
        /// Ticket id.
        ticket: String,
        /// Which team takes it.
        team: String,
        /// Who of the team; none: anybody.
        assignee: Option<String>,
        /// Shown to the operator.
        reason: String,
    },
    /// `support-actions.set-priority`
    SetPriority {
        /// Ticket id.
        ticket: String,
        /// The new one.
        priority: Priority,
        /// Shown to the operator.
        reason: String,
    },
    /// `support-actions.set-status`
    SetStatus {
        /// Ticket id.
        ticket: String,
        /// The new one.
        status: Status,
        /// Shown to the operator.
        reason: String,
    },
    /// `support-actions.reply`: to the customer.
    Reply {
        /// Ticket id.
        ticket: String,
        /// What it says.
        text: String,
    },
    /// `support-actions.note`: for colleagues only.
    Note {
        /// Ticket id.
        ticket: String,
        /// What it says.
        text: String,
    },
    /// `support-actions.tag`
    Tag {
        /// Ticket id.
        ticket: String,
        /// Tags to add.
        tags: Vec<String>,
    },
    /// `http.send`, for all methods but `get` and `head`. Secrets are placeholders in it.
    HttpSend(http::Request),
}

impl From<ActionKind> for Action {
    fn from(kind: ActionKind) -> Self {
        let (interface, function) = kind.place();
        Self { interface, function, kind }
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.kind.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        ActionKind::deserialize(from).map(Self::from)
    }
}

impl Action {
    /// `messaging.send-email`: how grants, budgets and reports name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// See [`ActionKind::subject`].
    #[must_use]
    pub fn subject(&self) -> String {
        self.kind.subject()
    }

    /// See [`ActionKind::reason`].
    #[must_use]
    pub fn reason(&self) -> &str {
        self.kind.reason()
    }

    /// See [`ActionKind::money`].
    #[must_use]
    pub fn money(&self) -> Option<Money> {
        self.kind.money()
    }

    /// See [`ActionKind::validate`].
    ///
    /// # Errors
    /// Which argument makes no sense and why, for `action-error.invalid`.
    pub fn validate(&self, shop: &ShopFacts, now: Millis) -> Result<(), String> {
        self.kind.validate(shop, now)
    }
}

/// The longest SMS, in characters.
const SMS_CHARACTERS: usize = 1_600;
/// The longest text of a reply, a note or a staff notice, in characters.
const TEXT_CHARACTERS: usize = 50_000;
/// The longest reason, in characters.
const REASON_CHARACTERS: usize = 2_000;
/// The longest id, as the model has it, and the longest name, in bytes.
const ID_BYTES: usize = 256;
/// The longest URL, in bytes.
const URL_BYTES: usize = 8 << 10;
/// The most tags in one call.
const TAGS: usize = 50;
/// The longest tag, in characters.
const TAG_CHARACTERS: usize = 64;

impl ActionKind {
    /// The names of all actions: `interface.function`.
    pub const NAMES: [&'static str; 12] = [
        "messaging.send-email",
        "messaging.send-sms",
        "messaging.notify-staff",
        "pricing-actions.set-price",
        "discount-actions.create",
        "support-actions.assign",
        "support-actions.set-priority",
        "support-actions.set-status",
        "support-actions.reply",
        "support-actions.note",
        "support-actions.tag",
        "http.send",
    ];

    /// `messaging.send-email`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::SendEmail(_) => 0,
            Self::SendSms(_) => 1,
            Self::NotifyStaff { .. } => 2,
            Self::SetPrice { .. } => 3,
            Self::CreateDiscount(_) => 4,
            Self::Assign { .. } => 5,
            Self::SetPriority { .. } => 6,
            Self::SetStatus { .. } => 7,
            Self::Reply { .. } => 8,
            Self::Note { .. } => 9,
            Self::Tag { .. } => 10,
            Self::HttpSend(_) => 11,
        }]
    }

    /// Interface and function: the two halves of the name.
    #[must_use]
    pub fn place(&self) -> (&'static str, &'static str) {
        self.name().split_once('.').unwrap_or_default()
    }

    /// Whom or what it is done to, as `type:id`: `customer:42`, `variant:9`, `ticket:7`, `staff:sales`,
    /// `host:api.example.com`; `discount:anyone` for a code that is nobody's in particular.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::SendEmail(Email { customer, .. })
            | Self::SendSms(Sms { customer, .. })
            | Self::CreateDiscount(Offer { customer: Some(customer), .. }) => format!("customer:{customer}"),
            Self::CreateDiscount(_) => "discount:anyone".into(),
            Self::NotifyStaff { channel, .. } => format!("staff:{channel}"),
            Self::SetPrice { variant_id, .. } => format!("variant:{variant_id}"),
            Self::Assign { ticket, .. }
            | Self::SetPriority { ticket, .. }
            | Self::SetStatus { ticket, .. }
            | Self::Reply { ticket, .. }
            | Self::Note { ticket, .. }
            | Self::Tag { ticket, .. } => format!("ticket:{ticket}"),
            Self::HttpSend(request) => format!("host:{}", crate::hosts::host_of(&request.url)),
        }
    }

    /// Why the plugin asks for it; empty where the call takes no reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::SendEmail(Email { reason, .. })
            | Self::SendSms(Sms { reason, .. })
            | Self::SetPrice { reason, .. }
            | Self::CreateDiscount(Offer { reason, .. })
            | Self::Assign { reason, .. }
            | Self::SetPriority { reason, .. }
            | Self::SetStatus { reason, .. }
            | Self::HttpSend(http::Request { reason, .. }) => reason,
            Self::NotifyStaff { .. } | Self::Reply { .. } | Self::Note { .. } | Self::Tag { .. } => "",
        }
    }

    /// The money it carries, for sums in reports: a new price, a discount's amount.
    #[must_use]
    pub fn money(&self) -> Option<Money> {
        match self {
            Self::SetPrice { price, .. } => Some(price.clone()),
            Self::CreateDiscount(Offer { value: Value::Amount(money), .. }) => Some(money.clone()),
            _ => None,
        }
    }

    /// Whether the arguments make sense by themselves: lengths, ranges, currency, JSON.
    ///
    /// # Errors
    /// Which argument makes no sense and why, for `action-error.invalid`.
    pub fn validate(&self, shop: &ShopFacts, now: Millis) -> Result<(), String> {
        short("reason", self.reason(), REASON_CHARACTERS)?;
        match self {
            Self::SendEmail(email) => {
                id("customer", &email.customer)?;
                id("template", &email.template)?;
                object("data", &email.data)
            }
            Self::SendSms(sms) => {
                id("customer", &sms.customer)?;
                text("text", &sms.text, SMS_CHARACTERS)
            }
            Self::NotifyStaff { channel, text: words, data } => {
                id("channel", channel)?;
                text("text", words, TEXT_CHARACTERS)?;
                object("data", data)
            }
            Self::SetPrice { variant_id, price, .. } => {
                id("variant-id", variant_id)?;
                currency("price", price, shop)?;
                if price.amount < 0 {
                    return Err(format!("`price` is {}: a price cannot be negative", price.amount));
                }
                Ok(())
            }
            Self::CreateDiscount(offer) => discount(offer, shop, now),
            Self::Assign { ticket, team, assignee, .. } => {
                id("ticket", ticket)?;
                id("team", team)?;
                assignee.as_deref().map_or(Ok(()), |assignee| id("assignee", assignee))
            }
            Self::SetPriority { ticket, .. } | Self::SetStatus { ticket, .. } => id("ticket", ticket),
            Self::Reply { ticket, text: words } | Self::Note { ticket, text: words } => {
                id("ticket", ticket)?;
                text("text", words, TEXT_CHARACTERS)
            }
            Self::Tag { ticket, tags } => {
                id("ticket", ticket)?;
                if tags.is_empty() || tags.len() > TAGS {
                    return Err(format!("`tags` has {} items: 1 to {TAGS} are allowed", tags.len()));
                }
                tags.iter().try_for_each(|tag| text("tags", tag, TAG_CHARACTERS))
            }
            // The rest is looked at by whoever sends it, for reads too.
            Self::HttpSend(request) => match request.url.len() {
                0..=URL_BYTES => Ok(()),
                more => Err(format!("`url` has {more} bytes: at most {URL_BYTES} are allowed")),
            },
        }
    }
}

fn discount(offer: &Offer, shop: &ShopFacts, now: Millis) -> Result<(), String> {
    if let Some(customer) = &offer.customer {
        id("customer", customer)?;
    }
    match &offer.value {
        // Not `<= 0`: NaN is refused too.
        Value::Percent(percent) if !(*percent > 0.0 && *percent <= 100.0) => {
            return Err(format!("`value` is {percent} percent: it must be more than 0 and at most 100"));
        }
        Value::Percent(_) => {}
        Value::Amount(money) => {
            currency("value", money, shop)?;
            if money.amount <= 0 {
                return Err(format!("`value` is {}: a discount's amount must be more than 0", money.amount));
            }
        }
    }
    if i128::from(offer.expires_at) <= i128::from(now) {
        return Err(format!("`expires-at` is {}: it must lie after now, {now}", offer.expires_at));
    }
    Ok(())
}

fn id(argument: &str, value: &str) -> Result<(), String> {
    match value.len() {
        0 => Err(format!("`{argument}` is empty")),
        1..=ID_BYTES => Ok(()),
        more => Err(format!("`{argument}` has {more} bytes: at most {ID_BYTES} are allowed")),
    }
}

fn short(argument: &str, value: &str, most: usize) -> Result<(), String> {
    // Bytes are at least as many as characters: counting is rarely needed.
    if value.len() <= most {
        return Ok(());
    }
    match value.chars().count() {
        fits if fits <= most => Ok(()),
        more => Err(format!("`{argument}` has {more} characters: at most {most} are allowed")),
    }
}

fn text(argument: &str, value: &str, most: usize) -> Result<(), String> {
    if value.trim().is_empty() {
        return Err(format!("`{argument}` is empty"));
    }
    short(argument, value, most)
}

fn object(argument: &str, json: &str) -> Result<(), String> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{argument}` must be a JSON object: {error}")),
    }
}

fn currency(argument: &str, money: &Money, shop: &ShopFacts) -> Result<(), String> {
    if money.currency == shop.currency {
        return Ok(());
    }
    Err(format!("`{argument}` is in `{}`: the shop's prices are in `{}`", money.currency, shop.currency))
}
