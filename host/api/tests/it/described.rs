//! The description is complete: every route is in it, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Call, Host};

/// `GET /api/v1/events` of every operation in the description.
pub fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

/// A path with something in place of its parameters.
pub fn filled(path: &str) -> String {
    path.replace("{seq}", "1").replace("{kind}", "cart").replace("{shop}", "a").replace(['{', '}'], "")
}

#[tokio::test]
async fn every_route_of_the_source_is_described_and_every_description_is_routed() {
    let host = Host::new().await;
    let answer =
        host.call(Call { method: "GET", path: "/api/v1/openapi.json", token: None, headers: &[], body: Vec::new() });
    let description = answer.await.ok();
    assert!(description["openapi"].as_str().expect("a version").starts_with("3."), "{}", description["openapi"]);
    let described: BTreeSet<String> =
        operations(&description).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    // What handlers say of themselves in the source.
    let mut written = BTreeSet::from(["GET /api/v1/openapi.json".to_owned()]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/routes");
    for file in std::fs::read_dir(folder).expect("the routes") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        for part in text.split("#[utoipa::path(").skip(1) {
            let method = part.trim_start().split([',', ' ']).next().expect("a method").to_uppercase();
            let path = part.split("path = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a path");
            written.insert(format!("{method} {path}"));
        }
    }
    assert_eq!(written.difference(&described).collect::<Vec<_>>(), Vec::<&String>::new(), "written, not described");
    assert_eq!(described.difference(&written).collect::<Vec<_>>(), Vec::<&String>::new(), "described, not written");
    for (method, path, operation) in operations(&description) {
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert!(operation["responses"]["default"].is_object(), "{method} {path} does not say how it fails");
        let path = filled(&path);
        let answer =
            host.call(Call { method: &method, path: &path, token: None, headers: &[], body: Vec::new() }).await;
        let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
        assert!(!matches!(&*code, "no-route" | "method-not-allowed"), "{method} {path}: {code}");
    }
}

#[tokio::test]
async fn references_of_the_description_lead_somewhere() {
    let description: Value =
        serde_json::from_str(&shopwright_api::description().to_json().expect("json")).expect("json");
    let mut left = vec![&description];
    let mut references = 0;
    while let Some(value) = left.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
            references += 1;
        }
        match value {
            Value::Object(members) => left.extend(members.values()),
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    assert!(references > 50);
}

#[tokio::test]
async fn codes_have_pages_and_health_needs_no_token() {
    let host = Host::new().await;
    let open =
        async |path: &str| host.call(Call { method: "GET", path, token: None, headers: &[], body: Vec::new() }).await;
    for code in shopwright_api::problem::codes::ALL {
        assert_eq!(open(&format!("/problems/{}", code.code)).await.ok()["status"], code.status);
    }
    assert_eq!(open("/problems/none").await.code(), "not-found");
    assert_eq!(open("/healthz").await.ok()["status"], "ok");
    assert_eq!(open("/readyz").await.ok()["status"], "ok");
    assert_eq!(open("/metrics").await.code(), "unauthorized");
    let metrics = host.ask("GET", "/metrics", Value::Null).await;
    let text = metrics.ok();
    let text = text.as_str().expect("text");
    assert!(text.contains("shopwright_http_requests_total{route=\"/healthz\",status=\"2xx\"} 1"), "{text}");
    assert!(text.contains("shopwright_events_accepted"), "{text}");
    // Nothing may follow the end mark of the text format.
    assert!(!text.trim_end().trim_end_matches("# EOF").contains("# EOF"), "{text}");
    let of_a_shop = host.token("a", "owner").await;
    assert_eq!(host.ask_as(&of_a_shop, "GET", "/metrics", Value::Null).await.code(), "forbidden");
    host.engine.store().fail_after(1, shopwright_store::FaultKind::Crash);
    let refused = host.post(
        "/api/v1/events",
        "application/cloudevents+json",
        crate::support::event("1", "a.b", Value::Null).to_string(),
    );
    let refused = refused.await;
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(open("/readyz").await.code(), "unavailable");
    assert_eq!(open("/healthz").await.ok()["status"], "ok");
}
