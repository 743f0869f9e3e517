//! Where in a JSON text a value stands, for errors that point at a line.

/// Byte offset of the value that `pointer` (RFC 6901) names in `text`, which must be valid JSON.
/// Where the pointer leads nowhere, the offset of the last value on its way that is there.
pub(crate) fn offset_of(text: &str, pointer: &str) -> usize {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.space();
    let mut found = scan.at;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if !scan.enter(&token) {
            break;
        }
        found = scan.at;
    }
    found
}

/// Line and column, both from 1, of byte `offset`; columns count characters.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Moves to the member or element `token` of the value here. False: it is not there.
    fn enter(&mut self, token: &str) -> bool {
        let opened = self.peek();
        if opened != b'{' && opened != b'[' {
            return false;
        }
        self.at += 1;
        for index in 0.. {
            self.space();
            if matches!(self.peek(), b'}' | b']' | 0) {
                return false;
            }
            let here = if opened == b'{' {
                let start = self.at;
                self.string();
                let key: Option<String> = serde_json::from_slice(&self.bytes[start..self.at]).ok();
                self.space();
                self.at += 1; // the colon
                self.space();
                key.as_deref() == Some(token)
            } else {
                token.parse() == Ok(index)
            };
            if here {
                return true;
            }
            self.value();
            self.space();
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        false
    }

    /// Skips a string; the cursor is on its opening quote.
    fn string(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek() {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
    }

    /// Skips a value. Iterative, so that depth costs no stack.
    fn value(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                0 => return,
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    if depth == 0 {
                        return;
                    }
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => return,
                _ => self.at += 1,
            }
            if depth == 0 && matches!(self.peek(), b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | 0) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_its_line_and_column() {
        let text = "{\n  \"ä\": [1, {\"x\": \"}]\\\"\"}, 3 ],\n  \"b/c\": {\n    \"d\": true }\n}";
        for (pointer, place) in [
            ("", (1, 1)),
            ("/ä", (2, 8)),
            ("/ä/1", (2, 12)),
            ("/ä/1/x", (2, 18)),
            ("/ä/2", (2, 27)),
            ("/b~1c/d", (4, 10)),
            ("/b~1c/none", (3, 10)),
        ] {
            assert_eq!(line_and_column(text, offset_of(text, pointer)), place, "{pointer}");
        }
    }
}
