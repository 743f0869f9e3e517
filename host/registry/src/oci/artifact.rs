//! A plugin as an OCI artifact, in the CNCF layout for WebAssembly: a config of
//! `application/vnd.wasm.config.v0+json` and exactly one layer of `application/wasm`, the component.
//!
//! What people read of a plugin before they pull it (manifest, README, icon) travels in annotations of
//! the OCI manifest. More layers would break the layout for others' clients, and referring artifacts would
//! need the referrers API, which common registries lack, and a signature of their own; annotations are
//! covered by the one digest that is signed and pinned. Registries bound a manifest at 4 MiB, so each has a
//! bound here. The manifest inside the component is the one that counts: an annotation that differs from it
//! is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use super::document::{Descriptor, ImageManifest};
use super::{Client, RawManifest, Reference, Source};
use crate::{Manifest, RegistryError, extract};

/// Media type of the config.
pub const WASM_CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Media type of the one layer.
pub const WASM_LAYER_TYPE: &str = "application/wasm";

/// A component is at most 64 MiB: a guest with a whole Python in it has 18.
pub const COMPONENT_LIMIT: u64 = 64 << 20;
const CONFIG_LIMIT: u64 = 1 << 20;
/// A manifest is annotated up to this length; the longer ones are in the component alone.
const MANIFEST_LIMIT: usize = 512 << 10;
const README_LIMIT: usize = 256 << 10;
const CHANGELOG_LIMIT: usize = 64 << 10;
const ICON_LIMIT: usize = 64 << 10;

/// Names of the annotations that a plugin has.
pub mod annotation {
    /// The plugin's manifest, as JSON.
    pub const MANIFEST: &str = "dev.shopwright.plugin.manifest";
    /// README, in Markdown.
    pub const README: &str = "dev.shopwright.plugin.readme";
    /// What is new in this version, in Markdown.
    pub const CHANGELOG: &str = "dev.shopwright.plugin.changelog";
    /// The icon, as a `data:` address.
    pub const ICON: &str = "dev.shopwright.plugin.icon";
}

/// A picture of a plugin: PNG or WebP, known by its first bytes. SVG can carry scripts and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl Icon {
    /// The icon with these bytes; at most 64 KiB.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn new(bytes: Vec<u8>) -> Result<Icon, String> {
        let media_type = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            "image/png"
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            "image/webp"
        } else {
            return Err("an icon is a PNG or WebP picture".into());
        };
        if bytes.len() > ICON_LIMIT {
            return Err(format!("an icon of {} bytes is larger than {ICON_LIMIT}", bytes.len()));
        }
        Ok(Icon { media_type, bytes })
    }

    /// As a `data:` address, for a web page.
    pub fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, STANDARD.encode(&self.bytes))
    }

    fn parse(data_url: &str) -> Result<Icon, String> {
        let encoded = data_url.split_once(";base64,").map_or("", |(_, encoded)| encoded);
        Icon::new(STANDARD.decode(encoded).map_err(|_| "the icon is not base64")?)
    }
}

/// A plugin, ready to be pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The component with its manifest embedded.
    pub component: Vec<u8>,
    /// README, in Markdown; at most 256 KiB.
    pub readme: Option<String>,
    /// What is new in this version, in Markdown; at most 64 KiB.
    pub changelog: Option<String>,
    /// Its picture.
    pub icon: Option<Icon>,
    /// When it was made, in seconds since 1970: the same input gives the same digest only where this is the
    /// same too, so it is 0 or what [`created_from_env`] gives.
    pub created: i64,
}

/// `SOURCE_DATE_EPOCH` of the environment (seconds since 1970), else 0.
pub fn created_from_env() -> i64 {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// A plugin as the bytes that are pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// The plugin's manifest.
    pub manifest: Manifest,
    /// The OCI manifest's digest: the version's digest.
    pub digest: String,
    /// The OCI manifest.
    pub image: Vec<u8>,
    /// The config.
    pub config: Vec<u8>,
    /// The one layer.
    pub component: Vec<u8>,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Where, pinned to the digest.
    pub reference: Reference,
    /// Digest of the OCI manifest.
    pub digest: String,
    /// Digest of the component.
    pub component_digest: String,
    /// The plugin's manifest.
    pub manifest: Manifest,
}

/// What was pulled, everything compared with its digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// Where it came from, pinned to the digest that came.
    pub reference: Reference,
    /// Digest of the OCI manifest: what is signed and pinned.
    pub digest: String,
    /// The component.
    pub component: Vec<u8>,
    /// Digest of the component.
    pub component_digest: String,
    /// The manifest that is in the component.
    pub manifest: Manifest,
    /// README, in Markdown.
    pub readme: Option<String>,
    /// What is new in this version, in Markdown.
    pub changelog: Option<String>,
    /// Its picture.
    pub icon: Option<Icon>,
}

/// The config, as the CNCF layout has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: String,
    author: &'a str,
    architecture: &'a str,
    os: &'a str,
    layer_digests: Vec<String>,
    component: Interface,
}

#[derive(Serialize)]
struct Interface {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

/// Of others' configs, what is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadConfig {
    #[serde(default)]
    layer_digests: Vec<String>,
}

/// The artifact that `package` is. The same package gives the same bytes.
///
/// # Errors
/// [`RegistryError::NotAComponent`] and the errors of its manifest; [`RegistryError::MalformedManifest`]
/// where it carries none; [`RegistryError::TooLarge`].
pub fn pack(package: &Package) -> Result<Packed, RegistryError> {
    let manifest = extract(&package.component)?.ok_or_else(|| RegistryError::MalformedManifest {
        reason: "there is none; build the component with `shopwright plugin build`".into(),
    })?;
    let what = format!("{} {}", manifest.name, manifest.version);
    let within = |part: &str, bytes: usize, limit: usize| {
        let too_large = RegistryError::TooLarge { reference: what.clone(), what: part.to_owned(), limit: limit as u64 };
        if bytes > limit { Err(too_large) } else { Ok(()) }
    };
    within("component", package.component.len(), COMPONENT_LIMIT as usize)?;
    within("README", package.readme.as_ref().map_or(0, String::len), README_LIMIT)?;
    within("changelog", package.changelog.as_ref().map_or(0, String::len), CHANGELOG_LIMIT)?;
    let layer = Descriptor::of(WASM_LAYER_TYPE, &package.component);
    let created = rfc3339(package.created);
    let config = Config {
        created: created.clone(),
        author: &manifest.publisher,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![layer.digest.clone()],
        component: interface(&package.component)?,
    };
    let config = serde_json::to_vec(&config).expect("a struct of strings is always JSON");
    let mut image = ImageManifest::new(Descriptor::of(WASM_CONFIG_TYPE, &config), vec![layer]);
    let mut note = |name: &str, text: &str| image.annotations.insert(name.to_owned(), text.to_owned());
    note("org.opencontainers.image.created", &created);
    note("org.opencontainers.image.title", &manifest.title);
    note("org.opencontainers.image.description", &manifest.summary);
    note("org.opencontainers.image.version", &manifest.version.to_string());
    note("org.opencontainers.image.vendor", &manifest.publisher);
    for (name, text) in [
        ("org.opencontainers.image.licenses", &manifest.license),
        ("org.opencontainers.image.url", &manifest.homepage),
        (annotation::README, &package.readme),
        (annotation::CHANGELOG, &package.changelog),
        (annotation::ICON, &package.icon.as_ref().map(Icon::data_url)),
    ] {
        if let Some(text) = text {
            note(name, text);
        }
    }
    let json = manifest_json(&manifest);
    if json.len() <= MANIFEST_LIMIT {
        note(annotation::MANIFEST, &json);
    }
    let image = image.to_bytes();
    Ok(Packed { digest: crate::digest(&image), manifest, image, config, component: package.component.clone() })
}

fn manifest_json(manifest: &Manifest) -> String {
    serde_json::to_string(manifest).expect("a checked manifest is always JSON")
}

/// Seconds since 1970 as RFC 3339.
fn rfc3339(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0)
        .unwrap_or(chrono::DateTime::UNIX_EPOCH)
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The names that the component imports and exports.
fn interface(component: &[u8]) -> Result<Interface, RegistryError> {
    let wrong = |error: wasmparser::BinaryReaderError| RegistryError::NotAComponent { reason: error.to_string() };
    let mut found = Interface { exports: Vec::new(), imports: Vec::new(), target: None };
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(wrong)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.imports.push(import.map_err(wrong)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    found.exports.push(export.map_err(wrong)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Pushes a plugin to where `reference` says, under its tag, or under its version where it has none. A tag
/// that is a version has to be the manifest's.
///
/// # Errors
/// Those of [`pack`]; [`RegistryError::WrongArtifact`] where the tag says another version; those of the
/// registry.
pub async fn publish(client: &Client, reference: &Reference, package: &Package) -> Result<Published, RegistryError> {
    let packed = pack(package)?;
    let version = packed.manifest.version.to_string();
    // A tag has no `+`.
    let reference = match reference.tag() {
        Some(tag) => reference.with_tag(tag),
        None => reference.with_tag(&version.replace('+', "_")),
    };
    check_tag(&reference, &packed.manifest)?;
    client.put_blob(&reference, Bytes::from(packed.component)).await?;
    client.put_blob(&reference, Bytes::from(packed.config)).await?;
    let digest = client.put_manifest(&reference, Bytes::from(packed.image)).await?;
    Ok(Published {
        reference: reference.with_digest(&digest),
        digest,
        component_digest: crate::digest(&package.component),
        manifest: packed.manifest,
    })
}

fn check_tag(reference: &Reference, manifest: &Manifest) -> Result<(), RegistryError> {
    let version = reference.tag().and_then(|tag| semver::Version::parse(&tag.replace('_', "+")).ok());
    match version {
        Some(tagged) if tagged != manifest.version => Err(RegistryError::WrongArtifact {
            reference: reference.to_string(),
            what: "plugin of that version",
            reason: format!("its manifest says {}", manifest.version),
        }),
        _ => Ok(()),
    }
}

/// Pulls the plugin that `reference` names, by tag or digest. Nothing is given back that was not compared
/// with its digest and size; whether to trust it is [`crate::signing`]'s matter.
///
/// # Errors
/// [`RegistryError::WrongArtifact`] for something else than a plugin; [`RegistryError::Lying`],
/// [`RegistryError::Truncated`], [`RegistryError::NotFound`] where what comes is not what was announced.
pub async fn pull(source: &Source, reference: &Reference) -> Result<Pulled, RegistryError> {
    let RawManifest { bytes, digest } = source.manifest(reference).await?;
    let pinned = reference.with_digest(&digest);
    let wrong = |reason: String| RegistryError::WrongArtifact { reference: pinned.to_string(), what: "plugin", reason };
    let image = ImageManifest::parse(&bytes).map_err(wrong)?;
    if image.config.media_type != WASM_CONFIG_TYPE {
        return Err(wrong(format!("its config is {}, not {WASM_CONFIG_TYPE}", image.config.media_type)));
    }
    let [layer] = image.layers.as_slice() else {
        return Err(wrong(format!("it has {} layers, not one", image.layers.len())));
    };
    if layer.media_type != WASM_LAYER_TYPE {
        return Err(wrong(format!("its layer is {}, not {WASM_LAYER_TYPE}", layer.media_type)));
    }
    let config = source.blob(&pinned, &image.config, "config", CONFIG_LIMIT).await?;
    let config: ReadConfig =
        serde_json::from_slice(&config).map_err(|error| wrong(format!("its config is none: {error}")))?;
    if !config.layer_digests.is_empty() && config.layer_digests != [layer.digest.clone()] {
        return Err(wrong("its config speaks of another layer".into()));
    }
    let component = source.blob(&pinned, layer, "component", COMPONENT_LIMIT).await?;
    let manifest = extract(&component)?
        .ok_or_else(|| wrong("its component carries no manifest: it is somebody's component, but no plugin".into()))?;
    if let Some(annotated) = image.annotations.get(annotation::MANIFEST) {
        // Usually the same text; another version of the tools may have written it in another order.
        let same = *annotated == manifest_json(&manifest)
            || serde_json::from_str::<Manifest>(annotated).is_ok_and(|shown| shown == manifest);
        if !same {
            return Err(wrong("the manifest that it shows is not the one in its component".into()));
        }
    }
    check_tag(&pinned, &manifest)?;
    let bounded = |name: &str, limit: usize| image.annotations.get(name).filter(|text| text.len() <= limit).cloned();
    let icon = image.annotations.get(annotation::ICON).map(|text| Icon::parse(text)).transpose().map_err(wrong)?;
    Ok(Pulled {
        component_digest: layer.digest.clone(),
        readme: bounded(annotation::README, README_LIMIT),
        changelog: bounded(annotation::CHANGELOG, CHANGELOG_LIMIT),
        icon,
        reference: pinned,
        digest,
        component,
        manifest,
    })
}
