//! What holds for every shop.

use super::*;
use proptest::prelude::*;

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..5_000, 0_i64..10_000_000, Just(i64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_allowed_price_keeps_every_rule(
        present in price(), asked in price(), cost in price(), least in price(),
        margin in 0_u32..=100, change in 0_u32..=300, was in price(),
    ) {
        prop_assume!(asked != present);
        let set = rules(json!([
            floor(least),
            {"kind": "minimum_margin", "percent": margin},
            {"kind": "largest_price_change", "percent": change},
        ]));
        let world = World {
            variant: Some(variant(present, Some(cost))), changes: vec![changed(2, was)], ..World::new()
        };
        let (asked_, cost, was) = (i128::from(asked), i128::from(cost), i128::from(was));
        let keeps_floor = asked >= least;
        let keeps_margin = asked > 0 && (asked_ - cost) * 100 >= i128::from(margin) * asked_;
        let keeps_change = (asked_ - was).abs() * 100 <= i128::from(change) * was;
        let verdict = world.judge(&set_price(asked), &set);
        prop_assert_eq!(verdict == Verdict::Allow, keeps_floor && keeps_margin && keeps_change, "{:?}", verdict);
    }

    #[test]
    fn many_small_steps_within_a_day_go_no_further_than_one(
        steps in prop::collection::vec((1_i64..20_000, 0_i64..=2), 1..12), percent in 0_u32..=50,
    ) {
        let set = one(json!({"kind": "largest_price_change", "percent": percent}));
        let begin = 10_000;
        let mut world = World { variant: Some(variant(begin, None)), ..World::new() };
        for (asked, hours) in steps {
            let now = world.now + hours * HOUR - hours.signum();
            world.now = now;
            let present = world.variant.as_ref().expect("there").price.amount;
            if world.judge(&set_price(asked), &set) == Verdict::Allow && asked != present {
                world.changes.insert(0, PriceChangeFact { at: now, before: eur(present) });
                world.variant = Some(variant(asked, None));
                prop_assert!((asked - begin).abs() * 100 <= i64::from(percent) * begin, "{} after {}", asked, present);
            }
        }
    }

    #[test]
    fn quiet_hours_end_when_they_say_and_not_before(
        now in 1_577_836_800_000_i64..1_893_456_000_000, from in 0_u16..1_440, length in 1_u16..1_440,
        zone in prop::sample::select(vec![
            "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
            "Asia/Kathmandu", "Africa/Casablanca", "UTC",
        ]),
    ) {
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let set = one(json!({"kind": "quiet_hours", "from": text(from), "to": text((from + length) % 1_440)}));
        let mut world = World { now, ..World::new() };
        world.customer.as_mut().expect("there").time_zone = zone.into();
        let message = email(Purpose::Marketing);
        if let Verdict::NotYet { until, .. } = world.judge(&message, &set) {
            prop_assert!(until > now && until - now <= 25 * HOUR, "{} after {}", until, now);
            world.now = until;
            prop_assert_eq!(world.judge(&message, &set), Verdict::Allow);
        }
    }
}
