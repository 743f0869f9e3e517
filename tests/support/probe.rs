//! The plugin that the tests are written with: built once, packaged with the manifest a test needs.
#![allow(dead_code)] // Each test crate that includes it uses a part.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::json;
use shopwright_registry::Manifest;

const TARGET: &str = "wasm32-wasip2";

/// The component of `tests/plugins/probe`.
pub fn component() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = root();
        // Where the host's own plugins are built: the dependencies are there already.
        let target = target(&root).join("plugins");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&root).args(["build", "--quiet", "--profile", "plugin", "--target", TARGET]);
        cargo.args(["-p", "test-probe", "--target-dir"]).arg(&target);
        for (name, _) in env::vars_os() {
            // What the outer build set for itself is not meant for another target.
            let text = name.to_string_lossy();
            let ours = text.starts_with("CARGO_HOME") || text.starts_with("CARGO_NET");
            if (text.starts_with("CARGO_") && !ours) || text.contains("RUSTFLAGS") || text.contains("RUSTC") {
                cargo.env_remove(&name);
            }
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "tests/plugins/probe could not be built for {TARGET}: see the errors above");
        std::fs::read(target.join(TARGET).join("plugin/test_probe.wasm")).expect("it was built")
    })
}

/// The workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().find(|folder| folder.join("wit").is_dir()).expect("a workspace").to_owned()
}

/// Its target folder: where this test lies.
fn target(root: &Path) -> PathBuf {
    let test = env::current_exe().expect("a path");
    // target/<profile>/deps/<test>
    test.ancestors().nth(3).map_or_else(|| root.join("target"), Path::to_owned)
}

/// The probe as it is: `script` on `probe.go`, `child` started by runs.
pub fn package() -> Vec<u8> {
    let folder = root().join("tests/plugins/probe");
    package_as(&std::fs::read_to_string(folder.join("plugin.toml")).expect("its manifest"))
}

/// The probe under another manifest. Its workflows are `script`, `child`, `keyed`, `timed`, `bounded`.
pub fn package_as(manifest: &str) -> Vec<u8> {
    embed(component(), manifest)
}

/// Version `version` of the probe with these workflows (TOML).
pub fn manifest(version: &str, workflows: &str) -> String {
    format!(
        "name = \"probe\"\nversion = \"{version}\"\ntitle = \"Probe\"\nsummary = \"A probe.\"\npublisher = \"shopwright\"\n\
         wit = \"0.1\"\n{workflows}\n[[template]]\nname = \"note\"\nsubject = \"A note\"\ntext = \"note.txt\"\n"
    )
}

/// A component with a manifest in it.
pub fn embed(component: &[u8], manifest: &str) -> Vec<u8> {
    let mut load = |name: &str| std::fs::read_to_string(root().join("tests/plugins/probe").join(name));
    let mut manifest = Manifest::parse_toml_with(manifest, "plugin.toml", &mut load).expect("a manifest");
    manifest.settings = Some(json!({
        "type": "object",
        "properties": { "steps": { "type": "array", "default": [] } },
        "additionalProperties": false,
    }));
    shopwright_registry::embed(component, &manifest).expect("it is embedded")
}
