//! Checking a delivery and reading its headers.

use reqwest::header::HeaderMap;
use sha2::{Digest, Sha256};
use shopwright_model::Millis;

use crate::ConnectorError;
use crate::webhooks::signature::body_matches;

/// What the headers of a delivery say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `orders/create`, lower case.
    pub topic: String,
    /// `example.myshopify.com`.
    pub shop_domain: String,
    /// `2026-07`.
    pub api_version: Option<String>,
    /// The delivery's id, the same on every retry. Where the header is missing: of topic and body.
    pub webhook_id: String,
    /// The id of what happened; several subscriptions share it.
    pub event_id: Option<String>,
    /// When it happened; a retry keeps it.
    pub triggered_at: Option<Millis>,
    /// The subscription: its name (`-Name`), or its handle in the newer family.
    pub subscription: Option<String>,
}

impl Delivery {
    /// What deliveries are deduplicated by: the subscription and the webhook's id. (The event's id will not do: two
    /// subscriptions to one topic share it.)
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.subscription.as_deref().unwrap_or_default(), self.webhook_id)
    }
}

/// Checks the signature over the raw body under one of `secrets` (two while the client secret is rotated), and
/// reads the headers: `X-Shopify-…` as well as the newer `shopify-…`.
///
/// # Errors
/// [`ConnectorError::Signature`]; nothing of the request may be used then.
pub fn verify<S: AsRef<[u8]>>(headers: &HeaderMap, body: &[u8], secrets: &[S]) -> Result<Delivery, ConnectorError> {
    let fault = |reason| ConnectorError::Signature { reason };
    let header = |name: &str| {
        [format!("x-shopify-{name}"), format!("shopify-{name}")]
            .iter()
            .find_map(|name| headers.get(name.as_str()))
            .and_then(|value| value.to_str().ok())
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    let signature = header("hmac-sha256").ok_or_else(|| fault("the header `X-Shopify-Hmac-Sha256` is missing"))?;
    if !body_matches(secrets, body, &signature) {
        return Err(fault("the HMAC does not match the body: check the client secret"));
    }
    let topic = header("topic").ok_or_else(|| fault("the header `X-Shopify-Topic` is missing"))?.to_lowercase();
    let shop_domain =
        header("shop-domain").ok_or_else(|| fault("the header `X-Shopify-Shop-Domain` is missing"))?.to_lowercase();
    let webhook_id = header("webhook-id").unwrap_or_else(|| {
        let digest = Sha256::new().chain_update(topic.as_bytes()).chain_update([0]).chain_update(body).finalize();
        hex::encode(digest)
    });
    let triggered_at = header("triggered-at")
        .and_then(|at| chrono::DateTime::parse_from_rfc3339(&at).ok())
        .map(|at| at.timestamp_millis());
    Ok(Delivery {
        topic,
        shop_domain,
        api_version: header("api-version"),
        webhook_id,
        event_id: header("event-id"),
        triggered_at,
        subscription: header("name").or_else(|| header("handle")),
    })
}
