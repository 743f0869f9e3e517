//! The report of a shadow.

use serde_json::{Value, json};
use shopwright_engine::{Install, Mode};
use shopwright_store::ops::EffectState;
use shopwright_trial::{compare::Verdict, shadow};

use crate::{
    probe,
    support::{HOUR, SHOP, Setup, World, customer},
};

const TICK: &str = "[[workflow]]\nname = \"script\"\ntitle = \"t\"\n[[workflow.trigger]]\nevent = [\"shop.tick\"]\n";

/// A world in which `probe` is live and `shadow` stands beside it; both follow the event's `live` or `shadow` steps.
async fn shadowed(live: Value, shadow: Value) -> World {
    let world = World::with(Setup::default()).await;
    world.add(probe::package_as(&probe::manifest("1.0.0", TICK))).await;
    world.enable("probe", json!({ "steps": live })).await;
    let request = Install {
        id: Some("shadow".into()),
        plugin: "probe".into(),
        version: None,
        settings: json!({ "steps": shadow }),
        grants: None,
        mode: Some(Mode::Shadow),
        beside: None,
    };
    world.engine.install(SHOP, request).await.expect("it is installed");
    world.event("customer.created", "c", customer("42")).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_different_and_only_one_are_told_apart() {
    let mail = |note: &str| json!({"do": "email", "customer": "42", "note": note});
    let world = shadowed(json!([mail("a")]), json!([mail("a")])).await;
    world.event("shop.tick", "same", json!({})).await;
    // The event's own script is followed by both: what differs is the settings.
    world.event("shop.tick", "none", json!({"steps": []})).await;
    world
        .engine
        .change(
            SHOP,
            "shadow",
            shopwright_engine::Change { settings: Some(json!({"steps": [mail("b")]})), ..Default::default() },
        )
        .await
        .expect("changed");
    world.event("shop.tick", "different", json!({})).await;
    world
        .engine
        .change(
            SHOP,
            "shadow",
            shopwright_engine::Change { settings: Some(json!({"steps": []})), ..Default::default() },
        )
        .await
        .expect("changed");
    world.event("shop.tick", "only", json!({})).await;
    world.engine.start_run(SHOP, "probe", "script", &json!({}), None).await.expect("by hand: left out");
    world.pass(HOUR).await;

    let (report, pairs) = shadow::report(&world.engine, SHOP, "shadow", None, (None, None)).await.expect("a report");
    let totals = report.totals;
    assert_eq!(
        (totals.pairs, totals.same, totals.neither, totals.different, totals.only_live, totals.only_tested),
        (4, 1, 1, 1, 1, 0),
        "{report:#?}"
    );
    assert_eq!(report.live.expect("a live side").installation.as_deref(), Some("probe"));
    let verdicts: Vec<_> = pairs.iter().map(|pair| pair.verdict).collect();
    assert_eq!(verdicts, [Verdict::Different, Verdict::OnlyLive]);
    let difference = &pairs[0].differences[0];
    assert_eq!(
        (difference.field.as_str(), &difference.tested, &difference.live),
        ("messaging.send-email /data/note", &json!("b"), &json!("a"))
    );
    assert_eq!((pairs[0].tested.acts[0].state.as_str(), pairs[0].live.acts[0].state.as_str()), ("recorded", "done"));
    // Five runs of the live one sent four messages; the shadow none.
    assert_eq!(world.mail().await.len(), 4);
}

/// A guardrail that counts counts the shadow's own messages, not those of the live one beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_counts_for_itself() {
    let mail = json!([{"do": "email", "customer": "42", "note": "a"}]);
    let world = shadowed(mail.clone(), mail).await;
    world
        .rule(json!({"id": "few", "kind": "message_frequency", "max": 2, "window_hours": 24, "words": "Enough."}))
        .await;
    for n in 0..3 {
        world.event("shop.tick", &format!("t{n}"), json!({})).await;
    }
    let (report, pairs) = shadow::report(&world.engine, SHOP, "shadow", None, (None, None)).await.expect("a report");
    assert_eq!((report.totals.same, pairs.len()), (3, 0), "{pairs:#?}");
    let said: Vec<_> = report.guardrails.iter().map(|g| (g.rule.as_str(), g.tested, g.live)).collect();
    assert_eq!(said, [("few", 1, 1)]);
    let states: Vec<EffectState> = {
        let mut states = Vec::new();
        for run in world.runs().await {
            states.extend(world.effects(run.id).await.into_iter().map(|effect| effect.state));
        }
        states
    };
    let count = |state| states.iter().filter(|s| **s == state).count();
    assert_eq!((count(EffectState::Done), count(EffectState::Recorded), count(EffectState::Denied)), (2, 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_needs_something_to_compare_with() {
    let world = shadowed(json!([]), json!([])).await;
    let refused = async |id: &str, beside: Option<&str>, span| {
        shadow::report(&world.engine, SHOP, id, beside, span).await.expect_err("refused").to_string()
    };
    assert!(refused("nobody", None, (None, None)).await.contains("nobody"));
    assert!(refused("probe", None, (None, None)).await.contains("no other installation"));
    assert!(refused("shadow", Some("nobody"), (None, None)).await.contains("nobody"));
    assert!(refused("shadow", None, (Some(5), Some(4))).await.contains("span"));
}
