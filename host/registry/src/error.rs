//! The crate's one error type.

use crate::manifest::{ManifestError, Problem};

/// Why something of a plugin's package could not be read, made, sent or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// `plugin.toml` or a file it names is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),

    /// The bytes are not a WebAssembly component.
    #[error("not a WebAssembly component: {reason}; build the plugin for wasm32-wasip2")]
    NotAComponent {
        /// What was found instead.
        reason: String,
    },

    /// The component carries a manifest section that is not a manifest.
    #[error("the component's manifest (custom section `shopwright:manifest`) cannot be used: {reason}")]
    MalformedManifest {
        /// What is wrong with it.
        reason: String,
    },

    /// The component's manifest was written by a later version of the tools.
    #[error(
        "the component's manifest has format {found}; this version reads format {known} and earlier: upgrade shopwright"
    )]
    LaterFormat {
        /// The format number in the component.
        found: u64,
        /// The newest format this version reads.
        known: u64,
    },

    /// The component's manifest is readable but breaks the rules for manifests.
    #[error("the component's manifest breaks a rule: {problem}")]
    InvalidManifest {
        /// The first broken rule.
        problem: Problem,
    },

    /// The component imports functions that this version has no words for.
    #[error("the component imports functions that this version does not know: {}; upgrade shopwright, or build the plugin for an older interface", names.join(", "))]
    UnknownFunctions {
        /// `interface.function`, sorted.
        names: Vec<String>,
    },
}
