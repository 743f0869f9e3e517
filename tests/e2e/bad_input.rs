//! What makes no sense is refused with the place and the reason, and nothing of it is applied.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{components, description::Description, host::Host};

const EVENT: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const LINES: &str = "application/x-ndjson";

/// A request that is to be refused, and how.
struct Case {
    name: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// One of the pointers of `errors`.
    pointer: Option<&'static str>,
    /// In the detail.
    words: &'static str,
}

fn case(name: &'static str, method: Method, path: &str, content: &'static str, body: impl Into<Vec<u8>>) -> Case {
    let headers = if content.is_empty() { Vec::new() } else { vec![("content-type", content)] };
    let (path, body) = (path.to_owned(), body.into());
    Case { name, method, path, headers, body, status: 400, code: "", pointer: None, words: "" }
}

impl Case {
    fn is(mut self, status: u16, code: &'static str) -> Self {
        (self.status, self.code) = (status, code);
        self
    }

    fn at(mut self, pointer: &'static str) -> Self {
        self.pointer = Some(pointer);
        self
    }

    fn says(mut self, words: &'static str) -> Self {
        self.words = words;
        self
    }
}

/// A good event with a change, in structured mode.
fn event(name: &'static str, change: impl FnOnce(&mut Value)) -> Case {
    let mut event = json!({"specversion": "1.0", "source": "/bad", "id": "1", "type": "some.thing", "data": {}});
    change(&mut event);
    case(name, Method::POST, "/api/v1/events", EVENT, event.to_string()).is(400, "invalid-event")
}

/// In binary mode: the good headers with these instead.
fn binary(name: &'static str, content: &'static str, own: &[(&'static str, &'static str)], body: &str) -> Case {
    let mut case = case(name, Method::POST, "/api/v1/events", content, body).is(400, "invalid-event");
    for (header, value) in [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/bad"), ("ce-type", "some.thing")]
    {
        let value = own.iter().find(|(name, _)| *name == header).map_or(value, |(_, own)| own);
        if !value.is_empty() {
            case.headers.push((header, value));
        }
    }
    case.headers
        .extend(own.iter().filter(|(name, _)| !matches!(*name, "ce-specversion" | "ce-id" | "ce-source" | "ce-type")));
    case
}

fn batch(name: &'static str, body: &Value) -> Case {
    case(name, Method::POST, "/api/v1/events", BATCH, body.to_string()).is(400, "invalid-event")
}

fn get(name: &'static str, path: &str) -> Case {
    case(name, Method::GET, path, "", "")
}

fn json_to(name: &'static str, method: Method, path: &str, body: Value) -> Case {
    case(name, method, path, "application/json", body.to_string()).is(422, "invalid")
}

fn rule(name: &'static str, body: Value) -> Case {
    json_to(name, Method::PUT, "/api/v1/guardrails/r", body).is(422, "invalid-guardrail")
}

fn bodies() -> Vec<Case> {
    let post = |name, body: Vec<u8>| case(name, Method::POST, "/api/v1/events", EVENT, body);
    vec![
        post("no JSON", b"{\"id\":".to_vec()).is(400, "invalid-json").says("column 6"),
        post("not UTF-8", vec![b'"', 0xff, b'"']).is(400, "invalid-json").says("byte 1"),
        post("nothing", Vec::new()).is(400, "invalid-json"),
        post("a list", b"[]".to_vec()).is(400, "invalid-event"),
        post("deeply nested", [vec![b'['; 100_000], vec![b']'; 100_000]].concat()).is(400, "invalid-event"),
        post("10 MB", format!("{{\"data\": \"{}\"}}", "x".repeat(10 << 20)).into_bytes())
            .is(413, "body-too-large")
            .says("4194304"),
        case("another content", Method::POST, "/api/v1/events", "text/csv", "a,b")
            .is(415, "unsupported-media-type")
            .says("cloudevents"),
        case("no content", Method::POST, "/api/v1/events", "", "{}").is(415, "unsupported-media-type"),
        case("10 MB of a rule", Method::PUT, "/api/v1/guardrails/r", "application/json", vec![b' '; 10 << 20])
            .is(413, "body-too-large"),
        case("a rule as text", Method::PUT, "/api/v1/guardrails/r", "text/plain", "{}")
            .is(415, "unsupported-media-type"),
    ]
}

fn events() -> Vec<Case> {
    let base64 = |event: &mut Value, text: &str| {
        event.as_object_mut().expect("an object").remove("data");
        event["data_base64"] = text.into();
    };
    let good = |id: &str| json!({"specversion": "1.0", "source": "/b", "id": id, "type": "some.thing", "data": {}});
    let many: Value = (0..1_001).map(|n| good(&n.to_string())).collect();
    vec![
        event("no version", |e| drop(e.as_object_mut().expect("an object").remove("specversion"))).at("/specversion"),
        event("another version", |e| e["specversion"] = "0.3".into()).at("/specversion").says("0.3"),
        event("no id", |e| e["id"] = "".into()).at("/id"),
        event("a number for an id", |e| e["id"] = 7.into()).at("/id").says("7"),
        event("a long id", |e| e["id"] = "x".repeat(300).into()).at("/id").says("256"),
        event("no source", |e| e["source"] = Value::Null).at("/source"),
        event("a kind without a dot", |e| e["type"] = "thing".into()).at("/type").says("thing"),
        event("a time that is none", |e| e["time"] = "yesterday".into()).at("/time").says("RFC 3339"),
        event("a concern that is none", |e| e["concerns"] = json!(["customer:1", "nobody"]))
            .at("/concerns/1")
            .says("nobody"),
        event("concerns that are none", |e| e["concerns"] = json!({"customer": 1})).at("/concerns"),
        event("data twice", |e| e["data_base64"] = "e30=".into()).at("/data_base64"),
        event("base64 that is none", |e| base64(e, "%%%")).at("/data_base64"),
        event("base64 of no JSON", |e| base64(e, "e30")).at("/data_base64"),
        event("all at once", |e| *e = json!({"type": "thing", "id": 1})).at("/source").says("more faults"),
        event("a cart that is none", |e| {
            e["type"] = "cart.updated".into();
            e["data"] = json!({"id": "c", "total": "much"});
        })
        .is(422, "bad-data")
        .at("/data")
        .says("Money"),
        binary("no kind", "application/json", &[("ce-type", "")], "{}").at("ce-type"),
        binary("a version of none", "application/json", &[("ce-specversion", "2.0")], "{}").at("ce-specversion"),
        binary("a broken escape", "application/json", &[("ce-id", "%f")], "{}").at("ce-id"),
        binary("a time of none", "application/json", &[("ce-time", "noon")], "{}").at("ce-time"),
        binary("a concern of none", "application/json", &[("ce-concerns", "customer:1,x")], "{}").at("ce-concerns"),
        binary("no JSON in it", "application/json", &[], "{").is(400, "invalid-json"),
        binary("a picture", "image/png", &[], "x").is(415, "unsupported-media-type").says("image/png"),
        batch("no list", &good("1")),
        batch("a number in it", &json!([good("1"), 7])).at("/1"),
        batch("two bad ones", &json!([good("1"), {"specversion": "1.0"}, good("2"), {"id": 7}])).at("/3/id"),
        batch(
            "a cart that is none in it",
            &json!([good("1"), {"specversion": "1.0", "source": "/b", "id": "2", "type": "cart.updated", "data": {}}]),
        )
        .is(422, "bad-data")
        .says("/1/data"),
        batch("too many", &many).is(413, "batch-too-large").says("1001"),
    ]
}

fn queries() -> Vec<Case> {
    vec![
        get("a cursor of nobody", "/api/v1/events?after=nonsense").is(400, "invalid-cursor").says("after"),
        get("a cursor of another list", "/api/v1/runs?after=bm9uc2Vuc2U").is(400, "invalid-cursor"),
        get("a limit of none", "/api/v1/events?limit=0").is(400, "invalid-query").says("limit"),
        get("a limit of too many", "/api/v1/events?limit=100000").is(400, "invalid-query").says("limit"),
        get("a limit that is none", "/api/v1/events?limit=many").is(400, "invalid-query").says("limit"),
        get("a state of none", "/api/v1/runs?state=asleep").is(400, "invalid-query").says("asleep"),
        get("a parameter of none", "/api/v1/runs?sate=done").is(400, "invalid-query").says("sate"),
        get("an id that is none", "/api/v1/runs/nonsense").is(404, "not-found"),
        get("a number that is none", "/api/v1/events/one").is(404, "not-found"),
        get("a shop of none", "/api/v1/runs?shop=nowhere").is(404, "not-found"),
        get("a path of none", "/api/v1/nothing").is(404, "no-route"),
        case("a method of none", Method::PUT, "/api/v1/events", "application/json", "{}").is(405, "method-not-allowed"),
        case("lines of another kind", Method::POST, "/api/v1/model/import?id=i", "text/csv", "a,b")
            .is(415, "unsupported-media-type"),
        case("lines without a name", Method::POST, "/api/v1/model/import", LINES, "{}")
            .is(400, "invalid-query")
            .says("id"),
        case("lines of no kind", Method::POST, "/api/v1/model/import?id=i&kind=unicorn", LINES, "{}")
            .is(404, "not-found"),
        case("lines from the middle", Method::POST, "/api/v1/model/import?id=i&from_line=7", LINES, "{}")
            .is(409, "import-gap")
            .says("line 1"),
        case("a line of 10 MB", Method::POST, "/api/v1/model/import?id=i", LINES, vec![b'x'; 10 << 20])
            .is(413, "body-too-large")
            .says("ine 1"),
    ]
}

fn configuration() -> Vec<Case> {
    let installation = |name, body| json_to(name, Method::PATCH, "/api/v1/installations/probe", body);
    let post = |name, path: &str, body| json_to(name, Method::POST, path, body);
    let customer = |name, body| json_to(name, Method::PUT, "/api/v1/model/customer/1", body);
    vec![
        rule("a rule of none", json!({"kind": "be_nice"})).at("/kind").says("be_nice"),
        rule("a rule without its number", json!({"kind": "minimum_margin"})).at("/percent"),
        rule("a rule in another currency", json!({"kind": "price_floor", "amount": {"amount": 1, "currency": "USD"}}))
            .is(422, "bad-rule")
            .says("USD"),
        rule("a field of none", json!({"kind": "minimum_margin", "percent": 5, "pct": 5})).at("/pct"),
        rule("a number out of bounds", json!({"kind": "discount_ceiling", "percent": 500})).at("/percent"),
        rule("a rule of another name", json!({"id": "other", "kind": "discount_ceiling", "percent": 5}))
            .is(422, "invalid")
            .at("/id"),
        installation("settings against the schema", json!({"settings": {"steps": 7}}))
            .is(422, "bad-settings")
            .at("/settings/steps"),
        installation("settings of none", json!({"settings": {"stepps": []}})).is(422, "bad-settings").says("stepps"),
        installation("a mode of none", json!({"mode": "fast"})).is(400, "invalid-body").at("/mode"),
        installation("a field of none", json!({"colour": "red"})).is(400, "invalid-body").says("colour"),
        installation("grants of none", json!({"grants": [{"function": "shop.close"}]})).is(422, "not-granted"),
        installation("grants that are none", json!({"grants": "all"})).is(422, "bad-grants"),
        installation("too few grants", json!({"grants": []})).is(422, "not-granted").says("messaging.send-email"),
        installation("a version of none", json!({"version": "7.0.0"})).is(404, "not-found"),
        post("a plugin of none", "/api/v1/installations", json!({"plugin": "nobody"})).is(404, "not-found"),
        post("an id of none", "/api/v1/installations", json!({"plugin": "probe", "id": "../x"}))
            .is(422, "bad-id")
            .at("/id"),
        post(
            "settings at the start",
            "/api/v1/installations",
            json!({"plugin": "probe", "id": "second", "settings": {"steps": {}}}),
        )
        .is(422, "bad-settings")
        .at("/settings/steps"),
        post("a workflow of none", "/api/v1/runs", json!({"installation": "probe", "workflow": "none"}))
            .is(404, "not-found"),
        post("a run of nothing", "/api/v1/runs", json!({"workflow": "script"}))
            .is(400, "invalid-body")
            .says("installation"),
        json_to("a kind of none", Method::PUT, "/api/v1/model/unicorn/1", json!({"id": "1"}))
            .is(404, "not-found")
            .says("unicorn"),
        customer("another id than the path's", json!({"id": "2", "name": "n", "created_at": 1})).at("/id"),
        customer("a document of the wrong type", json!({"id": "1", "name": 7, "created_at": 1}))
            .is(422, "bad-data")
            .says("expected a string"),
        post("a zone of none", "/api/v1/shops", json!({"id": "s", "currency": "EUR", "time_zone": "Mars/Olympus"}))
            .is(422, "bad-shop")
            .at("/time_zone"),
        post("a currency of none", "/api/v1/shops", json!({"id": "s", "currency": "euro", "time_zone": "UTC"}))
            .is(422, "bad-shop")
            .at("/currency"),
        post("a shop twice", "/api/v1/shops", json!({"id": "main", "currency": "EUR", "time_zone": "UTC"}))
            .is(409, "shop-exists")
            .says("main"),
        post("a role of none", "/api/v1/tokens", json!({"name": "n", "role": "king"}))
            .is(400, "invalid-body")
            .at("/role"),
        post("a token without a name", "/api/v1/tokens", json!({"name": " ", "role": "viewer"})).at("/name"),
        post("an answer to nothing", "/api/v1/approvals/none/answer", json!({"choice": "yes"})).is(404, "not-found"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_says_where_and_why_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    client.install_probe().await;
    let description = Description::of(&client).await;
    let before = description.snapshot(&client, "main").await;
    let mut faults = Vec::new();
    for case in [bodies(), events(), queries(), configuration()].into_iter().flatten() {
        let answer = client.send(case.method, &case.path, &case.headers, case.body).await.expect("an answer");
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut pointers =
            answer.body["errors"].as_array().into_iter().flatten().map(|error| error["pointer"].as_str());
        let good = (answer.status.as_u16(), answer.code()) == (case.status, case.code)
            && case.pointer.is_none_or(|pointer| pointers.any(|known| known == Some(pointer)))
            && answer.body["detail"].as_str().is_some_and(|detail| detail.contains(case.words))
            && ["type", "title", "remedy"]
                .iter()
                .all(|field| answer.body[field].as_str().is_some_and(|text| !text.is_empty()))
            && header("content-type") == "application/problem+json"
            && answer.body["instance"] == header("x-request-id");
        if !good {
            faults.push(format!("{}: {} {}", case.name, answer.status, answer.body));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(description.snapshot(&client, "main").await, before, "something was half-applied");
    host.end();
}

/// Bad lines are refused one by one, by their number; the others are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_lines_of_an_import_are_told_by_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    let article = |id: &str| json!({"id": id, "title": "t", "text": "t", "url": ""}).to_string();
    let mut body = Vec::new();
    for line in [
        article("a").as_bytes(),
        b"{\"id\":",
        b"",
        b"\xff\xfe",
        b"[]",
        br#"{"id": "b", "title": 7}"#,
        br#"{"id": ""}"#,
        article("c").as_bytes(),
    ] {
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    let headers = [("content-type", LINES)];
    let path = "/api/v1/model/import?id=mixed&kind=article";
    let told = client.send(Method::POST, path, &headers, body.clone()).await.expect("an answer").ok();
    let lines: Vec<i64> =
        told["errors"].as_array().expect("errors").iter().filter_map(|error| error["line"].as_i64()).collect();
    assert_eq!((&told["lines"], &told["stored"], &told["refused"]), (&json!(8), &json!(2), &json!(5)), "{told}");
    assert_eq!(lines, [2, 4, 5, 6, 7]);
    assert!(
        told["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .all(|error| error["detail"].as_str().is_some_and(|why| why.len() > 5))
    );
    let stored = client.all("/api/v1/model/article").await;
    assert_eq!(stored.iter().filter_map(|item| item["id"].as_str()).collect::<Vec<_>>(), ["a", "c"]);
    // Sent again, it is known.
    let again = client.send(Method::POST, path, &headers, body).await.expect("an answer").ok();
    assert_eq!(
        (&again["lines"], &again["stored"], &again["refused"]),
        (&told["lines"], &told["stored"], &told["refused"])
    );
    host.end();
}

/// One bad event of a batch: none is accepted, and each fault is named by its index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_a_bad_event_is_refused_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    let headers = [("content-type", BATCH)];
    let good = |id: &str| json!({"specversion": "1.0", "source": "/b", "id": id, "type": "some.thing", "data": {}});
    let mut bad = good("3");
    bad["type"] = "thing".into();
    let batch = json!([good("1"), good("2"), bad]).to_string().into_bytes();
    let answer = client.send(Method::POST, "/api/v1/events", &headers, batch).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.body);
    assert!(answer.body.to_string().contains("/2/type"), "{}", answer.body);
    assert_eq!(client.get("/api/v1/events").await.ok()["items"], json!([]));
    let batch = json!([good("1"), good("2")]).to_string().into_bytes();
    let answer = client.send(Method::POST, "/api/v1/events", &headers, batch).await.expect("an answer").ok();
    assert_eq!(answer["events"].as_array().expect("a list").len(), 2);
    host.end();
}

/// Texts in a manifest that do not compile: the place in the manifest, and why. Whoever builds with our tools
/// is told sooner; a component can be built by anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_conditions_and_schedules_are_refused_at_upload() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    let event = |when: &str| json!({"on": "event", "kinds": ["probe.go"], "condition": when});
    let schedule = |cron: &str| json!({"on": "schedule", "cron": cron});
    let key = json!({"key": "event..id", "rule": "skip"});
    for (name, place, trigger, concurrency, words) in [
        ("half a condition", "/workflow/0/trigger/0/when", event("event.data.total >"), None, ""),
        ("a condition on what is not there", "/workflow/0/trigger/0/when", event("order.total > 5"), None, "order"),
        ("two fields", "", schedule("every day"), None, "every day"),
        ("an hour that is none", "", schedule("0 25 * * *"), None, "25"),
        ("a second too many", "", schedule("0 0 0 1 1 *"), None, "field"),
        ("half a key", "/workflow/0/concurrency/key", event("true"), Some(key), ""),
    ] {
        let mut manifest = serde_json::to_value(components::manifest("probe")).expect("JSON");
        let workflow = &mut manifest["workflow"][0];
        workflow["trigger"] = json!([trigger]);
        if let Some(concurrency) = concurrency {
            workflow["concurrency"] = concurrency;
        }
        let answer =
            client.upload(components::with_section(&json!({"format": 1, "manifest": manifest}).to_string())).await;
        assert_eq!(answer.status.as_u16(), 422, "{name}: {}", answer.body);
        assert!(
            answer.body.to_string().contains(place) && answer.body.to_string().contains(words),
            "{name}: {}",
            answer.body
        );
    }
    assert_eq!(client.get("/api/v1/plugins").await.ok()["items"], json!([]));
    host.end();
}
