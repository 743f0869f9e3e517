//! The next fire against a walker that tries every minute.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use shopwright_triggers::Schedule;

/// A field as text, and the values it must allow.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    values: Vec<u32>,
}

/// One to three entries, or a star, with or without a step.
fn field(min: u32, max: u32) -> impl Strategy<Value = Field> {
    let entry = (min..=max, min..=max, 1..=max).prop_map(move |(a, b, step)| {
        let (low, high) = (a.min(b), a.max(b));
        match step % 3 {
            0 => (format!("{low}"), vec![low]),
            1 => (format!("{low}-{high}"), (low..=high).collect()),
            _ => (format!("{low}-{high}/{step}"), (low..=high).step_by(step as usize).collect()),
        }
    });
    let list = prop::collection::vec(entry, 1..=3).prop_map(|entries| {
        let mut text = String::new();
        let mut values = Vec::new();
        for (index, (part, allowed)) in entries.into_iter().enumerate() {
            let _ = write!(text, "{}{part}", if index > 0 { "," } else { "" });
            values.extend(allowed);
        }
        Field { text, values }
    });
    prop_oneof![
        2 => Just(Field { text: "*".into(), values: (min..=max).collect() }),
        1 => (1..=max).prop_map(move |step| Field {
            text: format!("*/{step}"),
            values: (min..=max).step_by(step as usize).collect(),
        }),
        3 => list,
    ]
}

#[derive(Debug, Clone)]
struct Line {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Line {
    fn text(&self) -> String {
        let Self { minute, hour, day, month, weekday } = self;
        format!("{} {} {} {} {}", minute.text, hour.text, day.text, month.text, weekday.text)
    }

    fn matches(&self, local: NaiveDateTime) -> bool {
        let day = self.day.values.contains(&local.day());
        let sunday = local.weekday().num_days_from_sunday();
        let weekday = self.weekday.values.contains(&sunday) || (sunday == 0 && self.weekday.values.contains(&7));
        let either = !self.day.text.starts_with('*') && !self.weekday.text.starts_with('*');
        self.minute.values.contains(&local.minute())
            && self.hour.values.contains(&local.hour())
            && self.month.values.contains(&local.month())
            && if either { day || weekday } else { day && weekday }
    }
}

fn line() -> impl Strategy<Value = Line> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).prop_map(
        |(minute, hour, day, month, weekday)| {
            // `*` and `*/n` of the weekday go from 0 to 6.
            let weekday = if weekday.text.starts_with('*') {
                Field { values: weekday.values.into_iter().filter(|day| *day < 7).collect(), ..weekday }
            } else {
                weekday
            };
            Line { minute, hour, day, month, weekday }
        },
    )
}

/// How far the walker looks.
const WINDOW_MINUTES: i64 = 3 * 24 * 60;

/// Tries every minute: fires when the clock shows a matching time for the first time, and at the first
/// minute after a gap that swallowed one.
fn walk(line: &Line, after: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
    let minute = TimeDelta::minutes(1);
    let mut at = after.with_second(0)?.with_nanosecond(0)? + minute;
    for _ in 0..WINDOW_MINUTES {
        let local = at.with_timezone(&tz).naive_local();
        let first = tz.from_local_datetime(&local).earliest().is_some_and(|first| first == at);
        let mut swallowed = (at - minute).with_timezone(&tz).naive_local() + minute;
        let mut fires = first && line.matches(local);
        while swallowed < local {
            fires |= line.matches(swallowed);
            swallowed += minute;
        }
        if fires {
            return Some(at);
        }
        at += minute;
    }
    None
}

/// Around the changes of the clocks, and anywhere.
fn instants() -> impl Strategy<Value = i64> {
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-03-08T07:00:00Z",
        "2026-11-01T06:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-04-04T15:00:00Z",
    ];
    let changes = changes.map(|at| at.parse::<DateTime<Utc>>().expect("a time").timestamp_millis());
    let day = 86_400_000i64;
    prop_oneof![
        (prop::sample::select(changes.to_vec()), -day..day).prop_map(|(change, offset)| change + offset),
        1_700_000_000_000i64..1_900_000_000_000,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_next_fire_is_the_walkers(
        line in line(),
        after in instants(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    ) {
        let tz: Tz = zone.parse().expect("a zone");
        // Dates that never come are refused, and tested elsewhere.
        let Ok(schedule) = Schedule::parse(&line.text()) else { return Ok(()) };
        let after_time = DateTime::from_timestamp_millis(after).expect("in range");
        let expected = walk(&line, after_time, tz).map(|at| at.timestamp_millis());
        let window = after + WINDOW_MINUTES * 60_000;
        let actual = schedule.next_after(after, tz);
        match expected {
            Some(expected) => prop_assert_eq!(actual, Some(expected), "{} in {} after {}", line.text(), zone, after_time),
            None => prop_assert!(actual.is_none_or(|at| at > window - 60_000), "{} in {} after {}", line.text(), zone, after_time),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-*/,0-9A-Za-z@? ]{0,40}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            prop_assert!(schedule.next_after(0, Tz::UTC).is_some());
            prop_assert!(!schedule.words().is_empty());
        }
    }
}
