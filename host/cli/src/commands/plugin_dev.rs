//! `shopwright plugin dev`: save, and the running host has it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use notify::{RecursiveMode, Watcher as _};
use serde_json::json;
use shopwright_sandbox::Sandbox;
use tokio::sync::mpsc;

use super::{Context, event, json_argument, plugin, plugin_build};
use crate::{
    client::Client,
    failure::{Failure, Result},
    output::{self, cell},
};

/// An editor writes several files at once, and some twice.
const SETTLE: Duration = Duration::from_millis(150);

/// What to develop, and where.
#[derive(Debug, Args)]
pub struct Dev {
    /// The plugin's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The installation's id [default: the plugin's name].
    #[arg(long)]
    id: Option<String>,
    /// Settings for a new installation: JSON text or `@file`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// The cargo profile to build with.
    #[arg(long, value_name = "NAME", default_value = "release")]
    cargo_profile: String,
}

/// Builds, reloads and follows until Ctrl-C.
pub fn run(context: &Context, args: Dev) -> Result {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(develop(context, args))
}

async fn develop(context: &Context, args: Dev) -> Result {
    let client = context.client()?;
    let settings = json_argument("--settings", &args.settings)?;
    let me = client.get(&["me"], &[]).await?;
    if matches!(me["role"].as_str(), Some("viewer" | "developer")) {
        return Err(Failure::new(
            "forbidden",
            format!("installing needs the role operator; the token is a {}", cell(&me["role"])),
        )
        .remedy("Make one with `shopwright token create dev --role operator`."));
    }
    let (changed, mut changes) = mpsc::unbounded_channel();
    let _watcher = watch(&args.folder, changed)?;
    let round =
        Round { client: client.clone(), sandbox: Arc::new(plugin_build::sandbox()?), args: Arc::new(args), settings };
    let manifest = shopwright_registry::Manifest::read(&round.args.folder);
    let id = round.args.id.clone().or_else(|| manifest.ok().map(|manifest| manifest.name)).unwrap_or_default();
    let json = context.global.json;
    let follower = tokio::spawn(async move { follow(client, id, json).await });
    round.go().await;
    let ended = tokio::signal::ctrl_c();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = &mut ended => break,
            change = changes.recv() => {
                if change.is_none() {
                    break;
                }
                tokio::time::sleep(SETTLE).await;
                while changes.try_recv().is_ok() {}
                round.go().await;
                // What was written by the build itself.
                while changes.try_recv().is_ok() {}
            }
        }
    }
    follower.abort();
    Ok(())
}

/// What each round of building and reloading needs.
struct Round {
    client: Client,
    sandbox: Arc<Sandbox>,
    args: Arc<Dev>,
    settings: serde_json::Value,
}

impl Round {
    /// A fault is shown, and the next save is another try.
    async fn go(&self) {
        let began = std::time::Instant::now();
        match self.reload().await {
            Ok(told) => output::line(format!("{told} ({:.1} s); waiting for changes", began.elapsed().as_secs_f32())),
            Err(failure) => failure.print(false),
        }
    }

    async fn reload(&self) -> Result<String> {
        let args = self.args.clone();
        let component = tokio::task::spawn_blocking(move || plugin_build::compile(&args.folder, &args.cargo_profile))
            .await
            .map_err(|error| Failure::new("build", error.to_string()))??;
        // Versions never change, so each round gets its own, behind the released ones.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let package =
            plugin_build::package(&self.sandbox, &self.args.folder, &component, Some(&format!("dev.{now}"))).await?;
        let (name, version) = (package.manifest.name.clone(), package.manifest.version.to_string());
        plugin::send(&self.client, package.bytes).await?;
        let id = self.args.id.clone().unwrap_or_else(|| name.clone());
        match self.client.get(&["installations", &id], &[]).await {
            Ok(installed) => {
                // All that it asks for, as a new installation gets: here the developer is the operator.
                let grants: Vec<_> = package
                    .permissions
                    .iter()
                    .filter(|permission| !matches!(permission.interface, "workflow" | "memory"))
                    .map(|permission| {
                        let known = installed["grants"].as_array().into_iter().flatten();
                        let same = known.clone().find(|grant| grant["function"] == permission.name().as_str());
                        same.cloned().unwrap_or_else(|| json!({"function": permission.name()}))
                    })
                    .collect();
                self.client.patch(&["installations", &id], &json!({"version": version, "grants": grants})).await?;
            }
            Err(failure) if failure.code() == "not-found" => {
                let body = json!({"plugin": name, "version": version, "id": id, "settings": self.settings});
                self.client.post(&["installations"], &body).await?;
            }
            Err(failure) => return Err(failure),
        }
        Ok(format!("{name} {version} is live as {id}"))
    }
}

/// Tells of every change to what a plugin is built from.
fn watch(folder: &Path, changed: mpsc::UnboundedSender<()>) -> Result<notify::RecommendedWatcher> {
    let root = std::fs::canonicalize(folder)?;
    let inner = root.clone();
    let failed = |error: notify::Error| Failure::new("watch", format!("the folder cannot be watched: {error}"));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if !event.kind.is_access() && event.paths.iter().any(|path| is_source(&inner, path)) {
            // The receiver is gone only at the end.
            let _ = changed.send(());
        }
    })
    .map_err(failed)?;
    watcher.watch(&root, RecursiveMode::Recursive).map_err(failed)?;
    Ok(watcher)
}

/// Whether a file is one that a plugin is built from, and not what a build or an editor leaves behind.
fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(root) else { return false };
    let hidden =
        |part: &std::ffi::OsStr| part.to_string_lossy().starts_with('.') || part.to_string_lossy().ends_with('~');
    if inside.iter().any(|part| part == "target" || hidden(part)) {
        return false;
    }
    inside.file_name().is_some_and(|name| name != "Cargo.lock") && inside.extension().is_some_and(|kind| kind != "wasm")
}

/// Shows what happens to the installation, again and again should the feed break off.
async fn follow(client: Client, id: String, json: bool) {
    loop {
        let followed = event::follow(&client, |notice| {
            let of = notice["installation"].as_str();
            if of.is_none_or(|of| of == id || of.is_empty()) {
                output::line(if json { notice.to_string() } else { event::told(notice) });
            }
            true
        })
        .await;
        if let Err(failure) = followed {
            failure.print(false);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_start_a_build() {
        let root = Path::new("/p");
        for (path, source) in [
            ("/p/src/lib.rs", true),
            ("/p/plugin.toml", true),
            ("/p/templates/a.txt", true),
            ("/p/target/debug/x.rs", false),
            ("/p/name.wasm", false),
            ("/p/Cargo.lock", false),
            ("/p/.git/index.x", false),
            ("/p/src/.lib.rs.swp", false),
            ("/p/src/lib.rs~", false),
            ("/q/src/lib.rs", false),
        ] {
            assert_eq!(is_source(root, Path::new(path)), source, "{path}");
        }
    }
}
