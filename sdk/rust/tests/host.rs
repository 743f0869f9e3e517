//! What a workflow can rely on, as the stand-in has it: the same calls behave alike in the engine.

use shopwright_sdk::{
    __private::handler,
    Approval, Decision, ReadError,
    prelude::*,
    testing::{BEGIN, Host, Started, event, sample},
};

/// Runs a body as a workflow started by hand.
fn run(host: &mut Host, body: impl Fn(&Ctx) -> Result<Outcome>) -> Result<Outcome> {
    host.run(|ctx: &Ctx, _: Trigger, _: NoSettings| body(ctx), Trigger::Manual(json!({})), NoSettings {})
}

fn done(value: impl Serialize) -> Result<Outcome> {
    Outcome::done(value)
}

#[test]
fn waits_miss_nothing_and_receive_each_event_once() {
    let mut host = Host::new();
    for (hour, id, customer) in [(1, "a", "1"), (2, "b", "2"), (3, "c", "1"), (9, "d", "1")] {
        host.later(hours(hour), event("order.placed", &sample::order(id, customer)));
    }
    let outcome = run(&mut host, |ctx| {
        // Both come while the run sleeps.
        ctx.sleep(hours(4));
        let next = || ctx.wait_for(OrderPlaced::by("1"), hours(2));
        let (first, second, none) = (next()?, next()?, next()?);
        assert_eq!(ctx.now(), BEGIN + hours(6), "what was there already takes no time");
        let ids: Vec<String> = [first, second, none].into_iter().flatten().map(|placed| placed.order.id).collect();
        let late = ctx.wait_for(OrderPlaced::by("1").or::<OrderCancelled>(), days(1))?;
        assert!(matches!(late, Some(Either::A(OrderPlaced { at, .. })) if at == BEGIN + hours(9)));
        done(ids)
    });
    assert_eq!(outcome, done(["a", "c"]));
    assert_eq!(host.waited(), hours(9));
}

#[test]
fn conditions_are_the_tests_own() {
    let mut host = Host::new();
    host.conditions(|condition, value| {
        assert_eq!(condition, "event.data.total.amount > 5000");
        value["data"]["total"]["amount"].as_i64() > Some(5000)
    });
    host.later(hours(1), event("order.placed", &sample::order("small", "1")));
    let big = shopwright_sdk::orders::Order { total: Money::new(9000, "EUR"), ..sample::order("big", "1") };
    host.later(hours(2), event("order.placed", &big));
    let outcome = run(&mut host, |ctx| {
        let placed = ctx.wait_for(OrderPlaced::any().when("event.data.total.amount > 5000"), days(1))?;
        done(placed.map(|placed| placed.order.id))
    });
    assert_eq!(outcome, done("big"));
}

#[test]
fn memory_keeps_counts_and_compares() {
    let mut host = Host::new();
    host.remember("seen", &json!(["a"]));
    let outcome = run(&mut host, |ctx| {
        let memory = ctx.memory();
        assert_eq!(memory.get::<Vec<String>>("seen")?, Some(vec!["a".into()]));
        assert_eq!(memory.get::<u32>("none")?, None);
        assert!(memory.get::<u32>("seen").is_err_and(|error| error.message().contains("memory \"seen\"")));
        assert_eq!((memory.increment("count", 2), memory.increment("count", -5)), (2, -3));
        assert!(memory.compare_and_set("lock", None, &"me")?);
        assert!(!memory.compare_and_set("lock", None, &"you")?);
        assert!(memory.compare_and_set("lock", Some(&"me"), &"you")?);
        memory.remove("seen");
        done(())
    });
    assert_eq!(outcome, done(()));
    assert_eq!((host.memory("lock"), host.memory("seen")), (Some(json!("you")), None));
}

#[test]
fn runs_are_started_once_per_key_and_people_are_asked() {
    let mut host = Host::new();
    host.decide(Decision::Chosen("yes".into()));
    let question = Approval {
        title: "Refund?".into(),
        details: "{}".into(),
        choices: vec!["yes".into(), "no".into()],
        deadline: hours(24).as_millis(),
        escalate_to: None,
    };
    let outcome = run(&mut host, |ctx| {
        let first = ctx.start("other", "k", &json!(1))?;
        assert_eq!(ctx.start("other", "k", &json!(2))?, first);
        assert_ne!(ctx.start("other", "l", &json!(3))?, first);
        ctx.emit("loyalty.reached", &["customer:1".into()], &json!({ "tier": "gold" }))?;
        assert_eq!(ctx.ask(&question).as_deref(), Some("yes"));
        done(ctx.ask(&question))
    });
    assert_eq!(outcome, done(()), "nobody answered the second time");
    assert_eq!(host.waited(), hours(24));
    let started: Vec<Started> = host.started();
    assert_eq!((started.len(), &started[0].input), (2, &json!(1)));
    assert_eq!(host.emitted()[0].data["tier"], "gold");
}

#[test]
fn long_lists_are_read_page_by_page_as_far_as_needed() {
    let mut host = Host::new();
    for number in 0..7u64 {
        let order = sample::order(&format!("o{number}"), "1");
        host.put(shopwright_sdk::orders::Order { placed_at: number, ..order });
    }
    let outcome = run(&mut host, |ctx| {
        let all = ctx.orders().of_customer("1").by(3).collect::<Result<Vec<_>, ReadError>>()?;
        assert_eq!(ctx.orders().of_customer("1").by(3).take(2).count(), 2);
        let refused = ctx.orders().of_customer("1").by(0).next();
        assert!(matches!(refused, Some(Err(ReadError::Invalid(_)))));
        done(all.into_iter().map(|order| order.id).collect::<Vec<_>>())
    });
    assert_eq!(outcome, done(["o6", "o5", "o4", "o3", "o2", "o1", "o0"]), "newest first");
}

#[test]
fn chance_is_the_same_in_every_replay() {
    let draw = || {
        let mut host = Host::new();
        run(&mut host, |ctx| done([ctx.random(), ctx.random()])).unwrap()
    };
    assert_eq!(draw(), draw());
}

mod plugin {
    use super::*;

    settings! {
        /// Settings.
        pub struct Settings {
            /// How often.
            #[schemars(range(min = 1))]
            pub times: u32 = 1,
        }
    }

    fn placed(_: &Ctx, placed: OrderPlaced, settings: Settings) -> Result<Outcome> {
        Outcome::done(json!({ "order": placed.order.id, "times": settings.times }))
    }

    fn again(_: &Ctx, trigger: Trigger, _: Settings) -> Result<Outcome> {
        Outcome::continue_as_new(trigger.input::<u32>()? + 1)
    }

    shopwright_sdk::plugin! { settings = Settings; workflows = { "placed" => placed, "again" => again } }
}

fn call(workflow: &str, trigger: handler::Trigger, settings: &str) -> Result<String, handler::Failure> {
    let outcome = <plugin::__Plugin as handler::Guest>::run(workflow.into(), trigger, settings.into())?;
    Ok(match outcome {
        handler::Outcome::Done(value) => format!("done {value}"),
        handler::Outcome::ContinueAsNew(value) => format!("again {value}"),
    })
}

#[test]
fn the_component_finds_its_workflow_and_says_what_does_not_fit() {
    let placed = || handler::Trigger::Event(event("order.placed", &sample::order("o1", "1")));
    assert_eq!(call("placed", placed(), "{}"), Ok(r#"done {"order":"o1","times":1}"#.into()));
    assert_eq!(call("placed", placed(), r#"{"times":3}"#), Ok(r#"done {"order":"o1","times":3}"#.into()));
    assert_eq!(call("again", handler::Trigger::Manual("4".into()), "{}"), Ok("again 5".into()));
    assert_eq!(call("again", handler::Trigger::Continued("5".into()), "{}"), Ok("again 6".into()));

    for (workflow, trigger, settings, part) in [
        ("placd", placed(), "{}", "no workflow \"placd\", it has: placed, again"),
        ("placed", placed(), r#"{"tmes":3}"#, "settings: JSON: unknown field `tmes`"),
        ("placed", handler::Trigger::Schedule(0), "{}", "started by the events order.placed"),
        ("placed", handler::Trigger::Event(event("cart.updated", &sample::cart("c", "1"))), "{}", "got cart.updated"),
        ("again", placed(), "{}", "started with an input"),
        ("again", handler::Trigger::Manual("\"x\"".into()), "{}", "the run's input"),
    ] {
        match call(workflow, trigger, settings) {
            Err(handler::Failure::Fatal(message)) => assert!(message.contains(part), "{message}"),
            other => panic!("{part}: {other:?}"),
        }
    }
}
