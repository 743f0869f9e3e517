//! The run, as its workflow sees it.

use std::cell::OnceCell;

use serde::{Serialize, de::DeserializeOwned};

pub use crate::bindings::shopwright::plugin::workflow::{Approval, Decision, Mode, RunInfo};
use crate::{Duration, Filter, FromEvent, Result, Timestamp, error::OrElse as _, host, log::Level, shop::*};

/// The run: its waits, its clock, its memory, and the shop.
///
/// Every call is journaled. A run that waits costs nothing, survives restarts and continues here, so
/// write it like a script. Keep what happens between calls deterministic: time and chance come from
/// [`Ctx::now`] and [`Ctx::random`].
#[derive(Debug)]
pub struct Ctx {
    info: OnceCell<RunInfo>,
}

impl Ctx {
    pub(crate) fn new() -> Ctx {
        Ctx { info: OnceCell::new() }
    }

    /// Facts of the run and its shop.
    pub fn info(&self) -> &RunInfo {
        self.info.get_or_init(host::workflow::info)
    }

    /// What the shop's prices are in: ISO 4217.
    pub fn currency(&self) -> &str {
        &self.info().currency
    }

    /// Asked anew at each call: it is what changes from one try to the next.
    pub(crate) fn attempt(&self) -> u32 {
        host::workflow::info().attempt
    }

    /// The run's clock: it moves only when the run waits.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(host::workflow::now())
    }

    /// A random number, the same whenever this run is replayed.
    pub fn random(&self) -> u64 {
        host::workflow::random()
    }

    /// Waits. Up to ten years; more ends the run.
    pub fn sleep(&self, time: Duration) {
        host::workflow::sleep(time.as_millis());
    }

    /// Waits until `at`; returns at once when that has passed.
    pub fn sleep_until(&self, at: Timestamp) {
        host::workflow::sleep_until(at.as_millis());
    }

    /// The first matching event since the run began, or since the last event this run received;
    /// none when `timeout` passes first. An event that arrived before the call is not missed.
    ///
    /// # Errors
    /// An event whose data does not fit its type.
    pub fn wait_for<E: FromEvent>(&self, filter: Filter<E>, timeout: Duration) -> Result<Option<E>> {
        host::workflow::wait_for(&filter.raw, timeout.as_millis()).map(E::from_event).transpose()
    }

    /// Publishes an event, at the latest when the run waits or ends. Other workflows can trigger on
    /// it. `kind` is dotted (`loyalty.tier-reached`), each of `concerns` is `type:id`.
    ///
    /// # Errors
    /// Data that is no JSON.
    pub fn emit(&self, kind: &str, concerns: &[String], data: &impl Serialize) -> Result<()> {
        host::workflow::emit(kind, concerns, &serde_json::to_string(data)?);
        Ok(())
    }

    /// Starts a run of another workflow of this plugin and gives its id. `key` makes it at most once.
    ///
    /// # Errors
    /// An input that is no JSON.
    pub fn start(&self, workflow: &str, key: &str, input: &impl Serialize) -> Result<String> {
        Ok(host::workflow::start(workflow, key, &serde_json::to_string(input)?))
    }

    /// A person decides. The run waits. None: nobody answered in time.
    pub fn ask(&self, approval: &Approval) -> Option<String> {
        match host::workflow::ask(approval) {
            Decision::Chosen(choice) => Some(choice),
            Decision::Expired => None,
        }
    }

    /// Writes a line to the run's log.
    pub fn log(&self, level: Level, message: &str) {
        host::workflow::log(level, message, "{}");
    }

    /// Writes a line with fields, a JSON object, to the run's log.
    ///
    /// # Errors
    /// Fields that are no JSON.
    pub fn log_with(&self, level: Level, message: &str, fields: &impl Serialize) -> Result<()> {
        host::workflow::log(level, message, &serde_json::to_string(fields)?);
        Ok(())
    }

    /// What the plugin remembers between runs.
    pub fn memory(&self) -> Memory {
        Memory(())
    }

    /// The shop's customers.
    pub fn customers(&self) -> Customers {
        Customers(())
    }

    /// Products and variants.
    pub fn catalog(&self) -> Catalog {
        Catalog(())
    }

    /// Stock and its speed.
    pub fn inventory(&self) -> Inventory {
        Inventory(())
    }

    /// Orders.
    pub fn orders(&self) -> Orders {
        Orders(())
    }

    /// Carts.
    pub fn carts(&self) -> Carts {
        Carts(())
    }

    /// Tickets, the help centre's articles, and what can be done about tickets.
    pub fn support(&self) -> Support {
        Support(())
    }

    /// Reviews.
    pub fn reviews(&self) -> Reviews {
        Reviews(())
    }

    /// Competitors' prices and our own changes.
    pub fn market(&self) -> Market {
        Market(())
    }

    /// Messages to customers and staff.
    pub fn messages(&self) -> Messages {
        Messages(())
    }

    /// Our prices.
    pub fn prices(&self) -> Prices {
        Prices(())
    }

    /// Requests to servers of others.
    pub fn http(&self) -> Http {
        Http(())
    }

    /// Discount codes.
    pub fn discounts(&self) -> Discounts {
        Discounts(())
    }
}

/// What a plugin remembers between runs: values by key, one space per installation. Writes are seen
/// by this run at once, by others when it next waits, acts on a platform, or ends. A key is at most
/// 512 bytes, a value at most 64 KiB of JSON; more ends the run.
#[derive(Debug, Clone, Copy)]
pub struct Memory(());

impl Memory {
    /// The value of a key.
    ///
    /// # Errors
    /// A value that is no `T`.
    pub fn get<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>> {
        let value = host::memory::get(key);
        value.map(|text| serde_json::from_str(&text)).transpose().context(format_args!("memory \"{key}\""))
    }

    /// Keeps a value.
    ///
    /// # Errors
    /// A value that is no JSON.
    pub fn set(self, key: &str, value: &impl Serialize) -> Result<()> {
        host::memory::set(key, &serde_json::to_string(value)?);
        Ok(())
    }

    /// Forgets it.
    pub fn remove(self, key: &str) {
        host::memory::remove(key);
    }

    /// Adds to a number (0 where absent) and gives the sum. No count is lost, whoever else counts.
    pub fn increment(self, key: &str, by: i64) -> i64 {
        host::memory::increment(key, by)
    }

    /// True if the value was `expected` (none: absent) and is now `value`.
    ///
    /// # Errors
    /// Values that are no JSON.
    pub fn compare_and_set<T: Serialize>(self, key: &str, expected: Option<&T>, value: &T) -> Result<bool> {
        let expected = expected.map(serde_json::to_string).transpose()?;
        Ok(host::memory::compare_and_set(key, expected.as_deref(), &serde_json::to_string(value)?))
    }
}
