//! Expectations: part of a value, and what differs.

use serde_json::Value;

/// Where `got` differs from what is expected of it; none: it does not. Objects need only have what is
/// named; lists must be as long; a text that begins with `~` need only be contained.
pub(crate) fn difference(expected: &Value, got: &Value) -> Option<String> {
    differ(expected, got, &mut String::new())
}

fn differ(expected: &Value, got: &Value, path: &mut String) -> Option<String> {
    let says = |path: &str, expected: &str, got: &Value| {
        let place = if path.is_empty() { "value" } else { path.trim_start_matches('.') };
        Some(format!("{place}: expected {expected}, got {}", short(got)))
    };
    match (expected, got) {
        (Value::String(wanted), Value::String(text)) => match wanted.strip_prefix('~') {
            Some(part) if text.contains(part) => None,
            Some(part) => says(path, &format!("a text with {part:?}"), got),
            None if wanted == text => None,
            None => says(path, &format!("{wanted:?}"), got),
        },
        (Value::Number(wanted), Value::Number(number)) => {
            let same =
                wanted.as_f64().zip(number.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1.0));
            if same { None } else { says(path, &wanted.to_string(), got) }
        }
        (Value::Object(wanted), Value::Object(fields)) => wanted.iter().find_map(|(name, expected)| {
            let length = path.len();
            path.push('.');
            path.push_str(name);
            let found = match fields.get(name) {
                Some(got) => differ(expected, got, path),
                None => Some(format!("{}: expected {}, got nothing", path.trim_start_matches('.'), short(expected))),
            };
            path.truncate(length);
            found
        }),
        (Value::Array(wanted), Value::Array(items)) => {
            if wanted.len() != items.len() {
                return says(path, &format!("{} items", wanted.len()), got);
            }
            wanted.iter().zip(items).enumerate().find_map(|(index, (expected, got))| {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                let found = differ(expected, got, path);
                path.truncate(length);
                found
            })
        }
        (wanted, got) if wanted == got => None,
        (wanted, got) => says(path, &short(wanted), got),
    }
}

/// A value in one line of bounded length.
pub(crate) fn short(value: &Value) -> String {
    clip(&value.to_string(), 200)
}

/// A text in one line of bounded length.
pub(crate) fn clip(text: &str, most: usize) -> String {
    let line = text.replace('\n', "\\n");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// How a list of expectations lies against what happened: pairs, missing and surplus ones, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Aligned {
    /// Expected and got agree.
    Both(usize, usize),
    /// Expected, not there.
    Missing(usize),
    /// There, not expected.
    Surplus(usize),
}

/// The longest common order of two lists.
pub(crate) fn align(expected: usize, got: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Aligned> {
    let mut longest = vec![vec![0usize; got + 1]; expected + 1];
    for e in (0..expected).rev() {
        for g in (0..got).rev() {
            longest[e][g] =
                if same(e, g) { longest[e + 1][g + 1] + 1 } else { longest[e + 1][g].max(longest[e][g + 1]) };
        }
    }
    let (mut e, mut g, mut aligned) = (0, 0, Vec::new());
    while e < expected || g < got {
        if e < expected && g < got && same(e, g) {
            aligned.push(Aligned::Both(e, g));
            (e, g) = (e + 1, g + 1);
        } else if g == got || (e < expected && longest[e + 1][g] >= longest[e][g + 1]) {
            aligned.push(Aligned::Missing(e));
            e += 1;
        } else {
            aligned.push(Aligned::Surplus(g));
            g += 1;
        }
    }
    aligned
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_enough_and_a_difference_is_named() {
        let got = json!({ "a": 1, "b": { "c": "hello world", "d": [1, 2.0] }, "e": null });
        for expected in [
            json!({}),
            json!({ "a": 1.0 }),
            json!({ "b": { "c": "~world" } }),
            json!({ "b": { "d": [1, 2] } }),
            json!({ "e": null }),
        ] {
            assert_eq!(difference(&expected, &got), None, "{expected}");
        }
        for (expected, words) in [
            (json!({ "a": 2 }), "a: expected 2, got 1"),
            (json!({ "b": { "c": "hello" } }), "b.c: expected \"hello\", got \"hello world\""),
            (json!({ "b": { "c": "~moon" } }), "b.c: expected a text with \"moon\", got \"hello world\""),
            (json!({ "b": { "d": [1] } }), "b.d: expected 1 items, got [1,2.0]"),
            (json!({ "b": { "d": [1, 3] } }), "b.d[1]: expected 3, got 2.0"),
            (json!({ "f": 1 }), "f: expected 1, got nothing"),
        ] {
            assert_eq!(difference(&expected, &got).as_deref(), Some(words));
        }
    }

    #[test]
    fn lists_align_around_what_is_missing() {
        use Aligned::{Both, Missing, Surplus};
        let lay = |expected: &str, got: &str| {
            let (e, g): (Vec<char>, Vec<char>) = (expected.chars().collect(), got.chars().collect());
            align(e.len(), g.len(), |i, j| e[i] == g[j])
        };
        assert_eq!(lay("ab", "ab"), [Both(0, 0), Both(1, 1)]);
        assert_eq!(lay("abc", "ac"), [Both(0, 0), Missing(1), Both(2, 1)]);
        assert_eq!(lay("ac", "abc"), [Both(0, 0), Surplus(1), Both(1, 2)]);
        assert_eq!(lay("a", "b"), [Missing(0), Surplus(0)]);
    }
}
