//! `shopwright plugin test`: a plugin's scenarios in the real engine, in virtual time.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::failure::{Failure, Result};

/// What to test.
#[derive(Debug, Args)]
pub struct Test {
    /// The plugin's folder, with its scenarios in `scenarios/`.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Only scenarios whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Say which host calls of the workflows no scenario makes.
    #[arg(long)]
    pub coverage: bool,
    /// Take this component instead of building it.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    /// The cargo profile to build with.
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub cargo_profile: String,
}

/// Tests it.
pub fn run(_context: &Context, args: Test) -> Result {
    Err(Failure::new(
        "not-in-this-build",
        format!("`plugin test` ({}) is not part of this build", args.folder.display()),
    ))
}
