//! The format of a scenario file. The crate's front page explains it.

use serde::Deserialize;
use shopwright_model::EntityKind;
use toml::{Spanned, Table, Value};

use crate::{
    error::{ScenarioError, Source},
    remote::Exchange,
};

/// A scenario as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows.
    #[serde(default)]
    pub title: String,
    /// Another file, beside this one, whose shop, settings and records come first.
    pub base: Option<Spanned<String>>,
    #[serde(default)]
    pub shop: Shop,
    pub settings: Option<Spanned<Table>>,
    #[serde(default)]
    pub guardrail: Vec<Spanned<Table>>,
    #[serde(default)]
    customer: Vec<Spanned<Table>>,
    #[serde(default)]
    product: Vec<Spanned<Table>>,
    #[serde(default)]
    level: Vec<Spanned<Table>>,
    #[serde(default)]
    order: Vec<Spanned<Table>>,
    #[serde(default)]
    cart: Vec<Spanned<Table>>,
    #[serde(default)]
    ticket: Vec<Spanned<Table>>,
    #[serde(default)]
    article: Vec<Spanned<Table>>,
    #[serde(default)]
    review: Vec<Spanned<Table>>,
    #[serde(default)]
    competitor_price: Vec<Spanned<Table>>,
    #[serde(default)]
    engagement: Vec<Spanned<Table>>,
    #[serde(default)]
    discount: Vec<Spanned<Table>>,
    /// Requests to servers of others, and what answers them.
    #[serde(default)]
    pub http: Vec<Spanned<Exchange>>,
    #[serde(default)]
    pub step: Vec<Spanned<Step>>,
    /// What became of the runs, in the order they began.
    pub run: Option<Vec<Spanned<Run>>>,
}

/// The shop.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shop {
    pub name: Option<String>,
    pub currency: Option<String>,
    pub time_zone: Option<String>,
    /// When the scenario begins: RFC 3339.
    pub begin: Option<Spanned<String>>,
    /// Which guardrails the shop has besides those of the file.
    pub guardrails: Option<Guardrails>,
}

/// Which guardrails a shop begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Guardrails {
    /// Those of a new shop.
    Default,
    /// None.
    None,
}

/// Something that happens, and what is expected of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Shown where it fails.
    #[serde(default)]
    pub name: String,
    /// Time that passes before it.
    pub after: Option<Spanned<String>>,
    /// Event kind.
    pub event: Option<Spanned<String>>,
    /// Event data; for events that carry an entity only what differs from what is known of it.
    pub data: Option<Spanned<Value>>,
    /// Further entities that the event concerns, `type:id`.
    #[serde(default)]
    pub concerns: Vec<String>,
    /// A workflow to be started by hand.
    pub start: Option<Spanned<String>>,
    /// Its input.
    pub input: Option<Value>,
    /// The choice that answers the open question.
    pub answer: Option<Spanned<String>>,
    /// The actions since the step before, in order; none unless told.
    #[serde(default)]
    pub expect: Vec<Spanned<Table>>,
    /// What waits after the step; not looked at unless told.
    pub waits: Option<Vec<Spanned<Table>>>,
}

/// What became of a run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub workflow: Option<String>,
    /// `done`, `failed`, `cancelled`, `waiting`; done unless told.
    pub state: Option<String>,
    /// Part of what it ended with.
    pub outcome: Option<Value>,
    /// Part of the error it failed with.
    pub error: Option<String>,
}

impl Scenario {
    pub fn parse(source: &Source) -> Result<Scenario, ScenarioError> {
        let scenario: Scenario = toml::from_str(&source.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            source.error(offset, error.message().to_owned(), "see the format on the front page of shopwright-scenario")
        })?;
        for step in &scenario.step {
            let offset = step.span().start;
            let step = step.get_ref();
            let happens = [step.event.is_some(), step.start.is_some(), step.answer.is_some()];
            if happens.iter().filter(|one| **one).count() > 1 {
                let remedy = "make a step of each: `event`, `start` and `answer` happen one at a time";
                return Err(source.error(offset, "more than one thing happens in this step", remedy));
            }
            if let Some(data) = step.data.as_ref().filter(|_| step.event.is_none()) {
                return Err(source.error(
                    data.span().start,
                    "there is data but no event",
                    "name the event's kind: event = \"…\"",
                ));
            }
        }
        Ok(scenario)
    }

    /// The records, in an order in which later ones can refer to earlier ones.
    pub fn records(&self) -> impl Iterator<Item = (EntityKind, &Spanned<Table>)> {
        let all = [
            (EntityKind::Product, &self.product),
            (EntityKind::Customer, &self.customer),
            (EntityKind::Level, &self.level),
            (EntityKind::Cart, &self.cart),
            (EntityKind::Order, &self.order),
            (EntityKind::Ticket, &self.ticket),
            (EntityKind::Article, &self.article),
            (EntityKind::Review, &self.review),
            (EntityKind::CompetitorPrice, &self.competitor_price),
            (EntityKind::Engagement, &self.engagement),
            (EntityKind::Discount, &self.discount),
        ];
        all.into_iter().flat_map(|(kind, records)| records.iter().map(move |record| (kind, record)))
    }
}
