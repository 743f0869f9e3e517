//! A plugin that does what its trigger tells it to: a script of steps, in JSON. The tests of the host write
//! their workflows with it, beside what they expect of them.
//!
//! The outcome is the list of what every step gave. It names no run and no time, so that two runs
//! of one script can be compared.

use shopwright_sdk::{discounts, prelude::*, serde_json::Value, support::Priority};

mod steps;

use steps::{Saga as SagaStep, Step};

settings! {
    /// What a trigger without a script of its own does.
    pub struct Settings {
        /// The script.
        pub steps: Vec<Value> = Vec::new(),
    }
}

/// Where the script is: in the event's data, in the input, else in the settings.
#[derive(Deserialize)]
#[serde(crate = "shopwright_sdk::serde")]
struct Script {
    steps: Vec<Step>,
}

fn script(ctx: &Ctx, trigger: Trigger, settings: Settings) -> Result<Outcome> {
    let given = match trigger {
        Trigger::Event(event) => event.data()?,
        Trigger::Manual(value) | Trigger::Continued(value) => value,
        Trigger::Schedule(at) => json!({ "at": at.as_millis() }),
    };
    let steps = match given.get("steps") {
        Some(_) => given,
        None => json!({ "steps": settings.steps }),
    };
    let script: Script = shopwright_sdk::serde_json::from_value(steps)?;
    let mut said = Vec::new();
    match follow(ctx, &script.steps, &mut said)? {
        Some(outcome) => Ok(outcome),
        None => Outcome::done(said),
    }
}

/// What an action gave, without its effect's id (which names the run).
fn told<T>(result: Result<T, ActionError>) -> Value {
    match result {
        Ok(_) => json!("done"),
        Err(ActionError::Denied(why)) => json!({ "denied": why }),
        Err(ActionError::NotApproved(why)) => json!({ "not_approved": why }),
        Err(ActionError::Invalid(why)) => json!({ "invalid": why }),
        Err(ActionError::Unavailable(why)) => json!({ "unavailable": why }),
        Err(ActionError::Unknown(why)) => json!({ "unknown": why }),
    }
}

fn act(ctx: &Ctx, step: &Step) -> Option<Result<(), ActionError>> {
    let because = "the script says so";
    let result = match step {
        Step::Email { customer, marketing, note } => {
            let email =
                if *marketing { Email::marketing(customer, "note") } else { Email::transactional(customer, "note") };
            match email.because(because).with(&json!({ "note": note })) {
                Ok(email) => ctx.messages().send_email(&email).map(drop),
                Err(error) => Err(ActionError::Invalid(error.message().to_owned())),
            }
        }
        Step::Sms { customer, marketing, text } => {
            let sms = if *marketing { Sms::marketing(customer, text) } else { Sms::transactional(customer, text) };
            ctx.messages().send_sms(&sms.because(because)).map(drop)
        }
        Step::Staff { channel, text } => ctx.messages().notify_staff(channel, text, &json!({})).map(drop),
        Step::Price { variant, amount } => {
            ctx.prices().set(variant, &Money::new(*amount, ctx.currency()), because).map(drop)
        }
        Step::Discount { customer, percent, days: valid } => {
            let offer = discounts::Offer::percent(*percent).for_customer(customer);
            ctx.discounts().create(&offer.expires(ctx.now() + days(*valid)).because(because)).map(drop)
        }
        Step::Priority { ticket, high } => {
            let priority = if *high { Priority::High } else { Priority::Normal };
            ctx.support().set_priority(ticket, priority, because).map(drop)
        }
        Step::Reply { ticket, text } => ctx.support().reply(ticket, text).map(drop),
        _ => return None,
    };
    Some(result)
}

/// Follows the steps; some outcome where one of them ends the run by itself.
fn follow(ctx: &Ctx, steps: &[Step], said: &mut Vec<Value>) -> Result<Option<Outcome>> {
    for step in steps {
        if let Some(result) = act(ctx, step) {
            said.push(told(result));
            continue;
        }
        if let Some(answer) = steps::http(step) {
            said.push(answer);
            continue;
        }
        match step {
            Step::Customer { id } => said.push(json!(ctx.customers().get(id)?.map(|c| c.name))),
            Step::Cart { id } => said.push(json!(ctx.carts().get(id)?.map(|c| c.total.minor()))),
            Step::Order { id } => said.push(json!(ctx.orders().get(id)?.map(|o| o.number))),
            Step::Variant { id } => said.push(json!(ctx.catalog().variant(id)?.map(|v| v.price.minor()))),
            Step::Now { since } => said.push(json!(ctx.now().as_millis().wrapping_sub(*since).cast_signed())),
            Step::Random {} => {
                let drawn = ctx.random();
                ctx.memory().set("drawn", &drawn.to_string())?;
                said.push(json!("drawn"));
            }
            Step::Attempt {} => said.push(json!(ctx.info().attempt)),
            Step::Sleep { ms } => ctx.sleep(shopwright_sdk::millis(*ms)),
            Step::SleepUntil { at } => ctx.sleep_until(Timestamp::from_millis(*at)),
            Step::Wait { kinds, entity, when, ms } => {
                said.push(json!(steps::wait(kinds, entity.as_deref(), when.as_deref(), *ms).map(|event| event.id)));
            }
            Step::Emit { kind, concerns, data } => ctx.emit(kind, concerns, data)?,
            Step::Start { workflow, key, input } => {
                ctx.start(workflow, key, input)?;
                said.push(json!("started"));
            }
            Step::Ask { title, choices, ms, escalate } => {
                let approval = shopwright_sdk::Approval {
                    title: title.clone(),
                    details: json!({ "asked": true }).to_string(),
                    choices: choices.clone(),
                    deadline: *ms,
                    escalate_to: escalate.clone(),
                };
                said.push(json!(ctx.ask(&approval)));
            }
            Step::Get { key } => said.push(json!(ctx.memory().get::<Value>(key)?)),
            Step::Set { key, value } => ctx.memory().set(key, value)?,
            Step::Remove { key } => ctx.memory().remove(key),
            Step::Add { key, by } => said.push(json!(ctx.memory().increment(key, *by))),
            Step::Cas { key, expected, value } => {
                said.push(json!(ctx.memory().compare_and_set(key, expected.as_ref(), value)?));
            }
            Step::Log { message } => ctx.log(LogLevel::Info, message),
            Step::Print { text } => println!("{text}"),
            Step::RetryBelow { attempt } => {
                let now = ctx.info().attempt;
                if now < *attempt {
                    return Err(Error::retry(format!("try {now} fails")));
                }
            }
            Step::Fatal { message } => return Err(Error::fatal(message)),
            Step::Trap {} => panic!("the script says so"),
            Step::Loop {} => steps::spin(),
            Step::Recurse {} => said.push(json!(steps::recurse(1))),
            Step::Bomb { megabytes } => said.push(json!(steps::bomb(*megabytes))),
            Step::WasiSleep {} => std::thread::sleep(std::time::Duration::from_secs(1)),
            Step::Output { bytes } => return Ok(Some(Outcome::done("x".repeat(*bytes))?)),
            Step::Continue { state } => return Ok(Some(Outcome::continue_as_new(state)?)),
            Step::Repeat { times, steps } => {
                for _ in 0..*times {
                    if let Some(outcome) = follow(ctx, steps, said)? {
                        return Ok(Some(outcome));
                    }
                }
            }
            Step::OnAttempt { attempt, then, otherwise } => {
                let steps = if ctx.info().attempt == *attempt { then } else { otherwise };
                if let Some(outcome) = follow(ctx, steps, said)? {
                    return Ok(Some(outcome));
                }
            }
            Step::Saga(saga) => run_saga(ctx, saga)?,
            // Actions, done above.
            _ => {}
        }
    }
    Ok(None)
}

fn run_saga(ctx: &Ctx, SagaStep { parts, give_up_after }: &SagaStep) -> Result<()> {
    let mut saga = Saga::new(ctx).give_up_after(*give_up_after);
    for part in parts {
        let undo = part.undo.clone();
        saga.step(
            &part.name,
            || act(ctx, &part.act).unwrap_or_else(|| Err(ActionError::Invalid("no action".into()))),
            move |()| act(ctx, &undo).unwrap_or(Ok(())),
        )?;
    }
    Ok(())
}

shopwright_sdk::plugin! {
    settings = Settings;
    workflows = {
        "script" => script,
        "child" => script,
        "keyed" => script,
        "timed" => script,
        "bounded" => script,
    }
}
