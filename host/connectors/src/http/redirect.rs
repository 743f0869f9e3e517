//! A request from its checks to its answer, over redirects.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use shopwright_model::http::{Header, HttpError, Method, Request, Response};
use tokio::time::Instant;

use super::{
    HttpOut, Order, Reply, Secret, Target,
    client::{Answer, Failed, exchange},
    is_read, method_name, secrets,
};

/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// Headers of one request: how many, and how many bytes before secrets are filled in.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 << 10;

/// Headers that frame the message or speak for the host.
const OWN: [&str; 15] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
    "proxy-connection",
    "accept-encoding",
    "http2-settings",
    "forwarded",
    "x-forwarded-for",
];

/// Headers that say who is asking: they stay with the host that they were written for.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "x-api-key"];

/// What changes from one request to the next.
struct Now {
    target: Target,
    method: Method,
    /// False from the first redirect to elsewhere on.
    credentials: bool,
    /// The action was carried out: what follows only fetches what it gave.
    carried: bool,
    body: bool,
}

pub(super) async fn follow(out: &HttpOut, order: &Order<'_>) -> Reply {
    let refused = |error| Reply::NotSent { error, again: false };
    let bad = |reason: String| refused(HttpError::BadRequest(reason));
    let request = order.request;
    let time = match request.timeout {
        None => out.options.total,
        Some(ms) if ms > 0 && u128::from(ms) <= out.options.longest.as_millis() => Duration::from_millis(ms),
        Some(ms) => return bad(format!("`timeout` is {ms} ms: 1 to {} are allowed", out.options.longest.as_millis())),
    };
    let deadline = Instant::now() + time;
    if let Err(reason) = check(request, out.options.request_bytes) {
        return bad(reason);
    }
    let target = match Target::parse(&request.url) {
        Ok(target) => target,
        Err(reason) => return bad(reason),
    };
    if let Some(reason) = order.reach.objection(target.plain, &target.host, target.port) {
        return refused(HttpError::NotGranted(reason));
    }
    if let Some(reason) = secrets::objection(order.secrets, &target) {
        return refused(HttpError::Secret(reason));
    }
    let mut now = Now { target, method: request.method, credentials: true, carried: false, body: true };
    for followed in 0.. {
        let filled = secrets::in_query(&now.target, if followed == 0 { order.secrets } else { &[] });
        let message = match message(order, &now, &filled, out.options.request_bytes) {
            Ok(message) => message,
            Err(reason) => return bad(reason),
        };
        let answer = match exchange(out, &filled, message, deadline).await {
            Ok(answer) => answer,
            Err(failed) => return why(failed, now.carried),
        };
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let (301 | 302 | 303 | 307 | 308, Some(location)) = (answer.status.as_u16(), location) else {
            return hand_on(order, answer);
        };
        let stays = matches!(answer.status.as_u16(), 307 | 308) || is_read(now.method);
        let becomes_get = !stays && (answer.status.as_u16() == 303 || now.method == Method::Post);
        now.carried |= becomes_get;
        let fail = |reason: String| {
            let error = HttpError::Redirect(reason);
            if now.carried { Reply::Unusable { error } } else { refused(error) }
        };
        if followed == REDIRECTS {
            return fail(format!("more than {REDIRECTS} redirects, the last by {}", now.target.host));
        }
        let next = match now.target.join(location) {
            Ok(next) => next,
            Err(reason) => return fail(format!("{} redirects, and {reason}", now.target.host)),
        };
        if next.plain && !now.target.plain {
            return fail(format!("{} redirects away from HTTPS", now.target.host));
        }
        if let Some(reason) = order.reach.objection(next.plain, &next.host, next.port) {
            return fail(format!("{} redirects elsewhere: {reason}", now.target.host));
        }
        let body = now.body && !becomes_get;
        let mut credentials = now.credentials;
        if !next.same_origin(&now.target) {
            let path = next.path().into_bytes();
            let in_url = secrets::redact(path.clone(), order.secrets) != path;
            if in_url || (body && secrets::has(&request.body)) {
                return fail(format!("{} redirects to {}, and a secret would go along", now.target.host, next.host));
            }
            credentials = false;
        }
        let method = if becomes_get { Method::Get } else { now.method };
        now = Now { target: next, method, credentials, carried: now.carried, body };
    }
    // The loop ends at the last redirect at the latest.
    refused(HttpError::Redirect("too many redirects".into()))
}

/// What can be said of a request before anything of it is filled in. `most`: bytes of the body.
///
/// # Errors
/// What makes no sense, for `bad-request`.
pub fn check(request: &Request, most: usize) -> Result<(), String> {
    if is_read(request.method) && !request.body.is_empty() {
        return Err(format!("{} takes no body", method_name(request.method)));
    }
    if request.body.len() > most {
        return Err(format!("`body` has {} bytes: at most {most} are allowed", request.body.len()));
    }
    if request.headers.len() > HEADERS {
        return Err(format!("there are {} headers: at most {HEADERS} are allowed", request.headers.len()));
    }
    let bytes: usize = request.headers.iter().map(|Header { name, value }| name.len() + value.len()).sum();
    if bytes > HEADER_BYTES {
        return Err(format!("the headers have {bytes} bytes: at most {HEADER_BYTES} are allowed"));
    }
    for Header { name, .. } in &request.headers {
        let known =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{}` is no header", name.escape_debug()))?;
        if OWN.contains(&known.as_str()) {
            return Err(format!("the header `{known}` is the host's own"));
        }
    }
    secrets::names(request).map(drop)
}

/// The request as it is sent.
fn message(order: &Order<'_>, now: &Now, filled: &Target, most: usize) -> Result<hyper::Request<Full<Bytes>>, String> {
    let Order { request, secrets: all, .. } = order;
    let known: &[Secret] = if now.credentials { all } else { &[] };
    let mut out = hyper::Request::new(Full::default());
    *out.method_mut() = hyper::Method::from_bytes(method_name(now.method).as_bytes()).map_err(|e| e.to_string())?;
    *out.uri_mut() = filled.path().parse().map_err(|_| "the URL's path cannot be sent".to_owned())?;
    let mut media = "";
    for Header { name, value } in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header is none".to_owned())?;
        let secret = secrets::has(value.as_bytes());
        if !now.credentials && (secret || CREDENTIALS.contains(&name.as_str())) {
            continue;
        }
        if !now.body && (name == header::CONTENT_TYPE || name.as_str() == "content-encoding") {
            continue;
        }
        if name == header::CONTENT_TYPE {
            media = value;
        }
        let mut written = HeaderValue::from_bytes(&secrets::in_header(value, known)).map_err(|_| {
            format!("the value of the header `{name}` cannot be sent: it has line breaks or control characters")
        })?;
        written.set_sensitive(secret);
        out.headers_mut().append(name, written);
    }
    let text = |value: &str| HeaderValue::from_str(value).map_err(|_| "a header of our own cannot be sent".to_owned());
    let headers = out.headers_mut();
    headers.insert(header::HOST, text(&now.target.authority())?);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !headers.contains_key(header::USER_AGENT) {
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("shopwright/", env!("CARGO_PKG_VERSION"))));
    }
    if let Some(key) = order.key.filter(|_| !is_read(now.method))
        && !headers.contains_key("idempotency-key")
    {
        headers.insert("idempotency-key", text(key)?);
    }
    if now.body && !request.body.is_empty() {
        let body = secrets::in_body(&request.body, media, known);
        if body.len() > most {
            return Err(format!("`body` has {} bytes with its secrets: at most {most} are allowed", body.len()));
        }
        *out.body_mut() = Full::new(Bytes::from(body));
    }
    Ok(out)
}

/// What a failure means, given what was carried out before.
fn why(failed: Failed, carried: bool) -> Reply {
    match failed {
        Failed::Before { error, .. } | Failed::Lost { error } if carried => Reply::Unusable { error },
        Failed::Before { error, again } => Reply::NotSent { error, again },
        Failed::Lost { error } => Reply::Lost { error },
        Failed::Unusable { error } => Reply::Unusable { error },
    }
}

/// The answer as the plugin gets it.
fn hand_on(order: &Order<'_>, answer: Answer) -> Reply {
    let coded = answer.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if coded && !order.secrets.is_empty() {
        let reason =
            "the answer is compressed although that was not asked for: whether it repeats a secret cannot be seen";
        return Reply::Unusable { error: HttpError::BadAnswer(reason.into()) };
    }
    let retry_after = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| crate::callback::retry_after(value, order.now));
    let clean = |bytes: &[u8]| String::from_utf8_lossy(&secrets::redact(bytes.to_vec(), order.secrets)).into_owned();
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| Header { name: clean(name.as_str().as_bytes()), value: clean(value.as_bytes()) })
        .collect();
    let body = secrets::redact(answer.body, order.secrets);
    Reply::Answer { response: Response { status: answer.status.as_u16(), headers, body }, retry_after }
}
