//! What a template may contain.
//!
//! minijinja counts instructions, but one instruction can make a gigabyte (`"a" * 100000000`), and a
//! template that stores values can double one again and again. So templates have `for`, `if` and
//! `raw`, nothing that binds a computed value, and inside tags no operator that builds texts or lists:
//! no lists, tuples and maps. What is left cannot make more text than data and template hold, once for each step.

/// The statements there are.
const STATEMENTS: [&str; 8] = ["for", "endfor", "if", "elif", "else", "endif", "raw", "endraw"];

/// Line (from 1) and reason of the first thing that is not allowed. What minijinja itself refuses
/// passes.
pub(super) fn check(source: &str) -> Result<(), (usize, String)> {
    let mut at = 0;
    while let Some(start) = source[at..].find('{').map(|found| at + found) {
        let body = start + 2;
        let line = 1 + source[..start].matches('\n').count();
        at = match source.as_bytes().get(start + 1) {
            Some(b'#') => source[body..].find("#}").map_or(source.len(), |end| body + end + 2),
            Some(b'{') => tag(source, body, "}}", line)?,
            Some(b'%') => {
                let word = word(&source[body..]);
                if !STATEMENTS.contains(&word) {
                    let reason = format!("`{word}` is not allowed: there are `for`, `if` and `raw`");
                    return Err((line, reason));
                }
                let end = tag(source, body, "%}", line)?;
                if word == "raw" { end_of_raw(source, end) } else { end }
            }
            _ => start + 1,
        };
    }
    Ok(())
}

/// The first word of a tag.
fn word(tag: &str) -> &str {
    let tag = tag.trim_start_matches(['-', '+']).trim_start();
    let end = tag.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(tag.len());
    &tag[..end]
}

/// Reads a tag from `at` to after its `close`.
fn tag(source: &str, at: usize, close: &str, first_line: usize) -> Result<usize, (usize, String)> {
    let bytes = source.as_bytes();
    let mut index = at;
    let mut line = first_line;
    let mut quote = None;
    // For each open parenthesis, whether it is that of a call.
    let mut calls = Vec::new();
    // `for a, b in …` takes items apart.
    let targets_end = if close == "%}" && word(&source[at..]) == "for" { at + targets(&source[at..]) } else { at };
    let refused =
        |line, byte: u8, remedy: &str| Err((line, format!("`{}` is not allowed: {remedy}", char::from(byte))));
    while index < bytes.len() {
        let byte = bytes[index];
        let rest = &bytes[index + 1..];
        match (quote, byte) {
            (Some(_), b'\\') => index += 1,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, _) if bytes[index..].starts_with(close.as_bytes()) => return Ok(index + close.len()),
            // Whitespace control: `-%}`, `+%}`, and at the start.
            (None, b'+') if index == at || rest.starts_with(close.as_bytes()) => {}
            (None, b'*' | b'~' | b'+') => {
                return refused(line, byte, "put the parts beside each other, or compute the value in the workflow");
            }
            (None, b'{') => return refused(line, byte, "maps come from the data"),
            (None, b'[') if !index_only(rest) => {
                return Err((line, "`[` takes a number: lists come from the data".into()));
            }
            (None, b'(') => calls.push(is_call(&source[at..index])),
            (None, b')') => {
                calls.pop();
            }
            (None, b',') if index >= targets_end && calls.last() != Some(&true) => {
                return refused(line, byte, "lists come from the data");
            }
            _ => {}
        }
        if byte == b'\n' {
            line += 1;
        }
        index += 1;
    }
    Ok(bytes.len())
}

/// Where the targets of a `for` end: at the first word `in`.
fn targets(tag: &str) -> usize {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = |found: usize| !tag[..found].ends_with(part_of_word) && !tag[found + 2..].starts_with(part_of_word);
    tag.match_indices("in").map(|(found, _)| found).find(|found| ends(*found)).unwrap_or(0)
}

/// Whether a parenthesis after `before` is that of a call: it follows a name that is no operator.
fn is_call(before: &str) -> bool {
    let name = before.trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    !name.is_empty() && !["in", "and", "or", "not", "is", "if", "elif", "else", "for"].contains(&name)
}

/// `0]`: an item of a list.
fn index_only(rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=6).contains(&digits) && rest.get(digits) == Some(&b']')
}

fn end_of_raw(source: &str, mut at: usize) -> usize {
    while let Some(start) = source[at..].find("{%").map(|found| at + found) {
        if word(&source[start + 2..]) == "endraw" {
            return start;
        }
        at = start + 2;
    }
    source.len()
}
