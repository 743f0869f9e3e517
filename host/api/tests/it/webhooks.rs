//! Shopify's deliveries.

use serde_json::{Value, json};
use shopwright_connectors::webhooks::signature::sign_body;

use crate::support::{Answer, Call, Host, SHOPIFY_SECRET};

struct Delivery<'a> {
    shop: &'a str,
    domain: &'a str,
    topic: &'a str,
    id: &'a str,
    secret: &'a str,
    body: Value,
}

impl Delivery<'_> {
    async fn send(self, host: &Host) -> Answer {
        let body = self.body.to_string().into_bytes();
        let signature = sign_body(self.secret.as_bytes(), &body);
        let headers = [
            ("content-type", "application/json"),
            ("x-shopify-topic", self.topic),
            ("x-shopify-shop-domain", self.domain),
            ("x-shopify-webhook-id", self.id),
            ("x-shopify-hmac-sha256", &signature),
        ];
        let path = format!("/webhooks/shopify/{}", self.shop);
        host.call(Call { method: "POST", path: &path, token: None, headers: &headers, body }).await
    }
}

fn redact(id: &str) -> Delivery<'_> {
    let body = json!({"shop_id": 1, "shop_domain": "a.myshopify.com", "customer": {"id": 42}, "orders_to_redact": [7]});
    Delivery { shop: "a", domain: "a.myshopify.com", topic: "customers/redact", id, secret: SHOPIFY_SECRET, body }
}

#[tokio::test]
async fn a_delivery_is_taken_once() {
    let host = Host::new().await;
    let first = redact("w1").send(&host).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body["events"][0]["duplicate"], false);
    assert_eq!(redact("w1").send(&host).await.ok()["events"][0]["duplicate"], true);
    assert_eq!(redact("w2").send(&host).await.ok()["events"][0]["duplicate"], false, "another delivery");
    let list = host.ask("GET", "/api/v1/events?kind=privacy.customer-redact", Value::Null).await.ok();
    assert_eq!(list["items"].as_array().expect("a list").len(), 2);
    let unknown = Delivery { topic: "themes/publish", body: json!({"id": 3}), ..redact("w3") };
    unknown.send(&host).await.ok();
    let list = host.ask("GET", "/api/v1/events?kind=shopify.themes.publish", Value::Null).await.ok();
    assert_eq!(list["items"][0]["data"], json!({"id": 3}), "kept as it is");
}

#[tokio::test]
async fn a_payload_that_is_not_understood_is_kept() {
    let host = Host::new().await;
    let odd = Delivery { topic: "orders/create", body: json!({"id": "no order"}), ..redact("w1") };
    odd.send(&host).await.ok();
    let list = host.ask("GET", "/api/v1/events?kind=shopify.orders.create", Value::Null).await.ok();
    assert_eq!(list["items"].as_array().expect("a list").len(), 1, "{list}");
}

#[tokio::test]
async fn only_the_shops_own_store_is_believed_and_all_refusals_look_alike() {
    let host = Host::new().await;
    let mut answers = Vec::new();
    for delivery in [
        Delivery { secret: "wrong", ..redact("w1") },
        Delivery { shop: "none", ..redact("w1") },
        // The same secret, since it is the app's: only the store's name tells shops apart.
        Delivery { shop: "b", ..redact("w1") },
        Delivery { domain: "b.myshopify.com", ..redact("w1") },
    ] {
        let mut answer = delivery.send(&host).await;
        assert_eq!((answer.status, answer.code()), (401, "bad-signature"));
        answer.body["instance"] = Value::Null;
        answers.push(answer.body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let metrics = host.ask("GET", "/metrics", Value::Null).await.ok();
    assert!(metrics.as_str().expect("text").contains("shopwright_webhook_bad_signatures_total 4"));
    for shop in ["a", "b"] {
        let list = host.ask("GET", &format!("/api/v1/events?shop={shop}"), Value::Null).await.ok();
        assert_eq!(list["items"], json!([]), "nothing was accepted");
    }
}
