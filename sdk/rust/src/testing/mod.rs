//! The host's stand-in for unit tests: a shop in memory, recorded actions, virtual time.
//!
//! Compiled natively, every call of the host goes to the [`Host`] on whose [`run`](Host::run) the
//! workflow was started. Waits pass at once and move its clock; what was planned with
//! [`later`](Host::later) happens on the way.
//!
//! ```
//! use shopwright_sdk::{prelude::*, testing::*};
//!
//! fn remind(ctx: &Ctx, cart: CartUpdated, _: NoSettings) -> Result<Outcome> {
//!     let Some(customer) = cart.cart.customer else { return Outcome::done("nobody") };
//!     if ctx.wait_for(OrderPlaced::by(&customer), hours(2))?.is_some() {
//!         return Outcome::done("ordered");
//!     }
//!     ctx.messages().send_email(&Email::marketing(&customer, "reminder").because("no order came"))?;
//!     Outcome::done("reminded")
//! }
//!
//! let cart = sample::cart("c1", "42");
//! let mut host = Host::new();
//! let outcome = host.run(remind, event("cart.updated", &cart), NoSettings {})?;
//! assert_eq!(outcome, Outcome::done("reminded")?);
//! assert_eq!(host.waited(), hours(2));
//! assert!(matches!(&host.actions()[..], [Action::Email(email)] if email.template == "reminder"));
//!
//! // The same, but the order comes after one hour.
//! let mut host = Host::new();
//! host.later(hours(1), event("order.placed", &sample::order("o1", "42")));
//! assert_eq!(host.run(remind, event("cart.updated", &cart), NoSettings {})?, Outcome::done("ordered")?);
//! assert!(host.actions().is_empty());
//! # Ok::<(), Error>(())
//! ```
//!
//! What only the real engine can tell (CEL conditions, guardrails, concurrency rules, replay) belongs
//! in scenario files, which run the component itself.

pub mod sample;

mod event;
pub(crate) mod fake;
mod shop;

pub use event::{IntoTrigger, event};
pub use shop::{Record, record};

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use crate::{
    ActionError, Ctx, Decision, Duration, Event, FromTrigger, Mode, Money, Outcome, Result, RunInfo, Timestamp,
    discounts::Offer,
    http::{Header, HttpError, Request, Response},
    messaging::{Email, Sms},
    settings::Settings,
    support::{Priority, Status},
};

use shop::Shop;

/// An action that a workflow asked for.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are those of the calls
pub enum Action {
    Email(Email),
    Sms(Sms),
    NotifyStaff { channel: String, text: String, data: serde_json::Value },
    SetPrice { variant: String, price: Money, reason: String },
    Discount(Offer),
    Assign { ticket: String, team: String, assignee: Option<String>, reason: String },
    SetPriority { ticket: String, priority: Priority, reason: String },
    SetStatus { ticket: String, status: Status, reason: String },
    Reply { ticket: String, text: String },
    Note { ticket: String, text: String },
    Tag { ticket: String, tags: Vec<String> },
    Http(Request),
}

/// An event that a workflow published.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are those of the call
pub struct Emitted {
    pub kind: String,
    pub concerns: Vec<String>,
    pub data: serde_json::Value,
}

/// A run that a workflow started.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are those of the call
pub struct Started {
    pub workflow: String,
    pub key: String,
    pub input: serde_json::Value,
}

type Judge = dyn Fn(&Action) -> Result<(), ActionError>;
type Remote = dyn Fn(&Request) -> Result<Response, HttpError>;
type Condition = dyn Fn(&str, &serde_json::Value) -> bool;

/// A pretended host with one shop. See the [module](self).
#[derive(Clone)]
pub struct Host {
    state: Rc<RefCell<State>>,
}

pub(crate) struct State {
    pub info: RunInfo,
    pub began: u64,
    pub now: u64,
    pub random: u64,
    pub shop: Shop,
    /// Events of the run so far, and how many of them were received or passed over.
    pub events: Vec<Event>,
    pub received: usize,
    pub planned: Vec<(u64, Event)>,
    pub memory: BTreeMap<String, String>,
    pub actions: Vec<Action>,
    pub emitted: Vec<Emitted>,
    pub started: Vec<Started>,
    pub decisions: VecDeque<Decision>,
    pub log: Vec<String>,
    pub judge: Rc<Judge>,
    pub condition: Option<Rc<Condition>>,
    pub remote: Option<Rc<Remote>>,
    pub requests: Vec<Request>,
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// 2026-01-01 00:00 UTC, a Thursday.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);

impl Default for Host {
    fn default() -> Host {
        Host::new()
    }
}

impl Host {
    /// An empty shop in euros; the clock is at [`BEGIN`].
    pub fn new() -> Host {
        let info = RunInfo {
            run: "run_test".into(),
            shop: "test".into(),
            installation: "test".into(),
            attempt: 1,
            mode: Mode::Live,
            currency: "EUR".into(),
            time_zone: "Europe/Berlin".into(),
        };
        let state = State {
            info,
            began: BEGIN.as_millis(),
            now: BEGIN.as_millis(),
            random: 0,
            shop: Shop::default(),
            events: Vec::new(),
            received: 0,
            planned: Vec::new(),
            memory: BTreeMap::new(),
            actions: Vec::new(),
            emitted: Vec::new(),
            started: Vec::new(),
            decisions: VecDeque::new(),
            log: Vec::new(),
            judge: Rc::new(|_| Ok(())),
            condition: None,
            remote: None,
            requests: Vec::new(),
        };
        Host { state: Rc::new(RefCell::new(state)) }
    }

    /// Runs a workflow to its end.
    ///
    /// # Errors
    /// What the workflow failed with.
    pub fn run<T: FromTrigger, S: Settings>(
        &mut self,
        workflow: impl Fn(&Ctx, T, S) -> Result<Outcome>,
        trigger: impl IntoTrigger,
        settings: S,
    ) -> Result<Outcome> {
        {
            let mut state = self.state.borrow_mut();
            state.began = state.now;
            state.events.clear();
            state.received = 0;
        }
        let trigger = trigger.into_trigger(self.now());
        if let crate::Trigger::Event(event) = &trigger {
            self.state.borrow_mut().shop.take(event);
        }
        self.enter(|ctx| workflow(ctx, T::from_trigger(trigger)?, settings))
    }

    /// Calls a helper of a workflow that needs a [`Ctx`].
    pub fn enter<R>(&self, call: impl FnOnce(&Ctx) -> R) -> R {
        /// Puts back what was there, also when the test fails within.
        struct Leave(Option<Host>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _leave = Leave(CURRENT.replace(Some(self.clone())));
        call(&Ctx::new())
    }

    /// Puts a customer, product, order, cart, ticket, review, level, … into the shop.
    pub fn put(&mut self, record: impl Record) -> &mut Host {
        record.put(&mut self.state.borrow_mut().shop);
        self
    }

    /// What the host knows of a customer; see [`sample::standing`].
    pub fn standing(&mut self, customer: &str, standing: crate::customers::Standing) -> &mut Host {
        self.state.borrow_mut().shop.standings.insert(customer.into(), standing);
        self
    }

    /// How a customer answered to messages.
    pub fn engagement(&mut self, customer: &str, engagement: crate::customers::Engagement) -> &mut Host {
        self.state.borrow_mut().shop.engagements.entry(customer.into()).or_default().push(engagement);
        self
    }

    /// Units of a variant sold per day, whatever the window.
    pub fn velocity(&mut self, variant: &str, per_day: f64) -> &mut Host {
        self.state.borrow_mut().shop.velocities.insert(variant.into(), per_day);
        self
    }

    /// An event that happens when the run has waited this long from now; the entity it carries is
    /// put into the shop then.
    pub fn later(&mut self, time: Duration, event: Event) -> &mut Host {
        let mut state = self.state.borrow_mut();
        let at = state.now + time.as_millis();
        let index = state.planned.partition_point(|(other, _)| *other <= at);
        state.planned.insert(index, (at, Event { at, ..event }));
        drop(state);
        self
    }

    /// Answers the next approval; without one, approvals expire.
    pub fn decide(&mut self, decision: Decision) -> &mut Host {
        self.state.borrow_mut().decisions.push_back(decision);
        self
    }

    /// Judges every action before it is recorded: what gives an error is refused with it.
    pub fn judge(&mut self, judge: impl Fn(&Action) -> Result<(), ActionError> + 'static) -> &mut Host {
        self.state.borrow_mut().judge = Rc::new(judge);
        self
    }

    /// Stands for CEL, which needs the real host: gets a condition and the event or the item.
    pub fn conditions(&mut self, check: impl Fn(&str, &serde_json::Value) -> bool + 'static) -> &mut Host {
        self.state.borrow_mut().condition = Some(Rc::new(check));
        self
    }

    /// Answers requests to servers of others; without it, none is reached. [`answer`] makes answers of JSON.
    pub fn remote(&mut self, answer: impl Fn(&Request) -> Result<Response, HttpError> + 'static) -> &mut Host {
        self.state.borrow_mut().remote = Some(Rc::new(answer));
        self
    }

    /// The requests made, in order, reads too.
    pub fn requests(&self) -> Vec<Request> {
        self.state.borrow().requests.clone()
    }

    /// Changes the run's facts, such as the try or the currency.
    pub fn info(&mut self, change: impl FnOnce(&mut RunInfo)) -> &mut Host {
        change(&mut self.state.borrow_mut().info);
        self
    }

    /// Puts a value into the plugin's memory.
    pub fn remember(&mut self, key: &str, value: &serde_json::Value) -> &mut Host {
        self.state.borrow_mut().memory.insert(key.into(), value.to_string());
        self
    }

    /// What the plugin remembers under a key.
    pub fn memory(&self, key: &str) -> Option<serde_json::Value> {
        self.state.borrow().memory.get(key).map(|text| serde_json::from_str(text).expect("the SDK writes JSON"))
    }

    /// Time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.state.borrow().now)
    }

    /// How long the last run has waited in all.
    pub fn waited(&self) -> Duration {
        let state = self.state.borrow();
        crate::millis(state.now - state.began)
    }

    /// The actions carried out, in order.
    pub fn actions(&self) -> Vec<Action> {
        self.state.borrow().actions.clone()
    }

    /// The events published.
    pub fn emitted(&self) -> Vec<Emitted> {
        self.state.borrow().emitted.clone()
    }

    /// The runs started.
    pub fn started(&self) -> Vec<Started> {
        self.state.borrow().started.clone()
    }

    /// The lines logged, as `level: message`.
    pub fn log(&self) -> Vec<String> {
        self.state.borrow().log.clone()
    }
}

/// A server's answer with a JSON body.
pub fn answer(status: u16, body: impl serde::Serialize) -> Response {
    let headers = vec![Header { name: "content-type".into(), value: "application/json".into() }];
    Response { status, headers, body: serde_json::to_vec(&body).expect("test data serialises") }
}

/// Calls `call` with the state of the host whose run this is.
pub(crate) fn with<R>(call: impl FnOnce(&mut State) -> R) -> R {
    let host = CURRENT.with_borrow(|current| current.clone());
    let host = host.expect("a host function was called outside of testing::Host::run or enter");
    let mut state = host.state.borrow_mut();
    call(&mut state)
}

impl State {
    /// Moves the clock to `until`, or to where `stop` gives something, letting happen what was planned.
    pub fn pass<T>(&mut self, until: u64, mut stop: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = stop(self) {
                return Some(found);
            }
            match self.planned.first() {
                Some((at, _)) if *at <= until => {
                    let (at, event) = self.planned.remove(0);
                    self.now = self.now.max(at);
                    self.shop.take(&event);
                    self.events.push(event);
                }
                _ => {
                    self.now = self.now.max(until);
                    return None;
                }
            }
        }
    }

    pub fn holds(&self, condition: &str, value: &serde_json::Value) -> bool {
        if condition.is_empty() {
            return true;
        }
        let check = self.condition.as_ref().unwrap_or_else(|| {
            panic!("the condition `{condition}` needs the real host: stand in for it with Host::conditions")
        });
        check(condition, value)
    }
}
