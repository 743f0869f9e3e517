//! Customer service: letters come in, colleagues settle them.

use serde_json::json;
use shopwright_model::{Millis, support};

use super::{LiveTicket, Plan, Post, Story, TicketChange, Traffic};
use crate::{
    calendar::{HOUR, MINUTE},
    shop::{
        TICKET_IDS,
        letters::Topic,
        tickets::{self, Occasion},
    },
};

const NOT_CONTENT: [&str; 5] = [
    "Thank you, but that is not what I asked. Could somebody look at it, please?",
    "That doesn't help me, sorry. What about my order?",
    "Is this an automatic answer? Please read my mail again.",
    "ok but WHEN",
    "I had already found that on your page. My question is still open.",
];

impl Traffic {
    pub(super) fn letter(&mut self, posts: &mut Vec<Post>) -> Option<Story> {
        let mut dice = self.dice.desk.clone();
        let next = self.arrival(self.visits_per_day * 0.36 * self.lively.letters, &mut dice);
        self.dice.desk = dice;
        self.plan(next, Plan::Letter);
        let topic = Topic::ALL[self.dice.desk.weighted(&self.topics)].0;
        let sale = tickets::order_for(topic, &self.shop.sales, self.now, &mut self.dice.desk)?;
        let shop = &self.shop;
        let occasion = tickets::occasion_of(
            topic,
            sale,
            &shop.sales,
            &shop.people,
            &shop.products,
            &shop.variants,
            self.now,
            &mut self.dice.desk,
        );
        let person = shop.sales[sale].person as usize;
        let variant = shop.variants.iter().position(|variant| variant.id == occasion.variant.id)?;
        let order = occasion.order.clone();
        let doc = tickets::compose(self.ticket_id(), topic, &occasion, self.now, &mut self.dice.desk);
        Some(self.open(doc, topic, person, variant, order, posts))
    }

    pub(super) fn cart_letter(&mut self, at: usize, posts: &mut Vec<Post>) -> Option<Story> {
        let cart = &self.carts[at];
        if cart.bought {
            return None;
        }
        let (person, variant) = (cart.person, cart.lines[0].variant as usize);
        let topic = if self.dice.desk.chance(0.6) { Topic::ProductQuestion } else { Topic::Technical };
        let occasion = Occasion {
            person: &self.shop.people[person],
            order: None,
            days: 0,
            product: &self.shop.products[self.shop.variants[variant].product],
            variant: &self.shop.variants[variant],
        };
        let doc = tickets::compose(self.ticket_id(), topic, &occasion, self.now, &mut self.dice.desk);
        Some(self.open(doc, topic, person, variant, None, posts))
    }

    fn ticket_id(&self) -> u64 {
        TICKET_IDS + self.shop.tickets.len() as u64 + self.offset(100_000) + self.tickets.len() as u64
    }

    fn open(
        &mut self,
        doc: support::Ticket,
        topic: Topic,
        person: usize,
        variant: usize,
        order: Option<(String, String)>,
        posts: &mut Vec<Post>,
    ) -> Story {
        let event = self.cloud_event("helpdesk", "ticket.created", json!(doc));
        posts.push(Post::Events(vec![event]));
        let story = Story::Letter {
            ticket: doc.id.clone(),
            who: self.name(person),
            subject: doc.subject.clone(),
            text: doc.messages.first().map(|message| message.text.clone()).unwrap_or_default(),
        };
        self.keep(doc, topic, person, variant, order);
        story
    }

    fn keep(
        &mut self,
        doc: support::Ticket,
        topic: Topic,
        person: usize,
        variant: usize,
        order: Option<(String, String)>,
    ) {
        let at = self.tickets.len();
        self.ticket_places.insert(doc.id.clone(), at);
        let product = self.shop.variants[variant].product;
        self.tickets.push(LiveTicket { doc, topic, person, product, variant, order, turn: 0, answered: false });
        // Somebody gets round to it in the end, also without any routing.
        let settled = self.now + self.dice.desk.log_normal(9.0 * HOUR as f64, 0.6) as Millis;
        let settled = self.office(settled);
        self.plan(settled, Plan::Settle(at, 0));
    }

    /// Tickets that were open when the show began are settled in its course.
    pub(super) fn take_over_tickets(&mut self, now: Millis) {
        self.now = now;
        let open: Vec<support::Ticket> =
            self.shop.tickets.iter().filter(|ticket| ticket.status == support::Status::Open).cloned().collect();
        for doc in open {
            let person = doc.customer.as_ref().and_then(|id| self.people_places.get(id)).copied().unwrap_or(0);
            let variant = self.dice.desk.below(self.shop.variants.len());
            let order = doc.order.clone().map(|id| (id, "your order".to_owned()));
            self.keep(doc, Topic::Other, person, variant, order);
        }
    }

    pub(super) fn settle(&mut self, at: usize, turn: u32, posts: &mut Vec<Post>) -> Option<Story> {
        if self.tickets[at].turn != turn || done(&self.tickets[at].doc) {
            return None;
        }
        let LiveTicket { topic, person, product, variant, order, .. } = self.tickets[at].clone();
        let occasion = Occasion {
            person: &self.shop.people[person],
            order,
            days: 1,
            product: &self.shop.products[product],
            variant: &self.shop.variants[variant],
        };
        tickets::resolve(&mut self.tickets[at].doc, topic, &occasion, self.now, &mut self.dice.desk);
        Some(self.resolved(at, true, posts))
    }

    /// The customer has read an answer: most are content.
    pub(super) fn answered(&mut self, at: usize, turn: u32, posts: &mut Vec<Post>) -> Option<Story> {
        if self.tickets[at].turn != turn || done(&self.tickets[at].doc) {
            return None;
        }
        let person = self.tickets[at].person;
        let content = match self.tickets[at].topic {
            Topic::OrderStatus | Topic::ProductQuestion | Topic::Shipping => 0.9,
            Topic::Angry => 0.2,
            _ => 0.6,
        };
        if self.dice.desk.chance(content) {
            self.tickets[at].doc.status = support::Status::Resolved;
            self.tickets[at].doc.updated_at = self.now as u64;
            return Some(self.resolved(at, false, posts));
        }
        let text = *self.dice.desk.pick(&NOT_CONTENT);
        let author = self.shop.people[person].name();
        let ticket = &mut self.tickets[at];
        ticket.doc.messages.push(support::Message {
            author,
            from_customer: true,
            text: text.into(),
            at: self.now as u64,
            internal: false,
        });
        ticket.doc.status = support::Status::Open;
        ticket.doc.updated_at = self.now as u64;
        ticket.answered = false;
        ticket.turn += 1;
        let (turn, doc) = (ticket.turn, json!(ticket.doc));
        let event = self.cloud_event("helpdesk", "ticket.updated", doc);
        posts.push(Post::Events(vec![event]));
        let settled = self.now + self.dice.desk.between(40 * MINUTE, 5 * HOUR);
        let settled = self.office(settled);
        self.plan(settled, Plan::Settle(at, turn));
        Some(Story::NotContent { ticket: self.tickets[at].doc.id.clone(), who: self.name(person) })
    }

    fn resolved(&mut self, at: usize, by_person: bool, posts: &mut Vec<Post>) -> Story {
        let doc = json!(self.tickets[at].doc);
        let event = self.cloud_event("helpdesk", "ticket.resolved", doc);
        posts.push(Post::Events(vec![event]));
        let doc = &self.tickets[at].doc;
        Story::Settled {
            ticket: doc.id.clone(),
            subject: doc.subject.clone(),
            after: self.now - doc.created_at as Millis,
            by_person,
        }
    }

    pub(super) fn desk_change(&mut self, ticket: &str, change: &TicketChange) {
        let Some(&at) = self.ticket_places.get(ticket) else { return };
        let now = self.now;
        let doc = &mut self.tickets[at].doc;
        doc.updated_at = now as u64;
        let message = |text: &str, internal| support::Message {
            author: "shopwright".into(),
            from_customer: false,
            text: text.into(),
            at: now as u64,
            internal,
        };
        match change {
            TicketChange::Assigned { team, assignee } => {
                doc.team = Some(team.clone());
                doc.assignee.clone_from(assignee);
                let quick = team.contains("senior")
                    || matches!(doc.priority, support::Priority::Urgent | support::Priority::High);
                self.tickets[at].turn += 1;
                let turn = self.tickets[at].turn;
                let dice = &mut self.dice.desk;
                let takes =
                    if quick { dice.between(20 * MINUTE, 80 * MINUTE) } else { dice.between(80 * MINUTE, 5 * HOUR) };
                let settled = self.office(now + takes);
                self.plan(settled, Plan::Settle(at, turn));
            }
            TicketChange::Priority(priority) => doc.priority = *priority,
            TicketChange::Status(status) => doc.status = *status,
            TicketChange::Reply(text) => {
                doc.messages.push(message(text, false));
                let ticket = &mut self.tickets[at];
                ticket.answered = true;
                if ticket.doc.team.is_some() {
                    return; // Only a word in between: somebody has it.
                }
                ticket.turn += 1;
                let turn = ticket.turn;
                let reads = now + self.dice.desk.between(8 * MINUTE, 80 * MINUTE);
                self.plan(reads, Plan::Answered(at, turn));
            }
            TicketChange::Note(text) => doc.messages.push(message(text, true)),
            TicketChange::Tags(tags) => {
                for tag in tags {
                    if !doc.tags.contains(tag) {
                        doc.tags.push(tag.clone());
                    }
                }
            }
        }
    }
}

fn done(doc: &support::Ticket) -> bool {
    matches!(doc.status, support::Status::Resolved | support::Status::Closed)
}
