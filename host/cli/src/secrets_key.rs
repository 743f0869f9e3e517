//! The key that the shops' secrets are sealed with: from the settings, or a file of its own.
//!
//! The file lies in the data folder, beside the database but not in it: a copy of the database alone opens no secret. With a
//! database that several nodes share the key has to be given, since all of them need the same.

use std::{
    io::{ErrorKind, Write as _},
    path::Path,
};

use shopwright_engine::Vault;

use crate::failure::{Failure, Result, at_file};

/// What the file is called.
const FILE: &str = "secrets.key";

/// The vault, with the key that was given or that of the file, which is made if it is not there. None: several nodes share
/// the database, and no key was given.
///
/// # Errors
/// A key that is none, a file that cannot be read or written or that others can read.
pub fn vault(given: Option<&str>, data_dir: &Path, shared: bool) -> Result<Option<Vault>> {
    let wrong = |error: shopwright_engine::VaultError| Failure::new("bad-secrets-key", error.to_string());
    if let Some(text) = given {
        return Vault::from_text(text).map(Some).map_err(wrong);
    }
    if shared {
        tracing::info!("no secrets can be set: give every node the same `[secrets] key`");
        return Ok(None);
    }
    let path = data_dir.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => {
            private(&path)?;
            text
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = Vault::new_key().map_err(wrong)?;
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt as _;
                options.mode(0o600);
            }
            let mut file = options.open(&path).map_err(at_file(&path))?;
            file.write_all(format!("{key}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(at_file(&path))?;
            tracing::info!(file = %path.display(), "made a key for secrets; keep a copy of it apart from the database's");
            key
        }
        Err(error) => return Err(at_file(&path)(error)),
    };
    Vault::from_text(&text).map(Some).map_err(|error| {
        Failure::new("bad-secrets-key", format!("{}: {error}", path.display())).remedy(
            "Restore the file from a copy. Without it, secrets that were set cannot be opened and must be set again.",
        )
    })
}

/// Refuses a key that others can read.
#[cfg(unix)]
fn private(path: &Path) -> Result {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_err(at_file(path))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let file = path.display();
    Err(Failure::new("open-secrets-key", format!("{file} can be read by other users (mode {:o})", mode & 0o777))
        .remedy(format!("chmod 600 {file}")))
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_for_this_user_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = format!("{:?}", vault(None, folder.path(), false).expect("a vault").expect("a key"));
        let file = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(format!("{:?}", vault(None, folder.path(), false).expect("a vault").expect("a key")), first);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert_eq!(vault(None, folder.path(), false).expect_err("refused").code(), "open-secrets-key");
        assert!(vault(None, folder.path(), true).expect("fine").is_none());
        assert!(vault(Some("short"), folder.path(), true).is_err());
    }
}
