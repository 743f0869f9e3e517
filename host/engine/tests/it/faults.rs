//! Load and faults around the engine: full queues, floods, a store that fails for a while.

use serde_json::{Value, json};
use shopwright_engine::{EngineError, EngineLimits, NewShop, Notice, Senders};
use shopwright_model::VirtualClock;
use shopwright_store::{FaultKind, Store, ops::RunState, testing::Cluster};

use crate::{
    probe,
    receiver::Receiver,
    support::{HOUR, SHOP, START, Setup, World, customer, event, install, store_options},
};

fn setup(receiver: &Receiver, limits: EngineLimits) -> Setup {
    let senders = Senders { callback: Some(receiver.callback()), ..Senders::default() };
    Setup { senders, limits, ..Setup::default() }
}

fn sms(text: &str) -> Value {
    json!({"do": "sms", "customer": "42", "text": text})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_queues_refuse_what_comes_and_lose_nothing_they_took() {
    let receiver = Receiver::start().await;
    let world = World::probed_with(setup(&receiver, EngineLimits { queued: 5, ..EngineLimits::default() })).await;
    world.event("customer.created", "c", customer("42")).await;
    receiver.hold();
    let send = async |id: &str| world.accept("probe.go", id, json!({"steps": [sms(id)]})).await;
    for id in ["1", "2", "3", "4", "5"] {
        send(id).await.expect("there is room");
    }
    let latest = world.store().latest_seq().await.expect("a number");
    let error = send("6").await.expect_err("there is none");
    assert!(matches!(error, EngineError::Busy { queued: 5, limit: 5, retry_after_ms: 1_000.. }), "{error:?}");
    let many = (0..3).map(|n| event(START, "probe.go", &format!("m{n}"), json!({"steps": []}))).collect();
    assert!(matches!(world.engine.ingest(SHOP, many).await, Err(EngineError::Busy { .. })));
    assert_eq!(world.store().latest_seq().await.expect("a number"), latest, "what is refused leaves no trace");
    receiver.release();
    world.idle().await;
    let intake = world.event("probe.go", "6", json!({"steps": [sms("6")]})).await;
    assert!(!intake.duplicate);
    assert_eq!(receiver.seen().len(), 6);
    assert!(world.engine.metrics().contains("shopwright_events_refused_busy_total 2"));
}

/// Runs that are due wait in the store while the queue is full, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_due_runs_pass_through_a_queue_of_ten() {
    let world = World::probed_with(Setup {
        limits: EngineLimits { queued: 10, executing: 3, ..EngineLimits::default() },
        ..Setup::default()
    })
    .await;
    for n in 0..100 {
        world.go(&n.to_string(), json!([{"do": "sleep", "ms": HOUR}, {"do": "add", "key": "n", "by": 1}])).await;
    }
    world.pass(HOUR).await;
    assert_eq!(world.memory("n").await.as_deref(), Some("100"));
}

/// One installation's receiver hangs and one has a flood: the others' runs go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_in_one_place_holds_no_other_up() {
    let receiver = Receiver::start().await;
    let limits = EngineLimits { executing: 3, executing_per_installation: 2, ..EngineLimits::default() };
    let world = World::probed_with(setup(&receiver, limits)).await;
    world.event("customer.created", "c", customer("42")).await;
    let mut second = install("probe", json!({}));
    second.id = Some("second".into());
    world.engine.install(SHOP, second).await.expect("installed");
    let other = NewShop { id: "other".into(), name: String::new(), currency: "EUR".into(), time_zone: "UTC".into() };
    world.engine.create_shop(other).await.expect("a shop");
    world.engine.add_component("other", probe::package(), "test").await.expect("taken");
    world.engine.install("other", install("probe", json!({}))).await.expect("installed");

    receiver.hold();
    let start = async |shop: &str, installation: &str, steps: Value| {
        world.engine.start_run(shop, installation, "script", &json!({ "steps": steps }), None).await.expect("started")
    };
    let mut feed = world.engine.subscribe();
    for n in 0..200 {
        start(SHOP, "probe", json!([sms(&n.to_string())])).await;
    }
    receiver.until(2).await;
    start(SHOP, "second", json!([])).await;
    start("other", "probe", json!([])).await;
    let mut ended = Vec::new();
    while ended.len() < 2 {
        if let Notice::RunEnded { shop, installation, .. } = feed.recv().await.expect("the feed goes on") {
            ended.push(format!("{shop}/{installation}"));
        }
    }
    ended.sort();
    assert_eq!(ended, ["main/second", "other/probe"], "the flood hangs; they ended before any of it");
    receiver.release();
    world.idle().await;
    assert_eq!(receiver.seen().len(), 200);
}

/// With one place to execute, turns are taken: a single run does not stand behind five hundred.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_and_installations_take_turns() {
    let world = World::probed_with(Setup {
        limits: EngineLimits { executing: 1, ..EngineLimits::default() },
        ..Setup::default()
    })
    .await;
    let other = NewShop { id: "other".into(), name: String::new(), currency: "EUR".into(), time_zone: "UTC".into() };
    world.engine.create_shop(other).await.expect("a shop");
    world.engine.add_component("other", probe::package(), "test").await.expect("taken");
    world.engine.install("other", install("probe", json!({}))).await.expect("installed");
    let mut feed = world.engine.subscribe();
    let flood = (0..500).map(|n| event(START, "probe.go", &format!("f{n}"), json!({"steps": []}))).collect();
    world.engine.ingest(SHOP, flood).await.expect("accepted");
    world.engine.ingest("other", vec![event(START, "probe.go", "one", json!({"steps": []}))]).await.expect("accepted");
    let queued_before = 500 - world.engine.active().min(500);
    world.idle().await;
    let mut before = 0;
    while let Ok(notice) = feed.try_recv() {
        match notice {
            Notice::RunEnded { shop, .. } if shop == "other" => break,
            Notice::RunEnded { .. } => before += 1,
            _ => {}
        }
    }
    // Those that had executed when it came, and one or two whose turn it was.
    assert!(before <= queued_before + 20, "{before} of the flood came first, {queued_before} were done when it came");
}

/// Every write fails once: as on a full disk, or it is written and the answer is lost. Nothing that was
/// accepted is lost or done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_once_holds_runs_up_and_no_more() {
    for (kind, k) in (1..=12).flat_map(|k| [(FaultKind::Error, k), (FaultKind::AnswerLost, k)]) {
        let world = World::probed().await;
        world.event("customer.created", "c", customer("42")).await;
        world.store().fail_after(k, kind);
        let steps = json!([{"do": "email", "customer": "42", "note": "1"}, {"do": "add", "key": "k", "by": 1}, {"do": "sleep", "ms": HOUR},
            {"do": "start", "workflow": "child", "key": "one", "input": {"steps": [{"do": "add", "key": "k", "by": 10}]}},
            {"do": "emit", "kind": "some.thing"}, {"do": "wait", "kinds": ["some.thing"], "ms": HOUR}, {"do": "email", "customer": "42", "note": "2"}]);
        let mut failed = 0;
        while let Err(error) = world.accept("probe.go", "1", json!({"steps": steps})).await {
            assert_eq!(error.code(), "store-unavailable");
            failed += 1;
        }
        assert_eq!(failed, u32::from(k == 1));
        let until = START + 3 * HOUR;
        let mut refused = 0;
        while let Err(error) = world.pass_until(until).await {
            assert_eq!(error.code(), "store-unavailable");
            refused += 1;
            assert!(refused <= 1, "{k}");
        }
        // What was written without an answer is missed after a second, and found in the next.
        for hours in 4..12 {
            for seconds in 0..4 {
                world.pass_until(START + hours * HOUR + seconds * 1_000).await.expect("time passes");
            }
        }
        let runs = world.runs().await;
        assert_eq!(
            runs.iter().map(|run| (run.workflow.as_str(), run.state)).collect::<Vec<_>>(),
            [("script", RunState::Done), ("child", RunState::Done)],
            "{kind:?} {k}"
        );
        assert_eq!(world.memory("k").await.as_deref(), Some("11"), "{kind:?} {k}");
        assert_eq!(world.mail().await.len(), 2, "{kind:?} {k}");
    }
}

/// The database server is gone for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_when_the_database_is_back() {
    let Some(cluster) = Cluster::start() else { return };
    let receiver = Receiver::start().await;
    let clock = VirtualClock::new(START);
    let store = Store::open(&cluster.database().await, store_options(&clock)).await.expect("a server");
    let world = World::over(store, clock, setup(&receiver, EngineLimits::default())).await.expect("an engine");
    world.add(probe::package()).await;
    world.enable("probe", json!({})).await;
    world.event("customer.created", "c", customer("42")).await;
    let sleeping = world.go("1", json!([{"do": "sleep", "ms": HOUR}, {"do": "add", "key": "k", "by": 1}])).await;
    receiver.hold();
    let sending = json!({"steps": [sms("before"), {"do": "add", "key": "k", "by": 1}, sms("after")]});
    let sending = world.accept("probe.go", "2", sending).await.expect("accepted").runs[0].run.expect("a run");
    receiver.until(1).await;

    cluster.stop_server();
    receiver.release();
    let refused = json!({"steps": [{"do": "add", "key": "k", "by": 1}]});
    let error = world.accept("probe.go", "3", refused.clone()).await.expect_err("it is gone");
    assert_eq!(error.code(), "store-unavailable");
    assert!(world.engine.next_wake().await.is_err());
    assert!(!world.store().healthy());
    cluster.start_server();

    world.accept("probe.go", "3", refused).await.expect("it is back");
    world.pass(HOUR).await;
    assert_eq!(world.said(sending).await, json!(["done", 2, "done"]).clone());
    assert_eq!(world.state(sleeping).await, RunState::Done);
    assert_eq!(world.memory("k").await.as_deref(), Some("3"));
    assert_eq!(receiver.by_key().len(), 2, "each under one key");
    assert!(world.store().healthy());
    world.store().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_events_are_refused_whole_and_say_where() {
    let world = World::probed().await;
    let good = event(START, "some.thing", "good", json!({}));
    let with = |change: fn(&mut shopwright_engine::IncomingEvent)| {
        let mut event = good.clone();
        event.id = "bad".into();
        change(&mut event);
        event
    };
    for (bad, field, words) in [
        (with(|e| e.id.clear()), "/1/id", "1 to 256"),
        (with(|e| e.source = "s".repeat(513)), "/1/source", "1 to 512"),
        (with(|e| e.kind = "Order.Placed".into()), "/1/type", "lower-case"),
        (with(|e| e.kind = "order".into()), "/1/type", "dotted"),
        (with(|e| e.concerns = vec!["nothing".into()]), "/1/concerns", "type:id"),
        (with(|e| e.data = "x".repeat((1 << 20) + 1)), "/1/data", "1048576"),
        (with(|e| e.kind = "cart.updated".into()), "/1/data", "id"),
        (
            with(|e| {
                e.kind = "order.placed".into();
                e.data = r#"{"id": "1", "placed_at": "yesterday"}"#.into();
            }),
            "/1/data",
            "",
        ),
        (
            with(|e| {
                e.kind = "cart.deleted".into();
                e.data = "{".into();
            }),
            "/1/data",
            "",
        ),
    ] {
        let error = world.engine.ingest(SHOP, vec![good.clone(), bad]).await.expect_err(field);
        let EngineError::Invalid { field: actual, reason, .. } = &error else { panic!("{error:?}") };
        assert_eq!(actual, field, "{reason}");
        assert!(reason.contains(words), "{reason}");
    }
    assert_eq!(
        world.store().latest_seq().await.expect("a number"),
        0,
        "the good one beside it was not accepted either"
    );
    assert!(matches!(world.engine.ingest("nowhere", vec![good.clone()]).await, Err(EngineError::NotFound { .. })));
    let first = world.engine.ingest(SHOP, vec![good.clone(), good.clone()]).await.expect("accepted");
    assert_eq!(first.iter().map(|intake| (intake.seq, intake.duplicate)).collect::<Vec<_>>(), [(1, false), (1, true)]);
    let again = world.engine.ingest(SHOP, vec![good]).await.expect("accepted");
    assert!(again[0].duplicate && again[0].seq == 1);
}
