//! Versions through the front door: rollouts, moved and retried runs, limits; all of it in the audit log.

use serde_json::{Value, json};

use crate::support::{Host, NOW, event};

const WASM: &str = "application/wasm";
const EVENT: &str = "application/cloudevents+json";

/// The benches' plugin in two versions, the first installed as `bench`.
async fn host() -> (Host, String) {
    let host = Host::new().await;
    let bytes = shopwright_bundle::package(host.engine.sandbox(), "bench-run").await.expect("the binary carries it");
    let old =
        host.post("/api/v1/plugins", WASM, bytes.clone()).await.ok()["version"].as_str().expect("text").to_owned();
    let mut manifest = shopwright_registry::extract(&bytes).expect("readable").expect("there");
    manifest.version.major += 1;
    host.post("/api/v1/plugins", WASM, shopwright_registry::embed(&bytes, &manifest).expect("embedded")).await.ok();
    let body = json!({"plugin": "bench-run", "id": "bench", "version": old});
    host.ask("POST", "/api/v1/installations", body).await.ok();
    (host, manifest.version.to_string())
}

async fn waiting(host: &Host, id: &str) -> Value {
    let until = json!({"until": NOW + 1_000_000});
    let sent = host.post("/api/v1/events", EVENT, event(id, "bench.wait", until).to_string()).await.ok();
    host.engine.idle().await.expect("idle");
    let run = sent["events"][0]["runs"][0]["run"].as_str().expect("a run").to_owned();
    host.ask("GET", &format!("/api/v1/runs/{run}"), Value::Null).await.ok()
}

#[tokio::test]
async fn a_version_is_tried_promoted_and_taken_back_and_runs_follow() {
    let (host, new) = host().await;
    let path = "/api/v1/installations/bench/rollout";
    for (body, code) in [
        (json!({"version": new, "share": "some"}), "bad-share"),
        (json!({"version": new, "share": {"percent": 200}}), "bad-share"),
        (json!({"version": new, "share": "all", "guard": {"failure_percent": 100}}), "bad-guard"),
        (json!({"version": "99.0.0", "share": "all"}), "not-found"),
    ] {
        assert_eq!(host.ask("PUT", path, body.clone()).await.code(), code, "{body}");
    }
    let old_run = waiting(&host, "1").await;
    let body = json!({"version": new, "share": {"percent": 100}, "guard": {"failure_percent": 5}});
    let begun = host.ask("PUT", path, body).await.ok();
    assert_eq!(begun["rollout"]["candidate"]["version"], new);
    let new_run = waiting(&host, "2").await;
    assert_ne!(new_run["digest"], old_run["digest"]);
    let shown = host.ask("GET", path, Value::Null).await.ok();
    assert_eq!((&shown["ended"], &shown["rollout"]["guard"]["min_runs"]), (&json!(0), &json!(10)));
    let promoted = host.ask("POST", "/api/v1/installations/bench/promote", Value::Null).await.ok();
    assert_eq!(promoted["version"], new);

    let run = old_run["id"].as_str().expect("an id");
    let dry = host.ask("POST", &format!("/api/v1/runs/{run}/move"), json!({"dry_run": true})).await.ok();
    assert_eq!((&dry["moved"], &dry["rehearsal"]["verdict"]), (&json!(false), &json!("agrees")));
    let body = json!({"action": "move", "installation": "bench", "state": "waiting", "limit": 10});
    let moved = host.ask("POST", "/api/v1/runs/bulk", body).await.ok();
    assert!(moved["items"].as_array().expect("a list").iter().all(|one| one["outcome"] == "moved"), "{moved}");
    let now = host.ask("GET", &format!("/api/v1/runs/{run}"), Value::Null).await.ok();
    assert_eq!(now["digest"], new_run["digest"]);

    let back = host.ask("POST", "/api/v1/installations/bench/rollback", json!({"reason": "no"})).await.ok();
    assert_eq!((&back["digest"], &back["rollout"]["rolled_back"]["reason"]), (&old_run["digest"], &json!("no")));
    assert_eq!(waiting(&host, "3").await["digest"], old_run["digest"]);
    let none = host.ask("POST", "/api/v1/installations/bench/rollback", json!({})).await;
    assert_eq!((none.status, none.code()), (409, "nothing-to-roll-back"));

    // Retrying: what lives and what never was.
    let retry = format!("/api/v1/runs/{run}/retry");
    assert_eq!(host.ask("POST", &retry, json!({"from": "start"})).await.code(), "run-lives");
    assert_eq!(host.ask("POST", &retry, json!({"from": "last_good_point"})).await.code(), "run-not-failed");
    assert_eq!(host.ask("POST", "/api/v1/runs/bulk", json!({"action": "retry"})).await.pointers(), ["/from"]);
    host.ask("POST", &format!("/api/v1/runs/{run}/cancel"), json!({})).await.ok();
    let started = host.ask("POST", &retry, json!({"from": "start"})).await.ok();
    let again =
        host.ask("GET", &format!("/api/v1/runs/{}", started["run"].as_str().expect("an id")), Value::Null).await;
    assert_eq!(again.ok()["parent"], run);

    let audit = host.ask("GET", "/api/v1/audit?limit=100", Value::Null).await.ok();
    let what: Vec<&str> =
        audit["items"].as_array().expect("a list").iter().filter_map(|e| e["what"].as_str()).collect();
    for change in
        ["installation.rolled-out", "installation.promoted", "installation.rolled-back", "runs.repaired", "run.retried"]
    {
        assert!(what.contains(&change), "{change} is missing in {what:?}");
    }
}

#[tokio::test]
async fn limits_are_shown_with_their_use_and_a_shops_are_the_hosts_to_set() {
    let (host, _) = host().await;
    let path = "/api/v1/installations/bench/limits";
    let shown = host.ask("GET", path, Value::Null).await.ok();
    assert_eq!(shown["runs_per_minute"], json!({"limit": null, "used": 0}));
    assert_eq!(host.ask("PUT", path, json!({"runs_per_minute": 0})).await.code(), "bad-limit");
    assert_eq!(host.ask("PUT", path, json!({"runs_a_minute": 1})).await.code(), "invalid-body");
    host.ask("PUT", path, json!({"runs_per_minute": 2, "effects_per_day": 5})).await.ok();
    for id in ["1", "2"] {
        waiting(&host, id).await;
    }
    let third = waiting(&host, "3").await;
    assert_eq!((&third["state"], &third["journal_entries"]), (&json!("active"), &json!(0)), "accepted, not begun");
    let shown = host.ask("GET", path, Value::Null).await.ok();
    assert_eq!(shown["runs_per_minute"], json!({"limit": 2, "used": 2}));
    assert_eq!(shown["effects_per_day"], json!({"limit": 5, "used": 0}));
    let own = host.token("a", "owner").await;
    let body = json!({"memory_bytes": 1000});
    assert_eq!(host.ask_as(&own, "PUT", "/api/v1/limits", body.clone()).await.code(), "forbidden");
    assert_eq!(host.ask("PUT", "/api/v1/limits", body).await.ok()["memory_bytes"], json!({"limit": 1000, "used": 0}));
    assert_eq!(host.ask_as(&own, "GET", "/api/v1/limits", Value::Null).await.ok()["memory_bytes"]["limit"], 1000);
    assert_eq!(host.ask("GET", "/api/v1/limits?shop=b", Value::Null).await.ok()["memory_bytes"]["limit"], Value::Null);
}
