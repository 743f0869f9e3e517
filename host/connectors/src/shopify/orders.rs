//! `orders/*`: the whole order.

use serde_json::{Map, Value, json};
use shopwright_model::orders::{Fulfilment, Line, Order, Payment, Shipment};
use shopwright_model::{EntityKind, Millis, types::Money};

use super::read::{Node, extra_text, tidy};
use super::settle::{Change, Draft, Name, State, Target, Translated};
use super::{Setting, customers, raw};
use crate::ConnectorError;

/// What the record takes over.
const TAKEN: [&str; 12] = [
    "id",
    "admin_graphql_api_id",
    "name",
    "customer",
    "tags",
    "cancelled_at",
    "current_total_price",
    "line_items",
    "fulfillments",
    "refunds",
    "shipping_lines",
    "tax_lines",
];

/// Fulfilments in these states move nothing.
pub(super) const VOID: [&str; 3] = ["cancelled", "error", "failure"];

/// The order, its customer if new, and its cart, which is completed by it.
pub(super) fn order(node: &Node<'_>, kind: &str, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let order = record(node, setting)?;
    let updated_at = node.time_of(&["updated_at", "created_at"], setting.received_at)?;
    let at = match kind {
        "order.placed" => order.placed_at,
        "order.cancelled" => order.cancelled_at.unwrap_or(updated_at),
        _ => updated_at,
    };
    let draft = Draft {
        name: Name::Is(kind.to_owned()),
        at: Millis::try_from(at).unwrap_or(setting.received_at),
        concerns: order.cart.iter().map(|cart| format!("cart:{cart}")).collect(),
        change: Some(0),
        data: Value::Null,
        otherwise: kind.to_owned(),
    };
    let mut changes = Vec::new();
    let cart = order.cart.clone();
    let target = Target::Entity(EntityKind::Order, order.id.clone());
    changes.push(Change { target, state: State::Order { order: Box::new(order), updated_at } });
    if let Some(customer) = node.field("customer").filter(|customer| customer.field("id").is_some()) {
        changes.push(customers::embedded(&customer, node, setting)?);
    }
    if let Some(cart) = cart {
        changes.push(Change { target: Target::Entity(EntityKind::Cart, cart), state: State::CartCompleted });
    }
    Ok(Translated { changes, events: vec![draft], ..Translated::default() })
}

/// `orders/delete`: the id is all there is.
pub(super) fn delete(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    Ok(raw::removal(node, EntityKind::Order, node.need("id")?.id()?, "order.deleted", setting))
}

fn record(node: &Node<'_>, setting: Setting<'_>) -> Result<Order, ConnectorError> {
    let currency = node.currency(setting.currency)?;
    let id = node.need("id")?.id()?;
    let number = match node.opt_text("name")? {
        Some(name) => name,
        None => node
            .first(&["order_number", "number"])
            .map(|n| n.id())
            .transpose()?
            .map_or_else(|| id.clone(), |n| format!("#{n}")),
    };
    let total = match node.first(&["current_total_price", "total_price"]) {
        Some(total) => total.money(&currency)?,
        None => return Err(node.fault("has no `total_price`")),
    };
    let shipments = node.items("fulfillments")?.iter().map(|f| shipment(f, setting)).collect::<Result<Vec<_>, _>>()?;
    let cancelled_at = node.opt_time("cancelled_at")?;
    let expected = node.items("fulfillments")?.iter().filter_map(|f| f.field("estimated_delivery_at")).next_back();
    Ok(Order {
        customer: node.field("customer").map(|customer| customer.opt_id("id")).transpose()?.flatten(),
        cart: cart_id(node)?,
        lines: lines(node, &currency)?,
        total,
        payment: payment(node.opt_text("financial_status")?.as_deref()),
        fulfilment: fulfilment(node.opt_text("fulfillment_status")?.as_deref(), cancelled_at.is_some(), &shipments),
        placed_at: node.time_of(&["processed_at", "created_at"], setting.received_at)?,
        cancelled_at,
        expected_delivery: expected.map(|at| at.time()).transpose()?,
        shipments,
        tags: node.tags()?.unwrap_or_default(),
        extra: extra_text(&extra(node)?),
        id,
        number,
    })
}

/// The cart it came from: the cart's token, else the checkout's.
fn cart_id(node: &Node<'_>) -> Result<Option<String>, ConnectorError> {
    node.first(&["cart_token", "checkout_token"]).map(|token| token.id()).transpose()
}

/// The lines as they stand after edits; what was removed from the order is left out.
pub(super) fn lines(node: &Node<'_>, currency: &str) -> Result<Vec<Line>, ConnectorError> {
    let mut lines = Vec::new();
    for line in node.items("line_items")? {
        let quantity = match line.first(&["current_quantity", "quantity"]) {
            Some(quantity) => u32::try_from(quantity.count()?).map_err(|_| quantity.fault("must not be negative"))?,
            None => return Err(line.fault("has no `quantity`")),
        };
        if quantity == 0 {
            continue;
        }
        lines.push(Line {
            variant_id: line.opt_id("variant_id")?.unwrap_or_default(),
            sku: line.opt_text("sku")?.unwrap_or_default(),
            title: title(&line)?,
            quantity,
            price: line.need("price")?.money(currency)?,
            discount: discount(&line, currency)?,
        });
    }
    Ok(lines)
}

/// `name` is title and variant together.
pub(super) fn title(line: &Node<'_>) -> Result<String, ConnectorError> {
    if let Some(name) = line.opt_text("name")? {
        return Ok(name);
    }
    let title = line.opt_text("title")?.unwrap_or_default();
    Ok(match line.opt_text("variant_title")? {
        Some(variant) if !title.is_empty() => format!("{title} - {variant}"),
        _ => title,
    })
}

/// The sum of the allocations where they are listed, else `total_discount`.
pub(super) fn discount(line: &Node<'_>, currency: &str) -> Result<Money, ConnectorError> {
    let allocations = line.items("discount_allocations")?;
    let mut amount = 0i64;
    for allocation in &allocations {
        amount = amount.saturating_add(allocation.need("amount")?.money(currency)?.amount);
    }
    if allocations.is_empty()
        && let Some(total) = line.field("total_discount")
    {
        amount = total.money(currency)?.amount;
    }
    Ok(Money { amount, currency: currency.to_owned() })
}

fn payment(status: Option<&str>) -> Payment {
    match status {
        Some("authorized") => Payment::Authorised,
        Some("paid") => Payment::Paid,
        Some("partially_refunded") => Payment::PartlyRefunded,
        Some("refunded") => Payment::Refunded,
        Some("voided") => Payment::Voided,
        Some("expired") => Payment::Failed,
        // `pending`, `partially_paid`, and what may come.
        _ => Payment::Pending,
    }
}

fn fulfilment(status: Option<&str>, cancelled: bool, shipments: &[Shipment]) -> Fulfilment {
    match status {
        Some("fulfilled") if all_delivered(shipments) => Fulfilment::Delivered,
        Some("fulfilled") => Fulfilment::Fulfilled,
        Some("partial") => Fulfilment::Partial,
        Some("restocked") => Fulfilment::Returned,
        _ if cancelled => Fulfilment::Cancelled,
        Some("on_hold") => Fulfilment::Held,
        _ => Fulfilment::Unfulfilled,
    }
}

/// Whether everything that was sent arrived.
pub(super) fn all_delivered(shipments: &[Shipment]) -> bool {
    let mut sent = shipments.iter().filter(|shipment| !VOID.contains(&shipment.status.as_str())).peekable();
    sent.peek().is_some() && sent.all(|shipment| shipment.delivered_at.is_some())
}

/// A fulfilment as a shipment.
pub(super) fn shipment(node: &Node<'_>, setting: Setting<'_>) -> Result<Shipment, ConnectorError> {
    let shipped_at = node.time_of(&["created_at"], setting.received_at)?;
    let state = node.opt_text("status")?.unwrap_or_default();
    let carrier_word = node.opt_text("shipment_status")?;
    let delivered = carrier_word.as_deref() == Some("delivered");
    Ok(Shipment {
        id: node.need("id")?.id()?,
        carrier: node.opt_text("tracking_company")?.unwrap_or_default(),
        tracking_number: node.opt_text("tracking_number")?.unwrap_or_default(),
        tracking_url: node.opt_text("tracking_url")?,
        status: if VOID.contains(&state.as_str()) { state } else { carrier_word.unwrap_or(state) },
        shipped_at,
        delivered_at: if delivered { Some(node.time_of(&["updated_at"], setting.received_at)?) } else { None },
    })
}

/// What the record leaves out. Lines are kept with their ids, fulfilments and refunds as short as later
/// changes need them.
fn extra(node: &Node<'_>) -> Result<Map<String, Value>, ConnectorError> {
    let mut extra = node.extra(&TAKEN);
    for list in ["line_items", "shipping_lines", "tax_lines"] {
        let kept = node.field(list).and_then(|list| tidy("", list.value));
        extra.extend(kept.map(|kept| (list.to_owned(), kept)));
    }
    let fulfilments = node.items("fulfillments")?.iter().map(fulfilled).collect::<Result<Vec<_>, _>>()?;
    let refunds = node.items("refunds")?.iter().map(refunded).collect::<Result<Vec<_>, _>>()?;
    for (name, list) in [("fulfillments", fulfilments), ("refunds", refunds)] {
        if !list.is_empty() {
            extra.insert(name.to_owned(), Value::Array(list));
        }
    }
    Ok(extra)
}

/// Which lines a fulfilment sent.
pub(super) fn fulfilled(node: &Node<'_>) -> Result<Value, ConnectorError> {
    let mut lines = Vec::new();
    for line in node.items("line_items")? {
        let quantity = line.field("quantity").map(|quantity| quantity.count()).transpose()?.unwrap_or(0);
        lines.push(json!({ "id": line.need("id")?.id()?, "quantity": quantity }));
    }
    let status = node.opt_text("status")?.unwrap_or_default();
    Ok(json!({ "id": node.need("id")?.id()?, "status": status, "line_items": lines }))
}

/// What a refund gave back: the successful refund transactions, as decimal texts.
pub(super) fn refunded(node: &Node<'_>) -> Result<Value, ConnectorError> {
    let mut amounts = Vec::new();
    for transaction in node.items("transactions")? {
        let text = |name: &str| transaction.opt_text(name);
        if text("kind")?.as_deref() == Some("refund") && text("status")?.as_deref() == Some("success") {
            amounts.push(transaction.need("amount")?.value.clone());
        }
    }
    let mut lines = Vec::new();
    for line in node.items("refund_line_items")? {
        let quantity = line.field("quantity").map(|quantity| quantity.count()).transpose()?.unwrap_or(0);
        let restock = line.opt_text("restock_type")?.unwrap_or_default();
        lines.push(
            json!({ "line_item_id": line.opt_id("line_item_id")?, "quantity": quantity, "restock_type": restock }),
        );
    }
    Ok(json!({
        "id": node.need("id")?.id()?, "created_at": node.opt_text("created_at")?, "note": node.opt_text("note")?,
        "amounts": amounts, "refund_line_items": lines,
    }))
}
