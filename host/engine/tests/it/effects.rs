//! Effects: where they go, what the ledger says, and that each happens once.

use std::sync::Arc;

use serde_json::{Value, json};
use shopwright_connectors::smtp::{Smtp, Timeouts};
use shopwright_engine::{EngineLimits, Notice, Senders};
use shopwright_model::VirtualClock;
use shopwright_store::{
    FaultKind, Store,
    ops::{EffectState, RunState},
};

use crate::{
    mail::MailServer,
    probe,
    receiver::{Answer, Receiver},
    support::{DAY, HOUR, SHOP, START, Setup, World, customer, event, product, store_options},
};

fn by_callback(receiver: &Receiver) -> Setup {
    Setup { senders: Senders { callback: Some(receiver.callback()), ..Senders::default() }, ..Setup::default() }
}

fn by_mail(server: &MailServer) -> Setup {
    let smtp = Smtp::new(&server.url(), Timeouts::default()).expect("a mail server");
    let senders = Senders { smtp: Some(Arc::new(smtp)), from: "Shop <shop@example.com>".into(), ..Senders::default() };
    Setup { senders, ..Setup::default() }
}

async fn shop(setup: Setup) -> World {
    let world = World::probed_with(setup).await;
    fill(&world).await;
    world
}

async fn fill(world: &World) {
    world.event("customer.created", "c", customer("42")).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    let ticket = json!({"id": "t1", "customer": "42", "subject": "Where?", "channel": "email", "status": "open", "priority": "normal",
        "tags": [], "messages": [], "created_at": START, "updated_at": START});
    world.event("ticket.created", "t", ticket).await;
}

fn sms(text: &str) -> Value {
    json!({"do": "sms", "customer": "42", "text": text})
}

fn staff(text: &str) -> Value {
    json!({"do": "staff", "channel": "#shop", "text": text})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_senders_everything_is_in_the_mailbox_and_the_model() {
    let world = shop(Setup::default()).await;
    let run = world.go("1", json!([{"do": "email", "customer": "42", "note": "hello"}, sms("short"), staff("look"),
        {"do": "price", "variant": "v1", "amount": 1_900}, {"do": "discount", "customer": "42", "percent": 10, "days": 3},
        {"do": "priority", "ticket": "t1", "high": true}, {"do": "reply", "ticket": "t1", "text": "On its way."}]))
    .await;
    assert_eq!(world.said(run).await, json!(vec!["done"; 7]));
    let mail: Vec<_> = world.mail().await.into_iter().map(|m| (m.channel, m.recipient, m.subject, m.text)).collect();
    let expected = [
        ("email", "42@example.com", "A note for Ann", "Ann: hello"),
        ("sms", "+4930123456", "", "short"),
        ("staff", "#shop", "", "look"),
        ("ticket", "t1", "Where?", "On its way."),
    ];
    assert_eq!(mail, expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned())));
    let effects = world.effects(run).await;
    assert!(effects.iter().all(|row| row.state == EffectState::Done && row.attempts == 1));
    let connectors: Vec<_> = effects.iter().map(|row| row.connector.as_str()).collect();
    assert_eq!(connectors, ["mailbox", "mailbox", "mailbox", "own", "own", "own", "mailbox"]);
    let positions: Vec<_> = effects.iter().map(|row| row.position).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6]);
    for (n, effect) in effects.iter().enumerate() {
        assert_eq!(effect.id, format!("{run}-{n}"));
    }
}

/// What an action changes is told as an event: others are triggered by it and wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_price_is_an_event() {
    let world = shop(Setup::default()).await;
    let waiting = world
        .go(
            "1",
            json!([{"do": "wait", "kinds": ["price.changed"], "when": "event.data.after.amount == 1900", "ms": DAY}]),
        )
        .await;
    world.go("2", json!([{"do": "price", "variant": "v1", "amount": 1_900}])).await;
    assert!(world.said(waiting).await[0].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_connector_goes_out_signed_and_is_tried_until_it_is_taken() {
    let receiver = Receiver::start().await;
    let world = shop(by_callback(&receiver)).await;
    receiver.answer_next([Answer::Status(503), Answer::HangUp, Answer::Status(429), Answer::Take]);
    let run = world.go("1", json!([sms("hello"), staff("said so")])).await;
    let row = world.row(run).await;
    assert_eq!(row.state, RunState::Waiting);
    assert!(row.wait.expect("why").contains("the callback answered 503"));
    assert_eq!(world.effects(run).await[0].state, EffectState::Intended);
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!(["done", "done"]));
    let taken = receiver.by_key();
    // The second try was taken too, but that was not to be known: the key tells the receiver.
    assert_eq!(taken[&format!("{run}-0")].0, 2);
    assert_eq!(taken[&format!("{run}-1")].0, 1);
    assert_eq!(taken.len(), 2);
    let first = &taken[&format!("{run}-0")].1;
    assert_eq!((first.kind.as_str(), &first.data["text"]), ("messaging.send-sms", &json!("hello")));
    let effects = world.effects(run).await;
    assert_eq!((effects[0].state, effects[0].attempts, effects[0].error.as_deref()), (EffectState::Done, 4, None));
    assert!(effects[0].answer.as_deref().is_some_and(|answer| answer.contains(r#""reference":"r""#)));
    assert!(world.mail().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_or_never_taken_is_told_to_the_guest() {
    let receiver = Receiver::start().await;
    let limits = EngineLimits { effect_attempts: 3, ..EngineLimits::default() };
    let world = shop(Setup { limits, ..by_callback(&receiver) }).await;
    receiver.answer_next([Answer::Status(400)]);
    let run = world.go("1", json!([sms("refused")])).await;
    assert_eq!(world.said(run).await, json!([{"unavailable": "the callback answered 400"}]));
    assert_eq!(world.effects(run).await[0].state, EffectState::Failed);
    receiver.answer_next([Answer::Status(500); 3]);
    let run = world.go("2", json!([sms("given up"), sms("the next one")])).await;
    world.pass(DAY).await;
    assert_eq!(
        world.said(run).await,
        json!([{"unavailable": "given up after 3 tries: the callback answered 500"}, "done"])
    );
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_hears_of_our_own_changes_after_they_are_made() {
    let receiver = Receiver::start().await;
    let world = shop(by_callback(&receiver)).await;
    receiver.answer_next([Answer::Status(500), Answer::HangUp]);
    let run = world.go("1", json!([{"do": "price", "variant": "v1", "amount": 1_900}])).await;
    // The run does not wait for it.
    assert_eq!(world.said(run).await, json!(["done"]));
    world.pass(HOUR).await;
    let taken = receiver.by_key();
    assert_eq!(taken.len(), 1);
    let (count, delivery) = &taken[&format!("{run}-0")];
    assert_eq!((*count, delivery.kind.as_str()), (2, "pricing-actions.set-price"));
    let effect = &world.effects(run).await[0];
    assert_eq!((effect.state, effect.attempts), (EffectState::Done, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn email_goes_out_by_smtp() {
    let server = MailServer::start().await;
    let world = shop(by_mail(&server)).await;
    server.refuse_next("451 4.3.0 later");
    let run = world.go("1", json!([{"do": "email", "customer": "42", "note": "hello"}])).await;
    assert_eq!(world.state(run).await, RunState::Waiting);
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!(["done"]));
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].from.as_str(), &mails[0].to[..]), ("shop@example.com", &["42@example.com".to_owned()][..]));
    assert!(mails[0].content.contains("Subject: A note for Ann") && mails[0].content.contains("Ann: hello"));
    server.refuse_next("550 5.1.1 nobody here");
    let run = world.go("2", json!([{"do": "email", "customer": "42", "note": "again"}])).await;
    let said = world.said(run).await;
    assert!(said[0]["unavailable"].as_str().is_some_and(|why| why.contains("550 5.1.1 nobody here")), "{said}");
}

/// The run asks for another try after the receiving side has said yes: that is not asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_success_is_never_repeated_by_a_later_try() {
    let (receiver, server) = (Receiver::start().await, MailServer::start().await);
    let mut setup = by_mail(&server);
    setup.senders.callback = Some(receiver.callback());
    let world = shop(setup).await;
    let again = json!({"do": "retry_below", "attempt": 3});
    let email = json!({"do": "email", "customer": "42", "note": "hello"});
    let run = world
        .go("1", json!([sms("one"), {"do": "add", "key": "k", "by": 1}, email, {"do": "get", "key": "k"}, again]))
        .await;
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!(["done", 1, "done", 1]));
    assert_eq!((receiver.seen().len(), server.mails().len()), (1, 1));
    // What was refused is asked for anew: perhaps it is taken now.
    receiver.answer_next([Answer::Status(400)]);
    let run = world.go("2", json!([sms("two"), {"do": "retry_below", "attempt": 2}])).await;
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!(["done"]));
    assert_eq!(receiver.seen().len(), 2);
}

/// Runs that send and then contend for one counter: some decide anew, none sends anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_known_success_is_never_repeated_because_of_a_conflict() {
    let server = MailServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = VirtualClock::new(START);
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let store = Store::open(&url, store_options(&clock)).await.expect("a file");
    let world = World::over(store, clock, by_mail(&server)).await.expect("an engine");
    world.add(probe::package()).await;
    world.enable("probe", json!({})).await;
    fill(&world).await;
    let steps = json!([{"do": "email", "customer": "42", "note": "n"}, {"do": "add", "key": "k", "by": 1}]);
    let events = (0..30).map(|n| event(START, "probe.go", &format!("g{n}"), json!({"steps": steps}))).collect();
    world.engine.ingest(SHOP, events).await.expect("accepted");
    world.idle().await;
    for run in world.runs().await {
        assert_eq!(world.said(run.id).await[0], "done");
    }
    assert_eq!(server.mails().len(), 30);
    assert_eq!(world.memory("k").await.as_deref(), Some("30"));
    let metrics = world.engine.metrics();
    assert!(!metrics.contains("run_conflicts_total 0"), "nothing contended: the test shows nothing");
    world.store().close().await;
}

/// The disk is full at one of the writes around a send. The host lives on; the mail goes out once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_store_sends_no_mail_twice() {
    for k in 1..=8 {
        let server = MailServer::start().await;
        let world = shop(by_mail(&server)).await;
        world.store().fail_after(k, FaultKind::Error);
        let steps = json!([{"do": "email", "customer": "42", "note": "first"}, {"do": "add", "key": "k", "by": 1},
            {"do": "email", "customer": "42", "note": "second"}, {"do": "add", "key": "k", "by": 1}]);
        let mut tries = 0;
        while world.accept("probe.go", "1", json!({"steps": steps})).await.is_err() {
            tries += 1;
            assert_eq!((k, tries), (1, 1), "only the armed write fails");
        }
        world.idle().await;
        let run = world.runs().await[0].id;
        let said = world.said(run).await;
        assert_eq!((&said[1], &said[3]), (&json!(1), &json!(2)), "{k}");
        for sent in [&said[0], &said[2]] {
            assert!(*sent == "done" || sent["unknown"].is_string(), "{k}: {said}");
        }
        assert_eq!(server.mails().len(), 2, "{k}: {said}");
        assert_eq!(world.memory("k").await.as_deref(), Some("2"));
    }
}

/// A run that is replaced while its message is on the way: the ledger says what came of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_knows_what_a_cancelled_run_sent() {
    let receiver = Receiver::start().await;
    let world = shop(by_callback(&receiver)).await;
    receiver.hold();
    let steps = json!([sms("on its way"), {"do": "add", "key": "k", "by": 1}]);
    let intake = world.accept("probe.go", "1", json!({"steps": steps})).await.expect("accepted");
    let run = intake.runs[0].run.expect("a run");
    receiver.until(1).await;
    assert!(world.engine.cancel(SHOP, run, "changed my mind").await.expect("cancelled"));
    receiver.release();
    world.idle().await;
    assert_eq!(world.state(run).await, RunState::Cancelled);
    let effects = world.effects(run).await;
    assert_eq!(effects[0].state, EffectState::Done);
    assert!(world.memory("k").await.is_none(), "it did nothing more");
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_undoes_what_it_did_backwards() {
    let receiver = Receiver::start().await;
    let world = shop(by_callback(&receiver)).await;
    let price = |amount: i64| json!({"do": "price", "variant": "v1", "amount": amount});
    let priority = |high: bool| json!({"do": "priority", "ticket": "t1", "high": high});
    let saga = json!([{"do": "saga", "give_up_after": 2, "parts": [
        {"name": "lower the price", "act": price(1_800), "undo": price(2_000)},
        {"name": "raise the ticket", "act": priority(true), "undo": priority(false)},
        {"name": "tell them", "act": sms("cheaper"), "undo": sms("sorry")}]}]);
    // Refused at both tries: then it is undone.
    receiver.answer_next([Answer::Status(400)]);
    let run =
        world.accept("probe.go", "1", json!({"steps": saga})).await.expect("accepted").runs[0].run.expect("a run");
    world.idle().await;
    assert_eq!(world.row(run).await.attempt, 2, "{:?}", world.row(run).await.error);
    let steps_done = world.effects(run).await.iter().filter(|row| row.state != EffectState::Failed).count();
    assert_eq!(steps_done, 2, "nothing is undone while another try may help");
    receiver.answer_next([Answer::Status(400)]);
    world.pass(HOUR).await;
    let (code, message) = world.failure(run).await;
    assert_eq!(code, "fatal");
    assert!(message.contains("tell them"), "{message}");
    let changes = world.store().price_changes(SHOP, "v1", None, 10).await.expect("a history");
    assert_eq!(changes.iter().rev().map(|c| c.after).collect::<Vec<_>>(), [1_800, 2_000]);
    let log = world.engine.timeline(SHOP, run).await.expect("a timeline").expect("a run").log;
    let undone: Vec<_> = log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(undone, ["undone: raise the ticket", "undone: lower the price"]);

    // Taken at the second try: nothing is undone.
    receiver.answer_next([Answer::Status(400)]);
    let run = world.go("2", saga).await;
    world.pass(HOUR).await;
    assert_eq!(world.state(run).await, RunState::Done);
    let changes = world.store().price_changes(SHOP, "v1", None, 10).await.expect("a history");
    assert_eq!(changes[0].after, 1_800);
}

/// The feed tells of effects once, and only when they are durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_tells_what_happened_in_its_order() {
    let world = shop(Setup::default()).await;
    let mut feed = world.engine.subscribe();
    world.go("1", json!([{"do": "email", "customer": "42", "note": "n"}, {"do": "log", "message": "so"}, {"do": "sleep", "ms": HOUR}, {"do": "price", "variant": "v1", "amount": 1_900}])).await;
    world.pass(HOUR).await;
    let mut told = Vec::new();
    while let Ok(notice) = feed.try_recv() {
        told.push(match notice {
            Notice::Event { kind, .. } => kind,
            Notice::RunStarted { trigger, .. } => format!("started by {trigger}"),
            Notice::RunWaiting { until, .. } => format!("waits until {}", until.unwrap_or_default() - START),
            Notice::RunEnded { state, .. } => state.into(),
            Notice::Effect { action, state, reason, .. } => format!("{action} {state}: {reason}"),
            Notice::Log { message, .. } => format!("log {message}"),
            Notice::RunReplaced { .. } => "replaced".into(),
            Notice::RolledBack { .. } => "rolled back".into(),
            Notice::RunReopened { .. } => "goes on".into(),
        });
    }
    let expected = [
        "probe.go",
        "started by probe.go",
        "log so",
        "messaging.send-email done: the script says so",
        "waits until 3600000",
        "price.changed",
        "pricing-actions.set-price done: the script says so",
        "done",
    ];
    assert_eq!(told, expected);
}
