//! What a plugin says of itself, and how it travels.
//!
//! - [`Manifest`]: `plugin.toml`, checked with file, line and remedy, and embedded in the component
//!   as the custom section `shopwright:manifest` ([`embed`], [`extract`]).
//! - [`permissions`]: what the functions a component imports mean, in words.
//! - [`settings`]: the JSON Schema of a plugin's settings: checked, and settings checked against it.
//! - [`oci`]: plugins in OCI registries and folders. [`signing`]: who vouches for them.
//! - [`catalogue`]: signed lists of plugins, and looking in them. [`lock`]: what was installed, pinned.
//! - [`changelog`]: what is new in a version.
//!
//! Nothing here runs a plugin or talks to a store: the engine compiles the CEL and cron texts that a
//! manifest carries, and the sandbox says what a component imports.

pub mod catalogue;
pub mod changelog;
pub mod lock;
pub mod manifest;
pub mod oci;
pub mod permissions;
pub mod settings;
pub mod signing;

mod error;
mod json_place;
mod schema_bounds;

pub use catalogue::Catalogue;
pub use error::RegistryError;
pub use lock::Lock;
pub use manifest::{
    Concurrency, ConcurrencyRule, Limits, Manifest, ManifestError, Missed, Problem, Retry, SecretWanted, Template,
    Trigger, Workflow, embed, extract,
};
pub use permissions::{Difference, Kind, Permission, Risk};
pub use settings::{Settings, SettingsError};

use sha2::{Digest as _, Sha256};

/// `sha256:` and 64 hexadecimal digits: how a component, a blob or a document is named by content.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn digest_is_sha256_of_the_bytes() {
        // FIPS 180-2, "abc".
        assert_eq!(super::digest(b"abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
