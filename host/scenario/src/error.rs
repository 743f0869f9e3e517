//! What is wrong with a scenario file, where, and what to do about it.

use std::{fmt, path::Path};

/// A scenario that could not be read or carried out as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScenarioError { file, line, column, message, remedy } = self;
        write!(f, "{file}:{line}:{column}: {message}\n  remedy: {remedy}")
    }
}

impl std::error::Error for ScenarioError {}

/// A file's text, which turns offsets into places.
#[derive(Debug)]
pub(crate) struct Source {
    pub file: String,
    pub text: String,
}

impl Source {
    pub fn read(path: &Path) -> Result<Source, ScenarioError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Source { file, text }),
            Err(error) => Err(ScenarioError {
                message: format!("the file cannot be read: {error}"),
                remedy: "check that it is there and readable".into(),
                file,
                line: 1,
                column: 1,
            }),
        }
    }

    /// Line and column, from 1, of a byte offset.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    pub fn error(&self, offset: usize, message: impl Into<String>, remedy: impl Into<String>) -> ScenarioError {
        let (line, column) = self.place(offset);
        ScenarioError { file: self.file.clone(), line, column, message: message.into(), remedy: remedy.into() }
    }
}
