//! Five-field crontab schedules, evaluated in a time zone.
//!
//! The `cron` crate walks the calendar, but reads a language of its own (a seconds field, weekday 1 is
//! Sunday, day of month *and* weekday). So the five fields are parsed here, in the meaning of
//! crontab(5), and handed on as plain lists of numbers; "day of month or weekday" becomes two
//! schedules whose fires are united.
//!
//! The calendar is walked in local time, as if it were UTC, and each local time is then mapped to an
//! instant. That map never goes backwards, which gives the rules for daylight saving time:
//! a time that a gap skips fires once, at the first instant after the gap (several skipped times share
//! that one fire); a time in an hour that happens twice fires once, the first time.

mod fields;
mod words;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::{GapInfo, Tz};

use crate::TriggerError;
use fields::Fields;

/// The longest schedule text that is read, in bytes.
const MAX_SCHEDULE_BYTES: usize = 256;

/// A crontab line, or one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`.
///
/// Fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC), weekday (0-7 or
/// SUN-SAT; 0 and 7 are Sunday). A field is `*`, a number, a range `a-b`, either with a step (`*/15`,
/// `9-17/2`), or a list of these. Names are three letters in any case. A range ends where the field
/// ends: `FRI-SUN` is read as 5-7, `FRI-MON` is refused. Where neither the day of month nor the
/// weekday begins with `*`, a day that matches either one will do; otherwise both must match.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    fields: Fields,
    /// One, or two whose fires are united.
    calendars: Vec<cron::Schedule>,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// [`TriggerError::Schedule`] names the field, what is wrong with it and what to write instead. A
    /// date that never comes (30 February) is refused too.
    pub fn parse(text: &str) -> Result<Self, TriggerError> {
        let text = text.trim();
        let refused = |fault: fields::Fault| TriggerError::Schedule {
            schedule: text.chars().take(MAX_SCHEDULE_BYTES).collect(),
            field: fault.field,
            reason: fault.reason,
            remedy: fault.remedy,
        };
        if text.len() > MAX_SCHEDULE_BYTES {
            return Err(refused(fields::Fault::whole(
                format!("{} bytes are too many", text.len()),
                format!("at most {MAX_SCHEDULE_BYTES} are read: use ranges and steps"),
            )));
        }
        let fields = Fields::parse(text).map_err(refused)?;
        let calendars = fields
            .calendar_lines()
            .iter()
            .map(|line| cron::Schedule::from_str(line))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| refused(fields::Fault::whole(error.to_string(), "write it another way".into())))?;
        let schedule = Self { text: text.to_owned(), fields, calendars };
        // The calendar repeats after 400 years at most; a date that exists comes within eight.
        if schedule.next_local(DateTime::UNIX_EPOCH.naive_utc()).is_none() {
            return Err(refused(fields::Fault {
                field: "day of month",
                reason: "no month that is named has such a day".into(),
                remedy: "take a day that exists, such as 28 for February".into(),
            }));
        }
        Ok(schedule)
    }

    /// The first fire strictly after `at_ms`, both in milliseconds since the Unix epoch. None where the
    /// calendar ends (after the year 2100).
    #[must_use]
    pub fn next_after(&self, at_ms: i64, tz: Tz) -> Option<i64> {
        let at = DateTime::from_timestamp_millis(at_ms.max(-TimeDelta::days(1).num_milliseconds()))?;
        if at_ms > LAST_MS {
            return None;
        }
        let mut local = at.with_timezone(&tz).naive_local();
        // More than once only inside an hour that happens twice: there the local times ahead have
        // already fired the first time.
        loop {
            local = self.next_local(local)?;
            let fire = instant(local, tz)?.timestamp_millis();
            if fire > at_ms {
                return Some(fire);
            }
        }
    }

    /// What it means, in words: `every day at 06:00`.
    #[must_use]
    pub fn words(&self) -> String {
        words::words(&self.fields)
    }

    /// The next local time in the calendar, strictly after `local`.
    fn next_local(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = local.with_nanosecond(0)?.and_utc();
        self.calendars.iter().filter_map(|calendar| calendar.after(&from).next()).min().map(|at| at.naive_utc())
    }
}

/// The start of the year 2101, where the calendar ends.
const LAST_MS: i64 = 4_133_980_800_000;

/// When the clocks in `tz` first show `local`; the first instant after the gap where they never do.
fn instant(local: NaiveDateTime, tz: Tz) -> Option<DateTime<Tz>> {
    match tz.from_local_datetime(&local) {
        chrono::LocalResult::Single(at) | chrono::LocalResult::Ambiguous(at, _) => Some(at),
        chrono::LocalResult::None => GapInfo::new(&local, &tz)?.end,
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Schedule {}
