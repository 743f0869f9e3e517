//! What a second run of the same key does.

use shopwright_model::RunId;
use shopwright_store::{Flushed, Next, Rule, RunState, Started, Store};

use crate::support::{NOW, active, done, flush, keyed, on_each, run, start, wait_for};

async fn state(store: &Store, id: i64) -> RunState {
    store.run("s", RunId(id)).await.expect("read").expect("it is there").state
}

/// What the second of two runs of a key is answered, and the states of both afterwards.
#[tokio::test]
async fn the_rules_by_table() {
    let replaced = Started::Active { run: RunId(2), replaced: vec![RunId(1)] };
    let table = [
        (Rule::Allow, active(2), RunState::Active, Some(RunState::Active)),
        (Rule::Queue, Started::Blocked(RunId(2)), RunState::Active, Some(RunState::Blocked)),
        (Rule::Skip, Started::Skipped, RunState::Active, None),
        (Rule::Replace, replaced, RunState::Cancelled, Some(RunState::Active)),
    ];
    for in_one_batch in [false, true] {
        for first_waits in [false, true] {
            for (rule, answer, first, second) in table.clone() {
                on_each(|store| {
                    let answer = answer.clone();
                    async move {
                        let context = format!("{rule:?} {in_one_batch} {first_waits} {:?}", store.backend());
                        if in_one_batch && !first_waits {
                            let both =
                                store.start(vec![keyed(1, "k", rule), keyed(2, "k", rule)]).await.expect("started");
                            assert_eq!(both, [active(1), answer], "{context}");
                        } else {
                            assert_eq!(start(&store, keyed(1, "k", rule)).await, active(1));
                            if first_waits {
                                let wait = flush(1, wait_for(&[("x:1", "a.b")]));
                                assert_eq!(store.flush(wait).await.expect("flushed"), done());
                            }
                            assert_eq!(start(&store, keyed(2, "k", rule)).await, answer, "{context}");
                        }
                        let first = if first_waits && first == RunState::Active { RunState::Waiting } else { first };
                        assert_eq!(state(&store, 1).await, first, "{context}");
                        let row = store.run("s", RunId(2)).await.expect("read");
                        assert_eq!(row.map(|row| row.state), second, "{context}");
                        // Another key, and no key: nothing to do with it.
                        assert_eq!(start(&store, keyed(3, "other", rule)).await, active(3));
                        assert_eq!(start(&store, run(4)).await, active(4));
                        if rule == Rule::Replace {
                            let late = store.flush(flush(1, Next::Done("late".into()))).await.expect("flushed");
                            assert_eq!(late, Flushed::Fenced, "a replaced run writes no more");
                            let woken =
                                crate::support::accept(&store, crate::support::event("e", "a.b", &["x:1"])).await.woken;
                            assert!(woken.is_empty(), "its waits are gone");
                        }
                    }
                })
                .await;
            }
        }
    }
}

#[tokio::test]
async fn those_in_line_go_on_one_after_another() {
    on_each(|store| async move {
        for id in 1..=4 {
            start(&store, keyed(id, "k", Rule::Queue)).await;
        }
        let end = |id, next| {
            let store = store.clone();
            async move { store.flush(flush(id, next)).await.expect("flushed") }
        };
        let unblocks =
            |id| Flushed::Done { events: vec![], starts: vec![], unblocked: vec![RunId(id)], already: false };
        assert_eq!(end(1, Next::Done(String::new())).await, unblocks(2));
        let row = store.run("s", RunId(2)).await.expect("read").expect("there");
        assert_eq!((row.state, row.fence, row.node), (RunState::Active, 1, Some(0)));
        assert_eq!(end(2, Next::Failed { code: "c".into(), message: "m".into() }).await, unblocks(3));
        // Cancelled by a person: the next is left to be claimed.
        assert!(store.cancel("s", RunId(3), NOW, "enough").await.expect("cancelled"));
        assert!(!store.cancel("s", RunId(3), NOW, "enough").await.expect("answered"), "only once");
        assert!(!store.cancel("t", RunId(4), NOW, "enough").await.expect("answered"), "only its own shop's");
        let claimed = store.claim_active(10, 10).await.expect("claimed");
        assert_eq!(claimed.iter().map(|row| (row.id.0, row.fence)).collect::<Vec<_>>(), [(4, 2)]);
        let row = store.run("s", RunId(3)).await.expect("read").expect("there");
        assert_eq!((row.state, row.error.as_deref()), (RunState::Cancelled, Some("enough")));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_continues_keeps_its_place_before_those_in_line() {
    on_each(|store| async move {
        start(&store, keyed(1, "k", Rule::Queue)).await;
        start(&store, keyed(3, "k", Rule::Queue)).await;
        let next = Next::Continue { handed_on: "on".into(), run: Box::new(keyed(2, "k", Rule::Queue)) };
        assert_eq!(store.flush(flush(1, next)).await.expect("flushed"), done());
        assert_eq!(
            [state(&store, 1).await, state(&store, 2).await, state(&store, 3).await],
            [RunState::Done, RunState::Active, RunState::Blocked]
        );
        let end = store.flush(flush(2, Next::Done(String::new()))).await.expect("flushed");
        assert!(matches!(end, Flushed::Done { unblocked, .. } if unblocked == [RunId(3)]));
    })
    .await;
}

#[tokio::test]
async fn claims_take_turns_between_installations() {
    on_each(|store| async move {
        let of = |id, installation: &str| shopwright_store::NewRun {
            installation: installation.into(),
            node: None,
            ..run(id)
        };
        let mut runs: Vec<_> = (1..=50).map(|id| of(id, "flood")).collect();
        runs.extend([of(51, "calm"), of(52, "calm")]);
        store.start(runs).await.expect("started");
        let ids = |rows: Vec<shopwright_store::RunRow>| rows.into_iter().map(|row| row.id.0).collect::<Vec<_>>();
        assert_eq!(ids(store.claim_active(5, 10).await.expect("claimed")), [1, 51, 2, 52, 3]);
        assert_eq!(ids(store.claim_active(100, 4).await.expect("claimed")), [4, 5, 6, 7]);
        assert_eq!(store.claim_active(100, 100).await.expect("claimed").len(), 43);
        // After a restart they are to be claimed again, and what was held before is refused.
        assert_eq!(store.recover().await.expect("recovered"), 52);
        assert_eq!(store.claim_active(100, 100).await.expect("claimed").len(), 52);
        let late = store.flush(flush(1, Next::Done(String::new()))).await.expect("flushed");
        assert_eq!(late, Flushed::Fenced);
    })
    .await;
}
