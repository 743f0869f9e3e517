//! `shopwright shop`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, items, limits};
use crate::{
    failure::Result,
    output::{self, Table, cell, time},
};

/// The tenants of the host.
#[derive(Debug, Subcommand)]
pub enum Shop {
    /// Create a shop. Needs an owner's token that is good for every shop.
    #[command(after_help = "Example:\n  shopwright shop create outlet --currency EUR --time-zone Europe/Berlin")]
    Create(Create),
    /// List the shops that the token is good for.
    #[command(after_help = "Example:\n  shopwright shop list")]
    List,
    /// Show how much the shop uses of its limits, or set them (with an owner's token that is good for every shop).
    #[command(
        after_help = "Example:\n  shopwright shop limits\n  shopwright shop limits --shop outlet --runs-in-flight 50"
    )]
    Limits(limits::LimitArgs),
}

/// A shop to be created.
#[derive(Debug, Args)]
pub struct Create {
    /// Its id: lower-case letters, digits and hyphens.
    id: String,
    /// For people [default: the id].
    #[arg(long, default_value = "")]
    name: String,
    /// ISO 4217.
    #[arg(long)]
    currency: String,
    /// IANA name.
    #[arg(long)]
    time_zone: String,
}

/// Does it.
pub async fn run(context: &Context, command: Shop) -> Result {
    let client = context.client()?;
    match command {
        Shop::Create(new) => {
            let body = json!({"id": new.id, "name": new.name, "currency": new.currency, "time_zone": new.time_zone});
            let answer = client.post(&["shops"], &body).await?;
            context.show(&answer, |shop| output::line(format!("{} is created", cell(&shop["id"]))));
        }
        Shop::Limits(limits) => limits::run(context, &["limits"], limits).await?,
        Shop::List => {
            let answer = client.get(&["shops"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "NAME", "CURRENCY", "TIME ZONE", "CREATED"]);
                for shop in items(answer) {
                    table.row([
                        cell(&shop["id"]),
                        cell(&shop["name"]),
                        cell(&shop["currency"]),
                        cell(&shop["time_zone"]),
                        time(&shop["created_at"]),
                    ]);
                }
                table.print("No shops.");
            });
        }
    }
    Ok(())
}
