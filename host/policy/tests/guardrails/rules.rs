//! Rules as JSON and as words.

use super::*;
use shopwright_policy::RuleKind;

#[test]
fn rules_in_json_in_words_and_back() {
    let eur = |amount| json!({"amount": amount, "currency": "EUR"});
    let table = [
        (json!({"kind": "price_floor", "amount": eur(500)}), "No price under 5.00 EUR."),
        (
            json!({"kind": "price_floor", "percent": 110, "of": "cost", "category": "shoes", "tags": ["a", "b"]}),
            "No price under 110 % of the cost in shoes tagged a or b.",
        ),
        (json!({"kind": "minimum_margin", "percent": 12.5}), "Every price leaves a margin of at least 12.5 %."),
        (json!({"kind": "largest_price_change", "percent": 20}), "A price changes by at most 20 % in 24 hours."),
        (
            json!({"kind": "discount_ceiling", "percent": 30, "amount": eur(2_005)}),
            "A discount is at most 30 % or 20.05 EUR.",
        ),
        (json!({"kind": "discount_duration", "max_hours": 1}), "A discount lasts at most an hour."),
        (json!({"kind": "marketing_consent"}), "Marketing goes only to customers who agreed to it."),
        (
            json!({"kind": "message_frequency", "max": 3, "window_hours": 168, "purpose": "marketing"}),
            "A customer gets at most 3 marketing messages in 7 days.",
        ),
        (
            json!({"kind": "quiet_hours", "from": "21:00", "to": "08:00"}),
            "No marketing email or SMS between 21:00 and 08:00.",
        ),
        (
            json!({"kind": "action_budget", "function": "support-actions.reply", "per_day": 9}),
            "At most 9 times support-actions.reply a day.",
        ),
    ];
    assert_eq!(table.len(), RuleKind::NAMES.len() + 1, "every kind is here, the floor twice");
    for (source, words) in table {
        let rule = Rule::parse(&source).expect("a rule");
        assert_eq!(rule.words(), words);
        let stored = serde_json::to_value(&rule).expect("json");
        assert_eq!(Rule::parse(&stored).as_ref(), Ok(&rule), "{stored}");
        for (field, value) in source.as_object().expect("an object") {
            assert_eq!(&stored[field], value, "{field} of {stored}");
        }
    }
    let own = Rule::parse(&json!({"kind": "marketing_consent", "words": "Ask first!"})).expect("a rule");
    assert_eq!((own.id.as_str(), own.words().as_str()), ("marketing-consent", "Ask first!"));
    let set = Rules::default_set();
    let stored = serde_json::to_string(&set).expect("json");
    assert_eq!(serde_json::from_str::<Rules>(&stored).expect("rules"), set);
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_the_field_and_the_remedy() {
    // rule, field, part of the message
    let table = [
        (json!([]), "rule", "no JSON object"),
        (json!({}), "kind", "price_floor, minimum_margin"),
        (json!({"kind": "price_flor"}), "kind", "is `price_flor`"),
        (json!({"kind": "price_floor"}), "amount", "or `percent` with `of`"),
        (json!({"kind": "price_floor", "percent": 10}), "of", "\"compare_at\""),
        (
            json!({"kind": "price_floor", "amount": {"amount": 5, "currency": "EUR"}, "percent": 1}),
            "percent",
            "one of the two",
        ),
        (json!({"kind": "price_floor", "amount": 5}), "amount", "minor units"),
        (json!({"kind": "price_floor", "amount": {"amount": -1, "currency": "EUR"}}), "amount", "0 or more"),
        (json!({"kind": "price_floor", "amount": {"amount": 1, "currency": "Euro"}}), "amount", "EUR"),
        (json!({"kind": "minimum_margin", "percent": 101}), "percent", "from 0 to 100"),
        (json!({"kind": "minimum_margin", "percent": "10"}), "percent", "from 0 to 100"),
        (json!({"kind": "minimum_margin"}), "percent", "missing"),
        (json!({"kind": "minimum_margin", "percent": 1, "if_unknown": "hope"}), "if_unknown", "deny, ask, allow"),
        (json!({"kind": "discount_ceiling"}), "percent", "`amount`, or both"),
        (json!({"kind": "discount_duration", "max_hours": 0}), "max_hours", "from 1 to"),
        (json!({"kind": "message_frequency", "max": 1.5, "window_hours": 1}), "max", "whole number"),
        (json!({"kind": "message_frequency", "max": 1, "window_hours": 1, "channel": "fax"}), "channel", "email, sms"),
        (json!({"kind": "quiet_hours", "from": "9:00", "to": "10:00"}), "from", "21:00"),
        (json!({"kind": "quiet_hours", "from": "24:00", "to": "10:00"}), "from", "21:00"),
        (json!({"kind": "quiet_hours", "from": "10:00", "to": "10:00"}), "to", "another time"),
        (json!({"kind": "quiet_hours", "from": "10:00", "to": "11:00", "channels": []}), "channels", "leave it out"),
        (json!({"kind": "action_budget", "function": "orders.get", "per_day": 1}), "function", "no action"),
        (json!({"kind": "marketing_consent", "percent": 1}), "percent", "no field of a `marketing_consent` rule"),
        (json!({"kind": "marketing_consent", "mode": "warn"}), "mode", "deny, ask"),
        (json!({"kind": "marketing_consent", "enabled": "no"}), "enabled", "true or false"),
        (json!({"kind": "marketing_consent", "id": "a b"}), "id", "64"),
    ];
    for (source, field, part) in table {
        let error = Rule::parse(&source).expect_err("no rule");
        assert_eq!(error.field, field, "{source}: {error}");
        assert!(error.to_string().contains(part), "{source}: {error}");
    }
    let rule = Rule::parse(&floor(5)).expect("a rule");
    assert!(rule.check_currency("EUR").is_ok());
    assert_eq!(rule.check_currency("USD").expect_err("another currency").field, "amount.currency");
}
