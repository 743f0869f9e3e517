//! The host under measurement: a process of its own, started and ended as its operators do.

use std::{
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shopwright_sandbox::{Sandbox, SandboxOptions};
use tokio::process::{Child, Command};

use crate::{
    Bench,
    database::Place,
    error::{BenchError, at, doing},
    figures::Figures,
    process::Usage,
    shop,
    wire::{Connection, head_of},
};

/// How long a host may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much of a host's log is shown when it fails.
const LOG_LINES: usize = 20;

/// Components as they are uploaded.
#[derive(Debug, Clone)]
pub struct Components {
    /// The workflows that are measured.
    pub bench: Vec<u8>,
    /// A shop's usual ones, by name: for the start.
    pub usual: Vec<(&'static str, Vec<u8>)>,
}

impl Components {
    /// Packages what the binary carries.
    pub async fn package() -> Result<Self, BenchError> {
        let sandbox = Sandbox::new(SandboxOptions::default())?;
        let bench = shopwright_bundle::package(&sandbox, shopwright_bundle::BENCH).await?;
        let mut usual = Vec::new();
        for name in shopwright_bundle::FIRST_PARTY {
            usual.push((name, shopwright_bundle::package(&sandbox, name).await?));
        }
        Ok(Self { bench, usual })
    }
}

/// A running host.
pub struct Host {
    child: Child,
    pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// The owner's token.
    pub token: String,
    /// From the start of its process to its first answer that it is ready.
    pub ready_in: Duration,
    log: std::path::PathBuf,
    asking: tokio::sync::Mutex<Connection>,
}

impl Host {
    /// Starts one and waits until it is ready.
    pub async fn start(bench: &Bench<'_>, place: &Place) -> Result<Self, BenchError> {
        let (ready, token, log) =
            (place.folder().join("ready"), place.folder().join("token"), place.folder().join("log"));
        // Of a host that was killed.
        let _ = std::fs::remove_file(&ready);
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).map_err(at(&log))?;
        let mut command = Command::new(&bench.options.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHOPWRIGHT_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--first-shop", "bench", "--log", "warn", "--data-dir"])
            .arg(place.data())
            .args(["--database", &place.url()])
            .arg("--ready-file")
            .arg(&ready)
            .arg("--token-file")
            .arg(&token)
            // So that no settings file that lies about is read.
            .current_dir(place.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn().map_err(doing(format!("starting {}", bench.options.program.display())))?;
        let pid = child.id().unwrap_or_default();
        let failed = |what: &str| BenchError::Host { what: what.into(), log: end_of(&log) };
        let address = loop {
            if let Ok(text) = std::fs::read_to_string(&ready)
                && let Some(address) = text.trim().strip_prefix("http://").and_then(|text| text.parse().ok())
            {
                break address;
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(&format!("did not start ({status})")));
            }
            if began.elapsed() > PATIENCE {
                return Err(failed("is not ready after two minutes"));
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        };
        let token = std::fs::read_to_string(&token).map_err(at(&token))?.trim().to_owned();
        let mut asking = Connection::open(address).await.map_err(doing("connecting to the host"))?;
        let answer = asking.exchange(&head_of("GET", "/readyz", &token, "", 0)).await.map_err(doing("GET /readyz"))?;
        if answer.status != 200 {
            return Err(failed(&format!("says that it is not ready ({})", answer.status)));
        }
        let ready_in = began.elapsed();
        Ok(Self { child, pid, address, token, ready_in, log, asking: asking.into() })
    }

    /// Starts one that has the shop's data and the workflows that are measured.
    pub async fn with_shop(bench: &Bench<'_>, place: &Place) -> Result<Self, BenchError> {
        let host = Self::start(bench, place).await?;
        host.install("bench-run", &bench.components.bench).await?;
        let documents = shop::documents();
        let path = "/api/v1/model/import?id=seed";
        let stored = host.ask("POST", path, "application/x-ndjson", documents.as_bytes()).await?;
        let wanted = shop::CUSTOMERS + shop::PRODUCTS;
        if stored["stored"] != wanted {
            return Err(BenchError::Answer {
                what: format!("importing {wanted} documents"),
                status: 200,
                body: stored.to_string(),
            });
        }
        Ok(host)
    }

    /// Uploads a component and enables it.
    pub async fn install(&self, name: &str, component: &[u8]) -> Result<(), BenchError> {
        self.ask("POST", "/api/v1/plugins", "application/wasm", component).await?;
        let request = json!({"plugin": name}).to_string();
        self.ask("POST", "/api/v1/installations", "application/json", request.as_bytes()).await.map(drop)
    }

    /// Asks something and reads the answer's JSON.
    pub async fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Value, BenchError> {
        let text = self.text(method, path, kind, body).await?;
        serde_json::from_str(&text).map_err(|_| BenchError::Answer { what: path.into(), status: 200, body: text })
    }

    async fn text(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<String, BenchError> {
        let mut request = head_of(method, path, &self.token, kind, body.len());
        request.extend_from_slice(body);
        let mut connection = self.asking.lock().await;
        let answer = connection.exchange(&request).await.map_err(doing(format!("{method} {path}")))?;
        let text = String::from_utf8_lossy(connection.body(&answer)).into_owned();
        if !(200..300).contains(&answer.status) {
            return Err(BenchError::Answer { what: format!("{method} {path}"), status: answer.status, body: text });
        }
        Ok(text)
    }

    /// Its counters.
    pub async fn figures(&self) -> Result<Figures, BenchError> {
        Ok(Figures::parse(&self.text("GET", "/metrics", "", &[]).await?))
    }

    /// What its process has used.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid)
    }

    /// Waits until a workflow has ended `count` runs since `before`, and gives the time at which that was seen.
    pub async fn ended(
        &self,
        before: &Figures,
        workflow: &str,
        count: u64,
        patience: Duration,
    ) -> Result<Instant, BenchError> {
        let label = format!("workflow=\"{workflow}\"");
        self.until(patience, "not all runs have ended", |now| {
            let ended = now.since(before, "runs_ended_total", &label);
            #[allow(clippy::cast_precision_loss)]
            let done = ended >= count as f64;
            (done, format!("{ended} of {count}"))
        })
        .await
    }

    /// Waits until no run is queued or executing.
    pub async fn idle(&self, patience: Duration) -> Result<Instant, BenchError> {
        self.until(patience, "runs are still active", |now| {
            let active = now.sum("runs_active", "");
            (active == 0.0, format!("{active} are"))
        })
        .await
    }

    async fn until(
        &self,
        patience: Duration,
        what: &'static str,
        check: impl Fn(&Figures) -> (bool, String),
    ) -> Result<Instant, BenchError> {
        let began = Instant::now();
        loop {
            let figures = self.figures().await?;
            let seen = Instant::now();
            let (done, state) = check(&figures);
            if done {
                return Ok(seen);
            }
            if began.elapsed() > patience {
                return Err(BenchError::Late { what, seconds: patience.as_secs(), state });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it as an operator does, and waits until it has.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        let failed = |what: String| BenchError::Host { what, log: end_of(&self.log) };
        let told = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await;
        told.map_err(doing("running kill"))?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("ended badly ({status})"))),
            Ok(Err(error)) => Err(doing("waiting for the host's end")(error)),
            Err(_) => Err(failed("does not end".into())),
        }
    }
}

fn end_of(log: &std::path::Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
