//! Plugins and host read and write the same JSON: events that the host hands over parse into the SDK's
//! records, and records that a test writes are the model's.

use serde_json::{Value, json};
use shopwright_model as host;
use shopwright_sdk as sdk;

/// Reads a document on both sides and compares what each writes again.
fn same<H, G>(document: &Value) -> Value
where
    H: serde::Serialize + serde::de::DeserializeOwned,
    G: serde::Serialize + serde::de::DeserializeOwned,
{
    let host: H = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("host: {error}: {document}"));
    let guest: G = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("sdk: {error}: {document}"));
    let (host, guest) = (serde_json::to_value(host).unwrap(), serde_json::to_value(guest).unwrap());
    assert_eq!(host, guest);
    host
}

fn euro(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

#[test]
fn records_are_the_same_whether_short_or_full() {
    let line = json!({ "variant_id": "v", "quantity": 2, "price": euro(5), "discount": euro(0), "title": "T" });
    // The least each side accepts: what may be left out is left out.
    let customer = json!({ "id": "1", "name": "A", "created_at": 1 });
    let full = same::<host::customers::Customer, sdk::customers::Customer>(&customer);
    assert_eq!((&full["extra"], &full["consents"], &full["time_zone"]), (&json!({}), &json!([]), &json!("")));
    let customer = json!({
        "id": "1", "name": "A", "created_at": 1, "extra": { "vip": [1, { "b": null }] }, "tags": ["x"],
        "consents": [{ "channel": "sms", "granted": true, "at": 2 }],
    });
    let full = same::<host::customers::Customer, sdk::customers::Customer>(&customer);
    assert_eq!(full["extra"], json!({ "vip": [1, { "b": null }] }), "a document, not a text");

    same::<host::customers::Standing, sdk::customers::Standing>(&json!({ "orders": 1, "spent": euro(5) }));
    same::<host::customers::Engagement, sdk::customers::Engagement>(
        &json!({ "channel": "email", "template": "t", "sent": 1, "opened": 1, "clicked": 0 }),
    );
    same::<host::catalog::Product, sdk::catalog::Product>(&json!({
        "id": "p", "publication": "published",
        "variants": [{ "id": "v", "product": "p", "price": euro(5), "cost": euro(2) }],
    }));
    same::<host::inventory::Level, sdk::inventory::Level>(&json!({
        "variant_id": "v", "location": "l", "on_hand": -1, "reserved": 0, "incoming": 0, "updated_at": 1,
    }));
    for payment in ["pending", "authorised", "paid", "partly_refunded", "refunded", "voided", "failed"] {
        same::<host::orders::Order, sdk::orders::Order>(&json!({
            "id": "o", "number": "#1", "lines": [line], "total": euro(5), "payment": payment,
            "fulfilment": "unfulfilled", "placed_at": 1,
            "shipments": [{ "id": "s", "carrier": "c", "tracking_number": "t", "status": "x", "shipped_at": 1 }],
        }));
    }
    for step in ["cart", "contact", "shipping", "payment", "completed"] {
        same::<host::carts::Cart, sdk::carts::Cart>(&json!({
            "id": "c", "lines": [line], "total": euro(5), "step": step, "created_at": 1, "updated_at": 1,
        }));
    }
    same::<host::support::Ticket, sdk::support::Ticket>(&json!({
        "id": "t", "subject": "", "channel": "email", "status": "open", "priority": "urgent", "created_at": 1, "updated_at": 1,
        "messages": [{ "author": "a", "from_customer": true, "text": "b", "at": 1 }],
    }));
    same::<host::support::Article, sdk::support::Article>(
        &json!({ "id": "a", "title": "t", "text": "x", "url": "u", "score": 0.5 }),
    );
    same::<host::reviews::Review, sdk::reviews::Review>(
        &json!({ "id": "r", "product": "p", "author": "a", "rating": 5, "text": "x", "at": 1 }),
    );
    same::<host::market::CompetitorPrice, sdk::market::CompetitorPrice>(
        &json!({ "competitor": "c", "variant_id": "v", "price": euro(5), "in_stock": true, "at": 1 }),
    );
    same::<host::market::PriceChange, sdk::market::PriceChange>(
        &json!({ "variant_id": "v", "before": euro(5), "after": euro(6), "at": 1, "by": "x" }),
    );
    for value in [json!({ "percent": 5.0 }), json!({ "amount": euro(5) })] {
        same::<host::discount_actions::Offer, sdk::discounts::Offer>(
            &json!({ "customer": null, "value": value, "expires_at": 1, "single_use": true }),
        );
    }
}
