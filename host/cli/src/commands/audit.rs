//! `shopwright audit`.

use clap::Subcommand;

use super::{Context, Limit, items, say_more};
use crate::{
    failure::{Failure, Result},
    output::{self, Table, cell, time},
};

/// Every change, and who made it.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List changes, the oldest first. With --json and a large --limit this is the export.
    #[command(
        after_help = "Example:\n  shopwright audit list\n  shopwright audit list --limit 100000 --json > audit.json"
    )]
    List(Limit),
    /// Check that nothing was altered or removed since it was written.
    #[command(after_help = "Example:\n  shopwright audit verify")]
    Verify,
}

/// Does it.
pub async fn run(context: &Context, command: Audit) -> Result {
    let client = context.client()?;
    match command {
        Audit::List(limit) => {
            let answer = client.list(&["audit"], &[], limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["N", "AT", "WHO", "WHAT", "ON", "FROM"]);
                for change in items(answer) {
                    table.row([
                        cell(&change["n"]),
                        time(&change["at"]),
                        cell(&change["who"]),
                        cell(&change["what"]),
                        cell(&change["subject"]),
                        cell(&change["origin"]),
                    ]);
                }
                table.print("No changes.");
                say_more(answer);
            });
            Ok(())
        }
        Audit::Verify => {
            let answer = client.get(&["audit", "verify"], &[]).await?;
            if answer["intact"] == true {
                let checked = answer["checked"].as_u64().map_or_else(String::new, |n| format!(": {n} changes"));
                context.show(&answer, |_| output::line(format!("The audit log is intact{checked}.")));
                return Ok(());
            }
            if context.global.json {
                output::json(&answer);
                return Err(Failure::silent());
            }
            Err(Failure::new(
                "audit-broken",
                format!("the audit log was altered at entry {}", cell(&answer["broken_at"])),
            )
            .remedy(
                "Compare with an earlier export or a backup of the database: from this entry on it cannot be trusted.",
            ))
        }
    }
}
