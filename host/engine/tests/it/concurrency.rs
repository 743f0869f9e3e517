//! Two runs at once: the rules by key, and counts that many runs share.

use serde_json::{Value, json};
use shopwright_store::{Store, ops::RunState};

use crate::{
    probe,
    support::{HOUR, SHOP, START, Setup, World, customer, event, store_options},
};

fn workflow(rule: &str) -> String {
    format!(
        "[[workflow]]\nname = \"keyed\"\ntitle = \"Keyed\"\n[[workflow.trigger]]\nevent = [\"probe.key\"]\n\
         [workflow.concurrency]\nkey = \"event.data.key\"\nrule = \"{rule}\"\n"
    )
}

async fn world(rule: &str) -> World {
    // What a run says: how many before it have ended.
    let steps = json!([{"do": "sleep", "ms": HOUR}, {"do": "add", "key": "ended", "by": 1}]);
    World::with_workflows(Setup::default(), &workflow(rule), json!({"steps": steps})).await
}

async fn trigger(world: &World, id: &str, key: Value) -> &'static str {
    let intake = world.event("probe.key", id, json!({"key": key})).await;
    assert_eq!(intake.runs.len(), 1);
    assert_eq!(intake.runs[0].run.is_none(), intake.runs[0].outcome == "skipped");
    intake.runs[0].outcome
}

async fn states(world: &World) -> Vec<RunState> {
    world.runs().await.into_iter().map(|run| run.state).collect()
}

use RunState::{Blocked, Cancelled, Done, Waiting};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allow_runs_them_side_by_side() {
    let world = world("allow").await;
    for id in ["1", "2", "3"] {
        assert_eq!(trigger(&world, id, json!("a")).await, "started");
    }
    assert_eq!(states(&world).await, [Waiting, Waiting, Waiting]);
    world.pass(HOUR).await;
    assert_eq!(states(&world).await, [Done, Done, Done]);
    assert_eq!(world.memory("ended").await.as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_runs_them_one_after_another_in_their_order() {
    let world = world("queue").await;
    assert_eq!(trigger(&world, "1", json!("a")).await, "started");
    assert_eq!(trigger(&world, "2", json!("a")).await, "queued");
    assert_eq!(trigger(&world, "3", json!("a")).await, "queued");
    assert_eq!(trigger(&world, "4", json!("b")).await, "started", "another key does not wait");
    assert_eq!(trigger(&world, "5", json!(null)).await, "started", "nor does a run without one");
    assert_eq!(states(&world).await, [Waiting, Blocked, Blocked, Waiting, Waiting]);
    world.pass(HOUR).await;
    assert_eq!(states(&world).await, [Done, Waiting, Blocked, Done, Done]);
    // The one whose turn it is goes: by a person's hand, the next one follows at once.
    let second = world.runs().await[1].id;
    assert!(world.engine.cancel(SHOP, second, "not needed").await.expect("cancelled"));
    world.idle().await;
    assert_eq!(states(&world).await, [Done, Cancelled, Waiting, Done, Done]);
    let third = &world.runs().await[2];
    assert_eq!(third.due_at, Some(START + 2 * HOUR), "its clock begins when its turn comes");
    world.pass(HOUR).await;
    assert_eq!(states(&world).await, [Done, Cancelled, Done, Done, Done]);
    assert_eq!(world.memory("ended").await.as_deref(), Some("4"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skip_drops_the_second_while_the_first_runs() {
    let world = world("skip").await;
    assert_eq!(trigger(&world, "1", json!("a")).await, "started");
    assert_eq!(trigger(&world, "2", json!("a")).await, "skipped");
    world.pass(HOUR).await;
    assert_eq!(trigger(&world, "3", json!("a")).await, "started");
    assert_eq!(states(&world).await, [Done, Waiting]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replace_ends_the_first_and_takes_its_place() {
    let world = world("replace").await;
    assert_eq!(trigger(&world, "1", json!("a")).await, "started");
    world.pass(HOUR / 2).await;
    assert_eq!(trigger(&world, "2", json!("a")).await, "replaced");
    assert_eq!(trigger(&world, "3", json!("b")).await, "started");
    let runs = world.runs().await;
    assert_eq!(runs[0].error_code.as_deref(), Some("replaced"));
    assert_eq!(runs[0].error.as_deref(), Some(format!("replaced by {}", runs[1].id).as_str()));
    world.pass(HOUR / 2).await;
    assert_eq!(states(&world).await, [Cancelled, Waiting, Waiting], "the time counts anew");
    world.pass(HOUR / 2).await;
    assert_eq!(states(&world).await, [Cancelled, Done, Done]);
    assert_eq!(world.memory("ended").await.as_deref(), Some("2"), "the first did nothing more");
}

/// A burst in one delivery: the rule holds within it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_in_one_delivery_leaves_one_run() {
    let world = world("replace").await;
    let events = (0..20).map(|n| event(START, "probe.key", &format!("e{n}"), json!({"key": "a"}))).collect();
    world.engine.ingest(SHOP, events).await.expect("accepted");
    world.pass(2 * HOUR).await;
    let states = states(&world).await;
    assert_eq!(states.iter().filter(|state| **state == Done).count(), 1);
    assert_eq!(states.last(), Some(&Done), "the last one");
    assert_eq!(world.memory("ended").await.as_deref(), Some("1"));
}

/// Stores where runs really execute at once.
async fn shared_stores() -> Vec<(Store, Option<tempfile::TempDir>)> {
    let clock = shopwright_model::VirtualClock::new(START);
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite://{}", folder.path().join("store.db").display());
    let mut stores = vec![(Store::open(&file, store_options(&clock)).await.expect("a file"), Some(folder))];
    if let Some(url) = shopwright_store::testing::postgres_url().await {
        stores.push((Store::open(&url, store_options(&clock)).await.expect("a server"), None));
    }
    stores
}

async fn fifty(store: Store, bare: bool, steps: Value) -> World {
    let clock = shopwright_model::VirtualClock::new(START);
    let world = World::over(store, clock, Setup { bare, ..Setup::default() }).await.expect("an engine");
    world.add(probe::package()).await;
    world.enable("probe", json!({})).await;
    world.event("customer.created", "c42", customer("42")).await;
    let starts = (0..50).map(|n| {
        let (engine, steps) = (world.engine.clone(), steps.clone());
        let event = event(START, "probe.go", &format!("g{n}"), json!({"steps": steps}));
        tokio::spawn(async move { engine.ingest(SHOP, vec![event]).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.expect("it answers").expect("it is accepted");
    }
    world.idle().await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counters_that_many_runs_share_lose_no_count() {
    for (store, _folder) in shared_stores().await {
        let steps = json!([{"do": "add", "key": "a", "by": 1}, {"do": "add", "key": "b", "by": 2}, {"do": "add", "key": "a", "by": 1}]);
        let world = fifty(store, true, steps).await;
        assert_eq!(world.memory("a").await.as_deref(), Some("100"));
        assert_eq!(world.memory("b").await.as_deref(), Some("100"));
        // Each saw a state that was there: no two the same.
        let mut said: Vec<Value> = Vec::new();
        for run in world.runs().await {
            let said_now = world.said(run.id).await;
            assert_eq!(said_now[2].as_i64(), said_now[0].as_i64().map(|n| n + 1), "its own writes are its own");
            said.push(said_now);
        }
        said.sort_by_key(|said| said[0].as_i64());
        for (n, said) in said.iter().enumerate() {
            assert_eq!(*said, json!([2 * n + 1, 2 * n + 2, 2 * n + 2]));
        }
        world.store().close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_fifty_takes_what_only_one_can_have() {
    for (store, _folder) in shared_stores().await {
        let steps = json!([{"do": "cas", "key": "claim", "value": "mine"}]);
        let world = fifty(store, true, steps).await;
        let mut claimed = 0;
        for run in world.runs().await {
            claimed += u32::from(world.said(run.id).await == json!([true]));
        }
        assert_eq!(claimed, 1);
        world.store().close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_frequency_limit_holds_for_runs_that_decide_at_the_same_moment() {
    for (store, _folder) in shared_stores().await {
        let steps = json!([{"do": "email", "customer": "42", "marketing": true, "note": "n"}]);
        let world = fifty(store, false, steps).await;
        let mut sent = 0;
        for run in world.runs().await {
            match &world.said(run.id).await[0] {
                Value::String(done) if done == "done" => sent += 1,
                denied => assert_eq!(denied["denied"], "A customer gets at most 3 marketing messages in 7 days."),
            }
        }
        assert_eq!(sent, 3);
        assert_eq!(world.mail().await.len(), 3);
        // A week later there is room again, by the same rule.
        world.pass(7 * 24 * HOUR).await;
        let run = world.go("later", json!([{"do": "email", "customer": "42", "marketing": true, "note": "n"}])).await;
        assert_eq!(world.said(run).await, json!(["done"]));
        world.store().close().await;
    }
}
