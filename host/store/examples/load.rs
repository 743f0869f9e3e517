//! Measures the store alone: `cargo run -p shopwright-store --example load -- [url] [seconds] [in flight]`.
//!
//! Every worker does what a run does that reads, acts once and ends: an event with a cart of 1 KB and a run
//! is accepted, three reads, then a flush with journal, one effect and its message. Then 20,000 runs
//! go to sleep and are claimed in the same second. Printed: pairs a second, CPU per pair, commits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use shopwright_model::{Entity, EntityKind, IdSource, RunId, SystemClock};
use shopwright_store::{
    EffectRow, EffectState, Flush, Flushed, MessageRow, NewEvent, NewRun, Next, Own, Put, Rule, Store, StoreOptions,
    TriggerKind,
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = std::path::PathBuf::from("/tmp/shopwright-load");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("a folder");
    let url = args.next().unwrap_or_else(|| format!("sqlite://{}", folder.join("store.db").display()));
    let seconds = args.next().map_or(5, |text| text.parse().expect("seconds"));
    let in_flight: usize = args.next().map_or(256, |text| text.parse().expect("a number"));
    let store = Store::open(&url, StoreOptions::default()).await.expect("opens");
    let ids = Arc::new(IdSource::new(Arc::new(SystemClock::default()), u16::try_from(store.node()).expect("small")));
    pairs(&store, &ids, seconds, in_flight).await;
    sleepers(&store, &ids).await;
    store.close().await;
}

/// User and system time of this process.
fn cpu() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse().unwrap_or(0))
        .collect();
    let of = |n: usize| Duration::from_millis(10 * ticks.get(n).copied().unwrap_or(0));
    (of(0), of(1))
}

async fn pairs(store: &Store, ids: &Arc<IdSource>, seconds: u64, in_flight: usize) {
    let count = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (started, before, user) = (Instant::now(), store.stats(), cpu());
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| {
            let (store, ids, count) = (store.clone(), Arc::clone(ids), Arc::clone(&count));
            tokio::spawn(async move {
                let mut n = 0_u64;
                while Instant::now() < end {
                    pair(&store, &ids, worker, n).await;
                    n += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("it ends");
    }
    let (after, wall, used) = (store.stats(), started.elapsed(), cpu());
    let pairs = count.load(Ordering::Relaxed).max(1);
    let per = |n: u64| n as f64 / pairs as f64;
    let us = |d: Duration| d.as_micros() as f64 / pairs as f64;
    let commits = after.commits - before.commits;
    println!("pairs/s            {:>10.0}", pairs as f64 / wall.as_secs_f64());
    println!("CPU per pair       {:>10.1} us user, {:.1} us system", us(used.0 - user.0), us(used.1 - user.1));
    println!(
        "writer busy        {:>10.1} us per pair, of it COMMIT {:.1}",
        per(after.busy_us - before.busy_us),
        per(after.commit_us - before.commit_us)
    );
    println!(
        "commits/s          {:>10.0}, {:.1} operations each",
        commits as f64 / wall.as_secs_f64(),
        (after.operations - before.operations) as f64 / commits as f64
    );
    println!("log written        {:>10.0} bytes per pair", per(after.bytes_written - before.bytes_written));
    println!(
        "reads              {:>10.1} per pair, {:.1} from memory",
        per(after.reads - before.reads),
        per(after.cached - before.cached)
    );
}

fn cart(n: usize, at: i64) -> Entity {
    let lines: Vec<_> = (0..4)
        .map(|k| {
            serde_json::json!({"variant_id": format!("v{k}"), "sku": format!("sku-{k}"), "title": "A thing with a name", "quantity": 2,
            "price": {"amount": 1999, "currency": "EUR"}, "discount": {"amount": 0, "currency": "EUR"}})
        })
        .collect();
    let doc = serde_json::json!({"id": format!("c{n}"), "customer": format!("{n}"), "email": "ann@example.com", "lines": lines,
        "total": {"amount": 7996, "currency": "EUR"}, "step": "shipping", "created_at": 1, "updated_at": at, "extra": {}});
    Entity::parse(EntityKind::Cart, &doc).expect("a cart")
}

async fn pair(store: &Store, ids: &IdSource, worker: usize, n: u64) {
    let now = 1_790_000_000_000 + i64::try_from(n).expect("small");
    let number = worker * 1000 + usize::try_from(n % 1000).expect("small");
    let run = ids.run();
    let entity = cart(number, now);
    let new = NewRun {
        id: run,
        shop: "shop".into(),
        installation: "cart-recovery".into(),
        workflow: "recover".into(),
        digest: format!("sha256:{:064}", 1),
        settings: "{\"delay_minutes\":60}".into(),
        mode: "live".into(),
        key: None,
        rule: Rule::Allow,
        once: None,
        trigger: TriggerKind::Event,
        event_seq: 0,
        input: None,
        cursor: 0,
        root: 0,
        depth: 0,
        parent: None,
        created_at: now,
        node: Some(store.node()),
    };
    let event = NewEvent {
        shop: "shop".into(),
        source: "bench".into(),
        id: format!("{worker}-{n}"),
        kind: "cart.updated".into(),
        at: now,
        received_at: now,
        concerns: entity.concerns(),
        data: entity.doc.clone(),
        puts: vec![Put { entity, expect: None, since: now, newer_only: true }],
        runs: vec![new],
        ..NewEvent::default()
    };
    let accepted = store.accept(vec![event]).await.expect("accepted");
    assert!(!accepted[0].duplicate);
    let customer = number.to_string();
    store.entity("shop", EntityKind::Cart, &format!("c{number}")).await.expect("read").expect("there");
    store.entity("shop", EntityKind::Customer, &customer).await.expect("read");
    let subject = format!("customer:{customer}");
    store.effects_counted("shop", &subject, None, Some("marketing"), now - 86_400_000).await.expect("read");
    let id = format!("{run}-3");
    let effect = EffectRow {
        id: id.clone(),
        shop: "shop".into(),
        run,
        position: 3,
        installation: "cart-recovery".into(),
        action: "messaging.send-email".into(),
        subject,
        request: format!("{{\"template\":\"reminder\",\"data\":\"{}\"}}", "x".repeat(200)),
        state: EffectState::Done,
        connector: "mailbox".into(),
        answer: Some("{}".into()),
        attempts: 1,
        next_at: None,
        error: None,
        tag: "marketing".into(),
        created_at: now,
        updated_at: now,
    };
    let message = MessageRow {
        id,
        shop: "shop".into(),
        channel: "email".into(),
        recipient: "ann@example.com".into(),
        customer: Some(customer),
        subject: "You left something".into(),
        text: "x".repeat(300),
        html: None,
        at: now,
        run: Some(run),
        seq: ids.next(),
    };
    let flush = Flush {
        journal: format!("{run}").repeat(50).into_bytes(),
        entries: 4,
        effects: vec![effect],
        own: vec![Own::Message(message)],
        ..flush(run, now, Next::Done("sent".into()))
    };
    let flushed = store.flush(flush).await.expect("flushed");
    assert!(matches!(flushed, Flushed::Done { .. }));
}

fn flush(run: RunId, now: i64, next: Next) -> Flush {
    Flush {
        run,
        shop: "shop".into(),
        installation: "cart-recovery".into(),
        fence: 1,
        node: 0,
        now,
        journal: Vec::new(),
        entries: 0,
        chunk: 0,
        log: Vec::new(),
        effects: Vec::new(),
        own: Vec::new(),
        expects: Vec::new(),
        bumps: Vec::new(),
        events: Vec::new(),
        starts: Vec::new(),
        next,
    }
}

async fn sleepers(store: &Store, ids: &Arc<IdSource>) {
    const COUNT: usize = 20_000;
    let started = Instant::now();
    let calls: Vec<_> = (0..64)
        .map(|worker| {
            let (store, ids) = (store.clone(), Arc::clone(ids));
            tokio::spawn(async move {
                for n in 0..COUNT / 64 {
                    sleeper(&store, &ids, worker, n).await;
                }
            })
        })
        .collect();
    for call in calls {
        call.await.expect("it ends");
    }
    println!("put to sleep       {:>10.0} runs/s", COUNT as f64 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    let mut claimed = 0;
    loop {
        let rows = store.claim_due(i64::MAX - 1, 1000).await.expect("claimed");
        if rows.is_empty() {
            break;
        }
        claimed += rows.len();
        let journals = rows.iter().map(|row| store.journal(row.id));
        for journal in futures::future::join_all(journals).await {
            assert_eq!(journal.expect("read").len(), 1);
        }
    }
    println!("woken, journal read{:>10.0} runs/s", claimed as f64 / started.elapsed().as_secs_f64());
}

async fn sleeper(store: &Store, ids: &IdSource, worker: usize, n: usize) {
    let run = ids.run();
    let now = 1_790_000_000_000;
    let new = NewRun {
        id: run,
        shop: "shop".into(),
        installation: "cart-recovery".into(),
        workflow: "recover".into(),
        digest: format!("sha256:{:064}", 1),
        settings: "{\"delay_minutes\":60}".into(),
        mode: "live".into(),
        key: Some(format!("cart:s{worker}-{n}")),
        rule: Rule::Replace,
        once: None,
        trigger: TriggerKind::Manual,
        event_seq: 0,
        input: Some("{}".into()),
        cursor: 0,
        root: 0,
        depth: 0,
        parent: None,
        created_at: now,
        node: Some(store.node()),
    };
    store.start(vec![new]).await.expect("started");
    let next = Next::Wait {
        due_at: Some(now + 1000),
        wait: "{\"for\":[\"order.placed\"],\"of\":\"customer:42\",\"until\":1790000001000}".into(),
        events: vec![(format!("customer:{n}"), "order.placed".into())],
        cursor: None,
    };
    let flush = Flush { journal: vec![b'j'; 400], entries: 4, ..flush(run, now, next) };
    store.flush(flush).await.expect("flushed");
}
