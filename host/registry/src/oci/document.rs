//! The documents of the OCI image specification, as far as they concern us.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Media type of an image manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Names a blob by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    /// Whatever its makers say of it. Sorted, so that the same ones give the same bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Of these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: crate::digest(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        }
    }
}

/// An image manifest: a config and layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`MANIFEST_TYPE`].
    #[serde(default)]
    pub media_type: Option<String>,
    /// What the artifact is, where the config does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Describes the artifact.
    pub config: Descriptor,
    /// Is the artifact.
    pub layers: Vec<Descriptor>,
    /// Whatever its makers say of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// A manifest of our own.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> ImageManifest {
        ImageManifest {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.to_owned()),
            artifact_type: None,
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// As it is sent: always the same bytes for the same manifest.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and numbers is always JSON")
    }

    /// Reads one and checks that it is one, and that its digests are digests.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(bytes: &[u8]) -> Result<ImageManifest, String> {
        let manifest: ImageManifest =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest is no image manifest: {error}"))?;
        if manifest.schema_version != 2 || manifest.media_type.as_deref().is_some_and(|found| found != MANIFEST_TYPE) {
            let found = manifest.media_type.as_deref().unwrap_or("an older schema");
            return Err(format!("its manifest is {found}, not {MANIFEST_TYPE}"));
        }
        for descriptor in std::iter::once(&manifest.config).chain(&manifest.layers) {
            if !super::reference::is_digest(&descriptor.digest) {
                return Err(format!("\"{}\" in its manifest is no sha256 digest", descriptor.digest));
            }
        }
        Ok(manifest)
    }
}
