//! Crash at every write: whichever transaction the process dies at, before or after it is committed, the
//! story ends the same, no effect is lost and none is repeated.

use std::{collections::BTreeMap, future::Future, time::Duration};

use serde_json::{Value, json};
use shopwright_engine::{EngineError, Senders};
use shopwright_model::{Millis, VirtualClock};
use shopwright_store::{ApprovalFilter, FaultKind, Store, testing};
use tokio::task::JoinSet;

use crate::{
    probe,
    receiver::Receiver,
    support::{HOUR, MINUTE, SHOP, START, Setup, World, cart, customer, order, product, store_options},
};

/// What happens to the shop, by its clients and by time.
enum Step {
    Event(&'static str, &'static str, Value),
    Until(Millis),
    Answer(&'static str),
}

/// The process has died.
struct Dead;

/// Another plugin workflow that listens to what the script emits.
const WORKFLOWS: &str = r#"
[[workflow]]
name = "script"
title = "Script"
[[workflow.trigger]]
event = ["probe.go"]

[[workflow]]
name = "keyed"
title = "Listener"
[[workflow.trigger]]
event = ["loyalty.changed"]
[workflow.concurrency]
key = "event.data.tier"
rule = "queue"

[[workflow]]
name = "timed"
title = "By the clock"
[[workflow.trigger]]
# At no time at which the script wakes: two runs of one moment have no order.
schedule = "15 * * * *"
missed = "all"

[[workflow]]
name = "child"
title = "Child"
manual = true
"#;

/// Reads, waits and every sort of effect.
fn story() -> Vec<Step> {
    let script = json!([
        {"do": "cart", "id": "c1"}, {"do": "variant", "id": "v1"},
        {"do": "add", "key": "count", "by": 1},
        {"do": "price", "variant": "v1", "amount": 1_800},
        {"do": "email", "customer": "42", "note": "first"},
        {"do": "sleep", "ms": HOUR},
        // It came while the run slept.
        {"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "ms": HOUR},
        {"do": "staff", "channel": "#packing", "text": "an order"},
        {"do": "emit", "kind": "loyalty.changed", "concerns": ["customer:42"], "data": {"tier": "gold"}},
        {"do": "emit", "kind": "loyalty.changed", "concerns": ["customer:42"], "data": {"tier": "gold"}},
        {"do": "start", "workflow": "child", "key": "k", "input": {"steps": [{"do": "add", "key": "children", "by": 1}, {"do": "sms", "customer": "42", "text": "from the child"}]}},
        {"do": "ask", "title": "Go on?", "choices": ["yes", "no"], "ms": 10 * HOUR},
        {"do": "discount", "customer": "42", "percent": 10, "days": 3},
        {"do": "sms", "customer": "42", "text": "ten percent"},
        {"do": "cas", "key": "state", "expected": null, "value": "thanked"},
        {"do": "wait", "kinds": ["order.paid"], "ms": HOUR},
        {"do": "add", "key": "count", "by": 10},
        {"do": "attempt"},
        {"do": "continue", "state": {"steps": [{"do": "get", "key": "count"}, {"do": "email", "customer": "42", "note": "last"}]}}
    ]);
    vec![
        Step::Event("customer.created", "e1", customer("42")),
        Step::Event("product.created", "e2", product("p1", "v1", 2_000, 1_000)),
        Step::Event("cart.updated", "e3", cart("c1", "42", 5_000)),
        Step::Event("probe.go", "e4", json!({ "steps": script })),
        Step::Until(START + 30 * MINUTE),
        Step::Event("order.placed", "e5", order("o1", "42", START + 30 * MINUTE)),
        Step::Until(START + HOUR + MINUTE),
        Step::Answer("yes"),
        Step::Until(START + 4 * HOUR),
    ]
}

/// All that is left of a story: what runs said, what went out, what changed. No ids, no times.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Ending {
    runs: Vec<String>,
    mail: Vec<String>,
    prices: Vec<(i64, i64)>,
    memory: Vec<(String, String)>,
    ledger: Vec<String>,
    events: Vec<String>,
    /// What the receiver took, each key once.
    outside: Vec<String>,
}

struct Teller {
    world: World,
    receiver: Receiver,
    crashes: u32,
}

impl Teller {
    async fn begin(url: &str) -> Self {
        let clock = VirtualClock::new(START);
        let receiver = Receiver::start().await;
        let store = Store::open(url, store_options(&clock)).await.expect("a store");
        let world = World::over(store, clock, setup(&receiver)).await.expect("an engine");
        world.add(probe::package_as(&probe::manifest("1.0.0", WORKFLOWS))).await;
        world.enable("probe", json!({"steps": [{"do": "add", "key": "listened", "by": 1}]})).await;
        Self { world, receiver, crashes: 0 }
    }

    /// Tells the story; the process is started anew whenever it has died.
    async fn tell(&mut self, mut on_restart: impl FnMut(&Store)) {
        for step in story() {
            while self.step(&step).await.is_err() {
                self.crashes += 1;
                assert!(self.crashes < 200, "it never gets on");
                self.restart().await;
                on_restart(self.world.store());
            }
        }
    }

    async fn restart(&mut self) {
        let dead = self.world.engine.clone();
        tokio::spawn(async move { dead.stop().await });
        let clock = self.world.clock.clone();
        // No process comes back within the millisecond it died in.
        clock.advance(1);
        let store = self.world.store().reopen().await.expect("it comes back");
        self.world = World::over(store, clock, setup(&self.receiver)).await.expect("an engine");
    }

    async fn step(&self, step: &Step) -> Result<(), Dead> {
        let world = &self.world;
        match step {
            Step::Event(kind, id, data) => {
                // The client tries again until it is told that the event was accepted.
                self.living(world.accept(kind, id, data.clone())).await?;
                self.living(world.engine.idle()).await
            }
            Step::Until(at) => self.living(world.pass_until(*at)).await,
            Step::Answer(choice) => {
                let filter = ApprovalFilter { state: Some("open".into()), limit: 10, ..ApprovalFilter::default() };
                let open = world.store().approvals_list(SHOP, &filter).await.map_err(|_| Dead)?;
                for row in open {
                    self.living(world.engine.answer(SHOP, &row.id, choice, "ann")).await?;
                }
                self.living(world.engine.idle()).await
            }
        }
    }

    /// What a call gives while the process lives.
    async fn living<T>(&self, call: impl Future<Output = Result<T, EngineError>>) -> Result<T, Dead> {
        let store = self.world.store();
        let death = async {
            // A dead process answers nobody, so there is nothing to wait on but looking at it.
            let mut look = tokio::time::interval(Duration::from_millis(1));
            while store.healthy() {
                look.tick().await;
            }
        };
        tokio::select! {
            biased;
            () = death => Err(Dead),
            result = call => match result {
                Ok(value) => Ok(value),
                Err(EngineError::Store(_)) => Err(Dead),
                Err(error) => panic!("{error}"),
            },
        }
    }

    async fn ending(&self) -> Ending {
        let world = &self.world;
        let store = world.store();
        let mut runs = Vec::new();
        let mut ledger = Vec::new();
        let mut names = BTreeMap::new();
        for run in world.runs().await {
            names.insert(run.id.to_string(), run.workflow.clone());
            let end = run.outcome.or(run.error).unwrap_or_default();
            runs.push(format!("{} {:?} {:?} {}", run.workflow, run.trigger, run.state, end));
            for effect in world.effects(run.id).await {
                ledger.push(format!(
                    "{}-{} {} {} {:?} {}",
                    run.workflow, effect.position, effect.action, effect.subject, effect.state, effect.connector
                ));
            }
        }
        let mail =
            world.mail().await.into_iter().map(|m| format!("{} {}: {} {}", m.channel, m.recipient, m.subject, m.text));
        let prices = store.price_changes(SHOP, "v1", None, 50).await.expect("a history");
        let memory = store.memory_list(SHOP, "probe", None, 50).await.expect("a memory");
        let events = shopwright_store::EventFilter { limit: 100, ..Default::default() };
        let events = store.events_list(SHOP, &events).await.expect("events");
        // A key names the run: by its workflow it can be compared.
        let outside = self.receiver.by_key().into_values().map(|(_, mut delivery)| {
            if let Some(data) = delivery.data.as_object_mut() {
                data.remove("expires_at");
            }
            let run = delivery.id.rsplit_once('-').map(|(run, _)| names[run].clone());
            format!("{} {} {}", run.unwrap_or_default(), delivery.kind, delivery.data)
        });
        Ending {
            runs: sorted(runs),
            mail: sorted(mail),
            prices: prices.iter().map(|change| (change.before, change.after)).collect(),
            memory: memory.into_iter().collect(),
            ledger: sorted(ledger),
            events: sorted(events.into_iter().map(|mut event| {
                // A discount's code is made from the run's id.
                event.concerns.retain(|concern| !concern.starts_with("discount:"));
                format!("{} {:?}", event.kind, event.concerns)
            })),
            outside: sorted(outside),
        }
    }
}

fn sorted(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort();
    lines
}

fn setup(receiver: &Receiver) -> Setup {
    Setup { senders: Senders { callback: Some(receiver.callback()), ..Senders::default() }, ..Setup::default() }
}

/// Where each telling has a database of its own.
#[derive(Clone, Copy)]
enum Place {
    File,
    Server,
}

impl Place {
    async fn url(self) -> Option<(String, Option<tempfile::TempDir>)> {
        match self {
            Self::File => {
                let folder = tempfile::tempdir().expect("a folder");
                Some((format!("sqlite://{}", folder.path().join("store.db").display()), Some(folder)))
            }
            Self::Server => Some((testing::postgres_url().await?, None)),
        }
    }
}

/// Tells the story on a database of its own, with a fault at the `k`-th write; whether that was reached.
async fn tell(place: Place, fault: Option<(u64, FaultKind)>, seed: Option<u64>) -> Option<(Ending, u32)> {
    let (url, _folder) = place.url().await?;
    let mut teller = Teller::begin(&url).await;
    if let Some((k, kind)) = fault {
        teller.world.store().fail_after(k, kind);
    }
    let mut dice = seed;
    teller
        .tell(|store| {
            // Again and again: the next death comes after a few more writes.
            if let Some(state) = &mut dice {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let k = 2 + (*state >> 33) % 9;
                store.fail_after(k, if *state >> 63 == 0 { FaultKind::Crash } else { FaultKind::CrashCommitted });
            }
        })
        .await;
    let ending = teller.ending().await;
    teller.world.engine.stop().await;
    teller.world.store().close().await;
    Some((ending, teller.crashes))
}

async fn crash_at_every_write(place: Place) {
    let Some((undisturbed, _)) = tell(place, None, None).await else { return };
    assert!(undisturbed.runs.iter().all(|run| run.contains(" Done ")), "{:#?}", undisturbed.runs);
    assert_eq!(undisturbed.outside.len(), 5, "{:#?}", undisturbed.outside);
    assert_eq!(undisturbed.mail.len(), 2);
    for kind in [FaultKind::Crash, FaultKind::CrashCommitted] {
        let mut next = 1;
        let mut beyond_the_end = false;
        let mut tellings = JoinSet::new();
        let mut reached = 0;
        while !beyond_the_end || !tellings.is_empty() {
            while !beyond_the_end && tellings.len() < 8 {
                let k = next;
                next += 1;
                tellings.spawn(async move { (k, tell(place, Some((k, kind)), None).await) });
            }
            let Some(told) = tellings.join_next().await else { break };
            let (k, Some((ending, crashes))) = told.expect("it ends") else { return };
            if crashes == 0 {
                beyond_the_end = true;
            } else {
                reached = reached.max(k);
            }
            compare(&ending, &undisturbed, &format!("{kind:?} at write {k}"));
        }
        assert!(reached > 25, "only {reached} writes");
    }
}

fn compare(ending: &Ending, expected: &Ending, when: &str) {
    let (ending, expected) = (format!("{ending:#?}"), format!("{expected:#?}"));
    let only = |a: &str, b: &str| {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n")
    };
    assert!(
        ending == expected,
        "{when}: it ended with\n{}\nand without\n{}\nin all: {ending}",
        only(&ending, &expected),
        only(&expected, &ending)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_at_any_write_changes_nothing_on_a_file() {
    crash_at_every_write(Place::File).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_at_any_write_changes_nothing_on_a_server() {
    crash_at_every_write(Place::Server).await;
}

/// A process that dies again and again, at seeded writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_crashes_in_one_story_change_nothing() {
    let (undisturbed, _) = tell(Place::File, None, None).await.expect("a file");
    let mut tellings = JoinSet::new();
    for seed in 0..16 {
        tellings
            .spawn(async move { (seed, tell(Place::File, Some((1 + seed % 7, FaultKind::Crash)), Some(seed)).await) });
    }
    let mut crashes = 0;
    while let Some(told) = tellings.join_next().await {
        let (seed, told) = told.expect("it ends");
        let (ending, crashed) = told.expect("a file");
        crashes += crashed;
        compare(&ending, &undisturbed, &format!("seed {seed}, {crashed} crashes"));
    }
    assert!(crashes > 50, "only {crashes}");
}
