//! What happens in the shop from the start on: visitors, carts, orders, letters, competitors, parcels.
//!
//! [`Traffic`] is a pure generator: [`Traffic::next`] gives the next happening with what the platforms
//! send of it, [`Traffic::react`] tells it what the workflows did. Customers answer to messages by their own
//! rhythm, and buy with a probability that depends on whether the message fits them.

mod carts;
mod desk;
mod goods;
pub mod platform;
mod react;
mod story;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use serde_json::{Value, json};
use shopwright_model::{Millis, customers::Channel, support};

pub use react::{Reaction, TicketChange, Worth};
pub use story::{Post, Story, Why};

use self::platform::Redeemed;
use crate::{
    calendar::{self, DAY, HOUR, MINUTE},
    dice::{Dice, Wheel},
    shop::{
        Shop, ZONE,
        history::{Fate, SaleLine},
        letters::Topic,
    },
};

/// Something that happens, and what the platforms send of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// When.
    pub at: Millis,
    /// What, for people.
    pub story: Story,
    /// What is posted to the host, in this order.
    pub posts: Vec<Post>,
}

/// What is going to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    /// Somebody comes and fills a cart.
    Visit,
    /// A visitor goes on with the checkout, or leaves it.
    Step(usize),
    /// A visitor buys.
    Buy(usize, Why),
    /// A customer reads a message.
    Read(usize),
    /// A parcel leaves.
    Ship(usize),
    /// A parcel arrives.
    Deliver(usize),
    /// Somebody writes about an order or with a question.
    Letter,
    /// Somebody writes who has just left a cart.
    CartLetter(usize),
    /// Whoever has the ticket settles it; only the plan with the ticket's latest turn counts.
    Settle(usize, u32),
    /// The customer reads the answer.
    Answered(usize, u32),
    /// Competitors look at their prices.
    Rivals,
    /// A competitor changes the price of a product.
    RivalMove(usize, usize, goods::Move),
    /// Suppliers deliver.
    Suppliers,
    /// Goods arrive for a variant.
    Restock(usize),
    /// Somebody edits products.
    Editor,
    /// A product's page is edited.
    Edit(usize),
    /// Somebody rates what they got.
    Review(usize),
}

/// A cart or checkout of the show.
#[derive(Debug, Clone)]
struct LiveCart {
    id: u64,
    token: String,
    cart_token: String,
    person: usize,
    lines: Vec<SaleLine>,
    /// 1 contact, 2 shipping, 3 payment.
    step: u8,
    /// Where this visitor stops.
    stops_at: u8,
    created_at: Millis,
    updated_at: Millis,
    bought: bool,
    left: bool,
    /// Messages about it so far.
    messages: u32,
    /// A code that came with a message.
    offer: Option<(String, Worth)>,
}

/// An order of the show, or one of the past that is still under way.
#[derive(Debug, Clone)]
struct LiveOrder {
    id: u64,
    number: usize,
    person: usize,
    lines: Box<[SaleLine]>,
    redeemed: Option<Redeemed>,
    checkout: Option<(u64, String, String)>,
    placed_at: Millis,
    shipped_at: Option<Millis>,
    delivered_at: Option<Millis>,
}

/// A ticket as the helpdesk knows it.
#[derive(Debug, Clone)]
struct LiveTicket {
    doc: support::Ticket,
    topic: Topic,
    person: usize,
    product: usize,
    variant: usize,
    order: Option<(String, String)>,
    /// Counted up whenever its handling changes.
    turn: u32,
    answered: bool,
}

/// A message on its way to a customer.
#[derive(Debug, Clone)]
struct LiveMessage {
    person: usize,
    cart: Option<usize>,
    channel: Channel,
    template: String,
    appeal: f64,
}

/// One of each, so that more of one leaves the others as they are.
#[derive(Debug)]
struct DiceBox {
    visits: Dice,
    carts: Dice,
    minds: Dice,
    desk: Dice,
    goods: Dice,
    parcels: Dice,
    ids: Dice,
}

/// How lively the shop is, beyond what its history says.
#[derive(Debug, Clone, Copy)]
pub struct Liveliness {
    /// Letters to customer service in relation to orders; real shops have about 0.1.
    pub letters: f64,
    /// Products whose price a competitor looks at, a day, as a share of all.
    pub moves: f64,
}

impl Default for Liveliness {
    fn default() -> Self {
        Self { letters: 0.3, moves: 0.16 }
    }
}

/// The stream of happenings.
#[derive(Debug)]
pub struct Traffic {
    shop: Shop,
    session: u64,
    lively: Liveliness,
    now: Millis,
    counter: u64,
    queue: BinaryHeap<Reverse<(Millis, u64, Plan)>>,
    dice: DiceBox,
    who: Wheel,
    topics: Vec<f64>,
    visits_per_day: f64,
    available: Vec<[i64; 3]>,
    order_counts: Vec<u32>,
    spent: Vec<i64>,
    carts: Vec<LiveCart>,
    cart_of: BTreeMap<usize, usize>,
    orders: Vec<LiveOrder>,
    tickets: Vec<LiveTicket>,
    ticket_places: BTreeMap<String, usize>,
    people_places: BTreeMap<String, usize>,
    variant_places: BTreeMap<String, usize>,
    messages: Vec<LiveMessage>,
    offers: BTreeMap<usize, Worth>,
    engagement: BTreeMap<(usize, bool, String), [u32; 3]>,
    past_orders: usize,
    /// Orders of this session.
    placed: usize,
}

impl Traffic {
    /// The traffic of `shop` from `at` on (its start, or later when a kept shop goes on). `session` counts the
    /// times that this shop was opened: ids of different sessions differ.
    #[must_use]
    pub fn new(shop: Shop, session: u64, at: Millis, lively: Liveliness) -> Self {
        let seed = shop.seed.wrapping_add(session.wrapping_mul(0x9e37_79b9));
        let dice = |label| Dice::new(seed, label);
        let dice = DiceBox {
            visits: dice("visits"),
            carts: dice("carts"),
            minds: dice("minds"),
            desk: dice("desk"),
            goods: dice("goods"),
            parcels: dice("parcels"),
            ids: dice("ids"),
        };
        // Orders a day at the end of the history, on a day that is neither busy nor calm.
        let recent = shop.sales.iter().rev().take_while(|sale| sale.placed_at > shop.start - 28 * DAY).count();
        let busy: f64 = (0..28).map(|day| calendar::busy(shop.start - day * DAY - 12 * HOUR, ZONE)).sum();
        let orders_per_day = recent as f64 / busy;
        let mut order_counts = vec![0; shop.people.len()];
        let mut spent = vec![0; shop.people.len()];
        for sale in &shop.sales {
            if !matches!(sale.fate, Fate::Cancelled(_)) {
                order_counts[sale.person as usize] += 1;
                spent[sale.person as usize] += sale.total();
            }
        }
        let mut traffic = Self {
            session,
            lively,
            now: at,
            counter: 0,
            queue: BinaryHeap::new(),
            dice,
            who: Wheel::new(shop.people.iter().map(|person| person.rhythm.orders)),
            topics: Topic::ALL.iter().map(|(_, weight)| *weight).collect(),
            // 36 of a hundred checkouts become orders.
            visits_per_day: orders_per_day / 0.36,
            available: shop.levels.iter().map(|places| places.map(|stock| stock.on_hand - stock.reserved)).collect(),
            order_counts,
            spent,
            carts: Vec::new(),
            cart_of: BTreeMap::new(),
            orders: Vec::new(),
            tickets: Vec::new(),
            ticket_places: BTreeMap::new(),
            people_places: shop.people.iter().enumerate().map(|(at, person)| (person.id.to_string(), at)).collect(),
            variant_places: shop
                .variants
                .iter()
                .enumerate()
                .map(|(at, variant)| (variant.id.to_string(), at))
                .collect(),
            messages: Vec::new(),
            offers: BTreeMap::new(),
            engagement: BTreeMap::new(),
            past_orders: shop.sales.len(),
            placed: 0,
            shop,
        };
        traffic.begin(at);
        traffic
    }

    fn begin(&mut self, at: Millis) {
        let midnight = calendar::local(at, ZONE).date_naive().and_time(chrono::NaiveTime::MIN);
        let midnight = midnight.and_local_timezone(ZONE).earliest().map_or(at, |time| time.timestamp_millis());
        let next = |hour: Millis| if midnight + hour > at { midnight + hour } else { midnight + DAY + hour };
        self.plan(at, Plan::Visit);
        self.plan(at + 3 * MINUTE, Plan::Letter);
        self.plan(at + 2 * MINUTE, Plan::Rivals);
        self.plan(next(7 * HOUR), Plan::Suppliers);
        self.plan(next(10 * HOUR + 30 * MINUTE), Plan::Editor);
        if self.session == 0 {
            self.take_over_parcels();
            self.take_over_tickets(at);
        }
    }

    /// When the next thing happens.
    #[must_use]
    pub fn peek(&self) -> Option<Millis> {
        self.queue.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next happening; there is always one.
    pub fn advance(&mut self) -> Option<Happening> {
        loop {
            let Reverse((at, _, plan)) = self.queue.pop()?;
            self.now = at;
            let mut posts = Vec::new();
            let story = match plan {
                Plan::Visit => self.visit(&mut posts),
                Plan::Step(cart) => self.step(cart, &mut posts),
                Plan::Buy(cart, why) => self.buy(cart, why, &mut posts),
                Plan::Read(message) => self.read(message, &mut posts),
                Plan::Ship(order) => self.ship(order, &mut posts),
                Plan::Deliver(order) => self.deliver(order, &mut posts),
                Plan::Letter => self.letter(&mut posts),
                Plan::CartLetter(cart) => self.cart_letter(cart, &mut posts),
                Plan::Settle(ticket, turn) => self.settle(ticket, turn, &mut posts),
                Plan::Answered(ticket, turn) => self.answered(ticket, turn, &mut posts),
                Plan::Rivals => self.rivals(),
                Plan::RivalMove(rival, product, to) => self.rival_move(rival, product, to, &mut posts),
                Plan::Suppliers => self.suppliers(),
                Plan::Restock(variant) => self.restock(variant, &mut posts),
                Plan::Editor => self.editor(),
                Plan::Edit(product) => self.edit(product, &mut posts),
                Plan::Review(order) => self.review(order, &mut posts),
            };
            if let Some(story) = story {
                return Some(Happening { at, story, posts });
            }
        }
    }

    /// The shop as it is now: prices move, customers join.
    #[must_use]
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// What somebody with this id is called; the id where there is nobody.
    #[must_use]
    pub fn name_of(&self, customer: &str) -> String {
        self.people_places.get(customer).map_or_else(|| customer.to_owned(), |&at| self.shop.people[at].name())
    }

    /// The place of a variant in the shop, by its id.
    #[must_use]
    pub fn variant(&self, id: &str) -> Option<usize> {
        self.variant_places.get(id).copied()
    }

    /// When the next of `per_day` arrivals comes (on an average day), by the hour and the day (thinning: the
    /// busiest hour's rate, of which the share passes that the hour deserves).
    fn arrival(&self, per_day: f64, dice: &mut Dice) -> Millis {
        const BUSIEST: f64 = 0.09 * 2.2;
        let mut at = self.now;
        loop {
            at += dice.exponential(HOUR as f64 / (per_day * BUSIEST).max(0.001)) as Millis + 1;
            let rate = calendar::HOURS[calendar::hour(at, ZONE)] / 100.0 * calendar::busy(at, ZONE);
            if dice.chance(rate / BUSIEST) {
                return at;
            }
        }
    }

    fn plan(&mut self, at: Millis, plan: Plan) {
        self.counter += 1;
        self.queue.push(Reverse((at.max(self.now), self.counter, plan)));
    }

    /// An id base that no other session uses.
    const fn offset(&self, span: u64) -> u64 {
        self.session * span
    }

    fn webhook(&mut self, topic: &'static str, body: Value) -> Post {
        Post::Webhook {
            topic,
            webhook_id: self.dice.ids.uuid(),
            event_id: self.dice.ids.uuid(),
            triggered_at: self.now,
            body,
        }
    }

    fn cloud_event(&mut self, system: &str, kind: &str, data: Value) -> Value {
        self.counter += 1;
        json!({
            "specversion": "1.0",
            "id": format!("{}-{}-{}", self.shop.seed, self.session, self.counter),
            "source": format!("https://{system}.{}", crate::shop::DOMAIN),
            "type": kind,
            "time": calendar::iso_utc(self.now),
            "datacontenttype": "application/json",
            "data": data,
        })
    }

    fn name(&self, person: usize) -> String {
        self.shop.people[person].name()
    }
}
