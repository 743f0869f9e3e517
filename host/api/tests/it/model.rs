//! The model, one document at a time and in bulk.

use serde_json::{Value, json};

use crate::support::{Host, cart};

#[tokio::test]
async fn a_document_is_stored_shown_listed_and_removed() {
    let host = Host::new().await;
    let stored = host.ask("PUT", "/api/v1/model/cart/c1", cart("c1", "42", 7)).await.ok();
    assert_eq!((&stored["kind"], &stored["version"]), (&json!("cart"), &json!(1)));
    host.ask("PUT", "/api/v1/model/cart/c2", cart("c2", "42", 8)).await.ok();
    let owned = host.ask("GET", "/api/v1/model/cart?owner=42&limit=1", Value::Null).await.ok();
    assert_eq!(owned["items"][0]["id"], "c2", "the latest first");
    let next = owned["next"].as_str().expect("there is more");
    let rest = host.ask("GET", &format!("/api/v1/model/cart?owner=42&limit=1&after={next}"), Value::Null).await.ok();
    assert_eq!((&rest["items"][0]["id"], rest.get("next")), (&json!("c1"), None));
    let by_address = host.ask("GET", "/api/v1/model/cart?alt=Ann@Example.com", Value::Null).await.ok();
    assert_eq!(by_address["items"].as_array().expect("a list").len(), 1);
    let counts = host.ask("GET", "/api/v1/model", Value::Null).await.ok();
    assert!(counts["items"].as_array().expect("a list").contains(&json!({"kind": "cart", "count": 2})), "{counts}");
    let changed = host.ask("GET", "/api/v1/events?kind=model.changed", Value::Null).await.ok();
    assert_eq!(changed["items"].as_array().expect("a list").len(), 2, "changes are in the history");
    let earlier = host.ask("PUT", "/api/v1/model/cart/c1", cart("c1", "42", 3)).await;
    assert_eq!((earlier.status, earlier.code()), (409, "later-state"));
    assert_eq!(host.ask("DELETE", "/api/v1/model/cart/c1", Value::Null).await.status, 204);
    assert_eq!(host.ask("GET", "/api/v1/model/cart/c1", Value::Null).await.code(), "not-found");
}

#[tokio::test]
async fn what_fits_no_record_is_refused() {
    let host = Host::new().await;
    let mut wrong = cart("c1", "42", 7);
    wrong["step"] = json!("nowhere");
    let answer = host.ask("PUT", "/api/v1/model/cart/c1", wrong).await;
    assert_eq!((answer.status, answer.code()), (422, "bad-data"));
    assert!(answer.body["detail"].as_str().expect("text").contains("nowhere"));
    let answer = host.ask("PUT", "/api/v1/model/cart/other", cart("c1", "42", 7)).await;
    assert_eq!((answer.status, answer.code()), (422, "invalid"));
    let answer = host.ask("PUT", "/api/v1/model/spaceship/1", json!({})).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body["detail"].as_str().expect("text").contains("customer"), "the kinds are named");
}

const LINES: &str = "application/x-ndjson";

#[tokio::test]
async fn an_import_refuses_bad_lines_one_by_one_and_goes_on_where_it_stopped() {
    let host = Host::new().await;
    let good = |id: &str| json!({"kind": "cart", "document": cart(id, "42", 7)}).to_string();
    let first = format!("{}\n\nnot json\n{{\"kind\": \"cart\", \"document\": {{}}}}\n{}\n", good("c1"), good("c2"));
    let part = host.post("/api/v1/model/import?id=i1&last=false", LINES, first.clone()).await.ok();
    assert_eq!((&part["lines"], &part["stored"], &part["refused"]), (&json!(5), &json!(2), &json!(2)), "{part}");
    assert_eq!(part["done"], false);
    let lines: Vec<&Value> = part["errors"].as_array().expect("a list").iter().map(|e| &e["line"]).collect();
    assert_eq!(lines, [&json!(3), &json!(4)]);
    // The whole file again, longer now, without a line end: what was read is skipped.
    let whole = format!("{first}{}", good("c3"));
    let all = host.post("/api/v1/model/import?id=i1", LINES, whole.clone()).await.ok();
    assert_eq!(
        (&all["lines"], &all["stored"], &all["refused"], &all["done"]),
        (&json!(6), &json!(3), &json!(2), &json!(true)),
        "{all}"
    );
    let again = host.post("/api/v1/model/import?id=i1", LINES, whole).await.ok();
    assert_eq!((&again["stored"], &again["lines"]), (&json!(3), &json!(6)));
    assert_eq!(host.ask("GET", "/api/v1/imports/i1", Value::Null).await.ok()["lines"], 6);
    let gap = host.post("/api/v1/model/import?id=i1&from_line=9", LINES, good("c9")).await;
    assert_eq!((gap.status, gap.code()), (409, "import-gap"));
    assert!(gap.body["detail"].as_str().expect("text").contains("line 7"));
    let version = host.ask("GET", "/api/v1/model/cart/c1", Value::Null).await.ok();
    assert_eq!(version["version"], 1, "a line that was read before is not stored again");
}

#[tokio::test]
async fn a_long_import_of_one_kind_is_stored_in_steps() {
    let host = Host::new().await;
    let text: String = (0..1_234).map(|n| format!("{}\n", cart(&format!("c{n}"), "42", 7))).collect();
    let all = host.post("/api/v1/model/import?id=i2&kind=cart", LINES, text).await.ok();
    assert_eq!((&all["stored"], &all["refused"]), (&json!(1_234), &json!(0)));
    for (query, code) in
        [("id=", "invalid-query"), ("kind=cart", "invalid-query"), ("id=x&kind=spaceship", "not-found")]
    {
        assert_eq!(host.post(&format!("/api/v1/model/import?{query}"), LINES, "{}").await.code(), code, "{query}");
    }
    assert_eq!(host.post("/api/v1/model/import?id=x", "text/csv", "a,b").await.code(), "unsupported-media-type");
}
