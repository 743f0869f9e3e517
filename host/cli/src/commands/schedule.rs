//! `shopwright schedule`.

use clap::Subcommand;

use super::{Context, items};
use crate::{
    failure::Result,
    output::{Table, cell, time},
};

/// When which workflow runs next.
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// List schedules.
    #[command(after_help = "Example:\n  shopwright schedule list")]
    List,
}

/// Does it.
pub async fn run(context: &Context, command: Schedule) -> Result {
    let Schedule::List = command;
    let answer = context.client()?.get(&["schedules"], &[]).await?;
    context.show(&answer, |answer| {
        let mut table = Table::new(&["INSTALLATION", "WORKFLOW", "SCHEDULE", "MEANS", "NEXT", "LAST"]);
        for schedule in items(answer) {
            table.row([
                cell(&schedule["installation"]),
                cell(&schedule["workflow"]),
                cell(&schedule["cron"]),
                cell(&schedule["words"]),
                time(&schedule["next_at"]),
                time(&schedule["last_at"]),
            ]);
        }
        table.print("No schedules.");
    });
    Ok(())
}
