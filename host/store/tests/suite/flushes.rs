//! Flushes: all or nothing, and only while the run is ours.

use shopwright_model::{EntityKind, RunId};
use shopwright_store::{
    ApprovalFilter, ApprovalRow, EffectState, Flush, Flushed, MessageFilter, MessageRow, Next, Own, PriceChangeRow,
    RunState,
};

use crate::support::{NOW, accept, active, article, done, effect, event, flush, on_each, run, start};

fn whole(id: i64, next: Next) -> Flush {
    let message = MessageRow {
        id: format!("{}-1", RunId(id)),
        shop: "s".into(),
        channel: "email".into(),
        recipient: "a@example.com".into(),
        customer: Some("42".into()),
        subject: "Hello".into(),
        text: "text".into(),
        html: None,
        at: NOW,
        run: Some(RunId(id)),
        seq: id,
    };
    let price = PriceChangeRow {
        id,
        shop: "s".into(),
        variant: "v".into(),
        at: NOW,
        before: 100,
        after: 90,
        currency: "EUR".into(),
        reason: "r".into(),
        by: "run".into(),
    };
    let approval = ApprovalRow {
        id: format!("{}-3", RunId(id)),
        shop: "s".into(),
        run: RunId(id),
        position: 3,
        title: "May I?".into(),
        details: "{}".into(),
        choices: "[]".into(),
        state: "open".into(),
        asked: None,
        escalate_to: None,
        deadline_at: NOW + 10,
        created_at: NOW,
        choice: None,
        answered_by: None,
        answered_at: None,
    };
    Flush {
        journal: vec![7; 3000],
        entries: 5,
        log: b"a line".to_vec(),
        effects: vec![effect(id, 1, EffectState::Done), effect(id, 2, EffectState::Intended)],
        own: vec![
            Own::Put(article("a", "one", 0)),
            Own::Memory("k".into(), Some("1".into())),
            Own::Memory("gone".into(), None),
            Own::Message(message),
            Own::PriceChange(price),
            Own::Approval(approval),
        ],
        bumps: vec!["fact".into()],
        events: vec![event("emitted", "thing.happened", &["x:1"])],
        starts: vec![run(id + 100)],
        ..flush(id, next)
    }
}

#[tokio::test]
async fn everything_that_a_flush_carries_is_there_afterwards() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        let Flushed::Done { events, starts, unblocked, already } =
            store.flush(whole(1, Next::Done("well".into()))).await.expect("flushed")
        else {
            panic!("it is ours")
        };
        assert_eq!((events[0].seq, starts, unblocked.len(), already), (1, vec![active(101)], 0, false));
        let row = store.run("s", RunId(1)).await.expect("read").expect("there");
        assert_eq!((row.state, row.outcome.as_deref(), row.ended_at), (RunState::Done, Some("well"), Some(NOW + 1)));
        assert_eq!((row.chunks, row.entries, row.effects, row.node), (1, 5, 2, None));
        assert_eq!(store.journal(RunId(1)).await.expect("read"), [vec![7; 3000]]);
        assert_eq!(store.log(RunId(1)).await.expect("read"), [b"a line".to_vec()]);
        assert_eq!(store.entity("s", EntityKind::Article, "a").await.expect("read").expect("there").version, 1);
        assert_eq!(store.memory_get("s", "i", "k").await.expect("read").as_deref(), Some("1"));
        assert_eq!(store.memory_list("s", "i", None, 10).await.expect("read"), [("k".to_owned(), "1".to_owned())]);
        assert_eq!(store.facts("s", &["fact".into(), "none".into()]).await.expect("read"), [1, 0]);
        assert_eq!(store.effects_of(RunId(1)).await.expect("read").len(), 2);
        assert_eq!(store.effects_counted("s", "customer:42", None, Some("marketing"), NOW).await.expect("read"), 2);
        assert_eq!(store.effects_counted("s", "customer:42", Some("other"), None, NOW).await.expect("read"), 0);
        assert_eq!(store.effects_counted("s", "customer:42", None, None, NOW + 1).await.expect("read"), 0);
        assert_eq!(store.effects_of_installation_since("s", "i", None, NOW).await.expect("read"), 2);
        let messages = store.messages_list("s", None, 10, &MessageFilter::default()).await.expect("read");
        assert_eq!(messages[0].recipient, "a@example.com");
        assert_eq!(store.price_changes("s", "v", None, 10).await.expect("read")[0].after, 90);
        let approvals =
            store.approvals_list("s", &ApprovalFilter { limit: 10, ..Default::default() }).await.expect("read");
        assert_eq!(approvals.len(), 1);
        assert_eq!(store.latest_seq().await.expect("read"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_refused_flush_writes_nothing() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        accept(&store, event("0", "article.updated", &[])).await;
        let refused = [
            (Flush { fence: 0, ..whole(1, Next::Stay) }, Flushed::Fenced),
            (Flush { node: 9, ..whole(1, Next::Stay) }, Flushed::Fenced),
            (whole(99, Next::Stay), Flushed::Fenced),
            (
                Flush { expects: vec![("fact".into(), 3)], ..whole(1, Next::Stay) },
                Flushed::Conflict { key: "fact".into() },
            ),
            (
                Flush {
                    own: vec![Own::Put(shopwright_store::Put { expect: Some(2), ..article("a", "x", 0) })],
                    ..whole(1, Next::Stay)
                },
                Flushed::Conflict { key: "article:a".into() },
            ),
            (Flush { chunk: 4, ..whole(1, Next::Stay) }, Flushed::Conflict { key: format!("journal:{}", RunId(1)) }),
        ];
        for (flush, answer) in refused {
            assert_eq!(store.flush(flush).await.expect("answered"), answer);
        }
        let row = store.run("s", RunId(1)).await.expect("read").expect("there");
        assert_eq!((row.chunks, row.effects, row.updated_at), (0, 0, NOW));
        assert_eq!(store.latest_seq().await.expect("read"), 1);
        assert!(store.effects_of(RunId(1)).await.expect("read").is_empty());
        assert_eq!(store.entity("s", EntityKind::Article, "a").await.expect("read"), None);
        assert_eq!(store.facts("s", &["fact".into()]).await.expect("read"), [0]);
        assert!(store.run("s", RunId(101)).await.expect("read").is_none());
    })
    .await;
}

/// Of many that read the same version of a fact at the same time, one wins, whatever batches they
/// come in.
#[tokio::test]
async fn one_of_many_with_the_same_expectation_wins() {
    on_each(|store| async move {
        for version in 0..5 {
            let ids: Vec<i64> = (0..20).map(|n| version * 100 + n + 1).collect();
            store.start(ids.iter().map(|id| run(*id)).collect()).await.expect("started");
            let calls: Vec<_> = ids
                .iter()
                .map(|id| {
                    let mut flush = flush(*id, Next::Done(String::new()));
                    flush.expects = vec![("limit:customer:42".into(), version)];
                    flush.bumps = vec!["limit:customer:42".into()];
                    let store = store.clone();
                    tokio::spawn(async move { store.flush(flush).await.expect("answered") })
                })
                .collect();
            let mut won = 0;
            for call in calls {
                match call.await.expect("it answers") {
                    Flushed::Done { .. } => won += 1,
                    answer => assert_eq!(answer, Flushed::Conflict { key: "limit:customer:42".into() }),
                }
            }
            assert_eq!(won, 1);
            assert_eq!(store.facts("s", &["limit:customer:42".into()]).await.expect("read"), [version + 1]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_retry_keeps_the_chunks_it_names_and_counts() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        for chunk in 0..3 {
            let stay = Flush { journal: vec![u8::try_from(chunk).expect("small")], chunk, ..flush(1, Next::Stay) };
            assert_eq!(store.flush(stay).await.expect("flushed"), done());
        }
        let retry = Next::Retry { due_at: NOW + 100, wait: "later".into(), chunks: 1 };
        let last = Flush { journal: vec![3], chunk: 3, ..flush(1, retry) };
        assert_eq!(store.flush(last).await.expect("flushed"), done());
        assert_eq!(store.journal(RunId(1)).await.expect("read"), [[0]]);
        assert_eq!(store.next_due().await.expect("read"), Some(NOW + 100));
        assert!(store.claim_due(NOW + 99, 10).await.expect("claimed").is_empty());
        let claimed = store.claim_due(NOW + 100, 10).await.expect("claimed");
        assert_eq!((claimed[0].attempt, claimed[0].fence, claimed[0].chunks), (2, 2, 1));
        assert_eq!(claimed[0].wait.as_deref(), Some("later"));
        assert_eq!(store.next_due().await.expect("read"), None);
        assert!(store.claim_due(NOW + 1000, 10).await.expect("claimed").is_empty(), "it is taken");
    })
    .await;
}

#[tokio::test]
async fn effects_move_on_and_are_counted_once() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        let intended = shopwright_store::EffectRow { next_at: Some(NOW), ..effect(1, 1, EffectState::Intended) };
        let stay = Flush { effects: vec![intended.clone()], ..flush(1, Next::Stay) };
        store.flush(stay).await.expect("flushed");
        assert_eq!(store.effects_pending(NOW, 10).await.expect("read"), std::slice::from_ref(&intended));
        assert_eq!(store.next_effect().await.expect("read"), Some(NOW));
        let sent =
            shopwright_store::EffectRow { state: EffectState::Sent, attempts: 1, next_at: None, ..intended.clone() };
        let finished =
            shopwright_store::EffectRow { state: EffectState::Done, answer: Some("{}".into()), ..sent.clone() };
        // The same effect twice in one call: the later one counts.
        store.update_effects(vec![sent, finished.clone()]).await.expect("updated");
        assert_eq!(store.effect("s", &intended.id).await.expect("read"), Some(finished.clone()));
        assert_eq!(store.effect("t", &intended.id).await.expect("read"), None);
        assert_eq!(store.effect("s", "nonsense").await.expect("read"), None);
        let again = Flush { effects: vec![finished, effect(1, 2, EffectState::Denied)], ..flush(1, Next::Stay) };
        store.flush(again).await.expect("flushed");
        assert_eq!(store.run("s", RunId(1)).await.expect("read").expect("there").effects, 2);
        assert_eq!(
            store.effects_counted("s", "customer:42", None, None, 0).await.expect("read"),
            1,
            "denied ones do not count"
        );
    })
    .await;
}
