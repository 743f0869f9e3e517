//! Changes of a part of a stored order: refunds, fulfilments, edits.

use serde_json::{Map, Value};
use shopwright_model::orders::{Fulfilment as Progress, Order, Payment, Shipment};
use shopwright_model::{Entity, EntityKind};

use super::orders::{VOID, all_delivered, fulfilled, refunded, shipment};
use super::raw::{raw_kind, time};
use super::read::{Node, extra_map, extra_text};
use super::settle::{Applied, Change, Draft, Name, State, Target, Translated, record};
use super::{Setting, raw};
use crate::ConnectorError;
use crate::money::minor_units;

/// The stored order gives way to `order`, unless it is newer.
pub(super) fn put_order(order: &Order, updated_at: u64, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
    let Some(stored) = stored else { return Ok(Applied::Put(Entity::of_order(order)?)) };
    let before: Order = record(stored)?;
    if updated(&extra_map(&before.extra)).is_some_and(|at| at > updated_at) {
        return Ok(Applied::Put(stored.clone()));
    }
    let mut extra = extra_map(&order.extra);
    extra.extend(extra_map(&before.extra).remove("edits").map(|edits| ("edits".to_owned(), edits)));
    let order = Order {
        expected_delivery: order.expected_delivery.or(before.expected_delivery),
        cart: order.cart.clone().or(before.cart),
        extra: extra_text(&extra),
        ..order.clone()
    };
    Ok(Applied::Put(Entity::of_order(&order)?))
}

/// `updated_at` of a stored `extra`.
pub(super) fn updated(extra: &Map<String, Value>) -> Option<u64> {
    let at = extra.get("updated_at")?.as_str()?;
    u64::try_from(chrono::DateTime::parse_from_rfc3339(at).ok()?.timestamp_millis()).ok()
}

/// A change of order `id` that is told by an event of kind `name`; where the order is not stored, by the raw event.
fn part(node: &Node<'_>, id: String, name: Name, state: State, setting: Setting<'_>) -> Translated {
    let draft = Draft {
        name,
        at: time(node, setting),
        concerns: vec![format!("order:{id}")],
        change: Some(0),
        data: node.value.clone(),
        otherwise: raw_kind(node.topic),
    };
    let change = Change { target: Target::Entity(EntityKind::Order, id), state };
    Translated { changes: vec![change], events: vec![draft], ..Translated::default() }
}

/// A refund, reduced to what the order keeps.
#[derive(Debug, Clone)]
pub(super) struct Refund(Value);

/// `refunds/create`.
pub(super) fn refund(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let order = node.need("order_id")?.id()?;
    let state = State::Refund(Refund(refunded(node)?));
    Ok(part(node, order, Name::Is("order.refunded".into()), state, setting))
}

impl Refund {
    /// Kept once by its id. The payment is refunded when all that was paid was given back.
    pub fn apply(&self, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let Some(stored) = stored else { return Ok(Applied::Nothing) };
        let mut order: Order = record(stored)?;
        let mut extra = extra_map(&order.extra);
        let refunds = replace(extra.remove("refunds"), &self.0);
        let currency = order.total.currency.clone();
        let back: i64 = refunds.iter().flat_map(|refund| amounts(refund, &currency)).fold(0, i64::saturating_add);
        // What the order came to when it was placed; its current total shrinks with refunds.
        let placed = extra.get("total_price").and_then(decimal).and_then(|text| minor_units(&text, &currency));
        if back > 0 {
            let all = back >= placed.unwrap_or(order.total.amount);
            order.payment = if all { Payment::Refunded } else { Payment::PartlyRefunded };
        }
        extra.insert("refunds".into(), Value::Array(refunds));
        order.extra = extra_text(&extra);
        Ok(Applied::Put(Entity::of_order(&order)?))
    }
}

fn amounts(refund: &Value, currency: &str) -> Vec<i64> {
    let amounts = refund.get("amounts").and_then(Value::as_array);
    amounts.into_iter().flatten().filter_map(decimal).filter_map(|text| minor_units(&text, currency)).collect()
}

fn decimal(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The list with `item` in place of the one with its id, or at the end.
fn replace(list: Option<Value>, item: &Value) -> Vec<Value> {
    let mut items = match list {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    match items.iter_mut().find(|other| other.get("id") == item.get("id")) {
        Some(other) => *other = item.clone(),
        None => items.push(item.clone()),
    }
    items
}

/// A fulfilment: the shipment, and which lines it sent.
#[derive(Debug, Clone)]
pub(super) struct Fulfilment {
    shipment: Shipment,
    lines: Value,
}

/// `fulfillments/create` and `fulfillments/update`.
pub(super) fn fulfilment(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let order = node.need("order_id")?.id()?;
    let state = State::Fulfilment(Fulfilment { shipment: shipment(node, setting)?, lines: fulfilled(node)? });
    Ok(part(node, order, Name::Shipment, state, setting))
}

impl Fulfilment {
    /// Kept once by its id. How far the order is follows from the quantities sent.
    pub fn apply(&self, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let Some(stored) = stored else { return Ok(Applied::Nothing) };
        let mut order: Order = record(stored)?;
        let mut extra = extra_map(&order.extra);
        let fulfilments = replace(extra.remove("fulfillments"), &self.lines);
        match order.shipments.iter_mut().find(|shipment| shipment.id == self.shipment.id) {
            Some(shipment) => {
                let delivered_at = shipment.delivered_at.or(self.shipment.delivered_at);
                *shipment = Shipment { delivered_at, ..self.shipment.clone() };
            }
            None => order.shipments.push(self.shipment.clone()),
        }
        if order.cancelled_at.is_none() && order.fulfilment != Progress::Returned {
            order.fulfilment = progress(&extra, &fulfilments, &order.shipments);
        }
        extra.insert("fulfillments".into(), Value::Array(fulfilments));
        order.extra = extra_text(&extra);
        Ok(Applied::Put(Entity::of_order(&order)?))
    }
}

/// How much of the lines that need shipping was sent.
fn progress(extra: &Map<String, Value>, fulfilments: &[Value], shipments: &[Shipment]) -> Progress {
    let sent: Vec<(String, i64)> = fulfilments
        .iter()
        .filter(|fulfilment| !VOID.contains(&fulfilment["status"].as_str().unwrap_or_default()))
        .filter_map(|fulfilment| fulfilment["line_items"].as_array())
        .flatten()
        .filter_map(|line| Some((line["id"].as_str()?.to_owned(), line["quantity"].as_i64()?)))
        .collect();
    if sent.is_empty() {
        return Progress::Unfulfilled;
    }
    let lines = extra.get("line_items").and_then(Value::as_array);
    let open = lines.into_iter().flatten().any(|line| {
        let id = decimal(&line["id"]).unwrap_or_default();
        let ordered = line["current_quantity"].as_i64().or_else(|| line["quantity"].as_i64()).unwrap_or(0);
        let moved =
            sent.iter().filter(|(line, _)| *line == id).fold(0i64, |sum, (_, quantity)| sum.saturating_add(*quantity));
        line["requires_shipping"].as_bool().unwrap_or(true) && moved < ordered
    });
    match open {
        true => Progress::Partial,
        false if all_delivered(shipments) => Progress::Delivered,
        false => Progress::Fulfilled,
    }
}

/// An edit: by how much the quantities of lines change.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    id: String,
    at: Option<u64>,
    deltas: Vec<(String, i64)>,
}

/// `orders/edited`: the edit alone; the order itself follows by `orders/updated`.
pub(super) fn edit(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let Some(edit) = node.field("order_edit") else { return Ok(raw(node.topic, node.value, setting)) };
    let order = edit.need("order_id")?.id()?;
    let mut deltas = Vec::new();
    if let Some(lines) = edit.field("line_items") {
        for (list, sign) in [("additions", 1), ("removals", -1)] {
            for line in lines.items(list)? {
                deltas.push((line.need("id")?.id()?, sign * line.need("delta")?.count()?.saturating_abs()));
            }
        }
    }
    let state = Edit { id: edit.need("id")?.id()?, at: edit.opt_time("created_at")?, deltas };
    Ok(part(&edit, order, Name::Is("order.edited".into()), State::Edit(state), setting))
}

impl Edit {
    /// Lines that are stored change; lines that are new come with the order. Kept once by its id; an order that is
    /// newer than the edit has it already.
    pub fn apply(&self, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let Some(stored) = stored else { return Ok(Applied::Nothing) };
        let mut order: Order = record(stored)?;
        let mut extra = extra_map(&order.extra);
        let edits = extra.get("edits").and_then(Value::as_array).cloned().unwrap_or_default();
        let newer = updated(&extra).zip(self.at).is_some_and(|(order, edit)| order > edit);
        if newer || edits.iter().any(|edit| edit.as_str() == Some(&self.id)) {
            return Ok(Applied::Put(stored.clone()));
        }
        if let Some(Value::Array(lines)) = extra.get_mut("line_items") {
            // The record's lines are those with a quantity left, in the same order.
            let mut index = 0;
            for line in lines {
                let quantity = line["current_quantity"].as_i64().or_else(|| line["quantity"].as_i64()).unwrap_or(0);
                if quantity == 0 {
                    continue;
                }
                let id = decimal(&line["id"]).unwrap_or_default();
                let deltas = self.deltas.iter().filter(|(edited, _)| *edited == id).map(|(_, delta)| *delta);
                let quantity = deltas.fold(quantity, i64::saturating_add).max(0);
                line["current_quantity"] = quantity.into();
                if let Some(line) = order.lines.get_mut(index) {
                    line.quantity = u32::try_from(quantity).unwrap_or(u32::MAX);
                }
                index += 1;
            }
        }
        order.lines.retain(|line| line.quantity > 0);
        let edits: Vec<Value> = edits.into_iter().chain([self.id.clone().into()]).collect();
        extra.insert("edits".into(), Value::Array(edits));
        order.extra = extra_text(&extra);
        Ok(Applied::Put(Entity::of_order(&order)?))
    }
}
