//! Grants: what is granted, and how narrowly.

use super::*;
use shopwright_policy::{GRANT, GrantError, Grants, counted_facts, counters_of};

fn grants(json: Json) -> Grants {
    Grants::parse(&json).expect("grants")
}

#[test]
fn a_grant_can_be_narrowed() {
    let notify: Action =
        ActionKind::NotifyStaff { channel: "sales".into(), text: "Look".into(), data: "{}".into() }.into();
    let table = [
        (json!({"function": "messaging.notify-staff", "channels": ["sales"]}), notify.clone(), None),
        (
            json!({"function": "messaging.notify-staff", "channels": ["a", "b"]}),
            notify,
            Some("This plugin may use only these staff channels: a, b."),
        ),
        (json!({"function": "messaging.send-email", "templates": ["reminder"]}), email(Purpose::Transactional), None),
        (
            json!({"function": "messaging.send-email", "templates": []}),
            email(Purpose::Transactional),
            Some("This plugin may use only these templates: ."),
        ),
        (json!({"function": "pricing-actions.set-price", "categories": ["shoes"]}), set_price(900), None),
        (
            json!({"function": "pricing-actions.set-price", "categories": ["shoes/run", "hats"]}),
            set_price(900),
            Some("This plugin may set prices only in: shoes/run, hats."),
        ),
        (json!({"function": "pricing-actions.set-price", "per_day": 8}), set_price(900), None),
        (
            json!({"function": "pricing-actions.set-price", "per_day": 7}),
            set_price(900),
            Some("This plugin may use pricing-actions.set-price at most 7 times a day."),
        ),
        (
            json!({"function": "messaging.send-sms"}),
            set_price(900),
            Some("This plugin was not granted pricing-actions.set-price."),
        ),
    ];
    let world = World { effects: 7, ..World::new() };
    for (grant, action, words) in table {
        let granted = grants(json!([grant]));
        let granted = granted.iter().next().expect("one");
        let expected = words.map_or(Verdict::Allow, |words| Verdict::Deny { rule: GRANT.into(), words: words.into() });
        assert_eq!(world.judge_granted(&action, &Rules::default(), granted), expected, "{grant}");
    }
}

#[test]
fn grants_are_checked_and_compared_with_what_is_imported() {
    let table = [
        (json!({}), "write [{\"function\""),
        (json!([{"function": "messaging"}]), "no function"),
        (json!([{"function": "a.b", "often": true}]), "often"),
        (json!([{"function": "orders.get", "per_day": 1}]), "`per_day`; that is for actions"),
        (json!([{"function": "messaging.send-sms", "templates": ["a"]}]), "`templates`; that is for"),
        (json!([{"function": "orders.get"}, {"function": "orders.get"}]), "twice"),
    ];
    for (source, part) in table {
        let error: GrantError = Grants::parse(&source).expect_err("no grants");
        assert!(error.to_string().contains(part), "{source}: {error}");
    }
    let source = json!([{"function": "orders.get"}, {"function": "messaging.send-email", "per_day": 100}]);
    let granted = grants(source.clone());
    assert_eq!(serde_json::to_value(&granted).expect("json"), source);
    assert!(granted.allows("orders", "get") && !granted.allows("orders", "query") && !granted.allows("orders.get", ""));
    let difference = granted.difference([("orders", "get"), ("carts", "get"), ("carts", "get")]);
    assert_eq!(difference.missing, ["carts.get"]);
    assert_eq!(difference.unused, ["messaging.send-email"]);
    let all = Grants::everything([("orders", "get"), ("carts", "get"), ("orders", "get")]);
    assert_eq!(all.iter().count(), 2);
}

#[test]
fn a_verdict_rests_on_counters_that_the_same_action_moves() {
    let set = rules(json!([
        {"kind": "message_frequency", "max": 3, "window_hours": 1},
        {"kind": "largest_price_change", "percent": 1},
        {"kind": "action_budget", "function": "messaging.send-email", "per_day": 1},
    ]));
    let facts = Facts::new(NOON, shop());
    let table = [
        (
            email(Purpose::Transactional),
            2,
            vec!["sent:customer:42", "effects:installation:messaging.send-email", "effects:shop:messaging.send-email"],
        ),
        (sms(Purpose::Marketing), 0, vec!["sent:customer:42"]),
        (set_price(1), 0, vec!["price:variant:9"]),
        (discount(Value::Percent(1.0), 1), 0, vec![]),
    ];
    for (action, per_day, expected) in table {
        let grant = Grant { per_day: (per_day > 0).then_some(per_day), ..grant(&action) };
        let mut counted = counted_facts(&action, &set, &grant, &facts);
        for key in &counted {
            assert!(counters_of(&action).contains(key), "{key} of {action:?}");
        }
        let mut expected: Vec<String> = expected.into_iter().map(Into::into).collect();
        counted.sort();
        expected.sort();
        assert_eq!(counted, expected, "{action:?}");
    }
    // Without such rules nothing is counted.
    let action = email(Purpose::Transactional);
    assert!(counted_facts(&action, &Rules::default(), &grant(&action), &facts).is_empty());
}
