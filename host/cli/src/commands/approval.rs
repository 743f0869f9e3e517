//! `shopwright approval`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Limit, items, say_more};
use crate::{
    failure::Result,
    output::{self, Table, cell, time},
};

/// Questions that runs ask people.
#[derive(Debug, Subcommand)]
pub enum Approval {
    /// List questions, the newest first.
    #[command(after_help = "Example:\n  shopwright approval list --state open")]
    List(List),
    /// Answer a question: the run that asked goes on.
    #[command(after_help = "Example:\n  shopwright approval answer run_01a2b3c4d5e6f-7 approve")]
    Answer {
        /// Its id.
        id: String,
        /// One of its choices.
        choice: String,
    },
}

/// Which questions to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only in this state.
    #[arg(long, value_parser = ["open", "escalated", "answered", "expired"])]
    state: Option<String>,
    /// Only of this run.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(context: &Context, command: Approval) -> Result {
    let client = context.client()?;
    match command {
        Approval::List(list) => {
            let query = [("state", list.state), ("run", list.run)];
            let answer = client.list(&["approvals"], &query, list.limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "STATE", "QUESTION", "CHOICES", "UNTIL", "ANSWER"]);
                for approval in items(answer) {
                    let choices = approval["choices"].as_array().into_iter().flatten().map(cell).collect::<Vec<_>>();
                    table.row([
                        cell(&approval["id"]),
                        cell(&approval["state"]),
                        cell(&approval["title"]),
                        choices.join(", "),
                        time(&approval["deadline_at"]),
                        cell(&approval["choice"]),
                    ]);
                }
                table.print("No questions.");
                say_more(answer);
            });
        }
        Approval::Answer { id, choice } => {
            let answer = client.post(&["approvals", &id, "answer"], &json!({"choice": choice})).await?;
            context.show(&answer, |approval| {
                output::line(format!("\"{}\" is answered: {choice}", cell(&approval["title"])));
            });
        }
    }
    Ok(())
}
