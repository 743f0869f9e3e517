//! Guardrails from outside: tables with the edges, and properties over random shops.

mod arguments;
mod grants;
mod properties;
mod quiet_hours;
mod rules;
mod verdicts;

use serde_json::{Value as Json, json};
use shopwright_model::{
    Millis, customers,
    customers::{Channel, Consent},
    discount_actions::{Offer, Value},
    messaging::{Email, Purpose, Sms},
    types::Money,
};
use shopwright_policy::{
    Action, ActionKind, CustomerFacts, Facts, Grant, Need, PriceChangeFact, Rule, Rules, ShopFacts, VariantFacts,
    Verdict, judge, needs,
};

const HOUR: Millis = 3_600_000;
/// 2026-06-15 12:00 in Berlin.
const NOON: Millis = 1_781_517_600_000;

fn eur(amount: i64) -> Money {
    Money { amount, currency: "EUR".into() }
}

fn shop() -> ShopFacts {
    ShopFacts { id: "shop".into(), currency: "EUR".into(), time_zone: "Europe/Berlin".into() }
}

fn rules(json: Json) -> Rules {
    serde_json::from_value(json).expect("rules")
}

fn set_price(amount: i64) -> Action {
    ActionKind::SetPrice { variant_id: "9".into(), price: eur(amount), reason: "test".into() }.into()
}

fn email(purpose: Purpose) -> Action {
    ActionKind::SendEmail(Email {
        customer: "42".into(),
        purpose,
        template: "reminder".into(),
        data: "{}".into(),
        reason: "test".into(),
    })
    .into()
}

fn sms(purpose: Purpose) -> Action {
    ActionKind::SendSms(Sms { customer: "42".into(), purpose, text: "Hello".into(), reason: "test".into() }).into()
}

fn discount(value: Value, hours: i64) -> Action {
    let expires_at = u64::try_from(NOON + hours * HOUR).expect("after 1970");
    ActionKind::CreateDiscount(Offer { customer: None, value, expires_at, single_use: true, reason: "test".into() })
        .into()
}

fn grant(action: &Action) -> Grant {
    Grant::of(action.interface, action.function)
}

fn variant(price: i64, cost: Option<i64>) -> VariantFacts {
    VariantFacts {
        price: eur(price),
        compare_at: None,
        cost: cost.map(eur),
        category: "shoes/running".into(),
        tags: vec!["sale".into()],
    }
}

fn consent(channel: Channel, granted: bool, at: u64) -> Consent {
    Consent { channel, granted, at }
}

/// What the shop knows, from which the facts that a verdict needs are taken, and no others.
struct World {
    now: Millis,
    variant: Option<VariantFacts>,
    changes: Vec<PriceChangeFact>,
    customer: Option<CustomerFacts>,
    sent: u64,
    effects: u64,
}

impl World {
    fn new() -> Self {
        let consents = vec![consent(Channel::Email, true, 1), consent(customers::Channel::Sms, true, 1)];
        Self {
            now: NOON,
            variant: Some(variant(1_000, Some(500))),
            changes: Vec::new(),
            customer: Some(CustomerFacts { consents, time_zone: String::new() }),
            sent: 0,
            effects: 0,
        }
    }

    fn facts(&self, action: &Action, rules: &Rules, grant: &Grant) -> Facts {
        let mut facts = Facts::new(self.now, shop());
        for need in needs(action, rules, grant, &facts.clone()) {
            match need {
                Need::Variant { .. } => facts.variant.clone_from(&self.variant),
                Need::PriceChanges { after, .. } => {
                    facts.price_changes = Some(self.changes.iter().filter(|c| c.at > after).cloned().collect());
                }
                Need::Customer { .. } => facts.customer.clone_from(&self.customer),
                Need::MessagesSent { .. } => facts.counts.push((need, self.sent)),
                Need::Effects { .. } => facts.counts.push((need, self.effects)),
            }
        }
        facts
    }

    fn judge(&self, action: &Action, rules: &Rules) -> Verdict {
        self.judge_granted(action, rules, &grant(action))
    }

    fn judge_granted(&self, action: &Action, rules: &Rules, grant: &Grant) -> Verdict {
        judge(action, &self.facts(action, rules, grant), rules, grant)
    }
}

/// The id of the rule that denies; panics on anything but a denial.
fn denied_by(verdict: Verdict) -> String {
    match verdict {
        Verdict::Deny { rule, .. } => rule,
        other => panic!("not denied: {other:?}"),
    }
}

fn one(rule: Json) -> Rules {
    Rules::from(vec![Rule::parse(&rule).expect("a rule")])
}

fn changed(hours_ago: i64, before: i64) -> PriceChangeFact {
    PriceChangeFact { at: NOON - hours_ago * HOUR, before: eur(before) }
}

/// Rules that never object to prices, so that a table looks at one.
fn floor(amount: i64) -> Json {
    json!({"id": "floor", "kind": "price_floor", "amount": {"amount": amount, "currency": "EUR"}})
}
