//! The first-party workflows, built for the sandbox and carried inside the binary.
//!
//! The build embeds what the compiler gave and what lies beside the code; [`package`] joins both into a
//! component with its manifest, as `shopwright plugin build` does for everybody's plugins.

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
