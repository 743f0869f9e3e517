//! `shopwright install`: the whole way to an installation, with the permissions shown and confirmed.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Context, confirm, json_argument, plugin, plugin_build::sandbox};
use crate::{
    client::Client,
    failure::{Failure, Result, at_file},
    output::{self, cell},
};

/// A plugin to be enabled.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shopwright install cart-recovery --settings '{\"wait_hours\": 3}'\n  shopwright install ./gift-notes.wasm --yes\n  shopwright install cart-recovery@0.2.0 --id recovery-test --mode shadow --yes"
)]
pub struct Install {
    /// `NAME`, `NAME@VERSION`, or a component file, which is uploaded first. Of the workflows that this binary
    /// carries (cart-recovery, ticket-router, dynamic-pricing) the name will do.
    plugin: String,
    /// The installation's id [default: the plugin's name].
    #[arg(long)]
    id: Option<String>,
    /// Settings: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// Grants instead of all that it asks for: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON")]
    grants: Option<String>,
    /// `live`, `shadow` (actions are judged and recorded, not carried out) or `paused`.
    #[arg(long, default_value = "live", value_parser = ["live", "shadow", "paused"])]
    mode: String,
    /// For a shadow: the live installation it stands beside [default: that of the same plugin].
    #[arg(long, value_name = "ID")]
    beside: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Does it.
pub async fn run(context: &Context, args: Install) -> Result {
    let client = context.client()?;
    let settings = json_argument("--settings", &args.settings)?;
    let grants = args.grants.as_deref().map(|text| json_argument("--grants", text)).transpose()?;
    let (name, version) = if args.plugin.ends_with(".wasm") {
        let file = PathBuf::from(&args.plugin);
        let bytes = std::fs::read(&file).map_err(at_file(&file))?;
        let uploaded = plugin::send(&client, bytes).await?;
        (cell(&uploaded["plugin"]), Some(cell(&uploaded["version"])))
    } else {
        match args.plugin.split_once('@') {
            Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
            None => (args.plugin.clone(), None),
        }
    };
    if version.is_none() && shopwright_bundle::FIRST_PARTY.contains(&&*name) {
        carried(&client, &name).await?;
    }
    let query: Vec<(&str, String)> = version.iter().map(|version| ("version", version.clone())).collect();
    let asked = client.get(&["plugins", &name, "permissions"], &query).await?;
    let version = cell(&asked["version"]);
    if !args.yes {
        if !context.global.json {
            output::line(format!("{name} {version} {}.", cell(&asked["summary"])));
            plugin::print_permissions(asked["permissions"].as_array().map_or(&[], Vec::as_slice), &asked["http"]);
            plugin::print_secrets(&asked["secrets"]);
        }
        if !confirm(&format!("Enable {name} {version} with these permissions?"))? {
            return Err(Failure::new("not-confirmed", "nothing was installed").remedy("Say yes, or pass --yes."));
        }
    }
    let mut body = json!({"plugin": name, "version": version, "settings": settings, "mode": args.mode});
    if let Some(id) = args.id {
        body["id"] = id.into();
    }
    if let Some(beside) = args.beside {
        body["beside"] = beside.into();
    }
    if let Some(grants) = grants {
        body["grants"] = grants;
    }
    let answer = client.post(&["installations"], &body).await?;
    context.show(&answer, |installed: &Value| {
        let (id, mode) = (cell(&installed["id"]), cell(&installed["mode"]));
        output::line(format!("{name} {version} is installed as {id}, {mode}"));
    });
    if context.global.json {
        return Ok(());
    }
    missing_secrets(&client, &asked["secrets"], &cell(&answer["id"])).await
}

/// Says which secrets the plugin wants that are not set for it, and the command that sets each.
async fn missing_secrets(client: &Client, wanted: &Value, installation: &str) -> Result {
    let wanted = wanted.as_array().map_or(&[][..], Vec::as_slice);
    if wanted.is_empty() {
        return Ok(());
    }
    let known = client.get(&["secrets"], &[]).await?;
    let usable = |name: &Value| {
        super::items(&known).iter().any(|secret| {
            let may = &secret["installations"];
            secret["name"] == *name
                && (may.is_null() || may.as_array().is_some_and(|ids| ids.iter().any(|id| id == installation)))
        })
    };
    for secret in wanted.iter().filter(|secret| !usable(&secret["name"])) {
        let hosts: Vec<String> =
            secret["hosts"].as_array().into_iter().flatten().map(|host| format!(" --host '{}'", cell(host))).collect();
        output::line(format!("It needs {}. Set it with:", cell(&secret["title"])));
        output::line(format!(
            "  shopwright secret set {}{} --installation {installation}",
            cell(&secret["name"]),
            hosts.concat()
        ));
    }
    Ok(())
}

/// Uploads a workflow that this binary carries, where the host has no version of it.
async fn carried(client: &Client, name: &str) -> Result {
    match client.get(&["plugins", name], &[]).await {
        Err(failure) if failure.code() == "not-found" => {}
        other => return other.map(drop),
    }
    let bytes = shopwright_bundle::package(&sandbox()?, name)
        .await
        .map_err(|error| Failure::new("bundle", error.to_string()))?;
    plugin::send(client, bytes).await.map(drop)
}
