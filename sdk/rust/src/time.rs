//! Points in time and spans of time, two types that cannot be taken for one another.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A span of time, exact to the millisecond. In settings it is a text such as `"2h"` or `"1d 12h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

/// `count` milliseconds.
pub const fn millis(count: u64) -> Duration {
    Duration(count)
}

/// `count` seconds.
pub const fn seconds(count: u64) -> Duration {
    Duration(count * 1_000)
}

/// `count` minutes.
pub const fn minutes(count: u64) -> Duration {
    seconds(count * 60)
}

/// `count` hours.
pub const fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

/// `count` days of 24 hours.
pub const fn days(count: u64) -> Duration {
    hours(count * 24)
}

/// `count` weeks.
pub const fn weeks(count: u64) -> Duration {
    days(count * 7)
}

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// In days, with a fraction.
    pub fn as_days(self) -> f64 {
        self.0 as f64 / days(1).0 as f64
    }

    /// `factor` times as long; nothing for a factor below 0.
    pub fn scaled(self, factor: f64) -> Duration {
        // `as` saturates and turns NaN into 0.
        Duration((self.0 as f64 * factor) as u64)
    }
}

impl Add for Duration {
    type Output = Duration;

    fn add(self, other: Duration) -> Duration {
        Duration(self.0.saturating_add(other.0))
    }
}

/// No time at all where `other` is longer.
impl Sub for Duration {
    type Output = Duration;

    fn sub(self, other: Duration) -> Duration {
        Duration(self.0.saturating_sub(other.0))
    }
}

const UNITS: [(&str, Duration); 6] =
    [("w", weeks(1)), ("d", days(1)), ("h", hours(1)), ("m", minutes(1)), ("s", seconds(1)), ("ms", millis(1))];

/// As in `1d 12h`; it parses back.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        let mut first = true;
        for (name, unit) in &UNITS[1..] {
            let count = left / unit.0;
            left %= unit.0;
            if count > 0 {
                write!(f, "{}{count}{name}", if first { "" } else { " " })?;
                first = false;
            }
        }
        Ok(())
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Duration, String> {
        let wrong =
            || format!("\"{text}\" is not a time: write numbers with a unit, such as \"90m\", \"2h\" or \"1d 12h\"");
        let mut sum = Duration::ZERO;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let count: u64 = rest[..end].parse().map_err(|_| wrong())?;
            rest = &rest[end..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
            let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end]).ok_or_else(wrong)?;
            sum = sum + Duration(count.checked_mul(unit.0).ok_or_else(wrong)?);
            rest = rest[end..].trim_start();
        }
        Ok(sum)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(w|d|h|m|s|ms)( ?[0-9]+(w|d|h|m|s|ms))*$",
        })
    }
}

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Timestamp {
        Timestamp(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here; no time at all if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(time.0))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(time.0))
    }
}

/// As in `2026-03-01 14:30 UTC`. Days from the civil calendar: Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms".
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / days(1).0);
        let minute = self.0 / minutes(1).0 % (24 * 60);
        write!(f, "{year}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
    }
}

impl Timestamp {
    /// The day alone, as in `2026-03-01`, in UTC.
    pub fn date(self) -> String {
        let (year, month, day) = civil(self.0 / days(1).0);
        format!("{year}-{month:02}-{day:02}")
    }
}

fn civil(days_since_epoch: u64) -> (u64, u64, u64) {
    let day = days_since_epoch + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_durations_go_both_ways() {
        for (text, duration) in [
            ("2h", hours(2)),
            ("1d 12h", days(1) + hours(12)),
            ("90m", minutes(90)),
            ("1w", weeks(1)),
            ("5ms", millis(5)),
        ] {
            assert_eq!(text.parse(), Ok(duration), "{text}");
            assert_eq!(duration.to_string().parse(), Ok(duration), "{text}");
        }
        assert_eq!((days(1) + hours(12)).to_string(), "1d 12h");
        for text in ["", "2", "h", "2 hours", "-1h", "2H", "99999999999999999999s", "18446744073709551615w"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn timestamps_print_the_civil_date() {
        for (millis, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_767_268_740_000, "2026-01-01 11:59 UTC"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }
}
