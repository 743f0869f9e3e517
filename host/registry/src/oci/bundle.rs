//! Artifacts in memory: the plugins that are in the binary itself, behind the same door as all others.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Package, RawManifest, Reference, pack};
use crate::RegistryError;

/// The registry that the references of a bundle name. The domain is reserved (RFC 2606): nobody on the
/// network can ever answer for it.
pub const BUILT_IN: &str = "built-in.invalid";

/// Artifacts in memory. They need no signature: who trusts the binary trusts them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    held: Arc<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By digest: manifests, configs and components.
    blobs: HashMap<String, Vec<u8>>,
    /// Digests of manifests, by reference with tag.
    tags: HashMap<String, String>,
    references: Vec<Reference>,
}

impl Bundle {
    /// A bundle of these plugins, each at `built-in.invalid/PUBLISHER/NAME:VERSION`.
    ///
    /// # Errors
    /// Those of [`pack`].
    pub fn new(packages: &[Package]) -> Result<Bundle, RegistryError> {
        let mut held = Held::default();
        for package in packages {
            let packed = pack(package)?;
            let manifest = &packed.manifest;
            let name = format!("{BUILT_IN}/{}/{}", manifest.publisher, manifest.name);
            let tag = manifest.version.to_string().replace('+', "_");
            let reference = name.parse::<Reference>()?.with_tag(&tag);
            held.tags.insert(reference.to_string(), packed.digest.clone());
            held.references.push(reference.with_digest(&packed.digest));
            for bytes in [packed.image, packed.config, packed.component] {
                held.blobs.insert(crate::digest(&bytes), bytes);
            }
        }
        Ok(Bundle { held: Arc::new(held) })
    }

    /// Every artifact's pinned reference, in the order in which they were given.
    pub fn references(&self) -> &[Reference] {
        &self.held.references
    }

    pub(super) fn manifest(&self, reference: &Reference) -> Result<RawManifest, RegistryError> {
        let by_tag = || self.held.tags.get(&reference.with_tag(reference.selector()).to_string());
        let digest = reference.digest().or_else(|| by_tag().map(String::as_str));
        let digest = digest.ok_or_else(|| missing(reference, "artifact"))?;
        let bytes = self.blob(reference, digest, "artifact")?;
        Ok(RawManifest { bytes, digest: digest.to_owned() })
    }

    pub(super) fn blob(&self, reference: &Reference, digest: &str, what: &str) -> Result<Vec<u8>, RegistryError> {
        self.held.blobs.get(digest).cloned().ok_or_else(|| missing(reference, what))
    }
}

fn missing(reference: &Reference, what: &str) -> RegistryError {
    RegistryError::NotFound { what: what.to_owned(), reference: format!("{reference} in this binary") }
}
