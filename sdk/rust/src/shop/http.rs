//! Requests to servers of others.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

pub use crate::bindings::shopwright::plugin::http::{Header, HttpError, Method, Request, Response};
use crate::{Duration, Error, Result, error::OrElse as _, host};

/// Requests to servers of others: to the hosts that `http` in `plugin.toml` names, as far as the operator granted them.
///
/// ```
/// use shopwright_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Contact {
///     id: String,
/// }
///
/// fn contact(ctx: &Ctx, email: &str) -> Result<String> {
///     let found: Vec<Contact> = ctx
///         .http()
///         .get("https://crm.example.com/contacts")
///         .query("email", email)
///         .bearer_secret("crm-token")
///         .send()?
///         .ok()?
///         .json()?;
///     if let Some(contact) = found.into_iter().next() {
///         return Ok(contact.id);
///     }
///     let new = ctx.http().post("https://crm.example.com/contacts").bearer_secret("crm-token");
///     Ok(new.json(&json!({ "email": email }))?.repeatable().because("a first order").send()?.ok()?.json::<Contact>()?.id)
/// }
///
/// // In a unit test the server is pretended.
/// # fn main() -> Result<()> {
/// use shopwright_sdk::testing::*;
///
/// let mut host = Host::new();
/// host.remote(|request| {
///     assert_eq!(request.header("authorization"), Some("Bearer {{secret:crm-token}}"));
///     Ok(answer(200, if request.method == Method::Get { json!([]) } else { json!({ "id": "7" }) }))
/// });
/// assert_eq!(host.enter(|ctx| contact(ctx, "ann@example.com"))?, "7");
/// assert_eq!(host.requests()[0].url, "https://crm.example.com/contacts?email=ann%40example.com");
/// # Ok(())
/// # }
/// ```
///
/// GET and HEAD are reads. All else are actions: they pass the guardrails, happen once, and stand in the ledger.
///
/// A secret is never seen by the plugin: `bearer_secret`, `basic_secrets`, and `{{secret:NAME}}` anywhere in a header's
/// value, the query or the body stand for one, and the host fills it in. Say in `plugin.toml` which are wanted:
///
/// ```toml
/// http = ["crm.example.com"]
///
/// [[secret]]
/// name = "crm-token"
/// title = "An API token of the CRM: Settings, API, New token"
/// hosts = ["crm.example.com"]
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Http(pub(crate) ());

impl Http {
    /// Reads.
    pub fn get(self, url: impl Into<String>) -> RequestBuilder {
        self.request(Method::Get, url)
    }

    /// Sends something new.
    pub fn post(self, url: impl Into<String>) -> RequestBuilder {
        self.request(Method::Post, url)
    }

    /// Puts something in its place.
    pub fn put(self, url: impl Into<String>) -> RequestBuilder {
        self.request(Method::Put, url)
    }

    /// Changes a part.
    pub fn patch(self, url: impl Into<String>) -> RequestBuilder {
        self.request(Method::Patch, url)
    }

    /// Removes.
    pub fn delete(self, url: impl Into<String>) -> RequestBuilder {
        self.request(Method::Delete, url)
    }

    /// With any method.
    pub fn request(self, method: Method, url: impl Into<String>) -> RequestBuilder {
        let (headers, body, reason) = (Vec::new(), Vec::new(), String::new());
        let url = url.into();
        RequestBuilder { request: Request { method, url, headers, body, timeout: None, repeatable: false, reason } }
    }
}

/// A request in the making.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    request: Request,
}

impl RequestBuilder {
    /// Adds a name and a value to the query, encoded. A value that is a placeholder of a secret stays one.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> RequestBuilder {
        let url = &mut self.request.url;
        url.push(if url.contains('?') { '&' } else { '?' });
        encode(url, name);
        url.push('=');
        let value = value.to_string();
        if value.starts_with("{{secret:") && value.ends_with("}}") {
            url.push_str(&value)
        } else {
            encode(url, &value)
        }
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> RequestBuilder {
        self.request.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// `Authorization: Bearer` with a secret.
    pub fn bearer_secret(self, secret: &str) -> RequestBuilder {
        self.header("authorization", format!("Bearer {{{{secret:{secret}}}}}"))
    }

    /// `Authorization: Basic` with two secrets.
    pub fn basic_secrets(self, user: &str, password: &str) -> RequestBuilder {
        self.header("authorization", format!("Basic {{{{basic:{user}:{password}}}}}"))
    }

    /// The body as JSON, with its content type.
    ///
    /// # Errors
    /// What is no JSON.
    pub fn json(mut self, body: &impl Serialize) -> Result<RequestBuilder> {
        self.request.body = serde_json::to_vec(body)?;
        Ok(self.header("content-type", "application/json"))
    }

    /// The body as a form, with its content type. A value that is a placeholder of a secret stays one.
    pub fn form(mut self, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut body = String::new();
        for (n, (name, value)) in fields.iter().enumerate() {
            if n > 0 {
                body.push('&');
            }
            encode(&mut body, name);
            body.push('=');
            if value.starts_with("{{secret:") && value.ends_with("}}") {
                body.push_str(value);
            } else {
                encode(&mut body, value);
            }
        }
        self.request.body = body.into_bytes();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// The body as it is.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.request.body = body.into();
        self
    }

    /// How long it may take, up to a minute; 30 seconds unless told.
    pub fn timeout(mut self, time: Duration) -> RequestBuilder {
        self.request.timeout = Some(time.as_millis());
        self
    }

    /// The receiving side takes a repetition with the same `Idempotency-Key` (the host sends one) for the same
    /// request, so that one whose answer was lost can be sent again.
    pub fn repeatable(mut self) -> RequestBuilder {
        self.request.repeatable = true;
        self
    }

    /// Why, shown to the operator. For actions.
    pub fn because(mut self, reason: impl Into<String>) -> RequestBuilder {
        self.request.reason = reason.into();
        self
    }

    /// Sends it and waits for the answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer; see [`HttpError`].
    pub fn send(self) -> Result<Response, HttpError> {
        host::http::send(&self.request)
    }
}

/// Percent-encodes all but letters, digits and `-._~`.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}

fn value_of<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
}

impl Request {
    /// The value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

impl Response {
    /// The value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it stands in for the answer to an action of a trial run, which was recorded and not sent. Its body is
    /// `{}`.
    pub fn is_trial(&self) -> bool {
        self.header("shopwright-trial").is_some()
    }

    /// The response, if its status is one of success.
    ///
    /// # Errors
    /// Else: worth another try of the run for 408, 425, 429 and 5xx.
    pub fn ok(self) -> Result<Response> {
        if self.is_success() {
            return Ok(self);
        }
        let text: String = self.text().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        let message = format!("the server answered {}: {}", self.status, text.trim());
        let retry = matches!(self.status, 408 | 425 | 429 | 500..=599);
        Err(if retry { Error::retry(message) } else { Error::fatal(message) })
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// A body that is no such JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).context(format_args!("the server's answer ({})", self.status))
    }
}

impl HttpError {
    /// Whether another try of the run may help: nothing was carried out, and the reason may pass.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Connect(_) | Self::Timeout(_) | Self::RateLimited(_))
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Error {
        let message = match &error {
            HttpError::BadRequest(why) => format!("the request makes no sense: {why}"),
            HttpError::NotGranted(why) => format!("the request was not granted: {why}"),
            HttpError::Denied(rule) => format!("a guardrail forbids the request: {rule}"),
            HttpError::NotApproved(why) => format!("the request was not approved: {why}"),
            HttpError::Secret(why) => format!("the request needs a secret: {why}"),
            HttpError::BlockedAddress(why) => format!("the server may not be reached: {why}"),
            HttpError::Dns(why) => format!("the server was not found: {why}"),
            HttpError::Connect(why) => format!("the server was not reached: {why}"),
            HttpError::Tls(why) => format!("the server could not be trusted: {why}"),
            HttpError::Timeout(why) => format!("the server took too long: {why}"),
            HttpError::Redirect(why) => format!("the redirect was not followed: {why}"),
            HttpError::TooLarge(bytes) => format!("the answer has more than {bytes} bytes"),
            HttpError::RateLimited(None) => "the server wants fewer requests".into(),
            HttpError::RateLimited(Some(ms)) => format!("the server wants fewer requests for {} s", ms.div_ceil(1_000)),
            HttpError::BadAnswer(why) => format!("the answer cannot be used: {why}"),
            HttpError::Unknown(why) => format!("whether the request arrived is not known: {why}"),
            HttpError::Trial(why) => format!("the request is not made in a trial: {why}"),
        };
        if error.may_pass() { Error::retry(message) } else { Error::fatal(message) }
    }
}
