//! The sequence, against a pretended host.

use shopwright_sdk::{
    serde_json::Value,
    support::Priority,
    testing::{Action, Host, event, record, sample},
};

use super::*;

fn host() -> Host {
    let mut host = Host::new();
    host.put(sample::customer("1"));
    host
}

fn handle(host: &mut Host, ticket: &Ticket) -> Value {
    match host.run(route_ticket, event("ticket.created", ticket), Settings::default()).unwrap() {
        Outcome::Done(value) => value,
        Outcome::ContinueAsNew(_) => panic!("a ticket is not gone on with"),
    }
}

fn shipped(id: &str, customer: &str) -> Order {
    let mut order = sample::order(id, customer);
    order.shipments = vec![record(json!({
        "id": "s", "carrier": "DHL", "tracking_number": "JD014", "status": "in_transit", "shipped_at": 0,
    }))];
    order
}

fn replies(host: &Host) -> Vec<String> {
    let text = |action: &Action| match action {
        Action::Reply { text, .. } => Some(text.clone()),
        _ => None,
    };
    host.actions().iter().filter_map(text).collect()
}

fn team(host: &Host) -> Option<String> {
    host.actions().iter().find_map(|action| match action {
        Action::Assign { team, .. } => Some(team.clone()),
        _ => None,
    })
}

fn note(host: &Host) -> String {
    let text = |action: &Action| match action {
        Action::Note { text, .. } => Some(text.clone()),
        _ => None,
    };
    host.actions().iter().find_map(text).expect("every ticket gets its packet")
}

#[test]
fn an_order_status_is_answered_with_tracking_and_resolved() {
    let mut host = host();
    host.put(shipped("1001", "1"));
    let result = handle(&mut host, &sample::ticket("t", "1", "Hi, where is my order #1001?"));
    assert_eq!(result["result"], "resolved");
    assert!(replies(&host)[0].contains("JD014"));
    assert_eq!((replies(&host).len(), team(&host)), (1, None));
    assert_eq!(host.waited(), days(3));
    assert!(note(&host).contains("where is my order (4)"), "{}", note(&host));
}

#[test]
fn a_reply_keeps_the_ticket_open() {
    let mut host = host();
    host.put(shipped("1001", "1"));
    let ticket = sample::ticket("t", "1", "Where is my order?");
    let mut again = ticket.clone();
    again.messages.push(record(json!({
        "author": "Kim", "from_customer": true, "text": "Thanks, but...", "at": (host.now() + days(1)).as_millis(),
    })));
    // Our own reply comes back as an update first.
    host.later(minutes(1), event("ticket.updated", &ticket));
    host.later(days(1), event("ticket.updated", &again));
    assert_eq!(handle(&mut host, &ticket)["result"], "answered");
    assert_eq!(host.waited(), days(1));
}

#[test]
fn nobody_is_told_of_somebody_elses_order() {
    let mut host = host();
    host.put(shipped("2002", "2"));
    let result = handle(&mut host, &sample::ticket("t", "1", "Where is my order #2002?"));
    assert_eq!(result["team"], "shipping");
    assert!(replies(&host).iter().all(|reply| !reply.contains("JD014")));
}

#[test]
fn a_late_order_goes_to_people() {
    let mut host = host();
    let mut order = shipped("1001", "1");
    order.expected_delivery = Some((host.now() - days(1)).as_millis());
    host.put(order);
    let result = handle(&mut host, &sample::ticket("t", "1", "Where is my order?"));
    assert_eq!(result["team"], "shipping");
    assert!(result["why"].as_str().unwrap().contains("late"));
}

#[test]
fn high_value_shipping_goes_to_senior_staff_at_once() {
    let mut host = host();
    host.put(shipped("1001", "1"));
    host.standing("1", record(json!({ "orders": 20, "spent": Money::new(200_000, "EUR") })));
    let result = handle(&mut host, &sample::ticket("t", "1", "Where is my order #1001?"));
    assert_eq!(result["team"], "senior");
    let told = |action: &Action| matches!(action, Action::NotifyStaff { channel, .. } if channel == "support");
    assert!(host.actions().iter().any(told));
    assert!(note(&host).contains("2000.00 EUR spent"), "{}", note(&host));
}

#[test]
fn product_information_comes_from_the_articles() {
    let article = |score: f64| -> Article {
        record(json!({
            "id": "a", "title": "Is the rain jacket waterproof?", "text": "Yes, up to 10,000 mm.",
            "url": "https://help.example/a", "score": score,
        }))
    };
    let ticket = sample::ticket("t", "1", "Is the jacket waterproof? What is it made of?");
    let mut host1 = host();
    host1.put(article(0.8));
    assert_eq!(handle(&mut host1, &ticket)["result"], "resolved");
    assert!(replies(&host1)[0].contains("10,000 mm"));
    let mut host2 = host();
    host2.put(article(0.2));
    assert_eq!(handle(&mut host2, &ticket)["team"], "sales");
    assert!(note(&host2).contains("https://help.example/a"), "the packet has the articles all the same");
}

#[test]
fn the_frustrated_are_escalated_with_the_packet() {
    let mut host = host();
    host.put(shipped("1001", "1"));
    let mut old = sample::ticket("old", "1", "Hello?");
    old.subject = "No answer".into();
    host.put(old);
    let ticket = sample::ticket("t", "1", "Where is my order?! This is unacceptable, the third time I ask!");
    let result = handle(&mut host, &ticket);
    assert_eq!((&result["team"], &result["priority"]), (&json!("senior"), &json!("high")));
    let note = note(&host);
    for part in ["unacceptable", "Kim Example", "#1001", "No answer", "value 0.10 x urgency", "third time I ask"] {
        assert!(note.contains(part), "{part}: {note}");
    }
    let raised = |action: &Action| matches!(action, Action::SetPriority { priority: Priority::High, .. });
    assert!(host.actions().iter().any(raised));
}

#[test]
fn unsure_means_a_person_and_never_silence() {
    let mut host = host();
    let result = handle(&mut host, &sample::ticket("t", "1", "Hello, I have a question"));
    assert_eq!((&result["team"], &result["kind"]), (&json!("support"), &Value::Null));
    assert!(replies(&host)[0].contains("colleague"));
    // Nor for people the shop does not know.
    let mut host = Host::new();
    let ticket = Ticket { customer: None, ..sample::ticket("t", "1", "Where is my order?") };
    assert_eq!(handle(&mut host, &ticket)["team"], "shipping");
    assert_eq!(replies(&host).len(), 1);
}

#[test]
fn a_message_is_handled_once() {
    let mut host = host();
    let ticket = sample::ticket("t", "1", "Hello");
    handle(&mut host, &ticket);
    let count = host.actions().len();
    let updated = event("ticket.updated", &ticket);
    let again = host.run(route_ticket, updated, Settings::default()).unwrap();
    assert_eq!(again, Outcome::Done(json!({ "result": "handled_already" })));
    assert_eq!(host.actions().len(), count);
}

#[test]
fn what_colleagues_handle_is_left_to_them() {
    let mut host = host();
    let mut ticket = sample::ticket("t", "1", "Hello");
    ticket.messages.push(record(json!({ "author": "Ada", "from_customer": false, "text": "Hi", "at": 1 })));
    assert_eq!(handle(&mut host, &ticket)["result"], "answered_already");
    let closed = Ticket { status: Status::Closed, ..sample::ticket("u", "1", "Where is my order?") };
    assert_eq!(handle(&mut host, &closed)["result"], "answered_already");
    assert!(host.actions().is_empty());
}
