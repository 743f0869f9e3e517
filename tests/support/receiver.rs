//! The other side of the host's callbacks: a small HTTP server that checks what it gets and counts it.
#![allow(dead_code)] // Each test crate that includes it uses a part.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use shopwright_connectors::{
    callback::{Callback, Timeouts},
    webhooks::signature::{Key, verify},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What deliveries are signed with.
pub const SECRET: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";

/// One delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The idempotency key.
    pub id: String,
    /// `messaging.send-sms`.
    pub kind: String,
    /// The action's arguments.
    pub data: Value,
}

/// What the receiver does with a delivery.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Takes it.
    Take,
    /// Answers with this status and does not take it.
    Status(u16),
    /// Takes it, and hangs up before it says so.
    HangUp,
}

#[derive(Default)]
struct State {
    seen: Vec<Delivery>,
    answers: VecDeque<Answer>,
    faults: Vec<String>,
    held: bool,
}

/// The receiver.
#[derive(Clone)]
pub struct Receiver {
    url: String,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl Receiver {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let receiver = Self { url, state: Arc::default(), changed: Arc::default() };
        let shared = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        receiver
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The sender's side.
    pub fn callback(&self) -> Arc<Callback> {
        Arc::new(Callback::new(&self.url, &[SECRET], Timeouts::default()).expect("a callback"))
    }

    /// What it does with the next deliveries; it takes all after them.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().expect("not poisoned").answers.extend(answers);
    }

    /// From now on it answers nothing until [`Receiver::release`].
    pub fn hold(&self) {
        self.state.lock().expect("not poisoned").held = true;
    }

    /// Answers what it held.
    pub fn release(&self) {
        self.state.lock().expect("not poisoned").held = false;
        self.changed.notify_waiters();
    }

    /// All that it took, repetitions too.
    pub fn seen(&self) -> Vec<Delivery> {
        let state = self.state.lock().expect("not poisoned");
        assert!(state.faults.is_empty(), "{:?}", state.faults);
        state.seen.clone()
    }

    /// How often each key came, with what it said.
    pub fn by_key(&self) -> BTreeMap<String, (u32, Delivery)> {
        let mut all: BTreeMap<String, (u32, Delivery)> = BTreeMap::new();
        for delivery in self.seen() {
            let (count, first) = all.entry(delivery.id.clone()).or_insert_with(|| (0, delivery.clone()));
            *count += 1;
            assert_eq!((&first.kind, &first.data), (&delivery.kind, &delivery.data), "one key, two contents");
        }
        all
    }

    /// Completes when it has taken (or holds) `count` deliveries.
    pub async fn until(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.state.lock().expect("not poisoned").seen.len() >= count {
                return;
            }
            tokio::time::timeout(Duration::from_secs(30), changed).await.expect("a delivery comes");
        }
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let Some((headers, body)) = read_request(&mut stream).await else { return };
            let answer = self.take(&headers, &body);
            self.changed.notify_waiters();
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if !self.state.lock().expect("not poisoned").held {
                    break;
                }
                changed.await;
            }
            let reply = match answer {
                Answer::Take => "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"reference\": \"r\"}".to_owned(),
                Answer::Status(status) => format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n"),
                Answer::HangUp => return,
            };
            if stream.get_mut().write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn take(&self, headers: &BTreeMap<String, String>, body: &[u8]) -> Answer {
        let mut state = self.state.lock().expect("not poisoned");
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        let keys = [Key::parse(SECRET).expect("a key")];
        let now = at.parse::<i64>().unwrap_or_default() * 1_000;
        if let Err(error) = verify(&keys, id, at, header("webhook-signature"), body, now) {
            state.faults.push(format!("{id}: {error:?}"));
        }
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        if message["id"] != id || id.is_empty() {
            state.faults.push(format!("the key in the header is `{id}`, in the body {}", message["id"]));
        }
        let answer = state.answers.pop_front().unwrap_or(Answer::Take);
        if !matches!(answer, Answer::Status(_)) {
            let kind = message["type"].as_str().unwrap_or_default().to_owned();
            state.seen.push(Delivery { id: id.to_owned(), kind, data: message["data"].clone() });
        }
        answer
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(BTreeMap<String, String>, Vec<u8>)> {
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((headers, body))
}
