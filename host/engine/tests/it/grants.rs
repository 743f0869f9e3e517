//! What an operator narrowed stays narrow: each narrowing denies in words that reach the guest and the ledger.

use serde_json::{Value, json};
use shopwright_engine::Change;
use shopwright_store::ops::EffectState;

use crate::support::{DAY, SHOP, World, customer, product};

/// The probe with one of its grants in another form.
async fn narrowed(grant: Value) -> World {
    let world = World::probed().await;
    world.event("customer.created", "c", customer("42")).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    let present = world.engine.installations(SHOP).expect("installations").remove(0);
    let mut grants = serde_json::to_value(&present.grants).expect("JSON");
    let all = grants.as_array_mut().expect("a list");
    let place = all.iter_mut().find(|known| known["function"] == grant["function"]).expect("it is asked for");
    *place = grant;
    let change = Change { grants: Some(grants), ..Change::default() };
    world.engine.change(SHOP, "probe", change).await.expect("changed");
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_narrowing_denies_with_words() {
    let staff = |channel: &str| json!({"do": "staff", "channel": channel, "text": "t"});
    let email = json!({"do": "email", "customer": "42"});
    let price = json!({"do": "price", "variant": "v1", "amount": 1_900});
    let table = [
        (
            json!({"function": "messaging.notify-staff", "channels": ["sales"]}),
            json!([staff("sales"), staff("#all")]),
            json!(["done", {"denied": "This plugin may use only these staff channels: sales."}]),
        ),
        (
            json!({"function": "messaging.send-email", "templates": ["other"]}),
            json!([email]),
            json!([{"denied": "This plugin may use only these templates: other."}]),
        ),
        (
            json!({"function": "pricing-actions.set-price", "categories": ["hats"]}),
            json!([price]),
            json!([{"denied": "This plugin may set prices only in: hats."}]),
        ),
        (
            json!({"function": "pricing-actions.set-price", "categories": ["hats", "shoes"]}),
            json!([price]),
            json!(["done"]),
        ),
        (
            json!({"function": "messaging.send-email", "per_day": 2}),
            json!([email, email, email]),
            json!(["done", "done", {"denied": "This plugin may use messaging.send-email at most 2 times a day."}]),
        ),
    ];
    for (grant, steps, expected) in table {
        let world = narrowed(grant.clone()).await;
        let run = world.go("1", steps).await;
        assert_eq!(world.said(run).await, expected, "{grant}");
        let denied = expected.as_array().expect("a list").iter().filter(|one| one.is_object()).count();
        let effects = world.effects(run).await;
        assert_eq!(effects.iter().filter(|effect| effect.state == EffectState::Denied).count(), denied, "{grant}");
    }
}

/// The count is of the shop's local day, over all runs of the installation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_so_often_a_day_may_be_done_again_tomorrow() {
    let world = narrowed(json!({"function": "messaging.send-email", "per_day": 1})).await;
    let email = json!([{"do": "email", "customer": "42"}]);
    let denied = json!([{"denied": "This plugin may use messaging.send-email at most 1 times a day."}]);
    let (first, second) = (world.go("1", email.clone()).await, world.go("2", email.clone()).await);
    assert_eq!((world.said(first).await, world.said(second).await), (json!(["done"]), denied));
    world.pass(DAY).await;
    let third = world.go("3", email).await;
    assert_eq!(world.said(third).await, json!(["done"]));
    assert_eq!(world.mail().await.len(), 2);
}

/// Never more than asked, and nothing that means nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_beyond_what_is_asked_are_refused() {
    let world = World::probed().await;
    let present = world.engine.installations(SHOP).expect("installations").remove(0);
    let grants = serde_json::to_value(&present.grants).expect("JSON");
    for (extra, code) in [
        (json!({"function": "reviews.nothing"}), "bad-grants"),
        (json!({"function": "orders.get", "per_day": 1}), "bad-grants"),
    ] {
        let mut more = grants.clone();
        let all = more.as_array_mut().expect("a list");
        all.retain(|known| known["function"] != extra["function"]);
        all.push(extra.clone());
        let change = Change { grants: Some(more), ..Change::default() };
        assert_eq!(world.engine.change(SHOP, "probe", change).await.expect_err("refused").code(), code, "{extra}");
    }
    let mut less = grants;
    less.as_array_mut().expect("a list").remove(0);
    let change = Change { grants: Some(less), ..Change::default() };
    assert_eq!(world.engine.change(SHOP, "probe", change).await.expect_err("refused").code(), "not-granted");
}
