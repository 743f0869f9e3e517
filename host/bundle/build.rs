//! Builds the first-party plugins for wasm32-wasip2 and embeds them.
//!
//! The nested build has a target folder of its own (`target/plugins`, shared by all profiles), so it
//! neither waits for the outer build's lock nor is done twice.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "wasm32-wasip2";

/// The plugins that are carried, by folder.
const PLUGINS: [&str; 4] = ["cart-recovery", "ticket-router", "dynamic-pricing", "bench-run"];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest.parent().and_then(Path::parent).expect("host/bundle lies in the workspace").to_owned();
    for watched in ["wit", "sdk/rust/src", "sdk/rust/build.rs", "sdk/rust/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    for plugin in PLUGINS {
        println!("cargo::rerun-if-changed={}", root.join("plugins").join(plugin).display());
    }
    add_target();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    // target/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).map_or_else(|| out.join("plugins"), |target| target.join("plugins"));
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&root).args(["build", "--profile", "plugin", "--target", TARGET, "--target-dir"]).arg(&target);
    let plugins: Vec<&str> =
        PLUGINS.into_iter().filter(|plugin| root.join("plugins").join(plugin).join("Cargo.toml").exists()).collect();
    for plugin in &plugins {
        cargo.args(["-p", plugin]);
    }
    // What the outer build set for itself must not leak into one for another target.
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let leaks = text.starts_with("CARGO_") && !text.starts_with("CARGO_HOME") && !text.starts_with("CARGO_NET");
        if leaks
            || matches!(
                text,
                "RUSTFLAGS"
                    | "RUSTC_WRAPPER"
                    | "RUSTC_WORKSPACE_WRAPPER"
                    | "CLIPPY_ARGS"
                    | "TARGET"
                    | "HOST"
                    | "PROFILE"
                    | "OPT_LEVEL"
                    | "DEBUG"
            )
        {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the plugins could not be built for {TARGET}: see the errors above");
    let mut source = String::from("/// The plugins as they were built.\npub(crate) static BUILT: &[Built] = &[\n");
    for plugin in plugins {
        let wasm = target.join(TARGET).join("plugin").join(format!("{}.wasm", plugin.replace('-', "_")));
        let folder = root.join("plugins").join(plugin);
        let _ = writeln!(source, "Built {{ name: {plugin:?}, component: include_bytes!({wasm:?}), files: &[");
        for file in texts(&folder) {
            let name = file.strip_prefix(&folder).expect("it lies in there").to_string_lossy().replace('\\', "/");
            let _ = writeln!(source, "({name:?}, include_str!({file:?})),");
        }
        source.push_str("] },\n");
    }
    source.push_str("];\n");
    // The SDK and the interface, for `plugin new` where no checkout is at hand.
    source
        .push_str("/// The SDK's files, by their path in the checkout.\npub(crate) static SDK: &[(&str, &str)] = &[\n");
    let mut sdk = vec![root.join("sdk/rust/Cargo.toml"), root.join("sdk/rust/build.rs")];
    for folder in ["sdk/rust/src", "wit/0.1"] {
        sdk.extend(sources(&root.join(folder)));
    }
    for file in sdk {
        let name = file.strip_prefix(&root).expect("it lies in there").to_string_lossy().replace('\\', "/");
        let _ = writeln!(source, "({name:?}, include_str!({file:?})),");
    }
    source.push_str("];\n");
    fs::write(out.join("built.rs"), source).expect("write the list");
}

/// The manifest and what it may name: every text beside the code.
fn texts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if !matches!(name.to_str(), Some("src" | "tests" | "scenarios" | "target")) {
                    folders.push(path);
                }
            } else if matches!(path.extension().and_then(|e| e.to_str()), Some("toml" | "txt" | "html" | "json" | "md"))
                && name != "Cargo.toml"
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// `rust-toolchain.toml` names the target, but rustup may be told not to install by itself.
fn add_target() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let installed = |rustc: &std::ffi::OsStr| {
        let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
        let sysroot = String::from_utf8(sysroot.stdout).ok()?;
        Some(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
    };
    if installed(&rustc) == Some(true) {
        return;
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status().is_ok_and(|status| status.success());
    assert!(
        added && installed(&rustc) == Some(true),
        "the plugins need the target {TARGET}: run `rustup target add {TARGET}` (or install Rust by rustup) and build again"
    );
}
