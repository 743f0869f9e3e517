//! What actions ask for, and what carrying them out does to the model.

use super::*;
use shopwright_commerce::{Outgoing, OwnWrites, Why, changes, discount_code};
use shopwright_model::{EntityKind as Kind, Millis};

const LATER: Millis = 777_000;

fn shelf() -> Shelf {
    let mut silent = customer("silent");
    silent["email"] = json!(" ");
    silent["phone"] = Json::Null;
    Shelf::new()
        .with(Kind::Customer, [customer("42"), silent])
        .with(Kind::Product, [product("p", &["v", "w"])])
        .with(Kind::Ticket, [ticket("7", "open", 1), ticket("8", "resolved", 1)])
}

/// The action that a call asks for.
fn ask(name: &str, parameters: Json) -> ActionKind {
    let (ask, _) = &Calls::new().actions[name];
    let kind = ask(parameters).expect("an action");
    assert_eq!(kind.name(), name);
    kind
}

fn perform(shelf: &Shelf, name: &str, parameters: Json) -> Result<OwnWrites, Why> {
    wait(changes(&ask(name, parameters), shelf, LATER, "run_1:3", "run:1"))
}

fn done(shelf: &Shelf, name: &str, parameters: Json) -> OwnWrites {
    perform(shelf, name, parameters).expect("it can be done")
}

fn document(writes: &OwnWrites) -> Json {
    assert_eq!(writes.entities.len(), 1);
    serde_json::from_str(&writes.entities[0].doc).expect("json")
}

fn email(customer: &str) -> Json {
    json!([{"customer": customer, "purpose": "marketing", "template": "t", "data": {"a": 1}, "reason": "r"}])
}

fn sms(customer: &str) -> Json {
    json!([{"customer": customer, "purpose": "marketing", "text": "Hi", "reason": "r"}])
}

fn offer(customer: Json) -> Json {
    json!([{"customer": customer, "value": {"percent": 10.0}, "expires_at": 999_000, "single_use": true, "reason": "r"}])
}

#[test]
fn a_price_changes_one_variant_and_is_kept_in_the_history() {
    let shelf = shelf();
    let writes = done(&shelf, "pricing-actions.set-price", json!(["w", eur(1_100), "demand"]));
    let mut expected: Json = ok(&shelf, "catalog.get-product", json!(["p"]));
    expected["variants"][1]["price"] = eur(1_100);
    assert_eq!(document(&writes), expected, "and nothing else");
    let change = json!({"variant_id": "w", "before": eur(1_000), "after": eur(1_100), "at": LATER, "reason": "demand",
        "by": "run:1"});
    assert_eq!(serde_json::to_value(&writes.price_change).expect("json"), change);
    let event = &writes.events[0];
    assert_eq!(
        (event.kind, event.concerns.as_slice()),
        ("price.changed", &["variant:w".into(), "product:p".into()][..])
    );
    assert_eq!(serde_json::from_str::<Json>(&event.data).expect("json"), change);

    let same = done(&shelf, "pricing-actions.set-price", json!(["w", eur(1_000), "demand"]));
    assert_eq!(same, OwnWrites::default(), "nothing to do");
    let error = perform(&shelf, "pricing-actions.set-price", json!(["x", eur(1), "r"])).expect_err("no variant");
    assert_eq!(error.to_string(), "`variant-id` is `x`: there is no such variant");
}

#[test]
fn a_discount_gets_a_code_that_is_its_effects_own() {
    let shelf = shelf();
    let writes = done(&shelf, "discount-actions.create", offer(json!("42")));
    let code = writes.code.clone().expect("a code");
    assert_eq!(done(&shelf, "discount-actions.create", offer(json!("42"))), writes, "the same on replay");
    assert_eq!((code.len(), code.find(|c: char| !c.is_ascii_alphanumeric() || "ILOUilou".contains(c))), (10, None));
    let codes: std::collections::BTreeSet<String> =
        (0..1_000).map(|i| discount_code(if i % 2 == 0 { "a" } else { "b" }, &format!("run_{}:1", i / 2))).collect();
    assert_eq!(codes.len(), 1_000);
    assert_eq!(
        document(&writes),
        json!({"code": code, "customer": "42", "value": {"percent": 10.0}, "expires_at": 999_000, "single_use": true,
            "reason": "r"})
    );
    assert_eq!(writes.events[0].kind, "discount.created");
    assert_eq!(writes.events[0].concerns, [format!("discount:{code}"), "customer:42".into()]);
    assert!(done(&shelf, "discount-actions.create", offer(Json::Null)).code.is_some());
    let error = perform(&shelf, "discount-actions.create", offer(json!("x"))).expect_err("no customer");
    assert_eq!(error.to_string(), "`customer` is `x`: there is no such customer");

    let (_, reply) = &Calls::new().actions["discount-actions.create"];
    let performed = Performed { effect: "e".into(), reference: None, code: Some("C".into()) };
    assert_eq!(reply(performed), json!({"code": "C", "receipt": {"effect": "e", "reference": null}}));
}

#[test]
fn messages_go_to_the_address_the_shop_knows() {
    let shelf = shelf();
    match done(&shelf, "messaging.send-email", email("42")).outgoing {
        Some(Outgoing::Email { customer, to, email }) => {
            assert_eq!((customer.id.as_str(), to.as_str()), ("42", "42@Example.com"));
            assert_eq!((email.template.as_str(), email.data.as_str()), ("t", "{\"a\":1}"));
        }
        other => panic!("{other:?}"),
    }
    match done(&shelf, "messaging.send-sms", sms("42")).outgoing {
        Some(Outgoing::Sms { to, sms, .. }) => assert_eq!((to.as_str(), sms.text.as_str()), ("+4930123456", "Hi")),
        other => panic!("{other:?}"),
    }
    let staff = done(&shelf, "messaging.notify-staff", json!(["sales", "Look", ""]));
    let expected = Outgoing::Staff { channel: "sales".into(), text: "Look".into(), data: "{}".into() };
    assert_eq!((staff.outgoing, staff.events.len()), (Some(expected), 0));
    for (name, parameters, said) in [
        ("messaging.send-email", email("silent"), "customer `silent` has no email address"),
        ("messaging.send-sms", sms("silent"), "customer `silent` has no phone number"),
        ("messaging.send-sms", sms("x"), "`customer` is `x`: there is no such customer"),
    ] {
        assert_eq!(perform(&shelf, name, parameters), Err(Why::Invalid(said.into())));
    }
    let away = Shelf { away: true, ..Shelf::new() };
    assert!(matches!(perform(&away, "messaging.send-sms", sms("42")), Err(Why::Unavailable(_))));
}

#[test]
fn ticket_actions_change_their_field_and_say_so_once() {
    let shelf = shelf();
    let message = |text: &str, internal: bool| json!([{"author": "run:1", "from_customer": false, "text": text, "at": LATER, "internal": internal}]);
    let updated = &["ticket.updated"][..];
    // function, parameters, what becomes of which fields, events
    let table = [
        ("assign", json!(["7", "tech", "bo", "r"]), json!({"team": "tech", "assignee": "bo"}), updated),
        ("assign", json!(["7", "tech", null, "r"]), json!({"team": "tech", "assignee": null}), updated),
        ("set-priority", json!(["7", "urgent", "r"]), json!({"priority": "urgent"}), updated),
        ("set-status", json!(["7", "pending", "r"]), json!({"status": "pending"}), updated),
        (
            "set-status",
            json!(["7", "resolved", "r"]),
            json!({"status": "resolved"}),
            &["ticket.updated", "ticket.resolved"],
        ),
        ("set-status", json!(["8", "closed", "r"]), json!({"status": "closed"}), &["ticket.updated", "ticket.closed"]),
        ("set-status", json!(["8", "open", "r"]), json!({"status": "open"}), &["ticket.updated", "ticket.reopened"]),
        ("tag", json!(["7", ["vip", "old", "vip"]]), json!({"tags": ["old", "vip"]}), updated),
        ("note", json!(["7", "Hm"]), json!({"messages": message("Hm", true)}), updated),
        ("reply", json!(["7", "Yes"]), json!({"messages": message("Yes", false)}), updated),
    ];
    for (function, parameters, fields, events) in table {
        let writes = done(&shelf, &format!("support-actions.{function}"), parameters.clone());
        let id = parameters[0].as_str().expect("an id");
        let mut expected = ok(&shelf, "support.get", json!([id]));
        expected["updated_at"] = json!(LATER);
        for (field, value) in fields.as_object().expect("fields") {
            expected[field] = value.clone();
        }
        assert_eq!(document(&writes), expected, "{function}{parameters}");
        assert_eq!(writes.events.iter().map(|event| event.kind).collect::<Vec<_>>(), events, "{function}{parameters}");
        for event in &writes.events {
            assert_eq!(event.concerns, [format!("ticket:{id}"), "customer:42".into()]);
            assert_eq!(event.data, writes.entities[0].doc);
        }
        assert_eq!(writes.outgoing.is_some(), function == "reply");
    }
    for (function, parameters) in [
        ("set-priority", json!(["7", "normal", "r"])),
        ("set-status", json!(["7", "open", "r"])),
        ("tag", json!(["7", ["old"]])),
    ] {
        let writes = done(&shelf, &format!("support-actions.{function}"), parameters);
        assert_eq!(writes, OwnWrites::default(), "{function} that changes nothing");
    }
    let error = perform(&shelf, "support-actions.note", json!(["x", "Hm"])).expect_err("no ticket");
    assert_eq!(error.to_string(), "`ticket` is `x`: there is no such ticket");
    match done(&shelf, "support-actions.reply", json!(["7", "Yes"])).outgoing {
        Some(Outgoing::Reply { ticket, text }) => {
            assert_eq!((ticket.messages[0].text.as_str(), text.as_str()), ("Yes", "Yes"))
        }
        other => panic!("{other:?}"),
    }
}
