//! Tickets: letters with their slots filled, from somebody, about something.

use shopwright_model::{Millis, support};

use super::{
    catalogue::{ONLY, Product, Variant},
    history::Sale,
    letters::Topic,
    people::Person,
};
use crate::{
    calendar::{self, DAY, HOUR, MINUTE},
    dice::Dice,
};

/// The people of customer service; invented.
const COLLEAGUES: [&str; 6] = ["mira", "tobias", "aoife", "selma", "jean", "katrin"];

/// What a letter can refer to.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    /// Who writes.
    pub person: &'a Person,
    /// Id and number of the order it is about.
    pub order: Option<(String, String)>,
    /// Days since that order.
    pub days: i64,
    /// What it is about.
    pub product: &'a Product,
    /// Which one of it.
    pub variant: &'a Variant,
}

/// An open ticket, as it comes in at `at`.
pub fn compose(id: u64, topic: Topic, occasion: &Occasion<'_>, at: Millis, dice: &mut Dice) -> support::Ticket {
    let (subject, text) = dice.pick(topic.letters());
    let person = occasion.person;
    let weekday = calendar::local(at - 2 * DAY, super::ZONE).format("%A").to_string();
    let number = occasion.order.as_ref().map_or("", |(_, number)| number.as_str());
    let size = if occasion.variant.option == ONLY { "M" } else { &occasion.variant.option };
    let fill = |text: &str| {
        text.replace("{number}", number)
            .replace("{days}", &occasion.days.max(1).to_string())
            .replace("{first}", person.first)
            .replace("{name}", &person.name())
            .replace("{product}", &occasion.product.title)
            .replace("{size}", size)
            .replace("{city}", person.city.name)
            .replace("{weekday}", &weekday)
    };
    let channel = ["email", "contact-form", "chat"][dice.weighted(&[0.58, 0.22, 0.2])];
    support::Ticket {
        id: id.to_string(),
        customer: Some(person.id.to_string()),
        order: occasion.order.as_ref().filter(|_| topic.has_order()).map(|(id, _)| id.clone()),
        subject: fill(subject),
        channel: channel.into(),
        status: support::Status::Open,
        priority: support::Priority::Normal,
        assignee: None,
        team: None,
        tags: Vec::new(),
        messages: vec![support::Message {
            author: person.name(),
            from_customer: true,
            text: fill(text),
            at: at as u64,
            internal: false,
        }],
        created_at: at as u64,
        updated_at: at as u64,
        extra: "{}".into(),
    }
}

/// Settles a ticket: a colleague answers at `at`.
pub fn resolve(ticket: &mut support::Ticket, topic: Topic, occasion: &Occasion<'_>, at: Millis, dice: &mut Dice) {
    let colleague = *dice.pick(&COLLEAGUES);
    let text = dice
        .pick(topic.answers())
        .replace("{first}", occasion.person.first)
        .replace("{number}", occasion.order.as_ref().map_or("your order", |(_, number)| number))
        .replace("{product}", &occasion.product.title)
        .replace("{size}", &occasion.variant.option);
    ticket.messages.push(support::Message {
        author: colleague.into(),
        from_customer: false,
        text,
        at: at as u64,
        internal: false,
    });
    ticket.status = support::Status::Resolved;
    ticket.assignee.get_or_insert_with(|| colleague.into());
    ticket.team.get_or_insert_with(|| "support".into());
    ticket.updated_at = at as u64;
}

/// How many days after the order people write about a topic.
#[must_use]
pub fn delay_days(topic: Topic) -> (i64, i64) {
    match topic {
        Topic::OrderStatus => (2, 8),
        Topic::NotReceived => (4, 9),
        Topic::WrongSize | Topic::WrongItem | Topic::Damaged => (4, 16),
        Topic::Refund => (14, 30),
        Topic::Angry => (5, 20),
        Topic::Shipping | Topic::Cancel => (0, 1),
        Topic::ProductQuestion | Topic::Technical | Topic::Other => (0, 200),
    }
}

/// An order that somebody could write about at `at`: an index into `sales`, which are sorted by time.
pub fn order_for(topic: Topic, sales: &[Sale], at: Millis, dice: &mut Dice) -> Option<usize> {
    let (low, high) = delay_days(topic);
    let from = sales.partition_point(|sale| sale.placed_at < at - (high + 1) * DAY);
    let to = sales.partition_point(|sale| sale.placed_at < at - low * DAY);
    (from < to).then(|| from + dice.below(to - from))
}

/// Half a year of tickets, oldest first; the last ones are still open.
#[must_use]
pub fn write(
    seed: u64,
    sales: &[Sale],
    people: &[Person],
    products: &[Product],
    variants: &[Variant],
    start: Millis,
) -> Vec<support::Ticket> {
    let mut dice = Dice::new(seed, "tickets");
    let topics: Vec<f64> = Topic::ALL.iter().map(|(_, weight)| *weight).collect();
    let mut tickets = Vec::new();
    let first = sales.partition_point(|sale| sale.placed_at < start - 180 * DAY);
    // One letter in thirteen orders.
    let count = (sales.len() - first) / 13;
    let mut times: Vec<Millis> = (0..count)
        .map(|_| {
            let day = start - (dice.unit().powf(1.1) * 180.0 * DAY as f64) as Millis;
            day - dice.between(0, 3 * HOUR)
        })
        .collect();
    times.sort_unstable();
    for at in times {
        let topic = Topic::ALL[dice.weighted(&topics)].0;
        let Some(sale) = order_for(topic, sales, at, &mut dice) else { continue };
        let occasion = occasion_of(topic, sale, sales, people, products, variants, at, &mut dice);
        let mut ticket = compose(super::TICKET_IDS + tickets.len() as u64, topic, &occasion, at, &mut dice);
        let answered = at + dice.log_normal(9.0 * HOUR as f64, 0.8) as Millis + 20 * MINUTE;
        if answered < start {
            resolve(&mut ticket, topic, &occasion, answered, &mut dice);
        }
        tickets.push(ticket);
    }
    tickets
}

/// What a letter about `sales[at]` refers to.
#[allow(clippy::too_many_arguments)]
pub fn occasion_of<'a>(
    topic: Topic,
    sale: usize,
    sales: &[Sale],
    people: &'a [Person],
    products: &'a [Product],
    variants: &'a [Variant],
    at: Millis,
    dice: &mut Dice,
) -> Occasion<'a> {
    let order = &sales[sale];
    let variant = &variants[dice.pick(&order.lines).variant as usize];
    Occasion {
        person: &people[order.person as usize],
        order: topic.has_order().then(|| (super::order_id(sale), super::order_number(sale))),
        days: (at - order.placed_at) / DAY,
        product: &products[variant.product],
        variant,
    }
}
