//! `shopwright run`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Limit, items, json_argument, repair, run_bundle, say_more};
use crate::{
    failure::Result,
    output::{self, Table, cell, fields, time},
};

/// Look at runs, start and cancel them.
#[derive(Debug, Subcommand)]
pub enum Run {
    /// List runs, the newest first.
    #[command(
        after_help = "Example:\n  shopwright run list --state waiting\n  shopwright run list --installation cart-recovery --limit 500"
    )]
    List(List),
    /// Show a run: what it asked, what it was answered, what it did, what it logged.
    #[command(after_help = "Example:\n  shopwright run show run_01a2b3c4d5e6f")]
    Show {
        /// Its id.
        id: String,
    },
    /// Start a run by hand.
    #[command(
        after_help = "Example:\n  shopwright run start dynamic-pricing reprice --input '{\"category\": \"shoes\"}'"
    )]
    Start(Start),
    /// Cancel a run: what it did stays done, it does nothing more.
    #[command(after_help = "Example:\n  shopwright run cancel run_01a2b3c4d5e6f --reason 'wrong settings'")]
    Cancel {
        /// Its id.
        id: String,
        /// Why, for the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Export a run as a file that can be replayed anywhere.
    #[command(
        after_help = "Example:\n  shopwright run export run_01a2b3c4d5e6f -o run.swrun\n  shopwright run export run_01a2b3c4d5e6f --mask -o masked.swrun"
    )]
    Export(run_bundle::Export),
    /// Run an exported run again, here: the same calls with the host's answers, no server needed.
    #[command(
        after_help = "Example:\n  shopwright run replay run.swrun --step\n  shopwright run replay run.swrun --component target/gift-notes.wasm"
    )]
    Replay(run_bundle::ReplayArgs),
    /// Move runs that failed, wait or are stuck to another version, if it agrees with their journals.
    #[command(
        after_help = "Example:\n  shopwright run move run_01a2b3c4d5e6f --to-version 0.3.1 --dry-run\n  shopwright run move --installation cart-recovery --error-code trap"
    )]
    Move(repair::Move),
    /// Try runs again: from the last good point, or from the start as new runs.
    #[command(
        after_help = "Example:\n  shopwright run retry run_01a2b3c4d5e6f\n  shopwright run retry --installation cart-recovery --from start --limit 20"
    )]
    Retry(repair::Retry),
    /// List effects: what runs asked for, and what became of it.
    #[command(after_help = "Example:\n  shopwright run effects --state denied")]
    Effects(Effects),
}

/// Which runs to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only in this state.
    #[arg(long, value_parser = ["active", "blocked", "waiting", "done", "failed", "cancelled"])]
    state: Option<String>,
    /// Only of this installation.
    #[arg(long)]
    installation: Option<String>,
    /// Only of this workflow.
    #[arg(long)]
    workflow: Option<String>,
    /// Only those that failed with this code.
    #[arg(long, value_name = "CODE")]
    error_code: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// A run to be started.
#[derive(Debug, Args)]
pub struct Start {
    /// The installation.
    installation: String,
    /// The workflow.
    workflow: String,
    /// What it gets: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// A name under which it is started at most once.
    #[arg(long)]
    key: Option<String>,
}

/// Which effects to list.
#[derive(Debug, Args)]
pub struct Effects {
    /// Only in this state.
    #[arg(long, value_parser = ["intended", "sent", "done", "failed", "unknown", "denied", "recorded"])]
    state: Option<String>,
    /// Only of this installation.
    #[arg(long)]
    installation: Option<String>,
    /// Only on this, such as `customer:42`.
    #[arg(long, value_name = "TYPE:ID")]
    subject: Option<String>,
    /// Only this action, such as `messaging.send-email`.
    #[arg(long)]
    action: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(context: &Context, command: Run) -> Result {
    let command = match command {
        Run::Replay(args) => return run_bundle::replay(context, args).await,
        Run::Export(args) => return run_bundle::export(context, args).await,
        other => other,
    };
    let client = context.client()?;
    match command {
        // Done above: they need no token, or other answers.
        Run::Replay(_) | Run::Export(_) => {}
        Run::List(list) => {
            let query = [
                ("state", list.state),
                ("installation", list.installation),
                ("workflow", list.workflow),
                ("error_code", list.error_code),
            ];
            let answer = client.list(&["runs"], &query, list.limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["RUN", "STATE", "INSTALLATION", "WORKFLOW", "CREATED", "WAITS / OUTCOME"]);
                for run in items(answer) {
                    table.row([
                        cell(&run["id"]),
                        cell(&run["state"]),
                        cell(&run["installation"]),
                        cell(&run["workflow"]),
                        time(&run["created_at"]),
                        standing(run),
                    ]);
                }
                table.print("No runs.");
                say_more(answer);
            });
        }
        Run::Show { id } => {
            let answer = client.get(&["runs", &id], &[]).await?;
            context.show(&answer, print_timeline);
        }
        Run::Start(start) => {
            let mut body = json!({
                "installation": start.installation, "workflow": start.workflow,
                "input": json_argument("--input", &start.input)?,
            });
            if let Some(key) = start.key {
                body["key"] = key.into();
            }
            let answer = client.post(&["runs"], &body).await?;
            context.show(&answer, |answer| output::line(cell(&answer["run"])));
        }
        Run::Cancel { id, reason } => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
            let answer = client.post(&["runs", &id, "cancel"], &body).await?;
            context.show(&answer, |answer| {
                let what = if answer["cancelled"] == true { "is cancelled" } else { "had ended before" };
                output::line(format!("{id} {what}"));
            });
        }
        Run::Move(command) => repair::move_runs(context, command).await?,
        Run::Retry(command) => repair::retry_runs(context, command).await?,
        Run::Effects(list) => {
            let query = [
                ("state", list.state),
                ("installation", list.installation),
                ("subject", list.subject),
                ("action", list.action),
            ];
            let answer = client.list(&["effects"], &query, list.limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["EFFECT", "STATE", "ACTION", "SUBJECT", "AT", "ERROR"]);
                for effect in items(answer) {
                    table.row([
                        cell(&effect["id"]),
                        cell(&effect["state"]),
                        cell(&effect["action"]),
                        cell(&effect["subject"]),
                        time(&effect["created_at"]),
                        cell(&effect["error"]),
                    ]);
                }
                table.print("No effects.");
                say_more(answer);
            });
        }
    }
    Ok(())
}

/// What a run waits for, or what came of it.
fn standing(run: &Value) -> String {
    if run["state"] == "waiting" {
        let until = time(&run["waits_until"]);
        let what = cell(&run["waits_for"]["for"]);
        return if until.is_empty() { what } else { format!("{what} until {until}") };
    }
    if run["error"].is_null() {
        cell(&run["outcome"])
    } else {
        format!("{}: {}", cell(&run["error_code"]), cell(&run["error"]))
    }
}

/// A run with all that it did, for people.
pub fn print_timeline(run: &Value) {
    fields(&[
        ("run", cell(&run["id"])),
        ("workflow", format!("{} of {}", cell(&run["workflow"]), cell(&run["installation"]))),
        ("component", cell(&run["digest"])),
        ("state", cell(&run["state"])),
        ("mode", cell(&run["mode"])),
        ("started by", format!("{} {}", cell(&run["trigger"]), cell(&run["event"])).trim().to_owned()),
        ("key", cell(&run["key"])),
        ("created", time(&run["created_at"])),
        ("ended", time(&run["ended_at"])),
        ("attempt", cell(&run["attempt"])),
        ("outcome", standing(run)),
    ]);
    let journal = run["journal"].as_array().map_or(&[][..], Vec::as_slice);
    if !journal.is_empty() {
        let mut table = Table::new(&["#", "AT", "CALL", "ARGUMENTS", "ANSWER"]);
        for entry in journal {
            table.row([
                cell(&entry["position"]),
                time(&entry["at"]),
                cell(&entry["call"]),
                cell(&entry["args"]),
                cell(&entry["answer"]),
            ]);
        }
        output::line("");
        table.print("");
    }
    let effects = run["ledger"].as_array().map_or(&[][..], Vec::as_slice);
    if !effects.is_empty() {
        let mut table = Table::new(&["EFFECT", "STATE", "ACTION", "SUBJECT", "TRIES", "ERROR"]);
        for effect in effects {
            table.row([
                cell(&effect["position"]),
                cell(&effect["state"]),
                cell(&effect["action"]),
                cell(&effect["subject"]),
                cell(&effect["attempts"]),
                cell(&effect["error"]),
            ]);
        }
        output::line("");
        table.print("");
    }
    let log = run["log"].as_array().map_or(&[][..], Vec::as_slice);
    if !log.is_empty() {
        output::line("");
    }
    for entry in log {
        output::line(format!(
            "{}  {:5} {} {}",
            time(&entry["at"]),
            cell(&entry["level"]),
            cell(&entry["message"]),
            cell(&entry["fields"])
        ));
    }
}
