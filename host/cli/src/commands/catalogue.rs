//! `shopwright catalogue`: the catalogues that a shop looks in, and keeping one of one's own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use semver::Version;
use serde_json::{Value, json};
use shopwright_registry::{
    Catalogue as Document,
    catalogue::{self, Screenshot},
    oci::{self, Source},
    signing,
};

use super::{
    Context, client_side, confirm, items, key,
    plugin_build::{inspect, sandbox},
    plugin_market::{say_age, span},
    plugin_publish::{client, reference, registry_failure},
};
use crate::{
    failure::{Failure, Result, at_file},
    output::{self, Table, cell},
};

/// The catalogues that a shop looks in, and keeping one of one's own.
#[derive(Debug, Subcommand)]
pub enum Catalogue {
    /// List the catalogues that the shop looks in.
    #[command(after_help = "Example:\n  shopwright catalogue list")]
    List,
    /// Look in a catalogue: the host loads it, verifies its signature, and keeps a copy.
    #[command(after_help = "Example:\n  shopwright catalogue add acme ghcr.io/acme/catalogue --key acme.pub")]
    Add(Add),
    /// Look in a catalogue no longer.
    #[command(after_help = "Example:\n  shopwright catalogue remove acme --yes")]
    Remove {
        /// What it is called here.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Look for a newer copy now, of one catalogue or of all.
    #[command(after_help = "Example:\n  shopwright catalogue refresh\n  shopwright catalogue refresh acme")]
    Refresh {
        /// What it is called here.
        name: Option<String>,
    },
    /// Begin a catalogue of one's own: a file, to be changed and published.
    #[command(
        after_help = "Example:\n  shopwright catalogue new catalogue.json --name acme --title \"Acme's plugins\" --publisher acme"
    )]
    New(New),
    /// Put plugins into one's own catalogue, or take them out.
    #[command(subcommand)]
    Entry(Entry),
    /// Mark a version in one's own catalogue as one that nobody should install.
    #[command(
        after_help = "Example:\n  shopwright catalogue yank catalogue.json gift-notes 1.1.0 --reason \"writes twice\"\n  shopwright catalogue yank catalogue.json gift-notes 1.1.0 --undo"
    )]
    Yank(Yank),
    /// Sign one's own catalogue and push it.
    #[command(
        after_help = "Example:\n  shopwright catalogue publish catalogue.json ghcr.io/acme/catalogue --key acme.key"
    )]
    Publish(Publish),
}

/// Entries of one's own catalogue.
#[derive(Debug, Subcommand)]
pub enum Entry {
    /// Add a published version, pulled from its registry.
    #[command(
        after_help = "Example:\n  shopwright catalogue entry add catalogue.json ghcr.io/acme/gift-notes:1.2.0 --screenshot https://acme.example/notes.png=\"The note\""
    )]
    Add(EntryAdd),
    /// Take a plugin out with all its versions. Those who have it hear of it no more: yanking is kinder.
    #[command(after_help = "Example:\n  shopwright catalogue entry remove catalogue.json gift-notes")]
    Remove {
        /// The catalogue's file.
        file: PathBuf,
        /// The plugin's name, or `publisher/name`.
        name: String,
    },
}

/// A catalogue to look in.
#[derive(Debug, Args)]
pub struct Add {
    /// What to call it here.
    name: String,
    /// `registry/repository[:tag]`
    #[arg(value_name = "REF")]
    reference: String,
    /// The public key that signs it [default: a trusted publisher's].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// For every shop of the host.
    #[arg(long)]
    host: bool,
}

/// A catalogue of one's own.
#[derive(Debug, Args)]
pub struct New {
    /// The file to write.
    file: PathBuf,
    /// Lower-case words joined by hyphens.
    #[arg(long)]
    name: String,
    /// What people read.
    #[arg(long)]
    title: String,
    /// Who keeps it: written like a name.
    #[arg(long)]
    publisher: String,
}

/// A version for one's own catalogue.
#[derive(Debug, Args)]
pub struct EntryAdd {
    /// The catalogue's file.
    file: PathBuf,
    /// Where the version is.
    #[arg(value_name = "REF")]
    reference: String,
    /// A picture of it at work; may be given several times.
    #[arg(long, value_name = "URL=CAPTION")]
    screenshot: Vec<String>,
    /// Speak plain HTTP to the registry. This machine's own need no such flag.
    #[arg(long)]
    plain_http: bool,
}

/// A version that nobody should install.
#[derive(Debug, Args)]
pub struct Yank {
    /// The catalogue's file.
    file: PathBuf,
    /// The plugin's name, or `publisher/name`.
    name: String,
    /// The version.
    plugin_version: Version,
    /// Why: operators who have it read this.
    #[arg(long, required_unless_present = "undo", conflicts_with = "undo")]
    reason: Option<String>,
    /// Take it back.
    #[arg(long)]
    undo: bool,
}

/// What to push, and where.
#[derive(Debug, Args)]
pub struct Publish {
    /// The catalogue's file.
    file: PathBuf,
    /// `registry/repository[:tag]`; the tag `latest` where absent.
    #[arg(value_name = "REF")]
    reference: String,
    /// The key to sign with.
    #[arg(long, env = "SHOPWRIGHT_KEY", value_name = "FILE")]
    key: PathBuf,
    /// Speak plain HTTP to the registry. This machine's own need no such flag.
    #[arg(long)]
    plain_http: bool,
}

/// Does it.
pub fn run(context: &Context, command: Catalogue) -> Result {
    match command {
        Catalogue::List => client_side(list(context)),
        Catalogue::Add(args) => client_side(add(context, args)),
        Catalogue::Remove { name, yes } => client_side(remove(context, name, yes)),
        Catalogue::Refresh { name } => client_side(refresh(context, name)),
        Catalogue::New(args) => {
            if args.file.exists() {
                return Err(Failure::new("file-exists", format!("{} is there already", args.file.display())));
            }
            let document = Document::new(&args.name, &args.title, &args.publisher).map_err(registry_failure)?;
            written(context, &args.file, &document, "is begun")
        }
        Catalogue::Entry(Entry::Add(args)) => client_side(entry_add(context, args)),
        Catalogue::Entry(Entry::Remove { file, name }) => {
            let mut document = read(&file)?;
            document.remove(&name).map_err(registry_failure)?;
            written(context, &file, &document, &format!("has {name} no more"))
        }
        Catalogue::Yank(args) => {
            let mut document = read(&args.file)?;
            let version = &args.plugin_version;
            let done = match &args.reason {
                Some(reason) => document.yank(&args.name, version, reason),
                None => document.unyank(&args.name, version),
            };
            done.map_err(registry_failure)?;
            let what = if args.undo { "is offered again" } else { "is yanked" };
            written(context, &args.file, &document, &format!("says that {} {version} {what}", args.name))
        }
        Catalogue::Publish(args) => client_side(publish(context, args)),
    }
}

fn row(table: &mut Table, catalogue: &Value) {
    let age = catalogue["age_ms"].as_i64().map_or_else(|| "in the binary".into(), |ms| format!("{} ago", span(ms)));
    let whose = if catalogue["host"] == true { "every shop" } else { "this shop" };
    table.row([
        cell(&catalogue["name"]),
        cell(&catalogue["plugins"]),
        cell(&catalogue["publisher"]),
        cell(&catalogue["revision"]),
        age,
        whose.into(),
        cell(&catalogue["reference"]),
    ]);
}

fn show(catalogues: &[Value]) {
    let mut table = Table::new(&["CATALOGUE", "PLUGINS", "KEPT BY", "REVISION", "COPY MADE", "FOR", "FROM"]);
    catalogues.iter().for_each(|catalogue| row(&mut table, catalogue));
    table.print("No catalogues.");
    catalogues.iter().for_each(say_age);
}

async fn list(context: &Context) -> Result {
    let answer = context.client()?.get(&["catalogues"], &[]).await?;
    context.show(&answer, |answer| show(items(answer)));
    Ok(())
}

async fn add(context: &Context, args: Add) -> Result {
    let mut body = json!({"reference": args.reference, "host": args.host});
    if let Some(file) = &args.key {
        body["key"] = key::read_public(file)?.to_pem().into();
    }
    let answer = context.client()?.put(&["catalogues", &args.name], &body).await?;
    context.show(&answer, |catalogue| show(std::slice::from_ref(catalogue)));
    Ok(())
}

async fn remove(context: &Context, name: String, yes: bool) -> Result {
    if !yes && !confirm(&format!("Look in {name} no longer?"))? {
        return Err(Failure::new("not-confirmed", "nothing was removed").remedy("Say yes, or pass --yes."));
    }
    context.client()?.delete(&["catalogues", &name]).await?;
    context.show(&json!({"removed": name}), |_| output::line(format!("{name} is looked in no longer")));
    Ok(())
}

async fn refresh(context: &Context, name: Option<String>) -> Result {
    let client = context.client()?;
    if let Some(name) = name {
        let answer = client.post(&["catalogues", &name, "refresh"], &Value::Null).await?;
        context.show(&answer, |catalogue| show(std::slice::from_ref(catalogue)));
        return Ok(());
    }
    let mut failed = false;
    let all = client.get(&["catalogues"], &[]).await?;
    for catalogue in items(&all).iter().filter(|catalogue| catalogue["reference"].is_string()) {
        let name = cell(&catalogue["name"]);
        if let Err(failure) = client.post(&["catalogues", &name, "refresh"], &Value::Null).await {
            failed = true;
            if !context.global.json {
                output::line(format!("{name}: {failure}"));
            }
        }
    }
    let answer = client.get(&["catalogues"], &[]).await?;
    context.show(&answer, |answer| show(items(answer)));
    if failed { Err(Failure::silent()) } else { Ok(()) }
}

fn read(file: &Path) -> Result<Document> {
    let bytes = std::fs::read(file).map_err(at_file(file))?;
    Document::from_json(&bytes).map_err(|error| Failure::new(error.code(), format!("{}: {error}", file.display())))
}

/// Writes the file, readable, whole or not at all, and says what came of it.
fn written(context: &Context, file: &Path, document: &Document, what: &str) -> Result {
    let value: Value = serde_json::from_slice(&document.to_json())?;
    let text = serde_json::to_string_pretty(&value)? + "\n";
    let beside = PathBuf::from(format!("{}.part", file.display()));
    std::fs::write(&beside, text).map_err(at_file(&beside))?;
    std::fs::rename(&beside, file).map_err(at_file(file))?;
    context.show(&value, |_| {
        output::line(format!("{} {what}; revision {}", file.display(), document.revision));
    });
    Ok(())
}

async fn entry_add(context: &Context, args: EntryAdd) -> Result {
    let mut document = read(&args.file)?;
    let mut screenshots = Vec::new();
    for text in &args.screenshot {
        let (url, caption) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--screenshot {text} has no `=`: write URL=CAPTION")))?;
        screenshots.push(Screenshot { url: url.into(), caption: caption.into() });
    }
    let place = reference(&args.reference)?;
    let source = Source::Registry(client(&place, args.plain_http)?);
    let pulled = oci::pull(&source, &place).await.map_err(registry_failure)?;
    let imports = inspect(&sandbox()?, &pulled.component)?;
    // Durable execution and a plugin's own memory are everybody's: nothing to be granted.
    let asked: Vec<(&str, &str)> = imports
        .functions
        .iter()
        .map(|function| (&*function.interface, &*function.function))
        .filter(|(interface, _)| !matches!(*interface, "workflow" | "memory"))
        .collect();
    document.add(&pulled, &asked, screenshots).map_err(registry_failure)?;
    let signed = match signing::signatures(&source, &pulled.reference).await {
        Ok(_) => "",
        Err(shopwright_registry::RegistryError::Unsigned { .. }) => {
            " (NOT SIGNED: operators have to allow it each time)"
        }
        Err(error) => return Err(registry_failure(error)),
    };
    let manifest = &pulled.manifest;
    written(context, &args.file, &document, &format!("has {} {}{signed}", manifest.name, manifest.version))
}

async fn publish(context: &Context, args: Publish) -> Result {
    let document = read(&args.file)?;
    let place = reference(&args.reference)?;
    let secret = key::private(&args.key)?;
    let client = client(&place, args.plain_http)?;
    let pinned = catalogue::publish(&client, &place, &document, &secret).await.map_err(registry_failure)?;
    let fingerprint = secret.public().fingerprint();
    let answer = json!({
        "catalogue": document.name, "revision": document.revision, "reference": pinned.to_string(),
        "digest": pinned.digest(), "signed_with": fingerprint,
    });
    context.show(&answer, |_| {
        output::line(format!("{} is published, revision {}", document.name, document.revision));
        output::line(format!("digest      {}", pinned.digest().unwrap_or_default()));
        output::line(format!("signed with {fingerprint}"));
        output::line(format!(
            "Others look in it with: shopwright catalogue add {} {} --key FILE",
            document.name, place
        ));
    });
    Ok(())
}
