//! Whole stories: from what a platform sends to what a customer gets.

use reqwest::Method;
use serde_json::{Value, json};
use shopwright_connectors::webhooks::signature::sign_body;

use crate::{
    host::Host,
    mail::MailServer,
    probe,
    receiver::{Answer, Receiver, SECRET},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_becomes_a_message_also_through_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::start(folder.path(), &[]);
    let client = host.client();
    client.install_probe().await;
    client.add_customer("42").await;
    let steps = json!([{"do": "customer", "id": "42"}, {"do": "add", "key": "n", "by": 1}, {"do": "email", "customer": "42", "note": "before"},
        {"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "ms": 3_600_000}, {"do": "add", "key": "n", "by": 1},
        {"do": "email", "customer": "42", "note": "after"}]);
    let run = client.trigger("probe.go", "1", json!({ "steps": steps })).await;
    let waiting = client.run_when(&run, |run| run["state"] == "waiting").await;
    assert_eq!(waiting["waits_for"]["for"], "event", "{waiting:#}");
    host.kill();
    host.restart();
    assert_eq!(client.get(&format!("/api/v1/runs/{run}")).await.ok()["state"], "waiting");
    let order = json!({"id": "1", "number": "#1", "customer": "42", "lines": [], "total": {"amount": 1000, "currency": "EUR"},
        "payment": "paid", "fulfilment": "unfulfilled", "placed_at": 5});
    let intake = client.event("order.placed", "2", order).await.expect("an answer").ok();
    assert_eq!(intake["events"][0]["woken"], 1, "{intake}");
    assert_eq!(client.said(&run).await, json!(["Ann", 1, "done", "2", 2, "done"]));
    let mail = client.get("/api/v1/mailbox").await.ok();
    let texts: Vec<&str> =
        mail["items"].as_array().expect("a list").iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["Ann: after", "Ann: before"], "newest first, each once");
    let shown = client.get(&format!("/api/v1/runs/{run}")).await.ok();
    let calls: Vec<&str> =
        shown["journal"].as_array().expect("a journal").iter().filter_map(|e| e["call"].as_str()).collect();
    assert_eq!(calls[..2], ["customers.get", "memory.increment"]);
    assert_eq!(calls.len(), 6);
    host.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_leave_by_smtp_and_by_signed_callback() {
    let (mail, receiver) = (MailServer::start().await, Receiver::start().await);
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(
        folder.path(),
        &[
            "--smtp-url",
            &mail.url(),
            "--smtp-from",
            "Shop <shop@example.com>",
            "--callback-url",
            receiver.url(),
            "--callback-secret",
            SECRET,
        ],
    );
    let client = host.client();
    client.install_probe().await;
    client.add_customer("42").await;
    let run = client
        .trigger("probe.go", "1", json!({"steps": [{"do": "email", "customer": "42", "note": "Grüße"}, {"do": "sms", "customer": "42", "text": "short"}]}))
        .await;
    assert_eq!(client.said(&run).await, json!(["done", "done"]));
    let mails = mail.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].from.as_str(), mails[0].to[0].as_str()), ("shop@example.com", "42@example.com"));
    assert!(
        mails[0].content.contains("Subject: A note for Ann\r\n") && mails[0].content.contains("Message-ID:"),
        "{}",
        mails[0].content
    );
    let taken = receiver.seen();
    assert_eq!((taken[0].kind.as_str(), &taken[0].data["text"]), ("messaging.send-sms", &json!("short")));
    let ledger = client.get(&format!("/api/v1/runs/{run}")).await.ok()["ledger"].clone();
    assert_eq!((&ledger[1]["id"], &ledger[1]["state"]), (&json!(taken[0].id), &json!("done")));
    // Refused for good: the workflow is told, the ledger keeps the reason.
    receiver.answer_next([Answer::Status(410)]);
    let run = client.trigger("probe.go", "2", json!({"steps": [{"do": "staff", "channel": "#a", "text": "t"}]})).await;
    assert!(client.said(&run).await[0]["unavailable"].as_str().expect("why").contains("410"));
    host.end();
}

/// What Shopify sends for a topic, as if it had happened just now.
fn fixture(topic: &str) -> Vec<u8> {
    let folder = probe::root().join("host/connectors/tests/fixtures/shopify");
    let text = std::fs::read(folder.join(format!("{}.json", topic.replace('/', "_")))).expect(topic);
    let mut payload: Value = serde_json::from_slice(&text).expect("JSON");
    let now = chrono::Utc::now().to_rfc3339();
    for field in ["created_at", "updated_at", "processed_at"] {
        if payload[field].is_string() {
            payload[field] = now.clone().into();
        }
    }
    match topic {
        "products/create" => (payload["status"], payload["published_at"]) = ("active".into(), now.into()),
        "customers_email_marketing_consent/update" => {
            payload["email_marketing_consent"] =
                json!({"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": now});
        }
        _ => {}
    }
    payload.to_string().into_bytes()
}

/// A delivery as Shopify makes it.
async fn deliver(host: &Host, topic: &str, id: &str, secret: &str) -> crate::host::Answer {
    let body = fixture(topic);
    let signature = sign_body(secret.as_bytes(), &body);
    let headers = [
        ("content-type", "application/json"),
        ("x-shopify-topic", topic),
        ("x-shopify-shop-domain", "lichthaus.myshopify.com"),
        ("x-shopify-api-version", "2026-07"),
        ("x-shopify-webhook-id", id),
        ("x-shopify-event-id", id),
        ("x-shopify-triggered-at", "2026-09-10T17:02:00.000Z"),
        ("x-shopify-hmac-sha256", &signature),
    ];
    host.client().with_token("").send(Method::POST, "/webhooks/shopify/main", &headers, body).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_webhook_starts_cart_recovery_and_the_order_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &["--shopify-secret", "hush"]);
    let client = host.client();
    assert_eq!(host.cli(&["install", "cart-recovery", "--yes"])["mode"], "live");

    for (n, topic) in
        ["products/create", "customers/create", "customers_email_marketing_consent/update"].into_iter().enumerate()
    {
        deliver(&host, topic, &format!("before{n}"), "hush").await.ok();
    }
    assert_eq!(deliver(&host, "checkouts/update", "w0", "wrong").await.code(), "bad-signature");
    let taken = deliver(&host, "checkouts/update", "w1", "hush").await.ok();
    let started: Vec<&Value> = taken["events"]
        .as_array()
        .expect("events")
        .iter()
        .flat_map(|e| e["runs"].as_array().into_iter().flatten())
        .collect();
    assert_eq!(started.len(), 1, "{taken}");
    assert_eq!((&started[0]["installation"], &started[0]["outcome"]), (&json!("cart-recovery"), &json!("started")));
    let run = started[0]["run"].as_str().expect("a run").to_owned();
    let waiting = client.run_when(&run, |run| run["state"] != "active").await;
    assert_eq!((&waiting["state"], &waiting["waits_for"]["for"]), (&json!("waiting"), &json!("event")), "{waiting:#}");
    assert!(
        deliver(&host, "checkouts/update", "w1", "hush").await.ok()["events"]
            .as_array()
            .expect("events")
            .iter()
            .all(|e| e["duplicate"] == true)
    );

    // The order of the same cart: no message is needed, whether the run sees the order first or that the cart went.
    deliver(&host, "orders/create", "w2", "hush").await.ok();
    let outcome = client.said(&run).await;
    assert_eq!(outcome["sent"], json!([]), "{outcome}");
    assert!(matches!(outcome["result"].as_str(), Some("recovered" | "cart_gone")), "{outcome}");
    let runs = host.cli(&["run", "list", "--installation", "cart-recovery"]);
    assert_eq!(runs["items"].as_array().expect("a list").len(), 1);
    host.end();
}
