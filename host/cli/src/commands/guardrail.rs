//! `shopwright guardrail`.

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{Context, items, json_argument};
use crate::{
    failure::Result,
    output::{self, Table, cell},
};

/// The shop's rules on actions.
#[derive(Debug, Subcommand)]
pub enum Guardrail {
    /// List guardrails, in the order they are judged.
    #[command(after_help = "Example:\n  shopwright guardrail list")]
    List,
    /// Set a guardrail.
    #[command(
        after_help = "Example:\n  shopwright guardrail set price-floor '{\"kind\": \"price_floor\", \"percent\": 110, \"of\": \"cost\"}'\n  shopwright guardrail set big-discounts '{\"kind\": \"discount_ceiling\", \"percent\": 15, \"mode\": \"ask\"}'"
    )]
    Set {
        /// Its id.
        id: String,
        /// The rule: JSON text, `@file`, or `-`.
        rule: String,
    },
    /// Remove a guardrail.
    #[command(after_help = "Example:\n  shopwright guardrail remove price-floor")]
    Remove {
        /// Its id.
        id: String,
    },
}

/// Does it.
pub async fn run(context: &Context, command: Guardrail) -> Result {
    let client = context.client()?;
    match command {
        Guardrail::List => {
            let answer = client.get(&["guardrails"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "KIND", "MODE", "ON", "RULE"]);
                for rule in items(answer) {
                    let on = if rule["enabled"] == false { "no" } else { "yes" };
                    table.row([cell(&rule["id"]), cell(&rule["kind"]), cell(&rule["mode"]), on.into(), words(rule)]);
                }
                table.print("No guardrails: whatever a workflow asks for is done, but for marketing without consent.");
            });
        }
        Guardrail::Set { id, rule } => {
            let rule = json_argument("the rule", &rule)?;
            let answer = client.put(&["guardrails", &id], &rule).await?;
            context.show(&answer, |rule| output::line(format!("{id} is set: {}", words(rule))));
        }
        Guardrail::Remove { id } => {
            client.delete(&["guardrails", &id]).await?;
            context.show(&serde_json::json!({"removed": id}), |_| output::line(format!("{id} is removed")));
        }
    }
    Ok(())
}

/// The operator's own sentence, or the rule's fields.
fn words(rule: &Value) -> String {
    if let Some(words) = rule["words"].as_str().filter(|words| !words.is_empty()) {
        return words.to_owned();
    }
    let general = ["id", "kind", "words", "enabled", "mode"];
    let own: Map<String, Value> = rule
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| {
            !general.contains(&name.as_str())
                && !value.is_null()
                && value.as_array().is_none_or(|list| !list.is_empty())
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    own.iter().map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(" ")
}
