//! Runs that are opened again, and what limits and rollouts count.

use shopwright_model::RunId;
use shopwright_store::{EffectState, Flush, Next, Own, Reopen, Rule, RunRow, RunState};

use crate::support::{NOW, active, effect, flush, keyed, on_each, run, start, wait_for};

fn reopening(row: &RunRow) -> Reopen {
    Reopen {
        run: row.id,
        shop: "s".into(),
        fence: row.fence,
        chunks: row.chunks,
        digest: "sha256:1".into(),
        settings: "[]".into(),
        journal: None,
        exclusive: true,
        now: NOW + 5,
    }
}

fn failed() -> Next {
    Next::Failed { code: "trap".into(), message: "no".into() }
}

#[tokio::test]
async fn a_run_is_opened_again_only_as_it_was_read_and_only_alone_of_its_key() {
    on_each(|store| async move {
        let row = |id: i64| {
            let store = store.clone();
            async move { store.run("s", RunId(id)).await.expect("read").expect("a run") }
        };
        start(&store, keyed(1, "k", Rule::Queue)).await;
        let whole = |next| Flush { journal: vec![1], entries: 3, log: vec![1], ..flush(1, next) };
        store.flush(whole(failed())).await.expect("flushed");
        assert_eq!(start(&store, keyed(2, "k", Rule::Queue)).await, active(2));
        let read = row(1).await;
        assert!(!store.run_reopen(reopening(&read)).await.expect("answered"), "another of its key lives");
        store.flush(flush(2, Next::Done(String::new()))).await.expect("flushed");
        for other in [
            Reopen { fence: read.fence + 1, ..reopening(&read) },
            Reopen { chunks: 2, ..reopening(&read) },
            Reopen { shop: "other".into(), ..reopening(&read) },
            Reopen { run: RunId(2), ..reopening(&row(2).await) },
        ] {
            assert!(!store.run_reopen(other).await.expect("answered"));
        }
        let cut = Reopen { journal: Some((vec![7, 7], 1)), ..reopening(&read) };
        assert!(store.run_reopen(cut).await.expect("answered"));
        let now = row(1).await;
        assert_eq!((now.state, now.fence, now.node, now.ended_at), (RunState::Active, read.fence + 1, None, None));
        assert_eq!((now.digest.as_str(), &*now.settings, now.error_code), ("sha256:1", "[]", None));
        assert_eq!((now.chunks, now.entries, now.attempt), (1, 1, 1));
        assert_eq!(store.journal(RunId(1)).await.expect("read"), [vec![7, 7]]);
        // One that waits: nothing of what it waited for wakes it any more.
        start(&store, run(3)).await;
        store.flush(flush(3, wait_for(&[("x", "y.z")]))).await.expect("flushed");
        assert!(store.run_reopen(reopening(&row(3).await)).await.expect("answered"));
        let woken = crate::support::accept(&store, crate::support::event("e", "y.z", &["x"])).await.woken;
        assert!(woken.is_empty());
        let full = vec![("s".to_owned(), "i".to_owned())];
        assert!(store.claim_active_except(10, 10, full).await.expect("claimed").is_empty());
        let other = vec![("s".to_owned(), "j".to_owned()), ("t".to_owned(), "i".to_owned())];
        let claimed = store.claim_active_except(10, 10, other).await.expect("claimed");
        assert_eq!(claimed.iter().map(|run| run.id.0).collect::<Vec<_>>(), [1, 3]);
    })
    .await;
}

#[tokio::test]
async fn use_is_counted_from_what_is_stored() {
    on_each(|store| async move {
        let base = RunId::first_at(NOW).0;
        for n in 1..=4 {
            start(&store, run(base + n)).await;
        }
        let memory = |key: &str, value: &str| Own::Memory(key.into(), Some(value.into()));
        let first = Flush {
            own: vec![memory("ä", "\"€\""), memory("k", "1")],
            effects: vec![effect(base + 1, 0, EffectState::Done), effect(base + 1, 1, EffectState::Denied)],
            ..flush(base + 1, Next::Done(String::new()))
        };
        store.flush(first).await.expect("flushed");
        store.flush(flush(base + 2, failed())).await.expect("flushed");
        store.flush(flush(base + 3, wait_for(&[]))).await.expect("flushed");
        let one = |n: u64| vec![("i".to_owned(), n)];
        // Bytes, not characters.
        assert_eq!(store.memory_by_installation("s").await.expect("read"), one(2 + 5 + 1 + 1));
        let actions = ["messaging.send-email", "messaging.send-sms"];
        assert_eq!(store.effects_by_installation("s", &actions, 0).await.expect("read"), one(1));
        assert!(store.effects_by_installation("s", &actions, NOW * 2).await.expect("read").is_empty());
        assert!(store.effects_by_installation("s", &actions[1..], 0).await.expect("read").is_empty());
        assert_eq!(store.effects_done(RunId(base + 1)).await.expect("read"), 1);
        assert_eq!(store.runs_begun("s", NOW).await.expect("read"), one(3), "the fourth has not begun");
        assert!(store.runs_begun("s", NOW + 1).await.expect("read").is_empty());
        assert_eq!(store.runs_ended_since("s", NOW + 1).await.expect("read"), one(2));
        let ended = store.runs_ended("s", "i", "sha256:0", NOW, 1_000).await.expect("read");
        assert_eq!(ended, [((NOW + 1) / 1_000, 2, 1)]);
        assert!(store.runs_ended("s", "i", "sha256:1", NOW, 1_000).await.expect("read").is_empty());
    })
    .await;
}
