//! `shopwright plugin test`: a plugin's scenarios in the real engine, in virtual time.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shopwright_scenario::{Runner, RunnerError};

use super::{Context, plugin_build};
use crate::failure::{Failure, Result, at_file};

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
pub fn run(context: &Context, args: Test) -> Result {
    let component = match &args.component {
        Some(file) => std::fs::read(file).map_err(at_file(file))?,
        None => plugin_build::compile(&args.folder, &args.cargo_profile)?,
    };
    // The engine's executors work beside the test that waits for them.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("no-runtime", error.to_string()))?;
    runtime.block_on(async {
        let sandbox = plugin_build::sandbox()?;
        let package = plugin_build::package(&sandbox, &args.folder, &component, None).await?;
        let failed = |error: RunnerError| Failure::new("bad-scenarios", error.to_string());
        let runner = Runner::new(sandbox, package.bytes).map_err(failed)?;
        let summary = runner.run_dir(&args.folder.join("scenarios"), args.only.as_deref()).await.map_err(failed)?;
        let scenarios: Vec<_> = summary
            .reports
            .iter()
            .map(|report| {
                json!({"file": report.path, "title": report.title, "passed": report.is_passed(),
                    "took_ms": report.took.as_millis(), "virtual_ms": report.passed.as_millis(),
                    "says": report.to_string()})
            })
            .collect();
        let answer = json!({"scenarios": scenarios, "failed": summary.failed(), "unused_calls": summary.unused()});
        context.show(&answer, |_| {
            for report in &summary.reports {
                println!("{report}");
            }
            if args.coverage {
                println!("{}", summary.coverage());
            }
            println!(
                "{} scenarios, {} failed, {} ms",
                summary.reports.len(),
                summary.failed(),
                summary.took.as_millis()
            );
        });
        match summary.failed() {
            0 => Ok(()),
            n => Err(Failure::new("scenarios-failed", format!("{n} of {} scenarios failed", summary.reports.len()))),
        }
    })
}
