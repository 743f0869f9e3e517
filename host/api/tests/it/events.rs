//! Events in, and what is told of them.

use serde_json::{Value, json};
use shopwright_engine::EngineLimits;

use crate::support::{Call, Host, cart, event};

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn an_event_is_accepted_once_and_changes_the_model() {
    let host = Host::new().await;
    let body = event("e1", "cart.updated", cart("c1", "42", 7)).to_string();
    let first = host.post("/api/v1/events", ONE, body.clone()).await;
    assert_eq!(first.status, 202);
    assert_eq!(first.body["events"][0]["duplicate"], false);
    assert_eq!(first.body["events"][0]["id"], "e1");
    let again = host.post("/api/v1/events", ONE, body).await.ok();
    assert_eq!(again["events"][0]["duplicate"], true);
    assert_eq!(again["events"][0]["seq"], first.body["events"][0]["seq"]);
    let shown = host.ask("GET", "/api/v1/model/cart/c1", Value::Null).await.ok();
    assert_eq!(shown["document"]["updated_at"], 7);
    let seq = first.body["events"][0]["seq"].to_string();
    let shown = host.ask("GET", &format!("/api/v1/events/{seq}"), Value::Null).await.ok();
    assert_eq!((&shown["kind"], &shown["data"]["id"]), (&json!("cart.updated"), &json!("c1")));
    assert_eq!(shown["concerns"], json!(["cart:c1", "customer:42"]), "derived from the data");
}

#[tokio::test]
async fn binary_mode_is_the_same_event() {
    let host = Host::new().await;
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "e1"),
        ("ce-source", "/test"),
        ("ce-type", "shop.opened"),
        ("ce-concerns", "customer:1, customer:2"),
    ];
    let body = b"{\"day\": 1}".to_vec();
    let call = Call { method: "POST", path: "/api/v1/events", token: Some(&host.owner), headers: &headers, body };
    assert_eq!(host.call(call).await.status, 202);
    let structured = event("e1", "shop.opened", json!({"day": 1})).to_string();
    assert_eq!(host.post("/api/v1/events", ONE, structured).await.ok()["events"][0]["duplicate"], true);
    let list = host.ask("GET", "/api/v1/events?entity=customer:2", Value::Null).await.ok();
    assert_eq!(list["items"][0]["data"], json!({"day": 1}));
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_with_every_fault_in_its_place() {
    let host = Host::new().await;
    let batch = json!([
        event("1", "a.b", Value::Null),
        {"specversion": "1.0", "source": "/test", "type": "Bad"},
        event("3", "a.b", Value::Null),
    ]);
    let refused = host.post("/api/v1/events", BATCH, batch.to_string()).await;
    assert_eq!((refused.status, refused.code()), (400, "invalid-event"));
    assert_eq!(refused.pointers(), ["/1/id", "/1/type"]);
    let batch = json!([event("1", "a.b", Value::Null), event("2", "cart.updated", json!({"id": "c"}))]);
    let refused = host.post("/api/v1/events", BATCH, batch.to_string()).await;
    assert_eq!((refused.status, refused.code()), (422, "bad-data"));
    assert_eq!(refused.pointers(), ["/1/data"]);
    assert_eq!(host.ask("GET", "/api/v1/events", Value::Null).await.ok()["items"], json!([]), "nothing was accepted");
    let batch = json!([event("1", "a.b", Value::Null), event("1", "a.b", Value::Null), event("2", "a.b", Value::Null)]);
    let accepted = host.post("/api/v1/events", BATCH, batch.to_string()).await.ok();
    let duplicates: Vec<&Value> =
        accepted["events"].as_array().expect("a list").iter().map(|e| &e["duplicate"]).collect();
    assert_eq!(duplicates, [&json!(false), &json!(true), &json!(false)]);
}

#[tokio::test]
async fn malformed_calls_are_refused_with_reasons() {
    let host = Host::new().await;
    for (kind, body, status, code) in [
        (ONE, "{\"id\": ", 400, "invalid-json"),
        (ONE, "null", 400, "invalid-event"),
        ("application/json", "{}", 415, "unsupported-media-type"),
        ("text/plain", "hello", 415, "unsupported-media-type"),
    ] {
        let answer = host.post("/api/v1/events", kind, body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{kind} {body}");
    }
    let huge = host.post("/api/v1/events", ONE, vec![b' '; 10 << 20]).await;
    assert_eq!((huge.status, huge.code()), (413, "body-too-large"));
    let huge = host.ask("POST", "/api/v1/runs", json!({"installation": "x".repeat(2 << 20)})).await;
    assert_eq!((huge.status, huge.code()), (413, "body-too-large"));
}

#[tokio::test]
async fn lists_are_paged_to_the_end_without_gaps() {
    let host = Host::new().await;
    let batch: Vec<Value> =
        (0..7).map(|n| event(&n.to_string(), if n == 3 { "odd.one" } else { "a.b" }, json!(n))).collect();
    host.post("/api/v1/events", BATCH, json!(batch).to_string()).await.ok();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = host.ask("GET", &format!("/api/v1/events?limit=3{after}"), Value::Null).await.ok();
        seen.extend(page["items"].as_array().expect("a list").iter().map(|e| e["data"].as_i64().expect("a number")));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);
    let filtered = host.ask("GET", "/api/v1/events?kind=odd.one", Value::Null).await.ok();
    assert_eq!(filtered["items"].as_array().expect("a list").len(), 1);
    for (query, code) in [
        ("after=nonsense", "invalid-cursor"),
        ("limit=0", "invalid-query"),
        ("limit=1000", "invalid-query"),
        ("kinds=a", "invalid-query"),
    ] {
        let answer = host.ask("GET", &format!("/api/v1/events?{query}"), Value::Null).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{query}");
    }
    assert_eq!(host.ask("GET", "/api/v1/events/0", Value::Null).await.code(), "not-found");
    assert_eq!(host.ask("GET", "/api/v1/events/abc", Value::Null).await.code(), "not-found");
}

#[tokio::test]
async fn a_full_queue_answers_with_the_time_to_try_again() {
    let host = Host::with(EngineLimits { queued: 0, ..EngineLimits::default() }).await;
    let answer = host.post("/api/v1/events", ONE, event("1", "a.b", Value::Null).to_string()).await;
    assert_eq!((answer.status, answer.code()), (429, "busy"));
    let after: u64 = answer.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!(after >= 1);
}
