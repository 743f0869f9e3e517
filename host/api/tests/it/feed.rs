//! The live feed.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::{Host, event};

#[tokio::test]
async fn a_shop_hears_of_itself_alone_and_the_feed_ends_with_the_host() {
    let host = Host::new().await;
    let token = host.token("a", "viewer").await;
    let request = Request::get("/api/v1/feed").header("authorization", format!("Bearer {token}")).body(Body::empty());
    let response = host.router().oneshot(request.expect("a request")).await.expect("infallible");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut feed = response.into_body();
    let kind = "application/cloudevents+json";
    host.post("/api/v1/events?shop=b", kind, event("1", "theirs.only", Value::Null).to_string()).await.ok();
    host.post("/api/v1/events?shop=a", kind, event("1", "own.event", Value::Null).to_string()).await.ok();
    let first = feed.frame().await.expect("a frame").expect("no error").into_data().expect("data");
    let text = String::from_utf8(first.to_vec()).expect("text");
    assert!(text.starts_with("data:") && text.contains("own.event") && !text.contains("theirs"), "{text}");
    host.api.end();
    while let Some(frame) = feed.frame().await {
        frame.expect("it ends without an error");
    }
}
