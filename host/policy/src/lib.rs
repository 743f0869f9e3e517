//! Guardrails: whether an action a plugin asks for may happen. Pure: the caller gathers the facts,
//! [`judge`] decides, the same for the same input.
//!
//! The way of an action: [`Action::validate`] (do the arguments make sense) → [`needs`] (which facts
//! does a verdict take) → the caller fills [`Facts`] → [`judge`]. Between the judging and the commit
//! other runs may act: [`counted_facts`] names the counters the verdict rests on, [`counters_of`] those
//! that an action moves, so that the caller can check at commit that none has moved and judge again if
//! one has.

mod action;
mod facts;
mod grant;
mod grant_words;
mod hosts;
mod judge;
mod percent;
mod rule;
mod rule_parse;
mod words;
mod zone;

pub use action::{Action, ActionKind};
pub use facts::{
    CustomerFacts, Facts, Need, PriceChangeFact, Scope, ShopFacts, VariantFacts, counted_facts, counters_of, needs,
};
pub use grant::{Difference, Grant, GrantError, Grants};
pub use grant_words::narrowings;
pub use hosts::{HostPattern, Reach};
pub use judge::{GRANT, Verdict, judge};
pub use percent::Percent;
pub use rule::{Floor, Mode, PercentOf, Products, QuietThen, Rule, RuleError, RuleKind, Rules, TimeOfDay, Unknown};
pub use words::money_words;
pub use zone::{day_start, zone_of};
