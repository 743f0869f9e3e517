//! What a kept demo remembers beside its store: from what it was made, and what time it is there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shopwright_model::Millis;

use crate::{DemoError, Size};

const FILE: &str = "demo.json";

/// The notes of a kept demo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// From what the shop was made.
    pub seed: u64,
    /// How large it was made.
    pub size: Size,
    /// When its past ended.
    pub start: Millis,
    /// What time it is there.
    pub now: Millis,
    /// How often it was opened before.
    pub sessions: u64,
    /// The shop was filled to the end.
    pub filled: bool,
}

impl Notes {
    /// The notes in a folder; none: there was no demo in it.
    pub fn read(folder: &Path) -> Result<Option<Self>, DemoError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DemoError::folder(path)(error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| DemoError::Notes { path, reason: error.to_string() })
    }

    /// Writes them; a crash leaves the old ones or the new ones.
    pub fn write(&self, folder: &Path) -> Result<(), DemoError> {
        let (path, draft): (PathBuf, PathBuf) = (folder.join(FILE), folder.join("demo.json.new"));
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        std::fs::write(&draft, text).map_err(DemoError::folder(&draft))?;
        std::fs::rename(&draft, &path).map_err(DemoError::folder(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back_and_strange_ones_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Notes::read(folder.path()).expect("nothing there"), None);
        let notes = Notes { seed: 7, size: Size::SMALL, start: 1, now: 2, sessions: 3, filled: true };
        notes.write(folder.path()).expect("written");
        assert_eq!(Notes::read(folder.path()).expect("read"), Some(notes));
        std::fs::write(folder.path().join(FILE), "{}").expect("written");
        assert!(matches!(Notes::read(folder.path()), Err(DemoError::Notes { .. })));
    }
}
