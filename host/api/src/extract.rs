//! Extractors whose rejections are problems that say where and why.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Uri, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::problem::{Fault, Problem, Result, codes};

/// The most bytes of a body unless the route says otherwise.
pub const BODY_LIMIT: usize = 1 << 20;
/// A body over its limit is read on, and thrown away, up to here, so that the client gets to read the
/// answer instead of a reset connection.
const DRAIN_LIMIT: usize = 64 << 20;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// `body-too-large`, `body-timeout`, `invalid-body` for a connection that broke.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes> {
    tokio::time::timeout(BODY_TIME, collect(headers, body, limit)).await.unwrap_or_else(|_| {
        Err(Problem::new(codes::TIMEOUT, format!("The body did not arrive within {} s.", BODY_TIME.as_secs())))
    })
}

async fn collect(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes> {
    let announced: usize =
        headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()).and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut first: Option<Bytes> = None;
    let mut rest: Option<BytesMut> = None;
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Problem::new(codes::INVALID_BODY, format!("The body ended early: {error}.")))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read > limit {
            if read > DRAIN_LIMIT || announced > DRAIN_LIMIT {
                break;
            }
            (first, rest) = (None, None);
            continue;
        }
        // The usual body comes in one piece and is not copied.
        match (&mut first, &mut rest) {
            (None, _) => first = Some(data),
            (Some(begun), None) => {
                let mut joined = BytesMut::with_capacity(announced.min(limit).max(begun.len() + data.len()));
                joined.extend_from_slice(begun);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
            (Some(_), Some(joined)) => joined.extend_from_slice(&data),
        }
    }
    if read > limit {
        let size = if announced > limit { announced } else { read };
        return Err(Problem::new(
            codes::TOO_LARGE,
            format!("The body has {size} bytes or more; this route takes at most {limit}."),
        ));
    }
    Ok(rest.map_or_else(|| first.unwrap_or_default(), BytesMut::freeze))
}

/// The media type of a request without its parameters, lower case; empty when absent.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> Cow<'_, str> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let bare = text.split(';').next().unwrap_or("").trim();
    if bare.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(bare.to_ascii_lowercase())
    } else {
        Cow::Borrowed(bare)
    }
}

/// Whether a media type is JSON: `application/json`, `text/json` or anything `+json`.
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}

/// A JSON body of at most 1 MiB.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let kind = media_type(&parts.headers);
        if !is_json(&kind) {
            let given = if kind.is_empty() { "no media type".to_owned() } else { format!("`{kind}`") };
            let detail = format!("This route takes `application/json`; the request has {given}.");
            return Err(Problem::new(codes::MEDIA_TYPE, detail));
        }
        let bytes = read_body(&parts.headers, body, BODY_LIMIT).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads JSON text into a type.
///
/// # Errors
/// `invalid-json` with line and column for text that is no JSON, `invalid-body` with the pointer too for
/// JSON of another shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| explain::<T>(bytes, &error))
}

/// The slow way, for text that did not parse: finds the place.
fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if bytes.is_empty() {
        return Problem::new(codes::INVALID_JSON, "The body is empty.").at("", "a JSON document is expected");
    }
    let (line, column) = (error.line() as u64, error.column() as u64);
    let reason = bare_message(error);
    // JSON that is wrong further on is no JSON, even if its shape is wrong before that.
    if !error.is_data() {
        return Problem::new(
            codes::INVALID_JSON,
            format!("The body is not JSON: {reason} at line {line}, column {column}."),
        )
        .with(vec![Fault { pointer: String::new(), detail: reason, line: Some(line), column: Some(column) }]);
    }
    let pointer = match serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(bytes)) {
        Err(error) => pointer(error.path()),
        Ok(_) => String::new(),
    };
    let place = if pointer.is_empty() { "/" } else { &pointer };
    Problem::new(codes::INVALID_BODY, format!("At {place}: {reason} (line {line}, column {column})."))
        .with(vec![Fault { pointer, detail: reason, line: Some(line), column: Some(column) }])
}

/// The message without the place, which is given apart.
pub(crate) fn bare_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => text.push_str(&format!("/{}", escape(key))),
            // Enum variants and what serde does not know are no part of the document.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

/// A key as a part of a JSON pointer.
#[must_use]
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The decoded pairs of a query string. What cannot be decoded is left as it is.
pub(crate) fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let rest = bytes.clone();
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                match std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(decoded) if digits.len() == 2 => out.push(decoded),
                    _ => {
                        out.push(b'%');
                        bytes = rest;
                    }
                }
            }
            other => out.push(other),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// A route's own query parameters. `shop`, `limit` and `after` are read elsewhere and left out, so that
/// `T` can deny what it does not know.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let own: Vec<&str> = parts
            .uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter(|pair| !matches!(pair.split('=').next(), Some("shop" | "limit" | "after" | "")))
            .collect();
        let uri: Uri = format!("/?{}", own.join("&"))
            .parse()
            .map_err(|_| Problem::new(codes::INVALID_QUERY, "The query string cannot be read."))?;
        match axum::extract::Query::<T>::try_from_uri(&uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let reason = text.rsplit_once("deserialize query string: ").map_or(text.as_str(), |(_, reason)| reason);
                Err(Problem::new(codes::INVALID_QUERY, format!("The query string is wrong: {reason}.")))
            }
        }
    }
}

/// The parts of a path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            // An id that cannot be one names nothing.
            Err(_) => Err(Problem::new(codes::NOT_FOUND, "The path names nothing that could be here.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
        #[serde(default)]
        note: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u32,
    }

    #[test]
    fn json_of_another_shape_is_placed() {
        for (text, code, pointer, line, says) in [
            ("", "invalid-json", "", None, "expected"),
            ("{\"list\": [", "invalid-json", "", Some(1), "EOF"),
            ("{\"list\": [],}", "invalid-json", "", Some(1), "trailing comma"),
            (
                "{\n \"list\": [{\"count\": 1}, {\"count\": \"x\"}]}",
                "invalid-body",
                "/list/1/count",
                Some(2),
                "expected u32",
            ),
            ("{\"list\": [{\"count\": -1}]}", "invalid-body", "/list/0/count", Some(1), "-1"),
            ("{\"list\": [{\"count\": 1, \"a/b\": 2}]}", "invalid-body", "/list/0/a~1b", Some(1), "unknown field"),
            ("{}", "invalid-body", "", Some(1), "missing field `list`"),
            ("[1]", "invalid-body", "/0", Some(1), "expected a sequence"),
        ] {
            let problem = parse::<Outer>(text.as_bytes()).expect_err(text);
            assert_eq!(problem.code(), code, "{text}");
            let fault = &problem.faults()[0];
            assert_eq!(fault.pointer, pointer, "{text}: {fault:?}");
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.detail.contains(says), "{text}: {fault:?}");
        }
    }

    #[tokio::test]
    async fn bodies_are_cut_off_at_their_limit_whether_announced_or_not() {
        let none = HeaderMap::new();
        assert_eq!(read_body(&none, Body::from("12345"), 5).await.expect("fits"), "12345");
        assert_eq!(read_body(&none, Body::from("123456"), 5).await.expect_err("too long").code(), "body-too-large");
        let chunks = |n: usize| {
            Body::from_stream(futures::stream::iter(
                (0..n).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"abc"))),
            ))
        };
        assert_eq!(read_body(&none, chunks(3), 9).await.expect("fits"), "abcabcabc");
        assert_eq!(read_body(&none, chunks(4), 9).await.expect_err("too long").code(), "body-too-large");
        assert_eq!(read_body(&none, chunks(0), 9).await.expect("fits"), "");
    }

    #[tokio::test]
    async fn queries_leave_out_what_belongs_to_all_routes_and_name_the_rest() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Filter {
            kind: Option<String>,
        }
        let query = async |uri: &str| {
            let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).expect("a request").into_parts();
            Query::<Filter>::from_request_parts(&mut parts, &()).await
        };
        let good = query("/x?shop=a&limit=3&kind=order.placed%20x&after=q").await.expect("good");
        assert_eq!(good.0.kind.as_deref(), Some("order.placed x"));
        let bad = query("/x?kindd=1").await.expect_err("unknown");
        assert_eq!(bad.code(), "invalid-query");
        assert!(bad.detail().contains("kindd"), "{}", bad.detail());
    }

    #[test]
    fn pairs_are_decoded() {
        let pairs: Vec<_> = query_pairs(Some("a=b%2Fc+d&e&f=%zz%4")).collect();
        let want = [("a", "b/c d"), ("e", ""), ("f", "%zz%4")];
        assert!(pairs.iter().map(|(a, b)| (a.as_ref(), b.as_ref())).eq(want), "{pairs:?}");
    }
}
