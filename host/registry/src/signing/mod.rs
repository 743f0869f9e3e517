//! Signatures of artifacts, in the format of cosign (ECDSA P-256 over a simple-signing payload, kept
//! beside the artifact under the tag `sha256-….sig`), so that cosign signs for us and verifies ours.
//!
//! - [`SigningKey`], [`PublicKey`]: key files.
//! - [`sign`]: adds a signature to a pushed artifact.
//! - [`Trust`]: publishers, their keys and where they may publish; [`verify`]: holds an artifact against it.

mod key;
mod payload;
mod trust;

pub use key::{PublicKey, SigningKey};
pub use payload::{PAYLOAD_TYPE, Payload, SIGNATURE_ANNOTATION, SIGNATURE_TYPE};
pub use trust::{Publisher, Trust, TrustedKey, Verified};

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::RegistryError;
use crate::oci::{Client, Descriptor, ImageManifest, Reference, Source};

/// A payload is at most this long.
const PAYLOAD_LIMIT: u64 = 64 << 10;

/// More signatures of one artifact are not looked at.
const MAX_SIGNATURES: usize = 64;

/// One signature as it was found; nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// ECDSA signature of them, DER.
    pub der: Vec<u8>,
}

/// The tag under which signatures of the artifact with that digest are kept.
pub fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// Signs the artifact that `reference` is pinned to, and keeps the signature beside it. Other signatures
/// that are there stay.
///
/// # Errors
/// [`RegistryError::InvalidReference`] for a reference without digest; those of the registry.
pub async fn sign(client: &Client, reference: &Reference, key: &SigningKey) -> Result<(), RegistryError> {
    let digest = pinned(reference)?;
    let payload = Payload::new(&reference.name(), digest).to_bytes();
    let mut layer = Descriptor::of(PAYLOAD_TYPE, &payload);
    layer.annotations = BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(key.sign(&payload)))]);
    let beside = reference.with_tag(&signature_tag(digest));
    let mut layers = match client.manifest(&beside).await {
        Ok(raw) => ImageManifest::parse(&raw.bytes).map(|image| image.layers).unwrap_or_default(),
        Err(RegistryError::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    layers.retain(|known| known != &layer);
    layers.push(layer);
    let config = payload::config(&layers);
    client.put_blob(&beside, Bytes::from(payload)).await?;
    client.put_blob(&beside, Bytes::from(config.clone())).await?;
    let image = ImageManifest::new(Descriptor::of(SIGNATURE_TYPE, &config), layers);
    client.put_manifest(&beside, Bytes::from(image.to_bytes())).await.map(drop)
}

/// The signatures that are kept beside the artifact that `reference` is pinned to.
///
/// # Errors
/// [`RegistryError::Unsigned`] where there is none, [`RegistryError::MalformedSignature`] where what is there
/// cannot be read; those of the registry.
pub async fn signatures(source: &Source, reference: &Reference) -> Result<Vec<Signature>, RegistryError> {
    let digest = pinned(reference)?;
    let unsigned = || RegistryError::Unsigned { reference: reference.to_string() };
    let malformed = |reason: String| RegistryError::MalformedSignature { reference: reference.to_string(), reason };
    let beside = reference.with_tag(&signature_tag(digest));
    let raw = match source.manifest(&beside).await {
        Err(RegistryError::NotFound { .. }) => return Err(unsigned()),
        other => other?,
    };
    let image = ImageManifest::parse(&raw.bytes).map_err(malformed)?;
    let mut found = Vec::new();
    for layer in image.layers.iter().filter(|layer| layer.media_type == PAYLOAD_TYPE).take(MAX_SIGNATURES) {
        // Keyless signatures and attestations have layers of their own kinds; one without this annotation is none.
        let Some(encoded) = layer.annotations.get(SIGNATURE_ANNOTATION) else { continue };
        let der = STANDARD.decode(encoded.trim()).map_err(|_| malformed("it is not base64".into()))?;
        let payload = source.blob(&beside, layer, "signed payload", PAYLOAD_LIMIT).await?;
        found.push(Signature { payload, der });
    }
    if found.is_empty() { Err(unsigned()) } else { Ok(found) }
}

/// Verifies that a trusted publisher signed the artifact that `reference` is pinned to.
///
/// # Errors
/// [`RegistryError::Unsigned`], [`RegistryError::Untrusted`], [`RegistryError::WrongKey`],
/// [`RegistryError::WrongNamespace`], [`RegistryError::CopiedSignature`],
/// [`RegistryError::MalformedSignature`]; those of the registry.
pub async fn verify(source: &Source, reference: &Reference, trust: &Trust) -> Result<Verified, RegistryError> {
    let signatures = signatures(source, reference).await?;
    trust.judge(reference, &signatures)
}

/// The digest of a pinned reference.
fn pinned(reference: &Reference) -> Result<&str, RegistryError> {
    reference.digest().ok_or_else(|| RegistryError::InvalidReference {
        text: reference.to_string(),
        reason: "a signature is of a digest, and it has none".into(),
    })
}
