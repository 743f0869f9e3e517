//! Sends what the platforms would send, to the host's own endpoints.

use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, RequestBuilder, StatusCode};
use sha2::Sha256;

use crate::{
    DemoError, calendar,
    shop::ZONE,
    traffic::{
        Post,
        platform::{API_VERSION, shop_domain},
    },
};

/// Tries of one delivery; the platform itself tries nine times.
const TRIES: u32 = 9;

/// Sends to a host.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    client: Client,
    base: String,
    shop: String,
    token: String,
    secret: String,
}

impl Sender {
    /// A sender to the host at `base` (`http://127.0.0.1:8787`).
    pub fn new(base: String, shop: &str, token: String, secret: String) -> Result<Self, DemoError> {
        // The client wants a provider for TLS even where it is not used; another part may have set it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .user_agent(concat!("shopwright-demo/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| DemoError::Http { what: "the HTTP client".into(), reason: error.to_string() })?;
        Ok(Self { client, base, shop: shop.into(), token, secret })
    }

    /// Delivers one post; tries again where the host is busy.
    pub async fn deliver(&self, post: &Post) -> Result<(), DemoError> {
        let (what, request) = match post {
            Post::Webhook { topic, webhook_id, event_id, triggered_at, body } => {
                let body = body.to_string();
                let request = self
                    .client
                    .post(format!("{}/webhooks/shopify/{}", self.base, self.shop))
                    .header("Content-Type", "application/json")
                    .header("X-Shopify-Topic", *topic)
                    .header("X-Shopify-Hmac-Sha256", sign(&self.secret, body.as_bytes()))
                    .header("X-Shopify-Shop-Domain", shop_domain())
                    .header("X-Shopify-API-Version", API_VERSION)
                    .header("X-Shopify-Webhook-Id", webhook_id)
                    .header("X-Shopify-Event-Id", event_id)
                    .header("X-Shopify-Triggered-At", calendar::iso(*triggered_at, ZONE))
                    .body(body);
                (*topic, request)
            }
            Post::Events(events) => {
                let request = self
                    .client
                    .post(format!("{}/api/v1/events", self.base))
                    .bearer_auth(&self.token)
                    .header("Content-Type", "application/cloudevents-batch+json")
                    .body(serde_json::to_vec(events).unwrap_or_default());
                ("events", request)
            }
        };
        self.tried(what, request).await.map(drop)
    }

    /// Imports documents of one kind: JSON Lines, as a stream.
    pub async fn import(&self, id: &str, kind: &str, lines: reqwest::Body) -> Result<serde_json::Value, DemoError> {
        let what = format!("import of {kind}");
        let fail = |reason: String| DemoError::Http { what: what.clone(), reason };
        let response = self
            .client
            .post(format!("{}/api/v1/model/import", self.base))
            .query(&[("id", id), ("kind", kind)])
            .bearer_auth(&self.token)
            .header("Content-Type", "application/x-ndjson")
            .body(lines)
            .send()
            .await
            .map_err(|error| fail(chain(&error)))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| fail(chain(&error)))?;
        if !status.is_success() {
            return Err(fail(format!("{status}: {text}")));
        }
        serde_json::from_str(&text).map_err(|error| fail(error.to_string()))
    }

    async fn tried(&self, what: &str, request: RequestBuilder) -> Result<String, DemoError> {
        let fail = |reason: String| DemoError::Http { what: what.to_owned(), reason };
        let mut pause = Duration::from_millis(50);
        for attempt in 1.. {
            // Bodies are bytes, so requests can be cloned.
            let Some(copy) = request.try_clone() else { break };
            let reason = match copy.send().await {
                Ok(response) => {
                    let status = response.status();
                    let text = response.text().await.unwrap_or_default();
                    if status.is_success() {
                        return Ok(text);
                    }
                    let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
                    let reason = format!("{status}: {text}");
                    if !again {
                        return Err(fail(reason));
                    }
                    reason
                }
                Err(error) => chain(&error),
            };
            if attempt >= TRIES {
                return Err(fail(reason));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        Err(fail("the request could not be repeated".into()))
    }
}

/// Base64 of the HMAC-SHA256 over the raw body.
fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

/// An error with its causes: "error sending request" alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_what_the_platform_documents() {
        // From RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(sign("Jefe", b"what do ya want for nothing?"))
            .expect("base64");
        assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
    }
}
