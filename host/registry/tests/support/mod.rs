//! What the tests against registries share: a plugin, keys, and a real registry on a free port.
#![allow(dead_code)] // Each test file uses its own part.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use shopwright_registry::oci::{Client, DockerConfig, Icon, Package, Reference, Source};
use shopwright_registry::signing::{Publisher, SigningKey, Trust, TrustedKey};
use shopwright_registry::{Manifest, embed};

/// A component with nothing in it but an empty type section.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\x07\x01\0";

pub fn manifest(name: &str, version: &str) -> Manifest {
    let text = format!(
        r#"
        name = "{name}"
        version = "{version}"
        title = "The {name}"
        summary = "Does what {name} does."
        publisher = "acme"
        wit = "0.1"
        categories = ["marketing"]
        [[workflow]]
        name = "main"
        title = "Main"
        manual = true
        "#
    );
    Manifest::parse_toml(&text, "plugin.toml").unwrap()
}

pub fn package(name: &str, version: &str) -> Package {
    Package {
        component: embed(COMPONENT, &manifest(name, version)).unwrap(),
        readme: Some(format!("# {name}\n\nÜber alles.")),
        changelog: Some(format!("New in {version}.")),
        icon: Some(Icon::new(b"\x89PNG\r\n\x1a\nrest".to_vec()).unwrap()),
        created: 0,
    }
}

pub fn key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(seed))
}

/// Trust in the publisher `acme`, by the key of that seed, for that namespace.
pub fn trust(seed: u64, namespace: &str) -> Trust {
    let keys = vec![TrustedKey { name: "main".into(), key: key(seed).public() }];
    Trust { publishers: vec![Publisher { name: "acme".into(), keys, namespaces: vec![namespace.into()] }] }
}

pub fn client() -> Client {
    Client::new(DockerConfig::default()).unwrap()
}

pub fn source() -> Source {
    Source::Registry(client())
}

/// Whether something that is not installed may be left out, said in one line.
pub fn left_out(what: &str) {
    assert!(
        std::env::var("SHOPWRIGHT_REQUIRE_ALL").as_deref() != Ok("1"),
        "{what} is not installed, and SHOPWRIGHT_REQUIRE_ALL=1 asks for it"
    );
    // Past the capture of a test's output: whoever runs it should see it.
    let _ = writeln!(std::io::stderr(), "skipped: {what} is not installed");
}

/// A `docker-registry` with its storage in a folder that goes with it.
pub struct Registry {
    pub address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// Starts one; none, after a line that says so, where the program is not installed. With `htpasswd`, the
    /// text of such a file, it wants a login.
    pub fn start(htpasswd: Option<&str>) -> Option<Registry> {
        let installed = Command::new("docker-registry").arg("--version").output();
        if installed.is_err() {
            left_out("docker-registry");
            return None;
        }
        // The port is free when it is chosen and may be taken before it is used: then another is.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            if let Some(registry) = Registry::start_on(port, htpasswd) {
                return Some(registry);
            }
        }
        panic!("docker-registry did not start on any of five ports");
    }

    fn start_on(port: u16, htpasswd: Option<&str>) -> Option<Registry> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            data.display()
        );
        if let Some(users) = htpasswd {
            let path = folder.path().join("htpasswd");
            std::fs::write(&path, users).unwrap();
            config.push_str(&format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", path.display()));
        }
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut registry = Registry { address, child, folder };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if registry.child.try_wait().unwrap().is_some() {
                let said = std::fs::read_to_string(registry.folder.path().join("log")).unwrap();
                assert!(said.contains("address already in use"), "docker-registry ended: {said}");
                return None;
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Some(registry);
            }
            std::thread::yield_now();
        }
        panic!("docker-registry took no connection on {address} within 20 s");
    }

    pub fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.address).parse().unwrap()
    }

    /// Where it keeps the blob with that digest.
    pub fn blob_path(&self, digest: &str) -> std::path::PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        self.folder.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

/// Runs a program; none where it is not installed.
pub fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<(bool, String)> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), said))
}
