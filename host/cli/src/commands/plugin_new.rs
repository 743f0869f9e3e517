//! `shopwright plugin new`: a crate that builds, with one workflow, settings, a scenario and a README.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::failure::{Failure, Result};

/// What to make.
#[derive(Debug, Args)]
pub struct New {
    /// The plugin's name: lower-case words joined by hyphens.
    pub name: String,
    /// The folder to make [default: the name].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Who publishes it: written like the name.
    #[arg(long, default_value = "me")]
    pub publisher: String,
}

/// Makes it.
pub fn run(_context: &Context, args: New) -> Result {
    Err(Failure::new("not-in-this-build", format!("`plugin new {}` is not part of this build", args.name)))
}
