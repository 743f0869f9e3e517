//! Rollouts: who gets the new version, promoting it, taking it back by hand and by the host; versions that go.

use serde_json::{Value, json};
use shopwright_engine::{Change, EngineError, Guard, Installation, Notice, RollOut, Share, bucket};
use shopwright_model::Clock as _;
use shopwright_store::{Retention, ops::RunRow};

use crate::{
    probe,
    support::{DAY, MINUTE, SHOP, START, Setup, World, install},
};

const WORKFLOWS: &str = "[[workflow]]\nname = \"keyed\"\ntitle = \"Keyed\"\n[[workflow.trigger]]\nevent = [\"probe.key\"]\n\
     [workflow.concurrency]\nkey = \"event.data.key\"\nrule = \"allow\"\n\
     [[workflow]]\nname = \"script\"\ntitle = \"Script\"\n[[workflow.trigger]]\nevent = [\"probe.go\"]\n\
     [[workflow]]\nname = \"timed\"\ntitle = \"Timed\"\n[[workflow.trigger]]\nschedule = \"0 * * * *\"\nmissed = \"all\"\n";

/// The probe in three versions, the first installed.
async fn world() -> World {
    let world = World::with(Setup::default()).await;
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        world.add(probe::package_as(&probe::manifest(version, WORKFLOWS))).await;
    }
    let first = shopwright_engine::Install { version: Some("1.0.0".into()), ..install("probe", saying("old")) };
    world.engine.install(SHOP, first).await.expect("it is installed");
    world
}

fn saying(word: &str) -> Value {
    json!({"steps": [{"do": "add", "key": word, "by": 1}]})
}

fn roll_out(version: &str, settings: Value, share: Share) -> RollOut {
    RollOut { version: version.into(), settings: Some(settings), grants: None, share, guard: None }
}

fn installation(world: &World) -> Installation {
    world.engine.installations(SHOP).expect("a shop").remove(0)
}

async fn digest(world: &World, version: &str) -> String {
    let versions = world.engine.versions(SHOP).await.expect("versions");
    versions.into_iter().find(|known| known.version == version).expect("it is there").digest
}

async fn trigger(world: &World, id: &str, key: &str) -> RunRow {
    let intake = world.event("probe.key", id, json!({"key": key})).await;
    assert_eq!(intake.runs.len(), 1, "one of the versions takes it");
    world.row(intake.runs[0].run.expect("a run")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_takes_its_share_and_keeps_it_while_it_grows() {
    let world = world().await;
    let new = digest(&world, "2.0.0").await;
    for percent in [20.0, 60.0] {
        world
            .engine
            .roll_out(SHOP, "probe", roll_out("2.0.0", saying("new"), Share::Percent(percent)))
            .await
            .expect("it begins");
        let mut taken = 0;
        for n in 0..50 {
            let key = format!("cart:{n}");
            let run = trigger(&world, &format!("{percent}-{n}"), &key).await;
            assert_eq!(run.digest == new, f64::from(bucket("probe", &key)) < percent * 100.0, "{key}");
            assert_eq!(run.settings.contains("\"new\""), run.digest == new, "with its own settings");
            taken += u32::from(run.digest == new);
        }
        assert!((1..50).contains(&taken));
    }
    // Without a key: the first entity, else the event; all that name an entity of a list.
    let share = Share::Keys(vec!["customer:7".into(), "timed".into()]);
    world.engine.roll_out(SHOP, "probe", roll_out("2.0.0", saying("new"), share)).await.expect("it changes");
    let of = async |id: &str, concerns: &[&str]| {
        let mut event = crate::support::event(START, "probe.go", id, json!({}));
        event.concerns = concerns.iter().map(ToString::to_string).collect();
        let intake = world.engine.ingest(SHOP, vec![event]).await.expect("accepted").remove(0);
        world.idle().await;
        world.row(intake.runs[0].run.expect("a run")).await.digest
    };
    assert_eq!(of("a", &["cart:1", "customer:7"]).await, new);
    assert_eq!(of("b", &["cart:1", "customer:8"]).await, digest(&world, "1.0.0").await);
    // Schedules and runs by hand.
    world.engine.roll_out(SHOP, "probe", roll_out("2.0.0", saying("new"), Share::All)).await.expect("it changes");
    world.pass_until(START + 60 * MINUTE).await.expect("time passes");
    assert!(world.runs().await.iter().filter(|run| run.workflow == "timed").all(|run| run.digest == new));
    let by_hand = world.engine.start_run(SHOP, "probe", "script", &json!({}), None).await.expect("started");
    assert_eq!(world.row(by_hand).await.digest, new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoting_and_rolling_back_count_from_the_next_event() {
    let world = world().await;
    let versions = [digest(&world, "1.0.0").await, digest(&world, "2.0.0").await];
    let waiting = world.event("probe.key", "w", json!({"key": "k", "steps": [{"do": "sleep", "ms": 2 * DAY}]})).await;
    let none = world.engine.promote(SHOP, "probe").await.expect_err("nothing to promote");
    assert_eq!(none.code(), "no-candidate");
    assert_eq!(world.engine.roll_back(SHOP, "probe", "no").await.expect_err("nothing").code(), "nothing-to-roll-back");
    world.engine.roll_out(SHOP, "probe", roll_out("2.0.0", saying("new"), Share::Percent(0.0))).await.expect("begun");
    assert_eq!(trigger(&world, "1", "k").await.digest, versions[0]);
    let upgrade = Change { version: Some("3.0.0".into()), ..Change::default() };
    let refused = world.engine.change(SHOP, "probe", upgrade.clone()).await.expect_err("a rollout is under way");
    assert_eq!(refused.code(), "rollout-under-way");
    // It survives a restart.
    world.engine.stop().await;
    // No process comes back within the millisecond it died in.
    world.clock.advance(1);
    let store = world.store().reopen().await.expect("it comes back");
    let world = World::over(store, world.clock.clone(), Setup::default()).await.expect("an engine");
    let promoted = world.engine.promote(SHOP, "probe").await.expect("promoted");
    assert_eq!((promoted.version.as_str(), &promoted.settings), ("2.0.0", &saying("new")));
    assert_eq!(trigger(&world, "2", "k").await.digest, versions[1]);
    let back = world.engine.roll_back(SHOP, "probe", "not good").await.expect("back");
    assert_eq!((back.version.as_str(), &back.settings), ("1.0.0", &saying("old")));
    let told = back.rollout.rolled_back.expect("it says so");
    assert_eq!((told.version.as_str(), told.reason.as_str(), told.automatic), ("2.0.0", "not good", false));
    assert_eq!(trigger(&world, "3", "k").await.digest, versions[0]);
    assert_eq!(world.row(waiting.runs[0].run.expect("a run")).await.digest, versions[0], "runs stay on theirs");
    // An upgrade at once can be taken back as well.
    world.engine.change(SHOP, "probe", upgrade).await.expect("upgraded");
    assert_eq!(world.engine.roll_back(SHOP, "probe", "").await.expect("back").version, "1.0.0");
    let bad = world.engine.roll_out(SHOP, "probe", roll_out("2.0.0", saying("x"), Share::Percent(101.0))).await;
    assert!(matches!(bad, Err(EngineError::Invalid { .. })));
    let less = RollOut { grants: Some(json!([])), ..roll_out("2.0.0", saying("x"), Share::All) };
    assert_eq!(world.engine.roll_out(SHOP, "probe", less).await.expect_err("it needs more").code(), "not-granted");
}

fn failing() -> Value {
    json!({"steps": [{"do": "fatal", "message": "no"}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_is_taken_back_by_the_host_also_after_a_restart() {
    for promoted in [false, true] {
        let world = world().await;
        let guard = Some(Guard { failure_percent: 40.0, min_runs: 4, window_minutes: 30 });
        world
            .engine
            .roll_out(SHOP, "probe", RollOut { guard, ..roll_out("2.0.0", failing(), Share::All) })
            .await
            .expect("begun");
        // What failed before the window counts no more.
        for n in 0..3 {
            trigger(&world, &format!("early{n}"), "k").await;
        }
        world.pass(31 * MINUTE).await;
        if promoted {
            world.engine.promote(SHOP, "probe").await.expect("promoted");
        }
        for n in 0..3 {
            assert_ne!(trigger(&world, &n.to_string(), "k").await.digest, digest(&world, "1.0.0").await);
        }
        let figures = world.engine.rollout_figures(SHOP, "probe").expect("there").expect("watched");
        assert_eq!((figures.ended, figures.failed), (3, 3));
        assert!(installation(&world).rollout.rolled_back.is_none(), "three are too few");
        world.engine.stop().await;
        world.clock.advance(1);
        let store = world.store().reopen().await.expect("it comes back");
        let world = World::over(store, world.clock.clone(), Setup::default()).await.expect("an engine");
        let mut feed = world.engine.subscribe();
        trigger(&world, "4", "k").await;
        let now = installation(&world);
        assert_eq!((now.version.as_str(), &now.settings), ("1.0.0", &saying("old")), "promoted: {promoted}");
        let back = now.rollout.rolled_back.expect("it says so");
        assert!(back.automatic && back.reason.contains("4 of 4 runs failed"), "{back:?}");
        assert_eq!(trigger(&world, "5", "k").await.digest, digest(&world, "1.0.0").await);
        let audit = world.store().audit_list(SHOP, None, 10).await.expect("an audit");
        assert!(audit.iter().any(|row| row.entry.who == "host" && row.entry.what == "installation.rolled-back"));
        assert!(world.engine.metrics().contains("shopwright_rollbacks_automatic_total 1"));
        let mut told = false;
        while let Ok(notice) = feed.try_recv() {
            told |= matches!(notice, Notice::RolledBack { automatic: true, .. });
        }
        assert!(told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_go_when_nobody_needs_them() {
    let world = world().await;
    let digests = [digest(&world, "1.0.0").await, digest(&world, "2.0.0").await, digest(&world, "3.0.0").await];
    let left = async || world.engine.versions(SHOP).await.expect("versions").len();
    let all = world.clock.now() + DAY;
    trigger(&world, "1", "k").await;
    let upgrade = |version: &str| Change { version: Some(version.into()), ..Change::default() };
    world.engine.change(SHOP, "probe", upgrade("2.0.0")).await.expect("upgraded");
    assert_eq!(world.engine.remove_old_versions(all).await.expect("swept"), 0, "installed, before, newest");
    world.engine.change(SHOP, "probe", upgrade("3.0.0")).await.expect("upgraded");
    assert_eq!(world.engine.remove_old_versions(all).await.expect("swept"), 0, "a kept run was on the first");
    let journals = Retention { journals_before: Some(world.clock.now() + 1), ..Retention::default() };
    while world.store().retention_step(journals, 100).await.expect("a step") > 0 {}
    assert_eq!(world.engine.remove_old_versions(START).await.expect("swept"), 0, "not old enough");
    assert_eq!(world.engine.remove_old_versions(all).await.expect("swept"), 2, "a version and its component");
    assert_eq!(left().await, 2);
    assert!(world.store().component(&digests[0]).await.expect("read").is_none());
    for digest in &digests[1..] {
        assert!(world.store().component(digest).await.expect("read").is_some());
    }
    // What is gone can come again.
    world.add(probe::package_as(&probe::manifest("1.0.0", WORKFLOWS))).await;
    world.engine.change(SHOP, "probe", upgrade("1.0.0")).await.expect("installed again");
    trigger(&world, "2", "k").await;
}
