//! From the engine's notices to what the show tells and what the simulated world reacts to.

use std::collections::BTreeMap;

use serde_json::Value;
use shopwright_engine::{Notice, WaitFor};
use shopwright_model::{
    customers::Channel,
    discount_actions,
    support::{Priority, Status},
};
use shopwright_policy::ActionKind;

use crate::{
    show::{Action, Deed, ShowEvent, Verdict, Wait, What, words::euros},
    traffic::{Reaction, TicketChange, Traffic, Worth},
};

/// What a notice comes to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// For the audience.
    pub event: Option<ShowEvent>,
    /// For the simulated world.
    pub reaction: Option<Reaction>,
}

/// Remembers what runs are about, so that later notices can say it.
#[derive(Debug, Default)]
pub(crate) struct Interpreter {
    last_event: Option<(String, Vec<String>)>,
    about: BTreeMap<i64, String>,
    velocity: Vec<f64>,
}

impl Interpreter {
    /// One for this shop.
    pub fn new(traffic: &Traffic) -> Self {
        Self { velocity: traffic.shop().velocity(), ..Self::default() }
    }

    /// What a notice means.
    pub fn tell(&mut self, notice: &Notice, traffic: &Traffic) -> Told {
        let event = |at, what| Told { event: Some(ShowEvent { at, what }), reaction: None };
        match notice {
            Notice::Event { kind, concerns, at, .. } => {
                self.last_event = Some((kind.clone(), concerns.clone()));
                event(*at, What::Accepted)
            }
            Notice::RunStarted { run, installation, workflow, trigger, at, .. } => {
                // The notice of the event comes right before those of its runs.
                let about = match &self.last_event {
                    Some((kind, concerns)) if kind == trigger => about(concerns, traffic),
                    _ => None,
                };
                if let Some(about) = &about {
                    self.about.insert(run.0, about.clone());
                }
                let (run, workflow) = (run.to_string(), named(installation, workflow));
                event(*at, What::RunStarted { run, workflow, trigger: trigger.clone(), about })
            }
            Notice::RunReplaced { run, by, at, .. } => {
                self.about.remove(&run.0);
                event(*at, What::RunReplaced { run: run.to_string(), by: by.to_string() })
            }
            Notice::RunWaiting { run, installation, workflow, until, waits_for, at, .. } => {
                let wait = match waits_for {
                    WaitFor::Time => Wait::Until(until.unwrap_or(*at)),
                    WaitFor::Event { filter, deadline, .. } => {
                        Wait::Event { kinds: filter.kinds.clone(), until: *deadline }
                    }
                    WaitFor::Approval { title, .. } => Wait::Person(title.clone()),
                    WaitFor::Guardrail { words } => Wait::Allowed { rule: words.clone(), until: until.unwrap_or(*at) },
                    WaitFor::Effect { reason, .. } | WaitFor::Retry { reason } => Wait::Retry(reason.clone()),
                };
                let about = self.about.get(&run.0).cloned();
                let (run, workflow) = (run.to_string(), named(installation, workflow));
                event(*at, What::RunWaiting { run, workflow, about, wait })
            }
            Notice::RunEnded { run, installation, workflow, state, outcome, at, .. } => {
                let about = self.about.remove(&run.0);
                let (run, workflow) = (run.to_string(), named(installation, workflow));
                event(*at, What::RunEnded { run, workflow, about, state: (*state).into(), outcome: outcome.clone() })
            }
            Notice::Effect {
                run, installation, workflow, action, subject, state, reason, request, error, at, ..
            } => {
                let error = error.clone().unwrap_or_default();
                let verdict = match *state {
                    "done" => Verdict::Done,
                    "denied" => Verdict::Denied(error),
                    "recorded" => Verdict::Recorded,
                    "failed" | "unknown" => Verdict::Failed(error),
                    // On its way.
                    _ => return Told::default(),
                };
                let kind = serde_json::from_value::<ActionKind>(Value::clone(request)).ok();
                let other = || Deed::Other { action: action.clone(), subject: subject.clone() };
                let deed = kind.as_ref().map_or_else(other, |kind| self.deed(kind, traffic));
                let reaction = if verdict == Verdict::Done { kind.and_then(reaction) } else { None };
                let action = Action {
                    run: run.to_string(),
                    workflow: named(installation, workflow),
                    verdict,
                    deed,
                    reason: reason.clone(),
                };
                Told { event: Some(ShowEvent { at: *at, what: What::Action(action) }), reaction }
            }
            Notice::RolledBack { .. } | Notice::RunReopened { .. } | Notice::Log { .. } => Told::default(),
        }
    }

    fn deed(&self, kind: &ActionKind, traffic: &Traffic) -> Deed {
        match kind {
            ActionKind::SendEmail(email) => Deed::Message {
                channel: Channel::Email,
                to: traffic.name_of(&email.customer),
                text: format!("\"{}\"", email.template),
            },
            ActionKind::SendSms(sms) => {
                Deed::Message { channel: Channel::Sms, to: traffic.name_of(&sms.customer), text: sms.text.clone() }
            }
            ActionKind::NotifyStaff { channel, text, .. } => {
                Deed::Staff { channel: channel.clone(), text: text.clone() }
            }
            ActionKind::SetPrice { variant_id, price, .. } => {
                let place = traffic.variant(variant_id);
                Deed::Price {
                    product: place.map_or_else(|| variant_id.clone(), |at| traffic.shop().title(at)),
                    before: place.map(|at| traffic.shop().variants[at].price),
                    after: price.amount,
                    units_per_day: place.and_then(|at| self.velocity.get(at).copied()).unwrap_or(0.0),
                }
            }
            ActionKind::CreateDiscount(offer) => Deed::Offer {
                to: offer.customer.as_ref().map_or_else(|| "anyone".into(), |customer| traffic.name_of(customer)),
                worth: match &offer.value {
                    discount_actions::Value::Percent(percent) => format!("{percent:.0} %"),
                    discount_actions::Value::Amount(money) => euros(money.amount),
                },
            },
            ActionKind::Assign { ticket, team, assignee, .. } => {
                Deed::Assigned { ticket: ticket.clone(), team: team.clone(), assignee: assignee.clone() }
            }
            ActionKind::SetPriority { ticket, priority, .. } => {
                let priority = match priority {
                    Priority::Low => "low",
                    Priority::Normal => "normal",
                    Priority::High => "high",
                    Priority::Urgent => "urgent",
                };
                Deed::Priority { ticket: ticket.clone(), priority: priority.into() }
            }
            ActionKind::SetStatus { ticket, status, .. } => {
                let status = match status {
                    Status::Open => "open",
                    Status::Pending => "pending",
                    Status::Resolved => "resolved",
                    Status::Closed => "closed",
                };
                Deed::Status { ticket: ticket.clone(), status: status.into() }
            }
            ActionKind::Reply { ticket, text } => Deed::Reply { ticket: ticket.clone(), text: text.clone() },
            ActionKind::Note { ticket, text } => Deed::Note { ticket: ticket.clone(), text: text.clone() },
            ActionKind::Tag { ticket, tags } => Deed::Tags { ticket: ticket.clone(), tags: tags.clone() },
            ActionKind::HttpSend(request) => {
                let channel = kind.subject().trim_start_matches("host:").to_owned();
                Deed::Staff { channel, text: request.reason.clone() }
            }
        }
    }
}

fn reaction(kind: ActionKind) -> Option<Reaction> {
    let on = |ticket, change| Some(Reaction::Ticket { ticket, change });
    match kind {
        ActionKind::SendEmail(email) => Some(Reaction::Message {
            channel: Channel::Email,
            customer: email.customer,
            template: email.template,
            text: email.data,
        }),
        ActionKind::SendSms(sms) => Some(Reaction::Message {
            channel: Channel::Sms,
            customer: sms.customer,
            template: "sms".into(),
            text: sms.text,
        }),
        ActionKind::CreateDiscount(offer) => {
            let worth = match offer.value {
                discount_actions::Value::Percent(percent) => Worth::Percent(percent),
                discount_actions::Value::Amount(money) => Worth::Amount(money.amount),
            };
            offer.customer.map(|customer| Reaction::Offer { customer, worth })
        }
        ActionKind::SetPrice { variant_id, price, .. } => {
            Some(Reaction::Price { variant: variant_id, cents: price.amount })
        }
        ActionKind::Assign { ticket, team, assignee, .. } => on(ticket, TicketChange::Assigned { team, assignee }),
        ActionKind::SetPriority { ticket, priority, .. } => on(ticket, TicketChange::Priority(priority)),
        ActionKind::SetStatus { ticket, status, .. } => on(ticket, TicketChange::Status(status)),
        ActionKind::Reply { ticket, text } => on(ticket, TicketChange::Reply(text)),
        ActionKind::Note { ticket, text } => on(ticket, TicketChange::Note(text)),
        ActionKind::Tag { ticket, tags } => on(ticket, TicketChange::Tags(tags)),
        ActionKind::NotifyStaff { .. } | ActionKind::HttpSend(_) => None,
    }
}

/// `cart-recovery/recover`.
fn named(installation: &str, workflow: &str) -> String {
    match (installation.is_empty(), workflow.is_empty()) {
        (false, false) => format!("{installation}/{workflow}"),
        (false, true) => installation.to_owned(),
        _ => workflow.to_owned(),
    }
}

/// What an event concerns, as people would say it: a ticket, else a customer, else a thing.
fn about(concerns: &[String], traffic: &Traffic) -> Option<String> {
    let of = |kind: &str| concerns.iter().find_map(|concern| concern.strip_prefix(kind)?.strip_prefix(':'));
    if let Some(ticket) = of("ticket") {
        return Some(format!("#{ticket}"));
    }
    if let Some(customer) = of("customer") {
        return Some(traffic.name_of(customer));
    }
    let variant = of("variant")?;
    traffic.variant(variant).map(|at| traffic.shop().title(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Shop, Size, traffic::Liveliness};
    use serde_json::json;
    use shopwright_model::RunId;

    const START: i64 = 1_772_770_800_000;

    #[test]
    fn runs_are_about_what_their_event_concerns_and_prices_know_what_they_were() {
        let traffic = Traffic::new(Shop::generate(1, Size::SMALL, START), 0, START, Liveliness::default());
        let mut interpreter = Interpreter::new(&traffic);
        let (person, variant) = (&traffic.shop().people[3], &traffic.shop().variants[5]);
        let shop = || "quillmoor".to_owned();
        interpreter.tell(
            &Notice::Event {
                shop: shop(),
                seq: 1,
                kind: "cart.updated".into(),
                concerns: vec!["cart:abc".into(), format!("customer:{}", person.id)],
                at: START,
            },
            &traffic,
        );
        let started = Notice::RunStarted {
            shop: shop(),
            run: RunId(9),
            installation: "cart-recovery".into(),
            workflow: "recover".into(),
            trigger: "cart.updated".into(),
            at: START,
        };
        let told = interpreter.tell(&started, &traffic);
        assert!(matches!(
            told.event.expect("told").what,
            What::RunStarted { about: Some(about), workflow, .. } if about == person.name() && workflow == "cart-recovery/recover"
        ));
        let effect = |state: &'static str| Notice::Effect {
            shop: shop(),
            run: RunId(9),
            installation: "dynamic-pricing".into(),
            workflow: String::new(),
            effect: "eff_1".into(),
            action: "pricing-actions.set-price".into(),
            subject: format!("variant:{}", variant.id),
            state,
            reason: "little stock".into(),
            request: std::sync::Arc::new(json!({"set_price": {
                "variant_id": variant.id.to_string(), "price": {"amount": 12_345, "currency": "EUR"}, "reason": "little stock"
            }})),
            error: (state == "denied").then(|| "too much".into()),
            at: START,
        };
        let told = interpreter.tell(&effect("done"), &traffic);
        assert_eq!(told.reaction, Some(Reaction::Price { variant: variant.id.to_string(), cents: 12_345 }));
        let Some(ShowEvent { what: What::Action(Action { deed: Deed::Price { before, after, .. }, .. }), .. }) =
            told.event
        else {
            panic!("a price")
        };
        assert_eq!((before, after), (Some(variant.price), 12_345));
        let denied = interpreter.tell(&effect("denied"), &traffic);
        assert!(denied.reaction.is_none(), "what was denied did not happen");
        assert!(interpreter.tell(&effect("sent"), &traffic).event.is_none(), "what is on its way is not told yet");
    }
}
