//! `shopwright publisher`: whom the shop trusts to publish plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, confirm, items, key};
use crate::{
    failure::{Failure, Result},
    output::{self, Table, cell},
};

/// Whom the shop trusts to publish plugins.
#[derive(Debug, Subcommand)]
pub enum Publisher {
    /// List them, with their keys' fingerprints.
    #[command(after_help = "Example:\n  shopwright publisher list")]
    List,
    /// Trust a publisher's key, for plugins in their part of a registry. Keys and namespaces add up.
    #[command(
        after_help = "Example:\n  shopwright publisher add acme --key acme.pub --namespace ghcr.io/acme\n\nCompare the fingerprint with the publisher by another way than the one the key came by."
    )]
    Add(Add),
    /// Trust a publisher no longer, or one of their keys. What is installed stays.
    #[command(
        after_help = "Example:\n  shopwright publisher remove acme --yes\n  shopwright publisher remove acme --key-name 2025"
    )]
    Remove {
        /// As manifests name them.
        name: String,
        /// Only this key; the others stay.
        #[arg(long, value_name = "NAME")]
        key_name: Option<String>,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// Whom to trust.
#[derive(Debug, Args)]
pub struct Add {
    /// As manifests name them: `publisher = "acme"`.
    name: String,
    /// Their public key's file, or `-`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What to call the key.
    #[arg(long, value_name = "NAME", default_value = "main")]
    key_name: String,
    /// Where they may publish, such as `ghcr.io/acme`; may be given several times.
    #[arg(long, value_name = "NAMESPACE", required = true)]
    namespace: Vec<String>,
}

/// Does it.
pub async fn run(context: &Context, command: Publisher) -> Result {
    let client = context.client()?;
    let known = async |name: &str| -> Result<Option<Value>> {
        let all = client.get(&["publishers"], &[]).await?;
        Ok(items(&all).iter().find(|known| known["name"] == name).cloned())
    };
    match command {
        Publisher::List => {
            let answer = client.get(&["publishers"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["PUBLISHER", "MAY PUBLISH IN", "KEY", "FINGERPRINT"]);
                for publisher in items(answer) {
                    let namespaces: Vec<String> =
                        publisher["namespaces"].as_array().into_iter().flatten().map(cell).collect();
                    for key in publisher["keys"].as_array().into_iter().flatten() {
                        // Fingerprints are compared whole.
                        let fingerprint = cell(&key["fingerprint"]).replace("sha256:", "");
                        table.row([cell(&publisher["name"]), namespaces.join(", "), cell(&key["name"]), fingerprint]);
                    }
                }
                table.print(
                    "No publisher is trusted: only what this host carries can be installed without --allow-unsigned.",
                );
            });
        }
        Publisher::Add(add) => {
            let pem = key::read_public(&add.key)?.to_pem();
            let before = known(&add.name).await?.unwrap_or_else(|| json!({"keys": [], "namespaces": []}));
            let mut keys: Vec<Value> = before["keys"].as_array().cloned().unwrap_or_default();
            keys.retain(|key| key["name"] != *add.key_name);
            let mut keys: Vec<Value> =
                keys.into_iter().map(|key| json!({"name": key["name"], "key": key["key"]})).collect();
            keys.push(json!({"name": add.key_name, "key": pem}));
            let mut namespaces: Vec<Value> = before["namespaces"].as_array().cloned().unwrap_or_default();
            for namespace in add.namespace {
                if !namespaces.iter().any(|known| *known == *namespace) {
                    namespaces.push(namespace.into());
                }
            }
            let answer =
                client.put(&["publishers", &add.name], &json!({"keys": keys, "namespaces": namespaces})).await?;
            context.show(&answer, |publisher| {
                output::line(format!("{} is trusted", cell(&publisher["name"])));
                for key in publisher["keys"].as_array().into_iter().flatten() {
                    output::line(format!("  key {}: {}", cell(&key["name"]), cell(&key["fingerprint"])));
                }
                for namespace in publisher["namespaces"].as_array().into_iter().flatten() {
                    output::line(format!("  may publish in {}", cell(namespace)));
                }
            });
        }
        Publisher::Remove { name, key_name, yes } => {
            let what = key_name.as_ref().map_or_else(|| name.clone(), |key| format!("the key {key} of {name}"));
            if !yes && !confirm(&format!("Trust {what} no longer?"))? {
                return Err(Failure::new("not-confirmed", "nothing was removed").remedy("Say yes, or pass --yes."));
            }
            match &key_name {
                None => {
                    client.delete(&["publishers", &name]).await?;
                }
                Some(key_name) => {
                    let before = known(&name)
                        .await?
                        .ok_or_else(|| Failure::new("not-found", format!("no publisher `{name}` is trusted")))?;
                    let all = before["keys"].as_array().cloned().unwrap_or_default();
                    let keys: Vec<Value> = all
                        .iter()
                        .filter(|key| key["name"] != **key_name)
                        .map(|key| json!({"name": key["name"], "key": key["key"]}))
                        .collect();
                    if keys.len() == all.len() {
                        return Err(Failure::new("not-found", format!("{name} has no key called `{key_name}`")));
                    }
                    let body = json!({"keys": keys, "namespaces": before["namespaces"]});
                    client.put(&["publishers", &name], &body).await?;
                }
            }
            context.show(&json!({"removed": what}), |_| output::line(format!("{what} is trusted no longer")));
        }
    }
    Ok(())
}
