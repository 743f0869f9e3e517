//! The crate's one error type.

use std::path::PathBuf;

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
    #[error(
        "the component imports functions that this version does not know: {}; upgrade shopwright, or build the plugin for an older interface",
        names.join(", ")
    )]
    UnknownFunctions {
        /// `interface.function`, sorted.
        names: Vec<String>,
    },

    /// A reference to an artifact that is none.
    #[error("\"{text}\" is not a reference: {reason}; write it as registry.example.com/team/plugin:1.0.0")]
    InvalidReference {
        /// As it was given.
        text: String,
        /// What is wrong.
        reason: String,
    },

    /// Nobody answered, or the answer broke off.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },

    /// The docker configuration or one of its helpers gave no usable login.
    #[error("no login for {registry}: {reason}")]
    Login {
        /// Host, with port.
        registry: String,
        /// Why, and what to do.
        reason: String,
    },

    /// The registry wants another login, or the login may not do this.
    #[error("{registry} refuses to let {user} {action} {repository}; log in with `docker login {registry}`")]
    Unauthorized {
        /// Host, with port.
        registry: String,
        /// Who was logged in.
        user: String,
        /// `pull` or `push`.
        action: &'static str,
        /// The repository.
        repository: String,
    },

    /// The registry has no such thing.
    #[error("there is no {what} at {reference}")]
    NotFound {
        /// `manifest`, `layer`, …
        what: String,
        /// Where it was looked for.
        reference: String,
    },

    /// The registry answered with an error.
    #[error("{url} answered {status}: {message}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// The registry's words.
        message: String,
    },

    /// What came is not what was asked for. Nothing of it was used.
    #[error(
        "{reference}: the registry lies about the {what}: it should be {expected}, what came is {found}; nothing of it was used"
    )]
    Lying {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: String,
        /// Digest or size.
        expected: String,
        /// Digest or size.
        found: String,
    },

    /// Less came than was announced.
    #[error(
        "{reference}: the {what} is truncated: {found} of {expected} bytes came; try again, or ask the registry's operator"
    )]
    Truncated {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: String,
        /// Announced bytes.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },

    /// More than what a package may have.
    #[error("the {what} of {reference} is larger than {limit} bytes")]
    TooLarge {
        /// Where it is.
        reference: String,
        /// Which part.
        what: String,
        /// Bytes.
        limit: u64,
    },

    /// An artifact, but not what was looked for.
    #[error("{reference} is not a {what}: {reason}")]
    WrongArtifact {
        /// Where it is.
        reference: String,
        /// `plugin` or `catalogue`.
        what: &'static str,
        /// What is different.
        reason: String,
    },

    /// A key that cannot be read.
    #[error("the key cannot be used: {reason}")]
    Key {
        /// Why, and what to do.
        reason: String,
    },

    /// Nobody has signed it.
    #[error("{reference} is not signed: its publisher vouches for nothing")]
    Unsigned {
        /// The pinned reference.
        reference: String,
    },

    /// It is signed, and nobody is trusted to publish there.
    #[error("{reference} is signed, but no trusted publisher has this namespace; trust its publisher's key first")]
    Untrusted {
        /// The pinned reference.
        reference: String,
    },

    /// It is signed, but not by the publisher whose namespace it is in.
    #[error("{reference} is not signed with a key of {publisher}, whose namespace it is in")]
    WrongKey {
        /// The pinned reference.
        reference: String,
        /// Whose key was expected.
        publisher: String,
    },

    /// A trusted publisher signed it, but may not publish there.
    #[error("{reference} is signed by {publisher}, who may publish in {} alone", namespaces.join(", "))]
    WrongNamespace {
        /// The pinned reference.
        reference: String,
        /// Who signed it.
        publisher: String,
        /// Where they may publish.
        namespaces: Vec<String>,
    },

    /// The signature is genuine and belongs to something else.
    #[error("{reference} carries a signature that was made for {signed}: it was copied from another image")]
    CopiedSignature {
        /// The pinned reference.
        reference: String,
        /// The digest or the reference that was signed.
        signed: String,
    },

    /// A signature that cannot be read.
    #[error("a signature of {reference} is malformed: {reason}")]
    MalformedSignature {
        /// The pinned reference.
        reference: String,
        /// Why.
        reason: String,
    },

    /// The plugin says that somebody else publishes it.
    #[error("{reference} is signed by {signed_by}, but its manifest names {named} as its publisher")]
    WrongPublisher {
        /// The pinned reference.
        reference: String,
        /// Whose key signed it.
        signed_by: String,
        /// The manifest's publisher.
        named: String,
    },

    /// A version that was pinned to one digest has another now.
    #[error(
        "{reference} was {expected} when it was pinned and is {found} now: a version never changes; ask its publisher"
    )]
    Moved {
        /// The reference by tag.
        reference: String,
        /// The pinned digest.
        expected: String,
        /// The digest it has now.
        found: String,
    },

    /// A tag, or a catalogue, that went back to an older state.
    #[error("{reference} went back from {known} to {found}: somebody replays an old state")]
    MovedBack {
        /// The reference by tag.
        reference: String,
        /// The newest that was seen.
        known: String,
        /// What it is now.
        found: String,
    },

    /// A catalogue cannot be read or changed so.
    #[error("the catalogue {name}: {reason}")]
    Catalogue {
        /// Its name, or where it is.
        name: String,
        /// What is wrong and what to do.
        reason: String,
    },

    /// A file of ours that cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl RegistryError {
    /// A stable code, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            RegistryError::Manifest(_)
            | RegistryError::MalformedManifest { .. }
            | RegistryError::LaterFormat { .. }
            | RegistryError::InvalidManifest { .. } => "bad-manifest",
            RegistryError::NotAComponent { .. } | RegistryError::UnknownFunctions { .. } => "bad-component",
            RegistryError::InvalidReference { .. } => "bad-reference",
            RegistryError::Unreachable { .. } => "registry-unreachable",
            RegistryError::Login { .. } => "registry-login",
            RegistryError::Unauthorized { .. } => "registry-unauthorized",
            RegistryError::NotFound { .. } => "not-in-registry",
            RegistryError::Refused { .. } => "registry-refused",
            RegistryError::Lying { .. } => "registry-lies",
            RegistryError::Truncated { .. } => "truncated",
            RegistryError::TooLarge { .. } => "too-large",
            RegistryError::WrongArtifact { .. } => "wrong-artifact",
            RegistryError::Key { .. } => "bad-key",
            RegistryError::Unsigned { .. } => "unsigned",
            RegistryError::Untrusted { .. } => "untrusted",
            RegistryError::WrongKey { .. } => "wrong-key",
            RegistryError::WrongNamespace { .. } => "wrong-namespace",
            RegistryError::CopiedSignature { .. } => "copied-signature",
            RegistryError::MalformedSignature { .. } => "malformed-signature",
            RegistryError::WrongPublisher { .. } => "wrong-publisher",
            RegistryError::Moved { .. } => "version-moved",
            RegistryError::MovedBack { .. } => "moved-back",
            RegistryError::Catalogue { .. } => "bad-catalogue",
            RegistryError::File { .. } => "io",
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, reason: impl ToString) -> RegistryError {
        RegistryError::File { path: path.into(), reason: reason.to_string() }
    }
}
