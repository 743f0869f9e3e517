//! Reads rules from JSON, field by field, so that every error says where and what to do.

use serde_json::{Map, Value};
use shopwright_model::{customers::Channel, messaging::Purpose, types::Money};

use crate::{
    action::ActionKind,
    percent::Percent,
    rule::{Floor, Mode, PercentOf, Products, QuietThen, Rule, RuleError, RuleKind, TimeOfDay, Unknown},
};

/// Longest window of a rule: a year.
const MAX_HOURS: u32 = 24 * 366;

pub(crate) fn parse(json: &Value) -> Result<Rule, RuleError> {
    let Value::Object(object) = json else {
        return Err(error("rule", "is no JSON object", "write {\"kind\": …} with the kind's fields"));
    };
    let mut fields = Fields { left: object.clone() };
    let kind_name = fields.need("kind", "name one of ".to_owned() + &RuleKind::NAMES.join(", "))?;
    let kind_name = kind_name.as_str().unwrap_or_default().to_owned();
    let id = fields.text("id")?.unwrap_or_else(|| kind_name.replace('_', "-"));
    if id.is_empty()
        || id.len() > 64
        || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err(error("id", format!("is `{id}`"), "use 1 to 64 letters, digits, `-`, `_`, `.`"));
    }
    let words = fields.text("words")?.unwrap_or_default();
    if words.chars().count() > 500 {
        return Err(error("words", "are over 500 characters", "say it shorter"));
    }
    let enabled = match fields.take("enabled") {
        None => true,
        Some(Value::Bool(enabled)) => enabled,
        Some(other) => return Err(error("enabled", format!("is {other}"), "write true or false")),
    };
    let mode = fields.choice("mode", &[("deny", Mode::Deny), ("ask", Mode::Ask)])?.unwrap_or_default();
    let kind = kind(&kind_name, &mut fields)?;
    fields.finish(&kind_name)?;
    Ok(Rule { id, kind, words, enabled, mode })
}

fn kind(name: &str, fields: &mut Fields) -> Result<RuleKind, RuleError> {
    Ok(match name {
        "marketing_consent" => RuleKind::MarketingConsent,
        "price_floor" => {
            let floor = match (fields.money("amount")?, fields.percent("percent", 10_000.0)?) {
                (Some(amount), None) => Floor::Amount { amount },
                (None, Some(percent)) => {
                    let choices = [("cost", PercentOf::Cost), ("compare_at", PercentOf::CompareAt)];
                    let Some(of) = fields.choice("of", &choices)? else {
                        return Err(error("of", "is missing", "write \"cost\" or \"compare_at\""));
                    };
                    Floor::Percent { percent, of }
                }
                (Some(_), Some(_)) => {
                    return Err(error(
                        "percent",
                        "stands beside `amount`",
                        "set one of the two; make a second rule for the other",
                    ));
                }
                (None, None) => {
                    return Err(error("amount", "is missing", "set `amount`, or `percent` with `of`"));
                }
            };
            RuleKind::PriceFloor { floor, products: products(fields)?, if_unknown: unknown(fields)? }
        }
        "minimum_margin" => RuleKind::MinimumMargin {
            percent: fields.needed_percent("percent", 100.0)?,
            products: products(fields)?,
            if_unknown: unknown(fields)?,
        },
        "largest_price_change" => RuleKind::LargestPriceChange {
            percent: fields.needed_percent("percent", 10_000.0)?,
            window_hours: fields.count("window_hours", 1, MAX_HOURS)?.unwrap_or(24),
            products: products(fields)?,
        },
        "discount_ceiling" => {
            let (percent, amount) = (fields.percent("percent", 100.0)?, fields.money("amount")?);
            if percent.is_none() && amount.is_none() {
                return Err(error("percent", "is missing", "set `percent`, `amount`, or both"));
            }
            RuleKind::DiscountCeiling { percent, amount }
        }
        "discount_duration" => {
            RuleKind::DiscountDuration { max_hours: fields.needed_count("max_hours", 1, MAX_HOURS)? }
        }
        "message_frequency" => RuleKind::MessageFrequency {
            max: fields.needed_count("max", 0, 1_000_000)?,
            window_hours: fields.needed_count("window_hours", 1, MAX_HOURS)?,
            purpose: fields.choice("purpose", PURPOSES)?,
            channel: fields.choice("channel", CHANNELS)?,
        },
        "action_budget" => {
            let remedy = "name one of ".to_owned() + &ActionKind::NAMES.join(", ");
            let function = fields.text("function")?.ok_or_else(|| error("function", "is missing", &remedy))?;
            if !ActionKind::NAMES.contains(&function.as_str()) {
                return Err(error("function", format!("is `{function}`, which is no action"), remedy));
            }
            RuleKind::ActionBudget { function, per_day: fields.needed_count("per_day", 0, 100_000_000)? }
        }
        "quiet_hours" => {
            let (from, to) = (fields.time("from")?, fields.time("to")?);
            if from == to {
                return Err(error(
                    "to",
                    "is the same time as `from`",
                    "set another time; disable the rule to have no quiet hours",
                ));
            }
            RuleKind::QuietHours {
                from,
                to,
                channels: fields.choices("channels", CHANNELS)?.unwrap_or_else(|| vec![Channel::Email, Channel::Sms]),
                purposes: fields.choices("purposes", PURPOSES)?.unwrap_or_else(|| vec![Purpose::Marketing]),
                then: fields
                    .choice("then", &[("delay", QuietThen::Delay), ("deny", QuietThen::Deny)])?
                    .unwrap_or_default(),
            }
        }
        other => {
            let known = "name one of ".to_owned() + &RuleKind::NAMES.join(", ");
            return Err(error("kind", format!("is `{other}`, which there is not"), known));
        }
    })
}

const CHANNELS: &[(&str, Channel)] = &[("email", Channel::Email), ("sms", Channel::Sms)];
const PURPOSES: &[(&str, Purpose)] = &[("marketing", Purpose::Marketing), ("transactional", Purpose::Transactional)];

fn products(fields: &mut Fields) -> Result<Products, RuleError> {
    let tags = match fields.take("tags") {
        None => Vec::new(),
        Some(value) => serde_json::from_value(value)
            .map_err(|problem| error("tags", format!("is no list of texts ({problem})"), "write [\"sale\", …]"))?,
    };
    Ok(Products { category: fields.text("category")?.filter(|category| !category.is_empty()), tags })
}

fn unknown(fields: &mut Fields) -> Result<Unknown, RuleError> {
    let choices = [("deny", Unknown::Deny), ("ask", Unknown::Ask), ("allow", Unknown::Allow)];
    Ok(fields.choice("if_unknown", &choices)?.unwrap_or_default())
}

fn error(field: &str, problem: impl Into<String>, remedy: impl Into<String>) -> RuleError {
    RuleError { field: field.into(), problem: problem.into(), remedy: remedy.into() }
}

/// The fields of the object that have not been read yet.
struct Fields {
    left: Map<String, Value>,
}

impl Fields {
    /// Null counts as left out.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.left.shift_remove(field).filter(|value| !value.is_null())
    }

    fn need(&mut self, field: &str, remedy: impl Into<String>) -> Result<Value, RuleError> {
        self.take(field).ok_or_else(|| error(field, "is missing", remedy))
    }

    fn text(&mut self, field: &str) -> Result<Option<String>, RuleError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(error(field, format!("is {other}"), "write a text")),
        }
    }

    fn percent(&mut self, field: &str, most: f64) -> Result<Option<Percent>, RuleError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
        match number.and_then(Percent::from_f64) {
            Some(percent) => Ok(Some(percent)),
            None => Err(error(field, format!("is {value}"), format!("write a number from 0 to {most}"))),
        }
    }

    fn needed_percent(&mut self, field: &str, most: f64) -> Result<Percent, RuleError> {
        self.percent(field, most)?.ok_or_else(|| error(field, "is missing", format!("write a number from 0 to {most}")))
    }

    fn count(&mut self, field: &str, least: u32, most: u32) -> Result<Option<u32>, RuleError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        match value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=most).contains(n)) {
            Some(count) => Ok(Some(count)),
            None => Err(error(field, format!("is {value}"), format!("write a whole number from {least} to {most}"))),
        }
    }

    fn needed_count(&mut self, field: &str, least: u32, most: u32) -> Result<u32, RuleError> {
        self.count(field, least, most)?
            .ok_or_else(|| error(field, "is missing", format!("write a whole number from {least} to {most}")))
    }

    fn money(&mut self, field: &str) -> Result<Option<Money>, RuleError> {
        const REMEDY: &str = "write {\"amount\": 500, \"currency\": \"EUR\"}: minor units, 0 or more";
        let Some(value) = self.take(field) else { return Ok(None) };
        let money: Money = serde_json::from_value(value.clone())
            .map_err(|problem| error(field, format!("is no amount of money ({problem})"), REMEDY))?;
        let currency = money.currency.len() == 3 && money.currency.bytes().all(|b| b.is_ascii_uppercase());
        if money.amount < 0 || !currency {
            return Err(error(field, format!("is {value}"), REMEDY));
        }
        Ok(Some(money))
    }

    fn time(&mut self, field: &str) -> Result<TimeOfDay, RuleError> {
        const REMEDY: &str = "write a time such as \"21:00\"";
        let value = self.need(field, REMEDY)?;
        value.as_str().and_then(TimeOfDay::parse).ok_or_else(|| error(field, format!("is {value}"), REMEDY))
    }

    fn choice<T: Copy>(&mut self, field: &str, of: &[(&str, T)]) -> Result<Option<T>, RuleError> {
        self.take(field).map(|value| choose(field, &value, of)).transpose()
    }

    /// A list of choices, each once and at least one.
    fn choices<T: Copy + PartialEq>(&mut self, field: &str, of: &[(&str, T)]) -> Result<Option<Vec<T>>, RuleError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
            return Err(error(field, format!("is {value}"), "write a list with one item or more, or leave it out"));
        };
        let mut all = Vec::with_capacity(list.len());
        for item in list {
            let item = choose(field, item, of)?;
            if !all.contains(&item) {
                all.push(item);
            }
        }
        Ok(Some(all))
    }

    fn finish(self, kind: &str) -> Result<(), RuleError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(field) => {
                Err(error(field, format!("is no field of a `{kind}` rule"), "leave it out or correct its name"))
            }
        }
    }
}

fn choose<T: Copy>(field: &str, value: &Value, of: &[(&str, T)]) -> Result<T, RuleError> {
    let found = of.iter().find(|(name, _)| value.as_str() == Some(name));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = of.iter().map(|(name, _)| *name).collect();
        error(field, format!("is {value}"), format!("write one of {}", names.join(", ")))
    })
}
