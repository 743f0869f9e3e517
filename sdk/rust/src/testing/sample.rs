//! Plain records to begin a test with; change what matters with struct update syntax.

use serde_json::json;

use super::{BEGIN, record};
use crate::{
    Money,
    carts::Cart,
    catalog::Product,
    customers::{Customer, Standing},
    inventory::Level,
    orders::Order,
    support::Ticket,
};

/// A customer with an email address, a phone and consent to email marketing.
pub fn customer(id: &str) -> Customer {
    record(json!({
        "id": id, "email": format!("customer{id}@example.com"), "phone": "+4930123456", "name": "Kim Example",
        "locale": "en-GB", "time_zone": "Europe/Berlin", "created_at": 0,
        "consents": [{ "channel": "email", "granted": true, "at": 0 }],
    }))
}

/// Nothing is known.
pub fn standing() -> Standing {
    record(json!({ "orders": 0, "spent": Money::zero("EUR") }))
}

/// A published product of one variant, `ID-1`, at 20.00 EUR that costs 8.00 EUR.
pub fn product(id: &str) -> Product {
    record(json!({
        "id": id, "title": format!("Product {id}"), "publication": "published",
        "variants": [{
            "id": format!("{id}-1"), "product": id, "sku": id, "title": "One size",
            "price": Money::new(2000, "EUR"), "cost": Money::new(800, "EUR"),
        }],
    }))
}

/// Units of a variant in the one location `main`.
pub fn level(variant: &str, on_hand: i64) -> Level {
    record(json!({
        "variant_id": variant, "location": "main", "on_hand": on_hand, "reserved": 0, "incoming": 0, "updated_at": 0,
    }))
}

/// A cart with two of the variant `p1-1`, 40.00 EUR, left at the cart page.
pub fn cart(id: &str, customer: &str) -> Cart {
    record(json!({
        "id": id, "customer": customer, "lines": [line()], "total": Money::new(4000, "EUR"), "step": "cart",
        "created_at": BEGIN, "updated_at": BEGIN, "recovery_url": format!("https://shop.example/recover/{id}"),
    }))
}

/// A paid order of two of the variant `p1-1`, 40.00 EUR.
pub fn order(id: &str, customer: &str) -> Order {
    record(json!({
        "id": id, "number": format!("#{id}"), "customer": customer, "lines": [line()],
        "total": Money::new(4000, "EUR"), "payment": "paid", "fulfilment": "unfulfilled", "placed_at": BEGIN,
    }))
}

/// An open ticket with one message of the customer.
pub fn ticket(id: &str, customer: &str, text: &str) -> Ticket {
    record(json!({
        "id": id, "customer": customer, "subject": "", "channel": "email", "status": "open", "priority": "normal",
        "messages": [{ "author": "Kim Example", "from_customer": true, "text": text, "at": BEGIN }],
        "created_at": BEGIN, "updated_at": BEGIN,
    }))
}

fn line() -> serde_json::Value {
    json!({
        "variant_id": "p1-1", "sku": "p1", "title": "Product p1", "quantity": 2,
        "price": Money::new(2000, "EUR"), "discount": Money::zero("EUR"),
    })
}
