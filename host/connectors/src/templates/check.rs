//! What a template may contain.
//!
//! minijinja counts instructions, but one instruction can make a gigabyte (`"a" * 100000000`), and a
//! template that stores values can double one again and again. So templates have `for`, `if` and
//! `raw`, nothing that binds a computed value, and inside tags no operator that builds texts or lists:
//! what is left cannot make more text than data and template hold, once for each step.

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
    while index < bytes.len() {
        let byte = bytes[index];
        match (quote, byte) {
            (Some(_), b'\\') => index += 1,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, _) if source.as_bytes()[index..].starts_with(close.as_bytes()) => return Ok(index + close.len()),
            // Whitespace control: `-%}`, `+%}`, and at the start.
            (None, b'+') if index == at || bytes[index + 1..].starts_with(close.as_bytes()) => {}
            (None, b'*' | b'~' | b'+') => {
                let reason = format!(
                    "`{}` is not allowed: put the parts beside each other, or compute the value in the workflow",
                    char::from(byte)
                );
                return Err((line, reason));
            }
            (None, b'[') if !index_only(&bytes[index + 1..]) => {
                return Err((line, "`[` takes a number: lists come from the data".into()));
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
