//! Faults: of the disk, of the server, of an operation.

use shopwright_model::RunId;
use shopwright_store::{FaultKind, Store, StoreError, testing};

use crate::support::{accept, event, on_each, options, run, start};

#[tokio::test]
async fn a_transaction_that_fails_is_answered_and_the_writer_lives_on() {
    on_each(|store| async move {
        accept(&store, event("1", "a.b", &[])).await;
        let writes = store.writes();
        store.fail_after(2, FaultKind::Error);
        accept(&store, event("2", "a.b", &[])).await;
        let error = store.accept(vec![event("3", "a.b", &[])]).await.expect_err("the disk is full");
        assert!(error.is_unavailable() && error.to_string().contains("full"), "{error}");
        assert!(!store.healthy());
        assert_eq!(store.event_by_id("s", "test", "3").await.expect("reads go on"), None);
        assert_eq!(accept(&store, event("3", "a.b", &[])).await.seq, 3, "its number was not used up");
        assert!(store.healthy());
        assert_eq!(store.writes(), writes + 2);
    })
    .await;
}

#[tokio::test]
async fn a_crash_leaves_all_of_a_transaction_or_nothing() {
    for (kind, latest) in [(FaultKind::Crash, 1), (FaultKind::CrashCommitted, 3)] {
        on_each(|store| async move {
            accept(&store, event("1", "a.b", &[])).await;
            store.fail_after(1, kind);
            let two = vec![event("2", "a.b", &["x:1"]), event("3", "a.b", &[])];
            assert!(store.accept(two).await.expect_err("it is dead").is_unavailable());
            assert!(store.accept(vec![event("4", "a.b", &[])]).await.expect_err("still").is_unavailable());
            assert!(store.latest_seq().await.expect_err("reads too").is_unavailable());
            assert!(!store.healthy());
            let after = store.reopen().await.expect("it comes back");
            assert_eq!(after.latest_seq().await.expect("read"), latest);
            let again = accept(&after, event("2", "a.b", &["x:1"])).await;
            assert_eq!(again.duplicate, kind == FaultKind::CrashCommitted);
        })
        .await;
    }
}

/// An operation that the database refuses fails alone, whatever it shares a batch with.
#[tokio::test]
async fn a_bad_operation_does_not_spoil_its_batch() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        let good: Vec<_> = (0..30)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { store.accept(vec![event(&format!("good{n}"), "a.b", &[])]).await })
            })
            .collect();
        // Ids are given once; one that is taken is refused by the table.
        assert!(matches!(store.start(vec![run(1)]).await, Err(StoreError::Invalid { .. })));
        for call in good {
            assert!(call.await.expect("it answers").is_ok());
        }
        assert_eq!(store.latest_seq().await.expect("read"), 30);
        assert!(store.healthy());
        assert!(store.run("s", RunId(1)).await.expect("read").is_some());
    })
    .await;
}

#[tokio::test]
async fn the_server_goes_away_and_comes_back() {
    let Some(cluster) = testing::Cluster::start() else { return };
    let url = cluster.database().await;
    let store = Store::open(&url, options()).await.expect("the server answers");
    accept(&store, event("1", "a.b", &[])).await;
    cluster.stop_server();
    let error = store.accept(vec![event("2", "a.b", &[])]).await.expect_err("it is gone");
    assert!(error.is_unavailable(), "{error}");
    assert!(store.latest_seq().await.expect_err("it is gone").is_unavailable());
    assert!(!store.healthy());
    cluster.start_server();
    assert_eq!(accept(&store, event("2", "a.b", &[])).await.seq, 2);
    assert_eq!(store.latest_seq().await.expect("read"), 2);
    assert!(store.healthy());
    // Connections cut while nothing is under way.
    testing::execute(
        &store,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
    )
    .await
    .expect("cut");
    let mut tries = 0;
    while store.latest_seq().await.is_err() {
        tries += 1;
        assert!(tries < 10, "broken connections are replaced");
    }
    assert_eq!(accept(&store, event("3", "a.b", &[])).await.seq, 3);
}

#[tokio::test]
async fn a_file_has_one_process_and_remembers() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let store = Store::open(&url, options()).await.expect("opens");
    let error = Store::open(&url, options()).await.expect_err("it is open");
    assert!(error.to_string().contains("another process"), "{error}");
    accept(&store, event("1", "a.b", &[])).await;
    store.close().await;
    assert!(store.accept(vec![event("2", "a.b", &[])]).await.expect_err("closed").is_unavailable());
    drop(store);
    let again = Store::open(&url, options()).await.expect("opens again");
    assert!(accept(&again, event("1", "a.b", &[])).await.duplicate);
    assert_eq!(accept(&again, event("2", "a.b", &[])).await.seq, 2);
    for bad in ["mysql://x", "nonsense", "sqlite:///no/such/folder/x.db"] {
        let error = Store::open(bad, options()).await.expect_err(bad);
        assert!(!error.to_string().is_empty());
    }
}

/// A file that may not grow: what does not fit is refused as unavailable, and work goes on when there is
/// room again.
#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite://{}", folder.path().join("store.db").display());
    for url in [&*file, "sqlite::memory:"] {
        let store = Store::open(url, options()).await.expect("opens");
        testing::execute(&store, "PRAGMA max_page_count = 1").await.expect("no smaller than it is");
        let large = |n: usize| {
            let mut large = event(&n.to_string(), "a.b", &["x:1"]);
            large.data = format!("\"{}\"", "x".repeat(20_000));
            large
        };
        let mut accepted = 0;
        let error = loop {
            match store.accept(vec![large(accepted)]).await {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
            assert!(accepted < 100, "it has to be full");
        };
        assert!(error.is_unavailable() && error.to_string().contains("full"), "{error}");
        assert!(!store.healthy());
        assert!(store.accept(vec![large(accepted)]).await.is_err(), "still full");
        assert_eq!(store.latest_seq().await.expect("reads go on"), i64::try_from(accepted).expect("small"));
        testing::execute(&store, "PRAGMA max_page_count = 1000000").await.expect("room again");
        assert_eq!(accept(&store, large(accepted)).await.seq, i64::try_from(accepted).expect("small") + 1);
        assert!(store.healthy());
    }
}
