//! Runs plugins: WebAssembly components in a sandbox that knows nothing of shops.
//!
//! The way of a component through this crate:
//!
//! 1. [`Sandbox::inspect`] reads the bytes of an upload without compiling them: which host functions
//!    it imports (these are the permissions it asks for), what it exports, and whether it imports
//!    anything that no plugin gets (files, sockets, http).
//! 2. [`Sandbox::compile`] makes machine code of it, once, at install. The code is kept on disk by
//!    (digest, engine settings) and in memory by digest; [`Sandbox::load`] finds it there.
//! 3. [`Sandbox::prepare`] links it: only the functions that it imports *and* that are granted, plus
//!    a deterministic stub of WASI. A function that is imported but not granted is an error.
//! 4. [`Prepared::run`] makes a fresh instance, calls the handler, and drops the instance. Nothing
//!    is ever reused between runs, so nothing can leak from one to the next.
//!
//! The same component with the same seed, the same clock and the same answers of its host functions
//! computes the same, on every machine: NaNs are canonical, relaxed SIMD is deterministic, there are
//! no threads, the memory limit is fixed, and WASI gives the run's logical time and seeded
//! randomness. Durable runs rest on this: a run is suspended by unwinding ([`Suspend`]) and resumed
//! by running it again on the recorded answers.
//!
//! A hostile guest ends in a [`Trap`] that says what it did and what to do about it. Fuel gives the
//! verdict "used too much", the same on every machine; the epoch tick makes long computations give
//! way to other runs, and stops what fuel is too slow to stop.

mod cache;
mod engine;
mod error;
mod functions;
mod guest;
mod inspect;
mod names;
mod run;
mod sandbox;
mod trap;
mod wasi;

pub use engine::{Allocator, Probe, SandboxOptions};
pub use error::SandboxError;
pub use functions::{HostFunctions, LinkFunction};
pub use guest::{Guest, GuestLimits, GuestState, LogLine, LogStream, charge_fuel};
pub use inspect::{ImportedFunction, Imports};
pub use names::{PACKAGE, WIT_VERSION};
pub use run::Prepared;
pub use sandbox::{Compiled, Sandbox};
pub use trap::{HostFault, Suspend, Trap};

/// The engine underneath: host functions need its traits and its error type.
pub use wasmtime;
