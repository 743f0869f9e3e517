//! `shopwright plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::{
    Context, client_side, install, items, plugin_build, plugin_dev, plugin_inspect, plugin_market, plugin_new,
    plugin_publish, plugin_test,
};
use crate::{
    client::Client,
    failure::{Result, at_file},
    output::{self, Table, cell, fields, time},
};

/// Make, build, test and upload plugins.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Make a new plugin: a crate that builds, with one workflow, settings, a scenario and a README.
    #[command(after_help = "Example:\n  shopwright plugin new gift-notes")]
    New(plugin_new::New),
    /// Build a plugin into one checked component file with its manifest inside.
    #[command(
        after_help = "Example:\n  shopwright plugin build\n  shopwright plugin build plugins/gift-notes --out dist"
    )]
    Build(plugin_build::Build),
    /// Run a plugin's scenarios: given data and events, when time passes, expect these actions.
    #[command(
        after_help = "Example:\n  shopwright plugin test\n  shopwright plugin test plugins/gift-notes --only thanks"
    )]
    Test(plugin_test::Test),
    /// Build and reload a plugin in a running host whenever a file is saved, and follow its log.
    #[command(after_help = "Example:\n  shopwright plugin dev")]
    Dev(plugin_dev::Dev),
    /// Show what a component file is and may do, function by function.
    #[command(after_help = "Example:\n  shopwright plugin inspect gift-notes.wasm")]
    Inspect(plugin_inspect::Inspect),
    /// Upload a component to the host. Nothing runs until it is installed.
    #[command(after_help = "Example:\n  shopwright plugin upload gift-notes.wasm")]
    Upload(Upload),
    /// List the plugins that the host has, with their versions.
    #[command(after_help = "Example:\n  shopwright plugin list")]
    List,
    /// Build, sign and push a plugin to a registry, reproducibly.
    #[command(
        after_help = "Example:\n  shopwright plugin publish ghcr.io/acme/gift-notes --key acme.key\n  shopwright plugin publish ghcr.io/acme/gift-notes:1.2.0 gift-notes.wasm --key acme.key\n\nREADME.md, this version's section of CHANGELOG.md and icon.png (or .webp) beside it go with it."
    )]
    Publish(plugin_publish::Publish),
    /// Find plugins in the catalogues; what the host carries is one.
    #[command(after_help = "Example:\n  shopwright plugin search cart email")]
    Search(plugin_market::Search),
    /// Pull, verify and enable a plugin: the host pulls it, you see what it may do and say yes.
    Install(install::Install),
    /// List installations that have a newer version, or whose version was yanked.
    #[command(after_help = "Example:\n  shopwright plugin outdated")]
    Outdated,
    /// Take a newer version. What asks for more is held until that is granted.
    #[command(
        after_help = "Example:\n  shopwright plugin upgrade cart-recovery\n  shopwright plugin upgrade gift-notes --grant messaging.send-sms:per_day=50 --yes\n  shopwright plugin upgrade --all"
    )]
    Upgrade(plugin_market::Upgrade),
    /// Show a plugin: the version that the host has, and what the catalogues say of it.
    #[command(
        after_help = "Example:\n  shopwright plugin show gift-notes\n  shopwright plugin show gift-notes --version 0.2.0"
    )]
    Show(Which),
    /// Say what a plugin may do, in words.
    #[command(after_help = "Example:\n  shopwright plugin permissions gift-notes")]
    Permissions(Which),
}

/// A component to be uploaded.
#[derive(Debug, Args)]
pub struct Upload {
    /// The component, as `shopwright plugin build` makes it.
    file: PathBuf,
}

/// A plugin's version.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub struct Which {
    /// Its name.
    name: String,
    /// Its version [default: the highest].
    #[arg(long, id = "plugin-version", value_name = "VERSION")]
    version: Option<String>,
}

/// Does it.
pub fn run(context: &Context, command: Plugin) -> Result {
    match command {
        Plugin::New(args) => plugin_new::run(context, args),
        Plugin::Build(args) => plugin_build::run(context, args),
        Plugin::Test(args) => plugin_test::run(context, args),
        Plugin::Dev(args) => plugin_dev::run(context, args),
        Plugin::Inspect(args) => plugin_inspect::run(context, args),
        Plugin::Upload(args) => client_side(upload(context, args)),
        Plugin::List => client_side(list(context)),
        Plugin::Show(which) => client_side(plugin_market::show(context, &which.name, which.version)),
        Plugin::Publish(args) => plugin_publish::run(context, args),
        Plugin::Search(args) => client_side(plugin_market::search(context, args)),
        Plugin::Install(args) => client_side(install::run(context, args)),
        Plugin::Outdated => client_side(plugin_market::outdated(context)),
        Plugin::Upgrade(args) => client_side(plugin_market::upgrade(context, args)),
        Plugin::Permissions(which) => client_side(permissions(context, which)),
    }
}

async fn upload(context: &Context, args: Upload) -> Result {
    let bytes = std::fs::read(&args.file).map_err(at_file(&args.file))?;
    let answer = send(&context.client()?, bytes).await?;
    context.show(&answer, |version| {
        let (name, number) = (cell(&version["plugin"]), cell(&version["version"]));
        output::line(format!("{name} {number} uploaded, {}", cell(&version["digest"])));
        output::line(format!("It {}.", cell(&version["summary"])));
        output::line(format!("Enable it with: shopwright install {name}"));
    });
    Ok(())
}

/// Uploads a component.
pub async fn send(client: &Client, bytes: Vec<u8>) -> Result<Value> {
    let request =
        client.request(Method::POST, &["plugins"], &[]).header("content-type", "application/wasm").body(bytes);
    client.send(request).await
}

async fn list(context: &Context) -> Result {
    let answer = context.client()?.get(&["plugins"], &[]).await?;
    context.show(&answer, |answer| {
        let mut table = Table::new(&["PLUGIN", "VERSION", "PUBLISHER", "ADDED", "WHAT IT MAY DO"]);
        for version in items(answer) {
            table.row([
                cell(&version["plugin"]),
                cell(&version["version"]),
                cell(&version["publisher"]),
                time(&version["created_at"]),
                cell(&version["summary"]),
            ]);
        }
        table.print("No plugins. Upload one with: shopwright plugin upload FILE");
    });
    Ok(())
}

/// A version that the host has, the highest where none is named; none where it has no such plugin.
pub async fn version_on_host(client: &Client, name: &str, version: Option<String>) -> Result<Option<Value>> {
    let found = match version {
        Some(version) => client.get(&["plugins", name, "versions", &version], &[]).await,
        None => match client.get(&["plugins", name, "permissions"], &[]).await {
            Ok(highest) => client.get(&["plugins", name, "versions", &cell(&highest["version"])], &[]).await,
            Err(failure) => Err(failure),
        },
    };
    match found {
        Ok(version) => Ok(Some(version)),
        Err(failure) if failure.code() == "not-found" => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Shows a version that the host has.
pub fn show_version(version: &Value) {
    fields(&[
        ("plugin", format!("{} {}", cell(&version["plugin"]), cell(&version["version"]))),
        ("title", cell(&version["title"])),
        ("summary", cell(&version["description"])),
        ("publisher", cell(&version["publisher"])),
        ("digest", cell(&version["digest"])),
        ("added", time(&version["created_at"])),
        ("may", cell(&version["summary"])),
    ]);
    for workflow in version["workflows"].as_array().into_iter().flatten() {
        output::line(format!("workflow {}: {}", cell(&workflow["name"]), cell(&workflow["title"])));
        for trigger in workflow["triggers"].as_array().into_iter().flatten() {
            output::line(format!("  {}", trigger_words(trigger)));
        }
    }
    if let Some(properties) = version["settings_schema"]["properties"].as_object() {
        let mut table = Table::new(&["SETTING", "TYPE", "DEFAULT", "MEANING"]);
        for (name, setting) in properties {
            let meaning = if setting["description"].is_null() { &setting["title"] } else { &setting["description"] };
            table.row([name.clone(), cell(&setting["type"]), cell(&setting["default"]), cell(meaning)]);
        }
        table.print("");
    }
}

/// A trigger of a manifest in words.
pub fn trigger_words(trigger: &Value) -> String {
    match trigger["on"].as_str() {
        Some("schedule") => format!("at {}", cell(&trigger["cron"])),
        _ => {
            let kinds: Vec<String> = trigger["kinds"].as_array().into_iter().flatten().map(cell).collect();
            let condition = trigger["condition"].as_str().map_or_else(String::new, |when| format!(" when {when}"));
            format!("on {}{condition}", kinds.join(", "))
        }
    }
}

async fn permissions(context: &Context, which: Which) -> Result {
    let query: Vec<(&str, String)> = which.version.map(|version| ("version", version)).into_iter().collect();
    let answer = context.client()?.get(&["plugins", &which.name, "permissions"], &query).await?;
    context.show(&answer, |answer| {
        output::line(format!("{} {} {}.", cell(&answer["plugin"]), cell(&answer["version"]), cell(&answer["summary"])));
        print_permissions(answer["permissions"].as_array().map_or(&[], Vec::as_slice), &answer["http"]);
    });
    Ok(())
}

/// Permissions function by function, the riskiest first.
pub fn print_permissions(permissions: &[Value], http: &Value) {
    let mut table = Table::new(&["RISK", "FUNCTION", "WHAT IT DOES", "CAN BE NARROWED BY"]);
    for risk in ["high", "medium", "low"] {
        for permission in permissions.iter().filter(|permission| permission["risk"] == risk) {
            let narrowings: Vec<String> = permission["narrowings"].as_array().into_iter().flatten().map(cell).collect();
            table.row([
                risk.to_owned(),
                cell(&permission["function"]),
                cell(&permission["words"]),
                narrowings.join(", "),
            ]);
        }
    }
    table.print("It asks for nothing.");
    for host in http.as_array().into_iter().flatten() {
        let host = cell(host);
        output::line(if host == "*" { "calls hosts that you name".into() } else { format!("calls {host}") });
    }
}

/// The secrets that a plugin wants: as a manifest or the API has them.
pub fn print_secrets(secrets: &Value) {
    for secret in secrets.as_array().into_iter().flatten() {
        let hosts: Vec<String> = secret["hosts"].as_array().into_iter().flatten().map(cell).collect();
        output::line(format!(
            "wants the secret {} for {}: {}",
            cell(&secret["name"]),
            hosts.join(", "),
            cell(&secret["title"])
        ));
    }
}
