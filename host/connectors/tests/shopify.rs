//! Shopify deliveries in their full shape, topic by topic and as a story.

use std::collections::HashMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use shopwright_connectors::ConnectorError;
use shopwright_connectors::shopify::{Event, Known, Lookup, Setting, Settled, raw, translate, variant_of_item, verify};
use shopwright_connectors::webhooks::signature::sign_body;
use shopwright_model::{Entity, EntityKind, kinds};

const RECEIVED: i64 = 1_790_000_000_000;
const CUSTOMER: &str = "7213004518665";
const PRODUCT: &str = "9120045117718";
const BRASS: &str = "47310011223344";
const BLACK: &str = "47310011223345";
const ITEM: &str = "49301122334455";
const LOCATION: &str = "81234500117";
const ORDER: &str = "6024417705234";
const CART: &str = "Z2NwLWV1cm9wZS13ZXN0MzowMUs1QVJD";

fn fixture(topic: &str) -> Value {
    let path = format!("{}/tests/fixtures/shopify/{}.json", env!("CARGO_MANIFEST_DIR"), topic.replace('/', "_"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

fn setting() -> Setting<'static> {
    Setting { currency: "EUR", received_at: RECEIVED }
}

fn ms(rfc3339: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(rfc3339).expect("a time").timestamp_millis()
}

/// What a store would hold.
#[derive(Default)]
struct Shop(HashMap<(EntityKind, String), Entity>);

impl Shop {
    fn after(topics: &[&str]) -> Self {
        let mut shop = Self::default();
        for topic in topics {
            shop.receive(topic);
        }
        shop
    }

    fn receive(&mut self, topic: &str) -> Settled {
        self.deliver(topic, &fixture(topic)).expect(topic)
    }

    fn deliver(&mut self, topic: &str, payload: &Value) -> Result<Settled, ConnectorError> {
        let translated = translate(topic, payload, setting())?;
        let mut known = Known::default();
        while let Some(lookup) = translated.missing(&known) {
            let found = match &lookup {
                Lookup::Entity(kind, id) => self.0.get(&(*kind, id.clone())),
                Lookup::ProductOfItem(item) => self
                    .0
                    .values()
                    .find(|entity| entity.kind == EntityKind::Product && variant_of_item(entity, item).is_some()),
            };
            known.insert(lookup, found.cloned());
        }
        let settled = translated.settle(&known)?;
        for event in &settled.events {
            assert_eq!(kinds::problem(&event.kind), None, "{}", event.kind);
        }
        for entity in &settled.puts {
            self.0.insert((entity.kind, entity.id.clone()), entity.clone());
        }
        for gone in &settled.removes {
            self.0.remove(gone);
        }
        Ok(settled)
    }

    fn doc(&self, kind: EntityKind, id: &str) -> Value {
        let entity = self.0.get(&(kind, id.to_owned())).unwrap_or_else(|| panic!("no {kind} {id}"));
        serde_json::from_str(&entity.doc).expect("JSON")
    }

    fn order(&self) -> Value {
        self.doc(EntityKind::Order, ORDER)
    }

    fn cart(&self) -> Value {
        self.doc(EntityKind::Cart, CART)
    }
}

/// Every field of `expected` is in `actual`.
fn assert_holds(actual: &Value, expected: &Value, path: &str) {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            for (name, expected) in expected {
                let actual = actual.get(name).unwrap_or(&Value::Null);
                assert_holds(actual, expected, &format!("{path}.{name}"));
            }
        }
        (Value::Array(actual), Value::Array(expected)) => {
            assert_eq!(actual.len(), expected.len(), "{path}: {actual:?}");
            for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                assert_holds(actual, expected, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(actual, expected, "{path}"),
    }
}

fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// One row for each topic: what was delivered before, the event, when, whom it concerns, parts of its data, and
/// how many documents change.
#[test]
fn every_topic() {
    let order = format!("order:{ORDER}");
    let customer = format!("customer:{CUSTOMER}");
    let cart = format!("cart:{CART}");
    let product = format!("product:{PRODUCT}");
    let (brass, black) = (format!("variant:{BRASS}"), format!("variant:{BLACK}"));
    let level = format!("level:{BRASS}@{LOCATION}");
    let of_order = vec![order.clone(), customer.clone(), cart.clone()];
    let of_product = vec![product.clone(), brass.clone(), black.clone()];
    let lines = json!([
        {"variant_id": BRASS, "sku": "ARC-BRASS", "title": "Desk lamp Arc - Brass", "quantity": 2, "price": eur(12_900), "discount": eur(1_290)},
        {"variant_id": BLACK, "sku": "ARC-BLACK", "title": "Desk lamp Arc - Black", "quantity": 1, "price": eur(11_900), "discount": eur(0)},
    ]);
    let shipment = json!({
        "id": "5511207744021", "carrier": "DHL", "tracking_number": "003404341610941", "status": "success",
        "tracking_url": "https://tracking.example.com/?id=003404341610941", "shipped_at": ms("2026-09-11T10:00:00+02:00"), "delivered_at": null,
    });
    let known_order: &[&str] = &["customers/create", "carts/create", "orders/updated"];
    type Row<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, Vec<String>, Value, usize);
    let table: Vec<Row<'_>> = vec![
        (
            "orders/create",
            &[],
            "order.placed",
            "2026-09-10T19:11:00+02:00",
            of_order.clone(),
            json!({
                "id": ORDER, "number": "#2047", "customer": CUSTOMER, "cart": CART, "lines": lines, "total": eur(36_900),
                "payment": "pending", "fulfilment": "unfulfilled", "placed_at": ms("2026-09-10T19:11:00+02:00"),
                "cancelled_at": null, "expected_delivery": null, "shipments": [], "tags": ["gift", "first order"],
                "extra": {"note": "Gift wrap, please", "discount_codes": [{"code": "AUTUMN"}], "order_number": 2047,
                    "shipping_lines": [{"title": "DHL Paket"}], "customer": null, "total_price_set": null, "refunds": null},
            }),
            2,
        ),
        (
            "orders/create",
            &["customers/create", "carts/create"],
            "order.placed",
            "2026-09-10T19:11:00+02:00",
            of_order.clone(),
            json!({}),
            2,
        ),
        (
            "orders/updated",
            &[],
            "order.updated",
            "2026-09-10T20:00:00+02:00",
            of_order.clone(),
            json!({"tags": ["gift", "first order", "checked"]}),
            2,
        ),
        (
            "orders/paid",
            known_order,
            "order.paid",
            "2026-09-10T19:11:20+02:00",
            of_order.clone(),
            json!({"payment": "paid", "tags": ["gift", "first order", "checked"]}),
            0,
        ),
        (
            "orders/paid",
            &["orders/create"],
            "order.paid",
            "2026-09-10T19:11:20+02:00",
            of_order.clone(),
            json!({"payment": "paid"}),
            1,
        ),
        (
            "orders/cancelled",
            known_order,
            "order.cancelled",
            "2026-09-10T21:00:00+02:00",
            of_order.clone(),
            json!({
                "payment": "voided", "fulfilment": "cancelled", "cancelled_at": ms("2026-09-10T21:00:00+02:00"), "lines": [], "total": eur(0),
            }),
            1,
        ),
        (
            "orders/partially_fulfilled",
            known_order,
            "order.updated",
            "2026-09-11T10:00:02+02:00",
            of_order.clone(),
            json!({"fulfilment": "partial", "shipments": [shipment]}),
            1,
        ),
        (
            "orders/fulfilled",
            known_order,
            "order.fulfilled",
            "2026-09-11T12:00:00+02:00",
            of_order.clone(),
            json!({"fulfilment": "fulfilled", "shipments": [{}, {}]}),
            1,
        ),
        (
            "orders/edited",
            known_order,
            "order.edited",
            "2026-09-10T20:30:00+02:00",
            vec![order.clone(), customer.clone()],
            json!({"lines": [{"quantity": 1}, {"quantity": 1}]}),
            1,
        ),
        (
            "orders/edited",
            &[],
            "shopify.orders.edited",
            "2026-09-10T20:30:00+02:00",
            vec![order.clone()],
            json!({"order_id": 6_024_417_705_234i64}),
            0,
        ),
        ("orders/delete", known_order, "order.deleted", "", vec![order.clone()], json!({"id": ORDER}), 1),
        (
            "refunds/create",
            known_order,
            "order.refunded",
            "2026-09-15T09:00:00+02:00",
            vec![order.clone(), customer.clone()],
            json!({
                "payment": "partly_refunded", "extra": {"refunds": [{"id": "931100745566", "amounts": ["119.00"], "note": "Arrived scratched",
                    "refund_line_items": [{"line_item_id": "15330017722102", "quantity": 1, "restock_type": "return"}]}]},
            }),
            1,
        ),
        (
            "refunds/create",
            &[],
            "shopify.refunds.create",
            "2026-09-15T09:00:00+02:00",
            vec![order.clone()],
            json!({"note": "Arrived scratched"}),
            0,
        ),
        (
            "fulfillments/create",
            known_order,
            "order.updated",
            "2026-09-11T10:00:00+02:00",
            vec![order.clone(), customer.clone()],
            json!({"fulfilment": "partial", "shipments": [shipment]}),
            1,
        ),
        (
            "fulfillments/update",
            known_order,
            "order.updated",
            "2026-09-13T14:20:00+02:00",
            vec![order.clone(), customer.clone()],
            json!({
                "fulfilment": "partial", "shipments": [{"status": "delivered", "delivered_at": ms("2026-09-13T14:20:00+02:00")}],
            }),
            1,
        ),
        (
            "fulfillments/create",
            &[],
            "shopify.fulfillments.create",
            "2026-09-11T10:00:00+02:00",
            vec![order.clone()],
            json!({"tracking_company": "DHL"}),
            0,
        ),
        (
            "carts/create",
            &[],
            "cart.created",
            "2026-09-10T17:00:00Z",
            vec![cart.clone()],
            json!({
                "id": CART, "customer": null, "email": null, "step": "cart", "total": eur(12_900), "recovery_url": null,
                "lines": [{"variant_id": BRASS, "title": "Desk lamp Arc - Brass", "quantity": 1, "price": eur(12_900), "discount": eur(0)}],
                "created_at": ms("2026-09-10T17:00:00Z"), "updated_at": ms("2026-09-10T17:00:00Z"),
            }),
            1,
        ),
        (
            "carts/update",
            &["carts/create"],
            "cart.updated",
            "2026-09-10T17:04:30Z",
            vec![cart.clone()],
            json!({
                "total": eur(36_410), "lines": [{"quantity": 2, "discount": eur(1_290)}, {"sku": "ARC-BLACK"}], "extra": {"note": "Gift wrap, please"},
            }),
            1,
        ),
        (
            "checkouts/create",
            &["carts/update"],
            "cart.updated",
            "2026-09-10T19:05:00+02:00",
            vec![cart.clone()],
            json!({
                "step": "cart", "lines": lines, "total": eur(36_410), "email": null,
                "recovery_url": "https://lichthaus.example.com/81234500/checkouts/b7c1e0d94a6f4f0d9a55c2e1f7a90b31/recover?key=2f51",
                "created_at": ms("2026-09-10T17:00:00Z"), "extra": {"token": "b7c1e0d94a6f4f0d9a55c2e1f7a90b31", "checkout_id": "37550012344778", "note": "Gift wrap, please"},
            }),
            1,
        ),
        (
            "checkouts/create",
            &[],
            "cart.created",
            "2026-09-10T19:05:00+02:00",
            vec![cart.clone()],
            json!({"id": CART}),
            1,
        ),
        (
            "checkouts/update",
            &["checkouts/create"],
            "cart.updated",
            "2026-09-10T19:08:00+02:00",
            vec![cart.clone(), customer.clone()],
            json!({
                "step": "shipping", "customer": CUSTOMER, "email": "ann.weber@example.com", "phone": "+49305550142", "total": eur(36_900),
            }),
            2,
        ),
        ("checkouts/delete", &["checkouts/create"], "cart.deleted", "", vec![cart.clone()], json!({"id": CART}), 1),
        (
            "customers/create",
            &[],
            "customer.created",
            "2026-08-02T10:15:00+02:00",
            vec![customer.clone()],
            json!({
                "id": CUSTOMER, "email": "Ann.Weber@example.com", "phone": "+4915112345678", "name": "Ann Weber", "tags": [], "consents": [],
                "time_zone": "", "created_at": ms("2026-08-02T10:15:00+02:00"), "extra": {"state": "disabled", "default_address": {"city": "Berlin"}},
            }),
            1,
        ),
        (
            "customers/update",
            &["customers/create"],
            "customer.updated",
            "2026-09-01T09:00:00+02:00",
            vec![customer.clone()],
            json!({
                "name": "Ann Weber-Schmidt", "tags": ["vip", "lamps"],
                "consents": [{"channel": "email", "granted": true, "at": ms("2026-09-01T08:59:00+02:00")},
                    {"channel": "sms", "granted": false, "at": ms("2026-09-01T09:00:00+02:00")}],
            }),
            1,
        ),
        (
            "customers/enable",
            &["customers/update"],
            "customer.updated",
            "2026-09-02T09:00:00+02:00",
            vec![customer.clone()],
            json!({
                "name": "Ann Weber", "tags": ["vip", "lamps"], "consents": [{}, {}], "extra": {"state": "enabled"},
            }),
            1,
        ),
        (
            "customers/disable",
            &["customers/enable"],
            "customer.updated",
            "2026-09-03T09:00:00+02:00",
            vec![customer.clone()],
            json!({"extra": {"state": "disabled"}}),
            1,
        ),
        (
            "customers/delete",
            &["customers/create"],
            "customer.deleted",
            "",
            vec![customer.clone()],
            json!({"id": CUSTOMER}),
            1,
        ),
        (
            "customers_email_marketing_consent/update",
            &["customers/update"],
            "customer.updated",
            "",
            vec![customer.clone()],
            json!({
                "name": "Ann Weber-Schmidt", "tags": ["vip", "lamps"],
                "consents": [{"channel": "email", "granted": false, "at": ms("2026-09-04T12:00:00+02:00")}, {"channel": "sms", "granted": false}],
            }),
            1,
        ),
        (
            "customers_marketing_consent/update",
            &[],
            "customer.updated",
            "",
            vec![customer.clone()],
            json!({
                "id": CUSTOMER, "name": "", "phone": "+4915112345678", "consents": [{"channel": "sms", "granted": true, "at": ms("2026-09-04T12:05:00+02:00")}],
            }),
            1,
        ),
        (
            "products/create",
            &[],
            "product.created",
            "2026-07-01T12:00:00+02:00",
            of_product.clone(),
            json!({
                "id": PRODUCT, "title": "Desk lamp Arc", "category": "Desk lamps", "tags": ["desk", "brass", "new"], "publication": "draft",
                "description": "A desk lamp with a long arm.\nDimmable\nMade of brass & oak",
                "variants": [
                    {"id": BRASS, "product": PRODUCT, "sku": "ARC-BRASS", "title": "Brass", "price": eur(12_900), "compare_at": eur(14_900), "cost": null,
                        "extra": {"inventory_item_id": ITEM, "option1": "Brass", "inventory_quantity": 24}},
                    {"id": BLACK, "compare_at": null},
                ],
                "extra": {"vendor": "Lichthaus", "handle": "desk-lamp-arc"},
            }),
            1,
        ),
        (
            "products/update",
            &["products/create", "inventory_items/update"],
            "product.updated",
            "2026-09-01T07:00:00+02:00",
            of_product.clone(),
            json!({
                "category": "Home & Garden/Lighting/Lamps/Desk Lamps", "publication": "published", "variants": [{"cost": eur(4_150)}, {"cost": null}],
                "extra": {"product_type": "Desk lamps"},
            }),
            1,
        ),
        (
            "products/delete",
            &["products/create"],
            "product.deleted",
            "",
            vec![product.clone()],
            json!({"id": PRODUCT}),
            1,
        ),
        (
            "inventory_items/create",
            &["products/create"],
            "product.updated",
            "2026-09-01T07:30:00+02:00",
            of_product.clone(),
            json!({"variants": [{"cost": null}, {}]}),
            0,
        ),
        (
            "inventory_items/update",
            &["products/create"],
            "product.updated",
            "2026-09-01T07:30:00+02:00",
            of_product.clone(),
            json!({"variants": [{"cost": eur(4_150)}, {"cost": null}]}),
            1,
        ),
        (
            "inventory_items/update",
            &[],
            "shopify.inventory_items.update",
            "2026-09-01T07:30:00+02:00",
            vec![],
            json!({"cost": "41.50"}),
            0,
        ),
        (
            "inventory_items/delete",
            &["products/create"],
            "shopify.inventory_items.delete",
            "",
            vec![],
            json!({"id": 49_301_122_334_455i64}),
            0,
        ),
        (
            "inventory_levels/connect",
            &["products/create"],
            "inventory.updated",
            "2026-09-01T07:31:00+02:00",
            vec![level.clone(), brass.clone()],
            json!({"on_hand": 0}),
            1,
        ),
        (
            "inventory_levels/update",
            &["products/create", "inventory_levels/connect"],
            "inventory.updated",
            "2026-09-01T07:45:00+02:00",
            vec![level.clone(), brass.clone()],
            json!({
                "variant_id": BRASS, "location": LOCATION, "on_hand": 24, "reserved": 0, "incoming": 0, "updated_at": ms("2026-09-01T07:45:00+02:00"),
            }),
            1,
        ),
        (
            "inventory_levels/update",
            &[],
            "shopify.inventory_levels.update",
            "2026-09-01T07:45:00+02:00",
            vec![],
            json!({"available": 24}),
            0,
        ),
        (
            "inventory_levels/disconnect",
            &["products/create", "inventory_levels/update"],
            "inventory.deleted",
            "",
            vec![level.clone()],
            json!({"variant_id": BRASS, "location": LOCATION}),
            1,
        ),
        (
            "customers/data_request",
            &[],
            "privacy.data-requested",
            "",
            vec![customer.clone(), order.clone(), "order:6024417705235".into()],
            json!({"data_request": {"id": 4411}}),
            0,
        ),
        (
            "customers/redact",
            &[],
            "privacy.customer-redact",
            "",
            vec![customer.clone(), order.clone()],
            json!({"customer": {"email": "ann.weber@example.com"}}),
            0,
        ),
        ("shop/redact", &[], "privacy.shop-redact", "", vec![], json!({"shop_domain": "lichthaus.myshopify.com"}), 0),
        (
            "orders/risk_assessment_changed",
            &[],
            "shopify.orders.risk_assessment_changed",
            "2026-09-10T19:12:00+02:00",
            vec![order.clone()],
            json!({"risk_level": "low"}),
            0,
        ),
    ];
    for (topic, before, kind, at, concerns, data, changed) in table {
        let mut shop = Shop::after(before);
        let settled = shop.receive(topic);
        let [event] = &settled.events[..] else { panic!("{topic}: {:?}", settled.events) };
        let at = if at.is_empty() { RECEIVED } else { ms(at) };
        assert_eq!((event.kind.as_str(), event.at), (kind, at), "{topic} after {before:?}");
        assert_eq!(event.concerns, concerns, "{topic} after {before:?}");
        assert_holds(&event.data, &data, topic);
        assert_eq!(settled.puts.len() + settled.removes.len(), changed, "{topic} after {before:?}: {settled:?}");
        // An event that carries state carries what is stored then.
        if let Some((entity, kinds::Change::Put)) = kinds::carries(kind) {
            let parsed = Entity::parse(entity, &event.data).expect(topic);
            assert_eq!(shop.0.get(&(entity, parsed.id.clone())), Some(&parsed), "{topic} after {before:?}");
        }
        // Delivered again, it changes nothing more and has the same names.
        let again = shop.deliver(topic, &fixture(topic)).expect(topic);
        assert!(again.puts.is_empty(), "{topic} after {before:?}: {:?}", again.puts);
        assert_eq!(again.events[0].id_hint, event.id_hint);
    }
}

#[test]
fn a_purchase_from_the_cart_to_the_refund() {
    let mut shop = Shop::default();
    let kinds = |settled: Settled| settled.events.into_iter().map(|event: Event| event.kind).collect::<Vec<_>>();
    for (topic, kind) in [
        ("products/create", "product.created"),
        ("products/update", "product.updated"),
        ("inventory_levels/update", "inventory.updated"),
        ("carts/create", "cart.created"),
        ("carts/update", "cart.updated"),
        ("checkouts/create", "cart.updated"),
        ("checkouts/update", "cart.updated"),
        ("orders/create", "order.placed"),
    ] {
        assert_eq!(kinds(shop.receive(topic)), [kind], "{topic}");
    }
    // The order made the customer known and completed the cart.
    assert_holds(
        &shop.doc(EntityKind::Customer, CUSTOMER),
        &json!({"name": "Ann Weber", "locale": "de-DE"}),
        "customer",
    );
    assert_eq!(shop.cart()["step"], "completed");

    // The platform empties the cart: what was bought stays to be seen, and it stays completed.
    let mut emptied = fixture("carts/update");
    emptied["line_items"] = json!([]);
    emptied["updated_at"] = json!("2026-09-10T17:11:10.000Z");
    shop.deliver("carts/update", &emptied).expect("a cart");
    assert_holds(
        &shop.cart(),
        &json!({"step": "completed", "total": eur(36_900), "email": "ann.weber@example.com"}),
        "cart",
    );

    assert_eq!(kinds(shop.receive("orders/paid")), ["order.paid"]);
    assert_eq!(kinds(shop.receive("fulfillments/create")), ["order.updated"]);
    assert_eq!(shop.order()["fulfilment"], "partial");
    let mut second = fixture("fulfillments/create");
    second["id"] = json!(5_511_207_744_022i64);
    second["line_items"] = json!([{"id": 15_330_017_722_102i64, "quantity": 1}]);
    assert_eq!(kinds(shop.deliver("fulfillments/create", &second).expect("a fulfilment")), ["order.fulfilled"]);
    assert_eq!(kinds(shop.receive("fulfillments/update")), ["order.updated"], "one of two arrived");
    second["shipment_status"] = json!("delivered");
    assert_eq!(kinds(shop.deliver("fulfillments/update", &second).expect("a fulfilment")), ["order.delivered"]);
    assert_holds(
        &shop.order(),
        &json!({"fulfilment": "delivered", "shipments": [{"status": "delivered"}, {"status": "delivered"}]}),
        "order",
    );

    // A fulfilment that was cancelled moved nothing.
    second["status"] = json!("cancelled");
    shop.deliver("fulfillments/update", &second).expect("a fulfilment");
    assert_eq!(shop.order()["fulfilment"], "partial");

    assert_eq!(kinds(shop.receive("refunds/create")), ["order.refunded"]);
    assert_eq!(shop.order()["payment"], "partly_refunded");
    let mut rest = fixture("refunds/create");
    rest["id"] = json!(931_100_745_567i64);
    rest["transactions"][0]["amount"] = json!("250.00");
    shop.deliver("refunds/create", &rest).expect("a refund");
    assert_eq!(shop.order()["payment"], "refunded");
    assert_eq!(shop.order()["extra"]["refunds"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_older_state_does_not_replace_a_newer_one() {
    let mut shop = Shop::after(&[
        "carts/update",
        "orders/updated",
        "customers/update",
        "products/update",
        "inventory_levels/update",
    ]);
    let before = shop.0.clone();
    for topic in ["orders/create", "customers/create", "products/create", "carts/create", "inventory_levels/connect"] {
        let settled = shop.receive(topic);
        assert!(settled.puts.is_empty(), "{topic}: {:?}", settled.puts);
        assert_eq!(settled.events.len(), 1, "{topic}: the event is told all the same");
    }
    assert_eq!(shop.0, before);
    // Consents count by their own time, not by the customer's.
    let mut late = fixture("customers/create");
    late["email_marketing_consent"] =
        json!({"state": "unsubscribed", "consent_updated_at": "2026-09-01T10:00:00+02:00"});
    shop.deliver("customers/create", &late).expect("a customer");
    let customer = shop.doc(EntityKind::Customer, CUSTOMER);
    assert_holds(&customer, &json!({"name": "Ann Weber-Schmidt", "consents": [{"granted": false}, {}]}), "customer");
}

#[test]
fn how_far_a_checkout_got() {
    let base = fixture("checkouts/create");
    let filled = fixture("checkouts/update");
    let table: [(&str, &[(&str, Value)]); 8] = [
        ("cart", &[]),
        ("contact", &[("email", json!("ann@example.com"))]),
        ("contact", &[("phone", json!("+49 151 1234 5678"))]),
        ("cart", &[("phone", json!("call me"))]),
        ("shipping", &[("email", json!("ann@example.com")), ("shipping_address", filled["shipping_address"].clone())]),
        ("shipping", &[("shipping_lines", filled["shipping_lines"].clone())]),
        ("payment", &[("email", json!("ann@example.com")), ("gateway", json!("shopify_payments"))]),
        ("completed", &[("completed_at", json!("2026-09-10T19:11:00+02:00"))]),
    ];
    for (step, fields) in table {
        let mut payload = base.clone();
        for (name, value) in fields {
            payload[*name] = value.clone();
        }
        let mut shop = Shop::default();
        let settled = shop.deliver("checkouts/create", &payload).expect(step);
        assert_eq!(shop.cart()["step"], step, "{fields:?}");
        let kind = if step == "completed" { "cart.completed" } else { "cart.created" };
        assert_eq!(settled.events[0].kind, kind);
    }
    // A checkout without a cart goes by its own token.
    let mut alone = base;
    alone["cart_token"] = Value::Null;
    let settled = Shop::default().deliver("checkouts/create", &alone).expect("a checkout");
    assert_eq!(settled.puts[0].id, "b7c1e0d94a6f4f0d9a55c2e1f7a90b31");
}

#[test]
fn money_of_other_currencies_and_ids_of_other_forms() {
    let mut order = fixture("orders/create");
    order["id"] = json!("gid://shopify/Order/77?key=1");
    order["currency"] = json!("JPY");
    order["current_total_price"] = json!("36900");
    order["line_items"][0]["price"] = json!("12900.0");
    order["line_items"][0]["discount_allocations"] = json!([]);
    order["line_items"][0]["variant_id"] = Value::Null;
    let mut shop = Shop::default();
    shop.deliver("orders/create", &order).expect("an order");
    let yen = |amount: i64| json!({"amount": amount, "currency": "JPY"});
    let expected = json!({"total": yen(36_900), "lines": [{"price": yen(12_900), "variant_id": "", "discount": yen(0)}, {"price": yen(119)}]});
    assert_holds(&shop.doc(EntityKind::Order, "77"), &expected, "order");
}

#[test]
fn payloads_that_are_not_what_they_should_be_say_where() {
    let table: [(&str, &str, Value, &str); 12] = [
        ("orders/create", "/id", Value::Null, "orders/create: `the payload` has no `id`"),
        ("orders/create", "/id", json!({}), "orders/create: `id` must be an id"),
        (
            "orders/create",
            "/current_total_price",
            json!("12,90"),
            "orders/create: `current_total_price` must be an amount",
        ),
        ("orders/create", "/line_items", json!("none"), "orders/create: `line_items` must be a list"),
        ("orders/create", "/line_items/1/price", json!(true), "orders/create: `line_items[1].price` must be an amount"),
        (
            "orders/create",
            "/line_items/0/current_quantity",
            json!(-1),
            "orders/create: `line_items[0].current_quantity` must not be negative",
        ),
        ("orders/create", "/processed_at", json!("yesterday"), "orders/create: `processed_at` must be a time"),
        ("orders/create", "/customer/email", json!(5), "orders/create: `customer.email` must be a text"),
        ("refunds/create", "/order_id", Value::Null, "refunds/create: `the payload` has no `order_id`"),
        ("products/update", "/variants/0/price", Value::Null, "products/update: `variants[0]` has no `price`"),
        (
            "inventory_levels/update",
            "/available",
            json!("many"),
            "inventory_levels/update: `available` must be a whole number",
        ),
        ("customers/update", "", json!([1]), "customers/update: `the payload` must be an object"),
    ];
    for (topic, pointer, value, expected) in table {
        let mut payload = fixture(topic);
        *payload.pointer_mut(pointer).expect(pointer) = value;
        let error = Shop::default().deliver(topic, &payload).expect_err(topic).to_string();
        assert!(error.starts_with(expected), "{error}");
        // It can be kept all the same.
        let kept = raw(topic, &payload, setting()).settle(&Known::default()).expect("always");
        assert_eq!((kept.events.len(), &kept.events[0].data, kept.puts.len()), (1, &payload, 0));
        assert!(kept.events[0].kind.starts_with("shopify."), "{}", kept.events[0].kind);
    }
    for topic in ["", "///", "a b/ü", "X/Y", &"x".repeat(500)] {
        let settled = translate(topic, &json!(null), setting()).expect(topic).settle(&Known::default()).expect(topic);
        assert_eq!(kinds::problem(&settled.events[0].kind), None, "{topic}");
    }
}

/// Every value of every payload, replaced by something else: an error or a translation, never a panic.
#[test]
fn any_value_may_be_anything() {
    fn paths(value: &Value, at: String, all: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, field)| paths(field, format!("{at}/{name}"), all)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| paths(item, format!("{at}/{index}"), all));
            }
            _ => {}
        }
        all.push(at);
    }
    let mut shop = Shop::after(&["products/update", "customers/update", "carts/update", "orders/updated"]);
    let other = [
        json!(null),
        json!(""),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!("\u{0}ü"),
        json!([[]]),
        json!({"id": {}}),
    ];
    for topic in [
        "orders/fulfilled",
        "orders/edited",
        "refunds/create",
        "fulfillments/update",
        "carts/update",
        "checkouts/update",
        "customers/update",
        "customers_marketing_consent/update",
        "products/update",
        "inventory_items/update",
        "inventory_levels/update",
        "customers/data_request",
        "orders/risk_assessment_changed",
    ] {
        let payload = fixture(topic);
        let mut all = Vec::new();
        paths(&payload, String::new(), &mut all);
        for (index, path) in all.iter().enumerate() {
            let mut changed = payload.clone();
            *changed.pointer_mut(path).expect(path) = other[index % other.len()].clone();
            let _ = shop.deliver(topic, &changed);
        }
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    pairs.iter().map(header).collect()
}

#[test]
fn deliveries_are_verified_and_read_in_both_families() {
    let body = br#"{"id":1,"note":"\u00fc"}"#;
    // Computed with `openssl dgst -sha256 -hmac hush -binary | base64`.
    let signature = "XYWY+s9fKRdgavWjR+tSrW/8dZaQB5REP49nAsQMbVA=";
    assert_eq!(sign_body(b"hush", body), signature);
    let old = headers(&[
        ("X-Shopify-Topic", "orders/create"),
        ("X-Shopify-Hmac-Sha256", signature),
        ("X-Shopify-Shop-Domain", "Lichthaus.myshopify.com"),
        ("X-Shopify-API-Version", "2026-07"),
        ("X-Shopify-Webhook-Id", "w-1"),
        ("X-Shopify-Event-Id", "e-1"),
        ("X-Shopify-Triggered-At", "2026-09-10T17:11:03.123456789Z"),
        ("X-Shopify-Name", "main"),
    ]);
    let delivery = verify(&old, body, &["new secret", "hush"]).expect("verified");
    assert_eq!((delivery.topic.as_str(), delivery.shop_domain.as_str()), ("orders/create", "lichthaus.myshopify.com"));
    assert_eq!((delivery.webhook_id.as_str(), delivery.event_id.as_deref()), ("w-1", Some("e-1")));
    assert_eq!(
        (delivery.api_version.as_deref(), delivery.triggered_at),
        (Some("2026-07"), Some(ms("2026-09-10T17:11:03.123Z")))
    );
    assert_eq!((delivery.subscription.as_deref(), delivery.key().as_str()), (Some("main"), "main/w-1"));

    let new = headers(&[
        ("shopify-topic", "Orders/Create"),
        ("shopify-hmac-sha256", signature),
        ("shopify-shop-domain", "lichthaus.myshopify.com"),
        ("shopify-handle", "order-feed"),
    ]);
    let delivery = verify(&new, body, &["hush"]).expect("verified");
    assert_eq!((delivery.topic.as_str(), delivery.subscription.as_deref()), ("orders/create", Some("order-feed")));
    // Without an id, the delivery is known by what it says.
    assert_eq!(delivery.webhook_id.len(), 64);
    assert_eq!(delivery.webhook_id, verify(&new, body, &["hush"]).expect("verified").webhook_id);

    for (headers, body, secret) in [
        (&old, &body[..], "wrong"),
        (&old, &br#"{"id":2}"#[..], "hush"),
        (
            &headers(&[("X-Shopify-Topic", "orders/create"), ("X-Shopify-Shop-Domain", "a.myshopify.com")]),
            &body[..],
            "hush",
        ),
        (
            &headers(&[("X-Shopify-Hmac-Sha256", signature), ("X-Shopify-Shop-Domain", "a.myshopify.com")]),
            &body[..],
            "hush",
        ),
        (&headers(&[("X-Shopify-Hmac-Sha256", signature), ("X-Shopify-Topic", "orders/create")]), &body[..], "hush"),
        (&headers(&[("X-Shopify-Hmac-Sha256", "not base64"), ("X-Shopify-Topic", "a/b")]), &body[..], "hush"),
    ] {
        let error = verify(headers, body, &[secret]).expect_err("not verified");
        assert!(matches!(error, ConnectorError::Signature { .. }), "{error}");
    }
}
