//! Accepting events.

use shopwright_model::RunId;
use shopwright_store::{EventFilter, RunState, Started};

use crate::support::{NOW, accept, active, event, on_each, run};

#[tokio::test]
async fn an_event_is_accepted_once_also_within_a_batch() {
    on_each(|store| async move {
        let mut first = event("1", "cart.updated", &["cart:c", "customer:42", "cart:c"]);
        first.runs = vec![run(1)];
        let answers = store
            .accept(vec![first.clone(), first.clone(), event("2", "cart.updated", &["cart:d"])])
            .await
            .expect("accepted");
        assert_eq!(answers[0].seq, 1);
        assert_eq!(answers[0].runs, [active(1)]);
        assert!(answers[1].duplicate && answers[1].seq == 1 && answers[1].runs.is_empty());
        assert_eq!(answers[2].seq, 2);
        let again = accept(&store, first).await;
        assert!(again.duplicate && again.seq == 1);
        // Another source, another shop: another event.
        let mut other = event("1", "cart.updated", &[]);
        other.source = "elsewhere".into();
        assert_eq!(accept(&store, other.clone()).await.seq, 3);
        other.shop = "t".into();
        assert_eq!(accept(&store, other).await.seq, 4);

        let stored = store.event_by_id("s", "test", "1").await.expect("read").expect("it is there");
        assert_eq!(
            (stored.seq, stored.root, &*stored.concerns),
            (1, 1, &["cart:c".to_owned(), "customer:42".to_owned()][..])
        );
        assert_eq!(store.event("s", 1).await.expect("read"), Some(stored));
        assert_eq!(store.event("t", 1).await.expect("read"), None, "events are their shop's");
        let row = store.run("s", RunId(1)).await.expect("read").expect("it is there");
        assert_eq!(
            (row.state, row.fence, row.node, row.cursor, row.event_seq),
            (RunState::Active, 1, Some(0), 1, Some(1))
        );
        assert_eq!(store.latest_seq().await.expect("read"), 4);
    })
    .await;
}

#[tokio::test]
async fn events_are_found_by_what_they_concern() {
    on_each(|store| async move {
        for n in 0..20 {
            let kind = if n % 2 == 0 { "order.placed" } else { "cart.updated" };
            accept(&store, event(&n.to_string(), kind, &[["customer:1", "customer:2"][n % 4 / 2], "cart:x"])).await;
        }
        let seqs = |rows: Vec<shopwright_store::EventRow>| rows.into_iter().map(|row| row.seq).collect::<Vec<_>>();
        let kinds = ["order.placed".to_owned(), "never.seen".to_owned()];
        let found = store.events_matching("s", Some("customer:1"), &kinds, 5, 10).await.expect("read");
        assert_eq!(seqs(found), [9, 13, 17]);
        let found = store.events_matching("s", None, &kinds, 15, 10).await.expect("read");
        assert_eq!(seqs(found), [17, 19]);
        let list = |filter| {
            let store = store.clone();
            async move { seqs(store.events_list("s", &filter).await.expect("read")) }
        };
        let filter = |kind: Option<&str>, entity: Option<&str>, before| EventFilter {
            kind: kind.map(Into::into),
            entity: entity.map(Into::into),
            before,
            limit: 3,
        };
        assert_eq!(list(filter(None, None, None)).await, [20, 19, 18]);
        assert_eq!(list(filter(None, None, Some(18))).await, [17, 16, 15]);
        assert_eq!(list(filter(Some("cart.updated"), None, None)).await, [20, 18, 16]);
        assert_eq!(list(filter(Some("cart.updated"), Some("customer:1"), None)).await, [18, 14, 10]);
        assert_eq!(list(filter(None, Some("customer:2"), Some(12))).await, [11, 8, 7]);
        let between = store.events_between("s", NOW, NOW + 1, 18, 10).await.expect("read");
        assert_eq!(seqs(between), [19, 20]);
    })
    .await;
}

#[tokio::test]
async fn many_callers_at_once_get_numbers_without_gaps() {
    on_each(|store| async move {
        let calls = (0..300).map(|n| {
            let store = store.clone();
            tokio::spawn(async move { accept(&store, event(&n.to_string(), "a.b", &["x:1"])).await.seq })
        });
        let mut seqs = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            seqs.push(call.await.expect("it answers"));
        }
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=300).collect::<Vec<_>>());
        assert!(store.stats().commits < 300, "commits are shared: {:?}", store.stats());
    })
    .await;
}

#[tokio::test]
async fn a_start_of_the_same_name_is_the_first_one() {
    on_each(|store| async move {
        let once = |id, name: &str| shopwright_store::NewRun { once: Some(name.into()), ..run(id) };
        let answers = store.start(vec![once(1, "a"), once(2, "a"), once(3, "b")]).await.expect("started");
        assert_eq!(answers, [active(1), Started::Before(RunId(1)), active(3)]);
        assert_eq!(store.start(vec![once(4, "b")]).await.expect("started"), [Started::Before(RunId(3))]);
        assert_eq!(store.runs_by_id(&[RunId(1), RunId(2), RunId(3), RunId(4)]).await.expect("read").len(), 2);
    })
    .await;
}
