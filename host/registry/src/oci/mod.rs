//! Plugins in OCI registries: the CNCF layout for WebAssembly, so that other people's clients read what
//! we push and we read what they push.
//!
//! The client is our own and small. It has to be: everything that comes is bounded in size before it is
//! kept, and compared with its digest before it is used, and every difference has an error of its own.
//!
//! - [`Reference`]: where something is.
//! - [`Client`]: the distribution protocol; [`Layout`]: the same in a folder; [`Bundle`]: the same in memory;
//!   [`Source`]: any of them.
//! - [`Package`], [`publish`], [`pull`]: a plugin as an artifact.

mod artifact;
mod auth;
mod bundle;
mod client;
mod document;
mod layout;
mod reference;

pub use artifact::{
    COMPONENT_LIMIT, Icon, Package, Packed, Published, Pulled, WASM_CONFIG_TYPE, WASM_LAYER_TYPE, annotation,
    created_from_env, pack, publish, pull,
};
pub use auth::{Credentials, DockerConfig};
pub use bundle::{BUILT_IN, Bundle};
pub use client::Client;
pub use document::{Descriptor, ImageManifest, MANIFEST_TYPE};
pub use layout::Layout;
pub use reference::Reference;

use crate::RegistryError;

pub(crate) use layout::write as write_file;

/// Copies the artifact that `reference` names, and the signatures beside it, into a folder. The signatures
/// are not verified: that is done again when the copy is used.
///
/// # Errors
/// Those of the source, and [`RegistryError::File`].
pub async fn copy(source: &Source, reference: &Reference, target: &Layout) -> Result<Reference, RegistryError> {
    let raw = source.manifest(reference).await?;
    let pinned = reference.with_digest(&raw.digest);
    copy_artifact(source, &pinned, &raw, target).await?;
    let beside = reference.with_tag(&crate::signing::signature_tag(&raw.digest));
    match source.manifest(&beside).await {
        Ok(raw) => copy_artifact(source, &beside, &raw, target).await?,
        Err(RegistryError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(pinned)
}

async fn copy_artifact(
    source: &Source,
    reference: &Reference,
    raw: &RawManifest,
    target: &Layout,
) -> Result<(), RegistryError> {
    let wrong =
        |reason: String| RegistryError::WrongArtifact { reference: reference.to_string(), what: "artifact", reason };
    let image = ImageManifest::parse(&raw.bytes).map_err(wrong)?;
    for descriptor in std::iter::once(&image.config).chain(&image.layers) {
        target.put_blob(&source.blob(reference, descriptor, "blob", COMPONENT_LIMIT).await?)?;
    }
    // The manifest last: what is in the index is complete.
    target.put_manifest(reference, &raw.bytes)
}

/// Where artifacts are read from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Over the network.
    Registry(Client),
    /// An OCI image layout on disk.
    Folder(Layout),
    /// In the binary itself.
    BuiltIn(Bundle),
}

/// A manifest as it came: its bytes are what its digest is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// Exactly what came.
    pub bytes: Vec<u8>,
    /// `sha256:…` of the bytes.
    pub digest: String,
}

impl Source {
    /// The manifest that `reference` names, its digest checked.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Lying`] and what the network does.
    pub async fn manifest(&self, reference: &Reference) -> Result<RawManifest, RegistryError> {
        match self {
            Source::Registry(client) => client.manifest(reference).await,
            Source::Folder(layout) => layout.manifest(reference),
            Source::BuiltIn(bundle) => bundle.manifest(reference),
        }
    }

    /// The blob that `descriptor` names in the repository of `reference`, its size and digest checked. `what`
    /// stands in errors; a blob that is announced with more than `limit` bytes is not asked for.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Lying`], [`RegistryError::Truncated`],
    /// [`RegistryError::TooLarge`] and what the network does.
    pub async fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        what: &str,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        if descriptor.size > limit {
            return Err(RegistryError::TooLarge { reference: reference.to_string(), what: what.to_owned(), limit });
        }
        let bytes = match self {
            Source::Registry(client) => client.blob(reference, descriptor, what).await?,
            Source::Folder(layout) => layout.blob(reference, &descriptor.digest, what)?,
            Source::BuiltIn(bundle) => bundle.blob(reference, &descriptor.digest, what)?,
        };
        let found = bytes.len() as u64;
        if found < descriptor.size {
            return Err(RegistryError::Truncated {
                reference: reference.to_string(),
                what: what.to_owned(),
                expected: descriptor.size,
                found,
            });
        }
        let lying = |expected: String, found: String| RegistryError::Lying {
            reference: reference.to_string(),
            what: what.to_owned(),
            expected,
            found,
        };
        if found > descriptor.size {
            return Err(lying(format!("{} bytes", descriptor.size), "more".into()));
        }
        let digest = crate::digest(&bytes);
        if digest != descriptor.digest {
            return Err(lying(descriptor.digest.clone(), digest));
        }
        Ok(bytes)
    }
}
