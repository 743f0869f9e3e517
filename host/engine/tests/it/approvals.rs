//! Questions to people: answered, passed on, expired.

use serde_json::json;
use shopwright_engine::EngineError;
use shopwright_store::{
    ApprovalFilter,
    ops::{ApprovalRow, RunState},
};

use crate::support::{DAY, HOUR, SHOP, START, World, customer, product};

async fn open(world: &World) -> Vec<ApprovalRow> {
    let filter = ApprovalFilter { limit: 10, ..ApprovalFilter::default() };
    let all = world.store().approvals_list(SHOP, &filter).await.expect("approvals");
    all.into_iter().filter(|row| row.state == "open" || row.state == "escalated").collect()
}

fn question(escalate: Option<&str>) -> serde_json::Value {
    json!([{"do": "ask", "title": "Ship it?", "choices": ["ship", "hold"], "ms": HOUR, "escalate": escalate},
        {"do": "now", "since": START}])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_one_of_the_choices_and_counts_once() {
    let world = World::probed().await;
    let run = world.go("1", question(None)).await;
    assert_eq!(world.state(run).await, RunState::Waiting);
    let id = open(&world).await[0].id.clone();
    let error = world.engine.answer(SHOP, &id, "burn", "ann").await.expect_err("no choice");
    assert!(
        matches!(&error, EngineError::Invalid { code: "bad-choice", reason, .. } if reason.contains("ship, hold")),
        "{error}"
    );
    assert!(matches!(world.engine.answer("other", &id, "ship", "ann").await, Err(EngineError::NotFound { .. })));
    world.pass(HOUR / 2).await;
    world.engine.answer(SHOP, &id, "ship", "ann").await.expect("answered");
    let error = world.engine.answer(SHOP, &id, "hold", "bob").await.expect_err("answered already");
    assert!(matches!(error, EngineError::Conflict { code: "approval-closed", .. }), "{error}");
    world.idle().await;
    assert_eq!(world.said(run).await, json!(["ship", HOUR / 2]));
    world.pass(DAY).await;
    assert_eq!(
        world.store().approval(SHOP, &id).await.expect("a row").expect("it is kept").answered_by.as_deref(),
        Some("ann")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_nobody_answers_expires() {
    let world = World::probed().await;
    let run = world.go("1", question(None)).await;
    world.pass(HOUR - 1).await;
    assert_eq!(world.state(run).await, RunState::Waiting);
    let id = open(&world).await[0].id.clone();
    world.pass(1).await;
    assert_eq!(world.said(run).await, json!([null, HOUR]));
    assert!(matches!(world.engine.answer(SHOP, &id, "ship", "ann").await, Err(EngineError::Conflict { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_passes_on_to_another_channel_for_as_long_again() {
    let world = World::probed().await;
    let answered = world.go("1", question(Some("managers"))).await;
    let expired = world.go("2", question(Some("managers"))).await;
    world.pass(HOUR).await;
    let escalated = open(&world).await;
    assert_eq!(escalated.len(), 2);
    assert!(escalated.iter().all(|row| row.state == "escalated" && row.asked.as_deref() == Some("managers")));
    assert!(escalated.iter().all(|row| row.deadline_at == START + 2 * HOUR));
    let notices = world.mail().await;
    assert_eq!(notices.len(), 2);
    assert_eq!((notices[0].channel.as_str(), notices[0].recipient.as_str()), ("staff", "managers"));
    assert!(notices[0].text.contains("Ship it?") && notices[0].text.contains("hold"), "{}", notices[0].text);
    let id = &escalated.iter().find(|row| row.run == answered).expect("its question").id;
    world.engine.answer(SHOP, id, "hold", "manager").await.expect("answered");
    world.pass(HOUR).await;
    assert_eq!(world.said(answered).await, json!(["hold", HOUR]));
    assert_eq!(world.said(expired).await, json!([null, 2 * HOUR]));
}

/// A guardrail that asks: the action happens after a yes, and not after a no.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guardrail_asks_a_person() {
    let world = World::probed().await;
    world
        .rule(json!({"id": "big", "kind": "largest_price_change", "percent": 10, "window_hours": 24, "mode": "ask",
        "words": "Big changes need a person."}))
        .await;
    world.event("customer.created", "c", customer("42")).await;
    for (n, (answer, said, price)) in [
        (Some("approve"), json!("done"), 1_000),
        (Some("refuse"), json!({"not_approved": "Big changes need a person."}), 2_000),
        (None, json!({"not_approved": "nobody answered in time: Big changes need a person."}), 2_000),
    ]
    .into_iter()
    .enumerate()
    {
        let variant = format!("v{n}");
        world.event("product.created", &variant, product(&format!("p{n}"), &variant, 2_000, 100)).await;
        let run = world
            .go(
                &n.to_string(),
                json!([{"do": "price", "variant": variant, "amount": 1_000}, {"do": "variant", "id": variant}]),
            )
            .await;
        let asked = open(&world).await;
        assert_eq!(asked.len(), 1);
        assert!(asked[0].title.contains("Big changes need a person."), "{}", asked[0].title);
        assert!(asked[0].details.contains("the script says so"), "{}", asked[0].details);
        match answer {
            Some(choice) => {
                world.engine.answer(SHOP, &asked[0].id, choice, "ann").await.expect("answered");
                world.idle().await;
            }
            None => world.pass(DAY).await,
        }
        assert_eq!(world.said(run).await, json!([said, price]));
    }
}
