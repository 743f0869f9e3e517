//! The thin thread: an event, three reads, a message; and a sleeping run that wakes.

use serde_json::json;
use shopwright_store::ops::RunState;

use crate::support::{HOUR, SHOP, START, World, cart, customer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_reads_and_one_message() {
    let world = World::new().await;
    world.install("bench-run", json!({})).await;
    world.event("customer.created", "e1", customer("42")).await;
    world.event("cart.updated", "e2", cart("c1", "42", 5000)).await;
    let runs = world.runs().await;
    let timeline = world.engine.timeline(SHOP, runs[0].id).await.expect("a timeline").expect("a run");
    let calls: Vec<&str> = timeline.entries.iter().map(|e| e.call.as_str()).collect();
    assert_eq!(calls, ["carts.get", "customers.get", "catalog.get-variant", "messaging.send-email"], "{runs:?}");
    let mail = world.mail().await;
    assert_eq!(mail.len(), 1);
    assert_eq!(mail[0].recipient, "42@example.com");
    assert!(mail[0].text.contains("Hello Ann"), "{}", mail[0].text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_run_wakes_and_ends() {
    let world = World::new().await;
    world.install("bench-run", json!({})).await;
    world.event("bench.wait", "e1", json!({"until": START + 2 * HOUR})).await;
    let state = async || world.runs().await[0].state;
    assert_eq!(state().await, RunState::Waiting);
    world.pass(2 * HOUR - 1).await;
    assert_eq!(state().await, RunState::Waiting);
    world.pass(1).await;
    assert_eq!(state().await, RunState::Done);
}
