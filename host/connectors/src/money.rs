//! Amounts: decimal text to minor units, without floating point.

/// Digits after the decimal point of a currency (ISO 4217, minor units as of the 2024 list; two for codes
/// it does not know).
#[must_use]
pub fn exponent(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// `text`, such as `19.99` or `-5`, in the minor unit of `currency`. Digits beyond the minor unit are
/// rounded half away from zero. None where it is no decimal number, or does not fit in 64 bits.
#[must_use]
pub fn minor_units(text: &str, currency: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !number(whole) || !number(fraction) || digits.ends_with('.') {
        return None;
    }
    let places = exponent(currency) as usize;
    let kept = &fraction[..fraction.len().min(places)];
    let scaled = format!("{whole}{kept:0<places$}");
    let mut amount: i64 = scaled.parse().ok()?;
    if fraction.as_bytes().get(places).is_some_and(|digit| *digit >= b'5') {
        amount = amount.checked_add(1)?;
    }
    Some(if negative { -amount } else { amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_become_minor_units() {
        let table = [
            ("19.99", "EUR", Some(1999)),
            ("0.07", "USD", Some(7)),
            ("-5", "USD", Some(-500)),
            ("10.0", "JPY", Some(10)),
            ("1500", "JPY", Some(1500)),
            ("1.2345", "KWD", Some(1235)),
            ("1.5", "KWD", Some(1500)),
            ("0.005", "USD", Some(1)),
            ("-0.005", "USD", Some(-1)),
            ("0.0049", "USD", Some(0)),
            ("1.23456", "CLF", Some(12346)),
            ("92233720368547758.07", "USD", Some(i64::MAX)),
            ("92233720368547758.08", "USD", None),
            ("", "USD", None),
            (".5", "USD", None),
            ("5.", "USD", None),
            ("1,99", "USD", None),
            ("1e3", "USD", None),
            ("NaN", "USD", None),
            ("--1", "USD", None),
        ];
        for (text, currency, expected) in table {
            assert_eq!(minor_units(text, currency), expected, "{text} {currency}");
        }
    }
}
