//! The one error that every route answers with: a problem document (RFC 9457,
//! `application/problem+json`) with a stable code.
//!
//! A handler returns a [`Problem`]; the request's middleware ([`crate::context`]) writes the document,
//! because only it knows the request's id. Each code stands in [`codes`] with its cause and its cure,
//! and has a page at `/problems/{code}`.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What handlers return.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// A kind of problem: what its code means and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable, for programs.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// For people, the same for every problem of this code.
    pub title: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Every code that the API itself gives. The engine has further codes for what it refuses, which come
/// under `invalid`, `refused` and `conflict`.
pub mod codes {
    use super::Code;

    macro_rules! codes {
        ($($name:ident $status:literal $code:literal $title:literal $remedy:literal;)*) => {
            $(#[doc = $title] pub const $name: Code = Code { code: $code, status: $status, title: $title, remedy: $remedy };)*
            /// All of them.
            pub const ALL: &[Code] = &[$($name),*];
        };
    }

    codes! {
        INVALID_JSON 400 "invalid-json" "The body is not JSON" "Correct the text at the line and column given.";
        INVALID_BODY 400 "invalid-body" "The body does not have the expected shape" "Correct the fields named in `errors`; /api/v1/openapi.json describes the shape.";
        INVALID_QUERY 400 "invalid-query" "A query parameter is wrong" "Correct the parameter; /api/v1/openapi.json lists those of this route.";
        INVALID_CURSOR 400 "invalid-cursor" "The cursor cannot be used" "Pass the `next` of the page before unchanged as `after`, to the same list, or leave `after` out to begin anew.";
        INVALID_EVENT 400 "invalid-event" "An event is no CloudEvent 1.0" "Correct the attributes named in `errors`; nothing of the call was accepted.";
        SHOP_REQUIRED 400 "shop-required" "Which shop is meant is not said" "This token is good for every shop: add `?shop=ID` or the header `Shopwright-Shop: ID`.";
        UNAUTHORIZED 401 "unauthorized" "No valid token" "Send `Authorization: Bearer swt_…` with a token that is neither revoked nor expired.";
        BAD_SIGNATURE 401 "bad-signature" "The webhook's signature is wrong" "Check that the secret configured for this shop is the one the platform signs with, and that nothing on the way changes the body.";
        FORBIDDEN 403 "forbidden" "The token's role does not allow this" "Use a token with the role named, or ask an owner to make one.";
        NOT_FOUND 404 "not-found" "There is no such thing here" "Check the id and the shop.";
        NO_ROUTE 404 "no-route" "There is no such route" "/api/v1/openapi.json lists the routes.";
        METHOD 405 "method-not-allowed" "The route does not take this method" "The header `Allow` names those it takes.";
        CONFLICT 409 "conflict" "It contradicts what is there" "Read the present state, and decide anew.";
        TOO_LARGE 413 "body-too-large" "The body is too large" "Send less at once: split batches and imports, shrink components.";
        BATCH_TOO_LARGE 413 "batch-too-large" "The batch has too many events" "Send at most 1,000 events in one batch.";
        MEDIA_TYPE 415 "unsupported-media-type" "The body's media type is not taken here" "Set `Content-Type` to one that the detail names.";
        INVALID 422 "invalid" "The content is not acceptable" "Correct what `errors` and the detail name; nothing was changed.";
        REFUSED 422 "refused" "The component is not acceptable" "Build the plugin against the host's WIT version, without other imports than those it may have.";
        INVALID_SETTINGS 422 "invalid-settings" "The settings do not fit the plugin's schema" "Correct the settings named in `errors`; nothing was changed.";
        NOT_TRUSTED 422 "not-trusted" "Nobody whom this shop trusts vouches for it" "Trust its publisher's key (`shopwright publisher add`), or, where it is unsigned or unknown, allow it this once.";
        NOT_GENUINE 422 "not-genuine" "What the registry gave is not what it should be" "Nothing of it was used. Ask the publisher, and the registry's operator.";
        YANKED 422 "yanked" "Nobody should install this version" "Install another version, or, with good reason, force it.";
        NOT_IN_REGISTRY 404 "not-in-registry" "The registry has no such thing" "Check the reference: registry, repository, tag.";
        REGISTRY 502 "registry" "The registry did not do what was asked" "Check that it can be reached from the host and that the host is logged in there; then try again.";
        BUSY 429 "busy" "The host has more work than it takes" "Try again after the time in `Retry-After`; what was accepted before is safe.";
        INTERNAL 500 "internal" "The host failed" "Nothing is known to be wrong with the request. Look for the request id in the host's log.";
        UNAVAILABLE 503 "unavailable" "The store cannot be used now" "Try again after the time in `Retry-After`; what was accepted before is safe.";
        TIMEOUT 408 "body-timeout" "The body did not arrive in time" "Send it again over a faster connection, or in smaller parts.";
    }

    /// The code of that name.
    #[must_use]
    pub fn find(code: &str) -> Option<&'static Code> {
        ALL.iter().find(|known| known.code == code)
    }
}

/// One thing that is wrong in a body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901); empty is the whole. For headers and query parameters: their name.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// Line in the body, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl Fault {
    /// A fault at a pointer.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), line: None, column: None }
    }
}

/// The document as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A page about the code, relative to the host.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people, the same for every problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// Stable, for programs.
    pub code: String,
    /// The request's id, as in the header `x-request-id` and in the host's log.
    pub instance: String,
    /// What to do.
    pub remedy: String,
    /// Where the body is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    own: Option<&'static str>,
    detail: Cow<'static, str>,
    remedy: Option<Cow<'static, str>>,
    faults: Vec<Fault>,
    retry_after: Option<Duration>,
    allow: Option<HeaderValue>,
}

impl Problem {
    /// A problem of a code, with what is wrong this time.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            own: None,
            detail: detail.into(),
            remedy: None,
            faults: Vec::new(),
            retry_after: None,
            allow: None,
        }))
    }

    /// The same with places.
    #[must_use]
    pub fn with(mut self, faults: Vec<Fault>) -> Self {
        self.0.faults = faults;
        self
    }

    /// The same with a place.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.faults.push(Fault::at(pointer, detail));
        self
    }

    /// The same with a more precise code than the API's own.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        self.0.own = Some(code);
        self
    }

    /// The same with a more precise cure than the code's.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The same with the time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same with the methods that the route takes.
    #[must_use]
    pub(crate) fn allow(mut self, methods: HeaderValue) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// There is no such thing: the same answer whether it never existed or belongs to another shop.
    pub fn no_such(what: &str) -> Self {
        Self::new(codes::NOT_FOUND, format!("There is no such {what} in this shop."))
    }

    /// Something in the host failed; `error` goes to the log, not to the client.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(codes::INTERNAL, "The host could not do this; its log says why, under the request's id.")
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.own.unwrap_or(self.0.code.code)
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong this time.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Where the body is wrong.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// The document, for the request `instance`.
    #[must_use]
    pub fn body(&self, instance: &str) -> ProblemBody {
        let inner = &*self.0;
        ProblemBody {
            kind: format!("/problems/{}", inner.code.code),
            title: inner.code.title.into(),
            status: inner.code.status,
            detail: inner.detail.clone().into_owned(),
            code: self.code().into(),
            instance: instance.into(),
            remedy: inner.remedy.clone().unwrap_or(Cow::Borrowed(inner.code.remedy)).into_owned(),
            errors: inner.faults.clone(),
        }
    }

    /// The whole answer to the request `instance`.
    #[must_use]
    pub fn render(&self, instance: &str) -> Response {
        let text = serde_json::to_vec(&self.body(instance)).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.0.retry_after {
            // In whole seconds, never zero: a zero would invite a busy loop.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        if self.0.code.code == codes::UNAUTHORIZED.code {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"shopwright\""));
        }
        if let Some(methods) = &self.0.allow {
            headers.insert(header::ALLOW, methods.clone());
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_problem_is_a_whole_rfc_9457_document() {
        let problem =
            Problem::new(codes::BUSY, "The queue is full.").at("/0/id", "why").retry_after(Duration::from_millis(1200));
        let response = problem.render("req_1");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "2");
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&bytes).expect("json");
        assert_eq!(body["type"], "/problems/busy");
        assert_eq!(body["status"], 429);
        assert_eq!(body["code"], "busy");
        assert_eq!(body["instance"], "req_1");
        assert_eq!(body["detail"], "The queue is full.");
        assert_eq!(body["errors"], serde_json::json!([{"pointer": "/0/id", "detail": "why"}]));
        assert!(
            !body["title"].as_str().expect("a title").is_empty()
                && !body["remedy"].as_str().expect("a cure").is_empty()
        );
    }

    #[test]
    fn codes_are_unique_and_every_one_says_what_to_do() {
        for (n, code) in codes::ALL.iter().enumerate() {
            assert!((400..600).contains(&code.status), "{code:?}");
            assert!(code.remedy.ends_with('.') && !code.title.ends_with('.'), "{code:?}");
            assert!(codes::ALL[..n].iter().all(|other| other.code != code.code), "{code:?}");
        }
    }
}
