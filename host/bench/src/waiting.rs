//! What waiting runs cost: on disk, in memory, and at the next start.

use std::{rc::Rc, time::Duration};

use crate::{
    Bench,
    database::Place,
    error::BenchError,
    host::Host,
    load::{End, Load, Numbers, now_ms, send},
    report::{Figure, Made, Target, Unit},
    shop::Template,
};

/// How long the runs may take to come to their waits.
const PATIENCE: Duration = Duration::from_secs(300);
/// How far in the future they wait for, in milliseconds.
const FAR: u64 = 30 * 86_400_000;

/// Measures.
#[allow(clippy::cast_precision_loss)]
pub async fn measure(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    // What a host needs without them.
    Host::with_shop(bench, place).await?.stop().await?;
    let disk_before = place.size().await?;

    let host = Host::start(bench, place).await?;
    let ready_before = host.ready_in;
    let resident_at_start = settled(&host).await?;
    let numbers = Numbers::default();
    let load = |count| Load {
        template: Rc::new(Template::wait()),
        connections: 4,
        batch: 500.min(count),
        end: End::With(count),
        time_ms: Some(now_ms() + FAR),
    };
    // Some first, so that buffers and caches have their size.
    let first = bench.sizes.waiting / 10;
    send(&host, &numbers, &load(first)).await?;
    host.idle(PATIENCE).await?;
    let resident_before = settled(&host).await?;
    let count = bench.sizes.waiting - first;
    let sent = send(&host, &numbers, &load(count)).await?;
    host.idle(PATIENCE).await?;
    let resident_after = settled(&host).await?;
    let waiting = host.ask("GET", "/api/v1/run-counts", "", &[]).await?["waiting"].as_u64().unwrap_or_default();
    host.stop().await?;
    let disk_after = place.size().await?;

    let host = Host::start(bench, place).await?;
    let ready_after = host.ready_in;
    let resident_at_restart = settled(&host).await?;
    host.stop().await?;

    let mut made = Made::default();
    if waiting != bench.sizes.waiting {
        made.faults.push(format!(
            "{}: {} waits were accepted, but {waiting} runs wait",
            place.kind(),
            bench.sizes.waiting
        ));
    }
    let each = |after: u64, before: u64, count: u64| (after as f64 - before as f64) / count as f64;
    made.heading(format!("{} waiting runs, each with its event", bench.sizes.waiting));
    let mut add =
        |key: &str, what: &str, value, unit, target| made.add(Figure::new("waiting", key, what, value, unit, target));
    let disk = each(disk_after, disk_before, bench.sizes.waiting);
    add("disk", "disk a waiting run, event included", disk, Unit::Bytes, Some(Target::below(2_048.0)));
    let resident = each(resident_after, resident_before, count);
    add("resident", "resident memory a waiting run", resident, Unit::Bytes, Some(Target::below(300.0)));
    let restarted = each(resident_at_restart, resident_at_start, bench.sizes.waiting);
    add("resident_restart", "resident memory a waiting run, after a restart", restarted, Unit::Bytes, None);
    add(
        "ready",
        "start with them, to the first answer",
        ready_after.as_secs_f64() * 1e3,
        Unit::Millis,
        Some(Target::below(2_000.0)),
    );
    add("ready_none", "start without them", ready_before.as_secs_f64() * 1e3, Unit::Millis, None);
    let rate = sent.accepted as f64 / sent.took.as_secs_f64();
    add("accepted", "events accepted meanwhile", rate, Unit::PerSecond, None);
    Ok(made)
}

/// Memory once nothing happens any more: the least of some readings. The allocator gives freed pages back only
/// while it is asked for others, so the host is asked for something meanwhile.
async fn settled(host: &Host) -> Result<u64, BenchError> {
    let mut least = u64::MAX;
    for _ in 0..20 {
        for _ in 0..20 {
            host.ask("GET", "/api/v1/run-counts", "", &[]).await?;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        least = least.min(host.usage().resident);
    }
    Ok(least)
}
