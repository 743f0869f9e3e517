//! Thanks customers some days after their order.

use shopwright_sdk::prelude::*;

/// What the operator decides. The texts are what they read in the form.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, crate = "shopwright_sdk::serde")]
#[schemars(crate = "shopwright_sdk::schemars")]
pub struct Settings {
    /// How long after the order the message goes out.
    pub wait: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { wait: days(3) }
    }
}

/// Waits, and thanks the customer unless the order was cancelled meanwhile.
pub fn thank(ctx: &Ctx, trigger: OrderPlaced, settings: Settings) -> Result<Outcome> {
    let order = trigger.order;
    let Some(customer) = order.customer.clone() else {
        return Outcome::done(json!({ "result": "no_customer" }));
    };
    // Costs nothing while it waits, and survives restarts.
    if ctx.wait_for(OrderCancelled::of(&order), settings.wait)?.is_some() {
        return Outcome::done(json!({ "result": "cancelled" }));
    }
    let email = Email::transactional(&customer, "thank-you").with(&json!({ "order": order }))?;
    ctx.messages().send_email(&email.because("the order is some days old"))?;
    Outcome::done(json!({ "result": "thanked" }))
}

shopwright_sdk::plugin! { settings = Settings; workflows = { "thank" => thank } }
