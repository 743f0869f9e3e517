//! `shopwright run move` and `shopwright run retry`: one run by its id, or many by what they have in common.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Context, items};
use crate::{
    failure::{Failure, Result},
    output::{self, Table, cell},
};

/// Which runs are meant, where no id is given.
#[derive(Debug, Args)]
pub struct Which {
    /// The run; without it, those that the other options select (failed ones, the newest first).
    #[arg(conflicts_with_all = ["installation", "workflow", "error_code", "from_version", "state", "limit"])]
    id: Option<String>,
    /// Only of this installation.
    #[arg(long)]
    installation: Option<String>,
    /// Only of this workflow.
    #[arg(long)]
    workflow: Option<String>,
    /// Only those that failed with this code.
    #[arg(long, value_name = "CODE")]
    error_code: Option<String>,
    /// Only those of this version of the installation's plugin.
    #[arg(long, value_name = "VERSION", requires = "installation")]
    from_version: Option<String>,
    /// Only those in this state [default: failed].
    #[arg(long, value_parser = ["active", "blocked", "waiting", "failed"])]
    state: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: Option<u32>,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Runs to be moved.
#[derive(Debug, Args)]
pub struct Move {
    #[command(flatten)]
    which: Which,
    /// To this version [default: the installation's].
    #[arg(long, value_name = "VERSION")]
    to_version: Option<String>,
    /// With the installation's settings instead of those that the run began with.
    #[arg(long)]
    new_settings: bool,
}

/// Runs to be tried again.
#[derive(Debug, Args)]
pub struct Retry {
    #[command(flatten)]
    which: Which,
    /// From where: `last-good-point` is the same run, `start` a new one for the same trigger.
    #[arg(long, value_parser = ["last-good-point", "start"], default_value = "last-good-point")]
    from: String,
    /// From the start: also where effects would be done a second time.
    #[arg(long)]
    again: bool,
}

impl Which {
    fn into_filter(self) -> Result<Map<String, Value>> {
        if self.installation.is_none() && self.workflow.is_none() && self.error_code.is_none() && self.state.is_none() {
            return Err(Failure::usage("which runs? Give a run's id, or --installation, --workflow or --error-code"));
        }
        let texts = [
            ("installation", self.installation),
            ("workflow", self.workflow),
            ("error_code", self.error_code),
            ("version", self.from_version),
            ("state", self.state),
        ];
        let mut filter: Map<String, Value> =
            texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
        filter.extend(self.limit.map(|limit| ("limit".to_owned(), limit.into())));
        filter.insert("dry_run".into(), self.dry_run.into());
        Ok(filter)
    }
}

/// Moves runs.
pub async fn move_runs(context: &Context, command: Move) -> Result {
    let client = context.client()?;
    let settings = if command.new_settings { "installation" } else { "run" };
    if let Some(id) = &command.which.id {
        let body = json!({"version": command.to_version, "settings": settings, "dry_run": command.which.dry_run});
        let answer = client.post(&["runs", id, "move"], &body).await?;
        context.show(&answer, |moved| {
            let words = cell(&moved["rehearsal"]["words"]);
            let version = cell(&moved["version"]);
            output::line(match (moved["moved"] == true, moved["rehearsal"]["verdict"] == "agrees") {
                (true, _) => format!("{id} goes on with {version}: {words}"),
                (false, true) => format!("{id} can be moved to {version}: {words}"),
                (false, false) => format!("{id} stays as it is: with {version}, {words}"),
            });
        });
        return Ok(());
    }
    let mut body = command.which.into_filter()?;
    body.insert("action".into(), "move".into());
    body.insert("settings".into(), settings.into());
    body.extend(command.to_version.map(|version| ("to_version".to_owned(), version.into())));
    bulk(context, body).await
}

/// Tries runs again.
pub async fn retry_runs(context: &Context, command: Retry) -> Result {
    let client = context.client()?;
    let from = command.from.replace('-', "_");
    if let Some(id) = &command.which.id {
        if command.which.dry_run {
            return Err(Failure::usage("--dry-run is for many runs: say which with --installation or the like"));
        }
        let answer = client.post(&["runs", id, "retry"], &json!({"from": from, "again": command.again})).await?;
        context.show(&answer, |retried| {
            let run = cell(&retried["run"]);
            output::line(if run == *id { format!("{id} goes on") } else { format!("{run} is started for {id}") });
        });
        return Ok(());
    }
    let mut body = command.which.into_filter()?;
    body.insert("action".into(), "retry".into());
    body.insert("from".into(), from.into());
    body.insert("again".into(), command.again.into());
    bulk(context, body).await
}

async fn bulk(context: &Context, body: Map<String, Value>) -> Result {
    let answer = context.client()?.post(&["runs", "bulk"], &Value::Object(body)).await?;
    context.show(&answer, |answer| {
        let mut table = Table::new(&["RUN", "OUTCOME", "NEW RUN", "WHY"]);
        for one in items(answer) {
            table.row([cell(&one["run"]), cell(&one["outcome"]), cell(&one["new_run"]), cell(&one["reason"])]);
        }
        table.print("No such runs.");
        if answer["next"].is_string() {
            output::line("… there may be more: do it again, or raise --limit");
        }
    });
    Ok(())
}
