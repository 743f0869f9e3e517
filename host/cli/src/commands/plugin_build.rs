//! `shopwright plugin build`: from a crate to one checked component file with its manifest inside.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::Args;
use serde_json::{Value, json};
use shopwright_registry::{Manifest, ManifestError, Permission, Settings, Trigger, permissions};
use shopwright_sandbox::{Imports, Sandbox, SandboxOptions};
use shopwright_triggers::{Condition, KeyExpr, Root, Schedule};

use super::{Context, client_side};
use crate::{
    failure::{Failure, Result, at_file},
    output,
};

const TARGET: &str = "wasm32-wasip2";
/// What a host takes at most.
const LARGEST: usize = 32 << 20;

/// What to build.
#[derive(Debug, Args)]
pub struct Build {
    /// The plugin's folder, with `plugin.toml` and `Cargo.toml`.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Folder to write NAME.wasm to [default: the plugin's].
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Take this component instead of running cargo: for plugins in other languages.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    /// The cargo profile to build with.
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub cargo_profile: String,
}

/// A finished package.
pub struct Package {
    /// The component with its manifest.
    pub bytes: Vec<u8>,
    /// The manifest, with the settings schema.
    pub manifest: Manifest,
    /// What it asks for.
    pub permissions: Vec<Permission>,
}

/// Builds, checks and writes.
pub fn run(context: &Context, args: Build) -> Result {
    let component = match &args.component {
        Some(file) => std::fs::read(file).map_err(at_file(file))?,
        None => compile(&args.folder, &args.cargo_profile)?,
    };
    client_side(async {
        let package = package(&sandbox()?, &args.folder, &component, None).await?;
        let folder = args.out.as_ref().unwrap_or(&args.folder);
        std::fs::create_dir_all(folder).map_err(at_file(folder))?;
        let path = folder.join(format!("{}.wasm", package.manifest.name));
        std::fs::write(&path, &package.bytes).map_err(at_file(&path))?;
        let summary = permissions::summary_with_hosts(&package.permissions, &package.manifest.http);
        let answer = json!({
            "file": path, "plugin": package.manifest.name, "version": package.manifest.version.to_string(),
            "digest": shopwright_registry::digest(&package.bytes), "size": package.bytes.len(), "summary": summary,
        });
        context.show(&answer, |answer| {
            let Manifest { name, version, .. } = &package.manifest;
            output::line(format!("{name} {version}: {}, {}", path.display(), size(package.bytes.len())));
            output::line(format!("It {summary}."));
            output::line(format!("digest {}", output::cell(&answer["digest"])));
        });
        Ok(())
    })
}

/// A sandbox for looking at components: small, quick to make, nothing kept.
pub fn sandbox() -> Result<Sandbox> {
    let options = SandboxOptions { instances: 4, pooling: false, cache_folder: None, ..SandboxOptions::default() };
    Sandbox::new(options).map_err(|error| Failure::new("sandbox", error.to_string()))
}

/// Bytes for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KB", bytes / 1024),
        _ => format!("{} MB", bytes / (1024 * 1024)),
    }
}

/// Runs cargo and answers with the component that it made.
pub fn compile(folder: &Path, profile: &str) -> Result<Vec<u8>> {
    // Looked at first: a fault there is found without waiting for the compiler.
    Manifest::read(folder).map_err(|error| manifest_failure(&error))?;
    let crate_file = folder.join("Cargo.toml");
    if !crate_file.exists() {
        return Err(Failure::new("no-crate", format!("{} is not there", crate_file.display())).remedy(
            "Run the command in a plugin's folder, begin one with `shopwright plugin new`, or pass --component.",
        ));
    }
    add_target()?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--target", TARGET, "--profile", profile, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&crate_file)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            Failure::new("cargo", format!("cargo cannot be run: {error}")).remedy("Install Rust by https://rustup.rs.")
        })?;
    if !output.status.success() {
        return Err(Failure::new("build", "the plugin does not compile; cargo says why above"));
    }
    let own = std::fs::canonicalize(&crate_file).map_err(at_file(&crate_file))?;
    let file = artefact(&output.stdout, &own).ok_or_else(|| {
        Failure::new("no-component", "cargo built no component of this crate")
            .remedy("Cargo.toml needs: [lib] crate-type = [\"cdylib\", \"rlib\"]")
    })?;
    std::fs::read(&file).map_err(at_file(&file))
}

/// The wasm file that cargo's messages name for the crate of this Cargo.toml.
fn artefact(messages: &[u8], crate_file: &Path) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == crate_file))
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .rfind(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Installs the target where rustup did not do so by itself.
fn add_target() -> Result {
    let there = || {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
        let sysroot = String::from_utf8(sysroot.stdout).ok()?;
        Some(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
    };
    if there() == Some(true) {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status().is_ok_and(|status| status.success());
    if added && there() == Some(true) {
        return Ok(());
    }
    Err(Failure::new("no-target", format!("the Rust target {TARGET} is not installed"))
        .remedy(format!("Run `rustup target add {TARGET}`.")))
}

/// Checks a component and its manifest against each other and against what hosts take, and joins them.
/// `pre` is put behind the version (`0.1.0-dev.3`): versions never change, so each try needs its own.
pub async fn package(sandbox: &Sandbox, folder: &Path, component: &[u8], pre: Option<&str>) -> Result<Package> {
    let mut manifest = Manifest::read(folder).map_err(|error| manifest_failure(&error))?;
    let text = std::fs::read_to_string(folder.join("plugin.toml")).unwrap_or_default();
    check_texts(&manifest, &text, &folder.join("plugin.toml").display().to_string())?;
    let imports = inspect(sandbox, component)?;
    let permissions = permissions_of(&imports)?;
    let digest = shopwright_registry::digest(component);
    let compiled =
        sandbox.compile(component, &digest).map_err(|error| Failure::new("bad-component", error.to_string()))?;
    if manifest.settings.is_none() {
        let schema = sandbox.call_no_imports(&compiled, "about", "settings-schema").await.map_err(|error| {
            Failure::new("settings-schema", format!("the component's `about.settings-schema` failed: {error}"))
        })?;
        let schema = schema.map(|schema| serde_json::from_str(&schema)).transpose().map_err(|error| {
            Failure::new("settings-schema", format!("the component's `about.settings-schema` gave no JSON: {error}"))
        })?;
        manifest.settings = schema;
    }
    if let Some(schema) = &manifest.settings {
        Settings::compile(schema)
            .map_err(|error| Failure::new("settings-schema", format!("the settings schema is wrong {error}")))?;
    }
    if let Some(pre) = pre {
        manifest.version.pre = pre.parse().map_err(|error| Failure::new("version", format!("{pre}: {error}")))?;
    }
    let bytes = shopwright_registry::embed(component, &manifest)
        .map_err(|error| Failure::new("bad-manifest", error.to_string()))?;
    if bytes.len() > LARGEST {
        return Err(Failure::new(
            "too-large",
            format!("the component is {}; hosts take {}", size(bytes.len()), size(LARGEST)),
        )
        .remedy("Build with opt-level = \"s\", lto = true and strip = true in [profile.release]."));
    }
    Ok(Package { bytes, manifest, permissions })
}

/// What a component imports, if it is one that a host takes.
pub fn inspect(sandbox: &Sandbox, component: &[u8]) -> Result<Imports> {
    sandbox.inspect(component).map_err(|error| {
        Failure::new("bad-component", error.to_string())
            .remedy("A plugin is built for wasm32-wasip2 against wit/0.1 and imports nothing but its interfaces.")
    })
}

/// The functions a component asks for, in words.
pub fn permissions_of(imports: &Imports) -> Result<Vec<Permission>> {
    let asked: Vec<(&str, &str)> =
        imports.functions.iter().map(|function| (function.interface.as_str(), function.function.as_str())).collect();
    permissions::permissions(&asked).map_err(|error| Failure::new("bad-component", error.to_string()))
}

fn manifest_failure(error: &ManifestError) -> Failure {
    let ManifestError { file, line, column, message, remedy } = error;
    Failure::new("bad-manifest", format!("{file}:{line}:{column}: {message}")).remedy(remedy.clone())
}

/// Compiles every condition, key and schedule, as the host will.
fn check_texts(manifest: &Manifest, source: &str, file: &str) -> Result {
    let fault = |text: &str, what: &str, error: &dyn std::fmt::Display| {
        // The manifest does not keep places; the text itself is found again in the file.
        let line = source.lines().position(|line| line.contains(text)).map_or(1, |n| n + 1);
        Failure::new("bad-manifest", format!("{file}:{line}: {what} `{text}`: {error}"))
    };
    for workflow in &manifest.workflows {
        for trigger in &workflow.triggers {
            match trigger {
                Trigger::Event { condition: Some(condition), .. } => {
                    Condition::compile(condition, Root::Event)
                        .map_err(|error| fault(condition, "the condition", &error))?;
                }
                Trigger::Event { .. } => {}
                Trigger::Schedule { cron, .. } => {
                    Schedule::parse(cron).map_err(|error| fault(cron, "the schedule", &error))?;
                }
            }
        }
        if let Some(concurrency) = &workflow.concurrency {
            KeyExpr::compile(&concurrency.key)
                .map_err(|error| fault(&concurrency.key, "the concurrency key", &error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_own_component_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/x/dep/Cargo.toml","filenames":["/t/dep.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/x/own/Cargo.toml","filenames":["/t/libown.rlib","/t/own.wasm"]}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(artefact(messages.as_bytes(), Path::new("/x/own/Cargo.toml")), Some("/t/own.wasm".into()));
        assert_eq!(artefact(messages.as_bytes(), Path::new("/x/none/Cargo.toml")), None);
    }

    #[test]
    fn a_wrong_condition_is_told_with_its_line() {
        let text = "name = \"p\"\nversion = \"0.1.0\"\ntitle = \"t\"\nsummary = \"s\"\npublisher = \"p\"\nwit = \"0.1\"\n[[workflow]]\nname = \"w\"\ntitle = \"t\"\n[[workflow.trigger]]\nevent = [\"a.b\"]\nwhen = \"event.data. > 1\"\n";
        let manifest = Manifest::parse_toml(text, "plugin.toml").expect("its shape is good");
        let failure = check_texts(&manifest, text, "plugin.toml").expect_err("no CEL");
        assert!(failure.to_string().contains("plugin.toml:12: the condition"), "{failure}");
    }
}
