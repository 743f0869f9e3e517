//! `shopwright install`: the whole way to an installation, with the permissions shown and confirmed.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Context, confirm, grants, json_argument, plugin};
use crate::{
    client::Client,
    failure::{Failure, Result, at_file},
    output::{self, cell, fields},
};

/// A plugin to be enabled.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "Example:\n  shopwright install cart-recovery --settings '{\"wait_hours\": 3}'\n  shopwright install ./gift-notes.wasm --yes\n  shopwright install cart-recovery@0.2.0 --id recovery-test --mode shadow --yes\n  shopwright install ghcr.io/acme/gift-notes:1.2.0 --grant messaging.send-email:per_day=100"
)]
pub struct Install {
    /// `NAME` or `PUBLISHER/NAME` in a catalogue (what this host carries comes first), `NAME@VERSION`,
    /// `registry/repository[:tag][@sha256:…]`, or a component file, which is uploaded first.
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// Which version [default: the newest that runs here].
    #[arg(long, id = "plugin-version", value_name = "VERSION")]
    version: Option<String>,
    /// The installation's id [default: the plugin's name].
    #[arg(long)]
    id: Option<String>,
    /// Settings: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// Grants instead of all that it asks for: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON", conflicts_with = "grant")]
    grants: Option<String>,
    #[arg(long, value_name = "GRANT", help = grants::HELP)]
    grant: Vec<String>,
    /// `live`, `shadow` (actions are judged and recorded, not carried out) or `paused`.
    #[arg(long, default_value = "live", value_parser = ["live", "shadow", "paused"])]
    mode: String,
    /// For a shadow: the live installation it stands beside [default: that of the same plugin].
    #[arg(long, value_name = "ID")]
    beside: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Take it though nobody whom the shop trusts has signed it. This time; it is written down.
    #[arg(long)]
    allow_unsigned: bool,
    /// Take it though it was yanked. This time; it is written down.
    #[arg(long)]
    allow_yanked: bool,
}

/// Does it.
pub async fn run(context: &Context, mut args: Install) -> Result {
    let client = context.client()?;
    let settings = json_argument("--settings", &args.settings)?;
    let given = args.grants.as_deref().map(|text| json_argument("--grants", text)).transpose()?;
    for text in &args.grant {
        grants::parse(text)?;
    }
    if args.plugin.ends_with(".wasm") {
        let file = PathBuf::from(&args.plugin);
        let bytes = std::fs::read(&file).map_err(at_file(&file))?;
        let uploaded = plugin::send(&client, bytes).await?;
        (args.plugin, args.version) = (cell(&uploaded["plugin"]), Some(cell(&uploaded["version"])));
        return known(context, &client, &args, &settings, given).await;
    }
    if !args.plugin.contains('/') {
        if let Some((name, version)) = args.plugin.clone().split_once('@') {
            (args.plugin, args.version) = (name.to_owned(), Some(version.to_owned()));
        }
        if is_known(&client, &args).await? {
            return known(context, &client, &args, &settings, given).await;
        }
    }
    from_market(context, &client, &args, &settings, given).await
}

/// Whether the host has the version that is meant.
async fn is_known(client: &Client, args: &Install) -> Result<bool> {
    match client.get(&["plugins", &args.plugin], &[]).await {
        Ok(answer) => Ok(args
            .version
            .as_ref()
            .is_none_or(|version| super::items(&answer).iter().any(|known| known["version"] == **version))),
        Err(failure) if failure.code() == "not-found" => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Enables a version that the host has.
async fn known(context: &Context, client: &Client, args: &Install, settings: &Value, given: Option<Value>) -> Result {
    let name = &args.plugin;
    let query: Vec<(&str, String)> = args.version.iter().map(|version| ("version", version.clone())).collect();
    let asked = client.get(&["plugins", name, "permissions"], &query).await?;
    let version = cell(&asked["version"]);
    let permissions = asked["permissions"].as_array().map_or(&[][..], Vec::as_slice);
    let grants = given.map_or_else(|| grants::narrowed(permissions, &args.grant), |given| Ok(Some(given)))?;
    if !args.yes {
        if !context.global.json {
            output::line(format!("{name} {version} {}.", cell(&asked["summary"])));
            grants::show(permissions, &asked["http"], grants.as_ref());
            plugin::print_secrets(&asked["secrets"]);
        }
        ask(name, &version)?;
    }
    let mut body = json!({"plugin": name, "version": version, "settings": settings, "mode": args.mode});
    complete(&mut body, args, grants);
    let answer = client.post(&["installations"], &body).await?;
    done(context, &answer, &version);
    if context.global.json {
        return Ok(());
    }
    missing_secrets(client, &asked["secrets"], &cell(&answer["id"])).await
}

/// Has the host pull, verify and enable a plugin.
async fn from_market(
    context: &Context,
    client: &Client,
    args: &Install,
    settings: &Value,
    given: Option<Value>,
) -> Result {
    let mut body = json!({"plugin": args.plugin, "settings": settings, "mode": args.mode});
    body["version"] = args.version.clone().into();
    body["allow_yanked"] = args.allow_yanked.into();
    let mut grants = given;
    if !args.yes || !args.grant.is_empty() {
        let mut query = vec![("plugin", args.plugin.clone())];
        query.extend(args.version.clone().map(|version| ("version", version)));
        let preview = client.get(&["market-preview"], &query).await?;
        let permissions = preview["permissions"].as_array().map_or(&[][..], Vec::as_slice);
        if grants.is_none() {
            grants = grants::narrowed(permissions, &args.grant)?;
        }
        may_be_taken(&preview, args)?;
        if !args.yes {
            if !context.global.json {
                show(&preview, grants.as_ref());
            }
            ask(&cell(&preview["plugin"]), &cell(&preview["version"]))?;
        }
        // Exactly what was shown, whatever the tag says by now.
        body["digest"] = preview["digest"].clone();
    }
    complete(&mut body, args, grants);
    let answer = client.post(&["market-install"], &body).await?;
    done(context, &answer["installation"], &cell(&answer["version"]["version"]));
    if context.global.json {
        return Ok(());
    }
    missing_secrets(client, &answer["version"]["secrets"], &cell(&answer["installation"]["id"])).await
}

fn complete(body: &mut Value, args: &Install, grants: Option<Value>) {
    body["allow_unsigned"] = args.allow_unsigned.into();
    if let Some(id) = &args.id {
        body["id"] = id.clone().into();
    }
    if let Some(beside) = &args.beside {
        body["beside"] = beside.clone().into();
    }
    if let Some(grants) = grants {
        body["grants"] = grants;
    }
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

/// What the host would refuse is told before anything is asked.
fn may_be_taken(preview: &Value, args: &Install) -> Result {
    let signature = &preview["signature"];
    if signature["state"] == "refused" && !(args.allow_unsigned && signature["may_be_allowed"] == true) {
        let remedy = if signature["may_be_allowed"] == true {
            "Trust its publisher's key (`shopwright publisher add`), or pass --allow-unsigned this once."
        } else {
            "Do not install it: ask its publisher by another way than the registry."
        };
        return Err(Failure::new(&cell(&signature["code"]), cell(&signature["detail"])).remedy(remedy));
    }
    if let (Some(reason), false) = (preview["yanked"].as_str(), args.allow_yanked) {
        let detail = format!("{} {} was yanked: {reason}", cell(&preview["plugin"]), cell(&preview["version"]));
        return Err(Failure::new("yanked", detail).remedy("Take another version, or pass --allow-yanked this once."));
    }
    Ok(())
}

fn show(preview: &Value, grants: Option<&Value>) {
    let signature = &preview["signature"];
    let signed = match signature["state"].as_str() {
        Some("built_in") => "carried by this host".to_owned(),
        Some("verified") => {
            format!(
                "by {}, key {} ({})",
                cell(&signature["publisher"]),
                cell(&signature["key"]),
                cell(&signature["fingerprint"])
            )
        }
        _ => format!("NO: {}", cell(&signature["detail"])),
    };
    fields(&[
        ("plugin", format!("{} {}", cell(&preview["plugin"]), cell(&preview["version"]))),
        ("title", cell(&preview["title"])),
        ("does", cell(&preview["description"])),
        ("publisher", cell(&preview["publisher"])),
        ("from", cell(&preview["reference"])),
        ("signed", signed),
        ("YANKED", cell(&preview["yanked"])),
        ("may", cell(&preview["summary"])),
    ]);
    grants::show(preview["permissions"].as_array().map_or(&[], Vec::as_slice), &preview["http"], grants);
    plugin::print_secrets(&preview["secrets"]);
}

fn ask(name: &str, version: &str) -> Result {
    if confirm(&format!("Enable {name} {version} with these permissions?"))? {
        return Ok(());
    }
    Err(Failure::new("not-confirmed", "nothing was installed").remedy("Say yes, or pass --yes."))
}

fn done(context: &Context, installed: &Value, version: &str) {
    context.show(installed, |installed: &Value| {
        let (id, mode) = (cell(&installed["id"]), cell(&installed["mode"]));
        output::line(format!("{} {version} is installed as {id}, {mode}", cell(&installed["plugin"])));
        for grant in installed["grants"].as_array().into_iter().flatten() {
            if grant.as_object().is_some_and(|grant| grant.len() > 1) {
                output::line(format!("narrowed: {}", grants::words(grant)));
            }
        }
    });
}
