//! Where `shopwright login` keeps which host is meant: `profiles.toml` in the user's configuration folder,
//! readable by the user alone.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result, at_file};

/// A host and a token for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Profile {
    /// The host's address.
    pub url: String,
    /// The token.
    pub token: String,
    /// The shop that is meant, for tokens of every shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("shopwright").join("profiles.toml"))
}

/// The profile of that name, if there is one.
pub fn read(name: &str) -> Result<Option<Profile>> {
    let Some(path) = path().filter(|path| path.exists()) else { return Ok(None) };
    let text = fs::read_to_string(&path).map_err(at_file(&path))?;
    let mut file: File = toml::from_str(&text).map_err(|error| {
        Failure::new("profile", format!("{}: {error}", path.display()))
            .remedy("Correct the file, or delete it and log in again.")
    })?;
    Ok(file.profiles.remove(name))
}

/// Keeps a profile; where it was written.
pub fn write(name: &str, profile: Profile) -> Result<PathBuf> {
    let path = path().ok_or_else(|| Failure::new("profile", "neither XDG_CONFIG_HOME nor HOME is set"))?;
    let mut file: File = match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).unwrap_or_default(),
        Err(_) => File::default(),
    };
    file.profiles.insert(name.to_owned(), profile);
    let text = toml::to_string(&file).map_err(|error| Failure::new("profile", error.to_string()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at_file(folder))?;
    }
    write_secret(&path, &text)?;
    Ok(path)
}

/// Writes a file that only the user can read.
pub fn write_secret(path: &std::path::Path, text: &str) -> Result {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(at_file(path))?;
    file.write_all(text.as_bytes()).map_err(at_file(path))
}
