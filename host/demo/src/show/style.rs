//! Lines with colours.

use std::fmt::Write as _;

/// How a piece of a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Bold,
    /// Good news.
    Green,
    /// Bad news.
    Red,
    /// Attention.
    Yellow,
    /// Things.
    Cyan,
    /// Workflows.
    Magenta,
    /// Money and numbers.
    Blue,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Green => "1;32",
            Self::Red => "1;31",
            Self::Yellow => "33",
            Self::Cyan => "36",
            Self::Magenta => "35",
            Self::Blue => "34",
        }
    }
}

/// How much a line matters: what is shown when there is more than one can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Colour.
    Detail,
    /// Part of the plot.
    Normal,
    /// What one came for.
    Main,
    /// What must not be missed.
    Star,
}

/// A line of the show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub weight: Weight,
    /// Its pieces.
    pub pieces: Vec<(Style, String)>,
}

impl Line {
    /// An empty line of this weight.
    #[must_use]
    pub const fn new(weight: Weight) -> Self {
        Self { weight, pieces: Vec::new() }
    }

    /// With a further piece.
    #[must_use]
    pub fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.pieces.push((style, text.into()));
        self
    }

    /// Without any colour.
    #[must_use]
    pub fn plain(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// As terminals show it: at most `width` characters, with colours if wanted.
    #[must_use]
    pub fn render(&self, colour: bool, width: usize) -> String {
        let mut out = String::new();
        let mut left = width;
        let whole: usize = self.pieces.iter().map(|(_, text)| text.chars().count()).sum();
        for (style, text) in &self.pieces {
            if left == 0 {
                break;
            }
            let length = text.chars().count();
            let shown = if length < left || (length == left && whole <= width) {
                text.clone()
            } else {
                text.chars().take(left.saturating_sub(1)).chain(['…']).collect()
            };
            left = left.saturating_sub(length);
            if colour && !style.code().is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(out, "\x1b[{}m{shown}\x1b[0m", style.code());
            } else {
                out.push_str(&shown);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_colours_only_where_wanted() {
        let line = Line::new(Weight::Main).with(Style::Green, "recovered").with(Style::Plain, " Anna's cart");
        assert_eq!(line.render(false, 80), "recovered Anna's cart");
        assert_eq!(line.render(false, 21), "recovered Anna's cart");
        assert_eq!(line.render(false, 15), "recovered Anna…");
        assert_eq!(line.render(false, 9), "recovere…");
        assert_eq!(line.render(true, 80), "\x1b[1;32mrecovered\x1b[0m Anna's cart");
        assert_eq!(line.plain().chars().count(), 21);
    }
}
