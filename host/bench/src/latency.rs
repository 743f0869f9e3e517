//! From the request to the end of the run at 200 events a second, as a client sees it: from the time at
//! which the request was due to be sent to the arrival of `run_ended` over the live feed, which tells it
//! after it is durable.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::task::LocalSet;

use crate::{
    Bench,
    database::Place,
    error::{BenchError, doing},
    figures::percentile,
    host::Host,
    load::{End, Load, Numbers, now_ms, send},
    report::{Figure, Made, Target, Unit},
    shop::Template,
    wire::{Connection, head_of},
};

/// Connections that take turns.
const CONNECTIONS: u32 = 20;
/// Events a second, all together.
const RATE: u32 = 200;

/// Times by the run's id.
type Times = Rc<RefCell<HashMap<String, Instant>>>;

/// Measures.
pub async fn measure(bench: &Bench<'_>, place: &Place) -> Result<Made, BenchError> {
    let host = Host::with_shop(bench, place).await?;
    let numbers = Numbers::default();
    let template = Rc::new(Template::cart_updated());
    let before = host.figures().await?;
    let warm_up = Load { template: template.clone(), connections: 4, batch: 10, end: End::With(500), time_ms: None };
    send(&host, &numbers, &warm_up).await?;
    host.ended(&before, "react", 500, Duration::from_secs(60)).await?;

    let (begun, ended): (Times, Times) = Default::default();
    let local = LocalSet::new();
    let mut feed = Connection::open(host.address).await.map_err(doing("connecting to the host"))?;
    feed.follow(&head_of("GET", "/api/v1/feed", &host.token, "", 0)).await.map_err(doing("GET /api/v1/feed"))?;
    // Its head: from then on it hears.
    feed.more().await.map_err(doing("GET /api/v1/feed"))?;
    let listener = local.spawn_local(listen(feed, ended.clone()));

    let before = host.figures().await?;
    let each = RATE / CONNECTIONS * u32::try_from(bench.sizes.paced_seconds).unwrap_or(1);
    let start = Instant::now() + Duration::from_millis(50);
    let answers = Rc::new(RefCell::new(Vec::new()));
    let mut tasks = Vec::new();
    for n in 0..CONNECTIONS {
        let sender = Sender {
            connection: Connection::open(host.address).await.map_err(doing("connecting to the host"))?,
            token: host.token.clone(),
            template: template.clone(),
            begun: begun.clone(),
            answers: answers.clone(),
        };
        tasks.push(local.spawn_local(sender.run(
            start + Duration::from_secs(1) * n / RATE,
            each,
            1_000_000 + u64::from(n * each),
        )));
    }
    let sent = u64::from(each * CONNECTIONS);
    let done = local.run_until(async {
        for task in tasks {
            task.await.map_err(std::io::Error::other).map_err(doing("sending"))??;
        }
        host.ended(&before, "react", sent, Duration::from_secs(60)).await?;
        // What the feed still has to bring.
        let waited = Instant::now();
        while (ended.borrow().len() as u64) < sent && waited.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        listener.abort();
        Ok::<_, BenchError>(())
    });
    done.await?;
    host.stop().await?;

    let ended = ended.borrow();
    let begun = begun.borrow();
    let took = begun.iter().filter_map(|(run, begun)| Some(ended.get(run)?.duration_since(*begun).as_secs_f64() * 1e3));
    let mut took: Vec<f64> = took.collect();
    took.sort_by(f64::total_cmp);
    let mut made = Made::default();
    if took.len() as u64 != sent {
        made.faults.push(format!(
            "{}: {sent} events were sent, but the feed told of {} ends",
            place.kind(),
            took.len()
        ));
    }
    let mut answers = answers.borrow_mut();
    answers.sort_by(f64::total_cmp);
    made.heading(format!("{RATE} events a second, one a request; as a client with the live feed sees it"));
    let mut add =
        |key: &str, what: &str, value, target| made.add(Figure::new("latency", key, what, value, Unit::Millis, target));
    add("p50", "request to end of run, p50", percentile(&took, 0.5), None);
    add("p99", "request to end of run, p99", percentile(&took, 0.99), Some(Target::below(50.0)));
    add("max", "request to end of run, longest", percentile(&took, 1.0), None);
    add("answer_p50", "answer to a request, p50", percentile(&answers, 0.5), None);
    add("answer_p99", "answer to a request, p99", percentile(&answers, 0.99), None);
    Ok(made)
}

struct Sender {
    connection: Connection,
    token: String,
    template: Rc<Template>,
    begun: Times,
    answers: Rc<RefCell<Vec<f64>>>,
}

impl Sender {
    /// Sends `count` events at equal distances from `start` on. What is late because an answer was late
    /// counts from when it was due.
    async fn run(mut self, start: Instant, count: u32, first: u64) -> Result<(), BenchError> {
        let head = head_of("POST", "/api/v1/events", &self.token, "application/cloudevents+json", self.template.len());
        let mut request = Vec::new();
        for n in 0..count {
            let due = start + Duration::from_secs(1) * CONNECTIONS * n / RATE;
            tokio::time::sleep_until(due.into()).await;
            // The timer wakes up to a millisecond late: not the host's time.
            let due = if due.elapsed() < Duration::from_millis(2) { Instant::now() } else { due };
            request.clear();
            request.extend_from_slice(&head);
            self.template.write(&mut request, first + u64::from(n), now_ms());
            let answer = self.connection.exchange(&request).await.map_err(doing("POST /api/v1/events"))?;
            self.answers.borrow_mut().push(due.elapsed().as_secs_f64() * 1e3);
            let body = self.connection.body(&answer);
            let read: Value = serde_json::from_slice(body).unwrap_or_default();
            match read["events"][0]["runs"][0]["run"].as_str() {
                Some(run) if answer.status == 202 => drop(self.begun.borrow_mut().insert(run.to_owned(), due)),
                _ => {
                    let body = String::from_utf8_lossy(body).into_owned();
                    return Err(BenchError::Answer { what: "POST /api/v1/events".into(), status: answer.status, body });
                }
            }
        }
        Ok(())
    }
}

/// Notes when the ends of runs are told.
async fn listen(mut feed: Connection, ended: Times) {
    while let Ok(bytes) = feed.more().await {
        let now = Instant::now();
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { continue };
        for line in bytes[..end].split(|byte| *byte == b'\n') {
            let Some(text) = line.strip_prefix(b"data: ") else { continue };
            let Ok(notice) = serde_json::from_slice::<Value>(text) else { continue };
            if notice["notice"] == "run_ended"
                && let Some(run) = notice["run"].as_str()
            {
                ended.borrow_mut().insert(run.to_owned(), now);
            }
        }
        bytes.drain(..=end);
    }
}
