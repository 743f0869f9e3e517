//! Sorts support tickets, answers what can be answered, and gives the rest to the right people.
//!
//! A run reads what the customer wrote ([`classify`]), weighs it ([`route`]), and either answers
//! ([`answer`]) or hands over with everything a colleague needs ([`packet`]). Unsure means a person,
//! never silence.

pub mod answer;
pub mod classify;
pub mod packet;
pub mod route;
mod settings;
pub mod words;

pub use settings::Settings;

use shopwright_sdk::{
    customers::{Customer, Standing},
    log::Level,
    orders::Order,
    prelude::*,
    support::{Article, Status, Ticket},
};

use answer::Whereabouts;
use classify::{Assessment, Kind, assess, order_number, question};
use packet::Packet;
use route::{Route, Weight, route, value, weigh};

shopwright_sdk::plugin! { settings = Settings; workflows = { "route" => route_ticket } }

/// The workflow: one run per ticket and per new message of the customer.
pub fn route_ticket(ctx: &Ctx, trigger: Either<TicketCreated, TicketUpdated>, settings: Settings) -> Result<Outcome> {
    let (Either::A(TicketCreated { ticket, .. }) | Either::B(TicketUpdated { ticket, .. })) = trigger;
    // As it is now: a colleague may have been faster.
    let ticket = ctx.support().get(&ticket.id)?.unwrap_or(ticket);
    let Some(latest) = ticket.messages.iter().rfind(|message| !message.internal) else {
        return Outcome::done(json!({ "result": "nothing_written" }));
    };
    if !latest.from_customer || !matches!(ticket.status, Status::Open | Status::Pending) {
        return Outcome::done(json!({ "result": "answered_already" }));
    }
    // Our own changes come back as updates of the ticket; one message is handled once.
    let handled = format!("handled/{}", ticket.id);
    if ctx.memory().get::<u64>(&handled)?.is_some_and(|at| at >= latest.at) {
        return Outcome::done(json!({ "result": "handled_already" }));
    }
    ctx.memory().set(&handled, &latest.at)?;

    let text = question(&ticket);
    let known = Known::read(ctx, &ticket, &text)?;
    let assessment = assess(&text, known.recent(ctx.now()), &settings.more_words, settings.sure_from);
    let weight = weigh(value(known.standing.as_ref(), &settings)?, &assessment, &settings);
    Desk {
        ctx,
        ticket: &ticket,
        text: &text,
        known: &known,
        assessment: &assessment,
        weight: &weight,
        settings: &settings,
    }
    .handle()
}

/// What the shop knows about the ticket.
struct Known {
    customer: Option<Customer>,
    standing: Option<Standing>,
    /// The customer's latest orders, newest first.
    orders: Vec<Order>,
    /// Their earlier tickets, newest first.
    earlier: Vec<Ticket>,
    articles: Vec<Article>,
}

impl Known {
    fn read(ctx: &Ctx, ticket: &Ticket, text: &str) -> Result<Known> {
        let customer = match &ticket.customer {
            Some(id) => ctx.customers().get(id)?,
            None => None,
        };
        let articles = if text.trim().is_empty() { Vec::new() } else { ctx.support().search_articles(text, 3)? };
        let Some(known) = &customer else {
            return Ok(Known { customer, standing: None, orders: Vec::new(), earlier: Vec::new(), articles });
        };
        let standing = Some(ctx.customers().standing(known)?);
        let orders = ctx.orders().of_customer(known).by(5).take(5).collect::<Result<Vec<_>, _>>()?;
        let mut earlier = ctx.support().of_customer(known).by(10).take(10).collect::<Result<Vec<_>, _>>()?;
        earlier.retain(|other| other.id != ticket.id);
        Ok(Known { customer, standing, orders, earlier, articles })
    }

    /// How many tickets the customer had within 30 days, this one aside.
    fn recent(&self, now: Timestamp) -> usize {
        self.earlier.iter().filter(|ticket| ticket.created_at() + days(30) >= now).count()
    }
}

/// Where a ticket is handled.
struct Desk<'a> {
    ctx: &'a Ctx,
    ticket: &'a Ticket,
    text: &'a str,
    known: &'a Known,
    assessment: &'a Assessment,
    weight: &'a Weight,
    settings: &'a Settings,
}

impl Desk<'_> {
    fn handle(&self) -> Result<Outcome> {
        match route(self.assessment, self.weight, self.settings) {
            Route::Tracking => match self.tracking()? {
                Whereabouts::Answer(text) => self.answer(&text, "answered with the order's tracking"),
                Whereabouts::Person(why) => self.hand_over(&self.settings.shipping_team, &why, false),
            },
            Route::Articles => match answer::from_articles(&self.known.articles, self.settings) {
                Some(text) => self.answer(&text, "answered from the help centre"),
                None => {
                    let why = "it is about product information, and no article answers it";
                    self.hand_over(&self.settings.sales_team, why, false)
                }
            },
            Route::Team { team, why, at_once } => self.hand_over(&team, &why, at_once),
        }
    }

    /// The order the customer means: the ticket's, the one whose number they wrote, or their latest.
    /// Never somebody else's, whatever number is asked for.
    fn tracking(&self) -> Result<Whereabouts> {
        let Some(customer) = &self.known.customer else {
            return Ok(Whereabouts::Person("the customer is not known, so no order can be told".into()));
        };
        let order = if let Some(id) = &self.ticket.order {
            self.ctx.orders().get(id)?
        } else if let Some(number) = order_number(self.text) {
            self.ctx.orders().find_by_number(&number)?
        } else {
            self.known.orders.first().cloned()
        };
        let theirs = order.filter(|order| order.customer.as_ref() == Some(&customer.id));
        Ok(match theirs {
            Some(order) => answer::whereabouts(&order, self.ctx.now(), self.settings),
            None => Whereabouts::Person("no order of theirs was found".into()),
        })
    }

    /// Answers, and resolves the ticket when nothing more comes.
    fn answer(&self, text: &str, what: &str) -> Result<Outcome> {
        let (ctx, id) = (self.ctx, self.ticket.id.as_str());
        if let Attempt::Refused(rule) = ctx.support().reply(id, text).or_refused()? {
            let why = format!("it could not be {what}: {rule}");
            return self.hand_over(&self.settings.general_team, &why, false);
        }
        self.prioritise()?;
        self.tag()?;
        ctx.support().note(id, &self.note(&format!("The router {what}.")))?;
        ctx.support().set_status(id, Status::Pending, what)?;
        if self.settings.resolve_after > Duration::ZERO && !self.customer_replies()? {
            ctx.support().set_status(id, Status::Resolved, "answered, and the customer did not reply")?;
            return self.end(json!({ "result": "resolved", "what": what }));
        }
        self.end(json!({ "result": "answered", "what": what }))
    }

    /// Waits for the customer's reply, which a run of its own handles.
    fn customer_replies(&self) -> Result<bool> {
        let until = self.ctx.now() + self.settings.resolve_after;
        let news = TicketUpdated::of(self.ticket).or::<TicketResolved>().or::<TicketClosed>();
        loop {
            let left = until.since(self.ctx.now());
            match self.ctx.wait_for(news.clone(), left)? {
                None => return Ok(false),
                Some(Either::A(Either::A(update))) => {
                    let last = update.ticket.messages.iter().rfind(|message| !message.internal);
                    if last.is_some_and(|message| message.from_customer && message.at > self.latest()) {
                        return Ok(true);
                    }
                    // Our own changes, or a colleague's.
                }
                // Somebody else ended it.
                Some(_) => return Ok(true),
            }
        }
    }

    fn latest(&self) -> u64 {
        self.ticket.messages.iter().filter(|message| message.from_customer).map(|message| message.at).max().unwrap_or(0)
    }

    /// Gives the ticket to people, with the packet, and tells the customer so.
    fn hand_over(&self, team: &str, why: &str, at_once: bool) -> Result<Outcome> {
        let (ctx, id) = (self.ctx, self.ticket.id.as_str());
        self.prioritise()?;
        ctx.support().assign(id, team, None, why)?;
        self.tag()?;
        ctx.support().note(id, &self.note(&format!("For the team {team}: {why}.")))?;
        if at_once && !self.settings.staff_channel.is_empty() {
            let data =
                json!({ "ticket": id, "team": team, "priority": self.weight.priority, "assessment": self.assessment });
            let text = format!("Ticket {id} needs {team} now: {why}");
            // The ticket is theirs already; a missing channel is no reason to fail.
            if let Err(error) = ctx.messages().notify_staff(&self.settings.staff_channel, &text, &data) {
                ctx.log(Level::Warn, &format!("staff was not told: {}", Error::from(error)));
            }
        }
        if !self.settings.acknowledgement.is_empty() {
            let text = format!("{}\n\n{}", self.settings.acknowledgement, self.settings.signature);
            if let Attempt::Refused(rule) = ctx.support().reply(id, &text).or_refused()? {
                ctx.log(Level::Warn, &format!("the customer was not told: {rule}"));
            }
        }
        self.end(json!({ "result": "handed_over", "team": team, "why": why }))
    }

    fn prioritise(&self) -> Result<()> {
        let Weight { value, urgency, product, priority } = self.weight;
        if *priority != self.ticket.priority {
            let reason = format!("value {value:.2} x urgency {urgency:.2} = {product:.2}");
            self.ctx.support().set_priority(&self.ticket.id, *priority, &reason)?;
        }
        Ok(())
    }

    fn tag(&self) -> Result<()> {
        let mut tags = Vec::new();
        if let Some(kind) = self.assessment.kind {
            tags.push(kind.words().trim_start_matches("a ").replace(' ', "-"));
        }
        if self.assessment.frustration >= self.settings.frustrated_from {
            tags.push("frustrated".into());
        }
        tags.retain(|tag| !self.ticket.tags.contains(tag));
        if !tags.is_empty() {
            self.ctx.support().tag(&self.ticket.id, &tags)?;
        }
        Ok(())
    }

    fn note(&self, decision: &str) -> String {
        Packet {
            ticket: self.ticket,
            customer: self.known.customer.as_ref(),
            standing: self.known.standing.as_ref(),
            orders: &self.known.orders,
            earlier: &self.known.earlier,
            assessment: self.assessment,
            weight: self.weight,
            articles: &self.known.articles,
            decision,
        }
        .note()
    }

    /// Ends the run with its result and what led to it.
    fn end(&self, result: impl Serialize) -> Result<Outcome> {
        let kind: Option<Kind> = self.assessment.kind;
        let mut shown =
            json!({ "kind": kind, "confidence": self.assessment.confidence, "priority": self.weight.priority });
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
