//! The sequence, against a pretended host. What the real engine does with it is in `scenarios/`.

use shopwright_sdk::{
    customers::Standing,
    serde_json::Value,
    testing::{Action, Host, event, record, sample},
};

use super::*;

/// A shop with a cart of 2 x `p1-1` (40.00 EUR) of a customer of whom nothing is known.
fn host() -> Host {
    let mut host = Host::new();
    host.put(sample::customer("1")).put(sample::product("p1")).put(sample::level("p1-1", 50));
    host
}

fn recover_cart(host: &mut Host, cart: &shopwright_sdk::carts::Cart) -> Value {
    match host.run(recover, event("cart.updated", cart), Settings::default()).unwrap() {
        Outcome::Done(value) => value,
        Outcome::ContinueAsNew(_) => panic!("a cart is not gone on with"),
    }
}

fn templates(host: &Host) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Email(email) => email.template.clone(),
        Action::Sms(_) => "sms".into(),
        Action::Discount(_) => "discount".into(),
        Action::NotifyStaff { .. } => "staff".into(),
        other => panic!("unexpected {other:?}"),
    };
    host.actions().iter().map(name).collect()
}

#[test]
fn a_cart_that_nobody_comes_back_to() {
    let mut host = host();
    let result = recover_cart(&mut host, &sample::cart("c", "1"));
    assert_eq!(templates(&host), ["cart-reminder", "discount", "cart-offer"]);
    assert_eq!(host.waited(), hours(4) + days(1) + days(1));
    assert_eq!(result["result"], "not_recovered");
    assert_eq!(result["sent"], json!(["cart-reminder", "cart-offer"]));
}

#[test]
fn the_order_ends_it_at_once() {
    let mut host = host();
    let mut order = sample::order("o", "1");
    order.cart = Some("c".into());
    order.placed_at = (host.now() + hours(5)).as_millis();
    host.later(hours(5), event("order.placed", &order));
    let result = recover_cart(&mut host, &sample::cart("c", "1"));
    assert_eq!(templates(&host), ["cart-reminder"]);
    assert_eq!((&result["result"], &result["order"]), (&json!("ordered"), &json!("o")));
    assert_eq!(host.waited(), hours(5));
}

#[test]
fn an_order_of_something_else_does_not_shorten_the_wait() {
    let mut host = host();
    let mut order = sample::order("o", "1");
    order.lines[0].variant_id = "p2-1".into();
    order.placed_at = (host.now() + hours(1)).as_millis();
    host.later(hours(1), event("order.placed", &order));
    recover_cart(&mut host, &sample::cart("c", "1"));
    assert_eq!(templates(&host)[0], "cart-reminder");
    assert_eq!(host.waited(), hours(4) + days(2));
}

#[test]
fn an_open_ticket_holds_the_message_and_is_followed_up() {
    let mut host = host();
    let ticket = shopwright_sdk::support::Ticket { subject: "Which size?".into(), ..sample::ticket("t", "1", "?") };
    host.put(ticket.clone());
    let resolved = shopwright_sdk::support::Ticket { status: shopwright_sdk::support::Status::Resolved, ..ticket };
    host.later(days(2), event("ticket.resolved", &resolved));
    recover_cart(&mut host, &sample::cart("c", "1"));
    let actions = host.actions();
    let Action::Email(first) = &actions[0] else { panic!("{actions:?}") };
    assert_eq!(first.template, "cart-after-ticket");
    assert!(first.data.contains("Which size?"), "{}", first.data);
    assert_eq!(host.waited(), days(2) + hours(4) + days(2));
}

#[test]
fn an_order_ends_it_while_it_is_held_too() {
    let mut host = host();
    host.put(sample::ticket("t", "1", "?"));
    let mut order = sample::order("o", "1");
    order.cart = Some("c".into());
    order.placed_at = (host.now() + days(1)).as_millis();
    host.later(days(1), event("order.placed", &order));
    assert_eq!(recover_cart(&mut host, &sample::cart("c", "1"))["result"], "ordered");
    assert_eq!(host.waited(), days(1));
}

#[test]
fn a_ticket_that_stays_open_ends_it_without_a_message() {
    let mut host = host();
    host.put(sample::ticket("t", "1", "?"));
    assert_eq!(recover_cart(&mut host, &sample::cart("c", "1"))["result"], "ticket_unresolved");
    assert!(host.actions().is_empty());
}

#[test]
fn what_is_sold_out_or_withdrawn_is_not_offered() {
    let cart = sample::cart("c", "1");
    let mut sold_out = host();
    sold_out.put(sample::level("p1-1", 1));
    let mut withdrawn = host();
    let archived = shopwright_sdk::catalog::Publication::Archived;
    withdrawn.put(shopwright_sdk::catalog::Product { publication: archived, ..sample::product("p1") });
    for mut host in [sold_out, withdrawn] {
        assert_eq!(recover_cart(&mut host, &cart)["result"], "out_of_stock");
        assert!(host.actions().is_empty());
    }
    // Sold out while the run waits.
    let mut host = host();
    host.later(hours(1), event("inventory.updated", &sample::level("p1-1", 0)));
    assert_eq!(recover_cart(&mut host, &cart)["result"], "out_of_stock");
    assert!(host.actions().is_empty());
}

#[test]
fn without_consent_or_customer_nothing_is_sent() {
    let mut host = host();
    host.put(Customer { consents: Vec::new(), ..sample::customer("1") });
    assert_eq!(recover_cart(&mut host, &sample::cart("c", "1"))["result"], "no_consent");
    let guest = shopwright_sdk::carts::Cart { customer: None, ..sample::cart("c", "1") };
    assert_eq!(recover_cart(&mut host, &guest)["result"], "unknown_customer");
    assert!(host.actions().is_empty() && host.waited() == Duration::ZERO);
}

#[test]
fn a_guest_with_a_known_address_is_recognised() {
    let mut host = host();
    let guest = shopwright_sdk::carts::Cart {
        customer: None,
        email: Some("CUSTOMER1@example.com".into()),
        ..sample::cart("c", "1")
    };
    recover_cart(&mut host, &guest);
    assert_eq!(templates(&host)[0], "cart-reminder");
}

fn newcomer() -> (Host, shopwright_sdk::carts::Cart) {
    let mut host = host();
    let mut customer = sample::customer("1");
    customer.consents.push(record(json!({ "channel": "sms", "granted": true, "at": 0 })));
    host.put(customer);
    (host, shopwright_sdk::carts::Cart { step: shopwright_sdk::carts::Step::Shipping, ..sample::cart("c", "1") })
}

#[test]
fn a_price_sensitive_newcomer_gets_the_offer_as_a_text_message() {
    let (mut host, cart) = newcomer();
    recover_cart(&mut host, &cart);
    assert_eq!(templates(&host), ["discount", "sms", "cart-social-proof"]);
    let actions = host.actions();
    let Action::Discount(offer) = &actions[0] else { panic!("{actions:?}") };
    let until = shopwright_sdk::testing::BEGIN + minutes(10) + hours(24);
    assert_eq!(offer.expires_at, until.as_millis(), "time-limited");
    assert!(offer.single_use && offer.customer.as_deref() == Some("1"));
    let Action::Sms(sms) = &actions[1] else { panic!("{actions:?}") };
    assert!(sms.text.contains("15%") && sms.text.contains("CODE1"), "{}", sms.text);
}

#[test]
fn refusals_of_the_shop_are_respected() {
    fn deny(host: &mut Host, which: fn(&Action) -> bool) {
        host.judge(move |action| if which(action) { Err(ActionError::Denied("rule".into())) } else { Ok(()) });
    }
    // No text message: the same offer by email.
    let (mut host, cart) = newcomer();
    deny(&mut host, |action| matches!(action, Action::Sms(_)));
    recover_cart(&mut host, &cart);
    assert_eq!(templates(&host)[..2], ["discount", "cart-offer"]);
    // No discount: a reminder.
    let (mut host, cart) = newcomer();
    deny(&mut host, |action| matches!(action, Action::Discount(_)));
    recover_cart(&mut host, &cart);
    assert_eq!(templates(&host)[..1], ["cart-reminder"]);
    // No email either: the run ends and says why.
    let mut host = super::tests::host();
    deny(&mut host, |action| matches!(action, Action::Email(_)));
    let result = recover_cart(&mut host, &sample::cart("c", "1"));
    assert_eq!((&result["result"], &result["rule"]), (&json!("refused"), &json!("rule")));
}

#[test]
fn a_large_cart_is_worth_more_effort_and_a_call() {
    let mut host = host();
    let cart = shopwright_sdk::carts::Cart { total: Money::new(50_000, "EUR"), ..sample::cart("c", "1") };
    recover_cart(&mut host, &cart);
    assert_eq!(templates(&host), ["cart-reminder", "cart-social-proof", "discount", "cart-offer", "staff"]);
}

#[test]
fn social_proof_shows_good_reviews_and_low_stock() {
    let mut host = host();
    host.put(sample::level("p1-1", 3));
    host.put(record::<shopwright_sdk::reviews::Review>(json!({
        "id": "r", "product": "p1", "author": "Ada", "rating": 5, "title": "", "text": "Fits well", "at": 1,
    })));
    host.engagement(
        "1",
        record(json!({ "channel": "email", "template": "cart-social-proof", "sent": 2, "opened": 2, "clicked": 1 })),
    );
    recover_cart(&mut host, &sample::cart("c", "1"));
    let actions = host.actions();
    let Action::Email(email) = &actions[0] else { panic!("{actions:?}") };
    assert_eq!(email.template, "cart-social-proof");
    let data: Value = shopwright_sdk::serde_json::from_str(&email.data).unwrap();
    assert_eq!(data["praise"][0]["quote"], "Fits well");
    assert_eq!(data["nearly_gone"][0]["left"], 3);
}

#[test]
fn a_returning_quick_buyer_is_reminded_after_two_hours() {
    let mut host = host();
    let known: Standing = record(json!({
        "orders": 3, "spent": Money::new(9000, "EUR"), "decision_time": hours(6).as_millis(),
    }));
    host.standing("1", known);
    let mut order = sample::order("o", "1");
    order.cart = Some("c".into());
    order.placed_at = (host.now() + hours(3)).as_millis();
    host.later(hours(3), event("order.placed", &order));
    let result = recover_cart(&mut host, &sample::cart("c", "1"));
    assert_eq!((templates(&host), host.waited()), (vec!["cart-reminder".to_owned()], hours(3)));
    assert_eq!(result["approach"], "quick_buyer");
}
