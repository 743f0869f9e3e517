//! A schedule in words, for people who do not read crontab.

use super::fields::{Field, Fields};

const ALL_HOURS: u64 = (1 << 24) - 1;
const ALL_DAYS: u64 = ((1 << 32) - 1) & !1;
const ALL_MONTHS: u64 = ((1 << 13) - 1) & !1;
const ALL_WEEKDAYS: u64 = (1 << 7) - 1;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The most times of day that are listed one by one.
const LISTED_TIMES: usize = 6;

/// `every day at 06:00`, `every 15 minutes, Monday to Friday`, `on day 1 of every month at 00:00`.
pub(super) fn words(fields: &Fields) -> String {
    let days = days(fields);
    match times(fields.minute, fields.hour) {
        Times::At(times) => format!("{days} at {times}"),
        Times::Every(times) if days == "every day" => times,
        Times::Every(times) => format!("{times}, {days}"),
    }
}

enum Times {
    /// `06:00 and 18:00`
    At(String),
    /// `every 15 minutes`
    Every(String),
}

fn times(minute: Field, hour: Field) -> Times {
    let (minutes, hours) = (minute.list(), hour.list());
    let every_hour = hour.values == ALL_HOURS;
    let step = step(&minutes, 60);
    if every_hour {
        return Times::Every(match (&minutes[..], step) {
            ([0], _) => "every hour".into(),
            ([at], _) => format!("every hour at minute {at}"),
            (_, Some(1)) => "every minute".into(),
            (_, Some(step)) => format!("every {step} minutes"),
            _ => format!("every hour at minutes {}", join(&numbers(&minutes))),
        });
    }
    if minutes.len() * hours.len() <= LISTED_TIMES {
        let all: Vec<String> =
            hours.iter().flat_map(|hour| minutes.iter().map(move |minute| format!("{hour:02}:{minute:02}"))).collect();
        return Times::At(join(&all));
    }
    if let ([at], Some(every)) = (&minutes[..], self::step(&hours, 24)) {
        let past = if *at == 0 { String::new() } else { format!(" at minute {at}") };
        return Times::Every(format!("every {every} hours{past}"));
    }
    let often = match step {
        Some(1) => "every minute".into(),
        Some(step) => format!("every {step} minutes"),
        None if minutes == [0] => "every hour".into(),
        None => format!("at minutes {}", join(&numbers(&minutes))),
    };
    // Not empty: every field allows something.
    let (first, last) = (hours[0], hours[hours.len() - 1]);
    let contiguous = (last - first) as usize + 1 == hours.len();
    Times::Every(if contiguous {
        format!("{often} from {first:02}:{:02} to {last:02}:{:02}", minutes[0], minutes[minutes.len() - 1])
    } else {
        format!("{often} in the hours {}", join(&numbers(&hours)))
    })
}

fn days(fields: &Fields) -> String {
    let (day, weekday) = (fields.day, fields.weekday);
    let any_weekday = weekday.values == ALL_WEEKDAYS;
    let any_day = day.values == ALL_DAYS;
    let any_month = fields.month.values == ALL_MONTHS;
    let months = months(fields.month);
    let in_months = if any_month { String::new() } else { format!(" in {months}") };
    let weekdays = weekdays(weekday);
    let dates = format!("{} of {}", dates(day), if any_month { "every month".into() } else { months });
    let either = fields.either_day();
    match (any_day, any_weekday) {
        // Either will do, and one of them always does.
        _ if either && (any_day || any_weekday) => format!("every day{in_months}"),
        (true, true) => format!("every day{in_months}"),
        (true, false) => format!("{weekdays}{in_months}"),
        (false, true) => format!("on {dates}"),
        (false, false) if either => format!("on {dates} or {weekdays}{in_months}"),
        (false, false) => format!("on {dates} if it is {}", weekdays.trim_start_matches("every ")),
    }
}

fn dates(day: Field) -> String {
    let days = day.list();
    match days[..] {
        [day] => format!("day {day}"),
        _ => format!("days {}", runs(&days, |day| day.to_string())),
    }
}

fn months(month: Field) -> String {
    runs(&month.list(), |month| MONTHS[month as usize - 1].to_owned())
}

/// Monday first; `every` before single days.
fn weekdays(weekday: Field) -> String {
    let mut days: Vec<u32> = weekday.list().iter().map(|day| (day + 6) % 7).collect();
    days.sort_unstable();
    let text = runs(&days, |day| WEEKDAYS[(day as usize + 1) % 7].to_owned());
    if text.contains(" to ") { text } else { format!("every {text}") }
}

/// The step, where the values are 0, step, 2 * step … up to `end`, which it divides.
fn step(values: &[u32], end: u32) -> Option<u32> {
    let step = match values {
        [0, second, ..] => *second,
        _ => return None,
    };
    let full = end.is_multiple_of(step) && values.len() as u32 == end / step;
    (full && values.iter().enumerate().all(|(index, value)| *value == index as u32 * step)).then_some(step)
}

/// Runs of three and more as `a to b`.
fn runs(values: &[u32], name: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    let mut rest = values;
    while let Some(&first) = rest.first() {
        let length = rest.iter().enumerate().take_while(|(index, value)| **value == first + *index as u32).count();
        if length >= 3 {
            parts.push(format!("{} to {}", name(first), name(rest[length - 1])));
            rest = &rest[length..];
        } else {
            parts.push(name(first));
            rest = &rest[1..];
        }
    }
    join(&parts)
}

fn numbers(values: &[u32]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// `a`, `a and b`, `a, b and c`.
fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}
