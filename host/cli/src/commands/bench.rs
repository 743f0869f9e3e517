//! `shopwright bench`: what this machine reaches.

use clap::Args;

use super::Context;
use crate::failure::{Failure, Result};

/// What to measure.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shopwright bench\n  shopwright bench --only throughput --seconds 30 --json")]
pub struct Bench {
    /// How long each load is kept up.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub seconds: u64,
    /// Only this measurement.
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// The database to measure with [default: SQLite in a temporary folder].
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
}

/// Measures.
pub fn run(_context: &Context, args: Bench) -> Result {
    Err(Failure::new("not-in-this-build", format!("`bench` ({} s) is not part of this build", args.seconds)))
}
