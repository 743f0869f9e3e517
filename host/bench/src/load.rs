//! The load: connections that each send one prepared request after another and wait for the answer.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::task::LocalSet;

use crate::{
    error::{BenchError, doing},
    host::Host,
    shop::Template,
    wire::{Connection, head_of},
};

/// How a load is made.
#[derive(Clone)]
pub struct Load {
    /// What is sent.
    pub template: Rc<Template>,
    /// Connections.
    pub connections: usize,
    /// Events in a request; 1: not as a batch.
    pub batch: u64,
    /// When to end.
    pub end: End,
    /// The time in every event; now where there is none.
    pub time_ms: Option<u64>,
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// After a time.
    After(Duration),
    /// With this many events.
    With(u64),
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events that were accepted.
    pub accepted: u64,
    /// Requests that were answered with 429.
    pub refused: u64,
    /// How long accepted requests took, in milliseconds, sorted.
    pub answers_ms: Vec<f64>,
    /// From the first request to the last answer.
    pub took: Duration,
}

/// Gives out numbers of events, never one twice.
#[derive(Clone, Default)]
pub struct Numbers {
    next: Rc<Cell<u64>>,
}

impl Numbers {
    fn take(&self, count: u64) -> u64 {
        let first = self.next.get();
        self.next.set(first + count);
        first
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Sends it. A request that is refused with 429 is sent again after the time that the host asks for.
pub async fn send(host: &Host, numbers: &Numbers, load: &Load) -> Result<Sent, BenchError> {
    let sent = Rc::new(RefCell::new(Sent::default()));
    let began = Instant::now();
    let first = numbers.next.get();
    let local = LocalSet::new();
    let mut tasks = Vec::new();
    for _ in 0..load.connections {
        let connection = Connection::open(host.address).await.map_err(doing("connecting to the host"))?;
        let sender = Sender {
            connection,
            load: load.clone(),
            numbers: numbers.clone(),
            sent: sent.clone(),
            token: host.token.clone(),
            began,
            first,
        };
        tasks.push(local.spawn_local(sender.run()));
    }
    local
        .run_until(async {
            for task in tasks {
                match task.await {
                    Ok(result) => result?,
                    Err(error) => return Err(doing("sending")(std::io::Error::other(error))),
                }
            }
            Ok(())
        })
        .await?;
    let mut sent = sent.take();
    sent.took = began.elapsed();
    sent.answers_ms.sort_by(f64::total_cmp);
    Ok(sent)
}

struct Sender {
    connection: Connection,
    load: Load,
    numbers: Numbers,
    sent: Rc<RefCell<Sent>>,
    token: String,
    began: Instant,
    first: u64,
}

impl Sender {
    async fn run(mut self) -> Result<(), BenchError> {
        let (mut request, mut head) = (Vec::new(), Vec::new());
        let mut size = 0;
        loop {
            let count = match self.load.end {
                End::After(time) if self.began.elapsed() >= time => return Ok(()),
                End::After(_) => self.load.batch,
                End::With(total) => match (self.first + total).saturating_sub(self.numbers.next.get()) {
                    0 => return Ok(()),
                    left => left.min(self.load.batch),
                },
            };
            let number = self.numbers.take(count);
            if size != count {
                head = self.head(count);
                size = count;
            }
            self.fill(&mut request, &head, number, count);
            let began = Instant::now();
            loop {
                let answer = self.connection.exchange(&request).await.map_err(doing("POST /api/v1/events"))?;
                match answer.status {
                    202 => break,
                    429 => {
                        self.sent.borrow_mut().refused += 1;
                        tokio::time::sleep(Duration::from_secs(answer.retry_after.unwrap_or(1))).await;
                    }
                    status => {
                        let body = String::from_utf8_lossy(self.connection.body(&answer)).into_owned();
                        return Err(BenchError::Answer { what: "POST /api/v1/events".into(), status, body });
                    }
                }
            }
            let mut sent = self.sent.borrow_mut();
            sent.accepted += count;
            sent.answers_ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }

    fn head(&self, count: u64) -> Vec<u8> {
        let one = self.load.template.len();
        if self.load.batch == 1 {
            return head_of("POST", "/api/v1/events", &self.token, "application/cloudevents+json", one);
        }
        // A bracket and a comma or bracket for each.
        let events = usize::try_from(count).unwrap_or(1);
        head_of("POST", "/api/v1/events", &self.token, "application/cloudevents-batch+json", 1 + events * (one + 1))
    }

    fn fill(&self, request: &mut Vec<u8>, head: &[u8], number: u64, count: u64) {
        let time = self.load.time_ms.unwrap_or_else(now_ms);
        request.clear();
        request.extend_from_slice(head);
        if self.load.batch == 1 {
            self.load.template.write(request, number, time);
            return;
        }
        for n in 0..count {
            request.push(if n == 0 { b'[' } else { b',' });
            self.load.template.write(request, number + n, time);
        }
        request.push(b']');
    }
}
