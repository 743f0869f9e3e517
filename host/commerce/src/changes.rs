//! What carrying out an action does to the shop's own model.

use sha2::{Digest, Sha256};
use shopwright_model::{
    Entity, EntityKind, Millis, ModelError,
    customers::Customer,
    discount_actions::Offer,
    entity::Discount,
    market::PriceChange,
    messaging::{Email, Sms},
    support::{Message, Status, Ticket},
    types::{Money, ReadError},
};
use shopwright_policy::ActionKind;

use crate::{Reader, Unavailable, catalog::product_of, paging::by_id};

/// What an action writes and sends. All of it commits with the journal; `outgoing` is sent after that.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnWrites {
    /// Entities in their new state.
    pub entities: Vec<Entity>,
    /// A row of the price history.
    pub price_change: Option<PriceChange>,
    /// What happened, for triggers and waits.
    pub events: Vec<OwnEvent>,
    /// What leaves the house.
    pub outgoing: Option<Outgoing>,
    /// For a discount: its code.
    pub code: Option<String>,
}

/// An event that the host publishes because of an action. One with an entity's state needs no second
/// write: the entity is in [`OwnWrites::entities`] already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEvent {
    /// `price.changed`, `discount.created`, `ticket.updated`, `ticket.resolved`, `ticket.closed`,
    /// `ticket.reopened`.
    pub kind: &'static str,
    /// `type:id` each.
    pub concerns: Vec<String>,
    /// The record as JSON text.
    pub data: String,
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// To a customer's address.
    Email {
        /// Who, with the address.
        customer: Box<Customer>,
        /// The address; never empty.
        to: String,
        /// What to send.
        email: Email,
    },
    /// To a customer's phone.
    Sms {
        /// Who, with the number.
        customer: Box<Customer>,
        /// The number; never empty.
        to: String,
        /// What to send.
        sms: Sms,
    },
    /// To the shop's own people.
    Staff {
        /// Name of a channel from the shop's settings.
        channel: String,
        /// What it says.
        text: String,
        /// A JSON object as text.
        data: String,
    },
    /// The answer to a ticket, over the channel it came in by.
    Reply {
        /// The ticket as it is with the answer in it.
        ticket: Box<Ticket>,
        /// What it says.
        text: String,
    },
}

/// Why an action cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is about something that is not there, or that lacks what it takes. Becomes
    /// `action-error.invalid`.
    #[error("{0}")]
    Invalid(String),
    /// The model cannot be read now. Becomes `action-error.unavailable`.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ReadError> for Why {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Invalid(message) => Self::Invalid(message),
            ReadError::Unavailable(reason) => Self::Unavailable(Unavailable { reason }),
        }
    }
}

impl From<ModelError> for Why {
    fn from(error: ModelError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// What carrying out `action` does, given the model as it is.
///
/// `effect` is the effect's id, `by` what the history says (`run:…`). The same input gives the same
/// writes. An action that changes nothing (the present price, a tag that is there) writes nothing.
///
/// # Errors
/// [`Why`]
pub async fn changes(
    action: &ActionKind,
    current: &dyn Reader,
    now: Millis,
    effect: &str,
    by: &str,
) -> Result<OwnWrites, Why> {
    match action {
        ActionKind::SendEmail(email) => send_email(email, current).await,
        ActionKind::SendSms(sms) => send_sms(sms, current).await,
        ActionKind::NotifyStaff { channel, text, data } => {
            let outgoing = Outgoing::Staff { channel: channel.clone(), text: text.clone(), data: data.clone() };
            Ok(OwnWrites { outgoing: Some(outgoing), ..OwnWrites::default() })
        }
        ActionKind::SetPrice { variant_id, price, reason } => {
            set_price(variant_id, price, reason, by, now, current).await
        }
        ActionKind::CreateDiscount(offer) => create_discount(offer, effect, current).await,
        ActionKind::Assign { ticket, team, assignee, .. } => {
            let ticket = Open::ticket(ticket, current).await?;
            ticket.change(now, |ticket| {
                ticket.team = Some(team.clone());
                ticket.assignee.clone_from(assignee);
            })
        }
        ActionKind::SetPriority { ticket, priority, .. } => {
            Open::ticket(ticket, current).await?.change(now, |ticket| ticket.priority = *priority)
        }
        ActionKind::SetStatus { ticket, status, .. } => {
            Open::ticket(ticket, current).await?.change(now, |ticket| ticket.status = *status)
        }
        ActionKind::Tag { ticket, tags } => Open::ticket(ticket, current).await?.change(now, |ticket| {
            for tag in tags {
                if !ticket.tags.contains(tag) {
                    ticket.tags.push(tag.clone());
                }
            }
        }),
        ActionKind::Note { ticket, text } => {
            let note = message(by, text, now, true);
            Open::ticket(ticket, current).await?.change(now, |ticket| ticket.messages.push(note))
        }
        ActionKind::Reply { ticket, text } => {
            let open = Open::ticket(ticket, current).await?;
            let answer = message(by, text, now, false);
            let mut answered = open.ticket.clone();
            answered.messages.push(answer.clone());
            answered.updated_at = answer.at;
            let writes = open.change(now, |ticket| ticket.messages.push(answer))?;
            let outgoing = Outgoing::Reply { ticket: Box::new(answered), text: text.clone() };
            Ok(OwnWrites { outgoing: Some(outgoing), ..writes })
        }
        // Nothing of the shop's own: the engine sends it.
        ActionKind::HttpSend(_) => Ok(OwnWrites::default()),
    }
}

async fn customer(id: &str, current: &dyn Reader) -> Result<Customer, Why> {
    let customer = by_id(current, EntityKind::Customer, id).await?;
    customer.ok_or_else(|| Why::Invalid(format!("`customer` is `{id}`: there is no such customer")))
}

/// The address or number, unless it is empty.
fn reachable(customer: &Customer, at: &Option<String>, what: &str) -> Result<String, Why> {
    match at.as_deref().map(str::trim) {
        Some(to) if !to.is_empty() => Ok(to.to_owned()),
        _ => Err(Why::Invalid(format!("customer `{}` has no {what}", customer.id))),
    }
}

async fn send_email(email: &Email, current: &dyn Reader) -> Result<OwnWrites, Why> {
    let customer = customer(&email.customer, current).await?;
    let to = reachable(&customer, &customer.email, "email address")?;
    let outgoing = Outgoing::Email { customer: Box::new(customer), to, email: email.clone() };
    Ok(OwnWrites { outgoing: Some(outgoing), ..OwnWrites::default() })
}

async fn send_sms(sms: &Sms, current: &dyn Reader) -> Result<OwnWrites, Why> {
    let customer = customer(&sms.customer, current).await?;
    let to = reachable(&customer, &customer.phone, "phone number")?;
    let outgoing = Outgoing::Sms { customer: Box::new(customer), to, sms: sms.clone() };
    Ok(OwnWrites { outgoing: Some(outgoing), ..OwnWrites::default() })
}

async fn set_price(
    variant_id: &str,
    price: &Money,
    reason: &str,
    by: &str,
    now: Millis,
    current: &dyn Reader,
) -> Result<OwnWrites, Why> {
    let missing = || Why::Invalid(format!("`variant-id` is `{variant_id}`: there is no such variant"));
    let mut product = product_of(current, variant_id).await?.ok_or_else(missing)?;
    let variant = product.variants.iter_mut().find(|variant| variant.id == variant_id).ok_or_else(missing)?;
    if variant.price == *price {
        return Ok(OwnWrites::default());
    }
    let before = std::mem::replace(&mut variant.price, price.clone());
    let change = PriceChange {
        variant_id: variant_id.into(),
        before,
        after: price.clone(),
        at: timestamp(now),
        reason: reason.into(),
        by: by.into(),
    };
    let event = OwnEvent {
        kind: "price.changed",
        concerns: vec![format!("variant:{variant_id}"), format!("product:{}", product.id)],
        data: text(EntityKind::Product, &change)?,
    };
    Ok(OwnWrites {
        entities: vec![Entity::of_product(&product)?],
        price_change: Some(change),
        events: vec![event],
        ..OwnWrites::default()
    })
}

async fn create_discount(offer: &Offer, effect: &str, current: &dyn Reader) -> Result<OwnWrites, Why> {
    if let Some(id) = &offer.customer {
        customer(id, current).await?;
    }
    let code = discount_code(&current.shop().id, effect);
    let discount = Discount {
        code: code.clone(),
        customer: offer.customer.clone(),
        value: offer.value.clone(),
        expires_at: offer.expires_at,
        single_use: offer.single_use,
        reason: offer.reason.clone(),
    };
    let entity = Entity::of_discount(&discount)?;
    let event = OwnEvent { kind: "discount.created", concerns: entity.concerns(), data: entity.doc.clone() };
    Ok(OwnWrites { entities: vec![entity], events: vec![event], code: Some(code), ..OwnWrites::default() })
}

/// The code of the discount that an effect creates: ten characters that cannot be taken for one another,
/// the same whenever the effect is looked at again.
#[must_use]
pub fn discount_code(shop: &str, effect: &str) -> String {
    /// Crockford's base32: no I, L, O, U.
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digest = Sha256::new().chain_update(shop).chain_update([0]).chain_update(effect).finalize();
    digest.iter().take(10).map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// A ticket that is about to be changed.
struct Open {
    ticket: Ticket,
}

impl Open {
    async fn ticket(id: &str, current: &dyn Reader) -> Result<Self, Why> {
        let ticket = by_id(current, EntityKind::Ticket, id).await?;
        let ticket = ticket.ok_or_else(|| Why::Invalid(format!("`ticket` is `{id}`: there is no such ticket")))?;
        Ok(Self { ticket })
    }

    /// The changed ticket with its events; nothing where nothing changed.
    fn change(self, now: Millis, change: impl FnOnce(&mut Ticket)) -> Result<OwnWrites, Why> {
        let before = self.ticket;
        let mut ticket = before.clone();
        change(&mut ticket);
        if ticket == before {
            return Ok(OwnWrites::default());
        }
        ticket.updated_at = timestamp(now);
        let entity = Entity::of_ticket(&ticket)?;
        let event = |kind| OwnEvent { kind, concerns: entity.concerns(), data: entity.doc.clone() };
        let mut events = vec![event("ticket.updated")];
        events.extend(turn(before.status, ticket.status).map(event));
        Ok(OwnWrites { entities: vec![entity], events, ..OwnWrites::default() })
    }
}

/// The event of a change of status that means more than an update.
fn turn(before: Status, after: Status) -> Option<&'static str> {
    let done = |status| matches!(status, Status::Resolved | Status::Closed);
    match after {
        _ if before == after => None,
        Status::Resolved => Some("ticket.resolved"),
        Status::Closed => Some("ticket.closed"),
        Status::Open | Status::Pending => done(before).then_some("ticket.reopened"),
    }
}

fn message(author: &str, text: &str, now: Millis, internal: bool) -> Message {
    Message { author: author.into(), from_customer: false, text: text.into(), at: timestamp(now), internal }
}

/// WIT's timestamps are unsigned; no shop acts before 1970.
fn timestamp(now: Millis) -> u64 {
    u64::try_from(now).unwrap_or(0)
}

fn text(kind: EntityKind, record: &impl serde::Serialize) -> Result<String, Why> {
    serde_json::to_string(record).map_err(|error| ModelError::Document { kind, reason: error.to_string() }.into())
}
