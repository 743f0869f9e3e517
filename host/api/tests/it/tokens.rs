//! Tokens, guardrails, shops, and the audit log that remembers what was done to them.

use serde_json::{Value, json};

use crate::support::Host;

#[tokio::test]
async fn a_token_works_until_it_is_revoked_or_ends() {
    let host = Host::new().await;
    let made = host.ask("POST", "/api/v1/tokens", json!({"name": "short", "role": "viewer", "days": 1})).await;
    assert_eq!(made.status, 201);
    let secret = made.body["secret"].as_str().expect("a secret").to_owned();
    let me = host.ask_as(&secret, "GET", "/api/v1/me", Value::Null).await.ok();
    assert_eq!((&me["name"], &me["role"], &me["shop"]), (&json!("short"), &json!("viewer"), &json!("a")));
    let list = host.ask("GET", "/api/v1/tokens", Value::Null).await.ok();
    assert!(!list.to_string().contains(&secret), "the secret is shown once");
    assert!(list.to_string().contains("tok_owner"), "an owner of every shop sees those of every shop");
    host.clock.advance(86_400_000);
    assert_eq!(host.ask_as(&secret, "GET", "/api/v1/me", Value::Null).await.code(), "unauthorized");
    let other = host.token("a", "viewer").await;
    let id =
        host.ask_as(&other, "GET", "/api/v1/me", Value::Null).await.ok()["token"].as_str().expect("an id").to_owned();
    assert_eq!(host.ask("DELETE", &format!("/api/v1/tokens/{id}"), Value::Null).await.status, 204);
    assert_eq!(host.ask_as(&other, "GET", "/api/v1/me", Value::Null).await.code(), "unauthorized", "at once");
    assert_eq!(host.ask("DELETE", &format!("/api/v1/tokens/{id}"), Value::Null).await.status, 204, "twice is no fault");
}

#[tokio::test]
async fn an_owner_of_a_shop_makes_nobody_an_owner_of_the_host() {
    let host = Host::new().await;
    let owner = host.token("a", "owner").await;
    let body = json!({"name": "n", "role": "viewer", "every_shop": true});
    assert_eq!(host.ask_as(&owner, "POST", "/api/v1/tokens", body.clone()).await.code(), "forbidden");
    assert!(host.ask("POST", "/api/v1/tokens", body).await.ok().get("shop").is_none());
    let list = host.ask_as(&owner, "GET", "/api/v1/tokens", Value::Null).await.ok();
    assert!(!list.to_string().contains("tok_owner"), "{list}");
    let shop = json!({"id": "c", "currency": "EUR", "time_zone": "UTC"});
    assert_eq!(host.ask_as(&owner, "POST", "/api/v1/shops", shop.clone()).await.code(), "forbidden");
    assert_eq!(host.ask("POST", "/api/v1/shops", shop.clone()).await.status, 201);
    assert_eq!(host.ask("POST", "/api/v1/shops", shop).await.code(), "shop-exists");
    for (body, pointer) in [
        (json!({"name": "", "role": "viewer"}), "/name"),
        (json!({"name": "n", "role": "viewer", "days": 0}), "/days"),
        (json!({"name": "n", "role": "king"}), "/role"),
        (json!({"name": "n", "role": "viewer", "extra": 1}), "/extra"),
    ] {
        assert_eq!(host.ask("POST", "/api/v1/tokens", body.clone()).await.pointers(), [pointer], "{body}");
    }
}

#[tokio::test]
async fn guardrails_are_set_checked_and_removed_and_all_of_it_is_in_the_audit_log() {
    let host = Host::new().await;
    let before = host.ask("GET", "/api/v1/guardrails", Value::Null).await.ok();
    assert!(!before["items"].as_array().expect("a list").is_empty(), "a new shop has some");
    let rule = json!({"kind": "discount_ceiling", "percent": 15, "words": "At most 15 %."});
    let set = host.ask("PUT", "/api/v1/guardrails/ceiling", rule).await.ok();
    assert_eq!((&set["id"], &set["mode"]), (&json!("ceiling"), &json!("deny")));
    let wrong =
        host.ask("PUT", "/api/v1/guardrails/ceiling", json!({"kind": "discount_ceiling", "percent": 200})).await;
    assert_eq!((wrong.status, wrong.code()), (422, "invalid-guardrail"));
    assert_eq!(wrong.pointers(), ["/percent"]);
    let wrong = host.ask("PUT", "/api/v1/guardrails/x", json!({"kind": "nonsense"})).await;
    assert!(
        wrong.body["remedy"].as_str().expect("text").contains("price_floor"),
        "the kinds are named: {}",
        wrong.body
    );
    assert_eq!(
        host.ask("PUT", "/api/v1/guardrails/x", json!({"id": "y", "kind": "marketing_consent"})).await.code(),
        "invalid"
    );
    assert_eq!(host.ask("DELETE", "/api/v1/guardrails/ceiling", Value::Null).await.status, 204);
    assert_eq!(host.ask("DELETE", "/api/v1/guardrails/ceiling", Value::Null).await.code(), "not-found");
    let audit = host.ask("GET", "/api/v1/audit", Value::Null).await.ok();
    let entries = audit["items"].as_array().expect("a list");
    let what: Vec<&str> = entries.iter().filter_map(|entry| entry["what"].as_str()).collect();
    assert_eq!(what, ["guardrail.set", "guardrail.removed"]);
    assert_eq!(entries[0]["after"]["percent"], 15.0);
    assert_eq!(entries[1]["before"]["id"], "ceiling");
    assert!(entries[0]["who"].as_str().expect("text").contains("tok_owner"), "{}", entries[0]);
    let verdict = host.ask("GET", "/api/v1/audit/verify", Value::Null).await.ok();
    assert_eq!((&verdict["intact"], &verdict["checked"]), (&json!(true), &json!(2)));
}
