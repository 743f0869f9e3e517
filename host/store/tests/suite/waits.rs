//! Waits: no wake-up is lost.

use shopwright_model::RunId;
use shopwright_store::{Flush, Flushed, Next, RunState};

use crate::support::{Dice, NOW, accept, done, event, flush, on_each, run, start, wait_for};

fn already() -> Flushed {
    Flushed::Done { events: vec![], starts: vec![], unblocked: vec![], already: true }
}

#[tokio::test]
async fn a_wait_sees_what_came_after_the_cursor_and_nothing_else() {
    on_each(|store| async move {
        accept(&store, event("1", "order.placed", &["customer:1"])).await;
        let mut trigger = event("2", "cart.updated", &["customer:1"]);
        trigger.runs = vec![run(1), run(2), run(3), run(4)];
        accept(&store, trigger).await;
        // The order came before the run: it waits.
        let wait = flush(1, wait_for(&[("customer:1", "order.placed")]));
        assert_eq!(store.flush(wait).await.expect("flushed"), done());
        assert_eq!(accept(&store, event("3", "order.placed", &["customer:2"])).await.woken, []);
        assert_eq!(accept(&store, event("4", "order.paid", &["customer:1"])).await.woken, []);
        let mut elsewhere = event("5", "order.placed", &["customer:1"]);
        elsewhere.shop = "t".into();
        assert_eq!(accept(&store, elsewhere).await.woken, []);
        assert_eq!(accept(&store, event("6", "order.placed", &["customer:1"])).await.woken, [RunId(1)]);
        assert_eq!(accept(&store, event("7", "order.placed", &["customer:1"])).await.woken, [], "once");
        // It came after this one began: it is there already.
        let wait = flush(2, wait_for(&[("customer:1", "order.placed")]));
        assert_eq!(store.flush(wait).await.expect("flushed"), already());
        let row = store.run("s", RunId(2)).await.expect("read").expect("there");
        assert_eq!((row.state, row.fence, row.node), (RunState::Active, 1, Some(0)));
        // A cursor past it: it waits, for any entity.
        let Next::Wait { wait, events, due_at, .. } = wait_for(&[("*", "order.placed")]) else { unreachable!() };
        let next = Next::Wait { wait, events, due_at, cursor: Some(7) };
        assert_eq!(store.flush(flush(3, next)).await.expect("flushed"), done());
        assert_eq!(accept(&store, event("8", "order.placed", &[])).await.woken, [RunId(3)]);
        // An event that it emits itself.
        let own = Flush { events: vec![event("9", "x.done", &["x:1"])], ..flush(4, wait_for(&[("x:1", "x.done")])) };
        assert!(matches!(store.flush(own).await.expect("flushed"), Flushed::Done { already: true, .. }));
    })
    .await;
}

#[tokio::test]
async fn a_wait_ends_by_its_time_or_its_event_whichever_is_first() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        let both = |cursor| Next::Wait {
            due_at: Some(NOW + 10),
            wait: "w".into(),
            events: vec![("x:1".into(), "a.b".into())],
            cursor,
        };
        store.flush(flush(1, both(None))).await.expect("flushed");
        assert_eq!(accept(&store, event("1", "a.b", &["x:1"])).await.woken, [RunId(1)]);
        assert!(store.claim_due(NOW + 10, 10).await.expect("claimed").is_empty(), "it is awake");
        let again = Flush { fence: 2, ..flush(1, both(Some(1))) };
        assert_eq!(store.flush(again).await.expect("flushed"), done());
        assert_eq!(store.claim_due(NOW + 10, 10).await.expect("claimed")[0].fence, 3);
        assert_eq!(accept(&store, event("2", "a.b", &["x:1"])).await.woken, [], "the wait is gone");
        let row = &store.wake(vec![RunId(1)], NOW).await.expect("answered");
        assert!(row.is_empty(), "it does not wait");
        store.flush(Flush { fence: 3, ..flush(1, both(Some(2))) }).await.expect("flushed");
        let row = &store.wake(vec![RunId(1), RunId(77)], NOW).await.expect("woken")[0];
        assert_eq!((row.fence, row.node, row.state), (4, Some(0), RunState::Active));
    })
    .await;
}

/// Registering a wait and accepting its event at the same time, over and over: either the wait finds the
/// event there, or the event finds the wait. Never do both miss.
#[tokio::test]
async fn a_wait_and_its_event_never_miss_each_other() {
    on_each(|store| async move {
        let mut dice = Dice::new(7);
        for round in 0..60_i64 {
            let n = 1 + dice.below(8);
            let ids: Vec<i64> = (0..n).map(|k| round * 100 + i64::try_from(k).expect("small") + 1).collect();
            store.start(ids.iter().map(|id| run(*id)).collect()).await.expect("started");
            let mut waits = Vec::new();
            let mut events = Vec::new();
            for id in ids {
                let entity = format!("x:{id}");
                let any = dice.below(4) == 0;
                let kind = format!("round.r{id}");
                let wait = flush(id, wait_for(&[(if any { "*" } else { &entity }, &kind)]));
                let event = event(&id.to_string(), &kind, &[&entity]);
                let (for_wait, for_event) = (store.clone(), store.clone());
                let mut spawn_wait = || {
                    waits.push(tokio::spawn({
                        let (store, wait) = (for_wait.clone(), wait.clone());
                        async move { store.flush(wait).await.expect("flushed") }
                    }))
                };
                let order = dice.below(2) == 0;
                if order {
                    spawn_wait();
                }
                events.push(tokio::spawn(async move { accept(&for_event, event).await.woken }));
                if !order {
                    spawn_wait();
                }
                for _ in 0..dice.below(3) {
                    tokio::task::yield_now().await;
                }
            }
            for (wait, event) in waits.into_iter().zip(events) {
                let (wait, woken) = (wait.await.expect("it answers"), event.await.expect("it answers"));
                assert_eq!(wait == already(), woken.is_empty(), "{wait:?} {woken:?}");
            }
        }
    })
    .await;
}
