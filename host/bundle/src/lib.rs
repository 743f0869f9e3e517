//! The first-party workflows, built for the sandbox and carried inside the binary.
//!
//! The build embeds what the compiler gave and what lies beside the code; [`package`] joins both into a
//! component with its manifest, as `shopwright plugin build` does for everybody's plugins.

mod market;

pub use market::{CATALOGUE, market};

use shopwright_registry::{Manifest, ManifestError, RegistryError};
use shopwright_sandbox::{Sandbox, SandboxError};

/// A plugin as the build left it.
pub(crate) struct Built {
    name: &'static str,
    component: &'static [u8],
    files: &'static [(&'static str, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/built.rs"));

/// A fault in what the binary carries: a fault of the build.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no such plugin in the binary.
    #[error("the binary carries no plugin `{0}`; it carries {known}", known = names().collect::<Vec<_>>().join(", "))]
    Unknown(String),
    /// Its manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its packaging.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its component.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Its settings schema.
    #[error("the settings schema of `{plugin}` is no JSON: {reason}")]
    Schema {
        /// Which plugin.
        plugin: &'static str,
        /// Why.
        reason: String,
    },
}

/// The workflows that the binary carries for shops.
pub const FIRST_PARTY: [&str; 3] = ["cart-recovery", "ticket-router", "dynamic-pricing"];

/// What `shopwright bench` runs.
pub const BENCH: &str = "bench-run";

/// All plugins in the binary.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT.iter().map(|built| built.name)
}

/// A plugin as a component with its manifest in it.
///
/// # Errors
/// No such plugin, or a fault of the build.
pub async fn package(sandbox: &Sandbox, name: &str) -> Result<Vec<u8>, BundleError> {
    let built = BUILT.iter().find(|built| built.name == name).ok_or_else(|| BundleError::Unknown(name.into()))?;
    let file = |name: &str| built.files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let text = file("plugin.toml").unwrap_or_default();
    let mut load = |name: &str| file(name).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound));
    let mut manifest = Manifest::parse_toml_with(&text, &format!("plugins/{name}/plugin.toml"), &mut load)?;
    if manifest.settings.is_none() {
        let compiled = sandbox.compile(built.component, &shopwright_registry::digest(built.component))?;
        if let Some(schema) = sandbox.call_no_imports(&compiled, "about", "settings-schema").await? {
            let schema: serde_json::Value = serde_json::from_str(&schema)
                .map_err(|error| BundleError::Schema { plugin: built.name, reason: error.to_string() })?;
            manifest.settings = Some(schema);
        }
    }
    Ok(shopwright_registry::embed(built.component, &manifest)?)
}

/// The SDK as this binary was built with it: (path, text), to be written beside a new plugin. Its
/// manifest stands by itself, without a workspace around it.
#[must_use]
pub fn sdk_files() -> Vec<(&'static str, String)> {
    let alone = |text: &str| {
        let mut out = String::new();
        let mut skip = false;
        for line in text.lines() {
            if line.starts_with('[') {
                skip = line == "[lints]";
            }
            if skip {
                continue;
            }
            let line = match line {
                "version.workspace = true" => concat!("version = \"", env!("CARGO_PKG_VERSION"), "\""),
                "edition.workspace = true" => "edition = \"2024\"",
                "rust-version.workspace = true" => concat!("rust-version = \"", env!("CARGO_PKG_RUST_VERSION"), "\""),
                "license.workspace = true" => "license = \"Apache-2.0\"",
                "publish.workspace = true" => "publish = false",
                "wit-bindgen.workspace = true" => {
                    "wit-bindgen = { version = \"0.61\", default-features = false, features = [\"macros\", \"realloc\"] }"
                }
                "schemars.workspace = true" => {
                    "schemars = { version = \"1.2\", default-features = false, features = [\"derive\", \"std\"] }"
                }
                other => other,
            };
            out.push_str(line);
            out.push('\n');
        }
        out
    };
    SDK.iter()
        .map(|(name, text)| (*name, if name.ends_with("Cargo.toml") { alone(text) } else { (*text).to_owned() }))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sdk_stands_alone() {
        let files = super::sdk_files();
        let manifest = files.iter().find(|(name, _)| *name == "sdk/rust/Cargo.toml").expect("its manifest");
        assert!(!manifest.1.contains(".workspace = true"), "{}", manifest.1);
        assert!(files.iter().any(|(name, _)| *name == "wit/0.1/types.wit"));
    }
}
