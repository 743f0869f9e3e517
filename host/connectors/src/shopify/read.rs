//! Reading payloads: values with the path to them, so that errors say where.

use serde_json::{Map, Value};
use shopwright_model::Millis;
use shopwright_model::types::{Money, Timestamp};

use crate::ConnectorError;
use crate::money::minor_units;

/// A value in a payload, never null.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub topic: &'a str,
    pub value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub fn root(topic: &'a str, value: &'a Value) -> Self {
        Self { topic, value, path: String::new() }
    }

    pub fn fault(&self, reason: impl Into<String>) -> ConnectorError {
        let path = if self.path.is_empty() { "the payload".into() } else { self.path.clone() };
        ConnectorError::Payload { topic: self.topic.to_owned(), path, reason: reason.into() }
    }

    /// The field, if it is there and not null.
    pub fn field(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Some(Self { topic: self.topic, value, path })
    }

    pub fn need(&self, name: &str) -> Result<Self, ConnectorError> {
        if !self.value.is_object() {
            return Err(self.fault("must be an object"));
        }
        self.field(name).ok_or_else(|| self.fault(format!("has no `{name}`")))
    }

    /// The first of several names.
    pub fn first(&self, names: &[&str]) -> Option<Self> {
        names.iter().find_map(|name| self.field(name))
    }

    /// The items of a list; none where it is missing.
    pub fn items(&self, name: &str) -> Result<Vec<Self>, ConnectorError> {
        let Some(list) = self.field(name) else { return Ok(Vec::new()) };
        let Value::Array(items) = list.value else { return Err(list.fault("must be a list")) };
        let item = |(index, value)| Self { topic: self.topic, value, path: format!("{}[{index}]", list.path) };
        Ok(items.iter().enumerate().map(item).filter(|item| !item.value.is_null()).collect())
    }

    /// An id as text: a number, a text, or the last part of `gid://shopify/Order/1`.
    pub fn id(&self) -> Result<String, ConnectorError> {
        match self.value {
            Value::Number(number) => Ok(number.to_string()),
            Value::String(text) if !text.is_empty() => {
                let text = text.strip_prefix("gid://").and_then(|gid| gid.rsplit('/').next()).unwrap_or(text);
                Ok(text.split('?').next().unwrap_or(text).to_owned())
            }
            _ => Err(self.fault("must be an id: a number or a text")),
        }
    }

    pub fn text(&self) -> Result<&'a str, ConnectorError> {
        self.value.as_str().ok_or_else(|| self.fault("must be a text"))
    }

    /// Milliseconds since the Unix epoch.
    pub fn time(&self) -> Result<Timestamp, ConnectorError> {
        let at = chrono::DateTime::parse_from_rfc3339(self.text()?)
            .map_err(|_| self.fault("must be a time, such as `2026-01-31T12:00:00+01:00`"))?;
        Ok(Timestamp::try_from(at.timestamp_millis()).unwrap_or(0))
    }

    /// A decimal amount, as text or as a number.
    pub fn money(&self, currency: &str) -> Result<Money, ConnectorError> {
        let text = match self.value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(self.fault("must be an amount, such as `\"19.99\"`")),
        };
        let amount = minor_units(&text, currency)
            .ok_or_else(|| self.fault(format!("must be an amount, such as `\"19.99\"`, not `{text}`")))?;
        Ok(Money { amount, currency: currency.to_owned() })
    }

    pub fn count(&self) -> Result<i64, ConnectorError> {
        self.value.as_i64().ok_or_else(|| self.fault("must be a whole number"))
    }

    pub fn opt_id(&self, name: &str) -> Result<Option<String>, ConnectorError> {
        self.field(name).map(|field| field.id()).transpose()
    }

    /// A text; none where it is missing or empty.
    pub fn opt_text(&self, name: &str) -> Result<Option<String>, ConnectorError> {
        let text = self.field(name).map(|field| field.text()).transpose()?;
        Ok(text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))
    }

    pub fn opt_time(&self, name: &str) -> Result<Option<Timestamp>, ConnectorError> {
        self.field(name).map(|field| field.time()).transpose()
    }

    /// The first of several times that is there, else `otherwise`.
    pub fn time_of(&self, names: &[&str], otherwise: Millis) -> Result<Timestamp, ConnectorError> {
        match self.first(names) {
            Some(field) => field.time(),
            None => Ok(Timestamp::try_from(otherwise).unwrap_or(0)),
        }
    }

    /// The currency it names, else the shop's.
    pub fn currency(&self, otherwise: &str) -> Result<String, ConnectorError> {
        Ok(self.opt_text("currency")?.unwrap_or_else(|| otherwise.to_owned()))
    }

    /// `tag1, tag2`; none where the field is missing.
    pub fn tags(&self) -> Result<Option<Vec<String>>, ConnectorError> {
        let Some(tags) = self.field("tags") else { return Ok(None) };
        let split =
            |text: &str| text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        match tags.value {
            Value::Array(_) => {
                let tags = self.items("tags")?;
                Ok(Some(tags.iter().map(|tag| tag.text().map(str::to_owned)).collect::<Result<_, _>>()?))
            }
            _ => Ok(Some(split(tags.text()?))),
        }
    }

    /// A phone number in E.164; none where it is missing or written otherwise.
    pub fn phone(&self, name: &str) -> Result<Option<String>, ConnectorError> {
        let Some(text) = self.opt_text(name)? else { return Ok(None) };
        let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
        let digits = number.strip_prefix('+').unwrap_or_default();
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        Ok(fits.then_some(number))
    }

    /// What the record leaves out: everything but `taken`, [tidied](tidy).
    pub fn extra(&self, taken: &[&str]) -> Map<String, Value> {
        let Some(fields) = self.value.as_object() else { return Map::new() };
        let rest = fields.iter().filter(|(name, _)| !taken.contains(&name.as_str()));
        rest.filter_map(|(name, value)| tidy(name, value).map(|value| (name.clone(), value))).collect()
    }
}

/// A value without what says nothing: nulls, empty texts, lists and objects, GraphQL ids, and money bags whose two
/// amounts are the same.
pub(super) fn tidy(name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        _ if name == "admin_graphql_api_id" => None,
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(|item| tidy("", item)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(fields) => {
            if name.ends_with("_set") && fields.get("shop_money") == fields.get("presentment_money") {
                return None;
            }
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, value)| tidy(name, value).map(|value| (name.clone(), value)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        _ => Some(value.clone()),
    }
}

/// `extra` as the records hold it.
pub(super) fn extra_text(extra: &Map<String, Value>) -> String {
    // A map with text keys always serializes.
    serde_json::to_string(extra).unwrap_or_else(|_| "{}".into())
}

/// `extra` of a record.
pub(super) fn extra_map(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
