//! @TITLE@: thanks customers for their first order.

use shopwright_sdk::prelude::*;

settings! {
    /// How new customers are thanked.
    pub struct Settings {
        /// How long after the first order they are written to.
        #[schemars(title = "Wait")]
        pub wait: Duration = days(1),
    }
}

shopwright_sdk::plugin! { settings = Settings; workflows = { "thank" => thank } }

/// The workflow: one run per first order.
pub fn thank(ctx: &Ctx, placed: OrderPlaced, settings: Settings) -> Result<Outcome> {
    let order = placed.order;
    let Some(customer) = &order.customer else {
        return Outcome::done("no customer");
    };
    if ctx.customers().standing(customer)?.orders > 1 {
        return Outcome::done("not the first order");
    }
    // The run is on disk while it waits: this may as well be a month.
    if ctx.wait_for(OrderCancelled::of(&order), settings.wait)?.is_some() {
        return Outcome::done("cancelled");
    }
    let email = Email::transactional(customer, "thanks").with(&json!({ "order": order.number }))?;
    match ctx.messages().send_email(&email.because("the first order")).or_refused()? {
        Attempt::Done(_) => Outcome::done("thanked"),
        Attempt::Refused(rule) => Outcome::done(json!({ "refused": rule })),
    }
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::{Action, Host, event, sample};

    use super::*;

    #[test]
    fn the_first_order_is_thanked_for_after_a_day() {
        let mut host = Host::new();
        host.put(sample::customer("42"));
        let placed = event("order.placed", &sample::order("1001", "42"));
        let outcome = host.run(thank, placed, Settings::default());
        assert_eq!(outcome, Outcome::done("thanked"));
        assert_eq!(host.waited(), days(1));
        assert!(matches!(&host.actions()[..], [Action::Email(email)] if email.template == "thanks"));
    }

    #[test]
    fn a_cancelled_order_is_not() {
        let mut host = Host::new();
        let order = sample::order("1001", "42");
        host.put(sample::customer("42")).later(hours(3), event("order.cancelled", &order));
        let outcome = host.run(thank, event("order.placed", &order), Settings::default());
        assert_eq!(outcome, Outcome::done("cancelled"));
        assert!(host.actions().is_empty());
    }
}
