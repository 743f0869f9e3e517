//! What can go wrong before a guest runs. What goes wrong while it runs is a [`Trap`](crate::Trap).

use std::path::PathBuf;

use crate::{PACKAGE, Trap, WIT_VERSION};

/// Why a component was not accepted, compiled or linked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The WebAssembly engine could not be set up on this machine.
    #[error("the WebAssembly engine cannot start: {source:#}")]
    Engine {
        /// The engine's words.
        source: wasmtime::Error,
    },
    /// The folder for compiled plugins cannot be used.
    #[error("the folder for compiled plugins, {}, cannot be used: {source}", path.display())]
    CacheFolder {
        /// The folder of the options.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is larger than the host takes.
    #[error(
        "the component has {bytes} bytes, more than the {limit} this host takes: build it with \
         optimisation for size and strip it"
    )]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// Largest size taken.
        limit: usize,
    },
    /// Not a WebAssembly component at all, or a damaged one.
    #[error("not a valid WebAssembly component: {reason}")]
    Invalid {
        /// What is wrong, and at which offset where known.
        reason: String,
    },
    /// It imports what no plugin gets.
    #[error(
        "the component imports what the host gives to no plugin: {}. Plugins have no files, sockets \
         or web access of their own; use the interfaces of {PACKAGE}",
        names.join(", ")
    )]
    Refused {
        /// The imports' full names.
        names: Vec<String>,
    },
    /// Built for another version of the interface.
    #[error(
        "the component was built for {interface} version {found}, this host offers {offered}: \
         build it against the version offered"
    )]
    WrongVersion {
        /// `shopwright:plugin/orders`.
        interface: String,
        /// The component's version, or `none`.
        found: String,
        /// The host's version.
        offered: String,
    },
    /// Nothing to call.
    #[error(
        "the component does not export {PACKAGE}/handler@{WIT_VERSION}.x with a function `run`: it \
         is no plugin, or was built for another world"
    )]
    NoHandler,
    /// It imports host functions that were not granted to it.
    #[error("the component needs what was not granted to it: {}", names.join(", "))]
    NotGranted {
        /// `interface.function`, in order.
        names: Vec<String>,
    },
    /// It imports functions that this host does not have.
    #[error(
        "the component imports functions that this host does not have: {}: update the host, or \
         build against its version of the interface",
        names.join(", ")
    )]
    NotOffered {
        /// `interface.function`, in order.
        names: Vec<String>,
    },
    /// It is valid, but cannot be compiled or does not fit the instance pool.
    #[error("the component cannot be compiled: {source:#}")]
    Compile {
        /// The engine's words.
        source: wasmtime::Error,
    },
    /// A function has another type than the host's.
    #[error(
        "the component does not fit this host's interface: {source:#}: build it against the host's \
         version of the interface"
    )]
    Link {
        /// The engine's words.
        source: wasmtime::Error,
    },
    /// A function that is called at install, such as `settings-schema`, did not return.
    #[error("calling `{function}` failed: {trap}")]
    Call {
        /// The function's name.
        function: String,
        /// What happened.
        trap: Trap,
    },
}
