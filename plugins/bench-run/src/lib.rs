//! What `shopwright bench` measures: three reads and one action; and a long wait.

use shopwright_sdk::prelude::*;

/// Three reads and one message.
pub fn react(ctx: &Ctx, trigger: CartUpdated, _: NoSettings) -> Result<Outcome> {
    let cart = ctx.carts().get(&trigger.cart.id)?;
    let Some(customer) = trigger.cart.customer.as_deref() else {
        return Outcome::done(json!({ "result": "nobody" }));
    };
    let known = ctx.customers().get(customer)?;
    let line = trigger.cart.lines.first();
    let variant = line.map(|line| ctx.catalog().variant(&line.variant_id)).transpose()?;
    let total = cart.map(|cart| cart.total.to_string());
    let email = Email::transactional(customer, "note").with(&json!({ "total": total }))?;
    ctx.messages().send_email(&email.because("measured"))?;
    Outcome::done(json!({ "known": known.is_some(), "variant": variant.flatten().is_some() }))
}

/// The data of `bench.wait`.
#[derive(Deserialize)]
#[serde(crate = "shopwright_sdk::serde")]
struct Until {
    until: Timestamp,
}

/// Sleeps until the time in the event.
pub fn wait(ctx: &Ctx, trigger: Trigger, _: NoSettings) -> Result<Outcome> {
    let Trigger::Event(event) = trigger else {
        return Outcome::done(json!({ "woke": false }));
    };
    let data: Until = event.data()?;
    ctx.sleep_until(data.until);
    Outcome::done(json!({ "woke": true }))
}

shopwright_sdk::plugin! { settings = NoSettings; workflows = { "react" => react, "wait" => wait } }
