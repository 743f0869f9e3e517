//! Topics that are kept as they are, and the mandatory privacy topics.

use serde_json::Value;
use shopwright_model::Millis;

use super::Setting;
use super::read::Node;
use super::settle::{Draft, Name, Translated};
use crate::ConnectorError;

/// The kind of a topic's raw event: `shopify.orders.risk_assessment_changed`.
pub(super) fn raw_kind(topic: &str) -> String {
    let mut kind = String::from("shopify");
    for part in topic.split(['/', '.']).filter(|part| !part.is_empty()) {
        kind.push('.');
        kind.extend(part.chars().map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_' | '-') => c,
            _ => '-',
        }));
    }
    if kind == "shopify" {
        kind.push_str(".unknown");
    }
    kind.truncate(128);
    kind.trim_end_matches('.').to_owned()
}

/// Any payload as one event `shopify.<topic with dots>` that changes nothing.
#[must_use]
pub fn raw(topic: &str, payload: &Value, setting: Setting<'_>) -> Translated {
    let node = Node::root(topic, payload);
    let kind = raw_kind(topic);
    let at = time(&node, setting);
    let draft = Draft {
        name: Name::Is(kind.clone()),
        at,
        concerns: concerns(&node),
        change: None,
        data: payload.clone(),
        otherwise: kind,
    };
    Translated { events: vec![draft], ..Translated::default() }
}

/// When it happened, as far as the payload says.
pub(super) fn time(node: &Node<'_>, setting: Setting<'_>) -> Millis {
    let at = node.time_of(&["updated_at", "happened_at", "occurred_at", "created_at"], setting.received_at);
    at.ok().and_then(|at| Millis::try_from(at).ok()).unwrap_or(setting.received_at)
}

/// The customer and order it names.
fn concerns(node: &Node<'_>) -> Vec<String> {
    let mut all = Vec::new();
    let nested = |field: &str| node.field(field).and_then(|inner| inner.opt_id("id").ok().flatten());
    for (kind, field) in [("customer", "customer"), ("order", "order")] {
        let id = node.opt_id(&format!("{field}_id")).ok().flatten().or_else(|| nested(field));
        all.extend(id.map(|id| format!("{kind}:{id}")));
    }
    all
}

/// The privacy topics: events for the host, which must answer them within 30 days.
pub(super) fn privacy(node: &Node<'_>, kind: &str, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let mut concerns = concerns(node);
    for list in ["orders_requested", "orders_to_redact"] {
        for order in node.items(list)? {
            concerns.push(format!("order:{}", order.id()?));
        }
    }
    let draft = Draft {
        name: Name::Is(kind.to_owned()),
        at: setting.received_at,
        concerns,
        change: None,
        data: node.value.clone(),
        otherwise: kind.to_owned(),
    };
    Ok(Translated { events: vec![draft], ..Translated::default() })
}

/// A removal: the document goes, and an event says so.
pub(super) fn removal(
    node: &Node<'_>,
    kind: shopwright_model::EntityKind,
    id: String,
    event: &str,
    setting: Setting<'_>,
) -> Translated {
    let draft = Draft {
        name: Name::Is(event.to_owned()),
        at: time(node, setting),
        concerns: vec![format!("{kind}:{id}")],
        change: None,
        data: serde_json::json!({ "id": id }),
        otherwise: event.to_owned(),
    };
    Translated { events: vec![draft], removes: vec![(kind, id)], ..Translated::default() }
}
