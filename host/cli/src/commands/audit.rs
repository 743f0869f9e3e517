//! `shopwright audit`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;
use shopwright_store::{AuditExport, verify_export};

use super::{Context, Limit, items, say_more};
use crate::{
    client::Client,
    failure::{Failure, Result, at_file},
    output::{self, Table, cell, time},
};

/// Every change, and who made it.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List changes, the oldest first.
    #[command(after_help = "Example:\n  shopwright audit list\n  shopwright audit list --limit 1000 --json")]
    List(Limit),
    /// Check that nothing was altered or removed since it was written: the host's log, or an export of it.
    #[command(
        after_help = "Example:\n  shopwright audit verify\n  shopwright audit verify --file audit.jsonl\n  shopwright audit verify --since audit.jsonl\n\nWhoever can write to the database can rewrite the log as a whole or cut off its end. An export that is kept elsewhere shows that: --since."
    )]
    Verify {
        /// Verify this export, without a host.
        #[arg(long, value_name = "FILE", conflicts_with = "since")]
        file: Option<PathBuf>,
        /// Verify this export, and that the host's log still goes on from it.
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// Export the log as JSON Lines that can be verified without the host.
    #[command(
        after_help = "Example:\n  shopwright audit export --out audit.jsonl\n  shopwright audit export --all | gzip > audit.jsonl.gz"
    )]
    Export {
        /// The file to write [default: standard output].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Every shop's entries; takes an owner's token that is good for every shop.
        #[arg(long)]
        all: bool,
    },
}

/// Does it.
pub async fn run(context: &Context, command: Audit) -> Result {
    if let Audit::Verify { file: Some(file), .. } = &command {
        let checked = verified(file)?;
        let answer = json!({"intact": true, "shop": checked.shop, "entries": checked.n, "whole": checked.whole, "hash": checked.hash});
        context.show(&answer, |_| {
            output::line(format!("The export is intact: {} entries, {} of them whole.", checked.n, checked.whole));
        });
        return Ok(());
    }
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
        Audit::Export { out, all } => export(context, &client, out, all).await,
        Audit::Verify { since, .. } => {
            let mut query = Vec::new();
            if let Some(file) = &since {
                let checked = verified(file)?;
                if checked.n > 0 {
                    query = vec![("n", checked.n.to_string()), ("hash", checked.hash)];
                }
            }
            let answer = client.get(&["audit", "verify"], &query).await?;
            if answer["intact"] == true {
                let checked = answer["checked"].as_u64().map_or_else(String::new, |n| format!(": {n} changes"));
                context.show(&answer, |_| output::line(format!("The audit log is intact{checked}.")));
                return Ok(());
            }
            if context.global.json {
                output::json(&answer);
                return Err(Failure::silent());
            }
            let detail = match (answer["fault"].as_str(), answer["holds"].as_bool()) {
                (Some("truncated"), _) => {
                    format!("entry {} of the audit log and what followed are missing", cell(&answer["broken_at"]))
                }
                (Some("removed"), _) => {
                    format!("entries before {} of the audit log are missing", cell(&answer["broken_at"]))
                }
                (Some(_), _) => format!("entry {} of the audit log was altered", cell(&answer["broken_at"])),
                (None, _) => "the audit log does not go on from the export: it was rewritten or cut off since".into(),
            };
            Err(Failure::new("audit-broken", detail).remedy(
                "Compare with an earlier export or a backup of the database: from this entry on it cannot be trusted.",
            ))
        }
    }
}

/// Verifies an export.
fn verified(file: &Path) -> Result<AuditExport> {
    let text = super::read_text(file)?;
    verify_export(text.lines()).map_err(|error| {
        Failure::new("audit-broken", format!("{}: {error}", file.display()))
            .remedy("It is not what the host exported: fetch it anew, or compare it with another copy.")
    })
}

async fn export(context: &Context, client: &Client, out: Option<PathBuf>, all: bool) -> Result {
    let query: &[(&str, String)] = if all { &[("all", "true".into())] } else { &[] };
    let mut response = client.open(client.request(Method::GET, &["audit", "export"], query)).await?;
    let mut sink: Box<dyn std::io::Write> = match &out {
        Some(file) => Box::new(std::io::BufWriter::new(std::fs::File::create(file).map_err(at_file(file))?)),
        None => Box::new(std::io::stdout().lock()),
    };
    let broken = |error: reqwest::Error| Failure::new("unreachable", format!("the export broke off: {error}"));
    let mut bytes = 0;
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        bytes += piece.len();
        sink.write_all(&piece)?;
    }
    sink.flush()?;
    drop(sink);
    if let Some(file) = &out {
        let checked = verified(file)?;
        let answer =
            json!({"file": file, "bytes": bytes, "entries": checked.n, "whole": checked.whole, "hash": checked.hash});
        context.show(&answer, |_| {
            output::line(format!("{}: {} entries, {} of them whole", file.display(), checked.n, checked.whole));
            output::line(format!("hash of the last {}", checked.hash));
        });
    }
    Ok(())
}
