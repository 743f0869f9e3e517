use axum::http::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
    };
    pairs.iter().map(pair).collect()
}

fn ask(kind: &str, body: &str) -> Result<Vec<IncomingEvent>> {
    read(&headers(&[("content-type", kind)]), &Bytes::from(body.to_owned()))
}

const GOOD: &str = r#"{"specversion": "1.0", "id": "1", "source": "/shop", "type": "cart.updated",
    "time": "2026-03-29T12:00:00.5+02:00", "subject": "x", "comexampleother": 3,
    "concerns": ["customer:42", "cart:c1"], "data": {"id": "c1",  "n": 1.50}}"#;

#[test]
fn structured_mode_keeps_the_data_as_it_was_written() {
    for kind in
        ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON"]
    {
        let events = ask(kind, GOOD).expect(kind);
        let event = &events[0];
        assert_eq!((&*event.id, &*event.source, &*event.kind), ("1", "/shop", "cart.updated"));
        assert_eq!(event.at, Some(1_774_778_400_500));
        assert_eq!(event.concerns, ["customer:42", "cart:c1"]);
        assert_eq!(event.data, r#"{"id": "c1",  "n": 1.50}"#);
    }
}

#[test]
fn binary_mode_reads_attributes_from_headers() {
    let all = headers(&[
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "a%20b%C3%A4"),
        ("ce-source", "/shop"),
        ("ce-type", "order.placed"),
        ("ce-time", "2026-03-29T12:00:00Z"),
        ("ce-concerns", "customer:42, order:1"),
    ]);
    let events = read(&all, &Bytes::from_static(b" {\"id\": 1} ")).expect("good");
    assert_eq!(events[0].id, "a bä");
    assert_eq!(events[0].concerns, ["customer:42", "order:1"]);
    assert_eq!(events[0].data, "{\"id\": 1}");
    let mut text = all.clone();
    text.insert("content-type", HeaderValue::from_static("text/plain"));
    assert_eq!(read(&text, &Bytes::from_static(b"hi \"you\"")).expect("good")[0].data, "\"hi \\\"you\\\"\"");
    assert_eq!(read(&all, &Bytes::new()).expect("good")[0].data, "null");
    text.insert("content-type", HeaderValue::from_static("image/png"));
    assert_eq!(read(&text, &Bytes::from_static(b"x")).expect_err("no data").code(), "unsupported-media-type");
}

#[test]
fn base64_data_is_json_or_text() {
    let with = |extra: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"a.b",{extra}}}"#);
    let good = |extra: &str| ask(STRUCTURED, &with(extra)).expect(extra).remove(0).data;
    assert_eq!(good(r#""data_base64":"eyJhIjoxfQ==""#), r#"{"a":1}"#);
    assert_eq!(good(r#""data_base64":"aGVsbG8=","datacontenttype":"text/plain""#), "\"hello\"");
    assert_eq!(good(r#""data":null"#), "null");
    for bad in [
        r#""data_base64":"aGVsbG8=""#,
        r#""data_base64":"?""#,
        r#""data_base64":"/w==""#,
        r#""data":1,"data_base64":"MQ==""#,
    ] {
        let problem = ask(STRUCTURED, &with(bad)).expect_err(bad);
        assert_eq!(problem.faults()[0].pointer, "/data_base64", "{bad}");
    }
}

#[test]
fn malformed_events_are_placed() {
    for (kind, body, code, pointers) in [
        (STRUCTURED, "", "invalid-json", &[""][..]),
        (STRUCTURED, "{", "invalid-json", &[""]),
        (STRUCTURED, "{} x", "invalid-json", &[""]),
        (STRUCTURED, "[]", "invalid-event", &[""]),
        (STRUCTURED, "3", "invalid-event", &[""]),
        (STRUCTURED, "{}", "invalid-event", &["/specversion", "/id", "/source", "/type"]),
        (STRUCTURED, r#"{"id":"1","id":"2"}"#, "invalid-event", &[""]),
        (STRUCTURED, r#"{"specversion":"0.3","id":"1","source":"s","type":"a.b"}"#, "invalid-event", &["/specversion"]),
        (STRUCTURED, r#"{"specversion":"1.0","id":1,"source":"s","type":"a.b"}"#, "invalid-event", &["/id"]),
        (STRUCTURED, r#"{"specversion":"1.0","id":"","source":"s","type":"a.b"}"#, "invalid-event", &["/id"]),
        (STRUCTURED, r#"{"specversion":"1.0","id":"1","source":"s","type":"Upper.Case"}"#, "invalid-event", &["/type"]),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","time":"yesterday"}"#,
            "invalid-event",
            &["/time"],
        ),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","concerns":["x","a:1"]}"#,
            "invalid-event",
            &["/concerns/0"],
        ),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","concerns":{}}"#,
            "invalid-event",
            &["/concerns"],
        ),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","data":{"a":}}"#,
            "invalid-json",
            &[""],
        ),
        (BATCH, "{}", "invalid-event", &[""]),
        (
            BATCH,
            r#"[{"specversion":"1.0","id":"1","source":"s","type":"a.b"},{"specversion":"1.0","id":"2","type":"nodot"},7]"#,
            "invalid-event",
            &["/1/source", "/1/type", "/2"],
        ),
        ("application/json", GOOD, "unsupported-media-type", &[]),
        ("", GOOD, "unsupported-media-type", &[]),
        ("application/cloudevents+xml", GOOD, "unsupported-media-type", &[]),
    ] {
        let problem = ask(kind, body).expect_err(body);
        assert_eq!(problem.code(), code, "{kind} {body}: {}", problem.detail());
        let found: Vec<&str> = problem.faults().iter().map(|fault| &*fault.pointer).collect();
        assert_eq!(found, pointers, "{body}");
    }
    let problem = ask(STRUCTURED, "{\n  \"id\": trx\n}").expect_err("no JSON");
    assert_eq!(problem.faults()[0].line, Some(2));
    let latin = read(&headers(&[("content-type", STRUCTURED)]), &Bytes::from_static(b"{\"id\": \"\xe4\"}"));
    assert!(latin.expect_err("not UTF-8").detail().contains("UTF-8"));
}

#[test]
fn binary_headers_are_named_when_wrong() {
    let problem = read(
        &headers(&[
            ("content-type", "application/json"),
            ("ce-specversion", "2.0"),
            ("ce-id", "%zz"),
            ("ce-type", "a.b"),
        ]),
        &Bytes::from_static(b"{}"),
    )
    .expect_err("wrong");
    let found: Vec<&str> = problem.faults().iter().map(|fault| &*fault.pointer).collect();
    assert_eq!(found, ["ce-specversion", "ce-id", "ce-source"]);
}

#[test]
fn a_batch_is_read_in_order_up_to_its_limit() {
    let of = |n: usize| {
        let one = |i: usize| format!(r#"{{"specversion":"1.0","id":"{i}","source":"s","type":"a.b","data":{i}}}"#);
        format!("[{}]", (0..n).map(one).collect::<Vec<_>>().join(","))
    };
    let events = ask(BATCH, &of(MAX_BATCH)).expect("as many as allowed");
    assert!(events.iter().enumerate().all(|(n, event)| event.data == n.to_string()));
    assert!(ask(BATCH, "[]").expect("none is fine").is_empty());
    assert_eq!(ask(BATCH, &of(MAX_BATCH + 1)).expect_err("one more").code(), "batch-too-large");
}
