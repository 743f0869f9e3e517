//! The binary as its users see it: a host started and ended, and commands against it, with what they print
//! and their exit codes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_shopwright");

struct Host {
    process: Child,
    url: String,
    token: String,
    folder: PathBuf,
}

impl Host {
    fn start(folder: &Path) -> Self {
        let (ready, token_file) = (folder.join("ready"), folder.join("token"));
        let process = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .arg("--token-file")
            .arg(&token_file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let began = Instant::now();
        let url = loop {
            if let Ok(url) = std::fs::read_to_string(&ready) {
                break url.trim().to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the host did not become ready");
            std::thread::sleep(Duration::from_millis(10));
        };
        let token = std::fs::read_to_string(&token_file).expect("the first start writes a token").trim().to_owned();
        Self { process, url, token, folder: folder.to_owned() }
    }

    /// Ends the host as an operator does, and answers with what it printed.
    fn end(mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        let mut printed = String::new();
        std::io::Read::read_to_string(self.process.stdout.as_mut().expect("piped"), &mut printed).expect("text");
        assert!(self.process.wait().expect("it ends").success());
        assert!(!self.folder.join("ready").exists(), "who ends is not ready");
        printed
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .env("SHOPWRIGHT_URL", &self.url)
            .env("SHOPWRIGHT_TOKEN", &self.token)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    /// What a command prints, where it succeeds.
    #[track_caller]
    fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as JSON.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[args, &["--json"]].concat())).expect("json")
    }

    /// What a command complains of, and its exit code.
    #[track_caller]
    fn complaint(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?} should fail: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().expect("a code"), String::from_utf8(output.stderr).expect("text"))
    }
}

/// Rollouts, repairs and limits, as far as one version goes.
fn versions(host: &Host) {
    let limits = host.json(&["installation", "limits", "cart-recovery", "--effects-per-day", "500"]);
    assert_eq!(limits["effects_per_day"], json!({"limit": 500, "used": 0}));
    let limits = host.json(&["installation", "limits", "cart-recovery", "--runs-per-minute", "9"]);
    let both = (&limits["effects_per_day"]["limit"], &limits["runs_per_minute"]["limit"]);
    assert_eq!(both, (&json!(500), &json!(9)), "what is not given stays");
    let shown = host.text(&["installation", "limits", "cart-recovery", "--runs-per-minute", "none"]);
    assert!(shown.contains("runs per minute") && shown.contains("no limit"), "{shown}");
    let (_, complaint) = host.complaint(&["installation", "rollback", "cart-recovery"]);
    assert!(complaint.contains("nothing-to-roll-back"), "{complaint}");
    let (_, complaint) = host.complaint(&["installation", "rollout", "cart-recovery", "--to-version", "0.9.0"]);
    assert!(complaint.contains("--percent"), "{complaint}");
    assert!(host.text(&["installation", "rollout", "cart-recovery"]).contains("version"));
    let (_, complaint) = host.complaint(&["run", "move"]);
    assert!(complaint.contains("--error-code"), "{complaint}");
    // The one that was started without a cart.
    let retried = host.json(&["run", "retry", "--installation", "cart-recovery"]);
    assert!(retried["items"].as_array().expect("a list").iter().all(|run| run["outcome"] == "reopened"), "{retried}");
}

/// A secret's value comes from standard input, and is shown nowhere.
fn secrets(host: &Host) {
    let set = |args: &[&str], value: &str| {
        let mut child = host.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.as_mut().expect("it runs");
        child.stdin.take().expect("piped").write_all(value.as_bytes()).expect("it is read");
        let status = child.wait().expect("it ends");
        let mut said = String::new();
        for pipe in [
            &mut child.stdout.take().expect("piped") as &mut dyn std::io::Read,
            &mut child.stderr.take().expect("piped"),
        ] {
            pipe.read_to_string(&mut said).expect("text");
        }
        (status.success(), said)
    };
    let name = ["secret", "set", "crm-token", "--host", "crm.example.com", "--installation", "crm-sync"];
    let (done, said) = set(&name, "s3cr3t-Zx81-value\n");
    assert!(done && said.contains("crm-token is set, for crm.example.com") && !said.contains("s3cr3t"), "{said}");
    let (done, said) = set(&name, "x\n");
    assert!(!done && said.contains("6 to 8192 bytes"), "{said}");
    assert!(!set(&name, "").0 && !set(&["secret", "set", "y", "--host", "a.example"], "s3cr3t-Zx81-value").0);
    let list = host.text(&["secret", "list"]) + &host.json(&["secret", "list"]).to_string();
    assert!(list.contains("crm-sync") && !list.contains("s3cr3t"), "{list}");
    let data = host.folder.join("data");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = std::fs::metadata(data.join("secrets.key")).expect("a key was made");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
    for entry in
        std::fs::read_dir(&data).expect("a folder").filter_map(Result::ok).filter(|entry| entry.path().is_file())
    {
        let content = std::fs::read(entry.path()).expect("it is read");
        assert!(!content.windows(6).any(|window| window == b"s3cr3t"), "{:?} has the value", entry.path());
    }
    assert!(host.text(&["secret", "remove", "crm-token"]).contains("is removed"));
    assert_eq!(host.json(&["secret", "list"])["items"], json!([]));
}

#[test]
fn a_host_is_started_used_ended_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::start(folder.path());
    assert!(host.token.starts_with("swt_"));

    // Events, by arguments and from a file.
    let sent = host.json(&[
        "event",
        "send",
        "shop.opened",
        "--id",
        "e1",
        "--concerns",
        "customer:1",
        "--data",
        "{\"day\": 1}",
    ]);
    assert_eq!(sent["events"][0]["duplicate"], false);
    let again = host.text(&["event", "send", "shop.opened", "--id", "e1"]);
    assert!(again.contains("had been accepted before"), "{again}");
    let lines = (0..3)
        .map(|n| json!({"specversion": "1.0", "id": n.to_string(), "source": "f", "type": "a.b"}).to_string() + "\n");
    std::fs::write(folder.path().join("events.jsonl"), lines.collect::<String>()).expect("writes");
    assert_eq!(host.json(&["event", "send", "--file", "events.jsonl"])["events"].as_array().expect("a list").len(), 3);
    assert_eq!(host.json(&["event", "list", "--limit", "2"])["items"].as_array().expect("a list").len(), 2);
    let shown = host.text(&["event", "list", "--kind", "shop.opened"]);
    assert!(shown.starts_with("SEQ") && shown.contains("customer:1"), "{shown}");

    secrets(&host);

    // Data, with a bad line.
    let cart = |id: &str| {
        json!({"kind": "cart", "document": {"id": id, "lines": [], "total": {"amount": 1, "currency": "EUR"}, "step": "shipping",
            "created_at": 1, "updated_at": 2}})
    };
    let mut file = std::fs::File::create(folder.path().join("carts.jsonl")).expect("a file");
    write!(file, "{}\nnonsense\n{}\n", cart("c1"), cart("c2")).expect("writes");
    let refused = host.run(&["model", "import", "carts.jsonl"]);
    let printed = String::from_utf8_lossy(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "bad lines are a failure, but the good ones are stored");
    assert!(printed.contains("3 lines read, 2 stored, 1 refused") && printed.contains("line 2:"), "{printed}");
    assert_eq!(host.json(&["model", "get", "cart", "c2"])["document"]["id"], "c2");
    assert_eq!(host.json(&["model", "list", "cart"])["items"].as_array().expect("a list").len(), 2);

    // A workflow that the binary carries, from nothing to installed.
    let (code, complaint) = host.complaint(&["install", "cart-recovery"]);
    assert!(code == 1 && complaint.contains("not-confirmed") && complaint.contains("--yes"), "{complaint}");
    let (code, complaint) = host.complaint(&[
        "install",
        "cart-recovery",
        "--yes",
        "--settings",
        "{\"most_discount\": 500, \"low_stock\": \"x\"}",
    ]);
    assert!(
        code == 1 && complaint.contains("/settings/most_discount") && complaint.contains("/settings/low_stock"),
        "{complaint}"
    );
    let installed = host.json(&["install", "cart-recovery", "--yes", "--mode", "shadow"]);
    assert_eq!((&installed["id"], &installed["mode"]), (&json!("cart-recovery"), &json!("shadow")));
    assert!(host.text(&["plugin", "permissions", "cart-recovery"]).contains("messaging.send-email"));
    assert_eq!(host.json(&["installation", "set", "cart-recovery", "--mode", "live"])["mode"], "live");
    assert_eq!(host.json(&["installation", "pause", "cart-recovery"])["mode"], "paused");
    assert_eq!(host.json(&["installation", "resume", "cart-recovery"])["mode"], "live");

    // Tried over what happened; a run in a file that needs no host.
    let tried = host.json(&["backtest", "run", "cart-recovery", "--from", "1h"]);
    assert_eq!((&tried["state"], &tried["report"]["kind"]), (&json!("done"), &json!("backtest")), "{tried}");
    assert!(host.text(&["backtest", "list"]).contains("done"));
    let id = tried["id"].as_str().expect("an id");
    assert!(host.text(&["backtest", "show", id]).contains("cart-recovery"));
    assert!(host.text(&["backtest", "differences", id]).contains("Nothing differs"));
    let (code, complaint) = host.complaint(&["installation", "report", "cart-recovery"]);
    assert!(code == 1 && complaint.contains("nothing-beside"), "{complaint}");
    let run = host.text(&["run", "start", "cart-recovery", "recover"]).trim().to_owned();
    let began = Instant::now();
    while host.json(&["run", "show", &run])["ended_at"].is_null() {
        assert!(began.elapsed() < Duration::from_secs(60), "the run did not end");
    }
    assert!(host.text(&["run", "export", &run, "--mask", "-o", "run.swrun"]).contains("It replays"));
    let replayed = Command::new(BINARY)
        .args(["run", "replay", "run.swrun", "--step"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let printed = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.success() && printed.contains("the same to the last byte"), "{printed}");
    versions(&host);
    host.text(&["installation", "remove", "cart-recovery", "--yes"]);
    assert_eq!(host.json(&["installation", "list"])["items"], json!([]));

    // Rules, tokens, shops, the audit log.
    host.text(&["guardrail", "set", "ceiling", "{\"kind\": \"discount_ceiling\", \"percent\": 15}"]);
    assert!(host.text(&["guardrail", "list"]).contains("percent=15"));
    let secret = host.text(&["token", "create", "reader", "--role", "viewer"]);
    let (code, complaint) = host.complaint(&["event", "send", "a.b", "--token", secret.trim()]);
    assert!(code == 1 && complaint.contains("error[forbidden]") && complaint.contains("developer"), "{complaint}");
    host.text(&["shop", "create", "outlet", "--currency", "EUR", "--time-zone", "Europe/Berlin"]);
    assert_eq!(host.json(&["event", "list", "--shop", "outlet"])["items"], json!([]));
    assert!(host.text(&["audit", "verify"]).contains("intact"));

    // Complaints name code, remedy and request; wrong use is 2.
    let (code, complaint) = host.complaint(&["run", "show", "run_0000000000000"]);
    assert!(
        code == 1
            && complaint.contains("error[not-found]")
            && complaint.contains("remedy:")
            && complaint.contains("request: req_"),
        "{complaint}"
    );
    let (code, complaint) = host.complaint(&["run", "show", "run_0000000000000", "--json"]);
    assert_eq!(
        (code, serde_json::from_str::<Value>(&complaint).expect("json")["code"].as_str()),
        (1, Some("not-found"))
    );
    assert_eq!(host.complaint(&["event", "send", "a.b", "--data", "{"]).0, 2);
    assert_eq!(host.complaint(&["run", "list", "--state", "nonsense"]).0, 2);
    let (code, complaint) = host.complaint(&["event", "list", "--url", "http://127.0.0.1:1"]);
    assert!(
        code == 1 && complaint.contains("error[unreachable]") && complaint.contains("shopwright serve"),
        "{complaint}"
    );

    // A profile instead of flags and environment.
    host.text(&["login", "--profile", "test", "--token", &host.token]);
    let by_profile = host
        .command(&["shop", "list", "--profile", "test"])
        .env_remove("SHOPWRIGHT_TOKEN")
        .env_remove("SHOPWRIGHT_URL")
        .output();
    assert!(by_profile.expect("it runs").status.success());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for secret in [folder.path().join("config/shopwright/profiles.toml"), folder.path().join("token")] {
            assert_eq!(std::fs::metadata(&secret).expect("it is there").permissions().mode() & 0o777, 0o600);
        }
    }

    let (url, token) = (host.url.clone(), host.token.clone());
    let printed = host.end();
    assert!(printed.contains(&url) && !printed.contains("swt_"), "the token went to its file: {printed}");

    // The second start makes nothing new, and everything is still there.
    std::fs::remove_file(folder.path().join("token")).expect("removed");
    std::fs::write(folder.path().join("token"), &token).expect("writes");
    let host = Host::start(folder.path());
    assert_eq!(host.token, token, "the second start makes no token");
    assert_eq!(host.json(&["event", "list", "--kind", "shop.opened"])["items"][0]["id"], "e1");
    host.end();
}

#[test]
fn mistakes_at_start_are_told_before_anything_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = |args: &[&str]| {
        let output = Command::new(BINARY).arg("serve").args(args).current_dir(folder.path()).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (code, complaint) = serve(&["--listen", "somewhere"]);
    assert!(code == Some(2) && complaint.contains("127.0.0.1:8787"), "{complaint}");
    std::fs::write(folder.path().join("shopwright.toml"), "listen = \"127.0.0.1:0\"\n[log]\nformat = \"xml\"\n")
        .expect("writes");
    let (code, complaint) = serve(&[]);
    assert!(code == Some(1) && complaint.contains("shopwright.toml:3:10"), "{complaint}");
    std::fs::remove_file(folder.path().join("shopwright.toml")).expect("removed");
    let (code, complaint) = serve(&["--listen", "127.0.0.1:0", "--database", "mysql://x"]);
    assert!(code == Some(1) && complaint.contains("sqlite://"), "{complaint}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (code, complaint) = serve(&["--listen", &taken.local_addr().expect("an address").to_string()]);
    assert!(code == Some(1) && complaint.contains("error[listen]"), "{complaint}");
}
