//! Debian's `docker-registry` on a free port of this machine, with its storage in a folder that goes with it.
#![allow(dead_code)] // Each test crate that includes it uses a part.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Says in one line that something is not installed, past the capture of a test's output; fails where everything
/// is asked for.
pub fn left_out(what: &str) {
    assert!(
        std::env::var("SHOPWRIGHT_REQUIRE_ALL").as_deref() != Ok("1"),
        "{what} is not installed, and SHOPWRIGHT_REQUIRE_ALL=1 asks for it"
    );
    let _ = writeln!(std::io::stderr(), "skipped: {what} is not installed");
}

/// A registry.
pub struct DockerRegistry {
    pub address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

impl DockerRegistry {
    /// Starts one; none, after a line that says so, where the program is not installed.
    pub fn start() -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            left_out("docker-registry");
            return None;
        }
        // The port is free when it is chosen and may be taken before it is used: then another is.
        (0..5).find_map(|_| {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("one").port();
            Self::start_on(port)
        })
    }

    fn start_on(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            folder.path().join("data").display()
        );
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).expect("writes");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).expect("a log"))
            .spawn()
            .expect("it starts");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut registry = Self { address, child, folder };
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if registry.child.try_wait().expect("asked").is_some() {
                return None;
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Some(registry);
            }
            std::thread::yield_now();
        }
        panic!("docker-registry took no connection on {address} within 20 s");
    }

    /// Ends it: from now on it is away.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Where it keeps the blob with that digest.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        self.folder.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// The file that says which digest a tag has.
    pub fn tag(&self, repository: &str, tag: &str) -> PathBuf {
        let repositories = self.folder.path().join("data/docker/registry/v2/repositories");
        repositories.join(repository).join("_manifests/tags").join(tag).join("current/link")
    }
}
