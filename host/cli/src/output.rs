//! What is printed: tables and lines for people, JSON for scripts.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// The widest cell of a table.
const WIDEST: usize = 60;

/// Writes a line to standard output. A closed pipe ends the program quietly, as of any other tool.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{}", text.as_ref()).is_err() {
        std::process::exit(0);
    }
}

/// Writes JSON to standard output.
pub fn json(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A table for people.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| shortened(&cell)).collect());
    }

    /// The table as text: columns as wide as their widest cell.
    pub fn text(&self) -> String {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }

    /// Prints it; `none` where it is empty.
    pub fn print(&self, none: &str) {
        if self.rows.is_empty() {
            line(none);
        } else {
            line(self.text().trim_end());
        }
    }
}

/// One line, at most so long.
fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A field as a cell: text as it is, nothing for null, JSON for the rest.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Milliseconds since 1970 as a time that people read.
pub fn time(value: &Value) -> String {
    value
        .as_i64()
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Fields one under another, the empty ones left out.
pub fn fields(pairs: &[(&str, String)]) {
    let widest = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        line(format!("{name:widest$}  {value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["ID", "STATE"]);
        table.row(["run_1".into(), "done".into()]);
        table.row(["ü".into(), "x\ny".into()]);
        assert_eq!(table.text(), "ID     STATE\nrun_1  done\nü      x y\n");
        assert_eq!(shortened(&"a".repeat(70)).chars().count(), WIDEST + 1);
    }

    #[test]
    fn times_are_read_by_people() {
        assert_eq!(time(&Value::from(1_774_778_400_500_i64)), "2026-03-29 10:00:00Z");
        assert_eq!(time(&Value::Null), "");
    }
}
