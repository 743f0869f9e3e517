//! Going through JSON text and MessagePack with an eye on the strings, the rest copied as it is.

/// A part of JSON text.
pub(crate) enum Piece<'a> {
    /// Anything but a string that is a value.
    Plain(&'a str),
    /// A string: as it stands, what it says, and the name of the field it is in.
    Text { raw: &'a str, text: String, name: &'a str },
}

/// The end of a JSON string that begins at `from`.
fn string_end(text: &str, from: usize) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(from + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Takes well-formed JSON text apart.
pub(crate) fn walk_json<'a>(text: &'a str, take: &mut dyn FnMut(Piece<'a>)) {
    // The name of the field at each depth.
    let mut names: Vec<&'a str> = vec![""];
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(text, at).unwrap_or(text.len());
                let raw = &text[at..end];
                let after = text[end..].trim_start();
                if after.starts_with(':') {
                    if let Some(name) = names.last_mut() {
                        *name = raw.trim_matches('"');
                    }
                    take(Piece::Plain(raw));
                } else {
                    let name = names.iter().rev().find(|name| !name.is_empty()).copied().unwrap_or_default();
                    match serde_json::from_str::<String>(raw) {
                        Ok(text) => take(Piece::Text { raw, text, name }),
                        Err(_) => take(Piece::Plain(raw)),
                    }
                }
                at = end;
                continue;
            }
            // An object's fields have names of their own; a list's items have that of the list.
            b'{' => names.push("\u{0}"),
            b'}' => {
                names.pop();
            }
            _ => {}
        }
        take(Piece::Plain(&text[at..=at + utf8_rest(bytes[at])]));
        at += 1 + utf8_rest(bytes[at]);
    }
}

/// How many bytes of a character come after its first.
fn utf8_rest(first: u8) -> usize {
    match first {
        0xc0..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xff => 3,
        _ => 0,
    }
}

/// Copies one MessagePack value, its strings made anew by `make` (text, field's name). Gives what is behind it; none
/// for what is damaged.
pub(crate) fn walk_pack<'a>(
    bytes: &'a [u8],
    name: &str,
    out: &mut Vec<u8>,
    make: &mut dyn FnMut(&str, &str) -> String,
) -> Option<&'a [u8]> {
    let (&marker, rest) = bytes.split_first()?;
    let number = |n: usize| -> Option<(usize, &'a [u8])> {
        let (head, rest) = rest.split_at_checked(n)?;
        Some((head.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)), rest))
    };
    let copied = |n: usize, out: &mut Vec<u8>| -> Option<&'a [u8]> {
        out.extend_from_slice(bytes.get(..=n)?);
        bytes.get(n + 1..)
    };
    match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => copied(0, out),
        0xcc | 0xd0 => copied(1, out),
        0xcd | 0xd1 | 0xd4 => copied(2, out),
        0xca | 0xce | 0xd2 => copied(4, out),
        0xcb | 0xcf | 0xd3 => copied(8, out),
        0xd5 => copied(3, out),
        0xd6 => copied(5, out),
        0xd7 => copied(9, out),
        0xd8 => copied(17, out),
        0xc4..=0xc6 => {
            let width = 1 << (marker - 0xc4);
            copied(width + number(width)?.0, out)
        }
        0xc7..=0xc9 => {
            let width = 1 << (marker - 0xc7);
            copied(width + 1 + number(width)?.0, out)
        }
        0xa0..=0xbf | 0xd9..=0xdb => {
            let (length, rest) = match marker {
                0xa0..=0xbf => (usize::from(marker & 0x1f), rest),
                _ => number(1 << (marker - 0xd9))?,
            };
            let (text, rest) = rest.split_at_checked(length)?;
            let text = std::str::from_utf8(text).ok()?;
            write_text(&make(text, name), out);
            Some(rest)
        }
        0x90..=0x9f | 0xdc | 0xdd => {
            let (count, mut rest) = match marker {
                0x90..=0x9f => (usize::from(marker & 0x0f), rest),
                _ => number(if marker == 0xdc { 2 } else { 4 })?,
            };
            out.extend_from_slice(&bytes[..bytes.len() - rest.len()]);
            for _ in 0..count {
                rest = walk_pack(rest, name, out, make)?;
            }
            Some(rest)
        }
        0x80..=0x8f | 0xde | 0xdf => {
            let (count, mut rest) = match marker {
                0x80..=0x8f => (usize::from(marker & 0x0f), rest),
                _ => number(if marker == 0xde { 2 } else { 4 })?,
            };
            out.extend_from_slice(&bytes[..bytes.len() - rest.len()]);
            for _ in 0..count {
                let mut own = String::new();
                rest = walk_pack(rest, "", out, &mut |text, _| {
                    own = text.to_owned();
                    text.to_owned()
                })?;
                // `ok`, `err`, `some`: wrappers without a meaning of their own.
                let inner = if matches!(own.as_str(), "ok" | "err" | "some" | "value") { name } else { own.as_str() };
                rest = walk_pack(rest, inner, out, make)?;
            }
            Some(rest)
        }
        _ => None,
    }
}

/// A string as the engine's encoder writes it: the shortest form.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let length = text.len();
    match length {
        // Cannot truncate: each arm bounds it.
        0..=31 => out.push(0xa0 | length as u8),
        32..=255 => out.extend_from_slice(&[0xd9, length as u8]),
        256..=65_535 => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdb);
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}
