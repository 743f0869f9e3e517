//! From an uploaded component to runs that are looked at.

use serde_json::{Value, json};

use crate::support::{Host, cart, event};

async fn component(host: &Host) -> Vec<u8> {
    shopwright_bundle::package(host.engine.sandbox(), "bench-run").await.expect("the binary carries it")
}

#[tokio::test]
async fn a_plugin_is_uploaded_installed_run_paused_and_removed() {
    let host = Host::new().await;
    let bytes = component(&host).await;
    let uploaded = host.post("/api/v1/plugins", "application/wasm", bytes.clone()).await;
    assert_eq!(uploaded.status, 201, "{}", uploaded.body);
    let version = uploaded.body["version"].as_str().expect("a version").to_owned();
    let again = host.post("/api/v1/plugins", "application/wasm", bytes).await.ok();
    assert_eq!(again["digest"], uploaded.body["digest"], "the same bytes again change nothing");
    let asked = host.ask("GET", "/api/v1/plugins/bench-run/permissions", Value::Null).await.ok();
    assert!(asked["summary"].as_str().expect("text").contains("sends email"), "{asked}");
    let functions: Vec<&str> =
        asked["permissions"].as_array().expect("a list").iter().filter_map(|p| p["function"].as_str()).collect();
    assert!(functions.contains(&"messaging.send-email") && functions.contains(&"carts.get"), "{functions:?}");
    let path = format!("/api/v1/plugins/bench-run/versions/{version}");
    assert_eq!(host.ask("GET", &path, Value::Null).await.ok()["workflows"][0]["name"], "react");

    for (body, status, code) in [
        (json!({"plugin": "nobody"}), 404, "not-found"),
        (json!({"plugin": "bench-run", "version": "9.9.9"}), 404, "not-found"),
        (json!({"plugin": "bench-run", "id": "Not An Id"}), 422, "bad-id"),
        (json!({"plugin": "bench-run", "mode": "fast"}), 400, "invalid-body"),
        (json!({"plugin": "bench-run", "grants": [{"function": "carts.get"}]}), 422, "not-granted"),
    ] {
        let refused = host.ask("POST", "/api/v1/installations", body.clone()).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}");
    }
    assert_eq!(
        host.ask("GET", "/api/v1/installations", Value::Null).await.ok()["items"],
        json!([]),
        "nothing half-applied"
    );
    let installed = host.ask("POST", "/api/v1/installations", json!({"plugin": "bench-run", "id": "bench"})).await;
    assert_eq!((installed.status, &installed.body["mode"]), (201, &json!("live")));
    let twice = host.ask("POST", "/api/v1/installations", json!({"plugin": "bench-run", "id": "bench"})).await;
    assert_eq!((twice.status, twice.code()), (409, "installation-exists"));

    let customer = json!({"id": "42", "email": "ann@example.com", "name": "Ann", "locale": "de-DE", "time_zone": "",
        "tags": [], "consents": [], "created_at": 1});
    host.ask("PUT", "/api/v1/model/customer/42", customer).await.ok();
    let body = event("1", "cart.updated", cart("c1", "42", 5)).to_string();
    let sent = host.post("/api/v1/events", "application/cloudevents+json", body).await.ok();
    assert_eq!(sent["events"][0]["runs"][0]["outcome"], "started");
    let run = sent["events"][0]["runs"][0]["run"].as_str().expect("a run").to_owned();
    host.engine.idle().await.expect("idle");
    let shown = host.ask("GET", &format!("/api/v1/runs/{run}"), Value::Null).await.ok();
    assert_eq!(shown["workflow"], "react");
    let calls: Vec<&str> =
        shown["journal"].as_array().expect("a journal").iter().filter_map(|e| e["call"].as_str()).collect();
    assert!(calls.contains(&"carts.get") && calls.contains(&"customers.get"), "{calls:?}");
    assert_eq!(shown["ledger"][0]["action"], "messaging.send-email", "{shown}");
    let listed = host.ask("GET", "/api/v1/runs?installation=bench", Value::Null).await.ok();
    assert_eq!(listed["items"][0]["id"], run.as_str());
    assert_eq!(host.ask("GET", "/api/v1/runs?state=nonsense", Value::Null).await.code(), "invalid-query");
    let effects = host.ask("GET", "/api/v1/effects", Value::Null).await.ok();
    assert_eq!(effects["items"][0]["run"], run.as_str());

    let until = json!({"until": crate::support::NOW + 1_000_000});
    let sent = host
        .post("/api/v1/events", "application/cloudevents+json", event("2", "bench.wait", until).to_string())
        .await
        .ok();
    let waiting = sent["events"][0]["runs"][0]["run"].as_str().expect("a run").to_owned();
    host.engine.idle().await.expect("idle");
    let listed = host.ask("GET", "/api/v1/runs?state=waiting", Value::Null).await.ok();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["waits_for"]["for"]), (&json!(waiting), &json!("time")));
    assert_eq!(host.ask("GET", "/api/v1/run-counts", Value::Null).await.ok()["waiting"], 1);
    let cancel = format!("/api/v1/runs/{waiting}/cancel");
    assert_eq!(host.ask("POST", &cancel, json!({"reason": "enough"})).await.ok()["cancelled"], true);
    assert_eq!(host.ask("POST", &cancel, json!({})).await.ok()["cancelled"], false);
    assert_eq!(host.ask("POST", "/api/v1/runs/run_0000000000000/cancel", json!({})).await.code(), "not-found");

    let started =
        host.ask("POST", "/api/v1/runs", json!({"installation": "bench", "workflow": "wait", "key": "once"})).await;
    assert_eq!(started.status, 202, "{}", started.body);
    let again = host
        .ask("POST", "/api/v1/runs", json!({"installation": "bench", "workflow": "wait", "key": "once"}))
        .await
        .ok();
    assert_eq!(again["run"], started.body["run"], "started at most once");
    assert_eq!(
        host.ask("POST", "/api/v1/runs", json!({"installation": "bench", "workflow": "none"})).await.code(),
        "not-found"
    );

    assert_eq!(host.ask("POST", "/api/v1/installations/bench/pause", Value::Null).await.ok()["mode"], "paused");
    let body = event("3", "cart.updated", cart("c1", "42", 9)).to_string();
    assert_eq!(
        host.post("/api/v1/events", "application/cloudevents+json", body).await.ok()["events"][0]["runs"],
        json!([])
    );
    assert_eq!(host.ask("POST", "/api/v1/installations/bench/resume", Value::Null).await.ok()["mode"], "live");
    let refused = host.ask("PATCH", "/api/v1/installations/bench", json!({"settings": {"surprise": 1}})).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.pointers()[0].starts_with("/settings"), "{}", refused.body);
    assert_eq!(host.ask("DELETE", "/api/v1/installations/bench", Value::Null).await.status, 204);
    assert_eq!(host.ask("GET", "/api/v1/installations/bench", Value::Null).await.code(), "not-found");
    let audit = host.ask("GET", "/api/v1/audit?limit=100", Value::Null).await.ok();
    let what: Vec<&str> =
        audit["items"].as_array().expect("a list").iter().filter_map(|entry| entry["what"].as_str()).collect();
    for change in [
        "plugin.uploaded",
        "installation.created",
        "run.cancelled",
        "run.started",
        "installation.paused",
        "installation.resumed",
        "installation.removed",
    ] {
        assert!(what.contains(&change), "{change} is missing in {what:?}");
    }
}

#[tokio::test]
async fn every_fault_of_settings_is_told_with_its_pointer() {
    let host = Host::new().await;
    let bytes =
        shopwright_bundle::package(host.engine.sandbox(), "cart-recovery").await.expect("the binary carries it");
    host.post("/api/v1/plugins", "application/wasm", bytes).await.ok();
    let settings = json!({"most_discount": 200, "low_stock": "few"});
    let refused =
        host.ask("POST", "/api/v1/installations", json!({"plugin": "cart-recovery", "settings": settings})).await;
    assert_eq!((refused.status, refused.code()), (422, "bad-settings"));
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/settings/low_stock", "/settings/most_discount"]);
    let good = host.ask("POST", "/api/v1/installations", json!({"plugin": "cart-recovery"})).await.ok();
    assert_eq!(good["settings"]["most_discount"], 15.0, "defaults are filled in");
    let refused = host.ask("PATCH", "/api/v1/installations/cart-recovery", json!({"settings": settings})).await;
    assert_eq!(refused.pointers().len(), 2);
}

#[tokio::test]
async fn what_is_no_plugin_is_refused() {
    let host = Host::new().await;
    for (kind, body, status, code) in [
        ("application/wasm", b"not wasm".to_vec(), 422, "bad-component"),
        ("application/wasm", b"\0asm\x01\0\0\0".to_vec(), 422, "bad-component"),
        ("application/wasm", Vec::new(), 422, "bad-component"),
        ("application/json", b"{}".to_vec(), 415, "unsupported-media-type"),
        ("application/wasm", vec![0; (32 << 20) + 1], 413, "body-too-large"),
    ] {
        let answer = host.post("/api/v1/plugins", kind, body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.body);
    }
    assert_eq!(host.ask("GET", "/api/v1/plugins", Value::Null).await.ok()["items"], json!([]));
    assert_eq!(host.ask("GET", "/api/v1/plugins/x", Value::Null).await.code(), "not-found");
}
