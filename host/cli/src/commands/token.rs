//! `shopwright token`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, items};
use crate::{
    failure::Result,
    output::{self, Table, cell, time},
};

/// Who may use the API.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token. Its secret is printed now and never again.
    #[command(after_help = "Example:\n  shopwright token create storefront --role developer --days 365")]
    Create(Create),
    /// List tokens, without their secrets.
    #[command(after_help = "Example:\n  shopwright token list")]
    List,
    /// Revoke a token: it stops working at once.
    #[command(after_help = "Example:\n  shopwright token revoke tok_01a2b3c4d5e6f")]
    Revoke {
        /// Its id.
        id: String,
    },
}

/// A token to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// What it is for.
    name: String,
    /// viewer: reads. developer: sends events and data, uploads plugins, starts runs. operator: installs, sets
    /// guardrails, answers. owner: makes tokens.
    #[arg(long, value_parser = ["viewer", "developer", "operator", "owner"])]
    role: String,
    /// After how many days it ends [default: never].
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Good for every shop of the host.
    #[arg(long)]
    every_shop: bool,
}

/// Does it.
pub async fn run(context: &Context, command: Token) -> Result {
    let client = context.client()?;
    match command {
        Token::Create(new) => {
            let mut body = json!({"name": new.name, "role": new.role, "every_shop": new.every_shop});
            if let Some(days) = new.days {
                body["days"] = days.into();
            }
            let answer = client.post(&["tokens"], &body).await?;
            context.show(&answer, |token| {
                output::line(cell(&token["secret"]));
                // Beside the secret, so that `$(shopwright token create …)` is the secret alone.
                eprintln!(
                    "{} {} is made; this is the only time its secret is shown",
                    cell(&token["role"]),
                    cell(&token["id"])
                );
            });
        }
        Token::List => {
            let answer = client.get(&["tokens"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "NAME", "ROLE", "SHOP", "LAST USED", "ENDS"]);
                for token in items(answer) {
                    let ends =
                        if token["revoked_at"].is_null() { time(&token["expires_at"]) } else { "revoked".into() };
                    let shop = token["shop"].as_str().unwrap_or("every shop").to_owned();
                    table.row([
                        cell(&token["id"]),
                        cell(&token["name"]),
                        cell(&token["role"]),
                        shop,
                        time(&token["last_used_at"]),
                        ends,
                    ]);
                }
                table.print("No tokens.");
            });
        }
        Token::Revoke { id } => {
            client.delete(&["tokens", &id]).await?;
            context.show(&json!({"revoked": id}), |_| output::line(format!("{id} is revoked")));
        }
    }
    Ok(())
}
