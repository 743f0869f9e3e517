//! Backtests: as it was then, in the order in which it happened, and nothing live is touched.

use serde_json::{Value, json};
use shopwright_model::Clock as _;
use shopwright_trial::{
    TrialError,
    backtest::{self, Outcome, Progress, Request},
    compare::Verdict,
};

use crate::{
    probe,
    support::{DAY, HOUR, MINUTE, SHOP, START, Setup, World, cart, customer, order, product},
};

async fn backtest(world: &World, request: Request) -> Outcome {
    try_backtest(world, request).await.expect("a report")
}

async fn try_backtest(world: &World, request: Request) -> Result<Outcome, TrialError> {
    let plan = backtest::plan(&world.engine, SHOP, &request).await?;
    backtest::run(&world.engine, plan, &Progress::default()).await
}

fn request() -> Request {
    Request { installation: Some("probe".into()), from: START, guardrails: true, ..Request::default() }
}

fn steps(steps: Value) -> Option<Value> {
    Some(json!({ "steps": steps }))
}

/// `timed` follows the settings at every `shop.tick`; `script` the event.
const TICK: &str = "[[workflow]]\nname = \"script\"\ntitle = \"t\"\n[[workflow.trigger]]\nevent = [\"shop.tick\"]\n";

async fn ticking(settings: Value) -> World {
    let world = World::with_workflows(Setup::default(), TICK, settings).await;
    world.event("customer.created", "c", customer("42")).await;
    world
}

fn price(variant: &str, amount: i64) -> Value {
    json!({"do": "price", "variant": variant, "amount": amount})
}

/// A product changed after an event is read by that event's run as it was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_as_of_the_virtual_moment() {
    let world = ticking(json!({"steps": []})).await;
    world.event("product.created", "p1", product("p1", "v1", 2_000, 1_000)).await;
    world.pass(HOUR).await;
    world.event("shop.tick", "t1", json!({})).await;
    world.pass(HOUR).await;
    let mut dearer = product("p1", "v1", 3_000, 1_000);
    dearer["title"] = "Boot".into();
    world.event("product.updated", "p2", dearer).await;
    world.event("shop.tick", "t2", json!({})).await;
    world.pass(HOUR).await;

    // Half as much again as it costs at that moment: the change is the sum that is reported.
    let settings = steps(json!([{"do": "variant", "id": "v1"}, price("v1", 2_500)]));
    let outcome = backtest(&world, Request { settings, ..request() }).await;
    let report = &outcome.report;
    assert_eq!((report.totals.pairs, report.totals.only_tested, report.events), (2, 2, Some(5)), "{report:?}");
    let money = &report.money[0];
    // 2,000 → 2,500 at the first tick, 3,000 → 2,500 at the second.
    assert_eq!((money.what.as_str(), money.tested, money.tested_count, money.live), ("price change", 0, 2, 0));
    let events: Vec<_> = outcome.differing.iter().map(|pair| (pair.verdict, pair.tested.acts[0].at)).collect();
    assert_eq!(events, [(Verdict::OnlyTested, START + HOUR), (Verdict::OnlyTested, START + 2 * HOUR)]);
}

/// What was done the same is the same, randomness included; what differs is shown with its fields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_version_does_the_same_and_another_setting_differs() {
    let mail = |note: &str| json!([{"do": "discount", "customer": "42", "percent": 10, "days": 1}, {"do": "email", "customer": "42", "note": note}]);
    let world = ticking(json!({"steps": mail("a")})).await;
    for n in 0..3 {
        world.pass(HOUR).await;
        world.event("shop.tick", &format!("t{n}"), json!({})).await;
    }
    world.pass(HOUR).await;
    let same = backtest(&world, request()).await;
    assert_eq!((same.report.totals.pairs, same.report.totals.same), (3, 3), "{:#?}", same.differing);
    assert!(same.differing.is_empty());

    let settings = steps(mail("b"));
    let other = backtest(&world, Request { settings: settings.clone(), ..request() }).await;
    assert_eq!(other.report.totals.different, 3);
    let pair = &other.differing[0];
    let fields: Vec<_> = pair.differences.iter().map(|d| (d.field.as_str(), &d.tested, &d.live)).collect();
    assert_eq!(fields, [("messaging.send-email /data/note", &json!("b"), &json!("a"))], "{pair:#?}");
    assert_eq!((pair.tested.acts.len(), pair.live.acts.len()), (2, 2));

    // Byte for byte.
    let text = |outcome: &Outcome| serde_json::to_string(&(&outcome.report, &outcome.differing)).expect("plain data");
    assert_eq!(text(&backtest(&world, Request { settings, ..request() }).await), text(&other));
}

/// What guardrails would have said, with the backtest's own messages counted in the place of the live ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardrails_judge_and_count_what_is_tried() {
    let world = ticking(json!({"steps": [{"do": "email", "customer": "42", "marketing": true, "note": "n"}]})).await;
    for n in 0..3 {
        world.event("shop.tick", &format!("t{n}"), json!({})).await;
        world.pass(HOUR).await;
    }
    world
        .rule(json!({"id": "few", "kind": "message_frequency", "max": 2, "window_hours": 24, "words": "Enough."}))
        .await;
    let outcome = backtest(&world, request()).await;
    let said: Vec<_> = outcome
        .report
        .guardrails
        .iter()
        .map(|g| (g.rule.as_str(), g.said.as_str(), g.words.as_str(), g.tested, g.live))
        .collect();
    assert_eq!(said, [("few", "deny", "Enough.", 1, 0)]);
    assert_eq!((outcome.report.totals.same, outcome.report.totals.different), (2, 1));
    assert_eq!(outcome.differing[0].differences[0].field, "messaging.send-email guardrails");
    let actions = &outcome.report.actions[0];
    assert_eq!((actions.tested.asked, actions.tested.denied, actions.live.asked), (3, 1, 3));

    let free = backtest(&world, Request { guardrails: false, ..request() }).await;
    assert!(free.report.guardrails.is_empty() && free.report.totals.same == 3, "{:?}", free.report);
}

/// An order three hours after the cart ends the wait for it then, and not earlier; the timer at two hours
/// comes first. What still waits at the end of the span is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_see_events_in_their_virtual_order() {
    let workflows =
        "[[workflow]]\nname = \"script\"\ntitle = \"t\"\n[[workflow.trigger]]\nevent = [\"cart.updated\"]\n";
    let wait = |ms: i64, note: &str| {
        json!([{"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "when": null, "ms": ms},
            {"do": "email", "customer": "42", "note": note}])
    };
    let world = World::with_workflows(Setup::default(), workflows, json!({"steps": []})).await;
    world.event("customer.created", "c", customer("42")).await;
    world.event("cart.updated", "cart", cart("c1", "42", 1_000)).await;
    world.pass(3 * HOUR).await;
    world.event("order.placed", "order", order("o1", "42", START + 3 * HOUR)).await;
    world.pass(3 * HOUR).await;

    let at = |outcome: &Outcome| outcome.differing[0].tested.acts[0].at - START;
    let short = backtest(&world, Request { settings: steps(wait(2 * HOUR, "timer")), ..request() }).await;
    assert_eq!(at(&short), 2 * HOUR);
    let long = backtest(&world, Request { settings: steps(wait(5 * HOUR, "order")), ..request() }).await;
    assert_eq!(at(&long), 3 * HOUR);
    let to = Some(START + 2 * HOUR);
    let cut = backtest(&world, Request { settings: steps(wait(5 * HOUR, "order")), to, ..request() }).await;
    assert_eq!((cut.report.tested_runs.waiting, cut.report.tested_runs.done), (1, 0));
    assert!(cut.differing.is_empty());
}

/// Concurrency rules, schedules, memory and runs started by runs work as live; what they do stays in the
/// backtest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_schedules_and_memory_work_and_nothing_live_is_touched() {
    let workflows = "[[workflow]]\nname = \"keyed\"\ntitle = \"t\"\n[[workflow.trigger]]\nevent = [\"cart.updated\"]\n\
        [workflow.concurrency]\nkey = \"event.data.id\"\nrule = \"replace\"\n\
        [[workflow]]\nname = \"timed\"\ntitle = \"t\"\n[[workflow.trigger]]\nschedule = \"0 * * * *\"\n\
        [[workflow]]\nname = \"child\"\ntitle = \"t\"\nmanual = true\n";
    let world = World::with_workflows(Setup::default(), workflows, json!({"steps": []})).await;
    world.event("customer.created", "c", customer("42")).await;
    for n in 0..4 {
        world.event("cart.updated", &format!("cart{n}"), cart("c1", "42", 1_000 + n)).await;
        world.pass(20 * MINUTE).await;
    }
    world.pass(2 * HOUR).await;
    // Every row of every table, but for the node's lease.
    let rows = async || {
        let mut tables = shopwright_store::testing::contents(world.store()).await.expect("a store");
        tables.retain(|(table, _)| table != "nodes");
        (tables, world.store().writes())
    };
    let before = rows().await;
    // After half an hour: how many runs have come so far, a note, and a child that does the rest.
    let settings = steps(json!([
        {"do": "sleep", "ms": 30 * MINUTE},
        {"do": "add", "key": "n", "by": 1},
        {"do": "email", "customer": "42", "note": "n"},
        {"do": "start", "workflow": "child", "key": "k", "input": {"steps": [{"do": "email", "customer": "42", "note": "child"}]}},
    ]));
    let outcome = backtest(&world, Request { settings, ..request() }).await;
    assert_eq!(rows().await, before, "a backtest writes nothing");
    let report = &outcome.report;
    // Each cart event replaces the sleeping run of the one before; only the last wakes. The schedule: 10:00 to 13:00
    // in Berlin (the last one sleeps at the end of the span).
    let (tested, live) = (&report.tested_runs, &report.live_runs);
    assert_eq!((tested.cancelled, live.cancelled), (3, 0), "{report:?}");
    let mails: u64 = report.actions.iter().map(|a| a.tested.asked).sum();
    // The cart, three times, and one child for all (its key is taken after that).
    assert_eq!((mails, live.failed, tested.failed), (5, 0, 0), "{:#?}", outcome.differing);
}

/// What does not fit is told before anything runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused() {
    let world = ticking(json!({"steps": []})).await;
    world.pass(DAY).await;
    let refused = async |request: Request| try_backtest(&world, request).await.expect_err("refused").to_string();
    let future = Request { to: Some(world.clock.now() + 1), ..request() };
    assert!(refused(future).await.contains("future"));
    let unknown = Request { installation: Some("nobody".into()), ..request() };
    assert!(refused(unknown).await.contains("nobody"));
    assert!(refused(Request { version: Some("9.9.9".into()), ..request() }).await.contains("9.9.9"));
    assert!(refused(Request { settings: Some(json!({"step": []})), ..request() }).await.contains("step"));
    // Retention has removed what came before.
    world.pass(100 * DAY).await;
    let old = backtest(&world, request()).await.report.notes;
    assert!(old.iter().any(|note| note.starts_with("events are kept for 90 days")), "{old:?}");
    assert!(old.iter().any(|note| note.contains("what documents were")), "{old:?}");
    // A newer version that is not installed.
    world.add(probe::package_as(&probe::manifest("2.0.0", TICK))).await;
    let newer = backtest(&world, Request { version: Some("2.0.0".into()), ..request() }).await;
    assert!(backtest(&world, Request { from: world.clock.now() - DAY, ..request() }).await.report.notes.is_empty());
    assert_eq!(newer.report.tested.version, "2.0.0");
    assert_eq!(newer.report.live.expect("a live side").version, "1.0.0");
}
