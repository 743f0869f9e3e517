//! The manifest inside the component: custom section `shopwright:manifest`, the manifest as JSON with
//! a `format` number. The component's digest covers it, so that nobody can change one without the other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Manifest;
use crate::RegistryError;

/// Name of the custom section.
pub const SECTION: &str = "shopwright:manifest";

/// The format this version writes, and the newest it reads.
pub const FORMAT: u64 = 1;

/// A manifest is at most this long as JSON: 2 MiB.
const MAX_BYTES: usize = 2 << 20;

/// A component's preamble: magic, version 13, layer 1.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    manifest: &'a Manifest,
}

#[derive(Deserialize)]
struct Read {
    format: u64,
    manifest: Value,
}

/// The component with `manifest` as its last section, in place of one that was there. The same input
/// gives the same bytes.
///
/// # Errors
/// [`RegistryError::NotAComponent`], also for a truncated one; [`RegistryError::InvalidManifest`].
pub fn embed(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>, RegistryError> {
    if let Some(problem) = manifest.problems().into_iter().next() {
        return Err(RegistryError::InvalidManifest { problem });
    }
    let json = serde_json::to_vec(&Written { format: FORMAT, manifest })
        .map_err(|error| RegistryError::MalformedManifest { reason: error.to_string() })?;
    if json.len() > MAX_BYTES {
        return Err(RegistryError::MalformedManifest { reason: too_long(json.len()) });
    }
    let mut out = Vec::with_capacity(component.len() + json.len() + 32);
    out.extend_from_slice(&COMPONENT);
    for section in sections(component)? {
        if section.custom_name != Some(SECTION) {
            out.extend_from_slice(section.whole);
        }
    }
    out.push(0);
    push_leb128(&mut out, leb128_len(SECTION.len()) + SECTION.len() + json.len());
    push_leb128(&mut out, SECTION.len());
    out.extend_from_slice(SECTION.as_bytes());
    out.extend_from_slice(&json);
    Ok(out)
}

/// The manifest that the component carries; none where it carries none. What comes back has passed
/// every rule: a component can be built by anybody.
///
/// # Errors
/// [`RegistryError::NotAComponent`]; [`RegistryError::LaterFormat`]; [`RegistryError::MalformedManifest`]
/// where the section is no manifest or there are two; [`RegistryError::InvalidManifest`] where it
/// breaks a rule.
pub fn extract(component: &[u8]) -> Result<Option<Manifest>, RegistryError> {
    let malformed = |reason: String| RegistryError::MalformedManifest { reason };
    let mut found = None;
    for section in sections(component)? {
        if section.custom_name == Some(SECTION) && found.replace(section.content).is_some() {
            return Err(malformed("there are two of them; build the plugin again".into()));
        }
    }
    let Some(json) = found else { return Ok(None) };
    if json.len() > MAX_BYTES {
        return Err(malformed(too_long(json.len())));
    }
    // The format comes first: a later one may have any shape.
    let read: Read = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
    if read.format > FORMAT {
        return Err(RegistryError::LaterFormat { found: read.format, known: FORMAT });
    }
    if read.format == 0 {
        return Err(malformed("format 0 does not exist".into()));
    }
    let manifest: Manifest = serde_json::from_value(read.manifest).map_err(|error| malformed(error.to_string()))?;
    match manifest.problems().into_iter().next() {
        Some(problem) => Err(RegistryError::InvalidManifest { problem }),
        None => Ok(Some(manifest)),
    }
}

fn too_long(bytes: usize) -> String {
    format!("it is {bytes} bytes long, more than {MAX_BYTES}; shorten the templates or the settings schema")
}

/// A section at the component's top level.
struct Section<'a> {
    /// Id and length included.
    whole: &'a [u8],
    /// The name, of a custom section.
    custom_name: Option<&'a str>,
    /// What follows the name, of a custom section.
    content: &'a [u8],
}

/// The top-level sections. Nested modules and components are single sections here: a custom section
/// inside one of them is theirs, not the component's.
fn sections(component: &[u8]) -> Result<Vec<Section<'_>>, RegistryError> {
    let wrong = |reason: String| RegistryError::NotAComponent { reason };
    match component.get(..8) {
        Some(preamble) if preamble == COMPONENT => {}
        Some(preamble) if preamble == MODULE => return Err(wrong("it is a core module".into())),
        Some(preamble) if preamble.starts_with(b"\0asm") => {
            return Err(wrong(format!("unknown binary version {}", hex::encode(&preamble[4..]))));
        }
        Some(_) => return Err(wrong("it does not begin with the WebAssembly magic number".into())),
        None => return Err(wrong(format!("only {} bytes", component.len()))),
    }
    let mut found = Vec::new();
    let mut at = 8;
    while at < component.len() {
        let truncated = || wrong(format!("truncated: the section at byte {at} has no end"));
        let id = component[at];
        let (length, header) = read_leb128(&component[at + 1..]).ok_or_else(truncated)?;
        let start = at + 1 + header;
        let end = start.checked_add(length).filter(|end| *end <= component.len()).ok_or_else(truncated)?;
        let body = &component[start..end];
        let (custom_name, content) = if id == 0 {
            let bad_name = || wrong(format!("the custom section at byte {at} has no proper name"));
            let (length, header) = read_leb128(body).ok_or_else(bad_name)?;
            let name_end = header.checked_add(length).filter(|end| *end <= body.len()).ok_or_else(bad_name)?;
            let name = std::str::from_utf8(&body[header..name_end]).map_err(|_| bad_name())?;
            (Some(name), &body[name_end..])
        } else {
            (None, body)
        };
        found.push(Section { whole: &component[at..end], custom_name, content });
        at = end;
    }
    Ok(found)
}

/// An unsigned 32-bit LEB128 number and how many bytes it took.
fn read_leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| (value as usize, index + 1));
        }
    }
    None
}

fn push_leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn leb128_len(value: usize) -> usize {
    let mut out = Vec::new();
    push_leb128(&mut out, value);
    out.len()
}
