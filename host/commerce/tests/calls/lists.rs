//! Pages, cursors and conditions.

use std::sync::atomic::Ordering;

use super::*;
use shopwright_commerce::{PriceChangeRow, SCAN_LIMIT};
use shopwright_model::{EntityKind as Kind, market::PriceChange};

fn page(limit: u32, after: &Json) -> Json {
    json!({"limit": limit, "after": after})
}

/// The ids of every page until there is no next one.
fn pages(shelf: &Shelf, name: &str, argument: &str, limit: u32, id: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut after = Json::Null;
    loop {
        let answer = ok(shelf, name, json!([argument, page(limit, &after)]));
        let items = answer["items"].as_array().expect("items");
        let text = |item: &Json| item[id].as_str().map_or_else(|| item[id].to_string(), str::to_owned);
        all.push(items.iter().map(text).collect());
        after = answer["next"].clone();
        if after.is_null() {
            return all;
        }
        assert!(all.len() < 100, "{name} never ends");
    }
}

#[test]
fn pages_of_an_owner_go_newest_first_and_miss_nothing_at_the_same_moment() {
    // Five placed at one moment, so that pages end within them.
    let orders = (0..9).map(|i| order(&format!("o{i}"), "42", if i < 5 { 7 } else { 10 + i }, 1));
    let shelf = Shelf::new().with(Kind::Order, orders).with(Kind::Ticket, [ticket("t1", "closed", 1)]);
    let newest_first = ["o8", "o7", "o6", "o5", "o4", "o3", "o2", "o1", "o0"];
    for limit in [1, 2, 3, 8, 9, 10, 250] {
        let got = pages(&shelf, "orders.of-customer", "42", limit, "id");
        assert_eq!(got.concat(), newest_first, "by {limit}");
        assert_eq!(got.len(), 9_usize.div_ceil(limit as usize), "no empty last page by {limit}");
    }
    assert_eq!(pages(&shelf, "orders.of-customer", "none", 5, "id"), [Vec::<String>::new()]);
    assert_eq!(pages(&shelf, "support.of-customer", "42", 5, "id"), [["t1"]]);
}

#[test]
fn pages_of_price_changes() {
    let money = |amount| shopwright_model::types::Money { amount, currency: "EUR".into() };
    let change = |row: i64, variant: &str, at: u64| PriceChangeRow {
        row,
        change: PriceChange {
            variant_id: variant.into(),
            before: money(1),
            after: money(row),
            at,
            reason: "r".into(),
            by: "run:1".into(),
        },
    };
    let changes = vec![change(1, "v", 5), change(2, "v", 9), change(3, "v", 9), change(4, "w", 9), change(5, "v", 9)];
    let shelf = Shelf { changes, ..Shelf::new() };
    for limit in [1, 2, 250] {
        let prices = pages(&shelf, "market.changes-of", "v", limit, "after").concat();
        let amounts: Vec<Json> =
            prices.iter().map(|price| serde_json::from_str::<Json>(price).expect("money")).collect();
        assert_eq!(amounts, [eur(5), eur(3), eur(2), eur(1)], "by {limit}");
    }
}

#[test]
fn conditions_select_in_the_order_of_ids() {
    let shelf = Shelf::new().with(
        Kind::Product,
        (0..20).map(|i| {
            let mut product = product(&format!("p{i:02}"), &[&format!("v{i}")]);
            product["tags"] = if i % 3 == 0 { json!(["sale"]) } else { json!([]) };
            product
        }),
    );
    let sale = ["p00", "p03", "p06", "p09", "p12", "p15", "p18"];
    for limit in [1, 2, 7, 8, 250] {
        assert_eq!(pages(&shelf, "catalog.query", "'sale' in item.tags", limit, "id").concat(), sale, "by {limit}");
        assert_eq!(pages(&shelf, "catalog.query", "  ", limit, "id").concat().len(), 20, "by {limit}");
    }
    let dear = "item.variants.exists(v, v.price.amount > 999) && item.id > 'p17'";
    assert_eq!(pages(&shelf, "catalog.query", dear, 5, "id").concat(), ["p18", "p19"]);
    assert_eq!(pages(&shelf, "catalog.query", "item.nothing == 1", 5, "id").concat(), [""; 0]);
    for (condition, part) in [("item.", "line 1"), ("event.id == ''", "event"), ("item.title", "title")] {
        let message = invalid(&shelf, "catalog.query", json!([condition, page(5, &Json::Null)]));
        assert!(message.starts_with("`condition`") && message.contains(part), "{condition}: {message}");
    }
}

#[test]
fn every_kind_can_be_queried() {
    let shelf = Shelf::new()
        .with(Kind::Customer, [customer("1"), customer("2")])
        .with(Kind::Order, [order("1", "42", 1, 500), order("2", "42", 1, 5_000)]);
    assert_eq!(pages(&shelf, "customers.query", "item.email.endsWith('Example.com')", 5, "id").concat(), ["1", "2"]);
    assert_eq!(pages(&shelf, "orders.query", "item.total.amount > 1000", 5, "id").concat(), ["2"]);
}

#[test]
fn a_query_examines_only_so_much_and_goes_on_from_there() {
    let last = SCAN_LIMIT * 2 + 100;
    let shelf = Shelf::new().with(
        Kind::Customer,
        (0..=last).map(|i| {
            let mut customer = customer(&format!("c{i:06}"));
            customer["tags"] = if i == last { json!(["vip"]) } else { json!([]) };
            customer
        }),
    );
    let mut after = Json::Null;
    let mut found = Vec::new();
    for _ in 0..3 {
        shelf.examined.store(0, Ordering::Relaxed);
        let answer = ok(&shelf, "customers.query", json!(["'vip' in item.tags", page(250, &after)]));
        let examined = shelf.examined.load(Ordering::Relaxed);
        assert!(examined <= SCAN_LIMIT, "{examined}");
        found.push(answer["items"].as_array().expect("items").len());
        after = answer["next"].clone();
    }
    assert_eq!((found, after), (vec![0, 0, 1], Json::Null));
    // Without a condition no more is read than the page takes, and one.
    shelf.examined.store(0, Ordering::Relaxed);
    ok(&shelf, "customers.query", json!(["", page(10, &Json::Null)]));
    assert_eq!(shelf.examined.load(Ordering::Relaxed), 11);
}

#[test]
fn limits_and_cursors_that_make_no_sense_are_named() {
    let shelf = Shelf::new().with(Kind::Order, (0..3).map(|i| order(&i.to_string(), "42", 1, 1)));
    let lists = [
        "orders.of-customer",
        "support.of-customer",
        "customers.query",
        "catalog.query",
        "orders.query",
        "market.changes-of",
    ];
    for name in lists {
        for limit in [0, 251, u32::MAX] {
            let message = invalid(&shelf, name, json!(["", page(limit, &Json::Null)]));
            assert_eq!(message, format!("`page.limit` is {limit}: it must be 1 to 250"), "{name}");
        }
        for after in ["", "x", "o", "o7c", "s0", "szz", "p317c", "ö", "\u{0}"] {
            let parameters = json!(["", page(5, &json!(after))]);
            // A cursor of the right letter may be well formed by chance; none of the others is.
            if let Err(error) = call(&shelf, name, parameters) {
                assert!(
                    matches!(&error, ReadError::Invalid(m) if m.starts_with("`page.after`")),
                    "{name} {after}: {error:?}"
                );
            } else {
                assert!(name.ends_with("query") && after == "s", "{name} took {after}");
            }
        }
    }
    // Of another sort of list.
    let next = ok(&shelf, "orders.of-customer", json!(["42", page(1, &Json::Null)]))["next"].clone();
    assert!(invalid(&shelf, "orders.query", json!(["", page(1, &next)])).contains("of this list"));
}
