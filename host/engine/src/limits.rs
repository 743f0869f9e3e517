//! Limits of an installation and of a whole shop, and how much of them is used.
//!
//! | limit | counts | over it |
//! |---|---|---|
//! | runs in flight | runs that execute at this moment | the others wait in the queue |
//! | runs per minute | runs that begin, by minutes of the clock | they begin in a later minute |
//! | effects per day | effects carried out, by days of the shop's time zone | the action is denied, in the ledger with these words |
//! | memory in bytes | keys and values that a plugin remembers | `memory.set` and its like end the run as `memory-limit` |
//!
//! The first two lose nothing: the event is accepted and the run recorded; at most a few hundred of them wait in
//! memory, the rest in the store. Runs that wait for a time or an event are not in flight.
//!
//! Counts are kept in memory from the store's state at the start and checked against it every hour; each node counts
//! its own. What a run takes is reserved at once, so that runs beside one another do not go over a limit together,
//! and is given back if it does not become durable. Without a limit nothing is counted.

use std::sync::Arc;

use chrono::{NaiveTime, TimeZone as _};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shopwright_model::Millis;
use shopwright_policy::ActionKind;

use crate::{Engine, EngineError, Installation, core::Core, cx::RunCx, plugins, shop::ShopState};

const MINUTE: Millis = 60_000;
const DAY: Millis = 86_400_000;

/// How much an installation, or a shop, may use; what is absent is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Runs that execute at once, on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_in_flight: Option<u32>,
    /// Runs that begin in a minute, on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_per_minute: Option<u32>,
    /// Effects in a day of the shop's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects_per_day: Option<u64>,
    /// Bytes of keys and values in the plugin's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

impl Limits {
    fn check(&self) -> Result<(), EngineError> {
        for (field, value) in [("runs_in_flight", self.runs_in_flight), ("runs_per_minute", self.runs_per_minute)] {
            if value == Some(0) {
                let reason = "with 0 nothing would ever run: pause the installation instead";
                return Err(EngineError::invalid("bad-limit", format!("/{field}"), reason));
            }
        }
        Ok(())
    }
}

/// How much is used now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Runs that execute, on this node.
    pub runs_in_flight: u64,
    /// Runs that began in this minute.
    pub runs_per_minute: u64,
    /// Effects of this day.
    pub effects_per_day: u64,
    /// Bytes remembered.
    pub memory_bytes: u64,
}

/// Counts what is limited by day and by bytes.
#[derive(Debug)]
pub(crate) struct Meter {
    whose: String,
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// When the day of `effects` began.
    day: Millis,
    effects: u64,
    bytes: i64,
}

/// When the shop's day began.
fn day_of(zone: chrono_tz::Tz, now: Millis) -> Millis {
    let midnight = chrono::DateTime::from_timestamp_millis(now)
        .map(|now| now.with_timezone(&zone).date_naive().and_time(NaiveTime::MIN))
        .and_then(|midnight| zone.from_local_datetime(&midnight).earliest());
    // A midnight that daylight saving skips: the day of UTC.
    midnight.map_or(now - now.rem_euclid(DAY), |midnight| midnight.timestamp_millis())
}

/// What is stored of one installation's use, or (none) of the whole shop's.
async fn stored(core: &Core, shop: &str, id: Option<&str>, zone: chrono_tz::Tz) -> Result<Used, EngineError> {
    let now = core.clock.now();
    let own = |installation: &str| id.is_none_or(|id| installation.split('#').next() == Some(id));
    let sum = |rows: Vec<(String, u64)>| rows.into_iter().filter(|(of, _)| own(of)).map(|(_, n)| n).sum();
    let store = &core.store;
    Ok(Used {
        runs_in_flight: core.queue.executing_of(shop, id) as u64,
        runs_per_minute: sum(store.runs_begun(shop, now - now.rem_euclid(MINUTE)).await?),
        effects_per_day: sum(store.effects_by_installation(shop, &ActionKind::NAMES, day_of(zone, now)).await?),
        memory_bytes: sum(store.memory_by_installation(shop).await?),
    })
}

/// The limits in a shop's settings.
pub(crate) fn of_shop(settings: &str) -> Result<Limits, EngineError> {
    let settings: Value = serde_json::from_str(settings).map_err(EngineError::internal)?;
    match settings.get("limits") {
        Some(limits) => serde_json::from_value(limits.clone()).map_err(EngineError::internal),
        None => Ok(Limits::default()),
    }
}

impl Meter {
    /// Puts limits to use: tells the queue, and counts from what is stored. None: nothing is counted.
    pub async fn of(
        core: &Core,
        shop: &str,
        id: Option<&str>,
        limits: Limits,
    ) -> Result<Option<Arc<Self>>, EngineError> {
        if limits == Limits::default() {
            core.queue.set_limits(shop, id, None);
            return Ok(None);
        }
        let row = core.store.shop(shop).await?.ok_or_else(|| EngineError::not_found("shop", shop))?;
        let zone = row.time_zone.parse().unwrap_or(chrono_tz::UTC);
        let used = stored(core, shop, id, zone).await?;
        // After a restart: rather too many than too few.
        let now = core.clock.now();
        let ended = core.store.runs_ended_since(shop, now - now.rem_euclid(MINUTE)).await?;
        let ended = ended.iter().filter(|(of, _)| id.is_none_or(|id| id == of)).map(|(_, n)| n).sum::<u64>();
        core.queue.set_limits(shop, id, Some((limits, used.runs_per_minute + ended)));
        let whose = id.map_or_else(|| "the shop".to_owned(), |id| format!("the installation `{id}`"));
        let meter = Self { whose, limits, counts: Mutex::default() };
        meter.set(day_of(zone, core.clock.now()), used);
        Ok(Some(Arc::new(meter)))
    }

    fn set(&self, day: Millis, used: Used) {
        let bytes = i64::try_from(used.memory_bytes).unwrap_or(i64::MAX);
        *self.counts.lock() = Counts { day, effects: used.effects_per_day, bytes };
    }

    /// Takes one effect of the day; why not.
    fn take_effect(&self, day: Millis) -> Result<(), String> {
        let Some(limit) = self.limits.effects_per_day else { return Ok(()) };
        let mut counts = self.counts.lock();
        if counts.day != day {
            *counts = Counts { day, effects: 0, bytes: counts.bytes };
        }
        if counts.effects >= limit {
            return Err(format!("{} may do {limit} effects a day, and has done {}", self.whose, counts.effects));
        }
        counts.effects += 1;
        Ok(())
    }

    /// Takes bytes of memory (or gives some back); why not.
    fn take_bytes(&self, more: i64) -> Result<(), String> {
        let Some(limit) = self.limits.memory_bytes else { return Ok(()) };
        let mut counts = self.counts.lock();
        let sum = counts.bytes + more;
        // Who shrinks may always: also after the limit was lowered.
        if more > 0 && u64::try_from(sum).is_ok_and(|sum| sum > limit) {
            return Err(format!(
                "{} may remember {limit} bytes; it remembers {}, and this would be {more} more",
                self.whose, counts.bytes
            ));
        }
        counts.bytes = sum;
        Ok(())
    }

    fn give_back(&self, day: Millis, effects: u64, bytes: i64) {
        let mut counts = self.counts.lock();
        if counts.day == day {
            counts.effects = counts.effects.saturating_sub(effects);
        }
        if self.limits.memory_bytes.is_some() {
            counts.bytes -= bytes;
        }
    }
}

/// What a run has taken and not yet made durable: given back with it if it never is.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Vec<(Arc<Meter>, Millis, u64, i64)>);

impl Reserved {
    /// It is durable now.
    pub fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for (meter, day, effects, bytes) in self.0.drain(..) {
            meter.give_back(day, effects, bytes);
        }
    }
}

fn meters(cx: &RunCx) -> impl Iterator<Item = Arc<Meter>> + use<> {
    cx.installed.meter.clone().into_iter().chain(cx.shop.meter())
}

/// Takes something of every meter that counts for a run, or of none; in words, why not.
fn take(
    cx: &mut RunCx,
    effects: u64,
    bytes: i64,
    ask: impl Fn(&Meter, Millis) -> Result<(), String>,
) -> Result<(), String> {
    let before = cx.reserved.0.len();
    for meter in meters(cx) {
        let day = day_of(cx.shop.zone, cx.core.clock.now());
        if let Err(words) = ask(&meter, day) {
            for (meter, day, effects, bytes) in cx.reserved.0.drain(before..) {
                meter.give_back(day, effects, bytes);
            }
            return Err(words);
        }
        cx.reserved.0.push((meter, day, effects, bytes));
    }
    Ok(())
}

/// Takes an effect of a live run; in words, why it is denied.
pub(crate) fn take_effect(cx: &mut RunCx) -> Result<(), String> {
    take(cx, 1, 0, |meter, day| meter.take_effect(day))
}

/// Whether bytes of this run's memory are counted.
pub(crate) fn counts_bytes(cx: &RunCx) -> bool {
    meters(cx).any(|meter| meter.limits.memory_bytes.is_some())
}

/// Takes bytes of memory; in words, why not.
pub(crate) fn take_bytes(cx: &mut RunCx, more: i64) -> Result<(), String> {
    take(cx, 0, more, |meter, _| meter.take_bytes(more))
}

/// Sets the counts by what is stored, which is the truth: another node may have acted too.
pub(crate) async fn recount(core: &Core) -> Result<(), EngineError> {
    let shops: Vec<Arc<ShopState>> = core.shops.read().values().cloned().collect();
    for shop in shops {
        let id = &shop.shop.id;
        let mut meters: Vec<(Option<String>, Arc<Meter>)> =
            shop.meter().map(|meter| (None, meter)).into_iter().collect();
        for (id, installed) in &shop.installations().by_id {
            meters.extend(installed.meter.clone().map(|meter| (Some(id.clone()), meter)));
        }
        for (of, meter) in meters {
            let used = stored(core, id, of.as_deref(), shop.zone).await?;
            meter.set(day_of(shop.zone, core.clock.now()), used);
        }
    }
    Ok(())
}

impl Engine {
    /// The limits of an installation, or (none) of the whole shop, and how much of each is used now.
    ///
    /// # Errors
    /// No such shop or installation, or the store's.
    pub async fn limits_used(&self, shop: &str, installation: Option<&str>) -> Result<(Limits, Used), EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let limits = match installation {
            Some(id) => state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?.record.limits,
            None => state.meter().map_or_else(Limits::default, |meter| meter.limits),
        };
        let mut used = stored(core, shop, installation, state.zone).await?;
        if let Some(begun) = core.queue.begun(shop, installation) {
            used.runs_per_minute = begun;
        }
        Ok((limits, used))
    }

    /// Sets all limits of an installation; those that are absent end. They count at once.
    ///
    /// # Errors
    /// A limit that makes no sense, no such installation, or the store's.
    pub async fn limit_installation(&self, shop: &str, id: &str, limits: Limits) -> Result<Installation, EngineError> {
        limits.check()?;
        let core = &self.core;
        let state = core.shop(shop)?;
        let _changing = core.changing.lock().await;
        let before = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
        let record = Installation { limits, updated_at: core.clock.now(), ..before.record.clone() };
        plugins::keep(core, &state, record.clone(), before.program.clone()).await?;
        Ok(record)
    }

    /// Sets all limits of a shop; those that are absent end. They count at once.
    ///
    /// # Errors
    /// A limit that makes no sense, no such shop, or the store's.
    pub async fn limit_shop(&self, shop: &str, limits: Limits) -> Result<(), EngineError> {
        limits.check()?;
        let core = &self.core;
        let state = core.shop(shop)?;
        let _changing = core.changing.lock().await;
        let mut row = core.store.shop(shop).await?.ok_or_else(|| EngineError::not_found("shop", shop))?;
        let mut settings: Value = serde_json::from_str(&row.settings).map_err(EngineError::internal)?;
        settings["limits"] = serde_json::to_value(limits).map_err(EngineError::internal)?;
        row.settings = settings.to_string();
        core.store.shop_put(row).await?;
        let meter = Meter::of(core, shop, None, limits).await?;
        *state.meter.write() = meter;
        core.timer.notify_one();
        Ok(())
    }
}
