//! What each read answers.

use super::*;
use shopwright_model::EntityKind as Kind;

const DAY: u64 = 86_400_000;

#[test]
fn things_are_found_by_their_names() {
    let shelf = Shelf::new()
        .with(Kind::Customer, [customer("42")])
        .with(Kind::Order, [order("1001", "42", 5, 10)])
        .with(Kind::Product, [product("p", &["v1", "v2"])])
        .with(Kind::Ticket, [ticket("7", "open", 1)]);
    for (name, argument, field, expected) in [
        ("customers.get", "42", "id", json!("42")),
        ("customers.find-by-email", " 42@EXAMPLE.com", "id", json!("42")),
        ("orders.get", "1001", "number", json!("#1001")),
        ("orders.find-by-number", "#1001", "id", json!("1001")),
        ("orders.find-by-number", "1001", "id", json!("1001")),
        ("catalog.get-product", "p", "title", json!("Shoe")),
        ("catalog.get-variant", "v2", "extra", json!({"colour": "red"})),
        ("support.get", "7", "tags", json!(["old"])),
    ] {
        assert_eq!(ok(&shelf, name, json!([argument]))[field], expected, "{name}");
        assert_eq!(ok(&shelf, name, json!(["nothing"])), Json::Null, "{name}");
    }
    let away = Shelf { away: true, ..Shelf::new() };
    assert_eq!(call(&away, "customers.get", json!(["42"])), Err(ReadError::Unavailable("the store is away".into())));
}

#[test]
fn standing_counts_orders_that_stand() {
    let mut orders = vec![
        order("1", "42", 10 * DAY, 1_000),
        order("2", "42", 11 * DAY, 2_000),
        order("3", "42", 15 * DAY, 3_000),
        order("4", "42", 40 * DAY, 4_000),
        order("5", "42", 50 * DAY, 9_999),
        order("6", "other", 50 * DAY, 9_999),
    ];
    orders[0]["lines"] = json!([line("v", 1, 0), line("w", 1, 50)]);
    orders[1]["lines"] = json!([line("v", 1, 0)]);
    orders[1]["cart"] = json!("c2");
    orders[2]["cart"] = json!("c3");
    orders[3]["cart"] = json!("gone");
    orders[4]["cancelled_at"] = json!(51 * DAY);
    let cart = |id: &str, created_at: u64| {
        json!({"id": id, "customer": "42", "lines": [], "total": eur(0), "step": "completed",
            "created_at": created_at, "updated_at": created_at})
    };
    let shelf = Shelf::new()
        .with(Kind::Customer, [customer("42"), customer("new")])
        .with(Kind::Order, orders)
        .with(Kind::Cart, [cart("c2", 11 * DAY - 100), cart("c3", 15 * DAY - 301)]);
    assert_eq!(
        ok(&shelf, "customers.get-standing", json!(["42"])),
        json!({"orders": 4, "spent": eur(10_000), "first_order_at": 10 * DAY, "last_order_at": 40 * DAY,
            "order_interval": 4 * DAY, "decision_time": 200, "discount_share": 0.25,
            "predicted_value": null, "churn_risk": null, "tier": null, "segments": []})
    );
    assert_eq!(
        ok(&shelf, "customers.get-standing", json!(["new"])),
        json!({"orders": 0, "spent": eur(0), "first_order_at": null, "last_order_at": null, "order_interval": null,
            "decision_time": null, "discount_share": null, "predicted_value": null, "churn_risk": null, "tier": null,
            "segments": []})
    );
    assert!(invalid(&shelf, "customers.get-standing", json!(["x"])).contains("`x`: there is no such customer"));
}

#[test]
fn velocity_is_units_a_day_over_the_window() {
    let now = u64::try_from(shelf::NOW).expect("after 1970");
    let sold = |id: &str, at: u64, units: u32| {
        let mut order = order(id, "42", at, 1);
        order["lines"] = json!([line("v", units, 0), line("other", 100, 0)]);
        order
    };
    let mut cancelled = sold("4", now - DAY, 1_000);
    cancelled["fulfilment"] = json!("cancelled");
    let orders = [sold("1", now, 3), sold("2", now - 4 * DAY + 1, 2), sold("3", now - 4 * DAY, 50), cancelled];
    let shelf = Shelf::new().with(Kind::Order, orders);
    assert_eq!(ok(&shelf, "inventory.velocity", json!(["v", 4 * DAY])), json!(1.25));
    assert_eq!(ok(&shelf, "inventory.velocity", json!(["unsold", DAY / 24])), json!(0.0));
    for window in [0, DAY / 24 - 1, 731 * DAY + 1, u64::MAX] {
        assert!(invalid(&shelf, "inventory.velocity", json!(["v", window])).contains(&window.to_string()));
    }
}

#[test]
fn lists_of_a_variant_or_customer_have_a_stated_order() {
    let level = |variant: &str, location: &str, at: u64| json!({"variant_id": variant, "location": location, "on_hand": 5, "reserved": 1, "incoming": 0, "updated_at": at});
    let price = |competitor: &str, at: u64| json!({"competitor": competitor, "variant_id": "v", "price": eur(1), "in_stock": true, "at": at});
    let answered = |customer: &str, channel: &str, template: &str| json!({"customer": customer, "channel": channel, "template": template, "sent": 3, "opened": 2, "clicked": 1});
    let shelf = Shelf::new()
        .with(
            Kind::Level,
            [level("v", "paris", 3), level("v", "berlin", 1), level("v", "rome", 2), level("w", "rome", 2)],
        )
        .with(Kind::CompetitorPrice, [price("zeta", 9), price("acme", 3)])
        .with(
            Kind::Engagement,
            [
                answered("42", "sms", "a"),
                answered("42", "email", "b"),
                answered("42", "email", "a"),
                answered("4", "sms", "a"),
            ],
        );
    let each = |name: &str, argument: &str, field: &str| -> Vec<Json> {
        let all = ok(&shelf, name, json!([argument]));
        all.as_array().expect("a list").iter().map(|item| item[field].clone()).collect()
    };
    assert_eq!(each("inventory.levels", "v", "location"), ["berlin", "paris", "rome"]);
    assert_eq!(each("inventory.levels", "untracked", "location"), [Json::Null; 0]);
    assert_eq!(each("market.prices-of", "v", "competitor"), ["acme", "zeta"]);
    assert_eq!(each("customers.engagement-of", "42", "channel"), ["email", "email", "sms"]);
    assert_eq!(each("customers.engagement-of", "42", "template"), ["a", "b", "a"]);
}

#[test]
fn open_carts_and_tickets_newest_first_at_most_fifty() {
    let cart = |id: usize, step: &str| {
        json!({"id": format!("c{id}"), "customer": "42", "lines": [], "total": eur(1), "step": step, "created_at": 1,
            "updated_at": 1_000 + id})
    };
    let carts = (0..300).map(|id| cart(id, if id >= 290 { "completed" } else { "shipping" }));
    let status = |id: u64| ["closed", "open", "resolved", "pending"][usize::try_from(id % 4).expect("small")];
    let tickets = (0..6).map(|id| ticket(&id.to_string(), status(id), id));
    let shelf = Shelf::new().with(Kind::Cart, carts).with(Kind::Ticket, tickets);
    let open = ok(&shelf, "carts.open-of-customer", json!(["42"]));
    let ids: Vec<&str> = open.as_array().expect("a list").iter().filter_map(|cart| cart["id"].as_str()).collect();
    assert_eq!((ids.len(), ids[0], ids[49]), (50, "c289", "c240"));
    let open = ok(&shelf, "support.open-of-customer", json!(["42"]));
    let ids: Vec<&str> = open.as_array().expect("a list").iter().filter_map(|ticket| ticket["id"].as_str()).collect();
    assert_eq!(ids, ["5", "3", "1"]);
}

#[test]
fn a_summary_has_the_newest_of_the_best_with_a_text() {
    let review = |id: &str, product: &str, rating: u32, text: &str, at: u64| json!({"id": id, "product": product, "author": "Ann", "rating": rating, "title": "t", "text": text, "at": at});
    let shelf = Shelf::new().with(
        Kind::Review,
        [
            review("1", "p", 5, "", 9),
            review("2", "p", 4, "old", 1),
            review("3", "p", 4, "new", 5),
            review("4", "p", 1, "latest", 8),
            review("5", "mute", 5, " ", 8),
        ],
    );
    let summary = ok(&shelf, "reviews.summary-of", json!(["p"]));
    assert_eq!((&summary["count"], &summary["average"]), (&json!(4), &json!(3.5)));
    assert_eq!(summary["best"]["id"], "3");
    assert_eq!(ok(&shelf, "reviews.summary-of", json!(["mute"]))["best"], Json::Null);
    assert_eq!(ok(&shelf, "reviews.summary-of", json!(["none"])), Json::Null);
}

#[test]
fn articles_are_found_by_the_words_they_share() {
    let article = |id: &str, title: &str, text: &str| json!({"id": id, "title": title, "text": text, "url": "u"});
    let shelf = Shelf::new().with(
        Kind::Article,
        [
            article("a", "Returning shoes", "Send the shoes back within 30 days."),
            article("b", "Shipping", "Parcels ship within two days. Returns ship free."),
            article("c", "Payment", "Cards and invoices."),
            article("d", "Sizes of shoes", "Measure your foot."),
        ],
    );
    let search = |text: &str, limit: u32| -> Vec<(String, f64)> {
        let found = ok(&shelf, "support.search-articles", json!([text, limit]));
        let hit = |hit: &Json| (hit["id"].as_str().expect("an id").to_owned(), hit["score"].as_f64().expect("a score"));
        found.as_array().expect("a list").iter().map(hit).collect()
    };
    // Both words in the title; the text alone has one; the title alone has the commoner one.
    let found = search("How do I return my shoes?", 20);
    assert_eq!(found[0], ("a".into(), 1.0));
    assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "d", "b"]);
    assert!(found.iter().all(|(_, score)| *score > 0.0 && *score <= 1.0));
    assert_eq!(search("How do I return my shoes?", 1).len(), 1);
    assert_eq!(search("invoice", 5), [("c".to_owned(), 0.5)]);
    assert!(search("giraffe", 5).is_empty());
    assert!(search("", 5).is_empty());
    for limit in [0, 21] {
        assert!(invalid(&shelf, "support.search-articles", json!(["x", limit])).contains("1 to 20"));
    }
}
