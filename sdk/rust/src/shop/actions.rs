//! Actions. Every one passes the shop's guardrails and happens once, whatever happens to the run.

use serde::Serialize;

use crate::{
    ActionError, Money, Result, Support, Timestamp,
    bindings::shopwright::plugin::types::Receipt,
    discounts::{Created, Offer, Value},
    event::CustomerId,
    host,
    messaging::{Email, Purpose, Sms},
    support::{Priority, Status},
};

type Action<T = Receipt> = Result<T, ActionError>;

/// Messages to customers and staff.
#[derive(Debug, Clone, Copy)]
pub struct Messages(pub(crate) ());

impl Messages {
    /// Sends an email; the host knows the address.
    pub fn send_email(self, email: &Email) -> Action {
        host::messaging::send_email(email)
    }

    /// Sends a text message; the host knows the number.
    pub fn send_sms(self, sms: &Sms) -> Action {
        host::messaging::send_sms(sms)
    }

    /// Tells the shop's own people. The channel is a name from the shop's settings; `data` becomes a
    /// JSON object.
    pub fn notify_staff(self, channel: &str, text: &str, data: &impl Serialize) -> Action {
        let data = serde_json::to_string(data).map_err(|error| ActionError::Invalid(error.to_string()))?;
        host::messaging::notify_staff(channel, text, &data)
    }
}

impl Email {
    /// Needs the customer's consent and counts against the limits.
    pub fn marketing(customer: &(impl CustomerId + ?Sized), template: &str) -> Email {
        Email::new(Purpose::Marketing, customer.customer_id(), template)
    }

    /// About something the customer did: an order, a return, a question.
    pub fn transactional(customer: &(impl CustomerId + ?Sized), template: &str) -> Email {
        Email::new(Purpose::Transactional, customer.customer_id(), template)
    }

    fn new(purpose: Purpose, customer: &str, template: &str) -> Email {
        Email {
            customer: customer.into(),
            purpose,
            template: template.into(),
            data: "{}".into(),
            reason: String::new(),
        }
    }

    /// What the template is filled with: anything that serialises to a JSON object. The host adds
    /// `customer` and `shop`.
    ///
    /// # Errors
    /// Data that is no JSON.
    pub fn with(mut self, data: &impl Serialize) -> Result<Email> {
        self.data = serde_json::to_string(data)?;
        Ok(self)
    }

    /// Why, shown to the operator.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Email {
        self.reason = reason.into();
        self
    }
}

impl Sms {
    /// Needs the customer's consent and counts against the limits. At most 1,600 characters.
    pub fn marketing(customer: &(impl CustomerId + ?Sized), text: impl Into<String>) -> Sms {
        let customer = customer.customer_id().into();
        Sms { customer, purpose: Purpose::Marketing, text: text.into(), reason: String::new() }
    }

    /// About something the customer did. At most 1,600 characters.
    pub fn transactional(customer: &(impl CustomerId + ?Sized), text: impl Into<String>) -> Sms {
        Sms { purpose: Purpose::Transactional, ..Sms::marketing(customer, text) }
    }

    /// Why, shown to the operator.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Sms {
        self.reason = reason.into();
        self
    }
}

/// Our prices.
#[derive(Debug, Clone, Copy)]
pub struct Prices(pub(crate) ());

impl Prices {
    /// Changes a price. `reason` is kept with the change.
    pub fn set(self, variant: &str, price: &Money, reason: &str) -> Action {
        host::pricing_actions::set_price(variant, price, reason)
    }
}

/// Discount codes.
#[derive(Debug, Clone, Copy)]
pub struct Discounts(pub(crate) ());

impl Discounts {
    /// Makes a code.
    pub fn create(self, offer: &Offer) -> Action<Created> {
        host::discount_actions::create(offer)
    }
}

impl Offer {
    /// `percent` off: more than 0, at most 100. For anybody, once, expired until
    /// [`expires`](Offer::expires) is called.
    pub fn percent(percent: f64) -> Offer {
        Offer::new(Value::Percent(percent))
    }

    /// An amount off.
    pub fn amount(amount: Money) -> Offer {
        Offer::new(Value::Amount(amount))
    }

    fn new(value: Value) -> Offer {
        Offer { customer: None, value, expires_at: 0, single_use: true, reason: String::new() }
    }

    /// For this customer alone.
    #[must_use]
    pub fn for_customer(mut self, customer: &(impl CustomerId + ?Sized)) -> Offer {
        self.customer = Some(customer.customer_id().into());
        self
    }

    /// How long it holds.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Offer {
        self.expires_at = at.as_millis();
        self
    }

    /// It may be used more than once.
    #[must_use]
    pub fn reusable(mut self) -> Offer {
        self.single_use = false;
        self
    }

    /// Why, shown to the operator.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Offer {
        self.reason = reason.into();
        self
    }
}

impl Support {
    /// Gives a ticket to a team, or to one of its people.
    pub fn assign(self, ticket: &str, team: &str, assignee: Option<&str>, reason: &str) -> Action {
        host::support_actions::assign(ticket, team, assignee, reason)
    }

    /// Changes a ticket's priority.
    pub fn set_priority(self, ticket: &str, priority: Priority, reason: &str) -> Action {
        host::support_actions::set_priority(ticket, priority, reason)
    }

    /// Changes a ticket's status.
    pub fn set_status(self, ticket: &str, status: Status, reason: &str) -> Action {
        host::support_actions::set_status(ticket, status, reason)
    }

    /// Answers the customer.
    pub fn reply(self, ticket: &str, text: &str) -> Action {
        host::support_actions::reply(ticket, text)
    }

    /// Writes a note that only colleagues see.
    pub fn note(self, ticket: &str, text: &str) -> Action {
        host::support_actions::note(ticket, text)
    }

    /// Adds tags.
    pub fn tag(self, ticket: &str, tags: &[String]) -> Action {
        host::support_actions::tag(ticket, tags)
    }
}
