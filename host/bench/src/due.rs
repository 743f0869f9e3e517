//! Many runs that are due at the same time: how long until all of them are done.

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

/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures.
#[allow(clippy::cast_precision_loss)]
pub async fn measure(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    let host = Host::with_shop(bench, place).await?;
    let count = bench.sizes.due;
    let due = now_ms() + bench.sizes.due_in_seconds * 1_000;
    let template = Rc::new(Template::wait());
    let load = Load { template, connections: 4, batch: 500, end: End::With(count), time_ms: Some(due) };
    let before = host.figures().await?;
    send(&host, &Numbers::default(), &load).await?;
    host.idle(PATIENCE).await?;
    let waiting = host.ask("GET", "/api/v1/run-counts", "", &[]).await?["waiting"].as_u64().unwrap_or_default();
    if waiting != count || now_ms() + 500 > due {
        let state = format!("{waiting} of {count}");
        return Err(BenchError::Late { what: "not all runs wait", seconds: bench.sizes.due_in_seconds, state });
    }
    tokio::time::sleep(Duration::from_millis(due.saturating_sub(now_ms()))).await;
    host.ended(&before, "wait", count, PATIENCE).await?;
    let took = now_ms().saturating_sub(due) as f64 / 1e3;
    host.stop().await?;
    let done = place.number("SELECT count(*) FROM runs WHERE workflow = 'wait' AND state = 'done'").await?;
    let mut made = Made::default();
    if done.unsigned_abs() != count {
        made.faults.push(format!("{}: {count} runs were due, but {done} are done", place.kind()));
    }
    made.heading(format!("{count} runs due in the same millisecond"));
    made.add(Figure::new("due", "last_done", "until the last is done", took, Unit::Seconds, Some(Target::below(3.0))));
    Ok(made)
}
