//! `shopwright.lock`: what was installed, pinned to digests, so that the same is installed again and a
//! registry that changes its mind is caught.

use std::path::Path;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::RegistryError;
use crate::oci::{Pulled, Reference};
use crate::signing::Verified;

/// The format that this version writes, and the newest it reads.
const FORMAT: u64 = 1;

/// What the file is called.
pub const FILE_NAME: &str = "shopwright.lock";

/// The pinned versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: u64,
    /// By publisher, name and version.
    #[serde(default, rename = "plugin", skip_serializing_if = "Vec::is_empty")]
    plugins: Vec<Locked>,
    /// By reference.
    #[serde(default, rename = "catalogue", skip_serializing_if = "Vec::is_empty")]
    catalogues: Vec<LockedCatalogue>,
}

/// One pinned version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// As the manifest names it.
    pub publisher: String,
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Where it came from: tag and digest.
    pub reference: Reference,
    /// Digest of the component.
    pub component: String,
    /// Fingerprint of the key that signed it; none where the operator took it unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_with: Option<String>,
}

/// The newest state of a catalogue that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedCatalogue {
    /// Tag and digest.
    pub reference: Reference,
    /// Counted up by every change.
    pub revision: u64,
}

impl Default for Lock {
    fn default() -> Lock {
        Lock { format: FORMAT, plugins: Vec::new(), catalogues: Vec::new() }
    }
}

impl Lock {
    /// A lock of these versions, for those who keep them elsewhere than in a file.
    pub fn of(plugins: Vec<Locked>) -> Lock {
        Lock { plugins, ..Lock::default() }
    }

    /// Reads the file; an empty lock where there is none.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn read(path: &Path) -> Result<Lock, RegistryError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => return Err(RegistryError::file(path, error)),
        };
        let lock: Lock = toml::from_str(&text).map_err(|error| RegistryError::file(path, error))?;
        if lock.format == 0 || lock.format > FORMAT {
            let reason = format!("it has format {}, this version reads {FORMAT}; upgrade shopwright", lock.format);
            return Err(RegistryError::file(path, reason));
        }
        if let Some(loose) = lock.plugins.iter().find(|locked| locked.reference.digest().is_none()) {
            return Err(RegistryError::file(path, format!("{} is not pinned to a digest", loose.reference)));
        }
        Ok(lock)
    }

    /// Writes the file, at once or not at all. The same lock gives the same bytes.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn write(&self, path: &Path) -> Result<(), RegistryError> {
        let text = toml::to_string(self).map_err(|error| RegistryError::file(path, error))?;
        let text = format!("# Written by shopwright: what is installed, pinned to digests.\n{text}");
        crate::oci::write_file(path, text.as_bytes())
    }

    /// The pinned versions, by publisher, name and version.
    pub fn plugins(&self) -> &[Locked] {
        &self.plugins
    }

    /// The pinned version.
    pub fn get(&self, publisher: &str, name: &str, version: &Version) -> Option<&Locked> {
        self.plugins.iter().find(|known| known.is(publisher, name, version))
    }

    /// Holds what was pulled against what was pinned.
    ///
    /// # Errors
    /// [`RegistryError::Moved`] where the version has another digest than before,
    /// [`RegistryError::MovedBack`] where its tag gave a newer version before.
    pub fn check(&self, pulled: &Pulled) -> Result<(), RegistryError> {
        let manifest = &pulled.manifest;
        let reference = || pulled.reference.to_string();
        if let Some(known) = self.get(&manifest.publisher, &manifest.name, &manifest.version)
            && known.component != pulled.component_digest
        {
            return Err(RegistryError::Moved {
                reference: reference(),
                expected: known.component.clone(),
                found: pulled.component_digest.clone(),
            });
        }
        let same_tag = |known: &&Locked| {
            let (before, now) = (&known.reference, &pulled.reference);
            now.tag().is_some() && before.name() == now.name() && before.tag() == now.tag()
        };
        match self.plugins.iter().filter(same_tag).map(|known| &known.version).max() {
            Some(newest) if *newest > manifest.version => Err(RegistryError::MovedBack {
                reference: reference(),
                known: newest.to_string(),
                found: manifest.version.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Pins what was pulled, after [`Lock::check`].
    ///
    /// # Errors
    /// Those of [`Lock::check`].
    pub fn pin(&mut self, pulled: &Pulled, verified: Option<&Verified>) -> Result<(), RegistryError> {
        self.check(pulled)?;
        let manifest = &pulled.manifest;
        self.unpin(&manifest.publisher, &manifest.name, &manifest.version);
        self.plugins.push(Locked {
            publisher: manifest.publisher.clone(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            reference: pulled.reference.clone(),
            component: pulled.component_digest.clone(),
            signed_with: verified.map(|verified| verified.fingerprint.clone()),
        });
        self.plugins.sort_by(|a, b| (&a.publisher, &a.name, &a.version).cmp(&(&b.publisher, &b.name, &b.version)));
        Ok(())
    }

    /// Forgets a version. True if it was there.
    pub fn unpin(&mut self, publisher: &str, name: &str, version: &Version) -> bool {
        let before = self.plugins.len();
        self.plugins.retain(|known| !known.is(publisher, name, version));
        self.plugins.len() < before
    }

    /// The newest revision of the catalogue at `reference` (by tag) that was seen.
    pub fn revision(&self, reference: &Reference) -> Option<u64> {
        self.catalogues.iter().find(|known| same_place(&known.reference, reference)).map(|known| known.revision)
    }

    /// Keeps the revision of a catalogue that was loaded.
    pub fn saw(&mut self, reference: &Reference, revision: u64) {
        self.catalogues.retain(|known| !same_place(&known.reference, reference));
        self.catalogues.push(LockedCatalogue { reference: reference.clone(), revision });
        self.catalogues.sort_by(|a, b| a.reference.cmp(&b.reference));
    }
}

impl Locked {
    fn is(&self, publisher: &str, name: &str, version: &Version) -> bool {
        self.publisher == publisher && self.name == name && self.version == *version
    }
}

fn same_place(a: &Reference, b: &Reference) -> bool {
    a.name() == b.name() && a.tag() == b.tag()
}
