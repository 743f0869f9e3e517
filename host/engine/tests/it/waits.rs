//! Waiting: for a time, for an event, for whichever comes first. No wake-up is lost, none comes for
//! nothing.

use serde_json::json;
use shopwright_store::ops::RunState;

use crate::support::{DAY, HOUR, MINUTE, START, World, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleep_lasts_as_long_as_it_says_wherever_it_stands() {
    let world = World::probed().await;
    let run = world
        .go(
            "1",
            json!([{"do": "sleep", "ms": 2 * HOUR}, {"do": "now", "since": START},
        {"do": "sleep", "ms": HOUR}, {"do": "now", "since": START}, {"do": "sleep_until", "at": START},
        {"do": "sleep", "ms": 0}, {"do": "now", "since": START}]),
        )
        .await;
    world.pass(2 * HOUR - 1).await;
    assert_eq!(world.row(run).await.due_at, Some(START + 2 * HOUR));
    world.pass(1).await;
    assert_eq!(world.row(run).await.due_at, Some(START + 3 * HOUR));
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!([2 * HOUR, 3 * HOUR, 3 * HOUR]));
}

/// Time that the host was away, or busy, does not move the run's clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_woken_late_counts_by_its_own_clock() {
    let world = World::probed().await;
    let run = world
        .go(
            "1",
            json!([{"do": "sleep", "ms": HOUR}, {"do": "now", "since": START}, {"do": "sleep", "ms": HOUR},
        {"do": "now", "since": START}]),
        )
        .await;
    world.clock.set(START + DAY);
    world.idle().await;
    assert_eq!(world.said(run).await, json!([HOUR, 2 * HOUR]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_before_the_wait_is_not_missed_and_each_is_received_once() {
    let world = World::probed().await;
    world.event("order.placed", "before", order("0", "42", START)).await;
    let wait = json!({"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "ms": DAY});
    let run = world
        .go(
            "1",
            json!([{"do": "sleep", "ms": HOUR}, wait, wait, {"do": "sleep", "ms": HOUR}, wait,
        {"do": "now", "since": START}]),
        )
        .await;
    world.event("order.placed", "other", order("1", "43", START)).await;
    world.event("order.placed", "first", order("2", "42", START)).await;
    world.event("order.placed", "second", order("3", "42", START)).await;
    world.pass(HOUR).await;
    // It got both and sleeps: the third comes while it does.
    assert_eq!(world.row(run).await.due_at, Some(START + 2 * HOUR));
    world.event("order.placed", "third", order("4", "42", START)).await;
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!(["first", "second", "third", 2 * HOUR]));
}

/// The same for a run that no event started: what came before it is not its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_started_by_hand_sees_no_event_from_before_it_began() {
    let world = World::probed().await;
    world.event("order.placed", "before", order("0", "42", START)).await;
    let wait = json!({"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "ms": DAY});
    let at_once = world.go_by_hand(json!([wait])).await;
    let asleep = world.go_by_hand(json!([{"do": "sleep", "ms": HOUR}, wait, wait])).await;
    assert_eq!(world.state(at_once).await, RunState::Waiting);
    world.event("order.placed", "after", order("1", "42", START)).await;
    world.pass(2 * HOUR).await;
    assert_eq!(world.said(at_once).await, json!(["after"]));
    assert_eq!(world.state(asleep).await, RunState::Waiting);
    world.pass(2 * DAY).await;
    assert_eq!(world.said(asleep).await, json!(["after", null]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_with_the_event_or_with_its_time_whichever_is_first() {
    let world = World::probed().await;
    let script = json!([{"do": "wait", "kinds": ["order.placed", "order.paid"], "entity": "customer:42",
        "when": "event.data.total.amount >= 1000 && event.data.id != '7'", "ms": HOUR}, {"do": "now", "since": START}]);
    let timed_out = world.go("1", script.clone()).await;
    // Matches in kind and entity, not in the condition: it is looked at and the run waits on.
    world.event("order.placed", "seven", order("7", "42", START)).await;
    assert_eq!(world.row(timed_out).await.due_at, Some(START + HOUR));
    world.pass(HOUR).await;
    assert_eq!(world.said(timed_out).await, json!([null, HOUR]));

    let world = World::probed().await;
    let came = world.go("1", script.clone()).await;
    world.event("order.placed", "seven", order("7", "42", START)).await;
    world.pass(20 * MINUTE).await;
    world.event("order.paid", "eight", order("8", "42", START)).await;
    assert_eq!(world.said(came).await, json!(["eight", 20 * MINUTE]));

    // Both are there when the host comes back: the deadline passed first.
    let world = World::probed().await;
    let late = world.go("1", script).await;
    world.clock.set(START + 2 * HOUR);
    world.accept("order.placed", "late", order("9", "42", START)).await.expect("accepted");
    world.idle().await;
    assert_eq!(world.said(late).await, json!([null, HOUR]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_any_entity_and_a_thousand_looked_at_in_vain() {
    let world = World::probed().await;
    let run =
        world.go("1", json!([{"do": "wait", "kinds": ["stock.low"], "when": "event.data.n == 999", "ms": DAY}])).await;
    let events =
        (0..1000).map(|n| crate::support::event(START, "stock.low", &format!("s{n}"), json!({"n": n}))).collect();
    world.engine.ingest(crate::support::SHOP, events).await.expect("accepted");
    world.idle().await;
    assert_eq!(world.said(run).await, json!(["s999"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_make_no_sense_end_the_run_with_the_reason() {
    let world = World::probed().await;
    let ten_years = 10 * 366 * DAY;
    for (n, (step, expected)) in [
        (json!({"do": "sleep", "ms": ten_years + 1}), "ten years"),
        (json!({"do": "sleep_until", "at": START + ten_years + DAY}), "ten years"),
        (json!({"do": "wait", "kinds": [], "ms": 1}), "1 to 32 kinds"),
        (json!({"do": "wait", "kinds": ["order"], "ms": 1}), "`order` is no event kind"),
        (json!({"do": "wait", "kinds": ["a.b"], "when": "event.data.", "ms": 1}), "does not compile"),
        (json!({"do": "wait", "kinds": ["a.b"], "ms": u64::MAX}), "ten years"),
        (json!({"do": "emit", "kind": "shopify.order"}), "a platform's prefix"),
        (json!({"do": "emit", "kind": "order.placed", "data": {"id": 7}}), "data"),
        (json!({"do": "emit", "kind": "a.b", "concerns": ["nothing"]}), "is not `type:id`"),
        (json!({"do": "start", "workflow": "none", "key": "k"}), "no workflow `none`"),
        (json!({"do": "start", "workflow": "child", "key": ""}), "key must have"),
        (json!({"do": "ask", "title": "?", "choices": ["yes"], "ms": 1}), "two to ten choices"),
        (json!({"do": "ask", "title": "?", "choices": ["a", "a"], "ms": 1}), "two to ten choices"),
        (json!({"do": "ask", "title": "", "choices": ["a", "b"], "ms": 1}), "title"),
        (json!({"do": "ask", "title": "?", "choices": ["a", "b"], "ms": 0}), "deadline"),
        (json!({"do": "set", "key": "", "value": 1}), "1 to 512 bytes"),
        (json!({"do": "set", "key": "k".repeat(513), "value": 1}), "1 to 512 bytes"),
        (json!({"do": "set", "key": "k", "value": "v".repeat(64 << 10)}), "65536 bytes"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = world.go(&n.to_string(), json!([{"do": "set", "key": "trace", "value": n}, step])).await;
        let (code, message) = world.failure(run).await;
        assert_eq!(code, "bad-call", "{message}");
        assert!(message.contains(expected), "{message}");
    }
    // Such a run ends; what it did before stays.
    assert_eq!(world.memory("trace").await.as_deref(), Some("17"));
}
