//! `inventory_levels/*` and `inventory_items/*`.

use serde_json::Value;
use shopwright_model::Entity;
use shopwright_model::inventory::Level;
use shopwright_model::types::Timestamp;

use super::Setting;
use super::products::variant_of_item;
use super::raw::{raw_kind, time};
use super::read::Node;
use super::settle::{Applied, Change, Draft, Name, State, Target, Translated, record};
use crate::ConnectorError;

/// What is available of an item at a location.
#[derive(Debug, Clone)]
pub(super) struct LevelState {
    available: i64,
    updated_at: Timestamp,
}

/// `inventory_levels/update` and `inventory_levels/connect`.
pub(super) fn level(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let available = node.field("available").map(|available| available.count()).transpose()?.unwrap_or(0);
    let updated_at = node.time_of(&["updated_at"], setting.received_at)?;
    translated(node, "inventory.updated", State::Level(LevelState { available, updated_at }), setting)
}

/// `inventory_levels/disconnect`: the item is not kept there any more.
pub(super) fn disconnect(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    translated(node, "inventory.deleted", State::NoLevel, setting)
}

fn translated(node: &Node<'_>, kind: &str, state: State, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let item = node.need("inventory_item_id")?.id()?;
    let location = node.need("location_id")?.id()?;
    let draft = draft(node, kind, setting);
    let change = Change { target: Target::Level { item, location }, state };
    Ok(Translated { changes: vec![change], events: vec![draft], ..Translated::default() })
}

/// `inventory_items/create` and `inventory_items/update`: the unit cost.
pub(super) fn item(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let item = node.need("id")?.id()?;
    let cost = match node.field("cost").map(|cost| cost.value) {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err(node.fault("has a `cost` that is no amount")),
    };
    let draft = draft(node, "product.updated", setting);
    let change = Change { target: Target::Product { item: item.clone() }, state: State::Cost { item, cost } };
    Ok(Translated { changes: vec![change], events: vec![draft], ..Translated::default() })
}

/// Where the item's variant is not known, the raw event tells of it.
fn draft(node: &Node<'_>, kind: &str, setting: Setting<'_>) -> Draft {
    Draft {
        name: Name::Is(kind.to_owned()),
        at: time(node, setting),
        concerns: Vec::new(),
        change: Some(0),
        data: node.value.clone(),
        otherwise: raw_kind(node.topic),
    }
}

/// The variant of `item` in `product`, and the id of its level at `location`.
pub(super) fn level_id(product: Option<&Entity>, item: &str, location: &str) -> Option<(String, String)> {
    let variant = variant_of_item(product?, item)?;
    let id = format!("{variant}@{location}");
    Some((variant, id))
}

impl LevelState {
    /// What is available and what is reserved are on hand together.
    pub fn apply(&self, variant: &str, location: &str, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let before: Option<Level> = stored.map(record).transpose()?;
        if let (Some(before), Some(stored)) = (&before, stored)
            && before.updated_at > self.updated_at
        {
            return Ok(Applied::Put(stored.clone()));
        }
        let reserved = before.as_ref().map_or(0, |before| before.reserved);
        let level = Level {
            variant_id: variant.to_owned(),
            location: location.to_owned(),
            on_hand: self.available.saturating_add(reserved),
            reserved,
            incoming: before.as_ref().map_or(0, |before| before.incoming),
            incoming_at: before.and_then(|before| before.incoming_at),
            updated_at: self.updated_at,
        };
        Ok(Applied::Put(Entity::of_level(&level)?))
    }
}
