//! When a shop is busy: hours of the day, days of the week, seasons, and the trend.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use chrono_tz::Tz;
use shopwright_model::Millis;

/// A second in milliseconds.
pub const SECOND: Millis = 1_000;
/// A minute in milliseconds.
pub const MINUTE: Millis = 60 * SECOND;
/// An hour in milliseconds.
pub const HOUR: Millis = 60 * MINUTE;
/// A day in milliseconds.
pub const DAY: Millis = 24 * HOUR;

/// How many days of history a shop has.
pub const HISTORY_DAYS: usize = 730;

/// Share of a day's visits that comes in each hour of the visitor's own day.
pub const HOURS: [f64; 24] = [
    1.4, 0.7, 0.4, 0.3, 0.3, 0.6, 1.6, 3.0, 3.9, 4.4, 4.8, 5.0, 5.6, 5.0, 4.5, 4.5, 4.8, 5.4, 6.4, 7.8, 8.9, 8.6, 6.9,
    3.6,
];

/// The local time at `at` in `zone`.
///
/// # Panics
/// Never for times that fit a calendar; years beyond 262,000 are cut off.
#[must_use]
pub fn local(at: Millis, zone: Tz) -> DateTime<Tz> {
    DateTime::<Utc>::from_timestamp_millis(at).unwrap_or(DateTime::<Utc>::MAX_UTC).with_timezone(&zone)
}

/// ISO 8601 with the offset of `zone`, to the second, as the platform writes times.
#[must_use]
pub fn iso(at: Millis, zone: Tz) -> String {
    local(at, zone).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// ISO 8601 in UTC with milliseconds, as CloudEvents carry times.
#[must_use]
pub fn iso_utc(at: Millis) -> String {
    DateTime::<Utc>::from_timestamp_millis(at)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// How busy a day is, 1 on average over a year: weekday and season of the year, without trend.
#[must_use]
pub fn busy(at: Millis, zone: Tz) -> f64 {
    let day = local(at, zone);
    let week = [1.04, 0.99, 0.97, 0.96, 0.93, 0.90, 1.21][day.weekday().num_days_from_monday() as usize];
    let season = match (day.month(), day.day()) {
        (11, 20..=30) => 1.75,
        (12, 1..=19) => 1.45,
        (12, 20..=26) => 0.62,
        (12, _) => 0.95,
        (1, 1..=20) => 1.05,
        (1, _) => 0.82,
        (2 | 7 | 8, _) => 0.84,
        (3 | 9, _) => 0.95,
        (4 | 10, _) => 1.02,
        (5, _) => 1.04,
        (6, _) => 0.93,
        (11, _) => 1.12,
        _ => 1.0,
    };
    week * season
}

/// The trend: 1 at the end of the history, less before. `days_before` counts back from there.
#[must_use]
pub fn trend(days_before: f64) -> f64 {
    // New customers add to it: together about 40 % growth a year.
    0.85_f64.powf(days_before / 365.25)
}

/// The hour of the local day, 0 to 23.
#[must_use]
pub fn hour(at: Millis, zone: Tz) -> usize {
    local(at, zone).hour() as usize
}

/// The local month, 0 to 11.
#[must_use]
pub fn month(at: Millis, zone: Tz) -> usize {
    local(at, zone).month0() as usize
}

/// True from Friday to Sunday, local time.
#[must_use]
pub fn weekend_sale(at: Millis, zone: Tz) -> bool {
    local(at, zone).weekday().num_days_from_monday() >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_about_one_on_average_and_black_week_is_busiest() {
        let start = 1_735_689_600_000; // 2025-01-01T00:00:00Z
        let zone = chrono_tz::Europe::Berlin;
        let days: Vec<f64> = (0..364).map(|d| busy(start + d * DAY, zone)).collect();
        let mean = days.iter().sum::<f64>() / 364.0;
        assert!((0.95..1.07).contains(&mean), "{mean}");
        let best = (0..364).max_by(|&a, &b| days[a].total_cmp(&days[b])).expect("days");
        assert_eq!(local(start + best as Millis * DAY, zone).month(), 11);
        assert_eq!(iso(start, zone), "2025-01-01T01:00:00+01:00");
        assert_eq!(iso_utc(start), "2025-01-01T00:00:00.000Z");
    }
}
