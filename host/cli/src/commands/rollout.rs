//! `shopwright installation rollout`, and what ends a rollout.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Context, json_argument};
use crate::{
    failure::{Failure, Result},
    output::{self, cell, fields, time},
};

/// A rollout to be shown, begun or changed.
#[derive(Debug, Args)]
pub struct Rollout {
    /// The installation's id.
    id: String,
    /// The candidate's version; without it the rollout is shown.
    #[arg(long, value_name = "VERSION")]
    to_version: Option<String>,
    /// It takes all new runs.
    #[arg(long, group = "share")]
    all: bool,
    /// It takes so many in a hundred keys; who is in at 10 is in at 25.
    #[arg(long, value_name = "N", group = "share")]
    percent: Option<f64>,
    /// It takes runs of these keys or entities, such as `customer:42`.
    #[arg(long, value_name = "KEY", num_args = 1.., group = "share")]
    keys: Vec<String>,
    /// The candidate's settings: JSON text, `@file`, or `-` [default: the installation's].
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// The candidate's grants: JSON text, `@file`, or `-` [default: the installation's].
    #[arg(long, value_name = "JSON")]
    grants: Option<String>,
    /// Take it back when more than so many in a hundred of its runs fail.
    #[arg(long, value_name = "N")]
    max_failures: Option<f64>,
    /// … but not before so many have ended.
    #[arg(long, value_name = "N", default_value_t = 10, requires = "max_failures")]
    min_runs: u32,
    /// … within so many minutes; a promoted version is watched for as long.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, requires = "max_failures")]
    window: u32,
}

/// Does it.
pub async fn run(context: &Context, rollout: Rollout) -> Result {
    let client = context.client()?;
    let path = ["installations", &rollout.id, "rollout"];
    let Some(version) = rollout.to_version else {
        let answer = client.get(&path, &[]).await?;
        context.show(&answer, print);
        return Ok(());
    };
    let share = match (rollout.all, rollout.percent) {
        (true, _) => json!("all"),
        (false, Some(percent)) => json!({"percent": percent}),
        (false, None) if !rollout.keys.is_empty() => json!({"keys": rollout.keys}),
        (false, None) => {
            return Err(Failure::usage("which runs does it take? Give --all, --percent or --keys"));
        }
    };
    let mut body = Map::from_iter([("version".to_owned(), version.into()), ("share".to_owned(), share)]);
    if let Some(settings) = &rollout.settings {
        body.insert("settings".into(), json_argument("--settings", settings)?);
    }
    if let Some(grants) = &rollout.grants {
        body.insert("grants".into(), json_argument("--grants", grants)?);
    }
    if let Some(percent) = rollout.max_failures {
        let guard = json!({"failure_percent": percent, "min_runs": rollout.min_runs, "window_minutes": rollout.window});
        body.insert("guard".into(), guard);
    }
    let answer = client.put(&path, &Value::Object(body)).await?;
    context.show(&answer, |installed| {
        let candidate = &installed["rollout"]["candidate"];
        output::line(format!(
            "{} tries {}: {}",
            cell(&installed["id"]),
            cell(&candidate["version"]),
            share_of(candidate)
        ));
    });
    Ok(())
}

/// Which runs a candidate takes, in words.
pub fn share_of(candidate: &Value) -> String {
    let share = &candidate["share"];
    if let Some(percent) = share["percent"].as_f64() {
        format!("{percent} % of its keys")
    } else if let Some(keys) = share["keys"].as_array() {
        format!("{} keys", keys.len())
    } else {
        "all new runs".to_owned()
    }
}

/// What an installation's rollout says, as lines of [`fields`].
pub fn lines(rollout: &Value) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let candidate = &rollout["candidate"];
    if candidate.is_object() {
        let since = time(&candidate["since"]);
        all.push(("candidate", format!("{} for {}, since {since}", cell(&candidate["version"]), share_of(candidate))));
    }
    if rollout["previous"].is_object() {
        all.push(("previous", cell(&rollout["previous"]["version"])));
    }
    let guard = &rollout["guard"];
    if guard.is_object() {
        let until = time(&rollout["watched_until"]);
        let until = if until.is_empty() { until } else { format!(", until {until}") };
        let text = format!(
            "taken back over {} % failures of at least {} runs in {} minutes{until}",
            cell(&guard["failure_percent"]),
            cell(&guard["min_runs"]),
            cell(&guard["window_minutes"])
        );
        all.push(("guard", text));
    }
    let back = &rollout["rolled_back"];
    if back.is_object() {
        let by = if back["automatic"] == true { " by the host" } else { "" };
        let text = format!("{}{by}, {}: {}", cell(&back["version"]), time(&back["at"]), cell(&back["reason"]));
        all.push(("taken back", text));
    }
    all
}

fn print(answer: &Value) {
    let mut all = vec![("installation", cell(&answer["installation"])), ("version", cell(&answer["version"]))];
    all.extend(lines(&answer["rollout"]));
    if answer["ended"].is_number() {
        all.push((
            "so far",
            format!("{} runs ended, {} of them failed", cell(&answer["ended"]), cell(&answer["failed"])),
        ));
    }
    fields(&all);
}
