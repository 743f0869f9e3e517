//! Brings back carts that were left.

use shopwright_sdk::prelude::*;

/// What the operator decides.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, crate = "shopwright_sdk::serde")]
#[schemars(crate = "shopwright_sdk::schemars")]
pub struct Settings {
    /// How long after the last change of the cart the reminder goes out.
    pub wait: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { wait: hours(2) }
    }
}

/// Waits, and reminds the customer if no order came.
pub fn recover(ctx: &Ctx, trigger: CartUpdated, settings: Settings) -> Result<Outcome> {
    let cart = trigger.cart;
    let Some(customer) = &cart.customer else {
        return Outcome::done(json!({ "result": "unknown_customer" }));
    };
    if let Some(placed) = ctx.wait_for(OrderPlaced::by(customer), settings.wait)? {
        return Outcome::done(json!({ "result": "ordered", "order": placed.order.id }));
    }
    let email = Email::marketing(customer, "cart-reminder").with(&json!({ "cart": cart }))?;
    ctx.messages().send_email(&email.because("the cart was left"))?;
    Outcome::done(json!({ "result": "reminded" }))
}

shopwright_sdk::plugin! { settings = Settings; workflows = { "recover" => recover } }
