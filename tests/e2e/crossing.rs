//! Two shops in one host: what is in the one cannot be had, changed or noticed from the other, on any
//! operation of the API. The operations are those of the host's own description, so a new one is asked
//! too; one that this test does not know how to address fails it, by name.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    description::{Description, Operation},
    host::{Answer, Client, Host, PATIENCE},
    probe,
};

/// In everything that shop B has, but in no id.
const SECRET: &str = "xyzzy";
/// Shop B.
const SHOP: &str = "bb-store";
const CUSTOMER: &str = "bb-customer";
const ROLES: [&str; 4] = ["viewer", "developer", "operator", "owner"];

/// What can be asked without a token. Whoever adds to it has to mean it.
const OPEN: [&str; 6] = [
    "GET /api/v1/openapi.json",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /problems/{code}",
    "POST /webhooks/shopify/{shop}",
];
/// A publisher's key, of nobody.
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEA8L+CqbqJIGSFVfAI6WPz84pBo0j
ArlV/ciMHpQMNYDALw1o4qS1rWEIQQadAB6fbf98kX9pflGQviGWbHCwDw==
-----END PUBLIC KEY-----
";
/// What looks at no shop: it takes `?shop=` for nothing.
const NO_SHOP: [&str; 3] = ["GET /api/v1/me", "GET /api/v1/shops", "POST /api/v1/shops"];
/// Changes in name only: what a viewer may ask although it is no GET.
const VIEWER_MAY: [&str; 0] = [];

/// What B has, for whoever wants to name it.
struct Store {
    client: Client,
    /// (collection, parameter) → what stands there in a path.
    places: BTreeMap<(&'static str, &'static str), String>,
    /// By the name of a field or query parameter.
    named: BTreeMap<&'static str, String>,
    /// What A must not learn unless it says it itself.
    ids: Vec<String>,
}

fn customer(id: &str, name: &str) -> Value {
    json!({"id": id, "email": format!("{name}@example.com"), "phone": "+4930123456", "name": name, "locale": "en-GB",
        "time_zone": "Europe/Berlin", "tags": [name], "created_at": 1, "consents": [{"channel": "email", "granted": true, "at": 1}]})
}

async fn token(owner: &Client, shop: &str, role: &str) -> Value {
    let body = json!({"name": format!("{role} of {shop}"), "role": role});
    owner.ask(Method::POST, &format!("/api/v1/tokens?shop={shop}"), body).await.ok()
}

/// Shop B, with something of every kind in it.
async fn fill(owner: &Client) -> Store {
    let shop = json!({"id": SHOP, "name": SECRET, "currency": "EUR", "time_zone": "UTC"});
    owner.ask(Method::POST, "/api/v1/shops", shop).await.ok();
    let own = token(owner, SHOP, "owner").await;
    let b = owner.with_token(own["secret"].as_str().expect("a secret"));
    let manifest = format!(
        "name = \"bb-probe\"\nversion = \"1.0.0\"\ntitle = \"{SECRET}\"\nsummary = \"{SECRET}\"\npublisher = \"{SECRET}\"\nwit = \"0.1\"\n\
         [[workflow]]\nname = \"script\"\ntitle = \"{SECRET}\"\nsummary = \"{SECRET}\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n\
         [[workflow]]\nname = \"timed\"\ntitle = \"{SECRET}\"\n[[workflow.trigger]]\nschedule = \"0 4 1 1 *\"\n\
         [[template]]\nname = \"note\"\nsubject = \"{SECRET}\"\ntext = \"note.txt\"\n"
    );
    let uploaded = b.upload(probe::package_as(&manifest)).await.ok();
    let settings = json!({"steps": [{"do": "log", "message": SECRET}]});
    b.ask(Method::POST, "/api/v1/installations", json!({"plugin": "bb-probe", "settings": settings})).await.ok();
    b.ask(Method::PUT, &format!("/api/v1/model/customer/{CUSTOMER}"), customer(CUSTOMER, SECRET)).await.ok();
    let rule = json!({"kind": "discount_ceiling", "percent": 5, "words": SECRET});
    b.ask(Method::PUT, "/api/v1/guardrails/bb-rule", rule).await.ok();
    let steps = json!([{"do": "log", "message": SECRET}, {"do": "set", "key": "bb-key", "value": SECRET},
        {"do": "email", "customer": CUSTOMER, "note": SECRET}, {"do": "discount", "customer": CUSTOMER, "percent": 50.0, "days": 1},
        {"do": "emit", "kind": "probe.emitted", "concerns": [format!("customer:{CUSTOMER}")], "data": {"text": SECRET}}]);
    let done = b.trigger("probe.go", "bb-1", json!({"text": SECRET, "steps": steps})).await;
    b.said(&done).await;
    let failing = b.trigger("probe.go", "bb-2", json!({"steps": [{"do": "fatal", "message": SECRET}]})).await;
    b.run_when(&failing, |run| run["state"] == "failed").await;
    let steps = json!([{"do": "ask", "title": SECRET, "choices": ["yes", SECRET], "ms": 3_600_000}]);
    let asking = b.trigger("probe.go", "bb-3", json!({ "steps": steps })).await;
    b.run_when(&asking, |run| run["state"] == "waiting").await;
    let lines = format!(
        "{}\n{{\"id\": \"{SECRET}\"}}\n",
        json!({"id": "bb-article", "title": SECRET, "text": SECRET, "url": ""})
    );
    let headers = [("content-type", "application/x-ndjson")];
    let imported = "/api/v1/model/import?id=bb-import&kind=article";
    b.send(Method::POST, imported, &headers, lines.into_bytes()).await.expect("an answer").ok();
    let reader = token(owner, SHOP, "viewer").await;
    let secret = json!({"value": SECRET.repeat(3), "hosts": [format!("{SECRET}.example.com")]});
    b.ask(Method::PUT, "/api/v1/secrets/bb-secret", secret).await.ok();
    let publisher = json!({"keys": [{"name": SECRET, "key": KEY}], "namespaces": [format!("{SECRET}.example.com/x")]});
    b.ask(Method::PUT, "/api/v1/publishers/bb-publisher", publisher).await.ok();
    let span = json!({"installation": "bb-probe", "from": chrono::Utc::now().timestamp_millis() - 3_600_000});
    let backtest = b.ask(Method::POST, "/api/v1/backtests", span).await.ok()["id"].as_str().expect("an id").to_owned();
    let over = |backtest: &Value| !matches!(backtest["state"].as_str(), Some("queued" | "running"));
    b.until(&format!("/api/v1/backtests/{backtest}"), over).await;

    let first = async |path: &str, field: &str| {
        let list = b.get(path).await.ok();
        list["items"][0][field].as_str().unwrap_or_else(|| panic!("{path}: {list}")).to_owned()
    };
    let (mail, approval) = (first("/api/v1/mailbox", "id").await, first("/api/v1/approvals", "id").await);
    let seq = b.get("/api/v1/events").await.ok()["items"][0]["seq"].to_string();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let digest = text(&uploaded["digest"]);
    let reader = text(&reader["id"]);
    let places = BTreeMap::from([
        (("approvals", "id"), approval.clone()),
        (("backtests", "id"), backtest.clone()),
        // To have one takes a registry, which the tests of the market have.
        (("catalogues", "name"), "bb-catalogue".into()),
        (("events", "seq"), seq.clone()),
        (("guardrails", "id"), "bb-rule".into()),
        (("imports", "id"), "bb-import".into()),
        (("installations", "id"), "bb-probe".into()),
        (("mailbox", "id"), mail.clone()),
        (("market", "name"), "bb-probe".into()),
        (("model", "kind"), "customer".into()),
        (("model", "id"), CUSTOMER.into()),
        (("plugins", "plugin"), "bb-probe".into()),
        (("versions", "version"), "1.0.0".into()),
        (("publishers", "name"), "bb-publisher".into()),
        (("runs", "id"), asking.clone()),
        (("secrets", "name"), "bb-secret".into()),
        (("tokens", "id"), reader.clone()),
    ]);
    let named = BTreeMap::from([
        ("action", "messaging.send-email".into()),
        ("alt", format!("{SECRET}@example.com")),
        ("choice", "yes".into()),
        ("currency", "EUR".into()),
        ("digest", digest.clone()),
        ("entity", format!("customer:{CUSTOMER}")),
        ("event", seq),
        ("installation", "bb-probe".into()),
        ("kind", "probe.go".into()),
        ("mode", "live".into()),
        ("plugin", "bb-probe".into()),
        ("reference", "127.0.0.1:1/bb/catalogue".into()),
        ("role", "owner".into()),
        ("run", asking.clone()),
        ("shop", SHOP.into()),
        ("state", "open".into()),
        ("subject", format!("customer:{CUSTOMER}")),
        ("time_zone", "UTC".into()),
        ("version", "1.0.0".into()),
        ("workflow", "script".into()),
    ]);
    let ids = vec![
        done,
        failing,
        asking,
        mail,
        approval,
        backtest,
        digest,
        reader,
        text(&own["id"]),
        SHOP.into(),
        CUSTOMER.into(),
        "bb-rule".into(),
        "bb-import".into(),
        "bb-probe".into(),
        "bb-article".into(),
        "bb-key".into(),
        "bb-secret".into(),
        "bb-publisher".into(),
        "bb-1".into(),
    ];
    Store { client: b, places, named, ids }
}

impl Store {
    /// The path of an operation with what B has in it.
    async fn address(&self, operation: &Operation, description: &Description) -> String {
        let mut path = String::new();
        let mut pattern = String::new();
        let mut collection = "";
        for segment in operation.path.trim_start_matches('/').split('/') {
            let Some(parameter) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                collection = segment;
                path = format!("{path}/{segment}");
                pattern = format!("{pattern}/{segment}");
                continue;
            };
            let known = self.places.iter().find(|((of, name), _)| *of == collection && *name == parameter);
            let value = match known {
                Some((_, value)) => value.clone(),
                None => self.of_list(&path, &pattern, parameter, description).await.unwrap_or_else(|| {
                    panic!(
                        "{}: this test does not know what `{parameter}` of `{collection}` is in shop B. Make one in `fill` and name \
                         it in `places`, or have GET {pattern} list it",
                        operation.name()
                    )
                }),
            };
            path = format!("{path}/{value}");
            pattern = format!("{pattern}/{segment}");
        }
        path
    }

    /// What the list before the parameter has.
    async fn of_list(&self, path: &str, pattern: &str, parameter: &str, description: &Description) -> Option<String> {
        let listed = |operation: &&Operation| operation.method == Method::GET && operation.path == pattern;
        description.operations.iter().find(listed)?;
        let list = self.client.get(path).await;
        let item = &list.body["items"][0];
        [parameter, "id", "name"].into_iter().find_map(|field| item[field].as_str()).map(str::to_owned)
    }

    fn word(&self, name: &str) -> String {
        self.named.get(name).cloned().unwrap_or_else(|| CUSTOMER.to_owned())
    }

    /// A body that names what B has.
    fn body(&self, operation: &Operation, description: &Description) -> (String, Vec<u8>) {
        let json = |value: Value| ("application/json".to_owned(), value.to_string().into_bytes());
        match &*operation.name() {
            "POST /api/v1/events" => {
                let event = json!({"specversion": "1.0", "source": "/test", "id": "bb-1", "type": "probe.go",
                    "concerns": [format!("customer:{CUSTOMER}")], "data": {"steps": []}});
                return ("application/cloudevents+json".into(), event.to_string().into_bytes());
            }
            "POST /api/v1/model/import" => {
                return ("application/x-ndjson".into(), customer(CUSTOMER, "mine").to_string().into_bytes());
            }
            "PUT /api/v1/model/{kind}/{id}" => return json(customer(CUSTOMER, "mine")),
            "PUT /api/v1/secrets/{name}" => {
                return json(json!({"value": "mine, all mine", "hosts": ["mine.example.com"]}));
            }
            "POST /api/v1/installations/{id}/backtests" => {
                return json(json!({"from": chrono::Utc::now().timestamp_millis() - 3_600_000}));
            }
            "POST /api/v1/backtests" => {
                let from = chrono::Utc::now().timestamp_millis() - 3_600_000;
                return json(json!({"from": from, "installation": "bb-probe"}));
            }
            "PUT /api/v1/guardrails/{id}" => return json(json!({"kind": "discount_ceiling", "percent": 7})),
            _ => {}
        }
        match &operation.body {
            None => (String::new(), Vec::new()),
            Some((kind, schema)) if kind.ends_with("json") => {
                json(description.example(schema, "", &|name| self.word(name)))
            }
            Some((kind, _)) => (kind.clone(), b"bb".to_vec()),
        }
    }

    /// Fails if an answer tells what only B knows, `sent` apart.
    #[track_caller]
    fn learns_nothing(&self, what: &str, sent: &str, answer: &Answer) {
        let told = format!("{} {:?}", answer.body, answer.headers);
        assert!(sent.contains(SECRET) || !told.contains(SECRET), "{what} gives away: {told}");
        for id in &self.ids {
            assert!(sent.contains(&**id) || !told.contains(&**id), "{what} names {id}: {told}");
        }
        assert!(!answer.status.is_server_error(), "{what}: {told}");
    }
}

async fn ask(client: &Client, method: &Method, path: &str, kind: &str, body: &[u8], shop: Option<&str>) -> Answer {
    let mut headers = Vec::new();
    if !kind.is_empty() {
        headers.push(("content-type", kind));
    }
    if let Some(shop) = shop {
        headers.push(("shopwright-shop", shop));
    }
    client.send(method.clone(), path, &headers, body.to_vec()).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operation_leads_from_one_shop_into_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &["--metrics", "token"]);
    let owner = host.client();
    let description = Description::of(&owner).await;
    let store = fill(&owner).await;
    let before = description.snapshot(&store.client, SHOP).await;
    let marked = before.iter().filter(|(_, answer)| answer.to_string().contains(SECRET)).count();
    assert!(marked >= 10, "the mark is everywhere in B, or nothing is shown by its absence: {marked}");
    let mut tokens = Vec::new();
    for role in ROLES {
        let made = token(&owner, "main", role).await;
        tokens.push((role, owner.with_token(made["secret"].as_str().expect("a secret"))));
    }

    // First what needs something to be there, then what lists, then what A may make for itself under B's names.
    let guarded: Vec<&Operation> =
        description.operations.iter().filter(|o| o.path.starts_with("/api/") && !o.streams && !o.open).collect();
    let creates = |o: &Operation| o.method == Method::PUT || (o.changes() && !o.has_parameters());
    let mut asked = 0;
    for phase in 0..3 {
        for operation in &guarded {
            let own_phase = if creates(operation) { 2 } else { usize::from(!operation.has_parameters()) };
            if own_phase != phase {
                continue;
            }
            let path = store.address(operation, &description).await;
            let (kind, body) = store.body(operation, &description);
            let mut targets = vec![path.clone()];
            let pairs: Vec<String> = operation
                .query
                .iter()
                .filter_map(|(name, schema)| {
                    let value = description.example(schema, name, &|name| store.word(name));
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    (name != "limit" && name != "after").then(|| format!("{name}={}", value.replace('@', "%40")))
                })
                .collect();
            targets.extend(pairs.iter().map(|pair| format!("{path}?{pair}")));
            targets.push(format!("{path}?{}", pairs.join("&")));
            if operation.query.iter().any(|(name, _)| name == "after") {
                let page = store.client.get(&format!("{path}?limit=1")).await;
                if let Some(cursor) = page.body["next"].as_str() {
                    targets.push(format!("{path}?after={cursor}"));
                }
            }
            for (role, client) in &tokens {
                for target in &targets {
                    let what = format!("{} at {target} as {role}", operation.name());
                    let answer = ask(client, &operation.method, target, &kind, &body, None).await;
                    asked += 1;
                    let sent = format!("{target} {}", String::from_utf8_lossy(&body));
                    let sent = if target.contains("after=") { format!("{sent} {target}") } else { sent };
                    store.learns_nothing(&what, &sent, &answer);
                    let status = answer.status.as_u16();
                    if phase == 0 {
                        // A wrong query may be told before what it is about is looked for.
                        let refused = matches!(status, 403 | 404) || (status == 400 && target.contains('?'));
                        assert!(
                            refused || operation.path == "/api/v1/model/{kind}",
                            "{what}: {status} {}. If the body is to blame, give the operation one in `body`",
                            answer.body
                        );
                    }
                    if operation.name() == "POST /api/v1/events" && status == 202 {
                        assert_eq!(
                            (&answer.body["events"][0]["woken"], &answer.body["events"][0]["runs"]),
                            (&json!(0), &json!([])),
                            "{what}"
                        );
                    }
                }
            }
            // By its name B is as if it did not exist, whoever asks.
            if !NO_SHOP.contains(&&*operation.name()) {
                for (role, client) in &tokens {
                    let query = format!("{path}?shop={SHOP}");
                    for (target, header) in [(&query, None), (&path, Some(SHOP))] {
                        let answer = ask(client, &operation.method, target, &kind, &body, header).await;
                        asked += 1;
                        let what = format!("{} in shop B as {role}", operation.name());
                        store.learns_nothing(&what, &format!("{query} {}", String::from_utf8_lossy(&body)), &answer);
                        assert!(
                            matches!(answer.status.as_u16(), 403 | 404),
                            "{what}: {} {}",
                            answer.status,
                            answer.body
                        );
                    }
                }
            }
        }
    }
    assert!(asked > 500, "{asked}");
    assert_eq!(description.snapshot(&store.client, SHOP).await, before, "nothing of B has changed");
    assert_eq!(store.client.get(&format!("/api/v1/runs/{}", store.named["run"])).await.ok()["state"], "waiting");

    // The host's figures are nobody's but the host's, and tell no shop apart.
    for (role, client) in &tokens {
        assert_eq!(client.get("/metrics").await.status.as_u16(), 403, "{role}");
    }
    let figures = owner.get("/metrics").await.ok().to_string();
    for word in store.ids.iter().map(String::as_str).chain([SECRET]) {
        assert!(!figures.contains(word), "a figure is labelled with {word}");
    }
    // The same name, version and id in both shops are two things: B's are not in A's way.
    let (_, a) = &tokens[3];
    let manifest = probe::manifest("1.0.0", "[[workflow]]\nname = \"script\"\ntitle = \"Mine\"\nmanual = true\n")
        .replace("\"probe\"", "\"bb-probe\"");
    let mine = a.upload(probe::package_as(&manifest)).await.ok();
    assert_ne!(mine["digest"], store.named["digest"].as_str());
    a.ask(Method::POST, "/api/v1/installations", json!({"plugin": "bb-probe"})).await.ok();
    let run =
        json!({"installation": "bb-probe", "workflow": "script", "input": {"steps": [{"do": "get", "key": "bb-key"}]}});
    let run = a.ask(Method::POST, "/api/v1/runs", run).await.ok()["run"].as_str().expect("a run").to_owned();
    assert_eq!(a.said(&run).await, json!([null]), "an installation of the same id remembers for itself");
    host.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_of_one_shop_tells_nothing_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let owner = host.client();
    let description = Description::of(&owner).await;
    let store = fill(&owner).await;
    let made = token(&owner, "main", "owner").await;
    let a = owner.with_token(made["secret"].as_str().expect("a secret"));
    for operation in description.operations.iter().filter(|operation| operation.streams) {
        let refused = a.get(&format!("{}?shop={SHOP}", operation.path)).await;
        assert_eq!(refused.status.as_u16(), 404, "{}", operation.name());
        let mut stream = a.open(&operation.path).await;
        let run = store
            .client
            .trigger("probe.go", "bb-fed", json!({"text": SECRET, "steps": [{"do": "log", "message": SECRET}]}))
            .await;
        store.client.said(&run).await;
        a.event("probe.mine", "mine", json!({})).await.expect("an answer").ok();
        let mut told = String::new();
        while !told.contains("probe.mine") {
            let piece =
                tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("something comes").expect("a piece");
            told.push_str(&String::from_utf8_lossy(&piece.expect("the stream goes on")));
        }
        assert!(
            !told.contains(SECRET) && !told.contains(&run) && !told.contains("bb-"),
            "{}: {told}",
            operation.name()
        );
    }
    host.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_change_nothing_and_strangers_see_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &["--metrics", "token"]);
    let owner = host.client();
    let description = Description::of(&owner).await;
    let store = fill(&owner).await;
    let made = token(&owner, SHOP, "viewer").await;
    let viewer = owner.with_token(made["secret"].as_str().expect("a secret"));
    let before = description.snapshot(&store.client, SHOP).await;
    for operation in &description.operations {
        let name = operation.name();
        if operation.open {
            assert!(OPEN.contains(&&*name), "{name} needs no token: name it in OPEN if that is meant");
            continue;
        }
        let path = store.address(operation, &description).await;
        let (kind, body) = store.body(operation, &description);
        for secret in ["", "swt_nonsense", "nonsense"] {
            let answer = ask(&owner.with_token(secret), &operation.method, &path, &kind, &body, None).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (401, "unauthorized"),
                "{name} with `{secret}`: {}",
                answer.body
            );
            store.learns_nothing(&name, &format!("{path} {}", String::from_utf8_lossy(&body)), &answer);
        }
        if operation.changes() && !VIEWER_MAY.contains(&&*name) {
            let answer = ask(&viewer, &operation.method, &path, &kind, &body, None).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (403, "forbidden"),
                "{name} as a viewer: {}",
                answer.body
            );
        }
    }
    assert_eq!(owner.with_token("").get("/metrics").await.status.as_u16(), 401);
    assert_eq!(description.snapshot(&store.client, SHOP).await, before, "nothing has changed");
    host.end();
}
