//! A host as a process of its own, and a client of it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_shopwright");

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running host.
pub struct Host {
    process: Child,
    folder: PathBuf,
    args: Vec<String>,
    /// Where it listens; the same after a restart.
    pub url: String,
    /// The owner's token.
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body of a call that must succeed.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.body);
        self.body
    }

    /// The stable code of a problem.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// A client: what it asks of and as whom.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Host {
    /// Starts a host on a folder of its own, with further arguments.
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let mut host = Self::join(folder, args, "");
        let token = std::fs::read_to_string(folder.join("token")).expect("the first start writes a token");
        host.token = token.trim().to_owned();
        host
    }

    /// Starts a host on a database that another has filled: the token is that one's.
    pub fn join(folder: &Path, args: &[&str], token: &str) -> Self {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (process, url) = spawn(folder, "127.0.0.1:0", &args);
        Self { process, folder: folder.to_owned(), args, url, token: token.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().expect("it is killed");
        self.process.wait().expect("it is gone");
        // What it left: nobody took it away.
        std::fs::remove_file(self.folder.join("ready")).expect("it was ready");
    }

    /// Starts it anew on the same folder and port.
    pub fn restart(&mut self) {
        let address = self.url.strip_prefix("http://").expect("a URL").to_owned();
        (self.process, self.url) = spawn(&self.folder, &address, &self.args);
    }

    /// Ends it as an operator does.
    pub fn end(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        assert!(self.process.wait().expect("it ends").success());
    }

    /// The owner.
    pub fn client(&self) -> Client {
        Client::new(&self.url, &self.token)
    }

    /// Runs the binary as a client; what it prints as JSON.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Value {
        let output = Command::new(BINARY)
            .args(args)
            .arg("--json")
            .env("SHOPWRIGHT_URL", &self.url)
            .env("SHOPWRIGHT_TOKEN", &self.token)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{args:?} printed no JSON ({error}): {}", String::from_utf8_lossy(&output.stdout))
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It has ended already where the test ended it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &Path, address: &str, args: &[String]) -> (Child, String) {
    let ready = folder.join("ready");
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log");
    // A file that may grow no further is an error of the write, as a full disk is, and not a signal.
    let mut process = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", BINARY])
        .args(["serve", "--listen", address, "--log", "warn", "--time-zone", "Europe/Berlin", "--data-dir"])
        .arg(folder.join("data"))
        .arg("--ready-file")
        .arg(&ready)
        .arg("--token-file")
        .arg(folder.join("token"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("it starts");
    let began = Instant::now();
    loop {
        if let Ok(url) = std::fs::read_to_string(&ready) {
            return (process, url.trim().to_owned());
        }
        let ended = process.try_wait().expect("its state");
        assert!(
            ended.is_none() && began.elapsed() < PATIENCE,
            "the host did not become ready: {}",
            std::fs::read_to_string(folder.join("log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Client {
    pub fn new(url: &str, token: &str) -> Self {
        // Somebody else's choice of a provider stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        Self { http, url: url.to_owned(), token: token.to_owned() }
    }

    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// The host cannot be reached, or broke off.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Answer { status, headers, body })
    }

    /// An answer whose body does not end.
    pub async fn open(&self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let response = request.send().await.expect("an answer");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response
    }

    pub async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, &[("content-type", "application/json")], bytes).await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Value::Null).await
    }

    /// Sends one event; what became of it.
    ///
    /// # Errors
    /// The host cannot be reached, or broke off.
    pub async fn event(&self, kind: &str, id: &str, data: Value) -> Result<Answer, reqwest::Error> {
        let event = json!({"specversion": "1.0", "source": "/test", "id": id, "type": kind, "data": data});
        let headers = [("content-type", "application/cloudevents+json")];
        self.send(Method::POST, "/api/v1/events", &headers, event.to_string().into_bytes()).await
    }

    /// Sends one event and gives the first run that it started.
    pub async fn trigger(&self, kind: &str, id: &str, data: Value) -> String {
        let answer = self.event(kind, id, data).await.expect("an answer").ok();
        answer["events"][0]["runs"][0]["run"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub async fn upload(&self, component: Vec<u8>) -> Answer {
        let headers = [("content-type", "application/wasm")];
        self.send(Method::POST, "/api/v1/plugins", &headers, component).await.expect("an answer")
    }

    /// All pages of a list.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("{path}{separator}limit=250{after}")).await.ok();
            items.append(page["items"].as_array_mut().expect("a list"));
            let Some(next) = page["next"].as_str() else { return items };
            after = format!("&after={next}");
        }
    }

    /// Takes all guardrails away: a test sends one customer more than any of them allows.
    pub async fn remove_guardrails(&self) {
        for rule in self.get("/api/v1/guardrails").await.ok()["items"].as_array().expect("rules") {
            let path = format!("/api/v1/guardrails/{}", rule["id"].as_str().expect("an id"));
            assert!(self.ask(Method::DELETE, &path, Value::Null).await.status.is_success());
        }
    }

    /// Uploads the probe and enables it.
    pub async fn install_probe(&self) {
        self.upload(crate::probe::package()).await.ok();
        self.ask(Method::POST, "/api/v1/installations", json!({"plugin": "probe"})).await.ok();
    }

    /// A customer who takes marketing e-mail.
    pub async fn add_customer(&self, id: &str) {
        let customer = json!({"id": id, "email": format!("{id}@example.com"), "phone": "+4930123456", "name": "Ann",
            "locale": "en-GB", "time_zone": "Europe/Berlin", "tags": [], "created_at": 1,
            "consents": [{"channel": "email", "granted": true, "at": 1}]});
        self.ask(Method::PUT, &format!("/api/v1/model/customer/{id}"), customer).await.ok();
    }

    /// The run once it is as `wanted` says; looks again until it is.
    pub async fn run_when(&self, run: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("/api/v1/runs/{run}"), wanted).await
    }

    /// The answer of a path once it is as `wanted` says; looks again until it is.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.get(path).await.ok();
            if wanted(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{path} never came to what was expected: {answer:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What a run's steps gave, once it is done.
    pub async fn said(&self, run: &str) -> Value {
        let ended = |run: &Value| run["state"] == "done" || run["state"] == "failed";
        let run = self.run_when(run, ended).await;
        assert_eq!(run["state"], "done", "{run:#}");
        match &run["outcome"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| run["outcome"].clone()),
            other => other.clone(),
        }
    }
}
