//! What `plugin new` writes, as its author meets it: outside of this workspace it builds, and its
//! scenario passes.

use std::{path::Path, process::Command};

use shopwright_registry::Manifest;
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_scenario::{NewPlugin, Runner};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_plugin_builds_and_its_scenario_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    let folder = tempfile::tempdir().expect("a folder");
    let sdk = format!("{{ path = {:?} }}", root.join("sdk/rust"));
    for (path, text) in (NewPlugin { name: "gift-notes", publisher: "acme", sdk: &sdk }).files() {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    // The workspace's versions, so that nothing new is fetched.
    std::fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("a lock file");
    let target = root.join("target/plugins");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(folder.path())
        .args(["build", "--release", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
        cargo.env_remove(name);
    }
    assert!(cargo.status().expect("cargo runs").success());

    let component = std::fs::read(target.join("wasm32-wasip2/release/gift_notes.wasm")).expect("a component");
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let compiled = sandbox.compile(&component, &shopwright_registry::digest(&component)).expect("it compiles");
    let schema = sandbox.call_no_imports(&compiled, "about", "settings-schema").await.expect("it answers");
    let text = std::fs::read_to_string(folder.path().join("plugin.toml")).expect("a manifest");
    let mut load = |name: &str| std::fs::read_to_string(folder.path().join(name));
    let mut manifest = Manifest::parse_toml_with(&text, "plugin.toml", &mut load).expect("a good manifest");
    manifest.settings = schema.map(|text| serde_json::from_str(&text).expect("JSON"));
    let component = shopwright_registry::embed(&component, &manifest).expect("it is embedded");

    let runner = Runner::new(sandbox, component).expect("it has a manifest");
    let summary = runner.run_dir(&folder.path().join("scenarios"), None).await.expect("scenarios");
    assert_eq!(summary.failed(), 0, "{summary}");
    assert!(summary.unused().is_empty(), "{}", summary.coverage());
}
