//! The API's client: one method a kind of call, answers as JSON.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::{
    cli::Global,
    failure::{Failure, Result},
    profile,
};

/// The address of a host that nothing was said about.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8787";

/// A host, and a token for it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    shop: Option<String>,
}

impl Client {
    /// The host that the flags, the environment or the profile say.
    pub fn of(global: &Global) -> Result<Self> {
        let profile = profile::read(&global.profile)?;
        let url = global.url.clone().or_else(|| profile.as_ref().map(|p| p.url.clone()));
        let token = global.token.clone().or_else(|| profile.as_ref().map(|p| p.token.clone()));
        let shop = global.shop.clone().or_else(|| profile.and_then(|p| p.shop));
        let token = token.ok_or_else(|| {
            Failure::new("no-token", "it is not known with which token to ask").remedy(
                "Run `shopwright login`, or pass --token or SHOPWRIGHT_TOKEN. The first `shopwright serve` prints one.",
            )
        })?;
        Self::new(url.as_deref().unwrap_or(DEFAULT_URL), &token, shop)
    }

    /// A host by its address.
    pub fn new(url: &str, token: &str, shop: Option<String>) -> Result<Self> {
        // The process-wide provider; one that is there already stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("shopwright/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::new("client", error.to_string()))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), token: token.trim().to_owned(), shop })
    }

    /// The host's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request to a path under `/api/v1`; segments are encoded, queries are pairs.
    pub fn request(&self, method: Method, segments: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = format!("{}/api/v1", self.url);
        for segment in segments {
            url.push('/');
            url.push_str(&encoded(segment));
        }
        let mut request = self.http.request(method, url).bearer_auth(&self.token).query(query);
        if let Some(shop) = &self.shop {
            request = request.header("shopwright-shop", shop);
        }
        request
    }

    /// `GET`, answered as JSON.
    pub async fn get(&self, segments: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.send(self.request(Method::GET, segments, query)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, segments: &[&str], body: &Value) -> Result<Value> {
        self.send(self.request(Method::POST, segments, &[]).json(body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, segments: &[&str], body: &Value) -> Result<Value> {
        self.send(self.request(Method::PUT, segments, &[]).json(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, segments: &[&str], body: &Value) -> Result<Value> {
        self.send(self.request(Method::PATCH, segments, &[]).json(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, segments: &[&str]) -> Result<Value> {
        self.send(self.request(Method::DELETE, segments, &[])).await
    }

    /// Up to `limit` items of a list, over as many pages as that takes. `next` of the result: there are more.
    pub async fn list(&self, segments: &[&str], query: &[(&str, Option<String>)], limit: usize) -> Result<Value> {
        let mut items: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = (limit - items.len()).clamp(1, 250);
            let mut pairs: Vec<(&str, String)> =
                query.iter().filter_map(|(name, value)| value.clone().map(|value| (*name, value))).collect();
            pairs.push(("limit", page.to_string()));
            if let Some(after) = after.take() {
                pairs.push(("after", after));
            }
            let mut answer = self.get(segments, &pairs).await?;
            if let Some(Value::Array(page)) = answer.get_mut("items").map(Value::take) {
                items.extend(page);
            }
            after = answer["next"].as_str().map(str::to_owned);
            if after.is_none() || items.len() >= limit {
                return Ok(serde_json::json!({"items": items, "next": after}));
            }
        }
    }

    /// Sends, and reads the answer or the problem.
    pub async fn send(&self, request: RequestBuilder) -> Result<Value> {
        let response = self.open(request).await?;
        let bytes = response.bytes().await.map_err(|error| self.away(&error))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new("answer", format!("{} answered something that is not JSON: {error}", self.url))
        })
    }

    /// Sends, and answers with the response where the host said yes.
    pub async fn open(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.away(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.unwrap_or_default();
        Err(match serde_json::from_slice::<Value>(&bytes) {
            Ok(problem) if problem.get("detail").is_some() => Failure::of_problem(problem),
            _ => self.unexpected(status),
        })
    }

    fn unexpected(&self, status: StatusCode) -> Failure {
        Failure::new("answer", format!("{} answered {status}, and not as a Shopwright host does", self.url))
            .remedy("Check the address: is something else listening there, or a proxy in between?")
    }

    fn away(&self, error: &reqwest::Error) -> Failure {
        // The last cause says most: "connection refused" rather than "error sending request".
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Failure::new("unreachable", format!("{} cannot be reached: {cause}", self.url))
            .remedy("Is `shopwright serve` running there? Pass --url or SHOPWRIGHT_URL for another address.")
    }
}

/// A path segment, percent-encoded.
fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn segments_cannot_leave_their_place() {
        assert_eq!(super::encoded("a/b ü?#"), "a%2Fb%20%C3%BC%3F%23");
        assert_eq!(super::encoded("v1@main"), "v1@main");
    }
}
