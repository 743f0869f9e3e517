//! Events that tell afterwards whether something was lost or done twice, and who sends them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    host::{Client, PATIENCE},
    mail::MailServer,
    receiver::Receiver,
};

/// A generator that a seed decides: a linear congruential one is enough to choose moments.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// What runs do that can be counted afterwards.
#[derive(Clone)]
pub enum Doing {
    /// Everything stays in our own store: messages in the mailbox, prices in the model.
    Own,
    /// Messages leave: the receiver gets text messages and notices, the mail server e-mail, else the mailbox.
    Outside { receiver: Receiver, mail: Option<MailServer> },
}

impl Doing {
    /// What event `id` makes its run do: our own sums before and after, actions, a wait.
    fn steps(&self, id: u64) -> Value {
        let email = json!({"do": "email", "customer": "42", "note": format!("note {id}.")});
        let (first, last) = match self {
            Self::Own => (
                json!({"do": "discount", "customer": "42", "percent": 5.0, "days": 1}),
                json!({"do": "price", "variant": "v1", "amount": 1_000 + id}),
            ),
            Self::Outside { .. } => (
                json!({"do": "sms", "customer": "42", "text": id.to_string()}),
                json!({"do": "staff", "channel": "#sum", "text": id.to_string()}),
            ),
        };
        json!([{"do": "customer", "id": "42"}, {"do": "add", "key": "sum", "by": id}, first,
            {"do": "sleep", "ms": 1 + id % 40}, email, last, {"do": "add", "key": "ended", "by": 1}])
    }
}

/// What the events need in the shop.
pub async fn prepare(client: &Client) {
    client.install_probe().await;
    client.add_customer("42").await;
    client.remove_guardrails().await;
    let money = json!({"amount": 1_000, "currency": "EUR"});
    let product = json!({"id": "p1", "title": "Shoe", "category": "shoes", "publication": "published",
        "variants": [{"id": "v1", "product": "p1", "title": "Shoe", "price": money}]});
    client.ask(Method::PUT, "/api/v1/model/product/p1", product).await.ok();
}

/// Senders at work.
pub struct Traffic {
    doing: Doing,
    accepted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    numbers: Arc<Mutex<Numbers>>,
    senders: Vec<JoinHandle<()>>,
}

/// The events' numbers, from 1.
struct Numbers {
    given: u64,
    most: u64,
}

/// Sends at most `most` events, numbered from 1, by senders that do not give up: sender `n` talks to
/// client `n` modulo their number, and to the next one after a failure.
pub fn begin(doing: Doing, clients: &[Client], most: u64) -> Traffic {
    let (accepted, refused) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let numbers = Arc::new(Mutex::new(Numbers { given: 0, most }));
    let senders = (0..6)
        .map(|sender| {
            let (clients, numbers) = (clients.to_vec(), numbers.clone());
            let (accepted, refused, doing) = (accepted.clone(), refused.clone(), doing.clone());
            tokio::spawn(async move {
                let mut at: usize = sender;
                loop {
                    let next = numbers.lock().expect("not poisoned").next();
                    let Some(id) = next else { return };
                    insist(&clients, &mut at, id, &json!({"steps": doing.steps(id)}), &refused).await;
                    accepted.fetch_add(1, Ordering::Relaxed);
                    // A shop's pace: what is accepted is also to be done.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    Traffic { doing, accepted, refused, numbers, senders }
}

impl Numbers {
    fn next(&mut self) -> Option<u64> {
        if self.given >= self.most {
            return None;
        }
        self.given += 1;
        Some(self.given)
    }
}

/// Sends an event again and again until somebody says that it is accepted.
async fn insist(clients: &[Client], at: &mut usize, id: u64, script: &Value, refused: &AtomicU64) {
    let began = Instant::now();
    loop {
        let client = &clients[*at % clients.len()];
        match client.event("probe.go", &format!("e{id}"), script.clone()).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => return,
            // Full, away, or not ready again.
            Ok(answer) => {
                let (status, code) = (answer.status.as_u16(), answer.code());
                assert!(matches!((status, code), (429, "busy") | (503, "unavailable")), "{status}: {}", answer.body);
                assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
                refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        *at += 1;
        assert!(began.elapsed() < PATIENCE, "the host does not come back");
        // A platform's own pause between tries.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Traffic {
    /// How many events were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many answers were "not now".
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Completes when `count` events were accepted.
    pub async fn until_accepted(&self, count: u64) {
        let began = Instant::now();
        while self.accepted() < count {
            assert!(began.elapsed() < PATIENCE, "{} of {count} events were accepted", self.accepted());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// No more than what is under way.
    pub fn stop(&self) {
        let mut numbers = self.numbers.lock().expect("not poisoned");
        numbers.most = numbers.given;
    }

    /// Waits until every event was accepted and every run has ended, and checks all sums, here and at the
    /// receivers. `doubts`: how many e-mails may be in doubt at the most. Gives the number of events.
    pub async fn settle(mut self, client: &Client, doubts: u64) -> u64 {
        for sender in self.senders.drain(..) {
            sender.await.expect("every event is accepted");
        }
        let events = self.numbers.lock().expect("not poisoned").given;
        settle(&self.doing, client, events, doubts).await;
        events
    }
}

async fn settle(doing: &Doing, client: &Client, events: u64, doubts: u64) {
    let still = |counts: &Value| counts["active"] == 0 && counts["waiting"] == 0 && counts["blocked"] == 0;
    let counts = client.until("/api/v1/run-counts", still).await;
    assert_eq!((&counts["done"], &counts["failed"]), (&json!(events), &json!(0)), "{counts}");

    // Every event has one run, whatever was sent again.
    let accepted = client.all("/api/v1/events?kind=probe.go").await;
    assert_eq!(accepted.len() as u64, events, "each event was accepted once");

    // Our own store: exactly once.
    let asked = json!({"installation": "probe", "workflow": "script",
        "input": {"steps": [{"do": "get", "key": "sum"}, {"do": "get", "key": "ended"}]}});
    let run = client.ask(Method::POST, "/api/v1/runs", asked).await.ok()["run"].as_str().expect("a run").to_owned();
    assert_eq!(client.said(&run).await, json!([events * (events + 1) / 2, events]));
    let all: Vec<u64> = (1..=events).collect();
    let ledger = client.all("/api/v1/effects").await;
    assert_eq!(ledger.len() as u64, 3 * events, "three actions for each event");
    let of = |action: &str| ledger.iter().filter(|effect| effect["action"] == action).collect::<Vec<_>>();
    let mut mailbox: Vec<u64> =
        client.all("/api/v1/mailbox").await.iter().filter_map(|message| note(message["text"].as_str()?)).collect();
    mailbox.sort_unstable();
    match doing {
        Doing::Own => {
            assert!(ledger.iter().all(|effect| effect["state"] == "done"));
            assert_eq!(mailbox, all, "the mailbox has each message once");
            let mut amounts: Vec<u64> = of("pricing-actions.set-price")
                .iter()
                .filter_map(|price| find_number(&price["request"], "amount"))
                .collect();
            amounts.sort_unstable();
            assert_eq!(amounts, all.iter().map(|id| 1_000 + id).collect::<Vec<_>>(), "each price was set once");
            assert_eq!(client.all("/api/v1/model/discount").await.len() as u64, events, "each discount was made once");
        }
        Doing::Outside { receiver, mail } => {
            // What goes out with a key: each once, under one key.
            let mut by_kind: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for (_, delivery) in receiver.by_key().into_values() {
                let number = delivery.data["text"].as_str().and_then(|text| text.parse().ok()).expect("a number");
                by_kind.entry(delivery.kind).or_default().push(number);
            }
            assert_eq!(by_kind.len(), 2, "{:?}", by_kind.keys());
            for (kind, mut numbers) in by_kind {
                numbers.sort_unstable();
                assert_eq!(numbers, all, "{kind}");
            }
            match mail {
                None => assert!(mailbox.is_empty() || mailbox == all),
                Some(mail) => mail_went_out(mail, &of("messaging.send-email"), events, doubts),
            }
        }
    }
}

/// Mail has no key: a message may be in doubt, but none goes out twice.
fn mail_went_out(mail: &MailServer, ledger: &[&Value], events: u64, doubts: u64) {
    let mut went_out = HashSet::new();
    for mail in mail.mails() {
        let note = note(&mail.content).expect("a note");
        assert!(went_out.insert(note), "note {note} went out twice");
    }
    assert_eq!(ledger.len() as u64, events);
    let mut unknown = 0;
    for effect in ledger {
        match effect["state"].as_str().expect("a state") {
            "done" => {
                let number = note(&effect["request"].to_string()).expect("a note");
                assert!(went_out.contains(&number), "note {number} is said to be sent");
            }
            "unknown" => unknown += 1,
            other => panic!("{other}: {effect}"),
        }
    }
    assert!(went_out.len() as u64 + unknown >= events, "{} went out, {unknown} are in doubt", went_out.len());
    assert!(unknown <= doubts, "{unknown} are in doubt");
}

/// The number in `note 17.`
fn note(text: &str) -> Option<u64> {
    text.split("note ").skip(1).find_map(|rest| rest.split('.').next()?.parse().ok())
}

/// The first number of this name, however deep.
fn find_number(value: &Value, name: &str) -> Option<u64> {
    match value {
        Value::Object(members) => members
            .get(name)
            .and_then(Value::as_u64)
            .or_else(|| members.values().find_map(|member| find_number(member, name))),
        Value::Array(items) => items.iter().find_map(|item| find_number(item, name)),
        _ => None,
    }
}
