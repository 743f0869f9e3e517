//! Runs as files: replayed to the last byte, without personal data, and with another build.

use serde_json::{Value, json};
use shopwright_model::RunId;
use shopwright_store::ops::RunState;
use shopwright_trial::{
    TrialError,
    bundle::Bundle,
    mask,
    replay::{self, Replay},
};

use crate::{
    probe,
    support::{HOUR, SHOP, START, World, cart, customer, order, product, sandbox},
};

async fn bundle(world: &World, run: RunId) -> Bundle {
    let bundle = Bundle::collect(&world.engine, SHOP, run).await.expect("a bundle");
    // As a file: what is read is what was written.
    let read = Bundle::from_bytes(&bundle.to_bytes().expect("bytes")).expect("a bundle");
    assert_eq!(read, bundle);
    read
}

async fn again(bundle: &Bundle, component: Option<&[u8]>) -> Replay {
    replay::replay(&sandbox(), bundle, component).await.expect("a replay")
}

async fn shop() -> World {
    let world = World::probed().await;
    world.event("customer.created", "c", customer("42")).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    world.event("cart.updated", "k", cart("c1", "42", 2_000)).await;
    world
}

/// Reads, randomness, time, log, waits and actions: all of it again, in every state that a run can be in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_run_replays_to_the_last_byte() {
    let world = shop().await;
    let steps = json!([
        {"do": "log", "message": "one"}, {"do": "print", "text": "printed"}, {"do": "customer", "id": "42"},
        {"do": "random"}, {"do": "now"}, {"do": "cart", "id": "c1"},
        {"do": "price", "variant": "v1", "amount": 1_900}, {"do": "variant", "id": "v1"},
        {"do": "print", "text": "before"}, {"do": "sleep", "ms": HOUR}, {"do": "print", "text": "after"},
        {"do": "wait", "kinds": ["order.placed"], "entity": "customer:42", "ms": HOUR},
        {"do": "email", "customer": "42", "note": "n"}, {"do": "emit", "kind": "probe.said", "data": {"n": 1}},
        {"do": "discount", "customer": "42", "percent": 10, "days": 1}, {"do": "log", "message": "two"},
    ]);
    let run = world.go("long", steps).await;
    let waiting = bundle(&world, run).await;
    world.pass(HOUR).await;
    world.event("order.placed", "o", order("o1", "42", START)).await;
    assert_eq!(world.state(run).await, RunState::Done);
    let done = bundle(&world, run).await;
    assert_eq!((done.journal.len(), done.effects.len()), (3, 3));

    let mut cases = vec![("waiting for time", waiting), ("done", done)];
    for (name, steps) in [
        ("nothing", json!([])),
        ("only log", json!([{"do": "now"}, {"do": "log", "message": "x"}])),
        ("fatal", json!([{"do": "customer", "id": "42"}, {"do": "fatal", "message": "no"}])),
        ("trap", json!([{"do": "customer", "id": "42"}, {"do": "trap"}])),
        ("out of fuel", json!([{"do": "loop"}])),
        ("bad call", json!([{"do": "set", "key": "", "value": 1}])),
        ("waiting for an event", json!([{"do": "wait", "kinds": ["order.paid"], "entity": "order:o1", "ms": HOUR}])),
        ("waiting for a person", json!([{"do": "ask", "title": "t", "choices": ["a", "b"], "ms": HOUR}])),
        (
            "a later try",
            json!([{"do": "log", "message": "try"}, {"do": "retry_below", "attempt": 2}, {"do": "customer", "id": "42"}]),
        ),
        ("continued", json!([{"do": "continue", "state": {"steps": [{"do": "customer", "id": "42"}]}}])),
    ] {
        let run = world.go(name, steps).await;
        world.pass(60_000).await;
        cases.push((name, bundle(&world, run).await));
    }
    let by_hand = world.go_by_hand(json!([{"do": "cart", "id": "c1"}])).await;
    cases.push(("by hand", bundle(&world, by_hand).await));
    let cancelled = world.go("cancelled", json!([{"do": "cart", "id": "c1"}, {"do": "sleep", "ms": HOUR}])).await;
    assert!(world.engine.cancel(SHOP, cancelled, "enough").await.expect("cancelled"));
    cases.push(("cancelled", bundle(&world, cancelled).await));
    for (name, bundle) in &cases {
        let replayed = again(bundle, None).await;
        assert!(replayed.agrees, "{name}: {replayed:#?} of {:#?}", bundle.run);
        assert_eq!(replayed.steps.len(), replayed.recorded_steps as usize, "{name}");
    }
    let of_done = again(&cases[1].1, None).await;
    assert_eq!((of_done.steps[0].call.as_str(), &of_done.steps[0].args), ("customers.get", &json!(["42"])));
    assert_eq!(of_done.log.len(), 5, "{:?}", of_done.log);
}

/// What is changed in the record shows, whatever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_difference_is_shown() {
    let world = shop().await;
    let run = world
        .go("1", json!([{"do": "customer", "id": "42"}, {"do": "log", "message": "x"}, {"do": "email", "customer": "42", "note": "n"}]))
        .await;
    let good = bundle(&world, run).await;
    let what = async |change: &dyn Fn(&mut Bundle)| {
        let mut changed = good.clone();
        change(&mut changed);
        let replayed = again(&changed, None).await;
        assert!(!replayed.agrees);
        let difference = replayed.difference.expect("a difference");
        (difference.what, difference.position)
    };
    assert_eq!(what(&|b| b.run.outcome = Some("[]".into())).await, ("outcome".into(), None));
    assert_eq!(what(&|b| b.log[0].message = "y".into()).await, ("log".into(), Some(0)));
    assert_eq!(
        what(&|b| b.effects[0].request = b.effects[0].request.replace("\"n\"", "\"m\"")).await,
        ("effect".into(), Some(1))
    );
    assert_eq!(what(&|b| b.event.as_mut().expect("an event").data = json!({"steps": []}).to_string()).await.0, "call");
    let settings = |b: &mut Bundle| {
        let steps = json!({"steps": [{"do": "customer", "id": "43"}]});
        b.event.as_mut().expect("an event").data = steps.to_string();
    };
    let mut changed = good.clone();
    settings(&mut changed);
    let difference = again(&changed, None).await.difference.expect("a difference");
    assert_eq!(
        (difference.recorded, difference.replayed),
        (json!({"call": "customers.get", "args": ["42"]}), json!({"call": "customers.get", "args": ["43"]}))
    );
}

/// Another build is tried against the journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_build_is_tried_against_the_journal() {
    let world = World::new().await;
    world.install("cart-recovery", json!({})).await;
    world.event("customer.created", "c", customer("42")).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    let intake = world.event("cart.updated", "k", cart("c1", "42", 9_000)).await;
    let run = intake.runs[0].run.expect("a run");
    world.pass(30 * HOUR).await;
    let recovery = bundle(&world, run).await;
    assert!(again(&recovery, None).await.agrees);
    // Neither the workflow nor anything that it does.
    let other = again(&recovery, Some(&probe::package())).await;
    assert!(!other.agrees && other.difference.is_some(), "{other:#?}");
}

/// Names, addresses, numbers and free text are gone from the file; the run is the same run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_masked_bundle_holds_no_personal_data_and_replays() {
    let world = World::new().await;
    world.install("cart-recovery", json!({})).await;
    let mut ann = customer("42");
    ann["name"] = "Annemarie Schlosser".into();
    ann["email"] = "annemarie.schlosser@mail.example".into();
    ann["phone"] = "+49 30 5551234".into();
    world.event("customer.created", "c", ann).await;
    world.event("product.created", "p", product("p1", "v1", 2_000, 1_000)).await;
    let mut left = cart("c1", "42", 9_000);
    left["email"] = "annemarie.schlosser@mail.example".into();
    let intake = world.event("cart.updated", "k", left).await;
    let run = intake.runs[0].run.expect("a run");
    world.pass(30 * HOUR).await;
    assert!(!world.mail().await.is_empty(), "it wrote to her");
    let open = bundle(&world, run).await;
    assert!(text(&open).contains("Annemarie"), "there is something to be masked");
    let masked = mask::mask(&open).expect("masked");
    let bytes = masked.to_bytes().expect("bytes");
    let masked = Bundle::from_bytes(&bytes).expect("a bundle");
    for gone in ["Annemarie", "annemarie", "Schlosser", "mail.example", "5551234"] {
        assert!(!text(&masked).contains(gone), "{gone}: {}", text(&masked));
    }
    // What names nobody stays.
    assert!(text(&masked).contains("v1") && text(&masked).contains("9000"));
    let replayed = again(&masked, None).await;
    assert!(replayed.agrees, "{replayed:#?}");
    // Another salt every time.
    assert_ne!(mask::mask(&open).expect("masked").journal, masked.journal);
    println!("bundle: {} bytes, masked {} bytes", open.to_bytes().expect("bytes").len(), bytes.len());
}

/// Everything but the component, as text.
fn text(bundle: &Bundle) -> String {
    let mut rest = bundle.clone();
    rest.component.0.clear();
    rest.manifest.clear();
    let journal: Vec<u8> = rest.journal.iter().flat_map(|chunk| chunk.0.clone()).collect();
    rest.journal.clear();
    format!("{} {}", serde_json::to_string(&rest).expect("plain data"), String::from_utf8_lossy(&journal))
}

/// Text that the program copies, cuts and joins stays consistent; where it computes on characters, it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_text_is_consistent_and_what_does_not_replay_is_told() {
    let world = World::new().await;
    world.install("ticket-router", json!({})).await;
    world.event("customer.created", "c", customer("42")).await;
    let ticket: Value = json!({"id": "t1", "customer": "42", "subject": "Broken shoe", "channel": "email", "status": "open",
        "priority": "normal", "tags": [], "created_at": START, "updated_at": START,
        "messages": [{"author": "Annemarie Schlosser", "from_customer": true, "internal": false, "text": "The left sole of my shoe has come off after one day.", "at": START}]});
    let accepted = world.accept("ticket.created", "t", ticket).await;
    let Ok(intake) = accepted else { panic!("{accepted:?}") };
    world.idle().await;
    world.pass(HOUR).await;
    let run = intake.runs[0].run.expect("a run");
    let open = bundle(&world, run).await;
    assert!(again(&open, None).await.agrees);
    let masked = mask::mask(&open).expect("masked");
    for gone in ["sole", "Broken", "Schlosser"] {
        assert!(!text(&masked).contains(gone), "{gone}");
    }
    // It sorts by words: whether the masked one replays is not promised, but it is said, and never a panic.
    let replayed = again(&masked, None).await;
    assert_eq!(replayed.agrees, replayed.difference.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_other_formats_are_refused_by_name() {
    let world = shop().await;
    let run = world.go("1", json!([])).await;
    let bytes = bundle(&world, run).await.to_bytes().expect("bytes");
    let mut later = bytes.clone();
    later[15..19].copy_from_slice(&9_u32.to_le_bytes());
    let error = Bundle::from_bytes(&later).expect_err("refused");
    assert!(matches!(error, TrialError::BundleVersion { found: 9, known: 1 }), "{error}");
    assert!(Bundle::from_bytes(b"PK\x03\x04").expect_err("refused").to_string().contains("run export"));
    for end in [0, 10, 17, 25, bytes.len() - 1] {
        assert!(Bundle::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
    assert!(matches!(Bundle::collect(&world.engine, SHOP, RunId(5)).await, Err(TrialError::NotFound(_))));
}
