//! Times in scenario files: spans such as `2h` and `1d 12h`, and points relative to the beginning.

use shopwright_model::Millis;

const UNITS: [(&str, Millis); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A span: `90m`, `2h`, `1d 12h`.
pub(crate) fn span(text: &str) -> Option<Millis> {
    let mut sum: Millis = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: Millis = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        sum = sum.checked_add(count.checked_mul(*unit)?)?;
        rest = rest[end..].trim_start();
    }
    Some(sum)
}

/// A point: `+2h` after or `-3d` before the beginning, or RFC 3339.
pub(crate) fn point(text: &str, begin: Millis) -> Option<Millis> {
    match text.trim().split_at_checked(1)? {
        ("+", rest) => Some(begin + span(rest)?),
        ("-", rest) => Some(begin - span(rest)?),
        _ => chrono::DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.timestamp_millis()),
    }
}

/// A point as reports show it: `+1d 2h`.
pub(crate) fn relative(at: Millis, begin: Millis) -> String {
    let mut left = (at - begin).unsigned_abs();
    let mut text = String::from(if at < begin { "-" } else { "+" });
    if left == 0 {
        return "+0s".into();
    }
    for (name, unit) in &UNITS[1..] {
        let count = left / unit.unsigned_abs();
        left %= unit.unsigned_abs();
        if count > 0 {
            if text.len() > 1 {
                text.push(' ');
            }
            text.push_str(&format!("{count}{name}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_spans() {
        let begin = 1_772_442_000_000;
        for (text, at) in [
            ("+2h", Some(begin + 7_200_000)),
            ("-1d 12h", Some(begin - 129_600_000)),
            ("2026-03-02T10:00:00+01:00", Some(begin)),
            ("2h", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(point(text, begin), at, "{text}");
        }
        for text in ["+2h", "-1d 12h", "+0s", "+1d 2h 3m 4s 5ms"] {
            assert_eq!(relative(point(text, begin).unwrap(), begin), text);
        }
    }
}
