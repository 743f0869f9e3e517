//! The edges of every rule, and several rules at once.

use super::*;

#[test]
fn a_price_meets_its_rules_exactly_at_the_edge() {
    let margin = json!({"id": "margin", "kind": "minimum_margin", "percent": 10});
    let third = json!({"id": "margin", "kind": "minimum_margin", "percent": 33.333333});
    let change = json!({"id": "change", "kind": "largest_price_change", "percent": 20});
    let over_cost = json!({"id": "floor", "kind": "price_floor", "percent": 110, "of": "cost"});
    let off = json!({"id": "floor", "kind": "price_floor", "percent": 70, "of": "compare_at"});
    // rule, present price, cost, asked price, whether it is allowed
    let table = [
        (floor(800), 1_000, None, 800, true),
        (floor(800), 1_000, None, 799, false),
        (floor(800), 500, None, 700, false), // nearer, and still under
        (floor(800), 500, None, 500, true),  // nothing to do
        (margin.clone(), 1_000, Some(900), 999, false),
        (margin.clone(), 2_000, Some(900), 1_000, true),
        (margin.clone(), 1_000, Some(0), 1, true),
        (margin.clone(), 1_000, Some(0), 0, false), // no margin at 0
        (margin.clone(), 1_000, Some(i64::MAX), i64::MAX, false),
        (third.clone(), 2_000, Some(1_000), 1_500, true), // 33.3333333… % and more than asked
        (third, 2_000, Some(1_000), 1_499, false),
        (change.clone(), 1_000, None, 1_200, true),
        (change.clone(), 1_000, None, 1_201, false),
        (change.clone(), 1_000, None, 800, true),
        (change.clone(), 1_000, None, 799, false),
        (change.clone(), 0, None, 1, false),
        (change, 1, None, 2, false),
        (over_cost.clone(), 1_000, Some(505), 556, true), // 555.5
        (over_cost, 1_000, Some(505), 555, false),
        (off, 1_000, None, 1, true), // not on sale
    ];
    for (rule, price, cost, asked, allowed) in table {
        let world = World { variant: Some(variant(price, cost)), ..World::new() };
        let verdict = world.judge(&set_price(asked), &one(rule.clone()));
        assert_eq!(verdict == Verdict::Allow, allowed, "{rule} from {price} (cost {cost:?}) to {asked}: {verdict:?}");
    }
}

#[test]
fn a_floor_by_compare_at_binds_what_is_on_sale() {
    let off = one(json!({"id": "floor", "kind": "price_floor", "percent": 70, "of": "compare_at"}));
    let on_sale = VariantFacts { compare_at: Some(eur(1_000)), ..variant(900, None) };
    let world = World { variant: Some(on_sale), ..World::new() };
    assert_eq!(world.judge(&set_price(700), &off), Verdict::Allow);
    assert_eq!(denied_by(world.judge(&set_price(699), &off)), "floor");
}

#[test]
fn a_change_is_measured_from_the_price_at_the_windows_begin() {
    let rules = one(json!({"id": "change", "kind": "largest_price_change", "percent": 20}));
    let world =
        |price, changes: Vec<PriceChangeFact>| World { variant: Some(variant(price, None)), changes, ..World::new() };
    // Raised twice today, newest first: 1,000 → 1,100 → 1,200.
    let raised = || world(1_200, vec![changed(1, 1_100), changed(5, 1_000)]);
    assert_eq!(denied_by(raised().judge(&set_price(1_201), &rules)), "change", "in small steps is no way around");
    assert_eq!(raised().judge(&set_price(800), &rules), Verdict::Allow);
    assert_eq!(raised().judge(&set_price(1_000), &rules), Verdict::Allow, "back to where it was");
    // The older one was exactly 24 hours ago: the window begins after it.
    let left = || world(1_200, vec![changed(1, 1_100), changed(24, 1_000)]);
    assert_eq!(left().judge(&set_price(1_320), &rules), Verdict::Allow);
    assert_eq!(denied_by(left().judge(&set_price(1_321), &rules)), "change");
    // Two at the same moment, in either order: no way around by being quick.
    for twice in [[changed(1, 1_200), changed(1, 1_000)], [changed(1, 1_000), changed(1, 1_200)]] {
        let quick = || world(1_400, twice.to_vec());
        assert_eq!(denied_by(quick().judge(&set_price(1_201), &rules)), "change");
        assert_eq!(quick().judge(&set_price(1_200), &rules), Verdict::Allow);
    }
}

#[test]
fn what_cannot_be_compared_is_denied_and_says_why() {
    let words = |verdict: Verdict| match verdict {
        Verdict::Deny { words, .. } => words,
        other => panic!("not denied: {other:?}"),
    };
    let margin = one(json!({"id": "margin", "kind": "minimum_margin", "percent": 10, "words": "Ten percent for us"}));
    let mut world = World { variant: Some(variant(1_000, None)), ..World::new() };
    let said = words(world.judge(&set_price(2_000), &margin));
    assert_eq!(said, "Ten percent for us (the cost of this variant is not known)");

    world.variant =
        Some(VariantFacts { cost: Some(Money { amount: 1, currency: "USD".into() }), ..variant(1_000, None) });
    let said = words(world.judge(&set_price(2_000), &margin));
    assert_eq!(said, "Ten percent for us (the cost is 0.01 USD, the price 20.00 EUR)");

    world.variant = None;
    assert!(words(world.judge(&set_price(2_000), &margin)).contains("does not know this variant"));

    let yen = one(json!({"kind": "price_floor", "amount": {"amount": 5, "currency": "JPY"}}));
    let world = World::new();
    assert_eq!(
        words(world.judge(&set_price(2_000), &yen)),
        "No price under 5 JPY. (the floor is 5 JPY, the price 20.00 EUR)"
    );

    // Facts that were not gathered never let an action pass.
    let count = one(json!({"kind": "message_frequency", "max": 9, "window_hours": 1}));
    let budget = one(json!({"kind": "action_budget", "function": "pricing-actions.set-price", "per_day": 9}));
    let change = one(json!({"kind": "largest_price_change", "percent": 1}));
    let mut facts = Facts::new(NOON, shop());
    facts.variant = Some(variant(1_000, Some(1)));
    for (action, rules) in [
        (email(Purpose::Marketing), Rules::default()),
        (email(Purpose::Transactional), count),
        (set_price(1_001), budget),
        (set_price(1_001), change),
    ] {
        assert!(matches!(judge(&action, &facts, &rules, &grant(&action)), Verdict::Deny { .. }), "{rules:?}");
    }
}

#[test]
fn an_unknown_cost_does_what_the_rule_says() {
    let world = World { variant: Some(variant(1_000, None)), ..World::new() };
    let verdict = |how: &str| {
        let rule = json!({"id": "m", "kind": "minimum_margin", "percent": 10, "if_unknown": how});
        world.judge(&set_price(900), &one(rule))
    };
    assert_eq!(denied_by(verdict("deny")), "m");
    assert!(matches!(verdict("ask"), Verdict::Ask { rule, .. } if rule == "m"));
    assert_eq!(verdict("allow"), Verdict::Allow);
}

#[test]
fn price_rules_bind_their_products_alone() {
    // category, tags, whether a variant in `shoes/running` tagged `sale` is bound
    let table = [
        (json!("shoes"), json!([]), true),
        (json!("shoes/running"), json!([]), true),
        (json!("shoes/run"), json!([]), false),
        (json!("shoes/running/trail"), json!([]), false),
        (Json::Null, json!(["new", "sale"]), true),
        (Json::Null, json!(["new"]), false),
        (json!("shoes"), json!(["new"]), false),
    ];
    for (category, tags, bound) in table {
        let mut rule = floor(5_000);
        rule["category"] = category.clone();
        rule["tags"] = tags.clone();
        let verdict = World::new().judge(&set_price(900), &one(rule));
        assert_eq!(verdict != Verdict::Allow, bound, "{category} {tags}");
    }
}

#[test]
fn discounts_meet_the_ceiling_of_their_sort() {
    let percent = || json!({"id": "percent", "kind": "discount_ceiling", "percent": 30});
    let amount = || json!({"id": "amount", "kind": "discount_ceiling", "amount": {"amount": 2_000, "currency": "EUR"}});
    let both = json!([percent(), amount()]);
    // rules, value, who denies
    let table = [
        (json!([percent()]), Value::Percent(30.0), None),
        (json!([percent()]), Value::Percent(30.000_000_000_1), Some("percent")),
        (json!([percent()]), Value::Percent(f64::NAN), Some("percent")),
        (json!([percent()]), Value::Amount(eur(1)), Some("percent")), // could not be compared
        (json!([amount()]), Value::Percent(1.0), Some("amount")),
        (both.clone(), Value::Amount(eur(2_000)), None),
        (both.clone(), Value::Amount(eur(2_001)), Some("amount")),
        (both.clone(), Value::Percent(30.0), None),
        (both, Value::Percent(31.0), Some("percent")),
        (json!([]), Value::Percent(100.0), None),
    ];
    for (set, value, denies) in table {
        let verdict = World::new().judge(&discount(value.clone(), 1), &rules(set.clone()));
        match denies {
            None => assert_eq!(verdict, Verdict::Allow, "{set} {value:?}"),
            Some(rule) => assert_eq!(denied_by(verdict), rule, "{set} {value:?}"),
        }
    }
    let days = one(json!({"kind": "discount_duration", "max_hours": 48}));
    assert_eq!(World::new().judge(&discount(Value::Percent(5.0), 48), &days), Verdict::Allow);
    assert_eq!(denied_by(World::new().judge(&discount(Value::Percent(5.0), 49), &days)), "discount-duration");
}

#[test]
fn marketing_takes_consent_and_over_sms_always() {
    use Channel::{Email, Sms};
    let off = || one(json!({"id": "c", "kind": "marketing_consent", "enabled": false}));
    let ask = || one(json!({"id": "c", "kind": "marketing_consent", "mode": "ask"}));
    let none = Rules::default;
    let yes = |channel| vec![consent(channel, false, 1), consent(channel, true, 2)];
    let no = |channel| vec![consent(channel, true, 1), consent(channel, false, 2)];
    let torn = |channel| vec![consent(channel, false, 2), consent(channel, true, 2)];
    let marketing = Purpose::Marketing;
    let table: Vec<(&str, Rules, Action, Vec<Consent>, &str)> = vec![
        ("agreed", none(), email(marketing), yes(Email), "allow"),
        ("withdrawn", none(), email(marketing), no(Email), "deny"),
        ("both at once", none(), email(marketing), torn(Email), "deny"),
        ("never asked", none(), email(marketing), vec![], "deny"),
        ("agreed to another channel", none(), email(marketing), yes(Sms), "deny"),
        ("transactional", none(), email(Purpose::Transactional), vec![], "allow"),
        ("lifted for email", off(), email(marketing), vec![], "allow"),
        ("never lifted for SMS", off(), sms(marketing), vec![], "deny"),
        ("a person may decide for email", ask(), email(marketing), vec![], "ask"),
        ("but not for SMS", ask(), sms(marketing), vec![], "deny"),
        ("approved", ask().approved("c"), email(marketing), vec![], "allow"),
        ("approved over SMS", ask().approved("c"), sms(marketing), vec![], "deny"),
        ("agreed to SMS", none(), sms(marketing), yes(Sms), "allow"),
    ];
    for (name, rules, action, consents, expected) in table {
        let customer = Some(CustomerFacts { consents, time_zone: String::new() });
        let verdict = World { customer, ..World::new() }.judge(&action, &rules);
        let got = match verdict {
            Verdict::Allow => "allow",
            Verdict::Deny { .. } => "deny",
            Verdict::Ask { .. } => "ask",
            Verdict::NotYet { .. } => "not yet",
        };
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn frequency_and_budgets_count() {
    let frequency = one(json!({"kind": "message_frequency", "max": 3, "window_hours": 168, "purpose": "marketing"}));
    let sent = |sent| World { sent, ..World::new() };
    assert_eq!(sent(2).judge(&email(Purpose::Marketing), &frequency), Verdict::Allow);
    assert_eq!(denied_by(sent(3).judge(&sms(Purpose::Marketing), &frequency)), "message-frequency");
    assert_eq!(sent(3).judge(&email(Purpose::Transactional), &frequency), Verdict::Allow);
    let over_sms = one(json!({"kind": "message_frequency", "max": 0, "window_hours": 1, "channel": "sms"}));
    assert_eq!(sent(9).judge(&email(Purpose::Marketing), &over_sms), Verdict::Allow);
    assert_eq!(denied_by(sent(0).judge(&sms(Purpose::Transactional), &over_sms)), "message-frequency");

    let budget = one(json!({"kind": "action_budget", "function": "pricing-actions.set-price", "per_day": 5}));
    let done = |effects| World { effects, ..World::new() };
    assert_eq!(done(4).judge(&set_price(900), &budget), Verdict::Allow);
    assert_eq!(denied_by(done(5).judge(&set_price(900), &budget)), "action-budget");
    assert_eq!(done(5).judge(&discount(Value::Percent(1.0), 1), &budget), Verdict::Allow);
}

#[test]
fn of_several_rules_the_first_denial_speaks_whatever_their_order() {
    let set = [
        json!({"id": "b", "kind": "price_floor", "amount": {"amount": 900, "currency": "EUR"}, "words": "B"}),
        json!({"id": "z", "kind": "minimum_margin", "percent": 90, "words": "Z"}),
        json!({"id": "a", "kind": "price_floor", "amount": {"amount": 800, "currency": "EUR"}, "words": "A"}),
        json!({"id": "0", "kind": "largest_price_change", "percent": 1, "mode": "ask", "words": "0"}),
    ];
    for shift in 0..set.len() {
        let mut turned = set.to_vec();
        turned.rotate_left(shift);
        let all = rules(json!(turned));
        let verdict = |price| World::new().judge(&set_price(price), &all);
        assert_eq!(verdict(700), Verdict::Deny { rule: "a".into(), words: "A".into() });
        assert_eq!(verdict(850), Verdict::Deny { rule: "b".into(), words: "B".into() });
        assert_eq!(verdict(950), Verdict::Deny { rule: "z".into(), words: "Z".into() });
        assert_eq!(verdict(5_000), Verdict::Ask { rule: "0".into(), words: "0".into() }, "no denial: the question");
        let after_a_yes = World::new().judge(&set_price(5_000), &all.approved("0"));
        assert_eq!(after_a_yes, Verdict::Allow);
    }
}

#[test]
fn a_new_shop_is_guarded() {
    let rules = Rules::default_set();
    let night = NOON + 11 * HOUR;
    let marketing = email(Purpose::Marketing);
    assert_eq!(World::new().judge(&marketing, &rules), Verdict::Allow);
    assert!(matches!(World { now: night, ..World::new() }.judge(&marketing, &rules), Verdict::NotYet { .. }));
    assert_eq!(World { now: night, ..World::new() }.judge(&email(Purpose::Transactional), &rules), Verdict::Allow);
    assert_eq!(denied_by(World { sent: 3, ..World::new() }.judge(&marketing, &rules)), "marketing-frequency");
    assert_eq!(denied_by(World { customer: None, ..World::new() }.judge(&marketing, &rules)), "marketing-consent");
    assert_eq!(denied_by(World::new().judge(&discount(Value::Percent(31.0), 1), &rules)), "discount-ceiling");
    assert_eq!(denied_by(World::new().judge(&set_price(799), &rules)), "price-change");
    let dear = World { variant: Some(variant(1_000, Some(800))), ..World::new() };
    assert_eq!(denied_by(dear.judge(&set_price(880), &rules)), "minimum-margin");
    assert_eq!(dear.judge(&set_price(889), &rules), Verdict::Allow);
}
