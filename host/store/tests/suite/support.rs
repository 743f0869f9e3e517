//! Stores to test with, and short ways to write operations.

use std::{future::Future, sync::Arc};

use shopwright_model::{Entity, EntityKind, RunId, VirtualClock};
use shopwright_store::{
    Accepted, EffectRow, EffectState, Flush, Flushed, NewEvent, NewRun, Next, Put, Rule, Started, Store, StoreOptions,
    TriggerKind,
};

/// Noon of some day.
pub const NOW: i64 = 1_790_000_000_000;

pub fn options() -> StoreOptions {
    StoreOptions { clock: Arc::new(VirtualClock::new(NOW)), ..StoreOptions::default() }
}

/// Runs a test on every kind of store that there is here.
pub async fn on_each<F: Future<Output = ()>>(test: impl Fn(Store) -> F) {
    let memory = Store::open("sqlite::memory:", options()).await.expect("memory opens");
    test(memory).await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let file = Store::open(&url, options()).await.expect("a file opens");
    test(file.clone()).await;
    file.close().await;
    if let Some(url) = shopwright_store::testing::postgres_url().await {
        let server = Store::open(&url, options()).await.expect("the server answers");
        test(server.clone()).await;
        server.close().await;
    }
}

pub fn event(id: &str, kind: &str, concerns: &[&str]) -> NewEvent {
    NewEvent {
        shop: "s".into(),
        source: "test".into(),
        id: id.into(),
        kind: kind.into(),
        at: NOW,
        received_at: NOW,
        concerns: concerns.iter().map(|c| (*c).to_owned()).collect(),
        data: "{}".into(),
        ..NewEvent::default()
    }
}

pub fn run(id: i64) -> NewRun {
    NewRun {
        id: RunId(id),
        shop: "s".into(),
        installation: "i".into(),
        workflow: "w".into(),
        digest: "sha256:0".into(),
        settings: "{}".into(),
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
        created_at: NOW,
        node: Some(0),
    }
}

pub fn keyed(id: i64, key: &str, rule: Rule) -> NewRun {
    NewRun { key: Some(key.into()), rule, ..run(id) }
}

/// A flush of a run that was just started for this node.
pub fn flush(id: i64, next: Next) -> Flush {
    Flush {
        run: RunId(id),
        shop: "s".into(),
        installation: "i".into(),
        fence: 1,
        node: 0,
        now: NOW + 1,
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

pub fn wait_for(events: &[(&str, &str)]) -> Next {
    Next::Wait {
        due_at: None,
        wait: "{}".into(),
        events: events.iter().map(|(entity, kind)| ((*entity).to_owned(), (*kind).to_owned())).collect(),
        cursor: None,
    }
}

pub fn done() -> Flushed {
    Flushed::Done { events: vec![], starts: vec![], unblocked: vec![], already: false }
}

pub fn active(id: i64) -> Started {
    Started::Active { run: RunId(id), replaced: vec![] }
}

pub async fn accept(store: &Store, event: NewEvent) -> Accepted {
    store.accept(vec![event]).await.expect("accepted").remove(0)
}

pub async fn start(store: &Store, run: NewRun) -> Started {
    store.start(vec![run]).await.expect("started").remove(0)
}

pub fn article(id: &str, text: &str, sort: i64) -> Put {
    let mut entity =
        Entity::parse(EntityKind::Article, &serde_json::json!({"id": id, "title": "t", "text": text, "url": ""}))
            .expect("an article");
    entity.sort = sort;
    Put { entity, expect: None, since: NOW, newer_only: false }
}

pub fn effect(run: i64, position: u32, state: EffectState) -> EffectRow {
    EffectRow {
        id: format!("{}-{position}", RunId(run)),
        shop: "s".into(),
        run: RunId(run),
        position,
        installation: "i".into(),
        action: "messaging.send-email".into(),
        subject: "customer:42".into(),
        request: "{}".into(),
        state,
        connector: "mailbox".into(),
        answer: None,
        attempts: 0,
        next_at: None,
        error: None,
        tag: "marketing".into(),
        created_at: NOW,
        updated_at: NOW,
    }
}

/// A small generator of numbers that a seed repeats (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}
