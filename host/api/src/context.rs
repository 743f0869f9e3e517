//! What surrounds every request: its id, its span, its figures, and the last resort when it panics.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use futures::FutureExt as _;
use tracing::Instrument as _;

use crate::{
    figures::HttpFigures,
    problem::{Problem, codes},
};

/// The header that carries a request's id, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: the client's own if it sent a sensible one.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives ids to requests that come without: a random start, then counting. They need be unique, not
/// secret.
#[derive(Debug)]
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub fn new() -> Self {
        Self(AtomicU64::new(rand::random::<u64>() >> 2))
    }

    fn next(&self) -> RequestId {
        let n = self.0.fetch_add(1, Ordering::Relaxed) & (i64::MAX as u64);
        // Masked just above, so it fits.
        RequestId(format!("req_{}", shopwright_model::ids::encode(n as i64)).into())
    }

    fn of(&self, request: &Request) -> RequestId {
        let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| {
            (1..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
        });
        given.map_or_else(|| self.next(), |text| RequestId(text.into()))
    }
}

/// What the middleware needs.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub ids: Arc<RequestIds>,
    pub figures: Arc<HttpFigures>,
}

/// The middleware around every route.
pub(crate) async fn surround(State(around): State<Surroundings>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = around.ids.of(&request);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route_text = route.as_ref().map_or("none", MatchedPath::as_str);
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request", method = %method, route = route_text, request = id.as_str(), shop = tracing::field::Empty
    );
    request.extensions_mut().insert(id.clone());
    let answered = pin!(AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()));
    let answered = around.figures.busy.of(answered).await;
    let mut response = match answered {
        Ok(response) => finish(response, &id),
        Err(panic) => {
            let _entered = span.enter();
            tracing::error!(panic = panic_message(&panic), "a request panicked");
            Problem::new(codes::INTERNAL, "The host could not do this; its log says why, under the request's id.")
                .render(id.as_str())
        }
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let took = began.elapsed();
    around.figures.count(route_text, response.status(), took);
    let _entered = span.enter();
    let status = response.status().as_u16();
    if response.status().is_server_error() {
        tracing::warn!(status, took_us = took.as_micros() as u64, "answered");
    } else {
        tracing::debug!(status, took_us = took.as_micros() as u64, "answered");
    }
    response
}

/// Writes out a problem that a handler returned, and turns what the framework itself answered without a
/// document into one.
fn finish(mut response: Response, id: &RequestId) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.render(id.as_str());
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !response.headers().contains_key(header::CONTENT_TYPE) {
        let mut problem = Problem::new(codes::METHOD, "This route does not take this method.");
        if let Some(allow) = response.headers().get(header::ALLOW) {
            problem = problem.allow(allow.clone());
        }
        return problem.render(id.as_str());
    }
    response
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a value that is no text")
}

/// What answers where no route is.
pub(crate) async fn no_route(request: Request) -> Problem {
    Problem::new(codes::NO_ROUTE, format!("There is no route `{}`.", request.uri().path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, routing::get};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    fn router() -> Router {
        let around = Surroundings { ids: Arc::new(RequestIds::new()), figures: Arc::default() };
        Router::new()
            .route("/ok", get(async || "ok"))
            .route("/panic", get(async || -> &'static str { panic!("the secret is 42") }))
            .route("/problem", get(async || Problem::new(codes::CONFLICT, "no")))
            .fallback(no_route)
            .layer(axum::middleware::from_fn_with_state(around, surround))
    }

    async fn ask(method: &str, path: &str, id: Option<&str>) -> (Response<()>, serde_json::Value) {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if let Some(id) = id {
            request = request.header(REQUEST_ID, id);
        }
        let response = router().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null);
        (Response::from_parts(parts, ()), json)
    }

    #[tokio::test]
    async fn every_error_is_a_problem_and_carries_the_request_id() {
        for (method, path, status, code) in [
            ("GET", "/nowhere", 404, "no-route"),
            ("POST", "/ok", 405, "method-not-allowed"),
            ("GET", "/problem", 409, "conflict"),
            ("GET", "/panic", 500, "internal"),
        ] {
            let (response, body) = ask(method, path, Some("my-id.1")).await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
            assert_eq!(response.headers()[REQUEST_ID], "my-id.1");
            assert_eq!(body["code"], code);
            assert_eq!(body["instance"], "my-id.1");
            assert!(!body.to_string().contains("42"), "a panic's text stays in the log: {body}");
        }
        let (response, _) = ask("POST", "/ok", None).await;
        assert!(response.headers()["allow"].to_str().expect("text").contains("GET"));
    }

    #[tokio::test]
    async fn ids_are_the_clients_if_sensible_and_else_ours() {
        let (response, _) = ask("GET", "/ok", Some("abc")).await;
        assert_eq!(response.headers()[REQUEST_ID], "abc");
        for bad in [None, Some("with space"), Some("\"quote"), Some("")] {
            let (response, _) = ask("GET", "/ok", bad).await;
            let id = response.headers()[REQUEST_ID].to_str().expect("text").to_owned();
            assert!(id.starts_with("req_"), "{id}");
        }
    }
}
