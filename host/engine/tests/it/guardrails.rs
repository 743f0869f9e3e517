//! What the shop's rules do to a run: the words reach the guest, time is the customer's.

use serde_json::{Value, json};
use shopwright_engine::{Change, Mode};
use shopwright_store::ops::{EffectState, RunState};

use crate::support::{DAY, HOUR, SHOP, START, World, customer, product};

async fn shop() -> World {
    let world = World::probed().await;
    world.event("customer.created", "c", customer("42")).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_carries_the_rules_words_into_the_guest_and_the_ledger() {
    let words = "Ask Eve.";
    let rules = [
        (
            json!({"kind": "price_floor", "amount": {"amount": 1_500, "currency": "EUR"}}),
            json!({"do": "price", "variant": "v1", "amount": 1_499}),
        ),
        (json!({"kind": "minimum_margin", "percent": 50}), json!({"do": "price", "variant": "v1", "amount": 1_999})),
        (
            json!({"kind": "largest_price_change", "percent": 10, "window_hours": 24}),
            json!({"do": "price", "variant": "v1", "amount": 2_201}),
        ),
        (
            json!({"kind": "discount_ceiling", "percent": 20}),
            json!({"do": "discount", "customer": "42", "percent": 20.5, "days": 1}),
        ),
        (
            json!({"kind": "discount_duration", "max_hours": 24}),
            json!({"do": "discount", "customer": "42", "percent": 5, "days": 2}),
        ),
        (
            json!({"kind": "action_budget", "function": "messaging.notify-staff", "per_day": 0}),
            json!({"do": "staff", "channel": "#a", "text": "t"}),
        ),
        (
            json!({"kind": "quiet_hours", "from": "09:00", "to": "11:00", "then": "deny", "purposes": ["transactional"]}),
            json!({"do": "email", "customer": "42"}),
        ),
        (json!({"kind": "marketing_consent"}), json!({"do": "sms", "customer": "42", "text": "t", "marketing": true})),
    ];
    for (mut rule, step) in rules {
        let world = shop().await;
        rule["words"] = words.into();
        world.rule(rule.clone()).await;
        let run = world.go("1", json!([step])).await;
        assert_eq!(world.said(run).await, json!([{"denied": words}]), "{rule}");
        let effects = world.effects(run).await;
        assert_eq!(
            (effects.len(), effects[0].state, effects[0].error.as_deref()),
            (1, EffectState::Denied, Some(words))
        );
        assert!(world.mail().await.is_empty());
    }
}

/// What is within every rule happens; the run sees its own writes and the rules count them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_changes_of_one_run_count_together() {
    let world = shop().await;
    world.rule(json!({"kind": "largest_price_change", "percent": 10, "window_hours": 24, "words": "Too far."})).await;
    world.rule(json!({"kind": "message_frequency", "max": 2, "window_hours": 24, "words": "Enough."})).await;
    let price = |amount: i64| json!({"do": "price", "variant": "v1", "amount": amount});
    let email = json!({"do": "email", "customer": "42", "note": "n"});
    let read = json!({"do": "variant", "id": "v1"});
    let steps = json!([price(1_900), read, price(1_800), read, price(1_750), read, email, email, email]);
    let run = world.go("1", steps).await;
    let (too_far, enough) = (json!({"denied": "Too far."}), json!({"denied": "Enough."}));
    assert_eq!(world.said(run).await, json!(["done", 1_900, "done", 1_800, too_far, 1_800, "done", "done", enough]));
    let changes = world.store().price_changes(SHOP, "v1", None, 10).await.expect("a history");
    assert_eq!(changes.iter().map(|c| (c.before, c.after)).collect::<Vec<_>>(), [(1_900, 1_800), (2_000, 1_900)]);
    assert_eq!(world.mail().await.len(), 2);
    // Another run a day later starts from the present price.
    world.pass(DAY).await;
    let run = world.go("2", json!([price(1_620), price(1_619)])).await;
    assert_eq!(world.said(run).await, json!(["done", too_far]));
}

/// 22:30 in Tokyo: the message waits for 8 o'clock there, whatever the clock says in the shop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_are_the_customers_own() {
    let world = World::probed().await;
    world.rule(json!({"kind": "quiet_hours", "from": "21:00", "to": "08:00", "words": "Not at night."})).await;
    let mut tokyo = customer("1");
    tokyo["time_zone"] = "Asia/Tokyo".into();
    let mut unknown = customer("2");
    unknown["time_zone"] = "".into();
    for (id, document) in [("1", tokyo), ("2", unknown)] {
        world.event("customer.created", &format!("c{id}"), document).await;
    }
    world.pass(4 * HOUR + HOUR / 2).await;
    let email = |id: &str| json!([{"do": "email", "customer": id, "marketing": true, "note": "n"}, {"do": "now", "since": START}]);
    let there = world.go("1", email("1")).await;
    let here = world.go("2", email("2")).await;
    assert_eq!(world.said(here).await[0], "done", "14:30 in the shop");
    let row = world.row(there).await;
    assert_eq!(row.due_at, Some(START + 14 * HOUR), "08:00 in Tokyo is 23:00 UTC");
    assert!(row.wait.expect("it waits").contains("Not at night."));
    world.pass(9 * HOUR).await;
    assert_eq!(world.state(there).await, RunState::Waiting);
    world.pass(HOUR).await;
    assert_eq!(world.said(there).await[0], "done");
    assert_eq!(world.mail().await.len(), 2);
    assert_eq!(world.effects(there).await.len(), 1);
}

/// A run that waits for the morning asks again then: what was forbidden meanwhile stays forbidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_message_is_judged_anew_when_its_time_comes() {
    let world = World::probed().await;
    world.rule(json!({"kind": "quiet_hours", "from": "09:00", "to": "12:00"})).await;
    world.event("customer.created", "c", customer("42")).await;
    let run = world.go("1", json!([{"do": "email", "customer": "42", "marketing": true}])).await;
    assert_eq!(world.state(run).await, RunState::Waiting);
    let mut withdrawn = customer("42");
    withdrawn["consents"] = json!([{"channel": "email", "granted": false, "at": START}]);
    world.event("customer.updated", "c2", withdrawn).await;
    world.pass(3 * HOUR).await;
    assert!(world.said(run).await[0]["denied"].is_string());
    assert!(world.mail().await.is_empty());
}

/// A trial is judged as the live one, sees its own writes, and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_acts_on_nothing() {
    let world = shop().await;
    world
        .rule(json!({"kind": "price_floor", "amount": {"amount": 1_500, "currency": "EUR"}, "words": "Too low."}))
        .await;
    world
        .engine
        .change(SHOP, "probe", Change { mode: Some(Mode::Shadow), ..Change::default() })
        .await
        .expect("changed");
    let latest = world.store().latest_seq().await.expect("a number");
    let run = world
        .go(
            "1",
            json!([
        {"do": "price", "variant": "v1", "amount": 1_600}, {"do": "variant", "id": "v1"},
        {"do": "price", "variant": "v1", "amount": 1_400}, {"do": "email", "customer": "42"},
        {"do": "add", "key": "n", "by": 1}, {"do": "get", "key": "n"}, {"do": "emit", "kind": "probe.go"},
        {"do": "ask", "title": "?", "choices": ["a", "b"], "ms": HOUR}]),
        )
        .await;
    assert_eq!(world.said(run).await, json!(["done", 1_600, {"denied": "Too low."}, "done", 1, 1, null]));
    let states: Vec<_> = world.effects(run).await.into_iter().map(|effect| effect.state).collect();
    assert_eq!(states, [EffectState::Recorded, EffectState::Denied, EffectState::Recorded]);
    let after: Value = serde_json::from_str(
        &world
            .store()
            .entity(SHOP, shopwright_model::EntityKind::Product, "p1")
            .await
            .expect("a store")
            .expect("a product")
            .doc,
    )
    .expect("JSON");
    assert_eq!(after["variants"][0]["price"]["amount"], 2_000);
    assert!(world.mail().await.is_empty() && world.memory("n").await.is_none());
    assert_eq!(world.store().latest_seq().await.expect("a number"), latest + 1, "no event but the trigger");
}
