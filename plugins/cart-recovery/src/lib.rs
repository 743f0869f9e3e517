//! Brings back carts that were left, at the customer's own pace.
//!
//! The run of a cart begins when the cart changes and is replaced when it changes again. It waits as
//! long as this customer takes to decide, writes what fits them, and ends as soon as the order comes.
//! Decisions are pure functions in [`plan`], [`discount`] and [`cart`]; this file is the sequence.

pub mod cart;
pub mod discount;
pub mod message;
pub mod plan;
mod settings;

pub use settings::Settings;

use shopwright_sdk::{
    customers::{Channel, Customer},
    log::Level,
    prelude::*,
    support::Ticket,
};

use cart::{Offerable, Over, offerable};
use discount::Worth;
use message::{Code, EmailData, in_words, sms_text};
use plan::{Facts, Message, Plan, may_write};

shopwright_sdk::plugin! { settings = Settings; workflows = { "recover" => recover } }

/// The workflow: one run per cart.
pub fn recover(ctx: &Ctx, trigger: Either<CartUpdated, CartCreated>, settings: Settings) -> Result<Outcome> {
    let (Either::A(CartUpdated { cart, .. }) | Either::B(CartCreated { cart, .. })) = trigger;
    let Some(customer) = whose(ctx, cart.customer.as_deref(), cart.email.as_deref())? else {
        return Outcome::done(json!({ "result": "unknown_customer" }));
    };
    if !may_write(&customer, Channel::Email) && !may_write(&customer, Channel::Sms) {
        return Outcome::done(json!({ "result": "no_consent" }));
    }

    let offered = match offerable(ctx, &cart.id, &customer)? {
        Ok(offered) => offered,
        Err(over) => return Outcome::done(over),
    };
    let facts = Facts {
        cart: &offered.cart,
        worth: &Worth::of(&offered.cart, &offered.products)?,
        customer: &customer,
        standing: &ctx.customers().standing(&customer)?,
        engagement: &ctx.customers().engagement(&customer)?,
    };
    let plan = plan::plan(&facts, &settings)?;
    ctx.log_with(Level::Info, &plan.why, &json!({ "approach": plan.approach, "messages": plan.touches.len() }))?;

    Recovery { ctx, cart: &cart.id, customer: &customer, plan: &plan, settings: &settings, sent: Vec::new() }.run()
}

/// The customer of a cart: the one it names, or the one with its email address.
fn whose(ctx: &Ctx, customer: Option<&str>, email: Option<&str>) -> Result<Option<Customer>, ReadError> {
    if let Some(id) = customer
        && let Some(known) = ctx.customers().get(id)?
    {
        return Ok(Some(known));
    }
    match email {
        Some(address) => ctx.customers().find_by_email(address),
        None => Ok(None),
    }
}

/// Carries out a plan.
struct Recovery<'a> {
    ctx: &'a Ctx,
    cart: &'a str,
    customer: &'a Customer,
    plan: &'a Plan,
    settings: &'a Settings,
    /// What went out so far.
    sent: Vec<String>,
}

/// What a wait ended with.
enum Waited {
    /// Nothing speaks against writing.
    GoOn(Box<Offerable>),
    /// The cart needs no message any more.
    Over(Over),
}

/// What a hold ended with.
enum Held {
    /// No ticket is open; the last one that was, if one was.
    GoOn(Box<Offerable>, Option<Ticket>),
    /// The cart needs no message any more.
    Over(Over),
    /// It took too long.
    StillOpen(Ticket),
}

impl Recovery<'_> {
    fn run(mut self) -> Result<Outcome> {
        for touch in &self.plan.touches {
            let held = match self.wait(touch.wait)? {
                Waited::GoOn(offered) => self.hold(offered)?,
                Waited::Over(over) => return self.end(over),
            };
            let (offered, resolved) = match held {
                Held::GoOn(offered, resolved) => (offered, resolved),
                Held::Over(over) => return self.end(over),
                Held::StillOpen(ticket) => {
                    return self.end(json!({ "result": "ticket_unresolved", "ticket": ticket.id }));
                }
            };
            match self.write(touch.message, &offered, resolved.as_ref())? {
                Attempt::Done(what) => self.sent.push(what),
                Attempt::Refused(rule) => return self.end(json!({ "result": "refused", "rule": rule })),
            }
        }
        // The last message gets as long to work as the ones before it.
        if let Waited::Over(over) = self.wait(self.settings.next_wait)? {
            return self.end(over);
        }
        if self.plan.tell_staff {
            let text = format!("{} left a large cart and came back to no message: worth a call?", self.customer.name);
            let data = json!({ "customer": self.customer.id, "cart": self.cart, "sent": self.sent });
            // A missing channel is no reason to fail a run whose work is done.
            if let Err(error) = self.ctx.messages().notify_staff(&self.settings.staff_channel, &text, &data) {
                self.ctx.log(Level::Warn, &format!("staff was not told: {}", Error::from(error)));
            }
        }
        self.end(json!({ "result": "not_recovered" }))
    }

    /// Waits, unless an order makes it needless, and says what can be offered then.
    fn wait(&self, time: Duration) -> Result<Waited> {
        let until = self.ctx.now() + time;
        loop {
            let left = until.since(self.ctx.now());
            let order = self.ctx.wait_for(OrderPlaced::by(self.customer), left)?;
            match offerable(self.ctx, self.cart, self.customer)? {
                Err(over) => return Ok(Waited::Over(over)),
                Ok(offered) if order.is_none() => return Ok(Waited::GoOn(Box::new(offered))),
                Ok(_) => {} // an order of something else
            }
        }
    }

    /// Holds while the customer has an open ticket: whoever waits for help is not to be sold to.
    fn hold(&self, offered: Box<Offerable>) -> Result<Held> {
        let until = self.ctx.now() + self.settings.hold;
        let mut offered = offered;
        let mut last = None;
        while let Some(ticket) = self.ctx.support().open_of_customer(self.customer)?.into_iter().next() {
            self.ctx.log(Level::Info, &format!("held: the ticket {} is open", ticket.id));
            let news = TicketResolved::by(self.customer).or::<TicketClosed>().or::<OrderPlaced>();
            if self.ctx.wait_for(news, until.since(self.ctx.now()))?.is_none() {
                return Ok(Held::StillOpen(ticket));
            }
            if let Err(over) = offerable(self.ctx, self.cart, self.customer)? {
                return Ok(Held::Over(over));
            }
            last = Some(ticket);
            if self.ctx.support().open_of_customer(self.customer)?.is_empty() {
                offered = match self.wait(self.settings.after_ticket)? {
                    Waited::GoOn(offered) => offered,
                    Waited::Over(over) => return Ok(Held::Over(over)),
                };
            }
        }
        Ok(Held::GoOn(offered, last))
    }

    /// Sends a message. After a ticket it is always the one that speaks of it, with no offer: the
    /// customer had other things on their mind than the price.
    fn write(&self, message: Message, offered: &Offerable, ticket: Option<&Ticket>) -> Result<Attempt<String>> {
        let data = EmailData::of(offered);
        if let Some(ticket) = ticket {
            return self.email("cart-after-ticket", data.after(ticket));
        }
        match message {
            Message::Reminder => self.email("cart-reminder", data),
            Message::SocialProof => {
                let data = data.with_social_proof(self.ctx, offered, self.settings)?;
                self.email("cart-social-proof", data)
            }
            Message::Offer(percent) => match self.offer(percent)? {
                Attempt::Done(code) => self.email("cart-offer", EmailData { discount: Some(code), ..data }),
                // The shop forbids the offer, not the reminder.
                Attempt::Refused(_) => self.email("cart-reminder", data),
            },
            Message::OfferSms(percent) => match self.offer(percent)? {
                Attempt::Done(code) => self.sms(&code, data),
                Attempt::Refused(_) => self.email("cart-reminder", data),
            },
        }
    }

    fn offer(&self, percent: f64) -> Result<Attempt<Code>> {
        let offer = Offer::percent(percent)
            .for_customer(self.customer)
            .expires(self.ctx.now() + self.settings.offer_valid)
            .because(format!("{percent}% to bring back a cart: {}", self.plan.why));
        Ok(match self.ctx.discounts().create(&offer).or_refused()? {
            Attempt::Done(created) => {
                let valid = in_words(self.settings.offer_valid);
                Attempt::Done(Code { code: created.code, percent: percent.to_string(), valid })
            }
            Attempt::Refused(rule) => Attempt::Refused(rule),
        })
    }

    fn email(&self, template: &str, data: EmailData) -> Result<Attempt<String>> {
        if !may_write(self.customer, Channel::Email) {
            return Ok(Attempt::Refused("the customer did not agree to email".into()));
        }
        let email = Email::marketing(self.customer, template).with(&data)?.because(&self.plan.why);
        Ok(match self.ctx.messages().send_email(&email).or_refused()? {
            Attempt::Done(_) => Attempt::Done(template.into()),
            Attempt::Refused(rule) => Attempt::Refused(rule),
        })
    }

    /// The text message; where the shop forbids it, the same offer by email.
    fn sms(&self, code: &Code, data: EmailData) -> Result<Attempt<String>> {
        let text = sms_text(self.settings, self.customer, code, data.link.as_deref());
        let sms = Sms::marketing(self.customer, text).because(&self.plan.why);
        match self.ctx.messages().send_sms(&sms).or_refused()? {
            Attempt::Done(_) => Ok(Attempt::Done("sms".into())),
            Attempt::Refused(_) => self.email("cart-offer", EmailData { discount: Some(code.clone()), ..data }),
        }
    }

    /// Ends the run with its result, what was sent and why.
    fn end(&self, result: impl Serialize) -> Result<Outcome> {
        let mut shown = json!({ "approach": self.plan.approach, "why": self.plan.why, "sent": self.sent });
        if let (Some(shown), Some(result)) =
            (shown.as_object_mut(), shopwright_sdk::serde_json::to_value(result)?.as_object())
        {
            shown.extend(result.clone());
        }
        Outcome::done(shown)
    }
}

#[cfg(test)]
mod tests;
