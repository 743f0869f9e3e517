//! Amounts, times and spans in words.

use shopwright_model::Millis;

use crate::{
    calendar::{self, DAY, HOUR, MINUTE},
    shop::ZONE,
};

/// `1,234.50 €`.
#[must_use]
pub fn euros(cents: i64) -> String {
    format!(
        "{}{}.{:02} €",
        if cents < 0 { "-" } else { "" },
        grouped(cents.unsigned_abs() / 100),
        cents.unsigned_abs() % 100
    )
}

/// `12,345`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `Fri 08:20`, in the shop's zone.
#[must_use]
pub fn clock(at: Millis) -> String {
    calendar::local(at, ZONE).format("%a %H:%M").to_string()
}

/// `2 days 3 h`, `2 h 10 min`, `4 min`.
#[must_use]
pub fn span(time: Millis) -> String {
    let time = time.max(0);
    let (days, hours, minutes) = (time / DAY, time % DAY / HOUR, time % HOUR / MINUTE);
    let day = |n: i64| if n == 1 { "1 day".to_owned() } else { format!("{n} days") };
    match (days, hours, minutes) {
        (0, 0, 0) => "under a minute".into(),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => day(days),
        (days, hours, _) => format!("{} {hours} h", day(days)),
    }
}

/// One line of at most `length` characters.
#[must_use]
pub fn short(text: &str, length: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= length {
        line
    } else {
        line.chars().take(length.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        assert_eq!(euros(123_456_789), "1,234,567.89 €");
        assert_eq!(euros(-590), "-5.90 €");
        assert_eq!(span(2 * HOUR + 10 * MINUTE), "2 h 10 min");
        assert_eq!(span(DAY + 3 * HOUR), "1 day 3 h");
        assert_eq!(span(3 * DAY + 5), "3 days");
        assert_eq!(span(30_000), "under a minute");
        assert_eq!(clock(1_772_770_800_000), "Fri 05:20");
        assert_eq!(short("a  b\nc", 10), "a b c");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
