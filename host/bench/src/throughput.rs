//! Events a second, from the request to the end of the run: a `cart.updated` of about 1 KB starts a run
//! that makes three reads and sends one message.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    Bench,
    database::{Kind, Place},
    error::BenchError,
    figures::{Figures, percentile},
    host::Host,
    load::{End, Load, Numbers, Sent, send},
    process::Usage,
    report::{Figure, Made, Target, Unit},
    shop::Template,
};

/// Connections that send batches, and events in each.
const BATCHES: (usize, u64) = (16, 50);
/// How long the runs may take to end after the last event was accepted.
const PATIENCE: Duration = Duration::from_secs(300);

/// Everything that counts, at one time.
struct Counted {
    figures: Figures,
    usage: Usage,
    own: Usage,
    server_time: Option<Duration>,
    server_log: Option<u64>,
}

impl Counted {
    async fn now(host: &Host, place: &Place) -> Result<Self, BenchError> {
        Ok(Self {
            figures: host.figures().await?,
            usage: host.usage(),
            own: Usage::of(std::process::id()),
            server_time: place.server_time(),
            server_log: place.server_log().await?,
        })
    }
}

/// Measures.
pub async fn measure(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    let host = Host::with_shop(bench, place).await?;
    let numbers = Numbers::default();
    let template = Rc::new(Template::cart_updated());
    let load = |connections, batch, end| Load { template: template.clone(), connections, batch, end, time_ms: None };
    let mut accepted = 0;

    let warm_up = load(16, 50, End::With(bench.sizes.warm_up));
    let before = host.figures().await?;
    accepted += send(&host, &numbers, &warm_up).await?.accepted;
    host.ended(&before, "react", accepted, PATIENCE).await?;

    let mut made = Made::default();
    let time = End::After(Duration::from_secs(bench.sizes.load_seconds));
    let (batch_connections, batch) = BATCHES;
    for (name, load) in
        [("single", load(bench.options.connections, 1, time)), ("batch", load(batch_connections, batch, time))]
    {
        let before = Counted::now(&host, place).await?;
        let began = Instant::now();
        let sent = send(&host, &numbers, &load).await?;
        accepted += sent.accepted;
        let done = host.ended(&before.figures, "react", sent.accepted, PATIENCE).await?;
        let after = Counted::now(&host, place).await?;
        say(bench, name, &sent, &before, &after);
        rates(&mut made, name, &load, &sent, done - began);
        costs(&mut made, name, place.kind(), &sent, done - began, &before, &after);
    }
    host.stop().await?;
    made.faults = place.faults(accepted).await?;
    Ok(made)
}

fn say(bench: &Bench<'_>, name: &str, sent: &Sent, before: &Counted, after: &Counted) {
    let since = |metric| after.figures.since(&before.figures, metric, "");
    (bench.say)(&format!(
        "  {name}: {} accepted in {:.1} s, {} refused for a while, {} conflicts, {} retries",
        sent.accepted,
        sent.took.as_secs_f64(),
        sent.refused,
        since("run_conflicts_total"),
        since("run_retries_total"),
    ));
}

#[allow(clippy::cast_precision_loss)]
fn rates(made: &mut Made, name: &'static str, load: &Load, sent: &Sent, until_done: Duration) {
    let what = if load.batch == 1 {
        format!("one event a request, {} connections", load.connections)
    } else {
        format!("{} events a request, {} connections", load.batch, load.connections)
    };
    made.heading(what);
    let mut add =
        |key: &str, what: &str, value, unit, target| made.add(Figure::new(name, key, what, value, unit, target));
    let events = sent.accepted as f64;
    add("accepted", "accepted", events / sent.took.as_secs_f64(), Unit::PerSecond, None);
    let target = Target::at_least(5_000.0).aim(10_000.0);
    add("completed", "accepted and completed", events / until_done.as_secs_f64(), Unit::PerSecond, Some(target));
    add("answer_p50", "answer to a request, p50", percentile(&sent.answers_ms, 0.5), Unit::Millis, None);
    add("answer_p99", "answer to a request, p99", percentile(&sent.answers_ms, 0.99), Unit::Millis, None);
}

#[allow(clippy::cast_precision_loss)]
fn costs(
    made: &mut Made,
    name: &'static str,
    kind: Kind,
    sent: &Sent,
    took: Duration,
    before: &Counted,
    after: &Counted,
) {
    let runs = (sent.accepted as f64).max(1.0);
    let wall = took.as_secs_f64();
    let mut add = |key: &str, what: &str, value, unit| made.add(Figure::new(name, key, what, value, unit, None));
    let since = |metric: &str| after.figures.since(&before.figures, metric, "");
    let per_run = |time: Duration| time.as_secs_f64() * 1e6 / runs;
    let seconds_per_run = |metric: &str| since(metric) * 1e6 / runs;

    let processor = per_run(after.usage.processor() - before.usage.processor());
    add("cpu", "CPU of the host a run", processor, Unit::Micros);
    add("cpu_system", "  of it in the kernel", per_run(after.usage.system - before.usage.system), Unit::Micros);
    let server = match (before.server_time, after.server_time) {
        (Some(before), Some(after)) => Some(per_run(after.saturating_sub(before))),
        _ => None,
    };
    if let Some(server) = server {
        add("cpu_postgres", "CPU of PostgreSQL a run", server, Unit::Micros);
    }
    add("cpu_load", "CPU of the load an event", per_run(after.own.processor() - before.own.processor()), Unit::Micros);

    // Where the host's time goes. The first four are disjoint; what is left is what nothing else counts.
    let http = seconds_per_run("http_busy_seconds");
    let sandbox = seconds_per_run("sandbox_seconds_sum");
    let journal = seconds_per_run("journal_seconds");
    let runs_all = seconds_per_run("runs_busy_seconds");
    let sqlite = per_run(after.usage.sqlite.saturating_sub(before.usage.sqlite));
    add("time_http", "  requests: authorising, parsing, checking, answering", http, Unit::Micros);
    add("time_sandbox", "  sandbox: instances, guest code, host calls", (sandbox - journal).max(0.0), Unit::Micros);
    add("time_journal", "  journal: encoding, decoding", journal, Unit::Micros);
    add("time_runs", "  runs outside of the sandbox", (runs_all - sandbox).max(0.0), Unit::Micros);
    if kind == Kind::Sqlite {
        add("time_sqlite", "  SQLite's threads", sqlite, Unit::Micros);
    }
    let known = http + runs_all.max(sandbox) + sqlite;
    add("time_rest", "  the rest: sockets, scheduling, preparing writes", (processor - known).max(0.0), Unit::Micros);

    let written = match (before.server_log, after.server_log) {
        (Some(before), Some(after)) => after - before,
        _ => after.usage.written - before.usage.written,
    };
    let what = if kind == Kind::Sqlite { "written to disk a run" } else { "written to the server's log a run" };
    add("written", what, written as f64 / runs, Unit::Bytes);
    let commits = since("store_commits");
    add("commits", "commits", commits / wall, Unit::PerSecond);
    add("operations", "operations a commit", since("store_operations") / commits.max(1.0), Unit::Count);
    add("writer", "time in which the writer is busy", since("store_busy_seconds") / wall * 100.0, Unit::Percent);
    add("commit", "  of it in COMMIT", since("store_commit_seconds") / wall * 100.0, Unit::Percent);
    let reads = since("store_reads");
    add("reads", "point reads a run", reads / runs, Unit::Count);
    add("cached", "  of them from memory", since("store_reads_cached") / reads.max(1.0) * 100.0, Unit::Percent);
}
