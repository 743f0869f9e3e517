//! Events and triggers for tests.

use serde::Serialize;
use serde_json::Value;

use crate::{Event, Timestamp, Trigger};

/// An event of this kind that carries `data`. What it concerns is read from the data, as the host's
/// connectors do: the entity itself, its customer, cart and order.
pub fn event(kind: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_value(data).expect("test data serialises");
    let subject = kind.split('.').next().unwrap_or_default();
    let mut concerns = Vec::new();
    let mut concern = |kind: &str, id: Option<&Value>| {
        if let Some(id) = id.and_then(Value::as_str) {
            let entity = format!("{kind}:{id}");
            if !concerns.contains(&entity) {
                concerns.push(entity);
            }
        }
    };
    match subject {
        "inventory" | "competitor" => concern("variant", data.get("variant_id")),
        _ => concern(subject, data.get("id")),
    }
    for other in ["customer", "cart", "order", "product"] {
        concern(other, data.get(other));
    }
    Event {
        id: format!("{kind}-{}", data["id"].as_str().unwrap_or("1")),
        kind: kind.into(),
        at: 0,
        concerns,
        data: data.to_string(),
    }
}

/// What a run can be started with.
pub trait IntoTrigger {
    /// The trigger; `now` is when it happens.
    fn into_trigger(self, now: Timestamp) -> Trigger;
}

impl IntoTrigger for Event {
    fn into_trigger(self, now: Timestamp) -> Trigger {
        Trigger::Event(Event { at: now.as_millis(), ..self })
    }
}

impl IntoTrigger for Trigger {
    fn into_trigger(self, _: Timestamp) -> Trigger {
        self
    }
}
