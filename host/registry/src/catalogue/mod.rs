//! Catalogues: signed lists of plugins that whoever wants to keeps in a registry.
//!
//! A catalogue is one JSON document, pushed as an OCI artifact of its own type and signed like a plugin.
//! It says where versions are, by digest, and what they may do; it vouches for nothing else: a plugin's own
//! signature is verified when it is installed. Every change counts the revision up, so that a registry
//! which shows an old state is noticed.

mod document;
mod find;
mod store;

pub use document::{Catalogue, Entry, EntryVersion, Screenshot};
pub use find::{Hit, Installed, Outdated, outdated, search};
pub use store::{CATALOGUE_TYPE, Loaded, copy, load, load_signed_with, publish};
