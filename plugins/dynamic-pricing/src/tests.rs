//! The sequence, against a pretended host.

use shopwright_sdk::{
    market::CompetitorPrice,
    testing::{Action, BEGIN, Emitted, Host, Started, event, record, sample},
};

use super::*;

/// A shop with `p1-1` at 20.00 EUR that costs 8.00.
fn host(units: i64, per_day: f64) -> Host {
    let mut host = Host::new();
    host.put(sample::product("p1")).put(sample::level("p1-1", units)).velocity("p1-1", per_day);
    host
}

fn settings() -> Settings {
    Settings { ending: 0, ..Settings::default() }
}

fn stock_event(units: i64) -> shopwright_sdk::Event {
    event("inventory.updated", &sample::level("p1-1", units))
}

fn run(host: &mut Host, trigger: shopwright_sdk::Event) -> Value {
    match host.run(reprice, trigger, settings()).unwrap() {
        Outcome::Done(value) => value["p1-1"].clone(),
        Outcome::ContinueAsNew(_) => panic!("a price is not gone on with"),
    }
}

fn prices(host: &Host) -> Vec<i64> {
    let price = |action: &Action| match action {
        Action::SetPrice { price, .. } => Some(price.minor()),
        _ => None,
    };
    host.actions().iter().filter_map(price).collect()
}

fn rival(price: i64, at: Timestamp) -> CompetitorPrice {
    record(json!({
        "competitor": "rival", "variant_id": "p1-1", "price": Money::new(price, "EUR"), "in_stock": true, "at": at,
    }))
}

#[test]
fn the_schedule_starts_a_run_per_product() {
    let mut host = host(50, 1.0);
    host.put(sample::product("p2"));
    host.conditions(|condition, item| {
        assert_eq!(condition, "item.publication == 'published'");
        item["publication"] == "published"
    });
    host.put(shopwright_sdk::catalog::Product {
        publication: shopwright_sdk::catalog::Publication::Draft,
        ..sample::product("p3")
    });
    let done = host.run(review, Trigger::Schedule(BEGIN), settings()).unwrap();
    assert_eq!(done, Outcome::Done(json!({ "products": 2 })));
    let inputs: Vec<Value> = host.started().into_iter().map(|Started { input, .. }| input).collect();
    assert_eq!(inputs, [json!({ "product": "p1" }), json!({ "product": "p2" })]);
    assert_eq!(host.emitted(), Vec::<Emitted>::new());
    // Such a run.
    let mut scarce = self::host(1, 10.0);
    scarce.run(reprice, Trigger::Manual(json!({ "product": "p1" })), settings()).unwrap();
    assert_eq!(prices(&scarce), [2_060]);
}

#[test]
fn scarce_stock_raises_the_price_with_the_reason_kept() {
    let mut host = host(7, 1.0);
    let shown = run(&mut host, stock_event(7));
    assert_eq!(shown["price"], "20.45 EUR");
    let actions = host.actions();
    let Action::SetPrice { variant, reason, .. } = &actions[0] else { panic!("{actions:?}") };
    assert_eq!(variant, "p1-1");
    assert_eq!(reason, "stock lasts 7 days, sales +0% against the month: 20.00 EUR -> 20.45 EUR (+2.2%)");
}

#[test]
fn many_events_on_a_day_change_the_price_once() {
    let mut host = host(7, 1.0);
    for units in (1..=7).rev() {
        run(&mut host, stock_event(units));
    }
    assert_eq!(prices(&host).len(), 1);
}

#[test]
fn a_price_that_a_person_set_is_the_new_base() {
    let mut host = host(1000, 1.0);
    run(&mut host, stock_event(1000));
    assert_eq!(prices(&host), [1_900]);
    let mut product = sample::product("p1");
    product.variants[0].price = Money::new(3_000, "EUR");
    host.put(product);
    run(&mut host, stock_event(1000));
    assert_eq!(prices(&host), [1_900, 2_850], "no rest after a person's change");
    assert_eq!(host.memory("variant/p1-1").unwrap()["base"], json!(Money::new(3_000, "EUR")));
}

#[test]
fn a_competitor_is_answered_and_staff_is_told_once() {
    let mut host = host(30, 1.0);
    run(&mut host, event("competitor.price-changed", &rival(1_950, BEGIN)));
    assert!(host.actions().is_empty(), "tolerated");
    let cheap = event("competitor.price-changed", &rival(1_640, host.now()));
    let shown = run(&mut host, cheap.clone());
    assert_eq!(shown["price"], "19.00 EUR", "one step of 5%");
    run(&mut host, cheap);
    let actions = host.actions();
    assert_eq!(actions.len(), 2, "{actions:?}");
    let Action::NotifyStaff { channel, text, .. } = &actions[0] else { panic!("{actions:?}") };
    assert_eq!(channel, "pricing");
    assert_eq!(text, "rival dropped 16% to 16.40 EUR, we are 22% above with 20.00 EUR for One size");
}

#[test]
fn a_guardrails_no_is_kept_and_not_asked_again() {
    let mut host = host(1000, 1.0);
    host.judge(|action| match action {
        Action::SetPrice { .. } => Err(ActionError::Denied("no price below 19.50".into())),
        _ => Ok(()),
    });
    let shown = run(&mut host, stock_event(1000));
    assert_eq!((&shown["refused"], &shown["why"]), (&json!("19.00 EUR"), &json!("no price below 19.50")));
    host.judge(|action| panic!("asked again: {action:?}"));
    assert_eq!(run(&mut host, stock_event(1000))["kept"], "20.00 EUR");
}
