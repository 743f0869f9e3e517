//! Records in scenario files are short: what a test does not care about is filled in here, and times
//! and money are written as people write them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use shopwright_connectors::money::{exponent, minor_units};
use shopwright_model::{Entity, EntityKind, Millis};

use crate::time::point;

/// What records are completed from.
pub(crate) struct Filler {
    pub begin: Millis,
    pub currency: String,
    /// Title and price of each variant that was given.
    variants: HashMap<String, (String, Value)>,
    /// What is known of each entity so far.
    known: HashMap<(EntityKind, String), Map<String, Value>>,
}

impl Filler {
    pub fn new(begin: Millis, currency: &str) -> Filler {
        Filler { begin, currency: currency.into(), variants: HashMap::new(), known: HashMap::new() }
    }

    /// A complete record: what is written, over what is known of the entity, over the defaults of its
    /// kind at the time `now`.
    pub fn record(&mut self, kind: EntityKind, written: Map<String, Value>, now: Millis) -> Result<Value, String> {
        let mut written = written;
        written.iter_mut().try_for_each(|(name, value)| self.plain(name, value))?;
        self.sugar(kind, &mut written, now)?;
        if kind == EntityKind::Level {
            add_missing(&mut written, json!({ "location": "main" }));
        }
        let id = id_of(kind, &written);
        let mut record = self.known.get(&(kind, id.clone())).cloned().unwrap_or_default();
        let is_new = record.is_empty();
        record.extend(written);
        if !is_new && matches!(kind, EntityKind::Cart | EntityKind::Ticket) {
            record.insert("updated_at".into(), now.into());
        }
        self.complete(kind, &mut record, now);
        if kind == EntityKind::Product {
            for variant in record.get("variants").and_then(Value::as_array).into_iter().flatten() {
                let id = variant["id"].as_str().unwrap_or_default().to_owned();
                let title = variant["title"].as_str().filter(|title| !title.is_empty());
                let title = title.or(record["title"].as_str()).unwrap_or_default().to_owned();
                self.variants.insert(id, (title, variant["price"].clone()));
            }
        }
        if !id.is_empty() {
            self.known.insert((kind, id), record.clone());
        }
        Ok(Value::Object(record))
    }

    /// Takes note of an entity as the host has it: what is written later says what changes.
    pub fn know(&mut self, kind: EntityKind, id: &str, record: Map<String, Value>) {
        self.known.insert((kind, id.to_owned()), record);
    }

    /// Times and money as the model has them, wherever they are in a value.
    pub fn plain(&self, name: &str, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) if is_money(name) => *value = self.money(text)?,
            Value::String(text) if is_time(name) => {
                let at = point(text, self.begin).ok_or_else(|| {
                    format!(
                        "{name}: \"{text}\" is not a time: write \"-3d\" or \"+2h\" (from the beginning), or RFC 3339"
                    )
                })?;
                *value = at.into();
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.plain(name, item))?,
            // What templates are filled with is the workflow's own.
            Value::Object(fields) if name != "data" && name != "extra" => {
                fields.iter_mut().try_for_each(|(name, value)| self.plain(name, value))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn money(&self, text: &str) -> Result<Value, String> {
        let wrong = || format!("\"{text}\" is not money: write \"19.99 {}\"", self.currency);
        let (number, currency) = text.split_once(' ').unwrap_or((text, &self.currency));
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let fraction = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if fraction > exponent(currency) as usize {
            return Err(wrong());
        }
        let amount = minor_units(number, currency).ok_or_else(wrong)?;
        Ok(json!({ "amount": amount, "currency": currency }))
    }

    /// Short forms: `consent = ["email"]`, `text = "…"` for a ticket's one message.
    fn sugar(&self, kind: EntityKind, record: &mut Map<String, Value>, now: Millis) -> Result<(), String> {
        match kind {
            EntityKind::Customer => {
                if let Some(channels) = record.remove("consent") {
                    let Value::Array(channels) = channels else {
                        return Err("consent: write a list of channels, such as [\"email\", \"sms\"]".into());
                    };
                    let at = self.begin - 1;
                    let consents =
                        channels.iter().map(|channel| json!({ "channel": channel, "granted": true, "at": at }));
                    record.insert("consents".into(), consents.collect());
                }
            }
            EntityKind::Ticket => {
                if let Some(text) = record.remove("text") {
                    let known =
                        record.get("id").and_then(Value::as_str).and_then(|id| self.known.get(&(kind, id.to_owned())));
                    let mut messages =
                        known.and_then(|known| known.get("messages")).cloned().unwrap_or_else(|| json!([]));
                    if let Some(messages) = messages.as_array_mut() {
                        messages.push(json!({ "author": "customer", "from_customer": true, "text": text, "at": now }));
                    }
                    record.insert("messages".into(), messages);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn complete(&self, kind: EntityKind, record: &mut Map<String, Value>, now: Millis) {
        let id = record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let defaults = match kind {
            EntityKind::Customer => json!({
                "name": format!("Customer {id}"), "email": format!("{id}@example.com"), "locale": "en-GB",
                "created_at": self.begin - 365 * 86_400_000,
            }),
            EntityKind::Product => json!({ "title": id, "publication": "published" }),
            EntityKind::Level => json!({
                "location": "main", "on_hand": 0, "reserved": 0, "incoming": 0, "updated_at": now,
            }),
            EntityKind::Order => json!({
                "number": format!("#{id}"), "payment": "paid", "fulfilment": "unfulfilled", "placed_at": now,
            }),
            EntityKind::Cart => json!({ "step": "cart", "created_at": now, "updated_at": now }),
            EntityKind::Ticket => json!({
                "subject": "", "channel": "email", "status": "open", "priority": "normal",
                "created_at": now, "updated_at": now,
            }),
            EntityKind::Article => json!({ "url": format!("https://help.example/{id}") }),
            EntityKind::Review => json!({ "author": "Somebody", "rating": 5, "title": "", "text": "", "at": now }),
            EntityKind::CompetitorPrice => json!({ "in_stock": true, "at": now }),
            EntityKind::Engagement => json!({ "sent": 0, "opened": 0, "clicked": 0 }),
            EntityKind::Discount => json!({ "single_use": true }),
        };
        add_missing(record, defaults);
        match kind {
            EntityKind::Product => {
                each(record, "variants", |variant| {
                    let sku = variant.get("id").cloned().unwrap_or_default();
                    add_missing(variant, json!({ "product": id, "sku": sku, "title": "" }));
                });
            }
            EntityKind::Order | EntityKind::Cart => {
                each(record, "lines", |line| self.complete_line(line));
                each(record, "shipments", |shipment| {
                    add_missing(
                        shipment,
                        json!({ "id": format!("{id}-1"), "status": "in_transit", "shipped_at": now }),
                    );
                });
                let total = self.total(record);
                add_missing(record, json!({ "total": total }));
            }
            EntityKind::Ticket => {
                each(record, "messages", |message| {
                    add_missing(message, json!({ "author": "customer", "from_customer": true, "at": now }));
                });
            }
            EntityKind::Customer => {
                each(record, "consents", |consent| {
                    add_missing(consent, json!({ "granted": true, "at": self.begin - 1 }))
                });
            }
            _ => {}
        }
    }

    fn complete_line(&self, line: &mut Map<String, Value>) {
        let variant = line.get("variant_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let nothing = json!({ "amount": 0, "currency": self.currency });
        let (title, price) = self.variants.get(&variant).cloned().unwrap_or_else(|| (variant.clone(), nothing.clone()));
        add_missing(
            line,
            json!({ "sku": variant, "title": title, "quantity": 1, "price": price, "discount": nothing }),
        );
    }

    /// What the lines cost.
    fn total(&self, record: &Map<String, Value>) -> Value {
        let lines = record.get("lines").and_then(Value::as_array);
        let of_line = |line: &Value| {
            let amount = |field: &str| line[field]["amount"].as_i64().unwrap_or_default();
            amount("price") * line["quantity"].as_i64().unwrap_or(1) - amount("discount")
        };
        let sum: i64 = lines.into_iter().flatten().map(of_line).sum();
        json!({ "amount": sum, "currency": self.currency })
    }
}

/// The id that a written record means; empty where it has none.
pub(crate) fn id_of(kind: EntityKind, written: &Map<String, Value>) -> String {
    Entity::id_of(kind, &Value::Object(written.clone())).unwrap_or_default()
}

fn is_money(name: &str) -> bool {
    matches!(name, "price" | "compare_at" | "cost" | "total" | "discount" | "amount" | "before" | "after")
}

fn is_time(name: &str) -> bool {
    name == "at" || name == "expected_delivery" || name.ends_with("_at")
}

fn add_missing(record: &mut Map<String, Value>, defaults: Value) {
    if let Value::Object(defaults) = defaults {
        for (name, value) in defaults {
            record.entry(name).or_insert(value);
        }
    }
}

fn each(record: &mut Map<String, Value>, list: &str, mut change: impl FnMut(&mut Map<String, Value>)) {
    for item in record.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(item) = item {
            change(item);
        }
    }
}

/// A TOML value as JSON; dates and times as texts.
pub(crate) fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.clone().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(at) => at.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json_of).collect(),
        toml::Value::Table(table) => Value::Object(json_of_table(table)),
    }
}

pub(crate) fn json_of_table(table: &toml::Table) -> Map<String, Value> {
    table.iter().map(|(name, value)| (name.clone(), json_of(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_least_that_can_be_written_is_a_whole_record() {
        let mut filler = Filler::new(1_000_000_000_000, "EUR");
        for (kind, written) in [
            (
                EntityKind::Product,
                json!({ "id": "p", "variants": [{ "id": "v", "price": "20.00 EUR", "cost": "8.00 EUR" }] }),
            ),
            (EntityKind::Customer, json!({ "id": "1", "consent": ["email"] })),
            (EntityKind::Level, json!({ "variant_id": "v", "on_hand": 3 })),
            (EntityKind::Cart, json!({ "id": "c", "customer": "1", "lines": [{ "variant_id": "v", "quantity": 2 }] })),
            (EntityKind::Order, json!({ "id": "o", "customer": "1", "placed_at": "-3d" })),
            (EntityKind::Ticket, json!({ "id": "t", "customer": "1", "text": "Hello" })),
            (EntityKind::Article, json!({ "id": "a", "title": "A", "text": "B" })),
            (EntityKind::Review, json!({ "id": "r", "product": "p" })),
            (EntityKind::CompetitorPrice, json!({ "competitor": "x", "variant_id": "v", "price": "19.00 EUR" })),
            (EntityKind::Engagement, json!({ "customer": "1", "channel": "email", "template": "t", "sent": 1 })),
        ] {
            let record = filler.record(kind, object(written), 1_000_000_000_000).unwrap();
            Entity::parse(kind, &record).unwrap_or_else(|error| panic!("{record}: {error}"));
            if kind == EntityKind::Cart {
                assert_eq!(record["total"], json!({ "amount": 4000, "currency": "EUR" }));
                assert_eq!(record["lines"][0]["title"], "p");
            }
        }
    }

    #[test]
    fn a_second_record_changes_what_it_names() {
        let mut filler = Filler::new(0, "EUR");
        filler.record(EntityKind::Ticket, object(json!({ "id": "t", "subject": "S", "text": "one" })), 5).unwrap();
        let again = object(json!({ "id": "t", "status": "resolved", "text": "two" }));
        let record = filler.record(EntityKind::Ticket, again, 9).unwrap();
        assert_eq!((&record["subject"], &record["status"]), (&json!("S"), &json!("resolved")));
        assert_eq!((&record["created_at"], &record["updated_at"]), (&json!(5), &json!(9)));
        assert_eq!(record["messages"][1]["text"], "two");
    }

    #[test]
    fn wrong_money_and_times_are_refused_with_the_right_form() {
        let mut filler = Filler::new(0, "EUR");
        for (written, part) in [
            (json!({ "id": "c", "total": "12.345 EUR" }), "19.99 EUR"),
            (json!({ "id": "c", "total": "ten" }), "19.99 EUR"),
            (json!({ "id": "c", "created_at": "yesterday" }), "-3d"),
        ] {
            let error = filler.record(EntityKind::Cart, object(written), 0).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
