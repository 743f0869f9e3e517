//! Catalogues in registries and folders.

use bytes::Bytes;

use super::document::Catalogue;
use crate::RegistryError;
use crate::oci::{self, Client, Descriptor, ImageManifest, Layout, Reference, Source};
use crate::signing::{self, PublicKey, Publisher, SigningKey, Trust, TrustedKey, Verified};

/// Media type of a catalogue, and type of its artifact.
pub const CATALOGUE_TYPE: &str = "application/vnd.shopwright.catalogue.v1+json";

/// The config that says nothing, as the OCI specification has it for artifacts with a type of their own.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// A catalogue is at most 16 MiB.
const LIMIT: u64 = 16 << 20;

/// A catalogue as it was found, its signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Where it came from, pinned to the digest that came.
    pub reference: Reference,
    /// Who signed it.
    pub verified: Verified,
}

/// Pushes a catalogue to the tag of `reference` (`latest` where it has none) and signs it. Gives the
/// pinned reference.
///
/// # Errors
/// [`RegistryError::Catalogue`] where a later one is there, or another of the same revision: somebody
/// else changed it in between; those of the registry.
pub async fn publish(
    client: &Client,
    reference: &Reference,
    catalogue: &Catalogue,
    key: &SigningKey,
) -> Result<Reference, RegistryError> {
    let reference = reference.with_tag(reference.tag().unwrap_or("latest"));
    let json = catalogue.to_json();
    let source = Source::Registry(client.clone());
    match read(&source, &reference).await {
        Ok((there, _))
            if there.revision > catalogue.revision || (there.revision == catalogue.revision && there != *catalogue) =>
        {
            return Err(RegistryError::Catalogue {
                name: catalogue.name.clone(),
                reason: format!(
                    "revision {} is at {reference}, and this one is {}: load that one and make the change again",
                    there.revision, catalogue.revision
                ),
            });
        }
        Ok(_) | Err(RegistryError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let config = b"{}".as_slice();
    let mut image = ImageManifest::new(Descriptor::of(EMPTY_TYPE, config), vec![Descriptor::of(CATALOGUE_TYPE, &json)]);
    image.artifact_type = Some(CATALOGUE_TYPE.to_owned());
    image.annotations.insert("org.opencontainers.image.title".into(), catalogue.title.clone());
    client.put_blob(&reference, Bytes::from(json)).await?;
    client.put_blob(&reference, Bytes::from_static(config)).await?;
    let image = Bytes::from(image.to_bytes());
    // Signed before the tag is set: nobody sees an unsigned catalogue in between.
    let pinned = reference.with_digest(&crate::digest(&image));
    signing::sign(client, &pinned, key).await?;
    client.put_manifest(&reference, image).await?;
    Ok(pinned)
}

/// Loads the catalogue that `reference` names and verifies its signature; `seen` is the newest revision of
/// it that was seen before.
///
/// # Errors
/// [`RegistryError::WrongArtifact`] where it is no catalogue, those of [`signing::verify`],
/// [`RegistryError::Catalogue`] where another than its publisher signed it, [`RegistryError::MovedBack`]
/// where it is older than what was seen; those of the source.
pub async fn load(
    source: &Source,
    reference: &Reference,
    trust: &Trust,
    seen: Option<u64>,
) -> Result<Loaded, RegistryError> {
    let found = read(source, reference).await?;
    vouched(source, reference, found, trust, seen).await
}

/// As [`load`], where it is known which key signs the catalogue: its publisher is who the catalogue says.
///
/// # Errors
/// As [`load`].
pub async fn load_signed_with(
    source: &Source,
    reference: &Reference,
    key: &PublicKey,
    seen: Option<u64>,
) -> Result<Loaded, RegistryError> {
    let found = read(source, reference).await?;
    let publisher = Publisher {
        name: found.0.publisher.clone(),
        keys: vec![TrustedKey { name: "catalogue".into(), key: *key }],
        namespaces: vec![reference.name()],
    };
    vouched(source, reference, found, &Trust { publishers: vec![publisher] }, seen).await
}

async fn vouched(
    source: &Source,
    reference: &Reference,
    (catalogue, pinned): (Catalogue, Reference),
    trust: &Trust,
    seen: Option<u64>,
) -> Result<Loaded, RegistryError> {
    let verified = signing::verify(source, &pinned, trust).await?;
    if verified.publisher != catalogue.publisher {
        return Err(RegistryError::Catalogue {
            name: catalogue.name,
            reason: format!("it says that {} keeps it, but {} signed it", catalogue.publisher, verified.publisher),
        });
    }
    if let Some(seen) = seen.filter(|seen| *seen > catalogue.revision) {
        return Err(RegistryError::MovedBack {
            reference: reference.to_string(),
            known: format!("revision {seen}"),
            found: format!("revision {}", catalogue.revision),
        });
    }
    Ok(Loaded { catalogue, reference: pinned, verified })
}

/// The catalogue, its signature not verified yet.
async fn read(source: &Source, reference: &Reference) -> Result<(Catalogue, Reference), RegistryError> {
    let raw = source.manifest(reference).await?;
    let pinned = reference.with_digest(&raw.digest);
    let wrong =
        |reason: String| RegistryError::WrongArtifact { reference: pinned.to_string(), what: "catalogue", reason };
    let image = ImageManifest::parse(&raw.bytes).map_err(wrong)?;
    let [layer] = image.layers.as_slice() else {
        return Err(wrong(format!("it has {} layers, not one", image.layers.len())));
    };
    if layer.media_type != CATALOGUE_TYPE {
        return Err(wrong(format!("its layer is {}, not {CATALOGUE_TYPE}", layer.media_type)));
    }
    let json = source.blob(&pinned, layer, "catalogue", LIMIT).await?;
    Ok((Catalogue::from_json(&json)?, pinned))
}

/// Copies a catalogue with its signature into a folder, for shops without a network; with `plugins`, every
/// version in it that is not yanked too. It is loaded from there by the same reference, and installed from
/// there by the references in it.
///
/// # Errors
/// Those of the source, and [`RegistryError::File`].
pub async fn copy(
    source: &Source,
    reference: &Reference,
    target: &Layout,
    plugins: bool,
) -> Result<Reference, RegistryError> {
    let reference = reference.with_tag(reference.tag().unwrap_or("latest"));
    let pinned = oci::copy(source, &reference, target).await?;
    if plugins {
        let (catalogue, _) = read(source, &pinned).await?;
        let versions = catalogue.entries.iter().flat_map(|entry| &entry.versions);
        for version in versions.filter(|version| version.yanked.is_none()) {
            oci::copy(source, &version.reference, target).await?;
        }
    }
    Ok(pinned)
}
