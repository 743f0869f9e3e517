//! The database is gone for a while: new work is refused, nothing accepted is lost, work goes on.

use reqwest::Method;
use serde_json::{Value, json};
use shopwright_store::testing::Cluster;

use crate::{
    host::Host,
    mail::MailServer,
    receiver::{Receiver, SECRET},
    traffic::{self, Doing},
};

const EVENTS: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_goes_away_under_load_and_comes_back() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database().await;
    let (mail, receiver) = (MailServer::start().await, Receiver::start().await);
    let doing = Doing::Outside { receiver: receiver.clone(), mail: Some(mail.clone()) };
    let folder = tempfile::tempdir().expect("a folder");
    let (smtp_url, callback_url) = (mail.url(), receiver.url().to_owned());
    let args = [
        "--database",
        &url,
        "--smtp-url",
        &smtp_url,
        "--smtp-from",
        "Shop <shop@example.com>",
        "--callback-url",
        &callback_url,
        "--callback-secret",
        SECRET,
    ];
    let host = Host::start(folder.path(), &args);
    let client = host.client();
    traffic::prepare(&client).await;
    let traffic = traffic::begin(doing, std::slice::from_ref(&client), EVENTS);
    for outage in 1..=2 {
        traffic.until_accepted(outage * EVENTS / 4).await;
        cluster.stop_server();
        let before = traffic.refused();
        // Whoever comes now is told so, at once, and when to come again.
        let refused = client.event("probe.go", "gone", json!({"steps": []})).await.expect("the host lives");
        assert_eq!((refused.status.as_u16(), refused.code()), (503, "unavailable"), "{}", refused.body);
        assert!(refused.headers.contains_key("retry-after"));
        let read = client.get("/api/v1/runs").await;
        assert_eq!((read.status.as_u16(), read.code()), (503, "unavailable"), "{}", read.body);
        assert!(read.headers.contains_key("retry-after"));
        assert_eq!(client.get("/readyz").await.code(), "unavailable");
        assert_eq!(client.get("/healthz").await.status.as_u16(), 200);
        let made = client.ask(Method::POST, "/api/v1/tokens", json!({"name": "gone", "role": "viewer"})).await;
        assert_eq!(made.status.as_u16(), 503, "{}", made.body);
        while traffic.refused() < before + 5 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        cluster.start_server();
    }
    // A message that was on its way when its outcome could not be written down may be in doubt.
    traffic.settle(&client, 64).await;
    let tokens = client.get("/api/v1/tokens").await.ok();
    assert!(!tokens.to_string().contains("\"gone\""), "what was refused was not done: {tokens}");
    let ready: Value = client.until("/readyz", |ready| ready["status"] == "ok").await;
    assert_eq!(ready["status"], "ok");
    host.end();
}
