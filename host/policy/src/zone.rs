//! Local time: days and hours of a time zone, with what daylight saving does to them.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use shopwright_model::Millis;

/// The zone of an IANA name; UTC where there is none of that name.
#[must_use]
pub fn zone_of(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// The first moment of the local day that `now` lies in.
#[must_use]
pub fn day_start(now: Millis, zone: Tz) -> Millis {
    resolve(local(now, zone).date_naive().and_time(NaiveTime::MIN), zone, Millis::MIN)
}

/// Minutes since local midnight, by the clock on the wall.
pub(crate) fn minute_of_day(now: Millis, zone: Tz) -> u16 {
    let local = local(now, zone);
    // At most 23 * 60 + 59.
    u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0)
}

/// The next moment after `now` at which the clock on the wall passes `minute` (of the day).
pub(crate) fn next_at(now: Millis, minute: u16, zone: Tz) -> Millis {
    let today: NaiveDate = local(now, zone).date_naive();
    let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::from(minute) * 60, 0).unwrap_or(NaiveTime::MIN);
    (0..3)
        .map(|days| resolve((today + Duration::days(days)).and_time(time), zone, now))
        .find(|&at| at > now)
        // Days are at most 25 hours long, so one of three lies ahead.
        .unwrap_or(now + 86_400_000)
}

fn local(now: Millis, zone: Tz) -> DateTime<Tz> {
    DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default().with_timezone(&zone)
}

/// The moment of a local time. Where it happens twice: the first that lies after `after`, else the
/// second. Where it is skipped: the first moment after the gap.
fn resolve(mut at: NaiveDateTime, zone: Tz, after: Millis) -> Millis {
    // No zone ever skipped more than a day and an hour; steps of a minute are fine enough, because
    // gaps end on a whole minute in every zone with daylight saving.
    for _ in 0..26 * 60 {
        match zone.from_local_datetime(&at) {
            LocalResult::Single(found) => return found.timestamp_millis(),
            LocalResult::Ambiguous(first, second) => {
                let (first, second) = (first.timestamp_millis(), second.timestamp_millis());
                return if first > after { first } else { second };
            }
            LocalResult::None => at += Duration::minutes(1),
        }
    }
    at.and_utc().timestamp_millis()
}
