//! The shop's model in the store.

use shopwright_model::{Entity, EntityKind};
use shopwright_store::{ImportBatch, Put};

use crate::support::{NOW, accept, article, event, on_each};

fn put(at: i64, put: Put) -> shopwright_store::NewEvent {
    let mut event = event(&format!("{at}-{}", put.entity.doc.len()), "article.updated", &[]);
    event.at = at;
    event.puts = vec![Put { since: at, ..put }];
    event
}

#[tokio::test]
async fn documents_have_versions_and_a_past() {
    on_each(|store| async move {
        let at = |at| {
            let store = store.clone();
            async move {
                store.entity_as_of("s", EntityKind::Article, "a", at).await.expect("read").map(|stored| stored.version)
            }
        };
        accept(&store, put(10, article("a", "one", 10))).await;
        // Two changes in one batch: the one in between is past as well.
        let both = vec![put(20, article("a", "twooo", 20)), put(30, article("a", "threeee", 30))];
        store.accept(both).await.expect("accepted");
        let stored = store.entity("s", EntityKind::Article, "a").await.expect("read").expect("there");
        assert_eq!((stored.version, stored.since), (3, 30));
        assert!(stored.doc.contains("threeee"));
        assert_eq!([at(5).await, at(10).await, at(25).await, at(99).await], [None, Some(1), Some(2), Some(3)]);
        // Out of order: an older state does not replace a newer one where that is asked for.
        let late = put(15, Put { newer_only: true, ..article("a", "late", 15) });
        accept(&store, late).await;
        assert_eq!(store.entity("s", EntityKind::Article, "a").await.expect("read").expect("there").version, 3);
        let mut gone = event("gone", "article.deleted", &[]);
        gone.at = 40;
        gone.removes = vec![(EntityKind::Article, "a".into()), (EntityKind::Article, "never".into())];
        accept(&store, gone).await;
        assert_eq!(store.entity("s", EntityKind::Article, "a").await.expect("read"), None);
        assert_eq!([at(35).await, at(45).await], [Some(3), None]);
        assert_eq!(store.entity_count("s", EntityKind::Article).await.expect("read"), 0);
    })
    .await;
}

#[tokio::test]
async fn documents_are_found_by_their_terms() {
    on_each(|store| async move {
        let mut batch = event("1", "x.y", &[]);
        batch.puts = (0..9)
            .map(|n| {
                let mut put = article(&format!("a{n}"), "t", 100 - n / 2);
                put.entity.owner = Some("42".into());
                put.entity.alt = Some(format!("alt{n}"));
                put
            })
            .collect();
        accept(&store, batch).await;
        let mut seen = Vec::new();
        let mut after: Option<(i64, String)> = None;
        loop {
            let page = after.as_ref().map(|(sort, id)| (*sort, &**id));
            let page = store.entities_owned("s", EntityKind::Article, "42", page, 2).await.expect("read");
            let Some(last) = page.last() else { break };
            after = Some((last.sort, last.id.clone()));
            seen.extend(page.into_iter().map(|doc| doc.id));
        }
        assert_eq!(seen, ["a1", "a0", "a3", "a2", "a5", "a4", "a7", "a6", "a8"], "newest first, then by id downwards");
        let found = store.entity_by_alt("s", EntityKind::Article, "alt3").await.expect("read").expect("there");
        assert_eq!(found.id, "a3");
        let scan = store.entities_scan("s", EntityKind::Article, Some("a6"), 10).await.expect("read");
        assert_eq!(scan.iter().map(|doc| &*doc.id).collect::<Vec<_>>(), ["a7", "a8"]);
        assert_eq!(store.entity_count("s", EntityKind::Article).await.expect("read"), 9);
        assert_eq!(store.entity_count("t", EntityKind::Article).await.expect("read"), 0);
        // Many at once: one query, each its own answer.
        let calls: Vec<_> = (0..50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    store.entity("s", EntityKind::Article, &format!("a{n}")).await.expect("read").is_some()
                })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.expect("it answers"), n < 9, "a{n}");
        }
    })
    .await;
}

fn order(id: &str, units: i64, cancelled: bool) -> Put {
    let doc = serde_json::json!({"id": id, "number": id, "customer": "42", "lines": [{"variant_id": "v", "sku": "s", "title": "t",
        "quantity": units, "price": {"amount": 1, "currency": "EUR"}, "discount": {"amount": 0, "currency": "EUR"}}],
        "total": {"amount": 5, "currency": "EUR"}, "payment": "paid", "fulfilment": "unfulfilled", "placed_at": 50,
        "cancelled_at": cancelled.then_some(60)});
    let entity = Entity::parse(EntityKind::Order, &doc).expect("an order");
    Put { entity, expect: None, since: NOW, newer_only: false }
}

#[tokio::test]
async fn sales_and_variants_follow_their_documents() {
    on_each(|store| async move {
        let sold = || {
            let store = store.clone();
            async move { store.units_sold("s", "v", 0, 100).await.expect("read") }
        };
        let puts = |id: &str, puts: Vec<Put>| shopwright_store::NewEvent { puts, ..event(id, "order.updated", &[]) };
        accept(&store, puts("1", vec![order("1", 2, false), order("2", 3, false)])).await;
        assert_eq!(sold().await, 5);
        assert_eq!(store.units_sold("s", "v", 51, 100).await.expect("read"), 0);
        accept(&store, puts("2", vec![order("1", 7, false), order("2", 3, true)])).await;
        assert_eq!(sold().await, 7);
        let mut gone = event("3", "order.deleted", &[]);
        gone.removes = vec![(EntityKind::Order, "1".into())];
        accept(&store, gone).await;
        assert_eq!(sold().await, 0);

        let product = |id: &str, variants: &[&str]| {
            let mut put = article(id, "a product", 0);
            put.entity.kind = EntityKind::Product;
            put.entity.parts = variants.iter().map(|v| (*v).to_owned()).collect();
            put
        };
        let of = |variant: &'static str| {
            let store = store.clone();
            async move { store.product_of_variant("s", variant).await.expect("read").is_some() }
        };
        accept(&store, puts("4", vec![product("p", &["v1", "v2"])])).await;
        assert_eq!([of("v1").await, of("v2").await, of("v3").await], [true, true, false]);
        accept(&store, puts("5", vec![product("p", &["v2", "v3"])])).await;
        assert_eq!([of("v1").await, of("v2").await, of("v3").await], [false, true, true]);
    })
    .await;
}

#[tokio::test]
async fn an_import_goes_on_where_it_stopped() {
    on_each(|store| async move {
        let step = |from_line, ids: &[&str], errors: Vec<(i64, String)>| ImportBatch {
            shop: "s".into(),
            import: "i".into(),
            from_line,
            lines: 3,
            puts: ids.iter().map(|id| article(id, "t", 0)).collect(),
            errors,
            done: false,
            now: NOW,
        };
        assert_eq!(store.import_get("s", "i").await.expect("read"), None);
        store.import_batch(step(1, &["a", "b"], vec![(3, "no id".into())])).await.expect("imported");
        // Its answer was lost, and it comes again.
        let row = store.import_batch(step(1, &["a", "b"], vec![(3, "no id".into())])).await.expect("imported");
        assert_eq!((row.lines, row.ok, row.failed), (3, 2, 1));
        let last = ImportBatch { done: true, ..step(4, &["c"], vec![]) };
        let row = store.import_batch(last).await.expect("imported");
        assert_eq!((row.lines, row.ok, row.failed, row.done), (6, 3, 1, true));
        assert_eq!(row.errors, [(3, "no id".to_owned())]);
        assert_eq!(store.import_get("s", "i").await.expect("read"), Some(row));
        assert_eq!(store.entity_count("s", EntityKind::Article).await.expect("read"), 3);
    })
    .await;
}
