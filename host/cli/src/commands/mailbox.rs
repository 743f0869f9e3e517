//! `shopwright mailbox`.

use clap::{Args, Subcommand};

use super::{Context, Limit, items, say_more};
use crate::{
    failure::Result,
    output::{self, Table, cell, fields, time},
};

/// Messages that were sent, or would have been.
#[derive(Debug, Subcommand)]
pub enum Mailbox {
    /// List messages, the newest first.
    #[command(after_help = "Example:\n  shopwright mailbox list --customer 42")]
    List(List),
    /// Show a message.
    #[command(after_help = "Example:\n  shopwright mailbox show run_01a2b3c4d5e6f-3")]
    Show {
        /// Its id.
        id: String,
    },
}

/// Which messages to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this channel.
    #[arg(long, value_parser = ["email", "sms", "staff", "ticket"])]
    channel: Option<String>,
    /// Only to this address, number or staff channel.
    #[arg(long)]
    recipient: Option<String>,
    /// Only to this customer.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only by this run.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(context: &Context, command: Mailbox) -> Result {
    let client = context.client()?;
    match command {
        Mailbox::List(list) => {
            let query = [
                ("channel", list.channel),
                ("recipient", list.recipient),
                ("customer", list.customer),
                ("run", list.run),
            ];
            let answer = client.list(&["mailbox"], &query, list.limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "AT", "CHANNEL", "TO", "SUBJECT / TEXT"]);
                for message in items(answer) {
                    let subject = cell(&message["subject"]);
                    table.row([
                        cell(&message["id"]),
                        time(&message["at"]),
                        cell(&message["channel"]),
                        cell(&message["recipient"]),
                        if subject.is_empty() { cell(&message["text"]) } else { subject },
                    ]);
                }
                table.print("No messages.");
                say_more(answer);
            });
        }
        Mailbox::Show { id } => {
            let answer = client.get(&["mailbox", &id], &[]).await?;
            context.show(&answer, |message| {
                fields(&[
                    ("to", cell(&message["recipient"])),
                    ("channel", cell(&message["channel"])),
                    ("customer", cell(&message["customer"])),
                    ("at", time(&message["at"])),
                    ("by run", cell(&message["run"])),
                    ("subject", cell(&message["subject"])),
                ]);
                output::line("");
                output::line(cell(&message["text"]));
            });
        }
    }
    Ok(())
}
