//! Who may do what, and that nothing crosses from one shop to another.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shopwright_api::auth::Role;

use crate::{
    described::{filled, operations},
    support::{Call, Host, SHOPIFY_SECRET, cart, event},
};

/// The least role of every route that needs a token; none: any token will do.
fn needed() -> BTreeMap<&'static str, Option<Role>> {
    use Role::{Developer, Operator, Owner, Viewer};
    let table = [
        ("GET /api/v1/me", None),
        ("GET /api/v1/shops", None),
        ("POST /api/v1/shops", Some(Owner)),
        ("POST /api/v1/events", Some(Developer)),
        ("GET /api/v1/events", Some(Viewer)),
        ("GET /api/v1/events/{seq}", Some(Viewer)),
        ("GET /api/v1/feed", Some(Viewer)),
        ("GET /api/v1/model", Some(Viewer)),
        ("GET /api/v1/model/{kind}", Some(Viewer)),
        ("GET /api/v1/model/{kind}/{id}", Some(Viewer)),
        ("PUT /api/v1/model/{kind}/{id}", Some(Developer)),
        ("DELETE /api/v1/model/{kind}/{id}", Some(Developer)),
        ("POST /api/v1/model/import", Some(Developer)),
        ("GET /api/v1/imports/{id}", Some(Viewer)),
        ("POST /api/v1/plugins", Some(Developer)),
        ("GET /api/v1/plugins", Some(Viewer)),
        ("GET /api/v1/plugins/{plugin}", Some(Viewer)),
        ("GET /api/v1/plugins/{plugin}/versions/{version}", Some(Viewer)),
        ("GET /api/v1/plugins/{plugin}/permissions", Some(Viewer)),
        ("POST /api/v1/installations", Some(Operator)),
        ("GET /api/v1/installations", Some(Viewer)),
        ("GET /api/v1/installations/{id}", Some(Viewer)),
        ("PATCH /api/v1/installations/{id}", Some(Operator)),
        ("DELETE /api/v1/installations/{id}", Some(Operator)),
        ("POST /api/v1/installations/{id}/pause", Some(Operator)),
        ("POST /api/v1/installations/{id}/resume", Some(Operator)),
        ("GET /api/v1/installations/{id}/rollout", Some(Viewer)),
        ("PUT /api/v1/installations/{id}/rollout", Some(Operator)),
        ("POST /api/v1/installations/{id}/promote", Some(Operator)),
        ("POST /api/v1/installations/{id}/rollback", Some(Operator)),
        ("GET /api/v1/installations/{id}/limits", Some(Viewer)),
        ("PUT /api/v1/installations/{id}/limits", Some(Operator)),
        ("GET /api/v1/limits", Some(Viewer)),
        ("PUT /api/v1/limits", Some(Owner)),
        ("POST /api/v1/runs/bulk", Some(Operator)),
        ("POST /api/v1/runs/{id}/move", Some(Operator)),
        ("POST /api/v1/runs/{id}/retry", Some(Operator)),
        ("GET /api/v1/installations/{id}/shadow-report", Some(Viewer)),
        ("POST /api/v1/installations/{id}/backtests", Some(Operator)),
        ("POST /api/v1/backtests", Some(Operator)),
        ("GET /api/v1/backtests", Some(Viewer)),
        ("GET /api/v1/backtests/{id}", Some(Viewer)),
        ("GET /api/v1/backtests/{id}/differences", Some(Viewer)),
        ("POST /api/v1/backtests/{id}/cancel", Some(Operator)),
        ("GET /api/v1/runs/{id}/bundle", Some(Developer)),
        ("GET /api/v1/runs", Some(Viewer)),
        ("POST /api/v1/runs", Some(Developer)),
        ("GET /api/v1/run-counts", Some(Viewer)),
        ("GET /api/v1/runs/{id}", Some(Viewer)),
        ("POST /api/v1/runs/{id}/cancel", Some(Developer)),
        ("GET /api/v1/effects", Some(Viewer)),
        ("GET /api/v1/schedules", Some(Viewer)),
        ("GET /api/v1/guardrails", Some(Viewer)),
        ("PUT /api/v1/guardrails/{id}", Some(Operator)),
        ("DELETE /api/v1/guardrails/{id}", Some(Operator)),
        ("GET /api/v1/secrets", Some(Viewer)),
        ("PUT /api/v1/secrets/{name}", Some(Operator)),
        ("DELETE /api/v1/secrets/{name}", Some(Operator)),
        ("GET /api/v1/mailbox", Some(Viewer)),
        ("GET /api/v1/mailbox/{id}", Some(Viewer)),
        ("GET /api/v1/approvals", Some(Viewer)),
        ("GET /api/v1/approvals/{id}", Some(Viewer)),
        ("POST /api/v1/approvals/{id}/answer", Some(Operator)),
        ("POST /api/v1/tokens", Some(Owner)),
        ("GET /api/v1/tokens", Some(Owner)),
        ("DELETE /api/v1/tokens/{id}", Some(Owner)),
        ("GET /api/v1/audit", Some(Operator)),
        ("GET /api/v1/audit/verify", Some(Operator)),
        ("GET /api/v1/audit/export", Some(Operator)),
        ("GET /api/v1/publishers", Some(Viewer)),
        ("PUT /api/v1/publishers/{name}", Some(Operator)),
        ("DELETE /api/v1/publishers/{name}", Some(Operator)),
        ("GET /api/v1/catalogues", Some(Viewer)),
        ("PUT /api/v1/catalogues/{name}", Some(Operator)),
        ("DELETE /api/v1/catalogues/{name}", Some(Operator)),
        ("POST /api/v1/catalogues/{name}/refresh", Some(Operator)),
        ("GET /api/v1/market", Some(Viewer)),
        ("GET /api/v1/market/{name}", Some(Viewer)),
        ("GET /api/v1/market-preview", Some(Operator)),
        ("POST /api/v1/market-install", Some(Operator)),
        ("GET /api/v1/market-outdated", Some(Viewer)),
        ("POST /api/v1/market-upgrade", Some(Operator)),
    ];
    BTreeMap::from(table)
}

/// The routes that need a token, as the description has them.
fn guarded() -> Vec<(String, String)> {
    let description: Value =
        serde_json::from_str(&shopwright_api::description().to_json().expect("json")).expect("json");
    // Without a `security` of its own the document's holds: a token.
    let guarded = operations(&description).into_iter().filter(|(.., operation)| operation.get("security").is_none());
    guarded.map(|(method, path, _)| (method, path)).collect()
}

#[tokio::test]
async fn each_route_takes_the_roles_it_should_and_no_others() {
    let host = Host::new().await;
    let table = needed();
    let routes = guarded();
    assert_eq!(routes.len(), table.len(), "the table has every guarded route and no other");
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, host.token("a", role.as_str()).await));
    }
    for (method, path) in routes {
        let needs =
            *table.get(&*format!("{method} {path}")).unwrap_or_else(|| panic!("{method} {path} is not in the table"));
        let uri = filled(&path);
        let call = |token| Call { method: &method, path: &uri, token, headers: &[], body: Vec::new() };
        assert_eq!(host.call(call(None)).await.code(), "unauthorized", "{method} {path}");
        assert_eq!(host.call(call(Some("swt_wrong"))).await.code(), "unauthorized", "{method} {path}");
        assert_eq!(host.call(call(Some("no prefix"))).await.code(), "unauthorized", "{method} {path}");
        // The feed never ends.
        if path.ends_with("/feed") {
            continue;
        }
        for (role, token) in &tokens {
            let answer = host.call(call(Some(token))).await;
            let refused = matches!(answer.status, 401 | 403);
            let allowed = needs.is_none_or(|needs| *role >= needs);
            // Shops are created by owners of the whole host alone.
            let allowed = allowed && !(method == "POST" && path == "/api/v1/shops");
            assert_eq!(refused, !allowed, "{method} {path} as {role}: {}", answer.body);
            assert!(answer.status < 500, "{method} {path} as {role}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_own_shop_only_and_another_looks_as_if_it_did_not_exist() {
    let host = Host::new().await;
    let token = host.token("a", "owner").await;
    let mut checked = 0;
    for (method, path) in guarded() {
        let uri = filled(&path);
        if matches!(&*path, "/api/v1/me" | "/api/v1/shops" | "/api/v1/feed") {
            continue;
        }
        let mut answers = Vec::new();
        for shop in ["b", "none"] {
            let uri = format!("{uri}?shop={shop}");
            let call = Call { method: &method, path: &uri, token: Some(&token), headers: &[], body: Vec::new() };
            let by_query = host.call(call).await;
            let headers = [("shopwright-shop", shop)];
            let bare = filled(&path);
            let call = Call { method: &method, path: &bare, token: Some(&token), headers: &headers, body: Vec::new() };
            let by_header = host.call(call).await;
            for mut answer in [by_query, by_header] {
                assert_eq!(answer.code(), "not-found", "{method} {path}");
                answer.body["instance"] = Value::Null;
                answers.push(answer.body);
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {path} tells shops apart: {answers:?}");
        checked += 1;
    }
    assert!(checked > 40);
    let shops = host.ask_as(&token, "GET", "/api/v1/shops", Value::Null).await.ok();
    assert_eq!(shops["items"].as_array().expect("a list").len(), 1);
}

/// What there is in one shop is asked for with the token of another, by id, on every route with an id.
#[tokio::test]
async fn nothing_of_one_shop_can_be_had_with_the_token_of_another() {
    let host = Host::new().await;
    let kind = "application/cloudevents+json";
    let body = event("1", "cart.updated", cart("c1", "42", 5)).to_string();
    let seq = host.post("/api/v1/events?shop=b", kind, body).await.ok()["events"][0]["seq"].to_string();
    host.ask("PUT", "/api/v1/guardrails/own?shop=b", json!({"kind": "discount_duration", "max_hours": 7})).await.ok();
    host.post("/api/v1/model/import?id=imp&shop=b&kind=cart", "application/x-ndjson", cart("c2", "42", 5).to_string())
        .await
        .ok();
    let made = host.ask("POST", "/api/v1/tokens?shop=b", json!({"name": "n", "role": "viewer"})).await.ok();
    let token_id = made["id"].as_str().expect("an id").to_owned();
    let thief = host.token("a", "owner").await;
    for (method, path, body) in [
        ("GET", format!("/api/v1/events/{seq}"), Value::Null),
        ("GET", "/api/v1/model/cart/c1".into(), Value::Null),
        ("DELETE", "/api/v1/model/cart/c1".into(), Value::Null),
        ("GET", "/api/v1/imports/imp".into(), Value::Null),
        ("DELETE", "/api/v1/guardrails/own".into(), Value::Null),
        ("DELETE", format!("/api/v1/tokens/{token_id}"), Value::Null),
    ] {
        let own = path.clone();
        let mut theirs = host.ask_as(&thief, method, &path, body.clone()).await;
        assert_eq!((theirs.status, theirs.code()), (404, "not-found"), "{method} {path}");
        let nothing = own.rsplit_once('/').map(|(before, _)| format!("{before}/999999")).expect("a path");
        let mut absent = host.ask_as(&thief, method, &nothing, body).await;
        (theirs.body["instance"], absent.body["instance"]) = (Value::Null, Value::Null);
        assert_eq!(theirs.body, absent.body, "{method} {path} tells what exists elsewhere");
    }
    // Lists hold nothing of the other shop, whatever they are asked for.
    for path in [
        "events?entity=cart:c1",
        "model/cart",
        "runs",
        "effects",
        "mailbox",
        "approvals",
        "schedules",
        "plugins",
        "installations",
    ] {
        let list = host.ask_as(&thief, "GET", &format!("/api/v1/{path}"), Value::Null).await.ok();
        assert_eq!(list["items"], json!([]), "{path}");
    }
    let rules = host.ask_as(&thief, "GET", "/api/v1/guardrails", Value::Null).await.ok();
    assert!(!rules.to_string().contains("discount_duration"), "{rules}");
    // The same id in both shops is two things.
    host.post("/api/v1/events?shop=a", kind, event("1", "cart.updated", cart("c1", "7", 5)).to_string()).await.ok();
    let theirs = host.ask_as(&thief, "GET", "/api/v1/model/cart/c1", Value::Null).await.ok();
    assert_eq!(theirs["document"]["customer"], "7");
    let own = host.ask("GET", "/api/v1/model/cart/c1?shop=b", Value::Null).await.ok();
    assert_eq!(own["document"]["customer"], "42");
    // Nor does the audit log or a figure.
    let audit = host.ask_as(&thief, "GET", "/api/v1/audit", Value::Null).await.ok();
    assert!(!audit.to_string().contains("imp"), "{audit}");
    assert!(host.ask_as(&thief, "GET", "/api/v1/audit/verify", Value::Null).await.ok().get("checked").is_none());
    let _ = SHOPIFY_SECRET;
}

#[tokio::test]
async fn a_token_of_every_shop_says_which_it_means() {
    let host = Host::new().await;
    host.post("/api/v1/events?shop=b", "application/cloudevents+json", event("1", "a.b", Value::Null).to_string())
        .await
        .ok();
    let seen =
        async |path: &str| host.ask("GET", path, Value::Null).await.ok()["items"].as_array().expect("a list").len();
    assert_eq!(seen("/api/v1/events").await, 0, "the default shop is a");
    assert_eq!(seen("/api/v1/events?shop=b").await, 1);
    let headers = [("shopwright-shop", "a")];
    let both = Call {
        method: "GET",
        path: "/api/v1/events?shop=b",
        token: Some(&host.owner),
        headers: &headers,
        body: Vec::new(),
    };
    assert_eq!(host.call(both).await.code(), "invalid-query");
}
