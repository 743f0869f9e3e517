//! Schedules: in the shop's zone, each time at most once, with a stated rule for those that were missed.

use serde_json::json;
use shopwright_engine::{Change, Mode, NewShop};
use shopwright_model::Millis;

use crate::{
    probe,
    support::{DAY, HOUR, MINUTE, SHOP, START, Setup, World, install},
};

fn workflow(cron: &str, missed: &str) -> String {
    format!(
        "[[workflow]]\nname = \"timed\"\ntitle = \"Timed\"\n[[workflow.trigger]]\nschedule = \"{cron}\"\nmissed = \"{missed}\"\n"
    )
}

/// What a run says: when it was meant to be, in hours since the start.
async fn times(world: &World) -> Vec<f64> {
    let runs = world.runs().await.into_iter().filter(|run| run.workflow == "timed");
    runs.map(|run| {
        let at: Millis = run.input.expect("the time").parse().expect("a number");
        #[allow(clippy::cast_precision_loss)]
        let hours = (at - START) as f64 / HOUR as f64;
        hours
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_by_the_shops_own_clock() {
    // The start is Monday, 10:00 in Berlin. Sunday the 29th, its summer begins.
    let world = World::with_workflows(Setup::default(), &workflow("30 6 * * *", "once"), json!({})).await;
    world.pass(2 * DAY).await;
    assert_eq!(times(&world).await, [20.5, 44.5]);
    world.pass_until(START + 27 * DAY).await.expect("time passes");
    let times = times(&world).await;
    assert_eq!(times.len(), 27);
    assert_eq!((times[25], times[26]), (20.5 + 25.0 * 24.0, 20.5 + 26.0 * 24.0 - 1.0), "an hour less that night");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_made_up_for_as_the_manifest_says() {
    for (missed, expected) in [
        ("once", vec![10.0, 11.0]),
        ("all", vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]),
        ("none", vec![11.0]),
    ] {
        let world = World::with_workflows(Setup::default(), &workflow("0 * * * *", missed), json!({})).await;
        // The host is away for ten hours and a half.
        world.clock.set(START + 10 * HOUR + 30 * MINUTE);
        world.pass(HOUR).await;
        assert_eq!(times(&world).await, expected, "{missed}");
    }
}

/// The host died after it had started the run and before it had noted so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_fired_does_not_fire_again() {
    let world = World::with_workflows(Setup::default(), &workflow("0 * * * *", "all"), json!({})).await;
    let before = world.store().schedules_list(SHOP).await.expect("schedules");
    world.pass(2 * HOUR).await;
    assert_eq!(times(&world).await, [1.0, 2.0]);
    // As if nothing of it had been noted.
    world.store().schedules_put(SHOP, "probe", before).await.expect("put back");
    world.pass(HOUR).await;
    assert_eq!(times(&world).await, [1.0, 2.0, 3.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_installation_fires_nothing_and_a_changed_schedule_begins_anew() {
    let world = World::with_workflows(Setup::default(), &workflow("0 * * * *", "all"), json!({})).await;
    world.engine.change(SHOP, "probe", Change { mode: Some(Mode::Paused), ..Change::default() }).await.expect("paused");
    world.pass(3 * HOUR).await;
    assert!(times(&world).await.is_empty());
    assert!(world.store().schedules_list(SHOP).await.expect("schedules").is_empty());
    world.engine.change(SHOP, "probe", Change { mode: Some(Mode::Live), ..Change::default() }).await.expect("live");
    world.pass(HOUR).await;
    assert_eq!(times(&world).await, [4.0], "what lay in the pause is not made up for");

    world.add(probe::package_as(&probe::manifest("1.1.0", &workflow("30 * * * *", "all")))).await;
    world
        .engine
        .change(SHOP, "probe", Change { version: Some("1.1.0".into()), ..Change::default() })
        .await
        .expect("upgraded");
    world.pass(HOUR).await;
    assert_eq!(times(&world).await, [4.0, 4.5]);

    world.engine.remove(SHOP, "probe").await.expect("removed");
    world.pass(DAY).await;
    assert_eq!(times(&world).await, [4.0, 4.5]);
    assert_eq!(world.engine.next_wake().await.expect("a time"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shop_has_its_own_zone() {
    let world = World::with_workflows(Setup::default(), &workflow("0 6 * * *", "once"), json!({})).await;
    let shop =
        NewShop { id: "tokyo".into(), name: String::new(), currency: "JPY".into(), time_zone: "Asia/Tokyo".into() };
    world.engine.create_shop(shop).await.expect("a shop");
    let package = probe::package_as(&probe::manifest("1.0.0", &workflow("0 6 * * *", "once")));
    world.engine.add_component("tokyo", package, "test").await.expect("taken");
    world.engine.install("tokyo", install("probe", json!({}))).await.expect("installed");
    let next: Vec<_> = ["main", "tokyo"]
        .map(async |shop| world.store().schedules_list(shop).await.expect("schedules")[0].next_at.expect("a time"))
        .into_iter()
        .collect();
    let mut at = Vec::new();
    for next in next {
        at.push((next.await - START) / HOUR);
    }
    // 06:00 the next day in Berlin is 05:00 UTC, in Tokyo 21:00 UTC of this day; the start is 09:00 UTC.
    assert_eq!(at, [20, 12]);
}
