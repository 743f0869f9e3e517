//! Event kinds that carry an entity's state: accepting one updates the shop's model in the same
//! transaction.

use crate::EntityKind;

/// What an event does to the entity that its data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The data is the entity's new state.
    Put,
    /// The entity is gone; the data need only have its `id`.
    Remove,
}

/// Which entity an event of this kind carries, and what happened to it. None: the event leaves the
/// model alone.
#[must_use]
pub fn carries(kind: &str) -> Option<(EntityKind, Change)> {
    use EntityKind as E;
    let (subject, verb) = kind.split_once('.')?;
    let entity = match subject {
        "customer" => E::Customer,
        "product" => E::Product,
        "inventory" => E::Level,
        "order" => E::Order,
        "cart" => E::Cart,
        "ticket" => E::Ticket,
        "article" => E::Article,
        "review" => E::Review,
        "engagement" => E::Engagement,
        "competitor" => E::CompetitorPrice,
        _ => return None,
    };
    let put = match entity {
        E::Order => matches!(
            verb,
            "placed"
                | "updated"
                | "paid"
                | "edited"
                | "fulfilled"
                | "delivered"
                | "cancelled"
                | "refunded"
                | "returned"
                | "held"
        ),
        E::Cart => matches!(verb, "created" | "updated" | "completed"),
        E::Ticket => matches!(verb, "created" | "updated" | "resolved" | "closed" | "reopened"),
        E::CompetitorPrice => matches!(verb, "price-changed"),
        _ => matches!(verb, "created" | "updated"),
    };
    match verb {
        "deleted" => Some((entity, Change::Remove)),
        _ if put => Some((entity, Change::Put)),
        _ => None,
    }
}

/// Why `kind` cannot be an event's kind; none if it can: dotted, lower case, at most 128 bytes.
#[must_use]
pub fn problem(kind: &str) -> Option<&'static str> {
    if kind.is_empty() || kind.len() > 128 {
        return Some("it must have 1 to 128 characters");
    }
    if !kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')) {
        return Some("only lower-case letters, digits, '.', '-' and '_' are allowed");
    }
    if !kind.contains('.') || kind.starts_with('.') || kind.ends_with('.') || kind.contains("..") {
        return Some("it must be dotted, such as `order.placed`");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_carrying_kinds() {
        assert_eq!(carries("cart.updated"), Some((EntityKind::Cart, Change::Put)));
        assert_eq!(carries("order.deleted"), Some((EntityKind::Order, Change::Remove)));
        assert_eq!(carries("competitor.price-changed"), Some((EntityKind::CompetitorPrice, Change::Put)));
        for other in ["cart.abandoned", "order", "weather.changed", "customer.vip"] {
            assert_eq!(carries(other), None, "{other}");
        }
        assert!(problem("order.placed").is_none());
        for bad in ["", "order", ".a", "a.", "a..b", "Order.Placed", "a b.c"] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }
}
