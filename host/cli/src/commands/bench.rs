//! `shopwright bench`: what this machine reaches.

use std::path::PathBuf;

use clap::Args;
use shopwright_bench::{BenchError, Measurement, Options, Postgres};

use super::Context;
use crate::{
    failure::{Failure, Result},
    output,
};

/// What to measure.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shopwright bench\n  shopwright bench --only throughput --seconds 60\n  shopwright bench --only waiting --only due --no-postgres --json\n\nIt starts hosts of its own on free ports, with their data in a temporary folder, and needs about 2 GB of disk.\nMeasurements: throughput, latency, waiting, due, start, backtest, shadow. With `initdb` on the PATH all is measured on PostgreSQL too."
)]
pub struct Bench {
    /// How long each load is kept up.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Only this measurement; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<Measurement>,
    /// Small sizes: shows in a minute whether it works, not what is reached.
    #[arg(long)]
    pub quick: bool,
    /// Measure on this PostgreSQL server; its user must be allowed to create databases [default: a private one].
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub postgres: Option<String>,
    /// Leave PostgreSQL out.
    #[arg(long, conflicts_with = "postgres")]
    pub no_postgres: bool,
    /// Leave SQLite out.
    #[arg(long, conflicts_with = "no_postgres")]
    pub no_sqlite: bool,
    /// Connections that send one event a request.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub connections: u16,
    /// Where the temporary folders are made: on the disk that is to be measured [default: the system's].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Measures.
pub fn run(context: &Context, args: Bench) -> Result {
    let options = Options {
        program: std::env::current_exe()?,
        seconds: args.seconds,
        only: args.only,
        quick: args.quick,
        sqlite: !args.no_sqlite,
        postgres: match (args.no_postgres, args.postgres) {
            (true, _) => Postgres::No,
            (false, Some(url)) => Postgres::At(url),
            (false, None) => Postgres::Own,
        },
        connections: args.connections.into(),
        folder: args.folder.unwrap_or_else(std::env::temp_dir),
    };
    let failed = |error: BenchError| Failure::new("bench", error.to_string());
    // One thread: what the load takes is missing to the host.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(shopwright_bench::run(&options, &|line| eprintln!("{line}"))).map_err(failed)?;
    if context.global.json {
        output::json(&report.to_json());
    } else {
        output::line(report.to_string().trim_end());
    }
    match report.faults().next() {
        None => Ok(()),
        // The report has shown them.
        Some(_) => Err(Failure::silent()),
    }
}
