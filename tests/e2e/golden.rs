//! What a released version wrote keeps loading: see `tests/golden/README.md`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::Method;
use serde_json::{Value, json};
use shopwright_engine::{Entry, Journal};
use shopwright_store::testing::postgres_url;

use crate::{
    components,
    host::{Client, Host},
    probe,
};

fn folder(version: &str) -> PathBuf {
    probe::root().join("tests/golden").join(version)
}

/// Steps with a read, memory, an email, a wait that ends soon, and another email.
fn steps(wait: u64, price: i64) -> Value {
    json!([{"do": "customer", "id": "42"}, {"do": "add", "key": "n", "by": 1}, {"do": "email", "customer": "42", "note": "before"},
        {"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "when": "event.data.total.amount > 0", "ms": wait},
        {"do": "price", "variant": "v1", "amount": price}, {"do": "email", "customer": "42", "note": "after"}])
}

fn journal() -> Journal {
    let mut journal = Journal::default();
    journal.start(1_772_442_000_000);
    let encode = |value: &Value| rmp_serde::to_vec_named(value).expect("it is encoded");
    for (call, args, answer, at, mark) in [
        ("customers.get", json!(["42"]), json!({"ok": {"id": "42", "name": "Ann"}}), 0, 0),
        (
            "workflow.wait-for",
            json!([{"kinds": ["order.placed"], "entity": null, "condition": null}, 5]),
            json!(null),
            5,
            17,
        ),
        ("messaging.send-email", json!([{"customer": "42"}]), json!({"err": {"denied": "No."}}), 5, 0),
    ] {
        let (args, answer) = (encode(&args), encode(&answer));
        journal.push(Entry { call: call.into(), args, answer, at: 1_772_442_000_000 + at, mark });
    }
    journal
}

#[test]
fn journal_chunks_of_0_1_are_read() {
    let bytes = std::fs::read(folder("0.1").join("journal.bin")).expect("the golden file");
    let read = Journal::read(std::slice::from_ref(&bytes)).expect("it is read");
    let expected = journal();
    assert_eq!((read.entries(), read.started(), read.logged()), (expected.entries(), expected.started(), 3));
    // What is written today is read by those who have 0.1.
    assert_eq!(expected.chunk(3, false), bytes, "the format has changed: raise its version");
}

/// A component that was built against the interface, without any toolchain of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_0_1_runs() {
    let place = tempfile::tempdir().expect("a folder");
    let host = Host::start(place.path(), &[]);
    let client = host.client();
    client.upload(std::fs::read(folder("0.1").join("component.wasm")).expect("the golden file")).await.ok();
    client.ask(Method::POST, "/api/v1/installations", json!({"plugin": "golden"})).await.ok();
    let run = client.trigger("hostile.go", "1", json!({"any": ["data"]})).await;
    assert_eq!(client.said(&run).await, Value::Null);
    host.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_database_of_0_1_goes_on() {
    let golden = folder("0.1");
    let place = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(place.path().join("data")).expect("a folder");
    std::fs::copy(golden.join("store.sqlite"), place.path().join("data/shopwright.db")).expect("the golden file");
    goes_on(place.path(), &[], &golden.join("store.sqlite.token")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_database_of_0_1_goes_on() {
    let Some(url) = postgres_url().await else { return };
    let golden = folder("0.1");
    let place = tempfile::tempdir().expect("a folder");
    let file = golden.join("store.sql");
    let restored = Command::new("psql").args(["--quiet", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file).arg(&url).output();
    let output = restored.expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    goes_on(place.path(), &["--database", &url], &golden.join("store.sql.token")).await;
}

async fn goes_on(place: &Path, args: &[&str], token: &Path) {
    let host = Host::join(place, args, std::fs::read_to_string(token).expect("the golden file").trim());
    let client = host.client();

    // The run that waited is due: it goes on with its own component, by its own journal.
    let all_done =
        |runs: &Value| runs["items"].as_array().is_some_and(|runs| runs.iter().all(|run| run["state"] == "done"));
    let runs = client.until("/api/v1/runs", all_done).await;
    let ids: Vec<&str> =
        runs["items"].as_array().expect("a list").iter().filter_map(|run| run["id"].as_str()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(client.said(ids[0]).await, json!(["Ann", 2, "done", null, "done", "done"]));
    assert_eq!(client.said(ids[1]).await, json!(["Ann", 1, "done", "order", "done", "done"]));
    let mail = client.get("/api/v1/mailbox").await.ok();
    assert_eq!(mail["items"].as_array().map(Vec::len), Some(4));
    let product = client.get("/api/v1/model/product/p1").await.ok();
    assert_eq!(product["document"]["variants"][0]["price"]["amount"], 1_800);
    let rules = client.get("/api/v1/guardrails").await.ok();
    assert!(rules.to_string().contains("Never below."), "{rules}");
    assert_eq!(host.cli(&["audit", "verify"])["intact"], true);

    // And its plugin takes new events.
    let run = client.trigger("probe.go", "new", json!({"steps": [{"do": "add", "key": "n", "by": 1}]})).await;
    assert_eq!(client.said(&run).await, json!([3]));
    host.end();
}

/// One run that has ended, and one that waits until half a minute from now.
async fn fill(client: &Client) {
    client.install_probe().await;
    client.add_customer("42").await;
    let money = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let product = json!({"id": "p1", "title": "Shoe", "category": "shoes", "publication": "published",
        "variants": [{"id": "v1", "product": "p1", "title": "Shoe", "price": money(2_000), "cost": money(1_000)}]});
    client.ask(Method::PUT, "/api/v1/model/product/p1", product).await.ok();
    let rule = json!({"kind": "price_floor", "amount": money(500), "words": "Never below."});
    client.ask(Method::PUT, "/api/v1/guardrails/floor", rule).await.ok();
    let first = client.trigger("probe.go", "1", json!({"steps": steps(3_600_000, 1_900)})).await;
    client.run_when(&first, |run| run["state"] == "waiting").await;
    let order = json!({"id": "1", "number": "#1", "customer": "42", "lines": [], "total": money(1_000),
        "payment": "paid", "fulfilment": "unfulfilled", "placed_at": 5});
    client.event("order.placed", "order", order).await.expect("an answer").ok();
    client.said(&first).await;
    let second = client.trigger("probe.go", "2", json!({"steps": steps(30_000, 1_800)})).await;
    client.run_when(&second, |run| run["state"] == "waiting").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes the golden files of this version; a released version's are never written again"]
async fn write_golden() {
    let golden = folder("0.1");
    std::fs::create_dir_all(&golden).expect("a folder");
    std::fs::write(golden.join("journal.bin"), journal().chunk(3, false)).expect("written");
    std::fs::write(golden.join("component.wasm"), components::plugin("golden", "", "")).expect("written");
    let place = tempfile::tempdir().expect("a folder");
    let host = Host::start(place.path(), &[]);
    fill(&host.client()).await;
    std::fs::write(golden.join("store.sqlite.token"), &host.token).expect("written");
    // A clean end leaves all in one file.
    host.end();
    std::fs::copy(place.path().join("data/shopwright.db"), golden.join("store.sqlite")).expect("written");

    let url = postgres_url().await.expect("PostgreSQL is needed to write its golden file");
    let place = tempfile::tempdir().expect("a folder");
    let host = Host::start(place.path(), &["--database", &url]);
    fill(&host.client()).await;
    std::fs::write(golden.join("store.sql.token"), &host.token).expect("written");
    host.end();
    let dump = Command::new("pg_dump")
        .args(["--no-owner", "--no-privileges", "-f"])
        .arg(golden.join("store.sql"))
        .arg(&url)
        .status();
    assert!(dump.expect("pg_dump runs").success());
}
