//! What can go wrong with a demo.

use std::path::PathBuf;

use shopwright_engine::EngineError;
use shopwright_sandbox::SandboxError;
use shopwright_store::StoreError;

/// Why a demo could not run, or go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder that keeps the demo.
    #[error("{path}: {source}", path = path.display())]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder holds another demo.
    #[error("{path} was begun with seed {kept}, not {asked}: leave out --seed, or take another folder", path = path.display())]
    Seed {
        /// The folder.
        path: PathBuf,
        /// The seed it was begun with.
        kept: u64,
        /// The seed that was asked for.
        asked: u64,
    },
    /// The folder's notes cannot be read.
    #[error("{path} is no folder of this demo ({reason}): take another one", path = path.display())]
    Notes {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The port.
    #[error("port {port} of this machine cannot be listened on: {source}; port 0 takes a free one")]
    Listen {
        /// Which port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The sandbox.
    #[error("the sandbox: {0}")]
    Sandbox(#[from] SandboxError),
    /// The engine.
    #[error("{what}: {source}")]
    Engine {
        /// What was being done.
        what: String,
        /// Why not.
        source: Box<EngineError>,
    },
    /// The host's own API did not answer as it should.
    #[error("{what}: {reason}")]
    Http {
        /// What was asked of it.
        what: String,
        /// What it said.
        reason: String,
    },
    /// The terminal is gone.
    #[error("the show cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl DemoError {
    pub(crate) fn engine(what: impl Into<String>) -> impl FnOnce(EngineError) -> Self {
        let what = what.into();
        move |source| Self::Engine { what, source: Box::new(source) }
    }

    pub(crate) fn folder(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { path, source }
    }
}
