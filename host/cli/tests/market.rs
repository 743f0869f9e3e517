//! The marketplace as publishers and operators see it: the real binary, a real registry, and registries that lie.

#[path = "../../../tests/support/docker_registry.rs"]
mod docker_registry;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use docker_registry::DockerRegistry;
use serde_json::{Value, json};
use shopwright_registry::Manifest;
use shopwright_sandbox::{Sandbox, SandboxOptions};

const BINARY: &str = env!("CARGO_BIN_EXE_shopwright");
const PASSPHRASE: &str = "correct horse";

/// A host, and a folder for the files of who uses it.
struct Host {
    process: Child,
    url: String,
    token: String,
    folder: PathBuf,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Host {
    fn start(folder: &Path, settings: &str) -> Self {
        let (ready, token) = (folder.join("ready"), folder.join("token"));
        std::fs::write(folder.join("shopwright.toml"), settings).expect("writes");
        let process = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .arg("--token-file")
            .arg(&token)
            .current_dir(folder)
            .env("DOCKER_CONFIG", folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let began = Instant::now();
        let url = loop {
            if let Ok(url) = std::fs::read_to_string(&ready) {
                break url.trim().to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the host did not become ready");
            std::thread::yield_now();
        };
        let token = std::fs::read_to_string(&token).expect("a token").trim().to_owned();
        Self { process, url, token, folder: folder.to_owned() }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(BINARY)
            .args(args)
            .env("SHOPWRIGHT_URL", &self.url)
            .env("SHOPWRIGHT_TOKEN", &self.token)
            .env("SHOPWRIGHT_KEY_PASSPHRASE", PASSPHRASE)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .env("DOCKER_CONFIG", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    /// What a command prints, where it succeeds.
    #[track_caller]
    fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {}{complaint}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as JSON.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[args, &["--json"]].concat())).expect("json")
    }

    /// The code with which a command fails, and what it says.
    #[track_caller]
    fn fails(&self, args: &[&str]) -> (String, String) {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(!output.status.success(), "{args:?} should fail: {}", String::from_utf8_lossy(&output.stdout));
        let text = String::from_utf8(output.stderr).expect("text");
        let problem: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{args:?}: {text}"));
        (problem["code"].as_str().expect("a code").to_owned(), text)
    }
}

/// A finished component: the carried plugin `like` with the name `gift-notes` by `acme`.
fn component(like: &str, version: &str) -> Vec<u8> {
    static SANDBOX: std::sync::OnceLock<Sandbox> = std::sync::OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| {
        let options = SandboxOptions { instances: 4, pooling: false, ..SandboxOptions::default() };
        Sandbox::new(options).expect("a sandbox")
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let made = runtime.block_on(shopwright_bundle::package(sandbox, like)).expect("it is carried");
    let mut manifest: Manifest = shopwright_registry::extract(&made).expect("a manifest").expect("one");
    (manifest.name, manifest.publisher) = ("gift-notes".into(), "acme".into());
    manifest.version = version.parse().expect("a version");
    shopwright_registry::embed(&made, &manifest).expect("embedded")
}

/// A publisher's folder: the component with README and changelog.
fn package(folder: &Path, like: &str, version: &str) -> String {
    let own = folder.join(format!("gift-notes-{version}"));
    std::fs::create_dir_all(&own).expect("a folder");
    std::fs::write(own.join("gift-notes.wasm"), component(like, version)).expect("writes");
    std::fs::write(own.join("README.md"), "# Gift notes\n").expect("writes");
    let changelog =
        format!("# Changelog\n\n## {version}\n\n- Writes more than before {version}.\n\n## 0.9.0\n\n- Before.\n");
    std::fs::write(own.join("CHANGELOG.md"), changelog).expect("writes");
    own.join("gift-notes.wasm").display().to_string()
}

fn audited(host: &Host) -> Vec<String> {
    let all = host.json(&["audit", "list", "--limit", "1000"]);
    all["items"].as_array().expect("a list").iter().map(|entry| entry["what"].as_str().expect("text").into()).collect()
}

/// key new → publish → catalogue → search → install → upgrade, as the two READMEs tell it.
#[test]
fn a_plugin_goes_from_its_publisher_to_a_shop_and_is_upgraded() {
    let Some(mut registry) = DockerRegistry::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), "");
    let place = format!("{}/acme/gift-notes", registry.address);
    let catalogue = format!("{}/acme/catalogue", registry.address);

    // The publisher.
    let key = host.json(&["key", "new", "--out", "acme"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("acme.key")).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(host.fails(&["key", "new", "--out", "acme"]).0, "key-exists");
    assert_eq!(host.json(&["key", "show", "acme.key"])["fingerprint"], key["fingerprint"]);
    let public = std::fs::read_to_string(folder.path().join("acme.pub")).expect("a public key");
    assert_eq!(host.text(&["key", "public", "acme.key"]), public);
    let first = package(folder.path(), "bench-run", "1.0.0");
    assert_eq!(host.fails(&["plugin", "publish", &place, &first]).0, "usage", "neither a key nor --unsigned");
    let published = host.json(&["plugin", "publish", &place, &first, "--key", "acme.key"]);
    let again = host.json(&["plugin", "publish", &place, &first, "--key", "acme.key"]);
    assert_eq!(published["digest"], again["digest"], "the same input gives the same digest");
    assert_eq!(published["signed_with"], key["fingerprint"]);

    // An operator who trusts nobody yet.
    let reference = format!("{place}:1.0.0");
    let (code, told) = host.fails(&["plugin", "install", &reference, "--yes"]);
    assert!(code == "untrusted" && told.contains("publisher"), "{told}");
    host.text(&["publisher", "add", "acme", "--key", "acme.pub", "--namespace", &format!("{}/acme", registry.address)]);
    assert!(host.text(&["publisher", "list"]).contains("acme"));
    let (code, _) = host.fails(&["plugin", "install", &reference]);
    assert_eq!(code, "not-confirmed", "nobody is there to say yes");
    let installed = host.json(&["plugin", "install", &reference, "--grant", "messaging.send-email:per_day=7", "--yes"]);
    assert_eq!((&installed["id"], &installed["version"]), (&json!("gift-notes"), &json!("1.0.0")));
    let grants = installed["grants"].as_array().expect("a list");
    let email = grants.iter().find(|grant| grant["function"] == "messaging.send-email").expect("granted");
    assert_eq!(email["per_day"], 7);
    assert!(host.text(&["installation", "show", "gift-notes"]).contains("at most 7 times a day"));

    // A catalogue of the publisher's own.
    let file = folder.path().join("catalogue.json").display().to_string();
    host.text(&["catalogue", "new", &file, "--name", "acme", "--title", "Acme's", "--publisher", "acme"]);
    let shot = "https://acme.example/a.png=A note";
    host.text(&["catalogue", "entry", "add", &file, &reference, "--screenshot", shot]);
    host.text(&["catalogue", "publish", &file, &catalogue, "--key", "acme.key"]);
    let old = std::fs::read(&file).expect("the catalogue");
    let old_link = std::fs::read(registry.tag("acme/catalogue", "latest")).expect("a tag");
    host.json(&["key", "new", "--out", "other"]);
    assert_eq!(host.fails(&["catalogue", "add", "acme", &catalogue, "--key", "other.pub"]).0, "wrong-key");
    let added = host.json(&["catalogue", "add", "acme", &catalogue, "--key", "acme.pub"]);
    assert_eq!((&added["plugins"], &added["revision"]), (&json!(1), &json!(1)));
    let found = host.json(&["plugin", "search", "gift"]);
    assert_eq!(found["items"][0]["name"], "gift-notes", "{found}");
    let shown = host.text(&["plugin", "show", "acme/gift-notes"]);
    assert!(shown.contains("runs here") && shown.contains("https://acme.example/a.png"), "{shown}");
    assert_eq!(host.json(&["plugin", "outdated"])["items"], json!([]));

    // A version that asks for more is held until that is granted; what is new is told.
    let second = package(folder.path(), "cart-recovery", "1.1.0");
    host.text(&["plugin", "publish", &place, &second, "--key", "acme.key"]);
    host.text(&["catalogue", "entry", "add", &file, &format!("{place}:1.1.0")]);
    host.text(&["catalogue", "publish", &file, &catalogue, "--key", "acme.key"]);
    host.text(&["catalogue", "refresh"]);
    let outdated = host.json(&["plugin", "outdated"]);
    let line = &outdated["items"][0];
    assert_eq!(
        (&line["newest"], &line["changelog"][0]["text"]),
        (&json!("1.1.0"), &json!("- Writes more than before 1.1.0.")),
        "{line}"
    );
    let added = line["added"].as_array().expect("a list");
    assert!(added.iter().any(|one| one["function"] == "messaging.send-sms"), "{line}");
    assert_eq!(host.fails(&["plugin", "upgrade", "gift-notes"]).0, "held");
    assert_eq!(host.json(&["installation", "show", "gift-notes"])["version"], "1.0.0");
    let upgraded = host.json(&["plugin", "upgrade", "gift-notes", "--grant", "messaging.send-sms:per_day=1", "--yes"]);
    assert_eq!(upgraded["state"], "upgraded", "{upgraded}");
    let grants = upgraded["installation"]["grants"].as_array().expect("a list").clone();
    let narrowed =
        |name: &str| grants.iter().find(|grant| grant["function"] == name).expect("granted")["per_day"].clone();
    assert_eq!(
        (narrowed("messaging.send-sms"), narrowed("messaging.send-email")),
        (json!(1), json!(7)),
        "both stay narrow"
    );
    let current = host.json(&["plugin", "upgrade", "gift-notes"]);
    assert_eq!(current["state"], "current");

    // Yanked: told, and refused.
    host.text(&["catalogue", "yank", &file, "gift-notes", "1.0.0", "--reason", "wrote twice"]);
    host.text(&["catalogue", "publish", &file, &catalogue, "--key", "acme.key"]);
    host.text(&["catalogue", "refresh", "acme"]);
    let back = ["plugin", "install", &*reference, "--id", "old", "--yes"];
    let (code, told) = host.fails(&back);
    assert!(code == "yanked" && told.contains("wrote twice"), "{told}");
    host.text(&[&back[..], &["--allow-yanked"]].concat());
    let outdated = host.json(&["plugin", "outdated"]);
    let line = &outdated["items"][0];
    assert_eq!((&line["installation"], &line["yanked"]), (&json!("old"), &json!("wrote twice")), "{outdated}");
    // What asks for less, or the same, is taken at once: here all is granted beforehand.
    assert_eq!(host.json(&["plugin", "upgrade", "--all", "--yes"])["items"][0]["state"], "upgraded");

    // The catalogue's tag goes back: refused, the copy stays. A changed one of the same revision too.
    let new_link = std::fs::read(registry.tag("acme/catalogue", "latest")).expect("a tag");
    std::fs::write(registry.tag("acme/catalogue", "latest"), &old_link).expect("writes");
    let (code, _) = host.fails(&["catalogue", "refresh", "acme"]);
    assert_eq!(code, "moved-back");
    assert_eq!(host.json(&["plugin", "search", "gift"])["items"][0]["newest"], "1.1.0", "the copy serves");
    assert_eq!(host.fails(&["catalogue", "add", "acme", &catalogue, "--key", "acme.pub"]).0, "moved-back");
    std::fs::write(registry.tag("acme/catalogue", "latest"), new_link).expect("writes");
    host.text(&["catalogue", "refresh", "acme"]);
    // Whoever publishes from an old file is told, before anything is pushed.
    std::fs::write(&file, old).expect("writes");
    assert_eq!(host.fails(&["catalogue", "publish", &file, &catalogue, "--key", "acme.key"]).0, "bad-catalogue");

    // The registry is away: the copy serves, with its age.
    registry.stop();
    assert_eq!(host.fails(&["catalogue", "refresh", "acme"]).0, "registry-unreachable");
    let away = host.text(&["plugin", "search", "gift"]);
    assert!(away.contains("gift-notes") && away.contains("is a copy from"), "{away}");
    host.text(&["publisher", "remove", "acme", "--yes"]);
    host.text(&["catalogue", "remove", "acme", "--yes"]);

    // Every change is written down, and the export is verified without the host.
    let what = audited(&host);
    for change in [
        "publisher.trusted",
        "plugin.pulled",
        "installation.created",
        "catalogue.added",
        "catalogue.refreshed",
        "upgrade.held",
        "installation.upgraded",
        "publisher.removed",
        "catalogue.removed",
    ] {
        assert!(what.iter().any(|known| known == change), "{change} is missing in {what:?}");
    }
    let export = host.json(&["audit", "export", "--out", "audit.jsonl"]);
    assert_eq!(export["entries"], what.len());
    host.text(&["audit", "verify", "--file", "audit.jsonl"]);
    host.text(&["audit", "verify", "--since", "audit.jsonl"]);
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).expect("the export");
    let lines: Vec<&str> = text.lines().collect();
    let without = |gone: usize| -> String {
        lines.iter().enumerate().filter(|(n, _)| *n != gone).map(|(_, line)| format!("{line}\n")).collect()
    };
    let edited = text.replacen("wrote twice", "wrote once", 1);
    assert_ne!(edited, text);
    for (damaged, says) in [
        (edited, "was edited"),
        (without(3), "was removed"),
        (without(lines.len() - 1), "truncated"),
        (lines[..4].join("\n"), "truncated"),
        (without(0), "head is missing"),
    ] {
        std::fs::write(folder.path().join("damaged.jsonl"), damaged).expect("writes");
        let (code, told) = host.fails(&["audit", "verify", "--file", "damaged.jsonl"]);
        assert!(code == "audit-broken" && told.contains(says), "{says}: {told}");
    }
}

/// What the binary carries needs no network and no publisher.
#[test]
fn what_the_binary_carries_is_a_catalogue() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), "[registries]\nonly = [\"ghcr.io\"]\n");
    let found = host.json(&["plugin", "search", "cart"]);
    let best = &found["items"][0];
    assert_eq!((&best["name"], &best["catalogue"]["name"]), (&json!("cart-recovery"), &json!("built-in")), "{found}");
    assert_eq!(host.json(&["plugin", "search"])["items"].as_array().expect("a list").len(), 3);
    let shown = host.text(&["plugin", "show", "cart-recovery"]);
    assert!(shown.contains("runs here") && shown.contains("sends email and SMS"), "{shown}");
    let installed = host.json(&["plugin", "install", "cart-recovery", "--yes"]);
    assert_eq!(installed["plugin"], "cart-recovery");
    let listed = host.json(&["plugin", "list"]);
    assert!(
        listed["items"][0]["source"].as_str().expect("text").starts_with("built-in.invalid/shopwright/cart-recovery")
    );
    assert_eq!(host.json(&["plugin", "outdated"])["items"], json!([]));
    assert_eq!(host.fails(&["plugin", "install", "gift-notes", "--yes"]).0, "not-in-catalogues");
    let (code, told) = host.fails(&["plugin", "install", "registry.example.com/acme/x:1.0.0", "--yes"]);
    assert!(code == "registry-not-allowed" && told.contains("ghcr.io"), "{told}");
    let grant = "pricing-actions.set-price:categories=hats";
    let priced = host.json(&["plugin", "install", "dynamic-pricing", "--grant", grant, "--yes"]);
    assert!(priced["grants"].to_string().contains("\"categories\":[\"hats\"]"), "{priced}");
    let wider = "pricing-actions.set-price:categories=hats,shoes:per_day=9";
    let changed = host.json(&["installation", "set", "dynamic-pricing", "--grant", wider]);
    assert!(changed["grants"].to_string().contains("\"per_day\":9"), "{changed}");
    assert_eq!(host.fails(&["installation", "set", "dynamic-pricing", "--grant", "orders.get"]).0, "usage");
}

/// A real registry whose storage somebody changed.
#[test]
fn a_registry_that_lies_is_caught_by_the_host() {
    let Some(registry) = DockerRegistry::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path(), "");
    let place = format!("{}/acme/gift-notes", registry.address);
    let latest = format!("{place}:latest");
    for name in ["acme", "mallory"] {
        host.json(&["key", "new", "--out", name, "--no-passphrase"]);
    }
    host.text(&["publisher", "add", "acme", "--key", "acme.pub", "--namespace", &format!("{}/acme", registry.address)]);
    let (old, new) = (package(folder.path(), "bench-run", "1.0.0"), package(folder.path(), "bench-run", "1.1.0"));
    let publish = |reference: &str, file: &str, key: &str| {
        let published = host.json(&["plugin", "publish", reference, file, "--key", key]);
        let digest = |field: &str| published[field].as_str().expect("a digest").to_owned();
        (digest("digest"), digest("component"))
    };
    let install = |reference: &str| host.fails(&["plugin", "install", reference, "--yes", "--allow-unsigned"]);
    let signature = |digest: &str| format!("{}.sig", digest.replace(':', "-"));

    // The tag goes back to an older version than the one that is pinned.
    let (first, component) = publish(&latest, &old, "acme.key");
    let (second, _) = publish(&latest, &new, "acme.key");
    assert_eq!(host.json(&["plugin", "install", &latest, "--yes"])["version"], "1.1.0");
    std::fs::write(registry.tag("acme/gift-notes", "latest"), &first).expect("writes");
    let (code, told) = install(&latest);
    assert!(code == "moved-back" && told.contains("1.1.0") && told.contains("1.0.0"), "{told}");

    // Other bytes, and fewer, for the component's digest.
    let blob = registry.blob(&component);
    let bytes = std::fs::read(&blob).expect("the component");
    let mut changed = bytes.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    std::fs::write(&blob, &changed).expect("writes");
    assert_eq!(install(&format!("{place}@{first}")).0, "registry-lies");
    std::fs::write(&blob, &bytes[..bytes.len() / 2]).expect("writes");
    assert_eq!(install(&format!("{place}@{first}")).0, "truncated");
    std::fs::write(&blob, &bytes).expect("writes");

    // Another manifest for the digest.
    let manifest = registry.blob(&first);
    let image = std::fs::read(&manifest).expect("the manifest");
    std::fs::write(&manifest, std::fs::read(registry.blob(&second)).expect("another")).expect("writes");
    let (code, told) = install(&format!("{place}@{first}"));
    // docker-registry itself may notice; either way nothing of it is used.
    assert!(["registry-lies", "registry-refused", "not-in-registry"].contains(&&*code), "{told}");
    std::fs::write(&manifest, image).expect("writes");

    // A version that is pinned has other contents, well signed.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(other.join("gift-notes.wasm"), component_with_summary("1.1.0")).expect("writes");
    let file = other.join("gift-notes.wasm").display().to_string();
    publish(&format!("{place}:1.1.0"), &file, "acme.key");
    let (code, told) = install(&format!("{place}:1.1.0"));
    assert!(code == "version-moved" && told.contains("never changes"), "{told}");

    // A signature of another image, of another key, and none: only the last may be allowed, each time anew.
    let third = package(folder.path(), "bench-run", "1.2.0");
    let unsigned = host.json(&["plugin", "publish", &place, &third, "--unsigned"]);
    let digest = unsigned["digest"].as_str().expect("a digest").to_owned();
    let (code, _) = host.fails(&["plugin", "install", &format!("{place}:1.2.0"), "--yes"]);
    assert_eq!(code, "unsigned");
    let link = std::fs::read(registry.tag("acme/gift-notes", &signature(&first))).expect("a signature");
    let beside = registry.tag("acme/gift-notes", &signature(&digest));
    std::fs::create_dir_all(beside.parent().expect("a folder")).expect("made");
    std::fs::write(&beside, link).expect("writes");
    let (code, told) = install(&format!("{place}:1.2.0"));
    assert!(code == "copied-signature" && told.contains(&first), "{told}");
    std::fs::remove_file(&beside).expect("removed");
    let fourth = package(folder.path(), "bench-run", "1.3.0");
    publish(&place, &fourth, "mallory.key");
    assert_eq!(install(&format!("{place}:1.3.0")).0, "wrong-key");
    let unsigned = format!("{place}:1.2.0");
    let allowed = ["plugin", "install", &*unsigned, "--id", "trial", "--yes"];
    host.text(&[&allowed[..], &["--allow-unsigned"]].concat());
    assert_eq!(host.fails(&[&allowed[..4], &["again", "--yes"]].concat()).0, "unsigned", "each time anew");
    let by_version = ["plugin", "install", "gift-notes@1.2.0", "--id", "again", "--yes"];
    assert_eq!(host.fails(&by_version).0, "unsigned", "also of what the host has");
    let set = host.fails(&["installation", "set", "gift-notes", "--to-version", "1.2.0"]);
    assert_eq!(set.0, "unsigned");
    let log = host.json(&["audit", "list", "--limit", "1000"]);
    let pulled = |entry: &&Value| entry["what"] == "plugin.pulled" && entry["after"]["unsigned_allowed"] == true;
    assert_eq!(log["items"].as_array().expect("a list").iter().filter(pulled).count(), 1);

    // Nothing of all this is installed.
    let installed = host.json(&["installation", "list"]);
    let versions: Vec<&str> =
        installed["items"].as_array().expect("a list").iter().filter_map(|one| one["version"].as_str()).collect();
    assert_eq!(versions, ["1.1.0", "1.2.0"]);
    // What is on the way: a registry that is no registry, and one that is not there.
    let (code, _) = host.fails(&["plugin", "install", "127.0.0.1:1/acme/x:1.0.0", "--yes"]);
    assert_eq!(code, "registry-unreachable");
    let own = host.url.replace("http://", "");
    let (code, told) = host.fails(&["plugin", "install", &format!("{own}/acme/x:1.0.0"), "--yes"]);
    assert!(code == "not-in-registry" && !told.contains("no-route"), "no body of another service is shown: {told}");
}

fn component_with_summary(version: &str) -> Vec<u8> {
    let made = component("bench-run", version);
    let mut manifest = shopwright_registry::extract(&made).expect("a manifest").expect("one");
    manifest.summary = "Something else.".into();
    shopwright_registry::embed(&made, &manifest).expect("embedded")
}
