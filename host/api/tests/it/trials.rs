//! Trials by the API: a shadow's report, a backtest from start to report, a run as a file.

use serde_json::{Value, json};
use shopwright_trial::{bundle::Bundle, replay};

use crate::support::{Host, cart, event};

/// A host with the plugin of the benchmark live, a shadow beside it, and three events that both have seen.
async fn tried() -> (Host, String) {
    let host = Host::new().await;
    let bytes = shopwright_bundle::package(host.engine.sandbox(), "bench-run").await.expect("the binary carries it");
    host.post("/api/v1/plugins", "application/wasm", bytes).await.ok();
    for body in [
        json!({"plugin": "bench-run", "id": "live"}),
        json!({"plugin": "bench-run", "id": "shadow", "mode": "shadow", "beside": "live"}),
    ] {
        host.ask("POST", "/api/v1/installations", body).await.ok();
    }
    let customer = json!({"id": "42", "email": "annemarie@example.com", "name": "Annemarie", "locale": "de-DE", "time_zone": "",
        "tags": [], "consents": [], "created_at": 1});
    host.ask("PUT", "/api/v1/model/customer/42", customer).await.ok();
    let mut run = String::new();
    for n in 0..3 {
        host.clock.advance(60_000);
        let body = event(&n.to_string(), "cart.updated", cart(&format!("c{n}"), "42", 5)).to_string();
        let sent = host.post("/api/v1/events", "application/cloudevents+json", body).await.ok();
        run = sent["events"][0]["runs"][0]["run"].as_str().expect("a run").to_owned();
        host.engine.idle().await.expect("idle");
    }
    host.clock.advance(60_000);
    (host, run)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_is_reported_page_by_page() {
    let (host, _) = tried().await;
    let answer = host.ask("GET", "/api/v1/installations/shadow/shadow-report", Value::Null).await.ok();
    assert_eq!(
        (&answer["report"]["totals"]["same"], &answer["items"], &answer["report"]["live"]["installation"]),
        (&json!(3), &json!([]), &json!("live")),
        "{answer}"
    );
    assert_eq!(host.ask("GET", "/api/v1/installations/shadow", Value::Null).await.ok()["beside"], "live");
    // Paused, it does nothing: from then on only the live one acts.
    host.ask("POST", "/api/v1/installations/shadow/pause", Value::Null).await.ok();
    for n in 3..5 {
        let body = event(&n.to_string(), "cart.updated", cart(&format!("c{n}"), "42", 5)).to_string();
        host.post("/api/v1/events", "application/cloudevents+json", body).await.ok();
        host.engine.idle().await.expect("idle");
    }
    let path = "/api/v1/installations/shadow/shadow-report?limit=1";
    let first = host.ask("GET", path, Value::Null).await.ok();
    assert_eq!(
        (&first["report"]["totals"]["only_live"], &first["items"][0]["verdict"]),
        (&json!(2), &json!("only_live"))
    );
    let next = first["next"].as_str().expect("there are more");
    let second = host.ask("GET", &format!("{path}&after={next}"), Value::Null).await.ok();
    assert_ne!(second["items"][0]["event"], first["items"][0]["event"]);
    assert!(second["next"].is_null());
    let refused = host.ask("GET", "/api/v1/installations/live/shadow-report?beside=live2", Value::Null).await;
    assert_eq!(refused.code(), "not-found");
    let refused = host.ask("PATCH", "/api/v1/installations/shadow", json!({"beside": "shadow"})).await;
    assert_eq!((refused.status, refused.code()), (422, "bad-beside"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backtest_is_started_watched_and_read() {
    let (host, _) = tried().await;
    let from = crate::support::NOW;
    for (body, code) in [
        (json!({"from": from}), "bad-backtest"),
        (json!({"from": from, "to": from}), "bad-span"),
        (json!({"from": from, "to": from + 86_400_000, "installation": "live"}), "bad-span"),
        (json!({"from": from, "installation": "nobody"}), "not-found"),
        (json!({"from": from, "installation": "live", "version": "9.9.9"}), "not-found"),
        (json!({"from": from, "speed": "fast"}), "invalid-body"),
    ] {
        assert_eq!(host.ask("POST", "/api/v1/backtests", body.clone()).await.code(), code, "{body}");
    }
    let started = host.ask("POST", "/api/v1/installations/live/backtests", json!({"from": from})).await;
    assert_eq!(started.status, 202, "{}", started.body);
    let path = format!("/api/v1/backtests/{}", started.body["id"].as_str().expect("an id"));
    let done = ended(&host, &path).await;
    assert_eq!(done["state"], "done", "{done}");
    let report = &done["report"];
    assert_eq!((&report["totals"]["same"], &report["live"]["installation"]), (&json!(3), &json!("live")), "{report}");
    assert_eq!((&done["progress"]["done"], &done["progress"]["events"]), (&report["events"], &report["events"]));
    assert_eq!(host.ask("GET", &format!("{path}/differences"), Value::Null).await.ok()["items"], json!([]));
    let cancelled = host.ask("POST", &format!("{path}/cancel"), json!({})).await.ok();
    assert_eq!(cancelled["cancelled"], false, "it had ended");
    // A plugin that is installed nowhere has nothing to be compared with.
    let alone = host.ask("POST", "/api/v1/backtests", json!({"plugin": "bench-run", "from": from})).await.ok();
    let path = format!("/api/v1/backtests/{}", alone["id"].as_str().expect("an id"));
    let done = ended(&host, &path).await;
    assert_eq!(done["report"]["totals"]["only_tested"], 3, "{done}");
    let pairs = host.ask("GET", &format!("{path}/differences?limit=2"), Value::Null).await.ok();
    assert_eq!(pairs["items"][0]["tested"]["acts"][0]["action"], "messaging.send-email");
    let next = pairs["next"].as_str().expect("there are more");
    let rest = host.ask("GET", &format!("{path}/differences?limit=2&after={next}"), Value::Null).await.ok();
    assert_eq!(rest["items"].as_array().expect("a list").len(), 1);
    assert_eq!(
        host.ask("GET", "/api/v1/backtests", Value::Null).await.ok()["items"].as_array().expect("a list").len(),
        2
    );
    // Nothing of it crosses to another shop, nor was anything sent.
    let thief = host.token("b", "owner").await;
    for path in [path.clone(), format!("{path}/differences")] {
        assert_eq!(host.ask_as(&thief, "GET", &path, Value::Null).await.code(), "not-found");
    }
    assert_eq!(host.ask_as(&thief, "GET", "/api/v1/backtests", Value::Null).await.ok()["items"], json!([]));
    assert_eq!(
        host.ask("GET", "/api/v1/mailbox", Value::Null).await.ok()["items"].as_array().expect("a list").len(),
        3
    );
    let audit = host.ask("GET", "/api/v1/audit", Value::Null).await.ok().to_string();
    assert!(audit.contains("backtest.started"), "{audit}");
}

async fn ended(host: &Host, path: &str) -> Value {
    for _ in 0..1_000_000 {
        let shown = host.ask("GET", path, Value::Null).await.ok();
        if !matches!(shown["state"].as_str(), Some("queued" | "running")) {
            return shown;
        }
        tokio::task::yield_now().await;
    }
    panic!("the backtest did not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_exported_and_replays_elsewhere() {
    let (host, run) = tried().await;
    for (query, masked) in [("", false), ("?mask=true", true)] {
        let path = format!("/api/v1/runs/{run}/bundle{query}");
        let bytes = raw(&host, &path).await;
        let bundle = Bundle::from_bytes(&bytes).expect("a bundle");
        assert_eq!((bundle.masked, bundle.run.id.to_string()), (masked, run.clone()));
        let replayed = replay::replay(host.engine.sandbox(), &bundle, None).await.expect("a replay");
        assert!(replayed.agrees, "{replayed:#?}");
        let journal: Vec<u8> = bundle.journal.iter().flat_map(|chunk| chunk.0.clone()).collect();
        assert_eq!(String::from_utf8_lossy(&journal).contains("Annemarie"), !masked);
    }
    let thief = host.token("b", "owner").await;
    let path = format!("/api/v1/runs/{run}/bundle");
    assert_eq!(host.ask_as(&thief, "GET", &path, Value::Null).await.code(), "not-found");
    let viewer = host.token("a", "viewer").await;
    assert_eq!(host.ask_as(&viewer, "GET", &path, Value::Null).await.code(), "forbidden");
}

async fn raw(host: &Host, path: &str) -> Vec<u8> {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let request = axum::http::Request::builder().uri(path).header("authorization", format!("Bearer {}", host.owner));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let (parts, body) = host.router().oneshot(request).await.expect("infallible").into_parts();
    assert_eq!(parts.status.as_u16(), 200);
    assert_eq!(parts.headers["shopwright-replays"], "yes");
    body.collect().await.expect("a body").to_bytes().to_vec()
}
