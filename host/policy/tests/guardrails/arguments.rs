//! Arguments that make no sense, and what actions say of themselves.

use super::*;
use shopwright_model::support::{Priority, Status};

fn kinds() -> Vec<ActionKind> {
    let ticket = || "7".to_owned();
    vec![
        email(Purpose::Marketing).kind,
        sms(Purpose::Transactional).kind,
        ActionKind::NotifyStaff { channel: "sales".into(), text: "Look".into(), data: "{\"a\":[1]}".into() },
        set_price(1).kind,
        discount(Value::Amount(eur(5)), 1).kind,
        ActionKind::Assign { ticket: ticket(), team: "t".into(), assignee: None, reason: "r".into() },
        ActionKind::SetPriority { ticket: ticket(), priority: Priority::High, reason: "r".into() },
        ActionKind::SetStatus { ticket: ticket(), status: Status::Closed, reason: "r".into() },
        ActionKind::Reply { ticket: ticket(), text: "Yes".into() },
        ActionKind::Note { ticket: ticket(), text: "Hm".into() },
        ActionKind::Tag { ticket: ticket(), tags: vec!["vip".into()] },
    ]
}

#[test]
fn every_action_has_its_name_and_subject_and_survives_storage() {
    let subjects = ["customer:42", "customer:42", "staff:sales", "variant:9", "discount:anyone"];
    for (i, kind) in kinds().into_iter().enumerate() {
        assert_eq!(kind.name(), ActionKind::NAMES[i]);
        assert_eq!(kind.subject(), subjects.get(i).copied().unwrap_or("ticket:7"));
        assert_eq!(kind.validate(&shop(), NOON), Ok(()));
        let action = Action::from(kind);
        assert_eq!(format!("{}.{}", action.interface, action.function), action.name());
        let stored = serde_json::to_string(&action).expect("json");
        assert_eq!(serde_json::from_str::<Action>(&stored).expect("an action"), action);
    }
    assert_eq!(kinds().iter().filter_map(ActionKind::money).collect::<Vec<_>>(), [eur(1), eur(5)]);
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let mut offer = match discount(Value::Percent(5.0), 1).kind {
        ActionKind::CreateDiscount(offer) => offer,
        _ => unreachable!(),
    };
    let with = |value| discount(value, 1).kind;
    let sms_of = |text: String| {
        ActionKind::SendSms(Sms { customer: "42".into(), purpose: Purpose::Marketing, text, reason: String::new() })
    };
    let notify = |data: &str| ActionKind::NotifyStaff { channel: "c".into(), text: "t".into(), data: data.into() };
    let tag = |tags: Vec<String>| ActionKind::Tag { ticket: "7".into(), tags };
    offer.expires_at = u64::try_from(NOON).expect("after 1970");
    let table = [
        (with(Value::Percent(0.0)), Some("`value` is 0 percent")),
        (with(Value::Percent(f64::NAN)), Some("`value` is NaN percent")),
        (with(Value::Percent(100.1)), Some("at most 100")),
        (with(Value::Percent(100.0)), None),
        (with(Value::Amount(eur(0))), Some("more than 0")),
        (
            with(Value::Amount(Money { amount: 1, currency: "USD".into() })),
            Some("`USD`: the shop's prices are in `EUR`"),
        ),
        (ActionKind::CreateDiscount(offer), Some("`expires-at`")),
        (set_price(0).kind, None),
        (set_price(-1).kind, Some("`price` is -1")),
        (
            ActionKind::SetPrice {
                variant_id: "9".into(),
                price: Money { amount: 1, currency: "eur".into() },
                reason: String::new(),
            },
            Some("`eur`"),
        ),
        (sms_of("ü".repeat(1_600)), None),
        (sms_of("ü".repeat(1_601)), Some("`text` has 1601 characters")),
        (sms_of("  ".into()), Some("`text` is empty")),
        (notify("[1]"), Some("`data` must be a JSON object")),
        (notify("{"), Some("`data` must be a JSON object")),
        (notify("{}"), None),
        (tag(vec![]), Some("`tags` has 0 items")),
        (tag(vec![String::new()]), Some("`tags` is empty")),
        (ActionKind::Reply { ticket: String::new(), text: "t".into() }, Some("`ticket` is empty")),
        (ActionKind::Reply { ticket: "x".repeat(257), text: "t".into() }, Some("257 bytes")),
        (
            ActionKind::SetPrice { variant_id: "9".into(), price: eur(1), reason: "r".repeat(2_001) },
            Some("`reason` has 2001 characters"),
        ),
    ];
    for (kind, problem) in table {
        match (kind.validate(&shop(), NOON), problem) {
            (Ok(()), None) => {}
            (Err(said), Some(part)) => assert!(said.contains(part), "{said}"),
            (got, _) => panic!("{kind:?}: {got:?}, expected {problem:?}"),
        }
    }
}
