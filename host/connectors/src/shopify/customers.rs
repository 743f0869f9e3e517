//! `customers/*` and the marketing consents.

use serde_json::{Map, Value};
use shopwright_model::customers::{Channel, Consent, Customer};
use shopwright_model::{Entity, EntityKind, types::Timestamp};

use super::Setting;
use super::raw::{self, time};
use super::read::{Node, extra_map, extra_text};
use super::refunds::updated;
use super::settle::{Applied, Change, Draft, Name, State, Target, Translated, record};
use crate::ConnectorError;

/// What the record takes over.
const TAKEN: [&str; 12] = [
    "id",
    "admin_graphql_api_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "tags",
    "created_at",
    "addresses",
    "email_marketing_consent",
    "sms_marketing_consent",
    "locale",
];

/// A customer as a payload knows it. Since API version 2025-01 tags and consents come on topics of their own: what is
/// not in the payload stays.
#[derive(Debug, Clone)]
pub(super) struct CustomerState {
    id: String,
    email: Option<String>,
    phone: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    tags: Option<Vec<String>>,
    consents: Vec<Consent>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    received_at: Timestamp,
    extra: Map<String, Value>,
}

/// `customers/create`, `update`, `enable`, `disable`.
pub(super) fn customer(node: &Node<'_>, kind: &str, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    Ok(translated(node, kind, state(node, setting)?, setting))
}

/// `customers/delete`.
pub(super) fn delete(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    Ok(raw::removal(node, EntityKind::Customer, node.need("id")?.id()?, "customer.deleted", setting))
}

/// `customers_email_marketing_consent/update` and `customers_marketing_consent/update` (SMS).
pub(super) fn consent(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let id = node.first(&["customer_id", "id"]).ok_or_else(|| node.fault("has no `customer_id`"))?.id()?;
    let state = CustomerState {
        id,
        email: node.opt_text("email_address")?,
        phone: node.phone("phone")?,
        name: None,
        locale: None,
        tags: None,
        consents: consents(node, setting)?,
        created_at: None,
        updated_at: None,
        received_at: Timestamp::try_from(setting.received_at).unwrap_or(0),
        extra: Map::new(),
    };
    Ok(translated(node, "customer.updated", state, setting))
}

/// The customer inside an order or a checkout: stored if there is none yet.
pub(super) fn embedded(node: &Node<'_>, outer: &Node<'_>, setting: Setting<'_>) -> Result<Change, ConnectorError> {
    let mut state = state(node, setting)?;
    state.locale = state.locale.or(outer.opt_text("customer_locale")?);
    let customer = state.merged(None);
    let target = Target::Entity(EntityKind::Customer, customer.id.clone());
    Ok(Change { target, state: State::NewCustomer(Box::new(customer)) })
}

/// A customer that is stored stays as it is.
pub(super) fn new(customer: &Customer, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
    match stored {
        Some(stored) => Ok(Applied::Put(stored.clone())),
        None => Ok(Applied::Put(Entity::of_customer(customer)?)),
    }
}

fn translated(node: &Node<'_>, kind: &str, state: CustomerState, setting: Setting<'_>) -> Translated {
    let draft = Draft {
        name: Name::Is(kind.to_owned()),
        at: time(node, setting),
        concerns: Vec::new(),
        change: Some(0),
        data: Value::Null,
        otherwise: kind.to_owned(),
    };
    let target = Target::Entity(EntityKind::Customer, state.id.clone());
    let change = Change { target, state: State::Customer(Box::new(state)) };
    Translated { changes: vec![change], events: vec![draft], ..Translated::default() }
}

fn state(node: &Node<'_>, setting: Setting<'_>) -> Result<CustomerState, ConnectorError> {
    let names = [node.opt_text("first_name")?, node.opt_text("last_name")?];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let phone = node.phone("phone")?;
    let mut extra = node.extra(&TAKEN);
    if phone.is_none() {
        extra.extend(node.opt_text("phone")?.map(|phone| ("phone".to_owned(), phone.into())));
    }
    Ok(CustomerState {
        id: node.need("id")?.id()?,
        email: node.opt_text("email")?,
        phone,
        name: Some(name).filter(|name| !name.is_empty()),
        locale: node.opt_text("locale")?,
        tags: node.tags()?,
        consents: consents(node, setting)?,
        created_at: node.opt_time("created_at")?,
        updated_at: node.opt_time("updated_at")?,
        received_at: Timestamp::try_from(setting.received_at).unwrap_or(0),
        extra,
    })
}

/// The consents that the payload states: the objects, or the older `accepts_marketing`.
fn consents(node: &Node<'_>, setting: Setting<'_>) -> Result<Vec<Consent>, ConnectorError> {
    let mut consents = Vec::new();
    for (channel, field) in [(Channel::Email, "email_marketing_consent"), (Channel::Sms, "sms_marketing_consent")] {
        let Some(consent) = node.field(field) else { continue };
        let Some(state) = consent.opt_text("state")? else { continue };
        let at = match consent.opt_time("consent_updated_at")? {
            Some(at) => at,
            None => node.time_of(&["updated_at"], setting.received_at)?,
        };
        // `pending` waits for the second opt-in.
        consents.push(Consent { channel, granted: state.eq_ignore_ascii_case("subscribed"), at });
    }
    if !consents.iter().any(|consent| consent.channel == Channel::Email)
        && let Some(accepts) = node.field("accepts_marketing").and_then(|field| field.value.as_bool())
    {
        let at = node.time_of(&["accepts_marketing_updated_at", "updated_at"], setting.received_at)?;
        consents.push(Consent { channel: Channel::Email, granted: accepts, at });
    }
    Ok(consents)
}

impl CustomerState {
    /// What the payload states over what is stored, unless that is newer. Consents count by their own time.
    pub fn apply(&self, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let before: Option<Customer> = stored.map(record).transpose()?;
        let stale = before.as_ref().and_then(|before| updated(&extra_map(&before.extra)));
        match (before, stale, self.updated_at) {
            (Some(mut before), Some(was), Some(is)) if was > is => {
                merge(&mut before.consents, &self.consents);
                Ok(Applied::Put(Entity::of_customer(&before)?))
            }
            (before, ..) => Ok(Applied::Put(Entity::of_customer(&self.merged(before))?)),
        }
    }

    fn merged(&self, before: Option<Customer>) -> Customer {
        let before = before.unwrap_or_else(|| Customer {
            id: self.id.clone(),
            email: None,
            phone: None,
            name: String::new(),
            locale: String::new(),
            time_zone: String::new(),
            tags: Vec::new(),
            consents: Vec::new(),
            created_at: self.created_at.or(self.updated_at).unwrap_or(self.received_at),
            extra: "{}".into(),
        });
        let mut consents = before.consents;
        merge(&mut consents, &self.consents);
        let mut extra = extra_map(&before.extra);
        extra.extend(self.extra.clone());
        Customer {
            id: before.id,
            email: self.email.clone().or(before.email),
            phone: self.phone.clone().or(before.phone),
            name: self.name.clone().unwrap_or(before.name),
            locale: self.locale.clone().unwrap_or(before.locale),
            time_zone: before.time_zone,
            tags: self.tags.clone().unwrap_or(before.tags),
            consents,
            created_at: self.created_at.unwrap_or(before.created_at),
            extra: extra_text(&extra),
        }
    }
}

/// One consent for each channel, the latest.
fn merge(consents: &mut Vec<Consent>, new: &[Consent]) {
    for consent in new {
        match consents.iter_mut().find(|other| other.channel == consent.channel) {
            Some(other) if other.at <= consent.at => *other = *consent,
            Some(_) => {}
            None => consents.push(*consent),
        }
    }
}
