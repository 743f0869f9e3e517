//! Hostile components through the front door, and the way of a plugin by the command line.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    components::{self, component, importing, plugin},
    host::{Client, Host, PATIENCE},
    probe,
};

/// What does not even get in: each with a status, a stable code and words that say why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_plugin_is_refused_by_name_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    let good = probe::package();
    let half = good[..good.len() / 2].to_vec();
    let mut flipped = good.clone();
    for byte in flipped.iter_mut().skip(2_000).step_by(997) {
        *byte ^= 0x55;
    }
    let manifest = |change: &dyn Fn(&mut Value)| {
        let mut manifest = serde_json::to_value(components::manifest("probe")).expect("JSON");
        change(&mut manifest);
        components::with_section(&json!({"format": 1, "manifest": manifest}).to_string())
    };
    let mut two_manifests = good.clone();
    components::append_section(&mut two_manifests, "{}");
    let table: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        ("nothing", Vec::new(), 422, "bad-component", ""),
        ("text", b"hello".to_vec(), 422, "bad-component", "ot a valid WebAssembly component"),
        ("half of one", half, 422, "bad-component", "ot a valid WebAssembly component"),
        ("a damaged one", flipped, 422, "bad-component", "ot a valid WebAssembly component"),
        ("a core module", wat::parse_str("(module)").expect("a module"), 422, "bad-component", "module"),
        (
            "a component without anything",
            wat::parse_str("(component)").expect("a component"),
            422,
            "bad-component",
            "handler",
        ),
        ("one without a manifest", probe::component().to_vec(), 422, "no-manifest", "shopwright plugin build"),
        ("one that wants sockets", importing("wasi:sockets/tcp@0.2.0"), 422, "bad-component", "wasi:sockets/tcp"),
        (
            "one that wants files",
            importing("wasi:filesystem/types@0.2.0"),
            422,
            "bad-component",
            "wasi:filesystem/types",
        ),
        (
            "one that wants to call out",
            importing("wasi:http/outgoing-handler@0.2.0"),
            422,
            "bad-component",
            "wasi:http/outgoing-handler",
        ),
        (
            "one that wants what nobody knows",
            importing("acme:bank/transfers@1.0.0"),
            422,
            "bad-component",
            "acme:bank/transfers",
        ),
        ("one for a later interface", importing("shopwright:plugin/orders@0.9.0"), 422, "bad-component", "0.9"),
        (
            "one with a later handler",
            components::package("late", &component("shopwright:plugin/handler@7.0.0", "", "", "")),
            422,
            "bad-component",
            "7.0.0",
        ),
        (
            "one that asks for a function of none",
            components::package("none", &importing("shopwright:plugin/orders@0.1.0")),
            422,
            "bad-component",
            "orders.open",
        ),
        (
            "one whose handler takes nothing",
            components::package("plain", &plain_handler()),
            422,
            "bad-component",
            "interface",
        ),
        (
            "a table too large for any run",
            plugin("table", "(table 20000000 funcref)", ""),
            422,
            "bad-component",
            "table",
        ),
        (
            "a memory too large for any run",
            plugin("memory", "(memory $huge 60000)", ""),
            422,
            "bad-component",
            "memory",
        ),
        ("one with two manifests", two_manifests, 422, "bad-manifest", "two of them"),
        ("a manifest that is no JSON", components::with_section("hello"), 422, "bad-manifest", ""),
        (
            "a manifest of a later format",
            components::with_section("{\"format\": 99, \"manifest\": {}}"),
            422,
            "bad-manifest",
            "99",
        ),
        ("a manifest of 3 MB", components::with_section(&"x".repeat(3 << 20)), 422, "bad-manifest", "long"),
        ("a name that is none", manifest(&|m| m["name"] = "../../etc".into()), 422, "bad-manifest", "name"),
        ("a version that is none", manifest(&|m| m["version"] = "latest".into()), 422, "bad-manifest", "version"),
        ("another wit than its own", manifest(&|m| m["wit"] = "7.0".into()), 422, "bad-manifest", "wit"),
        ("40 MB", vec![0; 40 << 20], 413, "body-too-large", "33554432"),
    ];
    let mut faults = Vec::new();
    for (name, bytes, status, code, words) in table {
        let answer = client.upload(bytes).await;
        let text = answer.body.to_string();
        if (answer.status.as_u16(), answer.code()) != (status, code) || !text.contains(words) {
            faults.push(format!("{name}: {} {text}", answer.status));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(client.get("/api/v1/plugins").await.ok()["items"], json!([]));
    assert_eq!(client.get("/api/v1/audit").await.ok()["items"].to_string().matches("plugin.").count(), 0);
    // One version, two contents: the first stays.
    let first = client.upload(good).await.ok();
    let other = probe::package_as(&probe::manifest(
        "1.0.0",
        "[[workflow]]\nname = \"script\"\ntitle = \"Another\"\nmanual = true\n",
    ));
    let answer = client.upload(other).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "version-exists"), "{}", answer.body);
    let kept = client.get("/api/v1/plugins/probe/versions/1.0.0").await.ok();
    assert_eq!(kept["digest"], first["digest"]);
    host.end();
}

/// A handler of another type than `wit/` says.
fn plain_handler() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (core module $m (func (export "run") (result i32) (i32.const 1)))
            (core instance $i (instantiate $m))
            (func $run (result u32) (canon lift (core func $i "run")))
            (instance $handler (export "run" (func $run)))
            (export "shopwright:plugin/handler@0.1.0" (instance $handler)))"#,
    )
    .expect("it is a component")
}

/// Starts `script` of an installation by hand.
async fn start(client: &Client, installation: &str, input: Value) -> String {
    let body = json!({"installation": installation, "workflow": "script", "input": input});
    client.ask(Method::POST, "/api/v1/runs", body).await.ok()["run"].as_str().expect("a run").to_owned()
}

/// What gets in and then misbehaves: each run fails with its reason. A well-behaved workflow beside it keeps
/// its pace, and the host stays up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_runs_fail_alone_and_the_others_keep_their_pace() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    let client = host.client();
    client.install_probe().await;
    let handmade = [
        ("start-trap", "(func $s unreachable) (start $s)", "", "trap", "unreachable"),
        ("start-loop", "(func $s (loop $l (br $l))) (start $s)", "", "out-of-fuel", "endless loop"),
        ("loop", "", "(loop $l (br $l))", "out-of-fuel", "endless loop"),
        ("memory-bomb", "", "(loop $l (drop (memory.grow (i32.const 16))) (br $l))", "out-of-memory", "memory"),
        (
            "table-bomb",
            "(table $t 1 funcref)",
            "(loop $l (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $l))",
            "out-of-",
            "loop",
        ),
        (
            "recursion",
            "(func $f (result i32) (i32.add (call $f) (i32.const 1)))",
            "(drop (call $f))",
            "stack-overflow",
            "nested too deeply",
        ),
        ("out-of-bounds", "", "(drop (i32.load (i32.const -8)))", "trap", "out of bounds"),
        (
            "wild-answer",
            "",
            "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 9)) (return (i32.const 0))",
            "trap",
            "",
        ),
        (
            "huge-answer",
            "",
            "(i32.store (i32.const 8) (i32.const 32)) (i32.store (i32.const 12) (i32.const -1)) (return (i32.const 0))",
            "t",
            "",
        ),
    ];
    for (name, items, body, ..) in handmade {
        client.upload(plugin(name, items, body)).await.ok();
        client.ask(Method::POST, "/api/v1/installations", json!({"plugin": name})).await.ok();
    }
    // A good one, by hand too, so that the harness is known to work.
    client.upload(plugin("good", "", "")).await.ok();
    client.ask(Method::POST, "/api/v1/installations", json!({"plugin": "good"})).await.ok();
    assert_eq!(client.said(&start(&client, "good", json!({})).await).await, Value::Null);

    let bare = pace(&client, "bare").await;
    let mut bad = Vec::new();
    for round in 0..3 {
        for (name, _, _, code, words) in handmade {
            bad.push((start(&client, name, json!({ "round": round })).await, code, words));
        }
        let repeat = |times: u32, step: Value| json!({"do": "repeat", "times": times, "steps": [step]});
        for (step, code, words) in [
            (json!({"do": "loop"}), "out-of-fuel", "endless loop"),
            (json!({"do": "bomb", "megabytes": 100}), "out-of-memory", "memory"),
            (repeat(1_000_000, json!({"do": "print", "text": "x".repeat(1_000)})), "too-much-log", "log"),
            (repeat(1_000_000, json!({"do": "get", "key": "k"})), "too-many-calls", "10000"),
            (repeat(1_000_000, json!({"do": "emit", "kind": "a.b", "data": {}})), "too-many-calls", "10000"),
            (json!({"do": "output", "bytes": 3 << 20}), "too-much-output", "1048576"),
            (json!({"do": "wasi_sleep"}), "wasi-refused", "workflow.sleep"),
            (json!({"do": "set", "key": "k", "value": "x".repeat(100_000)}), "", "65536"),
        ] {
            bad.push((start(&client, "probe", json!({"steps": [step]})).await, code, words));
        }
    }
    let beside = pace(&client, "beside").await;
    for (run, code, words) in bad {
        let run = client.run_when(&run, |run| matches!(run["state"].as_str(), Some("done" | "failed"))).await;
        let (actual, error) =
            (run["error_code"].as_str().unwrap_or_default(), run["error"].as_str().unwrap_or_default());
        assert!(
            run["state"] == "failed" && actual.starts_with(code) && error.contains(words),
            "{code}, {words}: {run:#}"
        );
    }
    assert_eq!(client.get("/healthz").await.status.as_u16(), 200);
    assert_eq!(pace(&client, "after").await.len(), bare.len());
    // In numbers of events, since a machine may be slow: while a good run is on its way, not many others end.
    let worst = |waits: &[u64]| waits[waits.len() * 99 / 100];
    println!("events beside a run until it ends, p99: {} alone, {} beside hostile ones", worst(&bare), worst(&beside));
    assert!(worst(&beside) <= 64, "a good run waits for {} others: {beside:?}", worst(&beside));
    host.end();
}

/// Two hundred small events; for each, sorted: how many others were sent before its run had ended.
async fn pace(client: &Client, name: &str) -> Vec<u64> {
    let mut runs = Vec::new();
    let mut waits = Vec::new();
    let mut open: Vec<(u64, String)> = Vec::new();
    let began = Instant::now();
    for n in 0..200u64 {
        let steps = json!([{"do": "add", "key": name, "by": 1}]);
        runs.push(client.trigger("probe.go", &format!("{name}{n}"), json!({ "steps": steps })).await);
        open.push((n, runs.last().expect("just pushed").clone()));
        let ended = client.get("/api/v1/runs?state=done&limit=250").await.ok().to_string();
        open.retain(|(sent, run)| {
            let done = ended.contains(run.as_str());
            if done {
                waits.push(n - sent);
            }
            !done
        });
    }
    for (sent, run) in open {
        client.said(&run).await;
        waits.push(200 - sent);
        assert!(began.elapsed() < PATIENCE, "the good runs stand still");
    }
    waits.sort_unstable();
    waits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_leads_a_plugin_from_upload_to_its_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), &[]);
    std::fs::write(folder.path().join("probe.wasm"), probe::package()).expect("a file");
    let inspected = host.cli(&["plugin", "inspect", "probe.wasm"]);
    assert!(inspected.to_string().contains("messaging.send-email"), "{inspected}");
    assert_eq!(host.cli(&["plugin", "upload", "probe.wasm"])["plugin"], "probe");
    assert_eq!(host.cli(&["plugin", "list"])["items"][0]["version"], "1.0.0");
    assert_eq!(host.cli(&["install", "probe", "--yes"])["id"], "probe");
    host.client().add_customer("42").await;
    let steps = json!({"steps": [{"do": "email", "customer": "42", "note": "n"}, {"do": "ask", "title": "Go on?", "choices": ["yes", "no"], "ms": 3_600_000}]}).to_string();
    let started = host.cli(&["run", "start", "probe", "script", "--input", &steps]);
    let run = started["run"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
    host.client().run_when(&run, |run| run["state"] == "waiting").await;
    let asked = host.cli(&["approval", "list"]);
    let id = asked["items"][0]["id"].as_str().expect("a question").to_owned();
    host.cli(&["approval", "answer", &id, "yes"]);
    assert_eq!(host.client().said(&run).await, json!(["done", "yes"]));
    let shown = host.cli(&["run", "show", &run]);
    assert_eq!((&shown["state"], shown["journal"].as_array().map(Vec::len)), (&json!("done"), Some(2)));
    assert_eq!(host.cli(&["mailbox", "list"])["items"][0]["text"], "Ann: n");
    let runs = host.cli(&["run", "list", "--installation", "probe"]);
    assert_eq!(runs["items"][0]["id"], run.as_str());
    assert_eq!(host.cli(&["schedule", "list"])["items"], json!([]));
    let audit: Value = host.cli(&["audit", "list"]);
    assert!(audit.to_string().contains("plugin.uploaded"));
    host.end();
}
