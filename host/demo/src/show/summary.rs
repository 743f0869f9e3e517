//! What the workflows did for the shop.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use shopwright_model::{Millis, customers::Channel};

use super::{
    event::{Action, Deed, ShowEvent, Verdict, What},
    style::{Line, Style, Weight},
    words::{euros, grouped, span},
};
use crate::traffic::{Story, Why};

/// Counts and sums over a show. Money is in cents, times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The first moment that was told.
    pub from: Option<Millis>,
    /// The last one.
    pub to: Option<Millis>,
    /// Events accepted by the host.
    pub events: u64,
    /// Runs begun.
    pub runs: u64,
    /// Runs that failed.
    pub failed_runs: u64,
    /// Runs that wait now, as the host says at the end.
    pub waiting: u64,
    /// Orders, and their sum.
    pub orders: Sum,
    /// Carts that were left.
    pub left: Sum,
    /// Orders from carts that a message went out about.
    pub recovered: Sum,
    /// Of these, orders that would have come without a message as well, as only a simulation can know.
    pub anyway: Sum,
    /// E-mails and text messages sent.
    pub messages: [u64; 2],
    /// Discounts made, and what was taken off orders with them.
    pub discounts: Sum,
    /// Tickets that came in.
    pub tickets: u64,
    /// Tickets that a workflow answered without giving them to a person.
    pub answered: u64,
    /// Tickets that a workflow gave to a team.
    pub routed: u64,
    /// Tickets that a workflow made high or urgent.
    pub escalated: u64,
    /// Median time from a ticket to the workflow's first answer or assignment.
    pub first_action: Option<Millis>,
    /// Median time from a ticket to its end.
    pub settled_after: Option<Millis>,
    /// Prices raised and lowered.
    pub prices: [u64; 2],
    /// What the new prices make of a month's gross profit if as much is sold as now.
    pub margin_a_month: i64,
    /// What guardrails forbade, by their words.
    pub denied: BTreeMap<String, u64>,
    #[serde(skip)]
    opened: BTreeMap<String, Millis>,
    #[serde(skip)]
    first_actions: Vec<Millis>,
    #[serde(skip)]
    acted_on: BTreeSet<String>,
    #[serde(skip)]
    answered_tickets: BTreeSet<String>,
    #[serde(skip)]
    routed_tickets: BTreeSet<String>,
    #[serde(skip)]
    escalated_tickets: BTreeSet<String>,
    #[serde(skip)]
    settled: Vec<Millis>,
}

/// How many, and how much in cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How much.
    pub cents: i64,
}

impl Sum {
    fn add(&mut self, cents: i64) {
        self.count += 1;
        self.cents += cents;
    }
}

/// Days of a month.
const MONTH: f64 = 30.0;
/// What the seller keeps of a price: 19 % VAT is included.
const NET: f64 = 1.0 / 1.19;

impl Summary {
    /// Takes an event into account.
    pub fn note(&mut self, event: &ShowEvent) {
        self.from = Some(self.from.map_or(event.at, |from| from.min(event.at)));
        self.to = Some(self.to.map_or(event.at, |to| to.max(event.at)));
        match &event.what {
            What::Story(story) => self.story(event.at, story),
            What::Accepted => self.events += 1,
            What::RunStarted { .. } => self.runs += 1,
            What::RunEnded { state, .. } => self.failed_runs += u64::from(state == "failed"),
            What::RunReplaced { .. } | What::RunWaiting { .. } => {}
            What::Action(action) => self.action(event.at, action),
        }
    }

    fn story(&mut self, at: Millis, story: &Story) {
        match story {
            Story::CartLeft { cents, .. } => self.left.add(*cents),
            Story::Order { cents, why, messages, off, .. } => {
                self.orders.add(*cents);
                if *messages > 0 {
                    self.recovered.add(*cents);
                    self.discounts.cents += off;
                    if !matches!(why, Why::Reminded { .. }) {
                        self.anyway.add(*cents);
                    }
                }
            }
            Story::Letter { ticket, .. } => {
                self.tickets += 1;
                self.opened.insert(ticket.clone(), at);
            }
            Story::Settled { after, .. } => {
                self.settled.push(*after);
                self.settled_after = median(&mut self.settled);
            }
            _ => {}
        }
    }

    fn action(&mut self, at: Millis, action: &Action) {
        match &action.verdict {
            Verdict::Done => {}
            Verdict::Denied(rule) => {
                *self.denied.entry(rule.clone()).or_default() += 1;
                return;
            }
            Verdict::Asked | Verdict::Recorded | Verdict::Failed(_) => return,
        }
        match &action.deed {
            Deed::Message { channel, .. } => self.messages[usize::from(*channel == Channel::Sms)] += 1,
            Deed::Offer { .. } => self.discounts.count += 1,
            Deed::Price { before: Some(before), after, units_per_day, .. } => {
                self.prices[usize::from(after < before)] += 1;
                self.margin_a_month += ((after - before) as f64 * NET * units_per_day * MONTH).round() as i64;
            }
            Deed::Assigned { ticket, .. } => {
                self.routed_tickets.insert(ticket.clone());
                self.count_tickets();
                self.acted(at, ticket);
            }
            Deed::Reply { ticket, .. } => {
                self.answered_tickets.insert(ticket.clone());
                self.count_tickets();
                self.acted(at, ticket);
            }
            Deed::Priority { ticket, priority } if matches!(priority.as_str(), "high" | "urgent") => {
                self.escalated_tickets.insert(ticket.clone());
                self.escalated = self.escalated_tickets.len() as u64;
            }
            _ => {}
        }
    }

    fn count_tickets(&mut self) {
        self.routed = self.routed_tickets.len() as u64;
        self.answered = self.answered_tickets.difference(&self.routed_tickets).count() as u64;
    }

    fn acted(&mut self, at: Millis, ticket: &str) {
        if let Some(opened) = self.opened.get(ticket)
            && self.acted_on.insert(ticket.to_owned())
        {
            self.first_actions.push(at - opened);
            self.first_action = median(&mut self.first_actions);
        }
    }

    /// One line for in between.
    #[must_use]
    pub fn status(&self) -> Line {
        Line::new(Weight::Main)
            .with(Style::Dim, "── ")
            .with(Style::Bold, self.to.map(super::words::clock).unwrap_or_default())
            .with(Style::Dim, "  so far: ")
            .with(
                Style::Plain,
                format!(
                    "{} events, {} runs, {} carts left, ",
                    grouped(self.events),
                    grouped(self.runs),
                    self.left.count
                ),
            )
            .with(Style::Green, format!("{} recovered ({})", self.recovered.count, euros(self.recovered.cents)))
            .with(
                Style::Plain,
                format!(
                    ", {} of {} tickets handled, {} prices changed",
                    self.acted_on.len(),
                    self.tickets,
                    self.prices[0] + self.prices[1]
                ),
            )
            .with(Style::Dim, " ──")
    }

    /// The whole account.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let row = |name: &str, value: String, more: String| {
            Line::new(Weight::Main)
                .with(Style::Plain, format!("  {name:<22}"))
                .with(Style::Bold, value)
                .with(Style::Dim, more)
        };
        let time = match (self.from, self.to) {
            (Some(from), Some(to)) => span(to - from),
            _ => span(0),
        };
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
        let mut lines = vec![
            Line::new(Weight::Main).with(Style::Bold, format!("What the workflows did for the shop in {time}")),
            row(
                "Carts recovered",
                format!("{}, {}", self.recovered.count, euros(self.recovered.cents)),
                format!(
                    "  {:.0} % of {} carts left; the simulation knows that {} of the {} would have come back anyway",
                    share(self.recovered.count, self.left.count),
                    self.left.count,
                    self.anyway.count,
                    self.recovered.count
                ),
            ),
            row(
                "Messages sent",
                format!("{} e-mails, {} text messages", self.messages[0], self.messages[1]),
                String::new(),
            ),
            row(
                "Discounts given",
                self.discounts.count.to_string(),
                format!("  {} taken off orders with them", euros(self.discounts.cents)),
            ),
            row("Tickets answered", self.answered.to_string(), format!("  of {} that came in", self.tickets)),
            row(
                "Tickets routed",
                self.routed.to_string(),
                format!(
                    "  {} of them as high or urgent; first answer or assignment after {} (median)",
                    self.escalated,
                    self.first_action.map_or_else(|| "-".into(), span)
                ),
            ),
            row(
                "Tickets settled",
                self.settled.len().to_string(),
                format!("  after {} (median)", self.settled_after.map_or_else(|| "-".into(), span)),
            ),
            row(
                "Prices changed",
                format!("{} up, {} down", self.prices[0], self.prices[1]),
                format!(
                    "  {}{} gross profit a month if as much is sold as now",
                    if self.margin_a_month >= 0 { "+" } else { "" },
                    euros(self.margin_a_month)
                ),
            ),
            row("Guardrail denials", self.denied.values().sum::<u64>().to_string(), String::new()),
        ];
        for (rule, count) in &self.denied {
            lines.push(
                Line::new(Weight::Main)
                    .with(Style::Dim, format!("  {:<22}{count} x {}", "", super::words::short(rule, 90))),
            );
        }
        lines.push(row(
            "Behind it",
            format!("{} events, {} runs", grouped(self.events), grouped(self.runs)),
            format!(
                "  {} waiting now, {} failed; {} orders worth {} in all",
                self.waiting,
                self.failed_runs,
                self.orders.count,
                euros(self.orders.cents)
            ),
        ));
        lines
    }
}

fn median(times: &mut [Millis]) -> Option<Millis> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(summary: &mut Summary, at: Millis, deed: Deed, verdict: Verdict) {
        let (run, workflow, reason) = ("run_1".into(), "w".into(), String::new());
        summary.note(&ShowEvent { at, what: What::Action(Action { run, workflow, verdict, deed, reason }) });
    }

    #[test]
    fn only_what_was_done_counts_and_each_ticket_once() {
        let mut summary = Summary::default();
        let letter = |ticket: &str| Story::Letter {
            ticket: ticket.into(),
            who: "A".into(),
            subject: "s".into(),
            text: "t".into(),
        };
        for (ticket, at) in [("1", 0), ("2", 1_000)] {
            summary.note(&ShowEvent { at, what: What::Story(letter(ticket)) });
        }
        let assign = |ticket: &str| Deed::Assigned { ticket: ticket.into(), team: "senior".into(), assignee: None };
        note(&mut summary, 4_000, assign("1"), Verdict::Done);
        note(&mut summary, 9_000, assign("1"), Verdict::Done);
        note(&mut summary, 3_000, Deed::Reply { ticket: "2".into(), text: "x".into() }, Verdict::Done);
        assert_eq!((summary.routed, summary.answered, summary.first_action), (1, 1, Some(4_000)));

        let price =
            |before, after| Deed::Price { product: "p".into(), before: Some(before), after, units_per_day: 2.0 };
        note(&mut summary, 5_000, price(1_000, 1_119), Verdict::Done);
        note(&mut summary, 5_000, price(1_000, 881), Verdict::Denied("floor".into()));
        assert_eq!(summary.prices, [1, 0]);
        // 1.19 more gross is 1.00 more net, twice a day for thirty days.
        assert_eq!(summary.margin_a_month, 6_000);
        assert_eq!(summary.denied.get("floor"), Some(&1));

        let order = |messages, why| Story::Order {
            number: "#1".into(),
            cart: "c".into(),
            who: "A".into(),
            cents: 5_000,
            why,
            messages,
            code: None,
            off: 0,
        };
        for (messages, why) in [(1, Why::Reminded { sms: false }), (2, Why::CameBack), (0, Why::CameBack)] {
            summary.note(&ShowEvent { at: 6_000, what: What::Story(order(messages, why)) });
        }
        assert_eq!((summary.recovered.count, summary.anyway.count, summary.orders.count), (2, 1, 3));
        let text: Vec<String> = summary.lines().iter().map(Line::plain).collect();
        assert!(text[1].contains("2, 100.00 €"), "{}", text[1]);
    }
}
