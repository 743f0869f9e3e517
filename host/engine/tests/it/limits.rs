//! Limits: what is over them waits, is denied or ends the run as the limit says, and nothing is lost.

use serde_json::{Value, json};
use shopwright_engine::{Limits, NewShop, Senders, Used};
use shopwright_store::ops::{EffectState, RunState};

use crate::{
    probe,
    receiver::Receiver,
    support::{DAY, HOUR, MINUTE, SHOP, START, Setup, World, customer, event},
};

async fn limit(world: &World, limits: Limits) {
    world.engine.limit_installation(SHOP, "probe", limits).await.expect("limited");
}

async fn used(world: &World, installation: Option<&str>) -> Used {
    world.engine.limits_used(SHOP, installation).await.expect("counted").1
}

async fn restarted(world: World) -> World {
    world.engine.stop().await;
    // No process comes back within the millisecond it died in.
    world.clock.advance(1);
    let store = world.store().reopen().await.expect("it comes back");
    World::over(store, world.clock, Setup::default()).await.expect("an engine")
}

async fn burst(world: &World, from: usize, count: usize, steps: &Value) {
    let mut rest = count;
    while rest > 0 {
        let part = rest.min(100);
        let events = (0..part)
            .map(|n| event(START, "probe.go", &format!("b{}", from + rest - n), json!({"steps": steps})))
            .collect();
        world.engine.ingest(SHOP, events).await.expect("accepted");
        rest -= part;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_over_the_rate_begin_in_a_later_minute_and_none_is_lost() {
    let world = World::probed().await;
    limit(&world, Limits { runs_per_minute: Some(200), ..Limits::default() }).await;
    let steps = json!([{"do": "add", "key": "n", "by": 1}]);
    // More than wait in memory: the store keeps the rest, and others have room.
    burst(&world, 0, 700, &steps).await;
    world.idle().await;
    let counted = async |world: &World| world.memory("n").await.map_or(0, |n| n.parse::<u64>().expect("a number"));
    assert_eq!(counted(&world).await, 200);
    assert_eq!(used(&world, Some("probe")).await.runs_per_minute, 200);
    assert_eq!(world.engine.next_wake().await.expect("read"), Some(START + MINUTE));
    world.pass_until(START + MINUTE).await.expect("time passes");
    assert_eq!(counted(&world).await, 400);
    let world = restarted(world).await;
    world.idle().await;
    assert_eq!(counted(&world).await, 400, "the minute's count survives a restart");
    world.pass(2 * MINUTE).await;
    assert_eq!(counted(&world).await, 700);
    assert!(world.runs().await.iter().all(|run| run.state == RunState::Done));
    // Those that have begun go on whatever the rate.
    limit(&world, Limits { runs_per_minute: Some(1), ..Limits::default() }).await;
    let waiting = world.go("w", json!([{"do": "sleep", "ms": MINUTE}, {"do": "sleep", "ms": 1}])).await;
    world.pass(2 * MINUTE).await;
    assert_eq!(world.state(waiting).await, RunState::Done);
    // Without the limit, what is held goes at once.
    burst(&world, 1_000, 50, &steps).await;
    limit(&world, Limits::default()).await;
    world.idle().await;
    assert_eq!(counted(&world).await, 750);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shops_rate_is_shared_in_turns_and_others_do_not_feel_it() {
    let world = World::probed().await;
    let second =
        shopwright_engine::Install { id: Some("second".into()), ..crate::support::install("probe", json!({})) };
    world.engine.install(SHOP, second).await.expect("installed");
    let other = NewShop { id: "other".into(), name: String::new(), currency: "EUR".into(), time_zone: "UTC".into() };
    world.engine.create_shop(other).await.expect("a shop");
    world.engine.add_component("other", probe::package(), "test").await.expect("taken");
    world.engine.install("other", crate::support::install("probe", json!({}))).await.expect("installed");
    world.engine.limit_shop(SHOP, Limits { runs_per_minute: Some(4), ..Limits::default() }).await.expect("limited");
    burst(&world, 0, 10, &json!([])).await;
    let events = (0..10).map(|n| event(START, "probe.go", &format!("o{n}"), json!({"steps": []}))).collect();
    world.engine.ingest("other", events).await.expect("accepted");
    world.idle().await;
    let done = async |id: &str| {
        world.runs().await.iter().filter(|run| run.installation == id && run.state == RunState::Done).count()
    };
    assert_eq!(done("probe").await + done("second").await, 4);
    assert_eq!(world.store().run_counts("other").await.expect("counted").done, 10);
    for _ in 0..4 {
        world.pass(MINUTE).await;
    }
    assert_eq!((done("probe").await, done("second").await), (10, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_are_in_flight() {
    let receiver = Receiver::start().await;
    let senders = Senders { callback: Some(receiver.callback()), ..Senders::default() };
    let world = World::probed_with(Setup { senders, ..Setup::default() }).await;
    world.event("customer.created", "c", customer("42")).await;
    limit(&world, Limits { runs_in_flight: Some(2), ..Limits::default() }).await;
    receiver.hold();
    burst(&world, 0, 6, &json!([{"do": "sms", "customer": "42", "text": "x"}])).await;
    // Two are at the receiver; nobody else comes there.
    receiver.until(2).await;
    assert_eq!(used(&world, Some("probe")).await.runs_in_flight, 2);
    assert_eq!(used(&world, None).await.runs_in_flight, 2);
    receiver.release();
    world.idle().await;
    assert_eq!(receiver.seen().len(), 6);
    assert_eq!(used(&world, None).await.runs_in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effects_over_the_days_number_are_denied_in_words() {
    let world = World::probed().await;
    world.event("customer.created", "c", customer("42")).await;
    limit(&world, Limits { effects_per_day: Some(3), ..Limits::default() }).await;
    let mail = |n: usize| Value::from(vec![json!({"do": "email", "customer": "42"}); n]);
    let run = world.go("1", mail(2)).await;
    assert_eq!(world.said(run).await, json!(["done", "done"]));
    let world = restarted(world).await;
    let run = world.go("2", mail(2)).await;
    let words = "the installation `probe` may do 3 effects a day, and has done 3";
    assert_eq!(world.said(run).await, json!(["done", {"denied": words}]));
    let denied = &world.effects(run).await[1];
    assert_eq!((denied.state, denied.error.as_deref()), (EffectState::Denied, Some(words)));
    let (limits, used) = world.engine.limits_used(SHOP, Some("probe")).await.expect("shown");
    assert_eq!((limits.effects_per_day, used.effects_per_day), (Some(3), 3));
    // The day of the shop: in Berlin it is 10 in the morning.
    world.pass(13 * HOUR).await;
    let run = world.go("3", mail(1)).await;
    assert_eq!(world.said(run).await, json!([{"denied": words}]));
    world.pass(HOUR).await;
    // What does not become durable does not count: a run that decides anew, and one that is tried again.
    let run = world.go("4", json!([{"do": "email", "customer": "42"}, {"do": "retry_below", "attempt": 3}])).await;
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!(["done"]));
    // Many at once go over it no more than one would; the shop's own counts for all.
    world.engine.limit_shop(SHOP, Limits { effects_per_day: Some(2), ..Limits::default() }).await.expect("limited");
    burst(&world, 0, 20, &mail(1)).await;
    world.idle().await;
    assert_eq!(world.mail().await.len(), 5);
    world.pass(DAY).await;
    burst(&world, 100, 20, &mail(1)).await;
    world.idle().await;
    assert_eq!(world.mail().await.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_over_the_limit_ends_the_run_and_forgetting_makes_room() {
    let world = World::probed().await;
    limit(&world, Limits { memory_bytes: Some(12), ..Limits::default() }).await;
    let set = |key: &str, value: &str| json!({"do": "set", "key": key, "value": value});
    // Keys and JSON texts: 1 + 5, 1 + 5.
    let run = world.go("1", json!([set("a", "abc"), set("b", "abc"), set("a", "xyz")])).await;
    assert_eq!(world.state(run).await, RunState::Done);
    assert_eq!(used(&world, Some("probe")).await.memory_bytes, 12);
    let over = world.go("2", json!([set("c", "")])).await;
    let (code, message) = world.failure(over).await;
    assert_eq!(code, "memory-limit");
    assert!(message.contains("memory.set of `c`") && message.contains("it remembers 12"), "{message}");
    let world = restarted(world).await;
    let over = world.go("3", json!([{"do": "add", "key": "n", "by": 1}])).await;
    assert_eq!(world.failure(over).await.0, "memory-limit");
    let run = world.go("4", json!([{"do": "remove", "key": "a"}, set("c", "abc")])).await;
    assert_eq!(world.state(run).await, RunState::Done);
    assert_eq!(used(&world, None).await.memory_bytes, 12);
}
