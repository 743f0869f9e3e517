//! `shopwright plugin search`, `show`, `outdated`, `upgrade`: plugins in catalogues.

use clap::Args;
use serde_json::{Value, json};

use super::{Context, confirm, grants, items, plugin, plugin_build::size};
use crate::{
    client::Client,
    failure::{Failure, Result},
    output::{self, Table, cell, fields},
};

/// What is looked for.
#[derive(Debug, Args)]
pub struct Search {
    /// Words that all have to fit: name, title, categories, publisher, summary, what it may do. None: everything.
    words: Vec<String>,
}

/// Finds plugins.
pub async fn search(context: &Context, args: Search) -> Result {
    let answer = context.client()?.get(&["market"], &[("q", args.words.join(" "))]).await?;
    context.show(&answer, |answer| {
        let mut table = Table::new(&["PLUGIN", "VERSION", "PUBLISHER", "CATALOGUE", "WHAT IT DOES"]);
        for entry in items(answer) {
            let newest = entry["newest"].as_str().map_or_else(|| "none for here".into(), str::to_owned);
            table.row([
                cell(&entry["name"]),
                newest,
                cell(&entry["publisher"]),
                cell(&entry["catalogue"]["name"]),
                cell(&entry["summary"]),
            ]);
        }
        table.print("Nothing fits.");
        let mut told: Vec<&Value> = Vec::new();
        for entry in items(answer) {
            if !told.contains(&&entry["catalogue"]["name"]) {
                told.push(&entry["catalogue"]["name"]);
                say_age(&entry["catalogue"]);
            }
        }
    });
    Ok(())
}

/// Says that a copy is looked in because the registry is away.
pub fn say_age(catalogue: &Value) {
    if let Some(error) = catalogue["error"].as_str() {
        let age = catalogue["age_ms"].as_i64().unwrap_or_default();
        output::line(format!("The catalogue {} is a copy from {} ago: {error}", cell(&catalogue["name"]), span(age)));
    }
}

/// Milliseconds for people.
pub fn span(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        ..2 => format!("{} s", ms / 1_000),
        2..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// What the catalogues say of a plugin; none where they do not have it.
pub async fn entries(client: &Client, name: &str) -> Result<Option<Value>> {
    match client.get(&["market", name], &[]).await {
        Ok(answer) => Ok(Some(answer["items"].clone())),
        Err(failure) if failure.code() == "not-in-catalogues" => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Shows what a catalogue says of a plugin.
pub fn show_entry(entry: &Value) {
    output::line(format!("in the catalogue {}", cell(&entry["catalogue"]["name"])));
    fields(&[
        ("plugin", format!("{}/{}", cell(&entry["publisher"]), cell(&entry["name"]))),
        ("title", cell(&entry["title"])),
        ("does", cell(&entry["summary"])),
        ("licence", cell(&entry["license"])),
        ("homepage", cell(&entry["homepage"])),
    ]);
    for installed in entry["installed"].as_array().into_iter().flatten() {
        output::line(format!("installed as {}, {}", cell(&installed["id"]), cell(&installed["version"])));
    }
    for picture in entry["screenshots"].as_array().into_iter().flatten() {
        output::line(format!("picture {} ({})", cell(&picture["url"]), cell(&picture["caption"])));
    }
    if let Some(newest) = entry["versions"].get(0) {
        output::line(format!("{} {}", cell(&newest["version"]), cell(&newest["may"])));
    }
    let mut table = Table::new(&["VERSION", "INTERFACE", "SIZE", "STATE"]);
    for version in entry["versions"].as_array().into_iter().flatten() {
        let state = match (version["yanked"].as_str(), version["runs_here"] == true) {
            (Some(reason), _) => format!("yanked: {reason}"),
            (None, true) => "runs here".into(),
            (None, false) => "does not run here".into(),
        };
        let bytes = version["size"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
        table.row([cell(&version["version"]), cell(&version["wit"]), size(bytes), state]);
    }
    table.print("");
    say_age(&entry["catalogue"]);
}

/// Lists what should be looked at.
pub async fn outdated(context: &Context) -> Result {
    let answer = context.client()?.get(&["market-outdated"], &[]).await?;
    context.show(&answer, |answer| {
        if items(answer).is_empty() {
            return output::line("Everything is up to date.");
        }
        for line in items(answer) {
            let newest = line["newest"].as_str().map_or_else(String::new, |newest| format!(" → {newest}"));
            output::line(format!(
                "{}  {} {}{newest}",
                cell(&line["installation"]),
                cell(&line["plugin"]),
                cell(&line["version"])
            ));
            if let Some(reason) = line["yanked"].as_str() {
                output::line(format!("  YANKED: {reason}"));
            }
            show_difference(line, "  ");
            for news in line["changelog"].as_array().into_iter().flatten() {
                show_news(&cell(&news["version"]), &news["text"], "  ");
            }
        }
        if items(answer).iter().any(|line| line["newest"].is_string()) {
            output::line("Take them with: shopwright plugin upgrade --all");
        }
    });
    Ok(())
}

fn show_difference(answer: &Value, indent: &str) {
    for (field, sign) in [("added", "asks for more"), ("removed", "asks no longer")] {
        for permission in answer[field].as_array().into_iter().flatten() {
            let (function, words, risk) =
                (cell(&permission["function"]), cell(&permission["words"]), cell(&permission["risk"]));
            output::line(format!("{indent}{sign}: {function} ({words}; risk {risk})"));
        }
    }
    for host in answer["hosts"].as_array().into_iter().flatten() {
        output::line(format!("{indent}asks for more: calls {}", cell(host)));
    }
}

fn show_news(version: &str, text: &Value, indent: &str) {
    if let Some(text) = text.as_str() {
        output::line(format!("{indent}new in {version}:"));
        for line in text.lines() {
            output::line(format!("{indent}  {line}"));
        }
    }
}

/// What is to be upgraded.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub struct Upgrade {
    /// The installation's id.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "INSTALLATION")]
    installation: Option<String>,
    /// Everything that is outdated.
    #[arg(long)]
    all: bool,
    /// To which version [default: the newest that runs here].
    #[arg(long, id = "plugin-version", value_name = "VERSION", conflicts_with = "all")]
    version: Option<String>,
    /// Grant what it asks for beyond, without being asked.
    #[arg(long, short)]
    yes: bool,
    #[arg(long, value_name = "GRANT", help = grants::HELP, conflicts_with = "all")]
    grant: Vec<String>,
    /// Take it though nobody whom the shop trusts has signed it. This time; it is written down.
    #[arg(long)]
    allow_unsigned: bool,
    /// Take it though it was yanked. This time; it is written down.
    #[arg(long)]
    allow_yanked: bool,
}

/// Upgrades.
pub async fn upgrade(context: &Context, args: Upgrade) -> Result {
    let client = context.client()?;
    let Some(installation) = &args.installation else { return upgrade_all(context, &client, &args).await };
    let answer = one(context, &client, installation, &args).await?;
    context.show(&answer, tell);
    if answer["state"] == "held" { Err(held(installation)) } else { Ok(()) }
}

async fn upgrade_all(context: &Context, client: &Client, args: &Upgrade) -> Result {
    let outdated = client.get(&["market-outdated"], &[]).await?;
    let mut answers = Vec::new();
    let mut failures = 0;
    for line in items(&outdated).iter().filter(|line| line["newest"].is_string()) {
        let installation = cell(&line["installation"]);
        match one(context, client, &installation, args).await {
            Ok(answer) => {
                if !context.global.json {
                    tell(&answer);
                }
                answers.push(answer);
            }
            // One that fails does not stop the others.
            Err(failure) => {
                failures += 1;
                if !context.global.json {
                    output::line(format!("{installation}: {failure}"));
                }
                answers.push(json!({"state": "failed", "installation": {"id": installation}, "code": failure.code()}));
            }
        }
    }
    let waiting = answers.iter().filter(|answer| answer["state"] == "held").count();
    let none = answers.is_empty();
    context.show(&json!({"items": answers}), |_| {
        if none {
            output::line("Everything is up to date.");
        }
    });
    if failures > 0 {
        Err(Failure::silent())
    } else if waiting > 0 {
        Err(held("INSTALLATION"))
    } else {
        Ok(())
    }
}

/// Upgrades one installation; asks where it asks for more.
async fn one(context: &Context, client: &Client, installation: &str, args: &Upgrade) -> Result<Value> {
    let mut body = json!({
        "installation": installation, "version": args.version,
        "allow_unsigned": args.allow_unsigned, "allow_yanked": args.allow_yanked,
    });
    let answer = client.post(&["market-upgrade"], &body).await?;
    if answer["state"] != "held" {
        return Ok(answer);
    }
    if !args.yes {
        if !context.global.json {
            let version = &answer["installation"];
            output::line(format!(
                "{installation}: {} {} → {}",
                cell(&version["plugin"]),
                cell(&answer["from"]),
                cell(&answer["to"])
            ));
            show_difference(&answer, "  ");
            show_news(&cell(&answer["to"]), &answer["changelog"], "  ");
        }
        if !confirm("Grant what it asks for beyond, and upgrade?")? {
            return Ok(answer);
        }
    }
    let mut added: Vec<Value> = answer["added"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|permission| json!({"function": permission["function"]}))
        .collect();
    // Further hosts to call: the grant is given anew, with those that it has and these.
    let further = answer["hosts"].as_array().map_or(&[][..], Vec::as_slice);
    let mut granted = answer["installation"]["grants"].as_array().into_iter().flatten();
    if let (Some(calls), false) = (granted.find(|grant| grant["function"] == "http.send"), further.is_empty()) {
        let mut hosts = calls["hosts"].as_array().cloned().unwrap_or_default();
        hosts.extend(further.iter().filter(|host| **host != "*").cloned());
        let mut calls = calls.clone();
        calls["hosts"] = Value::Array(hosts);
        added.push(calls);
    }
    grants::narrow(&mut added, &args.grant)?;
    body["grants"] = Value::Array(added);
    // Exactly what was shown.
    body["version"] = answer["to"].clone();
    body["digest"] = answer["digest"].clone();
    client.post(&["market-upgrade"], &body).await
}

fn tell(answer: &Value) {
    let installed = &answer["installation"];
    let (id, name) = (cell(&installed["id"]), cell(&installed["plugin"]));
    let (from, to) = (cell(&answer["from"]), cell(&answer["to"]));
    match answer["state"].as_str() {
        Some("upgraded") => {
            output::line(format!("{id}: {name} {from} → {to}; runs in flight stay on {from}"));
            show_difference(answer, "  ");
            show_news(&to, &answer["changelog"], "  ");
        }
        Some("held") => {
            output::line(format!("{id}: {name} {to} is held, {from} goes on"));
            show_difference(answer, "  ");
        }
        _ => output::line(format!("{id}: {name} {from} is the newest")),
    }
}

fn held(installation: &str) -> Failure {
    Failure::new("held", "it asks for more than was granted, and nothing was changed")
        .remedy(format!("Grant it with: shopwright plugin upgrade {installation} --yes"))
}

/// Shows a plugin: the version that the host has, and what the catalogues say.
pub async fn show(context: &Context, name: &str, version: Option<String>) -> Result {
    let client = context.client()?;
    let on_host = match name.contains('/') {
        true => None,
        false => plugin::version_on_host(&client, name, version).await?,
    };
    let entries = entries(&client, name).await?;
    let mut answer = match (&on_host, &entries) {
        (None, None) => {
            return Err(Failure::new(
                "not-found",
                format!("neither this host nor a catalogue has a plugin called `{name}`"),
            )
            .remedy("Look with: shopwright plugin search"));
        }
        (Some(version), _) => version.clone(),
        (None, Some(_)) => json!({}),
    };
    answer["catalogues"] = entries.clone().unwrap_or_else(|| json!([]));
    context.show(&answer, |_| {
        if let Some(version) = &on_host {
            plugin::show_version(version);
        }
        for entry in entries.as_ref().and_then(Value::as_array).into_iter().flatten() {
            show_entry(entry);
        }
    });
    Ok(())
}
