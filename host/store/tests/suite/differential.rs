//! SQLite and PostgreSQL do the same.

use shopwright_model::{EntityKind, RunId};
use shopwright_store::{EffectState, Flush, NewEvent, NewRun, Next, Own, Put, Rule, Store, testing};

use crate::support::{Dice, NOW, article, effect, event, flush, options, run};

/// A step that is taken on both stores; what it answered, as text.
async fn step(
    store: &Store,
    dice: &mut Dice,
    n: i64,
    fences: &mut std::collections::HashMap<i64, (i64, u32)>,
) -> String {
    let pick = |dice: &mut Dice| 1 + i64::try_from(dice.below(usize::try_from(n + 1).expect("small"))).expect("small");
    let new_run = |dice: &mut Dice, id: i64| {
        let rule = [Rule::Allow, Rule::Queue, Rule::Skip, Rule::Replace][dice.below(4)];
        let key = [None, Some("a"), Some("b")][dice.below(3)].map(Into::into);
        let once = (dice.below(6) == 0).then(|| format!("once{}", dice.below(5)));
        NewRun { key, rule, once, node: (dice.below(4) > 0).then_some(0), settings: "{\"a\":\"ü\"}".into(), ..run(id) }
    };
    let new_event = |dice: &mut Dice, id: String| {
        let entity = format!("x:{}", dice.below(3));
        let mut new = event(&id, ["a.b", "a.c"][dice.below(2)], &[&entity]);
        for _ in 0..dice.below(3) {
            let put = article(
                &format!("d{}", dice.below(4)),
                &format!("text{n}ß"),
                i64::try_from(dice.below(9)).expect("small"),
            );
            new.puts.push(Put { newer_only: dice.below(2) == 0, ..put });
        }
        if dice.below(6) == 0 {
            new.removes.push((EntityKind::Article, format!("d{}", dice.below(4))));
        }
        new
    };
    match dice.below(10) {
        0..=2 => {
            let events: Vec<NewEvent> = (0..=dice.below(4))
                .map(|k| {
                    let id = dice.below(200);
                    let mut new = new_event(dice, format!("e{id}"));
                    new.runs = (0..dice.below(3))
                        .map(|r| new_run(dice, n * 100 + i64::try_from(k * 10 + r).expect("small")))
                        .collect();
                    new
                })
                .collect();
            format!("{:?}", store.accept(events).await)
        }
        3..=6 => {
            let known: Vec<i64> = {
                let mut ids: Vec<_> = fences.keys().copied().collect();
                ids.sort_unstable();
                ids
            };
            if known.is_empty() {
                return String::new();
            }
            let id = known[dice.below(known.len())];
            let (fence, chunk) = fences[&id];
            let next = match dice.below(7) {
                0 => Next::Stay,
                1..=2 => Next::Wait {
                    due_at: [None, Some(NOW + pick(dice))][dice.below(2)],
                    wait: "{}".into(),
                    events: (0..dice.below(3))
                        .map(|_| (format!("x:{}", dice.below(3)), "a.b".into()))
                        .chain([("*".into(), "a.c".into())])
                        .collect(),
                    cursor: [None, Some(pick(dice))][dice.below(2)],
                },
                3 => Next::Retry {
                    due_at: NOW + pick(dice),
                    wait: "r".into(),
                    chunks: u32::try_from(dice.below(2)).expect("small"),
                },
                4 => Next::Done("ok".into()),
                5 => Next::Failed { code: "c".into(), message: "m".into() },
                _ => Next::Continue { handed_on: "h".into(), run: Box::new(new_run(dice, n * 100 + 77)) },
            };
            let journal = vec![u8::try_from(dice.below(256)).expect("a byte"); dice.below(3) * 700];
            let mut new = Flush {
                fence,
                chunk,
                journal,
                now: NOW + n,
                log: vec![1; dice.below(2) * 30],
                effects: (0..dice.below(3))
                    .map(|p| effect(id, u32::try_from(p).expect("small"), EffectState::ALL[dice.below(7)]))
                    .collect(),
                expects: (0..dice.below(2))
                    .map(|_| (format!("f{}", dice.below(3)), i64::try_from(dice.below(4)).expect("small")))
                    .collect(),
                bumps: (0..dice.below(2)).map(|_| format!("f{}", dice.below(3))).collect(),
                ..flush(id, next)
            };
            new.own.push(Own::Memory(format!("m{}", dice.below(3)), [None, Some("v".into())][dice.below(2)].clone()));
            if dice.below(3) == 0 {
                let put = article(&format!("d{}", dice.below(4)), "own", 5);
                new.own.push(Own::Put(Put { expect: [None, Some(1), Some(0)][dice.below(3)], ..put }));
            }
            if dice.below(3) == 0 {
                new.events.push(new_event(dice, format!("own{n}")));
            }
            if dice.below(4) == 0 {
                new.starts.push(new_run(dice, n * 100 + 55));
            }
            format!("{:?}", store.flush(new).await)
        }
        7 => {
            let shown = store.cancel("s", RunId(pick(dice)), NOW + n, "no").await;
            format!("{shown:?} {:?}", store.start(vec![new_run(dice, n * 100 + 33), new_run(dice, n * 100 + 34)]).await)
        }
        8 => format!("{:?}", store.claim_due(NOW + pick(dice), 3).await),
        _ => format!("{:?} {:?}", store.claim_active(3, 2).await, store.recover().await.is_ok()),
    }
}

#[tokio::test]
async fn the_same_steps_give_the_same_answers_and_tables() {
    let Some(url) = testing::postgres_url().await else { return };
    let server = Store::open(&url, options()).await.expect("the server answers");
    let lite = Store::open("sqlite::memory:", options()).await.expect("memory opens");
    let mut steps = 0;
    let mut filled = std::collections::HashSet::new();
    for seed in 0..4 {
        let (mut dice_a, mut dice_b) = (Dice::new(seed), Dice::new(seed));
        for k in 0..120 {
            let n = seed_base(seed) + k;
            // Which runs are whose, with which fences: both stores are asked, so that the steps make sense.
            let (mut known_a, mut known_b) = (fences(&lite).await, fences(&server).await);
            let a = step(&lite, &mut dice_a, n, &mut known_a).await;
            let b = step(&server, &mut dice_b, n, &mut known_b).await;
            assert_eq!(a, b, "seed {seed}, step {k}");
            assert!(!a.contains("Err("), "seed {seed}, step {k}: {a}");
            steps += usize::from(!a.is_empty());
            if k % 20 == 19 {
                let (a, b) =
                    (testing::contents(&lite).await.expect("read"), testing::contents(&server).await.expect("read"));
                for (a, b) in a.iter().zip(&b) {
                    assert_eq!(a, b, "seed {seed}, step {k}");
                }
                filled.extend(a.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(table, _)| table));
            }
        }
    }
    for table in
        ["events", "entities", "entities_past", "runs", "waits", "journal", "effects", "memory", "facts", "once"]
    {
        assert!(filled.contains(table), "the steps put nothing into {table}");
    }
    assert!(steps > 300);
}

fn seed_base(seed: u64) -> i64 {
    i64::try_from(seed).expect("small") * 1000 + 1
}

async fn fences(store: &Store) -> std::collections::HashMap<i64, (i64, u32)> {
    let filter = shopwright_store::RunFilter {
        state: Some(shopwright_store::RunState::Active),
        limit: 1000,
        ..Default::default()
    };
    let rows = store.runs_list("s", &filter).await.expect("read");
    rows.into_iter().filter(|row| row.node.is_some()).map(|row| (row.id.0, (row.fence, row.chunks))).collect()
}

/// Two nodes write at once: whoever has seen a number has seen everything below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_give_numbers_in_the_order_of_commits() {
    let Some(url) = testing::postgres_url().await else { return };
    let node = |name: &str| {
        Store::open(&url, shopwright_store::StoreOptions { node_name: name.into(), ..options() }).into_future()
    };
    let (a, b) = (node("a").await.expect("opens"), node("b").await.expect("opens"));
    assert_eq!((a.node(), b.node()), (0, 1));
    let writers: Vec<_> = [a.clone(), b.clone()]
        .into_iter()
        .enumerate()
        .map(|(which, store)| {
            tokio::spawn(async move {
                for n in 0..100 {
                    let calls = (0..4).map(|k| {
                        let store = store.clone();
                        async move {
                            store
                                .accept(vec![event(&format!("{which}-{n}-{k}"), "a.b", &["x:1"])])
                                .await
                                .expect("accepted")
                        }
                    });
                    futures::future::join_all(calls).await;
                }
            })
        })
        .collect();
    let mut seen = 0;
    while seen < 800 {
        let latest = b.latest_seq().await.expect("read");
        let below = a.events_matching("s", Some("x:1"), &["a.b".into()], seen, 10_000).await.expect("read");
        let numbers: Vec<i64> = below.iter().map(|event| event.seq).collect();
        assert!(
            numbers.len() >= usize::try_from(latest - seen).expect("small"),
            "{latest} was seen, but not all below it"
        );
        assert_eq!(numbers, (seen + 1..=seen + i64::try_from(numbers.len()).expect("small")).collect::<Vec<_>>());
        seen += i64::try_from(numbers.len()).expect("small");
    }
    for writer in writers {
        writer.await.expect("it ends");
    }
    // A wait that one node registers is woken by the other's event, for the other.
    a.start(vec![run(1)]).await.expect("started");
    a.flush(flush(1, crate::support::wait_for(&[("x:2", "a.b")]))).await.expect("flushed");
    assert_eq!(crate::support::accept(&b, event("last", "a.b", &["x:2"])).await.woken, [RunId(1)]);
    assert_eq!(a.run("s", RunId(1)).await.expect("read").expect("there").node, Some(1));
    // The same name is the same node, and its number is free again when it is closed.
    b.close().await;
    let again = node("b").await.expect("opens");
    assert_eq!(again.node(), 1);
    assert_eq!(again.recover().await.expect("recovered"), 1);
}
