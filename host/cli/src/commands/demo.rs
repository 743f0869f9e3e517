//! `shopwright demo`: a shop with live traffic on an accelerated clock.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use shopwright_demo::DemoOptions;

use super::{Context, plugin_build};
use crate::failure::{Failure, Result};

/// How to show it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shopwright demo\n  shopwright demo --for 60s\n  shopwright demo --keep my-demo")]
pub struct Demo {
    /// End by itself after this time, such as `60s` or `5m`.
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    pub seconds: Option<u64>,
    /// Keep the store in this folder; starting on it again goes on where it stopped.
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
    /// What the shop is made from: the same seed, the same shop.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// `90`, `90s`, `5m`, `1h` in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(format!("`{unit}` is no unit of time: use s, m or h")),
    };
    let number: u64 = number.parse().map_err(|_| "write it as 60s, 5m or 1h".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is too long".into())
}

/// Shows it.
pub fn run(_context: &Context, args: Demo) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("no-runtime", error.to_string()))?;
    runtime.block_on(async {
        let failed = |error: &dyn std::fmt::Display| Failure::new("demo-failed", error.to_string());
        let sandbox = plugin_build::sandbox()?;
        let mut components = Vec::new();
        for name in shopwright_bundle::FIRST_PARTY {
            let component = shopwright_bundle::package(&sandbox, name).await.map_err(|error| failed(&error))?;
            components.push((name.to_owned(), component));
        }
        drop(sandbox);
        let options = DemoOptions {
            seed: args.seed,
            for_: args.seconds.map(Duration::from_secs),
            keep: args.keep,
            components,
            ..DemoOptions::default()
        };
        shopwright_demo::run(options).await.map_err(|error| failed(&error))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read() {
        assert_eq!(super::seconds("90"), Ok(90));
        assert_eq!(super::seconds("5m"), Ok(300));
        assert!(super::seconds("5d").is_err() && super::seconds("m").is_err());
    }
}
