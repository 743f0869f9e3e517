//! Runs that go on: moved to another version, tried again from the start or from the last good point, one or many.

use serde_json::{Value, json};
use shopwright_engine::{Bulk, Change, Limits, Move, Rehearsed, Repair, RepairOutcome, RetryFrom, SettingsOf};
use shopwright_model::RunId;
use shopwright_store::ops::RunState;

use crate::{
    probe,
    support::{HOUR, SHOP, Setup, World, customer, install},
};

/// The probe in two versions: the first may make three host calls a run, the second is repaired.
async fn world() -> World {
    let world = World::with(Setup::default()).await;
    let workflow =
        "[[workflow]]\nname = \"script\"\ntitle = \"Script\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n";
    let broken = format!("{workflow}[workflow.limits]\njournal_entries = 3\n");
    world.add(probe::package_as(&probe::manifest("1.0.0", &broken))).await;
    world.add(probe::package_as(&probe::manifest("1.0.1", workflow))).await;
    let first = shopwright_engine::Install { version: Some("1.0.0".into()), ..install("probe", json!({})) };
    world.engine.install(SHOP, first).await.expect("it is installed");
    world.event("customer.created", "c42", customer("42")).await;
    world
}

fn five() -> Value {
    json!([{"do": "add", "key": "a", "by": 1}, {"do": "email", "customer": "42"}, {"do": "add", "key": "a", "by": 1},
        {"do": "customer", "id": "42"}, {"do": "add", "key": "a", "by": 1}])
}

async fn settings(world: &World, steps: Value) {
    let change = Change { settings: Some(json!({"steps": steps})), ..Change::default() };
    world.engine.change(SHOP, "probe", change).await.expect("changed");
}

async fn upgrade(world: &World) {
    let change = Change { version: Some("1.0.1".into()), ..Change::default() };
    world.engine.change(SHOP, "probe", change).await.expect("upgraded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_goes_on_with_the_version_that_repairs_it() {
    let world = world().await;
    let run = world.go("1", five()).await;
    assert_eq!(world.failure(run).await.0, "too-many-calls");
    // With the version that it has it fails again, and is left as it is.
    let same = world.engine.move_run(SHOP, run, &Move::default()).await.expect("rehearsed");
    assert!(!same.moved);
    assert!(matches!(same.rehearsal, Rehearsed::Fails { step: 3, same: true, .. }), "{same:?}");
    upgrade(&world).await;
    let before = world.row(run).await;
    let dry = Move { dry_run: true, ..Move::default() };
    let seen = world.engine.move_run(SHOP, run, &dry).await.expect("rehearsed");
    assert_eq!((seen.rehearsal, seen.moved), (Rehearsed::Agrees { steps: 3 }, false));
    assert_eq!(world.row(run).await, before, "a rehearsal leaves no trace");
    let moved = world.engine.move_run(SHOP, run, &Move::default()).await.expect("moved");
    assert!(moved.moved && moved.version == "1.0.1");
    world.idle().await;
    assert_eq!(world.said(run).await, json!([1, "done", 2, "Ann", 3]));
    assert_eq!(world.memory("a").await.as_deref(), Some("3"), "what was done is not done again");
    assert_eq!(world.mail().await.len(), 1);
    let row = world.row(run).await;
    assert_eq!((row.digest, row.attempt, row.error), (moved.to, 1, None));
    assert_eq!(world.engine.move_run(SHOP, run, &Move::default()).await.expect_err("it has ended").code(), "run-ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_run_moves_where_the_journal_agrees_and_shows_the_difference_where_not() {
    let world = world().await;
    settings(
        &world,
        json!([{"do": "add", "key": "a", "by": 1}, {"do": "sleep", "ms": HOUR}, {"do": "get", "key": "a"}]),
    )
    .await;
    let intake = world.event("probe.go", "1", json!({})).await;
    let run = intake.runs[0].run.expect("a run");
    settings(&world, json!([{"do": "add", "key": "b", "by": 1}])).await;
    upgrade(&world).await;
    let other = Move { settings: SettingsOf::Installation, ..Move::default() };
    let refused = world.engine.move_run(SHOP, run, &other).await.expect("rehearsed");
    let Rehearsed::Differs { step: 0, recorded, asked } = refused.rehearsal else { panic!("{:?}", refused.rehearsal) };
    assert!(recorded.contains("\"a\"") && asked.contains("\"b\"") && !refused.moved, "{recorded} {asked}");
    // One that ends where the journal goes on differs too.
    settings(&world, json!([])).await;
    let refused = world.engine.move_run(SHOP, run, &other).await.expect("rehearsed");
    assert!(matches!(refused.rehearsal, Rehearsed::Differs { step: 0, .. }), "{:?}", refused.rehearsal);
    assert_eq!(world.state(run).await, RunState::Waiting);
    let moved = world.engine.move_run(SHOP, run, &Move::default()).await.expect("moved");
    assert!(moved.moved);
    world.idle().await;
    assert_eq!(world.state(run).await, RunState::Waiting, "it waits on");
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await, json!([1, 1]));
    assert_eq!(world.row(run).await.digest, moved.to);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_fails_by_itself_is_said_to_and_not_moved() {
    let world = world().await;
    let run = world.go("1", json!([{"do": "customer", "id": "42"}, {"do": "fatal", "message": "no"}])).await;
    upgrade(&world).await;
    let seen = world.engine.move_run(SHOP, run, &Move::default()).await.expect("rehearsed");
    assert!(!seen.moved);
    assert!(
        matches!(&seen.rehearsal, Rehearsed::Fails { step: 1, same: true, code, .. } if code == "fatal"),
        "{seen:?}"
    );
    assert_eq!(world.failure(run).await.0, "fatal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_last_good_point_nothing_is_done_twice_and_reads_are_made_anew() {
    let world = world().await;
    upgrade(&world).await;
    let limit = |bytes| Limits { memory_bytes: bytes, ..Limits::default() };
    world.engine.limit_installation(SHOP, "probe", limit(Some(10))).await.expect("limited");
    let steps = json!([{"do": "email", "customer": "42"}, {"do": "get", "key": "x"}, {"do": "set", "key": "big", "value": "0123456789"}]);
    let run = world.go("1", steps).await;
    let (code, message) = world.failure(run).await;
    assert_eq!(code, "memory-limit");
    assert!(message.contains("may remember 10 bytes"), "{message}");
    world.engine.limit_installation(SHOP, "probe", Limits::default()).await.expect("not limited");
    world.go("2", json!([{"do": "set", "key": "x", "value": 7}])).await;
    world.engine.reopen_run(SHOP, run).await.expect("it goes on");
    world.idle().await;
    assert_eq!(world.said(run).await, json!(["done", 7]), "read anew");
    assert_eq!(world.mail().await.len(), 1, "sent once");
    assert_eq!(world.engine.reopen_run(SHOP, run).await.expect_err("it is done").code(), "run-not-failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_start_is_a_new_run_and_asks_before_it_acts_twice() {
    let world = world().await;
    let run = world.go("1", five()).await;
    upgrade(&world).await;
    let refused = world.engine.restart_run(SHOP, run, false).await.expect_err("it has sent a mail");
    assert_eq!(refused.code(), "has-effects");
    let new = world.engine.restart_run(SHOP, run, true).await.expect("started");
    assert_eq!(world.engine.restart_run(SHOP, run, true).await.expect("the same"), new);
    world.idle().await;
    assert_eq!(world.said(new).await, json!([3, "done", 4, "Ann", 5]));
    let (old, row) = (world.row(run).await, world.row(new).await);
    assert_eq!((row.parent, row.event_seq, row.trigger), (Some(run), old.event_seq, old.trigger));
    assert_eq!((old.state, world.mail().await.len()), (RunState::Failed, 2));
    // By hand, and while it lives.
    let waiting = world.go_by_hand(json!([{"do": "sleep", "ms": HOUR}, {"do": "fatal", "message": "no"}])).await;
    assert_eq!(world.engine.restart_run(SHOP, waiting, false).await.expect_err("it lives").code(), "run-lives");
    world.pass(HOUR).await;
    let new = world.engine.restart_run(SHOP, waiting, false).await.expect("started");
    world.pass(HOUR).await;
    assert_eq!(world.failure(new).await.0, "fatal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_each_with_its_answer() {
    let world = world().await;
    let good: Vec<RunId> = [world.go("1", five()).await, world.go("2", five()).await].into();
    let fatal = world.go("3", json!([{"do": "fatal", "message": "no"}])).await;
    upgrade(&world).await;
    let bulk = Bulk { installation: Some("probe".into()), limit: 100, ..Bulk::default() };
    let outcomes = async |bulk: &Bulk, how: Repair| {
        let result = world.engine.repair(SHOP, bulk, &how).await.expect("done");
        result.runs.into_iter().map(|one| (one.run, one.outcome)).collect::<Vec<_>>()
    };
    use RepairOutcome::{Moved, Refused, Reopened, Restarted, Would};
    let dry = Move { dry_run: true, ..Move::default() };
    assert_eq!(
        outcomes(&bulk, Repair::Move(dry)).await,
        [(fatal, Refused), (good[1], Would), (good[0], Would)],
        "newest first"
    );
    let one =
        Bulk { error_code: Some("too-many-calls".into()), version: Some("1.0.0".into()), limit: 1, ..bulk.clone() };
    assert_eq!(outcomes(&one, Repair::Move(Move::default())).await, [(good[1], Moved)]);
    world.idle().await;
    let retry = |from, again| Repair::Retry { from, again, dry_run: false };
    assert_eq!(
        outcomes(&bulk, retry(RetryFrom::Start, false)).await,
        [(fatal, Restarted), (good[0], Refused)],
        "the one that was moved is done"
    );
    assert_eq!(
        outcomes(
            &Bulk { error_code: Some("too-many-calls".into()), ..bulk.clone() },
            retry(RetryFrom::LastGoodPoint, false)
        )
        .await,
        [(good[0], Reopened)]
    );
    world.idle().await;
    assert_eq!(world.failure(good[0]).await.0, "too-many-calls", "on its version it cannot but fail again");
    assert_eq!(
        outcomes(&bulk, Repair::Move(Move::default())).await.iter().filter(|(_, outcome)| *outcome == Moved).count(),
        1
    );
    world.idle().await;
    assert_eq!(world.mail().await.len(), 2, "each sent one");
}
