//! Visitors: they fill carts, go through the checkout, leave or buy; and read what comes.

use serde_json::json;
use shopwright_model::{
    Millis,
    customers::{Channel, Engagement},
    entity::EngagementDoc,
};

use super::{
    LiveCart, LiveOrder, Plan, Post, Story, Traffic, Why, Worth,
    platform::{self, Redeemed},
};
use crate::{
    calendar::{self, DAY, HOUR, MINUTE},
    shop::{
        CHECKOUT_IDS, ORDER_IDS, ZONE, engagement,
        history::SaleLine,
        people::{self, Persona},
        records,
    },
};

/// How the steps of a checkout are called.
pub(super) const STEPS: [&str; 4] = ["cart", "contact", "shipping", "payment"];

impl Traffic {
    pub(super) fn visit(&mut self, posts: &mut Vec<Post>) -> Option<Story> {
        let mut dice = self.dice.visits.clone();
        let next = self.arrival(self.visits_per_day, &mut dice);
        self.dice.visits = dice;
        self.plan(next, Plan::Visit);

        let person = self.somebody(posts);
        // Who is in the middle of a checkout does not begin another.
        if self
            .cart_of
            .get(&person)
            .is_some_and(|&cart| !self.carts[cart].bought && self.now - self.carts[cart].updated_at < 6 * HOUR)
        {
            return None;
        }
        let lines = self.basket(person)?;
        let persona = self.shop.people[person].persona;
        let dice = &mut self.dice.carts;
        let buys = dice.chance(match persona {
            Persona::Regular | Persona::Premium => 0.5,
            Persona::Deliberate => 0.34,
            Persona::Social => 0.3,
            Persona::Bargain | Persona::Newcomer => 0.24,
            Persona::Lapsed => 0.16,
        });
        let stops_at = if buys { 3 } else { 1 + dice.weighted(&[0.34, 0.42, 0.24]) as u8 };
        let (token, cart_token) = (self.dice.ids.hex(32), self.dice.ids.hex(32));
        let at = self.carts.len();
        self.carts.push(LiveCart {
            id: CHECKOUT_IDS + self.past_orders as u64 + self.offset(1_000_000) + at as u64,
            token,
            cart_token: cart_token.clone(),
            person,
            lines,
            step: 1,
            stops_at,
            created_at: self.now,
            updated_at: self.now,
            bought: false,
            left: false,
            messages: 0,
            offer: None,
        });
        self.cart_of.insert(person, at);
        let body = self.checkout_body(at, None);
        posts.push(self.webhook("checkouts/create", body));
        let dice = &mut self.dice.carts;
        let pause = dice.between(MINUTE, 5 * MINUTE);
        if buys {
            // Most buy in the same visit, others when they have made up their minds.
            let decision = self.shop.people[person].rhythm.decision as f64;
            let (when, why) = if dice.chance(0.8) {
                (dice.between(7 * MINUTE, 28 * MINUTE), Why::AtOnce)
            } else {
                (dice.log_normal(decision, 0.5) as Millis + 20 * MINUTE, Why::Thought)
            };
            self.plan(self.now + when, Plan::Buy(at, why));
        } else {
            let decision = self.shop.people[person].rhythm.decision as f64;
            if self.dice.carts.chance(0.045) {
                let back = self.dice.carts.log_normal(decision * 1.6, 0.5) as Millis + 2 * HOUR;
                self.plan(self.now + back, Plan::Buy(at, Why::CameBack));
            }
            if self.dice.carts.chance(0.07) {
                let writes = self.dice.carts.between(10 * MINUTE, 70 * MINUTE);
                self.plan(self.now + writes, Plan::CartLetter(at));
            }
        }
        self.plan(self.now + pause, Plan::Step(at));
        let cart = &self.carts[at];
        let what = self.shop.title(cart.lines[0].variant as usize);
        let what = if cart.lines.len() > 1 { format!("{what} and {} more", cart.lines.len() - 1) } else { what };
        Some(Story::CartBegun { cart: cart_token, who: self.name(person), what, cents: worth(&cart.lines) })
    }

    pub(super) fn step(&mut self, at: usize, posts: &mut Vec<Post>) -> Option<Story> {
        let (person, cents) = (self.carts[at].person, worth(&self.carts[at].lines));
        let cart = &mut self.carts[at];
        if cart.bought {
            return None;
        }
        let (id, step) = (cart.cart_token.clone(), STEPS[cart.step as usize]);
        if cart.step >= cart.stops_at {
            cart.left = true;
            return Some(Story::CartLeft { cart: id, who: self.name(person), step, cents });
        }
        cart.step += 1;
        cart.updated_at = self.now;
        let step = STEPS[cart.step as usize];
        let body = self.checkout_body(at, None);
        posts.push(self.webhook("checkouts/update", body));
        let pause = self.dice.carts.between(MINUTE, 6 * MINUTE);
        self.plan(self.now + pause, Plan::Step(at));
        Some(Story::CartStep { cart: id, who: self.name(person), step })
    }

    pub(super) fn buy(&mut self, at: usize, why: Why, posts: &mut Vec<Post>) -> Option<Story> {
        if self.carts[at].bought {
            return None;
        }
        let person = self.carts[at].person;
        // What is gone in the meantime cannot be bought.
        let (available, cart) = (&self.available, &mut self.carts[at]);
        cart.lines.retain(|line| available[line.variant as usize].iter().sum::<i64>() >= i64::from(line.quantity));
        if cart.lines.is_empty() {
            cart.bought = true;
            return None;
        }
        cart.bought = true;
        cart.step = 3;
        cart.updated_at = self.now;
        let list = worth(&cart.lines);
        let redeemed = cart.offer.as_ref().map(|(code, offer)| Redeemed {
            code: code.clone(),
            cents: offer.cents(list),
            percent: offer.percent(),
        });
        let (messages, lines) = (cart.messages, cart.lines.clone());
        let checkout = Some((cart.id, cart.token.clone(), cart.cart_token.clone()));
        let cart_token = cart.cart_token.clone();
        self.order_counts[person] += 1;
        let place = self.past_orders + self.offset(100_000) as usize + self.placed;
        self.placed += 1;
        let order = LiveOrder {
            id: ORDER_IDS + place as u64,
            number: 1_001 + place,
            person,
            lines: lines.clone().into(),
            redeemed: redeemed.clone(),
            checkout,
            placed_at: self.now,
            shipped_at: None,
            delivered_at: None,
        };
        let number = format!("#{}", order.number);
        let slot = self.orders.len();
        self.orders.push(order);
        let body = self.order_body(slot);
        let off = redeemed.as_ref().map_or(0, |redeemed| redeemed.cents);
        let total = list - off + crate::shop::shipping(list - off);
        self.spent[person] += total;
        let completed = self.checkout_body(at, Some(self.now));
        posts.push(self.webhook("checkouts/update", completed));
        posts.push(self.webhook("orders/create", body));
        for line in &lines {
            self.take(line.variant as usize, i64::from(line.quantity), posts);
        }
        let ships = self.now + self.dice.parcels.between(4 * HOUR, 30 * HOUR);
        let ships = self.office(ships);
        self.plan(ships, Plan::Ship(slot));
        Some(Story::Order {
            number,
            cart: cart_token,
            who: self.name(person),
            cents: total,
            why,
            messages,
            code: redeemed.map(|redeemed| redeemed.code),
            off,
        })
    }

    /// A customer reads a message; and perhaps buys.
    pub(super) fn read(&mut self, at: usize, posts: &mut Vec<Post>) -> Option<Story> {
        let message = self.messages[at].clone();
        let buys = message.cart.is_some_and(|cart| !self.carts[cart].bought) && self.dice.minds.chance(message.appeal);
        let clicked = buys || self.dice.minds.chance(0.12);
        let sms = message.channel == Channel::Sms;
        let person = &self.shop.people[message.person];
        let key = (message.person, sms, message.template.clone());
        if !self.engagement.contains_key(&key) {
            let before = engagement::letters(self.shop.seed, person, self.shop.start);
            let before = before
                .iter()
                .find(|doc| {
                    doc.engagement.template == message.template && (doc.engagement.channel == Channel::Sms) == sms
                })
                .map_or([0; 3], |doc| [doc.engagement.sent, doc.engagement.opened, doc.engagement.clicked]);
            self.engagement.insert(key.clone(), before);
        }
        if let (true, Some(cart)) = (buys, message.cart) {
            let soon = self.dice.minds.between(3 * MINUTE, 45 * MINUTE);
            self.plan(self.now + soon, Plan::Buy(cart, Why::Reminded { sms }));
        }
        if !sms {
            // Text messages tell nobody that they were read.
            let counts = self.engagement.entry(key).or_default();
            counts[0] += 1;
            counts[1] += 1;
            counts[2] += u32::from(clicked);
            let doc = EngagementDoc {
                customer: self.shop.people[message.person].id.to_string(),
                engagement: Engagement {
                    channel: message.channel,
                    template: message.template.clone(),
                    sent: counts[0],
                    opened: counts[1],
                    clicked: counts[2],
                },
            };
            let event = self.cloud_event("mail", "engagement.updated", json!(doc));
            posts.push(Post::Events(vec![event]));
        }
        Some(Story::Read {
            who: self.name(message.person),
            channel: message.channel,
            template: message.template,
            clicked,
        })
    }

    /// One of the customers, or now and then a new one.
    fn somebody(&mut self, posts: &mut Vec<Post>) -> usize {
        if !self.dice.visits.chance(0.13) {
            return self.who.turn(&mut self.dice.visits);
        }
        let at = self.shop.people.len();
        let families = crate::shop::catalogue::FAMILIES.len();
        let mut person = people::person(at, self.now, self.now, families, &mut self.dice.visits);
        person.id += self.offset(10_000);
        let body = platform::customer(&person, 0, 0, self.now);
        posts.push(self.webhook("customers/create", body));
        self.people_places.insert(person.id.to_string(), at);
        self.shop.people.push(person);
        self.order_counts.push(0);
        self.spent.push(0);
        at
    }

    fn basket(&mut self, person: usize) -> Option<Vec<SaleLine>> {
        let month = calendar::month(self.now, ZONE);
        let wishes =
            self.shop.demand.basket(&self.shop.products, &self.shop.people[person], month, &mut self.dice.carts);
        let lines: Vec<SaleLine> = wishes
            .into_iter()
            .filter(|&(variant, quantity)| self.available[variant].iter().sum::<i64>() >= i64::from(quantity))
            .map(|(variant, quantity)| SaleLine {
                variant: variant as u32,
                quantity,
                price: self.shop.variants[variant].price,
            })
            .collect();
        (!lines.is_empty()).then_some(lines)
    }

    pub(super) fn checkout_body(&self, at: usize, completed_at: Option<Millis>) -> serde_json::Value {
        let cart = &self.carts[at];
        platform::checkout(
            &self.shop,
            &platform::Checkout {
                id: cart.id,
                token: &cart.token,
                cart_token: &cart.cart_token,
                person: &self.shop.people[cart.person],
                orders: self.order_counts[cart.person] as usize,
                lines: &cart.lines,
                step: cart.step,
                created_at: cart.created_at,
                updated_at: cart.updated_at,
                completed_at,
            },
        )
    }

    pub(super) fn order_body(&self, at: usize) -> serde_json::Value {
        let order = &self.orders[at];
        platform::order(
            &self.shop,
            &platform::Order {
                id: order.id,
                number: order.number,
                person: &self.shop.people[order.person],
                orders: self.order_counts[order.person] as usize,
                lines: &order.lines,
                redeemed: order.redeemed.as_ref(),
                checkout: order.checkout.as_ref().map(|(id, token, cart)| (*id, token.as_str(), cart.as_str())),
                placed_at: order.placed_at,
                shipped_at: order.shipped_at,
                delivered_at: order.delivered_at,
                updated_at: self.now,
            },
        )
    }

    /// Orders of the past that have not arrived yet go on.
    pub(super) fn take_over_parcels(&mut self) {
        use crate::shop::history::Fate;
        let first = self.shop.sales.partition_point(|sale| sale.placed_at < self.shop.start - 20 * DAY);
        for place in first..self.shop.sales.len() {
            let sale = &self.shop.sales[place];
            let shipped_at = match sale.fate {
                Fate::Waiting => None,
                Fate::Shipped(at) => Some(at),
                _ => continue,
            };
            let redeemed = (sale.percent > 0).then(|| Redeemed {
                code: format!("SAVE{}", sale.percent),
                cents: sale.lines.iter().map(|line| sale.discount(line)).sum(),
                percent: Some(u32::from(sale.percent)),
            });
            let cart = records::cart_id(place);
            let order = LiveOrder {
                id: ORDER_IDS + place as u64,
                number: 1_001 + place,
                person: sale.person as usize,
                lines: sale.lines.clone(),
                redeemed,
                checkout: self.shop.with_cart[place].then(|| (CHECKOUT_IDS + place as u64, cart.clone(), cart)),
                placed_at: sale.placed_at,
                shipped_at,
                delivered_at: None,
            };
            let slot = self.orders.len();
            self.orders.push(order);
            if shipped_at.is_some() {
                let arrives = self.now + self.dice.parcels.between(2 * HOUR, 60 * HOUR);
                self.plan(arrives, Plan::Deliver(slot));
            } else {
                let leaves = self.now + self.dice.parcels.between(2 * HOUR, 40 * HOUR);
                let leaves = self.office(leaves);
                self.plan(leaves, Plan::Ship(slot));
            }
        }
    }

    pub(super) fn ship(&mut self, at: usize, posts: &mut Vec<Post>) -> Option<Story> {
        self.orders[at].shipped_at = Some(self.now);
        let body = self.order_body(at);
        posts.push(self.webhook("orders/fulfilled", body));
        let arrives = self.now + self.dice.parcels.between(26 * HOUR, 80 * HOUR);
        self.plan(arrives, Plan::Deliver(at));
        Some(Story::Shipped { number: format!("#{}", self.orders[at].number) })
    }

    pub(super) fn deliver(&mut self, at: usize, posts: &mut Vec<Post>) -> Option<Story> {
        self.orders[at].delivered_at = Some(self.now);
        let body = self.order_body(at);
        posts.push(self.webhook("orders/updated", body));
        if self.dice.parcels.chance(0.08) {
            let writes = self.now + self.dice.parcels.between(12 * HOUR, 9 * DAY);
            self.plan(writes, Plan::Review(at));
        }
        Some(Story::Delivered { number: format!("#{}", self.orders[at].number) })
    }

    /// `at`, or when the warehouse or the office next opens: 8 to 18, Monday to Saturday.
    pub(super) fn office(&self, at: Millis) -> Millis {
        use chrono::{Datelike, Timelike, Weekday};
        let mut at = at;
        loop {
            let local = calendar::local(at, ZONE);
            let of_day = Millis::from(local.num_seconds_from_midnight()) * 1_000;
            let sunday = local.weekday() == Weekday::Sun;
            if !sunday && (8 * HOUR..18 * HOUR).contains(&of_day) {
                return at;
            }
            // To the next morning at eight, and some minutes so that not all come at once.
            let day = if sunday || of_day >= 18 * HOUR { DAY } else { 0 };
            at += day - of_day + 8 * HOUR + at.rem_euclid(53 * MINUTE);
        }
    }
}

/// Cents for the lines, before any discount.
pub(super) fn worth(lines: &[SaleLine]) -> i64 {
    lines.iter().map(|line| line.price * i64::from(line.quantity)).sum()
}

impl Worth {
    /// Cents off goods of so many cents.
    #[must_use]
    pub fn cents(&self, goods: i64) -> i64 {
        match *self {
            Self::Percent(percent) => (goods as f64 * percent / 100.0).round() as i64,
            Self::Amount(cents) => cents.min(goods),
        }
    }

    fn percent(&self) -> Option<u32> {
        match *self {
            Self::Percent(percent) => Some(percent.round() as u32),
            Self::Amount(_) => None,
        }
    }
}
