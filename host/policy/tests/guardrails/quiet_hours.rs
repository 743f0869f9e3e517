//! Quiet hours: over midnight, in the customer's zone, and across daylight saving.

use super::*;

/// The moment of an RFC 3339 text.
fn at(text: &str) -> Millis {
    chrono::DateTime::parse_from_rfc3339(text).expect("a moment").timestamp_millis()
}

fn quiet(from: &str, to: &str) -> Rules {
    one(json!({"id": "quiet", "kind": "quiet_hours", "from": from, "to": to}))
}

fn until(rules: &Rules, now: Millis, zone: &str) -> Option<Millis> {
    let mut world = World { now, ..World::new() };
    world.customer.as_mut().expect("a customer").time_zone = zone.into();
    match world.judge(&email(Purpose::Marketing), rules) {
        Verdict::Allow => None,
        Verdict::NotYet { until, .. } => Some(until),
        other => panic!("{other:?}"),
    }
}

#[test]
fn they_begin_and_end_to_the_minute() {
    let (berlin, york, none) = ("Europe/Berlin", "America/New_York", "");
    // from, to, zone of the customer, now, until when it is quiet
    let table = [
        // Over midnight.
        ("21:00", "08:00", berlin, "2026-06-15T20:59:59+02:00", None),
        ("21:00", "08:00", berlin, "2026-06-15T21:00:00+02:00", Some("2026-06-16T08:00:00+02:00")),
        ("21:00", "08:00", berlin, "2026-06-16T00:00:00+02:00", Some("2026-06-16T08:00:00+02:00")),
        ("21:00", "08:00", berlin, "2026-06-16T07:59:59+02:00", Some("2026-06-16T08:00:00+02:00")),
        ("21:00", "08:00", berlin, "2026-06-16T08:00:00+02:00", None),
        // Within a day.
        ("12:00", "14:00", berlin, "2026-06-15T13:00:00+02:00", Some("2026-06-15T14:00:00+02:00")),
        ("12:00", "14:00", berlin, "2026-06-15T14:00:00+02:00", None),
        ("12:00", "14:00", berlin, "2026-06-15T11:59:59+02:00", None),
        // The customer's clock, else the shop's (Berlin).
        ("21:00", "08:00", york, "2026-06-15T22:00:00+02:00", None),
        ("21:00", "08:00", york, "2026-06-16T03:00:00+02:00", Some("2026-06-16T08:00:00-04:00")),
        ("21:00", "08:00", none, "2026-06-15T22:00:00+02:00", Some("2026-06-16T08:00:00+02:00")),
        ("21:00", "08:00", "Mars/Olympus", "2026-06-15T22:00:00+02:00", Some("2026-06-16T08:00:00+02:00")),
        // The short night: clocks go from 02:00 to 03:00.
        ("21:00", "08:00", berlin, "2026-03-28T23:00:00+01:00", Some("2026-03-29T08:00:00+02:00")),
        ("21:00", "02:30", berlin, "2026-03-29T01:59:00+01:00", Some("2026-03-29T03:00:00+02:00")),
        ("21:00", "02:30", berlin, "2026-03-29T03:00:00+02:00", None),
        ("02:15", "05:00", berlin, "2026-03-29T01:59:00+01:00", None),
        ("02:15", "05:00", berlin, "2026-03-29T03:00:00+02:00", Some("2026-03-29T05:00:00+02:00")),
        // The long night: 02:00 to 03:00 comes twice.
        ("21:00", "08:00", berlin, "2026-10-24T23:00:00+02:00", Some("2026-10-25T08:00:00+01:00")),
        ("21:00", "02:30", berlin, "2026-10-25T02:10:00+02:00", Some("2026-10-25T02:30:00+02:00")),
        ("21:00", "02:30", berlin, "2026-10-25T02:40:00+02:00", None),
        ("21:00", "02:30", berlin, "2026-10-25T02:10:00+01:00", Some("2026-10-25T02:30:00+01:00")),
    ];
    for (from, to, zone, now, expected) in table {
        let got = until(&quiet(from, to), at(now), zone);
        assert_eq!(got, expected.map(at), "{from}-{to} in `{zone}` at {now}");
    }
}

#[test]
fn they_deny_where_told_so_and_leave_other_messages_alone() {
    let night = World { now: at("2026-06-15T23:00:00+02:00"), ..World::new() };
    let rule = |more: Json| {
        let mut rule = json!({"id": "quiet", "kind": "quiet_hours", "from": "21:00", "to": "08:00"});
        rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        one(rule)
    };
    assert_eq!(denied_by(night.judge(&email(Purpose::Marketing), &rule(json!({"then": "deny"})))), "quiet");
    let ask = rule(json!({"then": "deny", "mode": "ask"}));
    assert!(matches!(night.judge(&email(Purpose::Marketing), &ask), Verdict::Ask { .. }));
    let sms_alone = rule(json!({"channels": ["sms"], "purposes": ["marketing", "transactional"]}));
    assert_eq!(night.judge(&email(Purpose::Marketing), &sms_alone), Verdict::Allow);
    assert!(matches!(night.judge(&sms(Purpose::Transactional), &sms_alone), Verdict::NotYet { .. }));
}

#[test]
fn the_longest_wait_counts_and_a_denial_comes_before_it() {
    let night = World { now: at("2026-06-15T23:00:00+02:00"), ..World::new() };
    let set = json!([
        {"id": "short", "kind": "quiet_hours", "from": "21:00", "to": "07:00", "words": "Short"},
        {"id": "long", "kind": "quiet_hours", "from": "22:00", "to": "09:00", "words": "Long"},
    ]);
    let Verdict::NotYet { until, rule, words } = night.judge(&email(Purpose::Marketing), &rules(set.clone())) else {
        panic!("it is quiet");
    };
    assert_eq!((until, rule.as_str()), (at("2026-06-16T09:00:00+02:00"), "long"));
    assert_eq!(words, "Long (allowed again at 09:00, Europe/Berlin)");
    let refused = World { customer: Some(CustomerFacts::default()), ..night };
    assert_eq!(denied_by(refused.judge(&email(Purpose::Marketing), &rules(set))), "marketing-consent");
}
