//! What people set up, the audit, retention.

use shopwright_model::{EntityKind, RunId};
use shopwright_store::{
    AuditCheck, AuditEntry, AuditFault, CatalogueRow, Flush, GuardrailRow, InstallationRow, LockRow, MessageFilter,
    MessageRow, Next, Own, PublisherRow, Retention, ScheduleRow, Shop, Token, VersionRow, testing,
};

use crate::support::{NOW, accept, article, event, flush, on_each, run, start, wait_for};

#[tokio::test]
async fn what_is_put_is_read_and_stays_in_its_shop() {
    on_each(|store| async move {
        let shop = Shop {
            id: "s".into(),
            name: "Shop".into(),
            currency: "EUR".into(),
            time_zone: "Europe/Berlin".into(),
            settings: "{}".into(),
            created_at: 1,
        };
        store.shop_put(shop.clone()).await.expect("put");
        let renamed = Shop { name: "New".into(), created_at: 9, ..shop.clone() };
        store.shop_put(renamed).await.expect("put");
        let expected = Shop { name: "New".into(), ..shop };
        assert_eq!(store.shop("s").await.expect("read"), Some(expected.clone()));
        assert_eq!(store.shops_list().await.expect("read"), [expected]);

        let token = Token {
            id: "t1".into(),
            shop: "s".into(),
            name: "n".into(),
            role: "owner".into(),
            hash: "h".into(),
            created_at: 1,
            last_used_at: None,
            expires_at: Some(5),
            revoked_at: None,
        };
        store.token_put(token.clone()).await.expect("put");
        let same_hash = Token { id: "t2".into(), ..token.clone() };
        assert!(!store.token_put(same_hash).await.expect_err("the hash is taken").is_unavailable());
        store.token_used("t1", 3).await.expect("noted");
        assert!(!store.token_revoke("t", "t1", 4).await.expect("answered"), "another shop's");
        assert!(store.token_revoke("s", "t1", 4).await.expect("answered"));
        assert!(!store.token_revoke("s", "t1", 5).await.expect("answered"), "once");
        let expected = Token { last_used_at: Some(3), revoked_at: Some(4), ..token };
        assert_eq!(store.token_by_hash("h").await.expect("read"), Some(expected.clone()));
        assert_eq!(store.tokens_list("s").await.expect("read"), [expected]);

        let rail = GuardrailRow { shop: "s".into(), id: "g".into(), rule: "{}".into(), updated_at: 1 };
        store.guardrail_put(rail.clone()).await.expect("put");
        assert_eq!(store.guardrails_list("s").await.expect("read"), [rail]);
        assert!(store.guardrails_list("t").await.expect("read").is_empty());
        assert!(store.guardrail_delete("s", "g").await.expect("deleted"));
        assert!(!store.guardrail_delete("s", "g").await.expect("answered"));
        assert!(!store.delivery_seen("s", "k", 1).await.expect("noted"));
        assert!(store.delivery_seen("s", "k", 2).await.expect("noted"));
    })
    .await;
}

#[tokio::test]
async fn where_plugins_come_from_is_kept_for_each_shop() {
    on_each(|store| async move {
        let acme = PublisherRow {
            shop: "s".into(),
            name: "acme".into(),
            keys: "[]".into(),
            namespaces: "[\"ghcr.io/acme\"]".into(),
            created_at: 1,
            updated_at: 1,
        };
        store.publisher_put(acme.clone()).await.expect("put");
        let changed = PublisherRow { keys: "[1]".into(), created_at: 9, updated_at: 2, ..acme.clone() };
        store.publisher_put(changed.clone()).await.expect("put");
        let expected = PublisherRow { created_at: 1, ..changed };
        assert_eq!(store.publishers_list("s").await.expect("read"), [expected]);
        assert!(store.publishers_list("t").await.expect("read").is_empty());
        assert!(!store.publisher_delete("t", "acme").await.expect("answered"), "another shop's");
        assert!(store.publisher_delete("s", "acme").await.expect("answered"));

        let catalogue = CatalogueRow {
            shop: String::new(),
            name: "acme".into(),
            reference: "ghcr.io/acme/catalogue:latest".into(),
            key: None,
            publisher: "acme".into(),
            revision: 1,
            digest: "sha256:0".into(),
            document: "{}".into(),
            fetched_at: 1,
            tried_at: 1,
            error: None,
            created_at: 1,
        };
        store.catalogue_put(catalogue.clone()).await.expect("put");
        let newer = CatalogueRow { revision: 2, error: Some("away".into()), tried_at: 3, ..catalogue };
        store.catalogue_put(newer.clone()).await.expect("put");
        assert_eq!(store.catalogues_list("").await.expect("read"), [newer]);
        assert!(store.catalogues_list("s").await.expect("read").is_empty());
        assert!(store.catalogue_delete("", "acme").await.expect("answered"));
        assert!(!store.catalogue_delete("", "acme").await.expect("answered"));

        let lock = LockRow {
            shop: "s".into(),
            publisher: "acme".into(),
            plugin: "p".into(),
            version: "1.0.0".into(),
            reference: "ghcr.io/acme/p:1.0.0@sha256:0".into(),
            component: "sha256:1".into(),
            signed_by: None,
            signed_with: None,
            created_at: 1,
        };
        store.lock_put(lock.clone()).await.expect("put");
        let signed = LockRow { signed_by: Some("acme".into()), component: "sha256:2".into(), ..lock.clone() };
        store.lock_put(signed).await.expect("put");
        let expected = LockRow { signed_by: Some("acme".into()), ..lock };
        assert_eq!(store.locks_list("s").await.expect("read"), [expected], "the component is pinned for good");
    })
    .await;
}

#[tokio::test]
async fn a_component_stays_while_something_needs_it() {
    on_each(|store| async move {
        store.component_put("sha256:0", vec![1, 2, 3], 1).await.expect("put");
        store.component_put("sha256:0", vec![9], 2).await.expect("put again");
        assert_eq!(store.component("sha256:0").await.expect("read"), Some(vec![1, 2, 3]));
        let version = VersionRow {
            shop: "s".into(),
            plugin: "p".into(),
            version: "1.0.0".into(),
            digest: "sha256:0".into(),
            manifest: "{}".into(),
            imports: "[]".into(),
            source: "upload".into(),
            created_at: 1,
        };
        store.version_put(version.clone()).await.expect("put");
        assert_eq!(store.version("s", "p", "1.0.0").await.expect("read"), Some(version.clone()));
        assert_eq!(store.versions_list("s").await.expect("read"), [version]);
        let installation = InstallationRow {
            shop: "s".into(),
            id: "i".into(),
            plugin: "p".into(),
            version: "1.0.0".into(),
            digest: "sha256:0".into(),
            settings: "{}".into(),
            grants: "[]".into(),
            mode: "live".into(),
            beside: None,
            rollout: "{}".into(),
            limits: "{}".into(),
            created_at: 1,
            updated_at: 1,
            removed_at: None,
        };
        store.installation_put(installation.clone()).await.expect("put");
        assert_eq!(store.installations_list("s").await.expect("read"), std::slice::from_ref(&installation));
        assert!(!store.component_delete("sha256:0").await.expect("answered"));
        testing::execute(&store, "DELETE FROM versions").await.expect("deleted");
        let removed = InstallationRow { removed_at: Some(2), ..installation };
        store.installation_put(removed.clone()).await.expect("put");
        assert!(store.installations_list("s").await.expect("read").is_empty());
        assert_eq!(store.installations_all().await.expect("read"), std::slice::from_ref(&removed));
        assert_eq!(store.installation("s", "i").await.expect("read"), Some(removed));
        start(&store, run(1)).await;
        assert_eq!(store.live_runs_of_digest("sha256:0").await.expect("read"), 1);
        let needed = store.digests_of_runs(RunId(0), 10).await.expect("read");
        assert_eq!(needed, (vec!["sha256:0".into()], None), "a run needs it");
        store.flush(flush(1, Next::Done(String::new()))).await.expect("flushed");
        testing::execute(&store, "UPDATE runs SET kept = 0").await.expect("its journal is gone");
        assert_eq!(store.digests_of_runs(RunId(0), 1).await.expect("read"), (Vec::new(), Some(RunId(1))));
        assert!(store.component_delete("sha256:0").await.expect("answered"));
        assert!(store.components_list().await.expect("read").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_schedule_is_advanced_by_one() {
    on_each(|store| async move {
        let row = |n, next_at| ScheduleRow {
            shop: "s".into(),
            installation: "i".into(),
            workflow: "w".into(),
            n,
            cron: "* * * * *".into(),
            next_at,
            last_at: None,
        };
        store.schedules_put("s", "i", vec![row(0, Some(10)), row(1, Some(5)), row(2, None)]).await.expect("put");
        assert_eq!(store.next_schedule().await.expect("read"), Some(5));
        assert_eq!(store.schedules_due(4, 10).await.expect("read"), []);
        let due = store.schedules_due(10, 10).await.expect("read");
        assert_eq!(due, [row(1, Some(5)), row(0, Some(10))]);
        assert!(store.schedule_advance(&due[0], Some(20), Some(5)).await.expect("advanced"));
        assert!(!store.schedule_advance(&due[0], Some(20), Some(5)).await.expect("answered"), "another was first");
        assert_eq!(store.schedules_list("s").await.expect("read")[1].last_at, Some(5));
        store.schedules_put("s", "i", vec![row(0, Some(7))]).await.expect("put");
        assert_eq!(store.schedules_list("s").await.expect("read"), [row(0, Some(7))]);
        store.schedules_remove("s", "i").await.expect("removed");
        assert_eq!(store.next_schedule().await.expect("read"), None);
    })
    .await;
}

#[tokio::test]
async fn the_audit_shows_what_was_changed() {
    on_each(|store| async move {
        for n in 1..=5 {
            let entry = AuditEntry {
                shop: if n == 3 { String::new() } else { "s".into() },
                at: n,
                who: "token:t".into(),
                what: "shop.updated".into(),
                subject: "shop:s".into(),
                before: (n > 1).then(|| "{}".into()),
                after: Some("{}".into()),
                origin: "127.0.0.1".into(),
            };
            assert_eq!(store.audit_append(entry).await.expect("appended"), n);
        }
        assert_eq!(store.audit_verify().await.expect("checked"), AuditCheck { rows: 5, broken_at: None, fault: None });
        let ns = store.audit_list("s", Some(1), 10).await.expect("read").iter().map(|row| row.n).collect::<Vec<_>>();
        assert_eq!(ns, [2, 4, 5]);
        testing::execute(&store, "UPDATE audit SET who = 'nobody' WHERE n = 2").await.expect("changed");
        assert_eq!(store.audit_verify().await.expect("checked").broken_at, Some(2));
        testing::execute(&store, "UPDATE audit SET who = 'token:t' WHERE n = 2").await.expect("changed back");
        assert_eq!(store.audit_verify().await.expect("checked").broken_at, None);
        let fault = async || {
            let check = store.audit_verify().await.expect("checked");
            check.broken_at.zip(check.fault)
        };
        // The end taken off: the head misses it, also after more was written.
        testing::execute(&store, "DELETE FROM audit WHERE n = 5").await.expect("taken off");
        assert_eq!(fault().await, Some((5, AuditFault::Truncated)));
        assert_eq!(store.audit_append(AuditEntry::default()).await.expect("appended"), 6);
        assert_eq!(fault().await, Some((6, AuditFault::Removed)));
        testing::execute(&store, "DELETE FROM audit WHERE n = 6").await.expect("taken off");
        // The head set back with it leaves no trace here: only an export from before shows that.
        testing::execute(&store, "UPDATE audit_head SET n = 4, hash = (SELECT hash FROM audit WHERE n = 4)")
            .await
            .expect("set back");
        assert_eq!(fault().await, None);
        testing::execute(&store, "UPDATE audit_head SET n = 3").await.expect("set back");
        assert_eq!(fault().await, Some((3, AuditFault::Edited)));
        testing::execute(&store, "DELETE FROM audit WHERE n = 3").await.expect("taken out");
        assert_eq!(fault().await, Some((4, AuditFault::Removed)));
    })
    .await;
}

#[tokio::test]
async fn retention_removes_what_is_old_and_not_needed() {
    on_each(|store| async move {
        for n in 1..=10 {
            let mut new = event(&n.to_string(), "article.updated", &["article:a", "article:a", "x:1"]);
            new.received_at = n;
            new.puts = vec![shopwright_store::Put { since: n, ..article("a", &n.to_string(), n) }];
            new.runs = if n == 3 || n == 4 { vec![run(n)] } else { vec![] };
            accept(&store, new).await;
        }
        let message = |n: i64| {
            Own::Message(MessageRow {
                id: n.to_string(),
                shop: "s".into(),
                channel: "email".into(),
                recipient: "r".into(),
                customer: None,
                subject: String::new(),
                text: String::new(),
                html: None,
                at: n,
                run: None,
                seq: n,
            })
        };
        // Run 3 waits (its event is needed); run 4 has ended.
        let journal = |id, next| Flush {
            journal: vec![1],
            log: vec![1],
            own: (1..=6).map(message).collect(),
            now: 5,
            ..flush(id, next)
        };
        store.flush(journal(3, wait_for(&[("y", "z.z")]))).await.expect("flushed");
        store.flush(journal(4, Next::Done(String::new()))).await.expect("flushed");
        let cutoffs = Retention {
            events_before: Some(8),
            journals_before: Some(6),
            past_before: Some(5),
            messages_before: Some(4),
        };
        let mut removed = 0;
        for _ in 0..20 {
            removed += store.retention_step(cutoffs, 2).await.expect("a step");
        }
        // Events 1, 2, 4 to 7; the journal of run 4; versions that ended before 5; messages 1 to 3.
        assert_eq!(removed, 6 + 1 + 3 + 3);
        let left =
            store.events_matching("s", Some("article:a"), &["article.updated".into()], 0, 100).await.expect("read");
        assert_eq!(left.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 8, 9, 10]);
        assert_eq!(store.journal(RunId(3)).await.expect("read").len(), 1);
        assert!(store.journal(RunId(4)).await.expect("read").is_empty());
        assert!(store.log(RunId(4)).await.expect("read").is_empty());
        assert_eq!(store.messages_list("s", None, 10, &MessageFilter::default()).await.expect("read").len(), 3);
        let as_of = |at| {
            let store = store.clone();
            async move {
                store.entity_as_of("s", EntityKind::Article, "a", at).await.expect("read").map(|stored| stored.version)
            }
        };
        assert_eq!([as_of(3).await, as_of(4).await, as_of(10).await], [None, Some(4), Some(10)]);
        // Everything old: the last event stays, so that numbers go on.
        let all = Retention { events_before: Some(NOW), ..Retention::default() };
        for _ in 0..20 {
            store.retention_step(all, 100).await.expect("a step");
        }
        assert_eq!(store.latest_seq().await.expect("read"), 10);
        let again = store.reopen().await.expect("it comes back");
        assert_eq!(accept(&again, event("11", "a.b", &[])).await.seq, 11);
    })
    .await;
}

#[tokio::test]
async fn an_answer_wakes_the_run_that_asked() {
    on_each(|store| async move {
        start(&store, run(1)).await;
        let approval = shopwright_store::ApprovalRow {
            id: "a1".into(),
            shop: "s".into(),
            run: RunId(1),
            position: 1,
            title: "May I?".into(),
            details: "{}".into(),
            choices: "[]".into(),
            state: "open".into(),
            asked: None,
            escalate_to: Some("#boss".into()),
            deadline_at: NOW + 10,
            created_at: NOW,
            choice: None,
            answered_by: None,
            answered_at: None,
        };
        let ask = Flush { own: vec![Own::Approval(approval.clone())], ..flush(1, wait_for(&[])) };
        store.flush(ask).await.expect("flushed");
        assert!(store.approvals_due(NOW + 9, 10).await.expect("read").is_empty());
        let mut due = store.approvals_due(NOW + 10, 10).await.expect("read").remove(0);
        assert_eq!(due, approval);
        due.state = "escalated".into();
        due.deadline_at = NOW + 20;
        assert!(store.approval_update(due.clone(), NOW, None).await.expect("updated"));
        assert_eq!(store.approval("s", "a1").await.expect("read"), Some(due.clone()));
        assert_eq!(store.approval_answer("t", "a1", "yes", "me", NOW).await.expect("answered"), None, "another shop's");
        assert_eq!(store.approval_answer("s", "a1", "yes", "me", NOW).await.expect("answered"), Some(RunId(1)));
        assert_eq!(store.approval_answer("s", "a1", "no", "me", NOW).await.expect("answered"), None, "once");
        assert!(!store.approval_update(due, NOW, None).await.expect("answered"), "it has been answered");
        assert!(store.approvals_due(NOW + 99, 10).await.expect("read").is_empty());
        assert_eq!(store.claim_active(10, 10).await.expect("claimed").len(), 1, "the answer woke it");
        assert_eq!(store.run_counts("s").await.expect("read").active, 1);
    })
    .await;
}
