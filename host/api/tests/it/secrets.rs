//! Secrets go in and do not come out.

use serde_json::{Value, json};

use crate::support::Host;

const VALUE: &str = "s3cr3t-Zx81-value";

#[tokio::test]
async fn a_secret_is_set_listed_and_removed_and_its_value_is_never_said() {
    let host = Host::new().await;
    let path = "/api/v1/secrets/crm-token";
    let body = json!({"value": VALUE, "hosts": ["crm.example.com"], "installations": ["crm-sync"]});
    let set = host.ask("PUT", path, body.clone()).await.ok();
    assert_eq!((&set["name"], &set["hosts"]), (&json!("crm-token"), &json!(["crm.example.com"])));
    host.clock.advance(5);
    let again = host.ask("PUT", path, json!({"value": "another-value", "hosts": ["*.example.com"]})).await.ok();
    assert_eq!(again["updated_at"].as_i64(), set["updated_at"].as_i64().map(|at| at + 5));
    assert!(again["created_at"] == set["created_at"] && again.get("installations").is_none(), "{again}");
    host.ask("PUT", path, body).await.ok();
    let mut said = vec![set, again];
    said.push(host.ask("GET", "/api/v1/secrets", Value::Null).await.ok());
    // Each shop has its own.
    let other = host.token("b", "owner").await;
    assert_eq!(host.ask_as(&other, "GET", "/api/v1/secrets", Value::Null).await.ok()["items"], json!([]));
    assert_eq!(host.ask_as(&other, "DELETE", path, Value::Null).await.code(), "not-found");
    for (body, pointer) in [
        (json!({"value": "short", "hosts": ["a.example"]}), "/value"),
        (json!({"value": "with\nline-break", "hosts": ["a.example"]}), "/value"),
        (json!({"value": VALUE, "hosts": []}), "/hosts"),
        (json!({"value": VALUE, "hosts": ["*"]}), "/hosts/0"),
        (json!({"value": VALUE, "hosts": ["a.example", "https://a.example/path"]}), "/hosts/1"),
        (json!({"value": VALUE, "hosts": ["a.example"], "installations": []}), "/installations"),
    ] {
        let answer = host.ask("PUT", "/api/v1/secrets/other", body.clone()).await;
        assert_eq!((answer.code(), answer.pointers()), ("bad-secret", vec![pointer]), "{body}");
        said.push(answer.body);
    }
    let wrong = host.ask("PUT", "/api/v1/secrets/a%20b", json!({"value": VALUE, "hosts": ["a.example"]})).await;
    assert_eq!(wrong.pointers(), ["/name"]);
    assert_eq!(host.ask("DELETE", path, Value::Null).await.status, 204);
    assert_eq!(host.ask("GET", "/api/v1/secrets", Value::Null).await.ok()["items"], json!([]));
    let audit = host.ask("GET", "/api/v1/audit", Value::Null).await.ok();
    assert!(audit.to_string().contains("secret.set") && audit.to_string().contains("secret.removed"), "{audit}");
    said.push(audit);
    for answer in said {
        assert!(!answer.to_string().contains(VALUE) && !answer.to_string().contains("another-value"), "{answer}");
    }
}
