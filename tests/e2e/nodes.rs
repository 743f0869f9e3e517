//! Two hosts on one PostgreSQL database.

use serde_json::json;
use shopwright_store::testing::postgres_url;

use crate::{
    host::Host,
    receiver::{Receiver, SECRET},
    traffic::{self, Doing},
};

const EVENTS: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_held_is_taken_over_when_its_lease_ends() {
    let Some(url) = postgres_url().await else { return };
    let receiver = Receiver::start().await;
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let callback_url = receiver.url().to_owned();
    let args = |node: &'static str| {
        [
            "--database",
            &url,
            "--node",
            node,
            "--lease-seconds",
            "3",
            "--callback-url",
            &callback_url,
            "--callback-secret",
            SECRET,
        ]
    };
    let mut one = Host::start(folders[0].path(), &args("one"));
    traffic::prepare(&one.client()).await;
    let two = Host::join(folders[1].path(), &args("two"), &one.token);
    let (first, second) = (one.client(), two.client());

    // Both in the middle of something: their deliveries hang.
    receiver.hold();
    let sms = |text: &str| {
        json!({"steps": [{"do": "add", "key": "held", "by": 1}, {"do": "sms", "customer": "42", "text": text},
        {"do": "add", "key": "held", "by": 1}]})
    };
    let held = first.trigger("probe.go", "held-one", sms("0")).await;
    let other = second.trigger("probe.go", "held-two", sms("0")).await;
    receiver.until(2).await;
    let active = |counts: &serde_json::Value| counts["active"] == 2;
    second.until("/api/v1/run-counts", active).await;
    one.kill();
    receiver.release();
    assert_eq!(second.said(&other).await[1], "done");
    // The other one's is taken when its lease ends, and not lost: the same delivery, under the same key.
    assert_eq!(second.said(&held).await[1], "done");
    let held: Vec<u32> = receiver.by_key().into_values().map(|(count, _)| count).collect();
    assert_eq!(held.len(), 2, "two effects, two keys");
    assert!(held.contains(&2), "the one that the dead node had begun was asked for again, under its key: {held:?}");
    let run = second.trigger("probe.go", "sum-held", json!({"steps": [{"do": "get", "key": "held"}]})).await;
    assert_eq!(second.said(&run).await, json!([4]), "our own store has each once");
    one.restart();
    one.end();
    two.end();
}

/// Load on both, and one is killed in the middle of it, for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_the_load_and_one_can_be_lost() {
    let Some(url) = postgres_url().await else { return };
    let receiver = Receiver::start().await;
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let callback_url = receiver.url().to_owned();
    let args = |node: &'static str| {
        [
            "--database",
            &url,
            "--node",
            node,
            "--lease-seconds",
            "3",
            "--callback-url",
            &callback_url,
            "--callback-secret",
            SECRET,
        ]
    };
    let mut one = Host::start(folders[0].path(), &args("one"));
    traffic::prepare(&one.client()).await;
    let two = Host::join(folders[1].path(), &args("two"), &one.token);
    let second = two.client();
    let traffic = traffic::begin(Doing::Outside { receiver, mail: None }, &[one.client(), second.clone()], EVENTS);
    traffic.until_accepted(EVENTS / 2).await;
    one.kill();
    traffic.settle(&second, 0).await;
    // A number that is free again is given to the next that comes.
    let folder = tempfile::tempdir().expect("a folder");
    let three = Host::join(folder.path(), &args("three"), &one.token);
    let run = three.client().trigger("probe.go", "three", json!({"steps": [{"do": "get", "key": "ended"}]})).await;
    assert_eq!(three.client().said(&run).await, json!([EVENTS]));
    assert!(two.log().lines().all(|line| !line.contains("panicked")), "{}", two.log());
    three.end();
    two.end();
}
