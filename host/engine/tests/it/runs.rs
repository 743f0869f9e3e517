//! A run from its start to its end: tries, failures, limits, versions.

use serde_json::{Value, json};
use shopwright_engine::{Change, EngineError, EngineLimits, Mode};
use shopwright_store::ops::{RunState, TriggerKind};

use crate::{
    probe,
    support::{DAY, HOUR, SECOND, SHOP, START, Setup, World, customer, install, product},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_asks_for_another_try_gets_as_many_as_the_manifest_says() {
    let world = World::probed().await;
    // Four tries: one, and three more after about 10, 20 and 40 s.
    let saved = world
        .go("1", json!([{"do": "attempt"}, {"do": "retry_below", "attempt": 4}, {"do": "add", "key": "n", "by": 1}]))
        .await;
    let lost = world.go("2", json!([{"do": "add", "key": "lost", "by": 1}, {"do": "retry_below", "attempt": 5}])).await;
    for (attempt, most) in [(2, 10), (3, 20), (4, 40)] {
        let row = world.row(saved).await;
        assert_eq!((row.state, row.attempt), (RunState::Waiting, attempt));
        assert!(row.wait.expect("why").contains(&format!("try {} fails", attempt - 1)));
        let pause = row.due_at.expect("a time") - row.updated_at;
        assert!(pause > most * SECOND / 2 - 1 && pause <= most * SECOND, "{pause}");
        world.pass(most * SECOND).await;
    }
    assert_eq!(world.said(saved).await, json!([4, 1]));
    assert_eq!(world.memory("n").await.as_deref(), Some("1"));
    world.pass(HOUR).await;
    let (code, message) = world.failure(lost).await;
    assert_eq!(code, "retries-exhausted");
    assert!(message.contains("given up after 4 tries") && message.contains("try 4 fails"), "{message}");
}

/// What was done and flushed before a retry stays done; the rest is done anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_try_goes_on_from_the_last_kept_point() {
    let world = World::probed().await;
    world.event("customer.created", "c", customer("42")).await;
    let run = world.go("1", json!([{"do": "add", "key": "before", "by": 1}, {"do": "email", "customer": "42", "note": "one"},
        {"do": "sleep", "ms": HOUR}, {"do": "add", "key": "after", "by": 1}, {"do": "email", "customer": "42", "note": "two"},
        {"do": "customer", "id": "42"}, {"do": "retry_below", "attempt": 3}, {"do": "attempt"}]))
    .await;
    world.pass(HOUR).await;
    assert_eq!((world.memory("before").await.as_deref(), world.memory("after").await), (Some("1"), None));
    let mut renamed = customer("42");
    renamed["name"] = "Anna".into();
    world.event("customer.updated", "c2", renamed).await;
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!([1, "done", 1, "done", "Anna", 3]), "the read is made anew");
    assert_eq!(world.memory("after").await.as_deref(), Some("1"));
    let mail: Vec<_> = world.mail().await.into_iter().map(|m| m.text).collect();
    assert_eq!(mail, ["Ann: one", "Anna: two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_says_why_and_keeps_what_it_did() {
    let world = World::probed().await;
    for (n, (last, code, words)) in [
        (json!({"do": "fatal", "message": "no such luck"}), "fatal", "no such luck"),
        (json!({"do": "trap"}), "trap", "the script says so"),
        // Rust keeps large locals in a stack of its own: below its end lies no memory.
        (json!({"do": "recurse"}), "trap", "out of bounds memory access"),
        (json!({"do": "wasi_sleep"}), "wasi-refused", "sleep"),
        (json!({"do": "nonsense"}), "fatal", "nonsense"),
    ]
    .into_iter()
    .enumerate()
    {
        let script = json!([{"do": "print", "text": "hello"}, {"do": "log", "message": "so far"}, {"do": "set", "key": "k", "value": n}, last]);
        let run = world.go(&n.to_string(), script).await;
        let (actual, message) = world.failure(run).await;
        assert_eq!(actual, code, "{message}");
        assert!(message.contains(words), "{message}");
        let timeline = world.engine.timeline(SHOP, run).await.expect("a timeline").expect("a run");
        if last_is_known(&message) {
            assert_eq!(timeline.entries.len(), 1, "{:?}", timeline.entries);
            let log: Vec<_> = timeline.log.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect();
            assert_eq!(log[..2], [("stdout", "hello"), ("info", "so far")]);
        }
    }
    assert_eq!(world.memory("k").await.as_deref(), Some("3"));
}

fn last_is_known(message: &str) -> bool {
    !message.contains("nonsense")
}

/// A log line is written once, however often the run is replayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_writes_no_log_line_twice() {
    let world = World::probed().await;
    let mut steps = vec![json!({"do": "print", "text": "start"})];
    for n in 0..5 {
        steps.push(json!({"do": "log", "message": format!("before {n}")}));
        steps.push(json!({"do": "print", "text": format!("out {n}")}));
        steps.push(json!({"do": "sleep", "ms": HOUR}));
    }
    let run = world.go("1", Value::Array(steps)).await;
    world.pass(DAY).await;
    assert_eq!(world.state(run).await, RunState::Done);
    let log = world.engine.timeline(SHOP, run).await.expect("a timeline").expect("a run").log;
    let lines: Vec<_> = log.iter().map(|line| line.message.as_str()).collect();
    let expected: Vec<String> = std::iter::once("start".into())
        .chain((0..5).flat_map(|n| [format!("before {n}"), format!("out {n}")]))
        .collect();
    assert_eq!(lines, expected);
}

fn bounded(limits: &str) -> String {
    format!(
        "[[workflow]]\nname = \"bounded\"\ntitle = \"Bounded\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n[workflow.limits]\n{limits}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_over_a_limit_fails_and_says_which() {
    let read = json!({"do": "customer", "id": "42"});
    let email = json!({"do": "email", "customer": "42"});
    for (limits, steps, code) in [
        ("fuel = 50_000_000", json!([{"do": "loop"}]), "out-of-fuel"),
        ("memory_bytes = 8_000_000", json!([{"do": "bomb", "megabytes": 20}]), "out-of-memory"),
        (
            "log_bytes = 2_000",
            json!([{"do": "repeat", "times": 50, "steps": [{"do": "log", "message": "x".repeat(100)}]}]),
            "too-much-log",
        ),
        (
            "log_bytes = 2_000",
            json!([{"do": "repeat", "times": 50, "steps": [{"do": "print", "text": "x".repeat(100)}]}]),
            "too-much-log",
        ),
        ("journal_entries = 10", json!([{"do": "repeat", "times": 11, "steps": [read]}]), "too-many-calls"),
        ("effects = 3", json!([{"do": "repeat", "times": 4, "steps": [email]}]), "too-many-effects"),
        ("output_bytes = 1_000", json!([{"do": "output", "bytes": 999}]), "too-much-output"),
    ] {
        let world = World::with_workflows(Setup::default(), &bounded(limits), json!({})).await;
        world.event("customer.created", "c", customer("42")).await;
        let run = world.go("1", steps).await;
        let (actual, message) = world.failure(run).await;
        assert_eq!(actual, code, "{limits}: {message}");
        // The next run of the same plugin is none the worse.
        let run = world.go("2", json!([{"do": "repeat", "times": 3, "steps": [read]}])).await;
        assert_eq!(world.said(run).await, json!(["Ann", "Ann", "Ann"]), "{limits}");
    }
}

/// Limits count the whole program, however often it slept: also what was replayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_count_from_the_beginning_of_the_run() {
    let sleep = json!({"do": "sleep", "ms": HOUR});
    for (limits, step, code) in [
        ("journal_entries = 10", json!({"do": "get", "key": "k"}), "too-many-calls"),
        ("effects = 4", json!({"do": "staff", "channel": "c", "text": "t"}), "too-many-effects"),
        ("log_bytes = 500", json!({"do": "log", "message": "x".repeat(100)}), "too-much-log"),
    ] {
        let world = World::with_workflows(Setup::default(), &bounded(limits), json!({})).await;
        let run = world.go("1", json!([{"do": "repeat", "times": 6, "steps": [step, sleep]}])).await;
        world.pass(DAY).await;
        assert_eq!(world.failure(run).await.0, code);
        let entries = world.row(run).await.entries;
        assert!((4..=10).contains(&entries), "{limits}: {entries}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_asks_for_something_else_shows_both_sides() {
    let world = World::probed().await;
    world.event("customer.created", "c", customer("42")).await;
    let other = json!({"do": "on_attempt", "attempt": 1, "then": [{"do": "customer", "id": "42"}], "otherwise": [{"do": "cart", "id": "c1"}]});
    let run = world.go("1", json!([other, {"do": "sleep", "ms": HOUR}, {"do": "email", "customer": "42"}, {"do": "retry_below", "attempt": 2}])).await;
    world.pass(2 * HOUR).await;
    let (code, message) = world.failure(run).await;
    assert_eq!(code, "nondeterminism");
    for part in ["at step 0", "asked for carts.get", "c1", "its journal says customers.get", "42"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(world.mail().await.is_empty());

    // The same call with another argument.
    let world = World::probed().await;
    let other = json!({"do": "on_attempt", "attempt": 1, "then": [{"do": "get", "key": "a"}], "otherwise": [{"do": "get", "key": "b"}]});
    let run = world.go("1", json!([other, {"do": "sleep", "ms": HOUR}, {"do": "retry_below", "attempt": 2}])).await;
    world.pass(2 * HOUR).await;
    let (code, message) = world.failure(run).await;
    assert_eq!(code, "nondeterminism");
    assert!(message.contains(r#"memory.get["b"]"#) && message.contains(r#"memory.get["a"]"#), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chance_is_the_same_at_every_replay_and_another_in_every_run() {
    let world = World::probed().await;
    let steps = json!([{"do": "random"}, {"do": "sleep", "ms": HOUR}, {"do": "get", "key": "drawn"}]);
    for id in ["1", "2"] {
        world.go(id, steps.clone()).await;
    }
    world.pass(HOUR).await;
    let mut drawn = Vec::new();
    for run in world.runs().await {
        // Memory is written once: had the replay drawn another number, this would be nondeterminism.
        world.said(run.id).await;
        let timeline = world.engine.timeline(SHOP, run.id).await.expect("a timeline").expect("a run");
        drawn.push(timeline.entries[0].args.to_string());
    }
    assert_ne!(drawn[0], drawn[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_round_with_an_empty_journal_and_sees_what_came_meanwhile() {
    let world = World::probed().await;
    let wait = json!({"do": "wait", "kinds": ["tick.tock"], "entity": "clock:1", "ms": 10 * DAY});
    let rounds = |rest: Value| json!([wait, {"do": "add", "key": "rounds", "by": 1}, {"do": "sleep", "ms": HOUR}, {"do": "continue", "state": {"steps": rest}}]);
    let run = world.go("1", rounds(rounds(json!([wait, {"do": "attempt"}])))).await;
    let tick = async |id: &str| {
        let mut event = crate::support::event(START, "tick.tock", id, json!({}));
        event.concerns = vec!["clock:1".into()];
        world.engine.ingest(SHOP, vec![event]).await.expect("accepted");
        world.idle().await;
    };
    tick("a").await;
    // These come while the first round sleeps: the rounds after it find them.
    tick("b").await;
    tick("c").await;
    world.pass(2 * HOUR).await;
    let runs = world.runs().await;
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[0].id, run);
    assert_eq!(
        runs.iter().map(|run| run.trigger).collect::<Vec<_>>(),
        [TriggerKind::Event, TriggerKind::Continued, TriggerKind::Continued]
    );
    assert_eq!(runs.iter().map(|run| run.state).collect::<Vec<_>>(), [RunState::Done; 3]);
    assert_eq!((runs[1].parent, runs[2].parent), (Some(runs[0].id), Some(runs[1].id)));
    assert_eq!(world.said(runs[2].id).await, json!(["c", 1]));
    assert_eq!(world.memory("rounds").await.as_deref(), Some("2"));
    assert_eq!(runs.iter().map(|run| run.entries).collect::<Vec<_>>(), [3, 3, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_is_started_once_by_its_key() {
    let world = World::probed().await;
    let start = |key: &str| json!({"do": "start", "workflow": "child", "key": key, "input": {"steps": [{"do": "add", "key": "children", "by": 1}]}});
    let run = world.go("1", json!([start("a"), start("a"), start("b"), {"do": "sleep", "ms": HOUR}, start("a"), {"do": "retry_below", "attempt": 2}])).await;
    world.go("2", json!([start("b"), start("c")])).await;
    world.pass(2 * HOUR).await;
    assert_eq!(world.state(run).await, RunState::Done);
    let children: Vec<_> = world.runs().await.into_iter().filter(|run| run.workflow == "child").collect();
    assert_eq!(children.len(), 3);
    assert!(
        children[..2]
            .iter()
            .all(|child| child.parent == Some(run) && child.depth == 1 && child.state == RunState::Done)
    );
    assert_eq!(world.memory("children").await.as_deref(), Some("3"));

    // By hand, with a key of the caller's.
    let by_hand = async || {
        world.engine.start_run(SHOP, "probe", "child", &json!({"steps": []}), Some("key")).await.expect("started")
    };
    assert_eq!(by_hand().await, by_hand().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_stop() {
    // Each run emits what triggers it again.
    let emit = json!({"do": "emit", "kind": "probe.go"});
    let workflows = "[[workflow]]\nname = \"script\"\ntitle = \"Loop\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n";
    let world = World::with_workflows(Setup::default(), workflows, json!({"steps": [emit]})).await;
    world.event("probe.go", "1", json!({})).await;
    let depths: Vec<u32> = world.runs().await.iter().map(|run| run.depth).collect();
    assert_eq!(depths, (0..16).collect::<Vec<_>>());
    assert!(world.engine.metrics().contains("shopwright_loops_stopped_total 1"), "{}", world.engine.metrics());

    // Two each: the depth alone would allow 65,535.
    let limits = EngineLimits { runs_per_root: 50, ..EngineLimits::default() };
    let world =
        World::with_workflows(Setup { limits, ..Setup::default() }, workflows, json!({"steps": [emit, emit]})).await;
    world.event("probe.go", "1", json!({})).await;
    assert_eq!(world.runs().await.len(), 51);
    // Others go on.
    world.event("probe.go", "2", json!({"steps": []})).await;
    assert_eq!(world.runs().await.len(), 52);
}

/// The same by starting one another, and by going round without ever waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_start_one_another_stop_too() {
    let limits = EngineLimits { runs_per_root: 50, ..EngineLimits::default() };
    let workflows = "[[workflow]]\nname = \"script\"\ntitle = \"Loop\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n\
        [[workflow]]\nname = \"child\"\ntitle = \"Child\"\nmanual = true\n";
    let start = |key: &str| json!({"do": "start", "workflow": "child", "key": key, "input": {}});
    // Every child starts the next under a key of its own, by its draw.
    let steps = json!([{"do": "continue", "state": {}}]);
    let world =
        World::with_workflows(Setup { limits: limits.clone(), ..Setup::default() }, workflows, json!({"steps": steps}))
            .await;
    world.event("probe.go", "1", json!({})).await;
    let runs = world.runs().await;
    assert_eq!(runs.len(), 51, "round and round");
    assert_eq!(runs.last().expect("the last").error_code.as_deref(), Some("loop"));

    let nested = |depth: usize| {
        let mut input = json!({"steps": []});
        for level in 0..depth {
            input =
                json!({"steps": [{"do": "start", "workflow": "child", "key": format!("k{level}"), "input": input}]});
        }
        input
    };
    let world = World::with_workflows(Setup { limits, ..Setup::default() }, workflows, json!({"steps": []})).await;
    world.event("probe.go", "1", nested(20)).await;
    let failed: Vec<_> = world.runs().await.into_iter().filter(|run| run.state == RunState::Failed).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].error.as_deref().unwrap_or_default().contains("descend from one another"), "{failed:?}");

    let fan: Vec<Value> = (0..60).map(|n| start(&format!("f{n}"))).collect();
    let run = world.go("2", Value::Array(fan)).await;
    let (code, message) = world.failure(run).await;
    assert_eq!(code, "loop", "{message}");
}

const V: &str = "[[workflow]]\nname = \"script\"\ntitle = \"Script\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n";

/// A run stays on the component it began with: here the next version asks for less and does
/// something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_never_changes_under_itself() {
    let world = World::with_workflows(Setup::default(), V, json!({"steps": [{"do": "get", "key": "one"}]})).await;
    world.event("customer.created", "c", customer("42")).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    let first = world.engine.installations(SHOP).expect("one")[0].clone();
    let old = world
        .go(
            "1",
            json!([{"do": "sleep", "ms": HOUR}, {"do": "price", "variant": "v1", "amount": 1_900},
        {"do": "email", "customer": "42", "note": "old"}]),
        )
        .await;

    // A plugin of few words under the same name.
    let built = shopwright_bundle::package(world.engine.sandbox(), "bench-run").await.expect("a package");
    let workflows = V.replace("script", "react").replace("probe.go", "cart.updated");
    world.add(probe::embed(&built, &probe::manifest("2.0.0", &workflows))).await;
    let change = Change { version: Some("2.0.0".into()), ..Change::default() };
    let second = world.engine.change(SHOP, "probe", change).await.expect("upgraded");
    assert_ne!(first.digest, second.digest);
    assert!(second.grants.iter().count() < first.grants.iter().count());
    world.pass(HOUR).await;
    assert_eq!(world.said(old).await, json!(["done", "done"]));
    assert_eq!(world.row(old).await.digest, first.digest);
    let intake = world.event("probe.go", "2", json!({"steps": []})).await;
    assert!(intake.runs.is_empty(), "the new version does not listen to it");

    // Back again, at once.
    let grants = Some(serde_json::to_value(&first.grants).expect("JSON"));
    let change = Change { version: Some("1.0.0".into()), grants, ..Change::default() };
    world.engine.change(SHOP, "probe", change).await.expect("rolled back");
    let run = world.go("3", json!([{"do": "attempt"}])).await;
    assert_eq!(world.said(run).await, json!([1]));
}

/// Settings too are those it began with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_those_of_the_runs_beginning() {
    let steps = |n: i64| json!({"steps": [{"do": "sleep", "ms": HOUR}, {"do": "add", "key": "k", "by": n}]});
    let world = World::with_workflows(Setup::default(), V, steps(1)).await;
    let run = world.event("probe.go", "1", json!({})).await.runs[0].run.expect("a run");
    world
        .engine
        .change(SHOP, "probe", Change { settings: Some(steps(10)), ..Change::default() })
        .await
        .expect("changed");
    // A minute later, so that the two do not wake in the same moment.
    world.pass(HOUR / 60).await;
    world.event("probe.go", "2", json!({})).await;
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!([1]));
    assert_eq!(world.memory("k").await.as_deref(), Some("11"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_named_and_nothing_is_half_applied() {
    let world = World::with(Setup::default()).await;
    world.add(probe::package()).await;
    let mut request = install("probe", json!({}));
    request.grants = Some(json!([{"function": "customers.get"}]));
    let error = world.engine.install(SHOP, request.clone()).await.expect_err("too little");
    let EngineError::Refused { code: "not-granted", reason } = &error else { panic!("{error:?}") };
    assert!(reason.contains("messaging.send-email") && reason.contains("pricing-actions.set-price"), "{reason}");
    assert!(world.engine.installations(SHOP).expect("a shop").is_empty());
    assert!(world.store().installations_list(SHOP).await.expect("a store").is_empty());

    // More than asked for is refused as well.
    let small = shopwright_bundle::package(world.engine.sandbox(), "bench-run").await.expect("a package");
    world.add(probe::embed(&small, &probe::manifest("0.1.0", &V.replace("script", "react")))).await;
    request.version = Some("0.1.0".into());
    let few = json!([{"function": "carts.get"}, {"function": "customers.get"}, {"function": "catalog.get-variant"}, {"function": "messaging.send-email"}]);
    let mut more = few.clone();
    more.as_array_mut().expect("a list").push(json!({"function": "orders.get"}));
    request.grants = Some(more);
    let error = world.engine.install(SHOP, request.clone()).await.expect_err("too much");
    assert!(
        matches!(&error, EngineError::Invalid { code: "bad-grants", reason, .. } if reason.contains("orders.get")),
        "{error}"
    );

    // An upgrade that asks for more is held until the difference is granted.
    request.grants = Some(few);
    world.engine.install(SHOP, request).await.expect("installed");
    let change = Change { version: Some("1.0.0".into()), ..Change::default() };
    let error = world.engine.change(SHOP, "probe", change).await.expect_err("more");
    let EngineError::Refused { code: "not-granted", reason } = &error else { panic!("{error:?}") };
    assert!(reason.contains("orders.get") && !reason.contains("carts.get"), "{reason}");
    assert_eq!(world.engine.installations(SHOP).expect("one")[0].version, "0.1.0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_starts_nothing_and_lets_what_waits_go_on_and_removed_ends_it() {
    let world = World::probed().await;
    let steps = json!([{"do": "sleep", "ms": HOUR}, {"do": "add", "key": "k", "by": 1}]);
    let first = world.go("1", steps.clone()).await;
    world.engine.change(SHOP, "probe", Change { mode: Some(Mode::Paused), ..Change::default() }).await.expect("paused");
    assert!(world.event("probe.go", "2", json!({"steps": steps})).await.runs.is_empty());
    world.pass(HOUR).await;
    assert_eq!(world.said(first).await, json!([1]));
    world.engine.change(SHOP, "probe", Change { mode: Some(Mode::Live), ..Change::default() }).await.expect("live");
    let second = world.go("3", steps.clone()).await;
    world.engine.remove(SHOP, "probe").await.expect("removed");
    assert_eq!(world.state(second).await, RunState::Cancelled);
    world.pass(DAY).await;
    assert_eq!(world.memory("k").await.as_deref(), Some("1"));
    assert!(matches!(world.engine.remove(SHOP, "probe").await, Err(EngineError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_never_changes() {
    let world = World::with_workflows(Setup::default(), V, json!({})).await;
    let other = probe::package_as(&probe::manifest("1.0.0", &V.replace("Script", "Other")));
    let error = world.engine.add_component(SHOP, other, "test").await.expect_err("other bytes");
    assert!(
        matches!(&error, EngineError::Conflict { code: "version-exists", reason } if reason.contains("probe 1.0.0")),
        "{error}"
    );
    // The same bytes again are no news.
    let again = world
        .engine
        .add_component(SHOP, probe::package_as(&probe::manifest("1.0.0", V)), "again")
        .await
        .expect("known");
    assert_eq!(again.source, "test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifests_faults_show_when_it_is_uploaded() {
    let world = World::with(Setup::default()).await;
    let trigger = |text: &str| V.replace("event = [\"probe.go\"]", text);
    for (workflows, code, place, words) in [
        (trigger("event = [\"probe.go\"]\nwhen = \"event.data.\""), "bad-condition", "/workflow/0/trigger/0/when", ""),
        (
            trigger("event = [\"probe.go\"]\nwhen = \"nobody.home\""),
            "bad-condition",
            "/workflow/0/trigger/0/when",
            "nobody",
        ),
        (trigger("schedule = \"61 * * * *\""), "bad-schedule", "/workflow/0/trigger/0/schedule", "61"),
        (
            format!("{V}[workflow.concurrency]\nkey = \"event.\"\nrule = \"skip\"\n"),
            "bad-key",
            "/workflow/0/concurrency/key",
            "",
        ),
        (
            format!("{V}[[template]]\nname = \"bad\"\nsubject = \"{{{{ customer.\"\ntext = \"note.txt\"\n"),
            "bad-template",
            "/template/0",
            "",
        ),
    ] {
        let bytes = probe::package_as(&probe::manifest("1.0.0", &workflows));
        let error = world.engine.add_component(SHOP, bytes, "test").await.expect_err(code);
        let EngineError::Invalid { code: actual, field, reason } = &error else { panic!("{error:?}") };
        assert_eq!((*actual, field.as_str()), (code, place), "{reason}");
        assert!(reason.contains(words), "{reason}");
    }
    assert!(world.engine.versions(SHOP).await.expect("a store").is_empty());
}
