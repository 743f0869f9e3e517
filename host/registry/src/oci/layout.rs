//! Artifacts in a folder: an OCI image layout (`oci-layout`, `index.json`, `blobs/sha256/…`), for copies
//! that are used without a network. Other people's clients read it too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::document::{Descriptor, MANIFEST_TYPE};
use super::{RawManifest, Reference};
use crate::RegistryError;

/// The annotation by which a manifest's reference is kept.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A folder of artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    manifests: Vec<Descriptor>,
}

impl Layout {
    /// The folder, begun where it is empty or not there.
    ///
    /// # Errors
    /// [`RegistryError::File`] where it cannot be written, or holds something else.
    pub fn create(folder: &Path) -> Result<Layout, RegistryError> {
        let layout = Layout { folder: folder.to_owned() };
        let marker = folder.join("oci-layout");
        if marker.exists() {
            return Layout::open(folder);
        }
        fs::create_dir_all(folder.join("blobs/sha256")).map_err(|error| RegistryError::file(folder, error))?;
        layout.write_index(&Index {
            schema_version: 2,
            media_type: Some("application/vnd.oci.image.index.v1+json".into()),
            manifests: Vec::new(),
        })?;
        write(&marker, LAYOUT.as_bytes())?;
        Ok(layout)
    }

    /// A folder that is there.
    ///
    /// # Errors
    /// [`RegistryError::File`] where it is no such folder.
    pub fn open(folder: &Path) -> Result<Layout, RegistryError> {
        let marker = folder.join("oci-layout");
        let text = fs::read_to_string(&marker).map_err(|error| RegistryError::file(&marker, error))?;
        let version: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        if version.as_ref().and_then(|version| version["imageLayoutVersion"].as_str()) != Some("1.0.0") {
            return Err(RegistryError::file(&marker, "not an OCI image layout of version 1.0.0"));
        }
        Ok(Layout { folder: folder.to_owned() })
    }

    /// Every reference that has a tag here, in order.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn references(&self) -> Result<Vec<Reference>, RegistryError> {
        let mut found: Vec<Reference> = self
            .index()?
            .manifests
            .iter()
            .filter_map(|descriptor| descriptor.annotations.get(REF_NAME)?.parse().ok())
            .collect();
        found.sort();
        Ok(found)
    }

    /// The manifest that `reference` names, its digest checked.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Lying`] where the file was changed,
    /// [`RegistryError::File`].
    pub fn manifest(&self, reference: &Reference) -> Result<RawManifest, RegistryError> {
        let digest = match reference.digest() {
            Some(digest) => digest.to_owned(),
            None => {
                let name = reference.with_tag(reference.selector()).to_string();
                let index = self.index()?;
                let known = index.manifests.into_iter().find(|known| known.annotations.get(REF_NAME) == Some(&name));
                let missing = || RegistryError::NotFound {
                    what: "artifact".into(),
                    reference: format!("{reference} in {}", self.folder.display()),
                };
                known.ok_or_else(missing)?.digest
            }
        };
        let bytes = self.blob(reference, &digest, "artifact")?;
        let found = crate::digest(&bytes);
        if found != digest {
            return Err(RegistryError::Lying {
                reference: reference.to_string(),
                what: "manifest".into(),
                expected: digest,
                found,
            });
        }
        Ok(RawManifest { bytes, digest })
    }

    /// A blob's bytes; the caller compares them.
    pub(super) fn blob(&self, reference: &Reference, digest: &str, what: &str) -> Result<Vec<u8>, RegistryError> {
        let path = self.path(digest).ok_or_else(|| RegistryError::WrongArtifact {
            reference: reference.to_string(),
            what: "layout",
            reason: format!("\"{digest}\" is no sha256 digest"),
        })?;
        fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => RegistryError::NotFound {
                what: what.to_owned(),
                reference: format!("{} in {}", reference.with_digest(digest), self.folder.display()),
            },
            _ => RegistryError::file(path, error),
        })
    }

    /// Stores a blob.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn put_blob(&self, bytes: &[u8]) -> Result<(), RegistryError> {
        let digest = crate::digest(bytes);
        let path = self.path(&digest).expect("our own digest is well-formed");
        if path.exists() { Ok(()) } else { write(&path, bytes) }
    }

    /// Stores a manifest, under the tag of `reference` if it has one.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn put_manifest(&self, reference: &Reference, bytes: &[u8]) -> Result<(), RegistryError> {
        self.put_blob(bytes)?;
        let mut descriptor = Descriptor::of(MANIFEST_TYPE, bytes);
        let mut index = self.index()?;
        match reference.tag() {
            Some(tag) => {
                let name = reference.with_tag(tag).to_string();
                index.manifests.retain(|known| known.annotations.get(REF_NAME) != Some(&name));
                descriptor.annotations = BTreeMap::from([(REF_NAME.to_owned(), name)]);
                index.manifests.push(descriptor);
            }
            None if index.manifests.iter().all(|known| known.digest != descriptor.digest) => {
                index.manifests.push(descriptor);
            }
            None => {}
        }
        index
            .manifests
            .sort_by(|a, b| (a.annotations.get(REF_NAME), &a.digest).cmp(&(b.annotations.get(REF_NAME), &b.digest)));
        self.write_index(&index)
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        super::reference::is_digest(digest).then(|| self.folder.join("blobs/sha256").join(&digest["sha256:".len()..]))
    }

    fn index(&self) -> Result<Index, RegistryError> {
        let path = self.folder.join("index.json");
        let bytes = fs::read(&path).map_err(|error| RegistryError::file(&path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| RegistryError::file(&path, error))
    }

    fn write_index(&self, index: &Index) -> Result<(), RegistryError> {
        let bytes = serde_json::to_vec_pretty(index).expect("a struct of strings and numbers is always JSON");
        write(&self.folder.join("index.json"), &bytes)
    }
}

/// Writes a file so that nobody ever sees half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = path.with_file_name(format!(".{name}.part"));
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(|error| RegistryError::file(path, error))
}
