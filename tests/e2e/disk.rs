//! A disk without room, by a limit on the size of the host's files.

use std::{process::Command, time::Instant};

use serde_json::json;

use crate::host::{Host, PATIENCE};

/// Sets how large the files of a process may become, in bytes; none: as large as they like.
fn limit(process: u32, bytes: Option<u64>) {
    let soft = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--fsize={soft}:")]).status();
    assert!(status.expect("prlimit runs").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_new_work_and_loses_none() {
    if !Command::new("prlimit").arg("--version").output().is_ok_and(|output| output.status.success()) {
        assert_ne!(std::env::var("SHOPWRIGHT_REQUIRE_ALL").as_deref(), Ok("1"), "prlimit must be on the PATH");
        eprintln!("skipped: no prlimit on the PATH");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    client.install_probe().await;
    let filling = "x".repeat(100_000);
    let work = json!({"filling": filling, "steps": [{"do": "add", "key": "n", "by": 1}, {"do": "sleep", "ms": 50},
        {"do": "set", "key": "last", "value": "y".repeat(20_000)}, {"do": "add", "key": "ended", "by": 1}]});
    // What there is now can stay; hardly anything can be added.
    let database = std::fs::metadata(folder.path().join("data/shopwright.db")).expect("the database").len();
    limit(host.id(), Some(database.max(1 << 20) + (2 << 20)));
    let mut accepted = 0;
    let refused = loop {
        let answer = client.event("probe.go", &format!("e{accepted}"), work.clone()).await.expect("the host lives");
        if answer.status.as_u16() != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 500, "it has to be full");
    };
    assert!(accepted > 0);
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "unavailable"), "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    // It stays so; what is read is read.
    let again = client.event("probe.go", "other", work.clone()).await.expect("the host lives");
    assert_eq!((again.status.as_u16(), again.code()), (503, "unavailable"), "{}", again.body);
    let events = client.all("/api/v1/events?kind=probe.go").await;
    assert_eq!(events.len(), accepted, "what was accepted is there, and nothing else");
    assert_eq!(client.get("/healthz").await.status.as_u16(), 200);

    limit(host.id(), None);
    let began = Instant::now();
    loop {
        let answer = client.event("probe.go", "room", work.clone()).await.expect("the host lives");
        if answer.status.as_u16() == 202 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it does not recover: {}", answer.body);
    }
    let ended = |counts: &serde_json::Value| counts["active"] == 0 && counts["waiting"] == 0;
    let counts = client.until("/api/v1/run-counts", ended).await;
    assert_eq!((&counts["done"], &counts["failed"]), (&json!(accepted + 1), &json!(0)), "{counts}");
    let sums = json!({"steps": [{"do": "get", "key": "n"}, {"do": "get", "key": "ended"}]});
    let run = client.trigger("probe.go", "sums", sums).await;
    assert_eq!(client.said(&run).await, json!([accepted + 1, accepted + 1]));
    client.until("/readyz", |ready| ready["status"] == "ok").await;
    host.end();
}
