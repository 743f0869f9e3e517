//! Whoever changes something is written down: every operation of the description that changes something leaves an
//! entry with who, what, on what, and where from.

#[path = "../../../../tests/support/docker_registry.rs"]
mod docker_registry;

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use serde_json::{Value, json};
use shopwright_registry::{
    Catalogue, catalogue,
    oci::{self, Client, DockerConfig, Package, Reference, Source},
    signing::{self, SigningKey},
};

use shopwright_store::AuditRow;

use crate::{
    described::operations,
    support::{Call, Host, cart, event},
};

/// What happened is no change by somebody: events and webhooks come by the thousand and are kept as such.
const EVENTS: [&str; 2] = ["POST /api/v1/events", "POST /webhooks/shopify/{shop}"];

/// What `rollouts.rs` calls, and looks for in the log.
const ELSEWHERE: [&str; 6] = [
    "PUT /api/v1/installations/{id}/rollout",
    "POST /api/v1/installations/{id}/promote",
    "POST /api/v1/installations/{id}/rollback",
    "POST /api/v1/runs/bulk",
    "POST /api/v1/runs/{id}/move",
    "POST /api/v1/runs/{id}/retry",
];

/// What changes something.
fn changing() -> BTreeSet<String> {
    let description: Value =
        serde_json::from_str(&shopwright_api::description().to_json().expect("json")).expect("json");
    let all = operations(&description).into_iter().filter(|(method, ..)| method != "GET");
    all.map(|(method, path, _)| format!("{method} {path}"))
        .filter(|one| ![&EVENTS[..], &ELSEWHERE].concat().contains(&&**one))
        .collect()
}

/// An entry as the API shows it.
fn entry(row: AuditRow) -> Value {
    let document = |text: Option<String>| text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let AuditRow { n, entry, hash, .. } = row;
    json!({"n": n, "hash": hash, "who": entry.who, "what": entry.what, "subject": entry.subject, "origin": entry.origin,
        "before": document(entry.before), "after": document(entry.after)})
}

/// Calls operations and looks what each leaves.
struct Auditor {
    host: Host,
    seen: i64,
    done: BTreeMap<String, Value>,
}

impl Auditor {
    /// Calls an operation by its path with `arguments` in the place of its parameters, in order.
    async fn call(&mut self, operation: &str, arguments: &[&str], kind: &str, body: Vec<u8>) -> Value {
        let (method, template) = operation.split_once(' ').expect("method and path");
        let mut path = String::new();
        let mut arguments = arguments.iter();
        for part in template.split('/').skip(1) {
            path.push('/');
            path.push_str(if part.starts_with('{') { arguments.next().expect("an argument") } else { part });
        }
        if path == "/api/v1/model/import" {
            path.push_str("?id=i1&kind=cart");
        }
        let headers = [("content-type", kind), ("x-request-id", "my-request")];
        let call = Call { method, path: &path, token: Some(&self.host.owner), headers: &headers, body };
        let answer = self.host.call(call).await.ok();
        // Of every shop: what concerns the host itself is no shop's.
        let rows = self.host.engine.store().audit_chain(self.seen, 1_000).await.expect("a log");
        let new: Vec<Value> = rows.into_iter().map(entry).collect();
        if answer["cancelled"] == false {
            // It had ended by itself: nothing was changed.
            self.done.insert(operation.to_owned(), Value::Null);
            return answer;
        }
        assert!(!new.is_empty(), "{operation} leaves no entry");
        for entry in &new {
            for field in ["who", "what", "subject", "hash"] {
                assert!(!entry[field].as_str().expect("text").is_empty(), "{operation}: {field} of {entry}");
            }
            assert_eq!(entry["origin"], "my-request", "{operation}");
            assert!(entry["who"].as_str().expect("text").contains("tok_owner"), "{entry}");
            let removes = method == "DELETE" || operation.ends_with("/cancel");
            let data = operation.contains("/model/{kind}/{id}");
            assert!(removes || data || !entry["after"].is_null(), "{operation} does not say what it is now: {entry}");
            self.done.insert(operation.to_owned(), entry.clone());
        }
        self.seen = new.iter().filter_map(|entry| entry["n"].as_i64()).max().expect("entries");
        answer
    }

    async fn json(&mut self, operation: &str, arguments: &[&str], body: Value) -> Value {
        self.call(operation, arguments, "application/json", body.to_string().into_bytes()).await
    }
}

/// Publishes a plugin of that version to the registry; unsigned.
async fn publish(client: &Client, place: &Reference, component: &[u8], version: &str) -> oci::Published {
    let mut manifest = shopwright_registry::extract(component).expect("a manifest").expect("one");
    (manifest.name, manifest.publisher) = ("noted".into(), "acme".into());
    manifest.version = version.parse().expect("a version");
    let component = shopwright_registry::embed(component, &manifest).expect("embedded");
    let package = Package { component, readme: None, changelog: None, icon: None, created: 0 };
    oci::publish(client, place, &package).await.expect("published")
}

#[tokio::test]
async fn every_change_by_somebody_is_written_down() {
    let host = Host::new().await;
    let component = shopwright_bundle::package(host.engine.sandbox(), "bench-run").await.expect("it is carried");
    let mut auditor = Auditor { host, seen: 0, done: BTreeMap::new() };
    let a = &mut auditor;

    let secret = json!({"value": "hush-hush", "hosts": ["api.example.com"]});
    a.json("PUT /api/v1/secrets/{name}", &["key"], secret).await;
    a.json("DELETE /api/v1/secrets/{name}", &["key"], Value::Null).await;
    a.json("POST /api/v1/shops", &[], json!({"id": "c", "currency": "EUR", "time_zone": "UTC"})).await;
    let token = a.json("POST /api/v1/tokens", &[], json!({"name": "n", "role": "viewer"})).await;
    a.json("DELETE /api/v1/tokens/{id}", &[token["id"].as_str().expect("an id")], Value::Null).await;
    a.json("PUT /api/v1/model/{kind}/{id}", &["cart", "c1"], cart("c1", "42", 5)).await;
    a.json("DELETE /api/v1/model/{kind}/{id}", &["cart", "c1"], Value::Null).await;
    let line = cart("c2", "42", 5).to_string().into_bytes();
    a.call("POST /api/v1/model/import", &[], "application/x-ndjson", line).await;
    a.call("POST /api/v1/plugins", &[], "application/wasm", component.clone()).await;
    a.json("POST /api/v1/installations", &[], json!({"plugin": "bench-run"})).await;
    a.json("PATCH /api/v1/installations/{id}", &["bench-run"], json!({"mode": "shadow"})).await;
    a.json("POST /api/v1/installations/{id}/pause", &["bench-run"], Value::Null).await;
    a.json("POST /api/v1/installations/{id}/resume", &["bench-run"], Value::Null).await;
    let started = json!({"installation": "bench-run", "workflow": "wait", "input": {"until": crate::support::NOW + 9}});
    let run = a.json("POST /api/v1/runs", &[], started).await["run"].as_str().expect("a run").to_owned();
    a.json("POST /api/v1/runs/{id}/cancel", &[&run], json!({"reason": "enough"})).await;

    // A question, because a rule wants one.
    let ask = json!({"kind": "action_budget", "function": "messaging.send-email", "per_day": 0, "mode": "ask"});
    a.json("PUT /api/v1/guardrails/{id}", &["ask-me"], ask).await;
    let customer = json!({"id": "42", "email": "ann@example.com", "name": "Ann", "locale": "de-DE", "time_zone": "",
        "tags": [], "consents": [], "created_at": 1});
    a.json("PUT /api/v1/model/{kind}/{id}", &["customer", "42"], customer).await;
    let happened = event("1", "cart.updated", cart("c3", "42", 5)).to_string();
    a.host.post("/api/v1/events", "application/cloudevents+json", happened).await.ok();
    a.host.engine.idle().await.expect("idle");
    let open = a.host.ask("GET", "/api/v1/approvals", Value::Null).await.ok();
    let question = open["items"][0]["id"].as_str().unwrap_or_else(|| panic!("no question: {open}")).to_owned();
    let choice = open["items"][0]["choices"][0].clone();
    a.json("POST /api/v1/approvals/{id}/answer", &[&question], json!({"choice": choice})).await;
    a.json("DELETE /api/v1/guardrails/{id}", &["ask-me"], Value::Null).await;
    let span = json!({"from": crate::support::NOW - 1_000, "to": crate::support::NOW});
    let mut of_installation = span.clone();
    of_installation["installation"] = "bench-run".into();
    a.json("POST /api/v1/backtests", &[], of_installation).await;
    let backtest = a.json("POST /api/v1/installations/{id}/backtests", &["bench-run"], span).await;
    let backtest = backtest["id"].as_str().expect("an id").to_owned();
    a.json("POST /api/v1/backtests/{id}/cancel", &[&backtest], Value::Null).await;
    for (operation, arguments) in
        [("PUT /api/v1/installations/{id}/limits", &["bench-run"][..]), ("PUT /api/v1/limits", &[])]
    {
        if changing().contains(operation) {
            a.json(operation, arguments, json!({"runs_per_minute": 1_000})).await;
        }
    }
    a.json("DELETE /api/v1/installations/{id}", &["bench-run"], Value::Null).await;

    let key = SigningKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(1));
    let pem = key.public().to_pem();
    let trusted = json!({"keys": [{"key": pem}], "namespaces": ["ghcr.io/acme"]});
    a.json("PUT /api/v1/publishers/{name}", &["acme"], trusted).await;
    a.json("DELETE /api/v1/publishers/{name}", &["acme"], Value::Null).await;

    let mut left = changing();
    if let Some(registry) = docker_registry::DockerRegistry::start() {
        let client = Client::new(DockerConfig::default()).expect("a client");
        let place: Reference = format!("{}/acme/noted", registry.address).parse().expect("a reference");
        let first = publish(&client, &place, &component, "1.0.0").await;
        let mut list = Catalogue::new("acme", "Acme's", "acme").expect("a catalogue");
        let pulled = oci::pull(&Source::Registry(client.clone()), &first.reference).await.expect("pulled");
        list.add(&pulled, &[("carts", "get")], Vec::new()).expect("added");
        let shelf: Reference = format!("{}/acme/catalogue", registry.address).parse().expect("a reference");
        catalogue::publish(&client, &shelf, &list, &key).await.expect("published");
        a.json("PUT /api/v1/catalogues/{name}", &["acme"], json!({"reference": shelf.to_string(), "key": pem})).await;
        a.json("POST /api/v1/catalogues/{name}/refresh", &["acme"], Value::Null).await;
        a.json("DELETE /api/v1/catalogues/{name}", &["acme"], Value::Null).await;
        let unsigned = json!({"plugin": first.reference.to_string(), "allow_unsigned": true});
        a.json("POST /api/v1/market-install", &[], unsigned).await;
        let second = publish(&client, &place, &component, "1.1.0").await;
        signing::sign(&client, &second.reference, &key).await.expect("signed");
        let upgrade = json!({"installation": "noted", "allow_unsigned": true});
        let upgraded = a.json("POST /api/v1/market-upgrade", &[], upgrade).await;
        assert_eq!((&upgraded["state"], &upgraded["to"]), (&json!("upgraded"), &json!("1.1.0")), "{upgraded}");
    } else {
        left.retain(|operation| !operation.contains("/catalogues/") && !operation.contains("/market-"));
    }
    left.retain(|operation| !a.done.contains_key(operation));
    assert_eq!(left, BTreeSet::new(), "call these here too, and see that they leave an entry");
    assert_eq!(a.host.ask("GET", "/api/v1/audit/verify", Value::Null).await.ok()["intact"], true);
    let change = &a.done["PATCH /api/v1/installations/{id}"];
    assert_eq!((&change["before"]["mode"], &change["after"]["mode"]), (&json!("live"), &json!("shadow")));
}

/// An export has the rows of its shop and only links of the others', and both verify.
#[tokio::test]
async fn an_export_tells_nothing_of_other_shops_and_is_whole() {
    let host = Host::new().await;
    for shop in ["a", "b", "a"] {
        host.token(shop, "viewer").await;
    }
    let own = host.token("b", "operator").await;
    let text = async |token: &str, path: &str| {
        let call = Call { method: "GET", path, token: Some(token), headers: &[], body: Vec::new() };
        let body = host.call(call).await.ok();
        body.as_str().expect("text").to_owned()
    };
    let of_b = text(&own, "/api/v1/audit/export").await;
    let checked = shopwright_store::verify_export(of_b.lines()).expect("it is whole");
    assert_eq!((checked.shop.as_deref(), checked.whole), (Some("b"), 2));
    assert!(!of_b.contains("\"shop\":\"a\"") && !of_b.contains("viewer of a"), "{of_b}");
    assert_eq!(host.ask_as(&own, "GET", "/api/v1/audit/export?all=true", Value::Null).await.code(), "forbidden");
    let all = text(&host.owner, "/api/v1/audit/export?all=true").await;
    let checked_all = shopwright_store::verify_export(all.lines()).expect("it is whole");
    assert_eq!((checked_all.whole, checked_all.n, &checked_all.hash), (4, checked.n, &checked.hash));
    let holds = format!("/api/v1/audit/verify?n={}&hash={}", checked.n, checked.hash);
    assert_eq!(host.ask_as(&own, "GET", &holds, Value::Null).await.ok()["holds"], true);
    let other = format!("/api/v1/audit/verify?n={}&hash=00", checked.n);
    assert_eq!(host.ask_as(&own, "GET", &other, Value::Null).await.ok()["intact"], false);
}
