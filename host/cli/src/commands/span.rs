//! Times as they are typed: `2026-03-01`, `2026-03-01T10:00:00Z`, `7d` (ago), or milliseconds since 1970.

use chrono::{DateTime, NaiveDate, Utc};

/// Reads a time. `now`: milliseconds since 1970.
pub fn parse(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(n) = text.parse::<i64>() {
        return Ok(n);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.timestamp_millis());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let unit = match unit {
        "d" => 86_400_000,
        "h" => 3_600_000,
        "m" => 60_000,
        _ => 0,
    };
    match number.parse::<i64>() {
        Ok(n) if unit > 0 && n >= 0 => Ok(now - n.saturating_mul(unit)),
        _ => Err(format!(
            "`{text}` is no time: use 2026-03-01 (UTC), 2026-03-01T10:00:00Z, 7d or 12h (ago), or milliseconds since 1970"
        )),
    }
}

/// As a value parser of a flag: from now, by this machine's clock.
pub fn flag(text: &str) -> Result<i64, String> {
    parse(text, Utc::now().timestamp_millis())
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read_as_people_write_them() {
        let parse = |text| super::parse(text, 1_772_442_000_000);
        assert_eq!(parse("1772442000000"), Ok(1_772_442_000_000));
        assert_eq!(parse("2026-03-02T10:00:00+01:00"), Ok(1_772_442_000_000));
        assert_eq!(parse("2026-03-02"), Ok(1_772_409_600_000));
        assert_eq!(parse("2d"), Ok(1_772_442_000_000 - 2 * 86_400_000));
        for bad in ["", "d", "yesterday", "5ü", "-3d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
