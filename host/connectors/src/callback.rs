//! Signed HTTP callbacks: how everything that has no connector of its own leaves the host.
//!
//! A POST of JSON with the headers of Standard Webhooks. `webhook-id` is the effect's idempotency key, the
//! same on every attempt, so the receiver can tell a repetition; that makes [`Outcome::Unknown`] safe to send
//! again. While a secret is replaced, the message is signed with each of them.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Serialize;
use shopwright_model::Millis;

use crate::outcome::excerpt;
use crate::webhooks::signature::Key;
use crate::{ConnectorError, Outcome};

/// How much of an answer is read, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// The longest `Retry-After` that is followed, in milliseconds (a day).
const LONGEST_WAIT: u64 = 86_400_000;

/// How long a callback may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the first byte sent to the last byte of the answer.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 5 and 30 seconds.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// The body of a callback.
#[derive(Debug, Clone, Serialize)]
pub struct Message<'a> {
    /// What is asked for, such as `staff.notify`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The idempotency key: the effect's id.
    pub id: &'a str,
    /// The shop.
    pub shop: &'a str,
    /// When it was asked for, in milliseconds since the Unix epoch.
    pub at: Millis,
    /// The action's arguments.
    pub data: &'a serde_json::Value,
}

/// A callback endpoint.
#[derive(Clone)]
pub struct Callback {
    client: Client,
    url: Url,
    keys: Vec<Key>,
}

impl Callback {
    /// An endpoint. `secrets` are `whsec_…`, the current one first; at least one.
    ///
    /// # Errors
    /// [`ConnectorError::Setting`] for a URL that is not http(s), or a secret that is none.
    pub fn new(url: &str, secrets: &[impl AsRef<str>], timeouts: Timeouts) -> Result<Self, ConnectorError> {
        let fault = |what, reason: String| ConnectorError::Setting { what, reason };
        let url = Url::parse(url).map_err(|error| fault("callback URL", format!("it cannot be read ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(fault("callback URL", "it must begin with `https://` or `http://` and name a host".into()));
        }
        let keys = secrets.iter().map(|secret| Key::parse(secret.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(fault("webhook secret", "there is none: callbacks are always signed".into()));
        }
        // The process-wide provider; somebody else's choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("shopwright/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| fault("callback", format!("no HTTP client can be made ({error})")))?;
        Ok(Self { client, url, keys })
    }

    /// Sends once. `now` is in milliseconds since the Unix epoch.
    pub async fn send(&self, message: &Message<'_>, now: Millis) -> Outcome {
        let body = match serde_json::to_vec(message) {
            Ok(body) => body,
            Err(error) => return Outcome::Refused { reason: format!("the message is no JSON ({error})") },
        };
        let timestamp = now.div_euclid(1_000);
        let signatures: Vec<String> = self.keys.iter().map(|key| key.sign(message.id, timestamp, &body)).collect();
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return failed(&error),
        };
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = wait.and_then(|value| retry_after(value, now));
        classify(status, after, || read(response)).await
    }
}

/// The receiver's answer.
async fn classify<F: Future<Output = Vec<u8>>>(
    status: StatusCode,
    after: Option<u64>,
    body: impl FnOnce() -> F,
) -> Outcome {
    if status.is_success() {
        return Outcome::Done { reference: reference(&body().await) };
    }
    let said = |body: Vec<u8>| {
        let text = excerpt(&String::from_utf8_lossy(&body));
        let colon = if text.is_empty() { "" } else { ": " };
        format!("the callback answered {}{colon}{text}", status.as_u16())
    };
    match status.as_u16() {
        408 | 425 | 429 | 500..=599 => Outcome::Retry { after, reason: said(body().await) },
        300..=399 => Outcome::Refused {
            reason: format!(
                "the callback answered {}: redirects are not followed, give the final URL",
                status.as_u16()
            ),
        },
        _ => Outcome::Refused { reason: said(body().await) },
    }
}

/// What an attempt without an answer means: before the connection stood nothing was sent.
fn failed(error: &reqwest::Error) -> Outcome {
    if error.is_connect() {
        return Outcome::Retry { after: None, reason: format!("the callback cannot be reached ({})", cause(error)) };
    }
    if error.is_builder() {
        return Outcome::Refused { reason: format!("the request cannot be made ({})", cause(error)) };
    }
    if error.is_timeout() {
        return Outcome::Unknown { reason: "the callback gave no answer in time".into() };
    }
    Outcome::Unknown { reason: format!("the connection broke before the callback answered ({})", cause(error)) }
}

/// The innermost cause: the outer ones name the URL, which may hold a token.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if std::ptr::eq(inner, error as &dyn std::error::Error) { "no details".into() } else { excerpt(&inner.to_string()) }
}

/// The body, up to a bound; what is lost on the way is left out.
async fn read(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    body
}

/// `reference` of a JSON object, text or number, at most 256 bytes.
fn reference(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let reference = match answer.get("reference")? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!reference.is_empty() && reference.len() <= 256).then_some(reference)
}

/// `Retry-After`, as seconds or as a date, in milliseconds from `now`; at most a day.
pub(crate) fn retry_after(value: &str, now: Millis) -> Option<u64> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1_000),
        Err(_) => {
            let at = chrono::DateTime::parse_from_rfc2822(value).ok()?.timestamp_millis();
            u64::try_from(at.saturating_sub(now)).unwrap_or(0)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("host", &self.url.host_str()).field("keys", &self.keys.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 1_445_412_440_000; // Wed, 21 Oct 2015 07:27:20 GMT
        let table = [
            ("120", Some(120_000)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(40_000)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("99999999999", Some(LONGEST_WAIT)),
            ("soon", None),
            ("-5", None),
        ];
        for (value, expected) in table {
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}
