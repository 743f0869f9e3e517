//! Requests of plugins: reads and effects, their retries, what is unknown, what a trial does, and secrets.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use shopwright_connectors::http::{HttpOptions, HttpOut};
use shopwright_engine::{EngineLimits, HttpLimits, Install, Mode, NewSecret, Senders, Vault};
use shopwright_model::{RunId, VirtualClock};
use shopwright_policy::Grants;
use shopwright_store::{
    FaultKind, Store,
    ops::{EffectState, RunState},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    probe,
    support::{DAY, HOUR, MINUTE, SECOND, SHOP, START, Setup, World, store_options},
};

/// What a site does with a request.
#[derive(Clone)]
enum Answer {
    /// Status, further headers, body.
    Say(u16, &'static str, &'static str),
    /// Hangs up without an answer.
    HangUp,
    /// Says what it was sent.
    Echo,
}

/// A server of somebody else.
#[derive(Clone)]
struct Site {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    open: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let open = Arc::new(tokio::sync::watch::Sender::new(true));
        let site = Self { url, seen: Arc::default(), answers: Arc::default(), open };
        let shared = site.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let site = shared.clone();
                tokio::spawn(async move { site.serve(stream).await });
            }
        });
        site
    }

    fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().expect("answers").extend(answers);
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("a log").clone()
    }

    async fn until(&self, count: usize) {
        tokio::time::timeout(Duration::from_secs(30), async {
            while self.seen().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
        .expect("a request comes");
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut text = String::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                    break;
                }
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => text.push_str(&String::from_utf8_lossy(&chunk[..n])),
            }
        }
        self.seen.lock().expect("a log").push(text.clone());
        let answer = self.answers.lock().expect("answers").pop_front();
        let mut open = self.open.subscribe();
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        let said = match answer.unwrap_or(Answer::Say(200, "", "{\"ok\":true}")) {
            Answer::HangUp => return,
            Answer::Echo => {
                let echo = text.replace("\r\n", "|");
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{echo}", echo.len())
            }
            Answer::Say(status, headers, body) => {
                format!("HTTP/1.1 {status} So\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
            }
        };
        let _ = stream.write_all(said.as_bytes()).await;
    }

    fn get(&self) -> Value {
        json!({"do": "http", "url": format!("{}/read", self.url)})
    }

    fn post(&self, body: &str) -> Value {
        json!({"do": "http", "method": "post", "url": format!("{}/do", self.url), "body": body})
    }

    /// `http://127.0.0.1:1234`
    fn hosts(&self) -> Value {
        json!([self.url])
    }
}

fn setup() -> Setup {
    let options = HttpOptions { allow: vec!["127.0.0.0/8".parse().expect("a range")], ..HttpOptions::default() };
    let senders = Senders {
        http: Some(Arc::new(HttpOut::new(options).expect("certificates"))),
        vault: Some(Arc::new(Vault::new(&[7; 32]).expect("a vault"))),
        ..Senders::default()
    };
    Setup { senders, ..Setup::default() }
}

/// The probe, granted this site.
async fn enable(world: &World, site: &Site, more: Value, mode: Option<Mode>) {
    world.add(probe::package()).await;
    let mut grant = json!({"function": "http.send", "hosts": site.hosts()});
    grant.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let versions = world.engine.versions(SHOP).await.expect("versions");
    let free = |name: &str| name.starts_with("workflow.") || name.starts_with("memory.") || name == "http.send";
    let mut grants: Vec<Value> = versions[0]
        .permissions
        .iter()
        .map(shopwright_registry::Permission::name)
        .filter(|name| !free(name))
        .map(|name| json!({"function": name}))
        .collect();
    grants.push(grant);
    let install = Install {
        id: None,
        plugin: "probe".into(),
        version: None,
        settings: json!({}),
        grants: Some(grants.into()),
        mode,
        beside: None,
    };
    world.engine.install(SHOP, install).await.expect("it is installed");
}

async fn world(site: &Site) -> World {
    let world = World::with(setup()).await;
    enable(&world, site, json!({}), None).await;
    world
}

async fn wait_reason(world: &World, run: RunId) -> String {
    let row = world.row(run).await;
    assert_eq!(row.state, RunState::Waiting, "{:?} {:?}", row.error, row.outcome);
    row.wait.expect("why")
}

fn key_of(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("idempotency-key: "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_is_journaled_and_an_effect_stands_in_the_ledger_too() {
    let site = Site::start().await;
    let world = world(&site).await;
    site.answer([Answer::Say(404, "", "none"), Answer::Say(201, "", "made")]);
    let run = world.go("1", json!([site.get(), site.post("a {{b"), {"do": "sleep", "ms": HOUR}, site.get()])).await;
    world.pass(HOUR).await;
    let said = world.said(run).await;
    assert_eq!((&said[0]["status"], &said[0]["body"]), (&json!(404), &json!("none")));
    assert_eq!((&said[1]["status"], &said[1]["body"], &said[1]["trial"]), (&json!(201), &json!("made"), &json!(false)));
    let seen = site.seen();
    assert_eq!(seen.len(), 3, "the replay asked nobody: {seen:#?}");
    assert_eq!(key_of(&seen[1]), Some(format!("{run}-1").as_str()));
    assert!(seen[1].ends_with("a {{b") && key_of(&seen[0]).is_none());
    let effects = world.effects(run).await;
    assert_eq!(effects.len(), 1);
    let row = &effects[0];
    assert_eq!((row.state, row.connector.as_str(), row.action.as_str()), (EffectState::Done, "http", "http.send"));
    assert_eq!((row.subject.as_str(), row.answer.as_deref()), ("host:127.0.0.1", Some(r#"{"status":201,"bytes":4}"#)));
    let calls: Vec<_> = world
        .engine
        .timeline(SHOP, run)
        .await
        .expect("a timeline")
        .expect("a run")
        .entries
        .iter()
        .map(|e| e.call.clone())
        .collect();
    assert!(calls.contains(&"http.get".to_owned()) && calls.contains(&"http.send".to_owned()), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_is_tried_again_and_what_is_not_known_is_not() {
    let site = Site::start().await;
    let limits = EngineLimits { effect_attempts: 3, ..EngineLimits::default() };
    let world = World::with(Setup { limits, ..setup() }).await;
    enable(&world, &site, json!({}), None).await;
    site.answer([Answer::Say(429, "retry-after: 60\r\n", ""), Answer::Say(503, "retry-after: 1\r\n", "")]);
    let run = world.go("1", json!([site.post("x")])).await;
    assert!(wait_reason(&world, run).await.contains("answered 429"));
    assert!(world.row(run).await.due_at.expect("a time") >= START + 60 * SECOND);
    world.pass(HOUR).await;
    assert_eq!(world.said(run).await[0]["status"], 200);
    let keys: Vec<_> = site.seen().iter().map(|text| key_of(text).map(str::to_owned)).collect();
    assert_eq!(keys, vec![Some(format!("{run}-0")); 3]);
    assert_eq!((world.effects(run).await[0].state, world.effects(run).await[0].attempts), (EffectState::Done, 3));

    // 503 alone says nothing, 500 neither: the plugin judges.
    site.answer([Answer::Say(503, "", "down")]);
    let run = world.go("2", json!([site.post("x")])).await;
    assert_eq!(world.said(run).await[0]["status"], 503);
    assert_eq!(world.effects(run).await[0].state, EffectState::Failed);

    // Sent, no answer: not again, unless the other side knows the key.
    let before = site.seen().len();
    site.answer([Answer::HangUp]);
    let run = world.go("3", json!([site.post("x"), {"do": "sleep", "ms": DAY}])).await;
    world.pass(2 * DAY).await;
    assert!(world.said(run).await[0]["unknown"].is_string(), "{}", world.said(run).await);
    assert_eq!((world.effects(run).await[0].state, site.seen().len()), (EffectState::Unknown, before + 1));
    site.answer([Answer::HangUp]);
    let mut step = site.post("x");
    step["repeatable"] = json!(true);
    let run = world.go("4", json!([step])).await;
    world.pass(DAY).await;
    assert_eq!((&world.said(run).await[0]["status"], site.seen().len()), (&json!(200), before + 3));

    // Nobody there: given up after the last try, and the plugin is told why.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let gone = Site { url: format!("http://{free}"), ..site.clone() };
    let other =
        World::with(Setup { limits: EngineLimits { effect_attempts: 2, ..EngineLimits::default() }, ..setup() }).await;
    enable(&other, &gone, json!({}), None).await;
    let run = other.go("1", json!([gone.post("x"), gone.get()])).await;
    other.pass(DAY).await;
    let said = other.said(run).await;
    assert!(said[0]["connect"].is_string() && said[1]["connect"].is_string(), "{said}");
    let row = other.effects(run).await.remove(0);
    assert_eq!((row.state, row.attempts), (EffectState::Failed, 2));
    assert!(row.error.is_some_and(|error| error.starts_with("given up after 2 tries")));
}

/// The process dies at every write around two requests. The one that may be repeated happens; the other one is
/// sent at most once, and what became of it is never guessed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_sent_and_answered_repeats_nothing() {
    let mut unknown = 0;
    for kind in [FaultKind::Crash, FaultKind::CrashCommitted] {
        for k in 1..=6 {
            let site = Site::start().await;
            let folder = tempfile::tempdir().expect("a folder");
            let url = format!("sqlite://{}", folder.path().join("store.db").display());
            let clock = VirtualClock::new(START);
            let store = Store::open(&url, store_options(&clock)).await.expect("a store");
            let mut world = World::over(store, clock.clone(), setup()).await.expect("an engine");
            enable(&world, &site, json!({}), None).await;
            world.store().fail_after(k, kind);
            let mut safe = site.post("safe");
            safe["repeatable"] = json!(true);
            let steps = json!({"steps": [site.post("once"), safe, {"do": "add", "key": "k", "by": 1}]});
            let mut crashes = 0;
            loop {
                let live = async {
                    world.accept("probe.go", "1", steps.clone()).await.map_err(drop)?;
                    world.engine.idle().await.map_err(drop)
                };
                let died = async {
                    while world.store().healthy() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                let lived = tokio::select! {
                    biased;
                    () = died => false,
                    result = live => result.is_ok(),
                };
                if lived {
                    break;
                }
                crashes += 1;
                assert!(crashes < 10, "it never gets on");
                let dead = world.engine.clone();
                tokio::spawn(async move { dead.stop().await });
                clock.advance(1);
                let store = world.store().reopen().await.expect("it comes back");
                world = World::over(store, clock.clone(), setup()).await.expect("an engine");
            }
            world.pass(HOUR).await;
            let run = world.runs().await.remove(0);
            let said = world.said(run.id).await;
            let bodies: Vec<String> =
                site.seen().iter().map(|text| text.rsplit("\r\n").next().unwrap_or_default().to_owned()).collect();
            let once = bodies.iter().filter(|body| *body == "once").count();
            assert!(once <= 1 && (once == 1 || said[0]["unknown"].is_string()), "{kind:?} {k}: {bodies:?}");
            assert!(bodies.iter().filter(|body| *body == "safe").count() >= 1, "{kind:?} {k}: {bodies:?}");
            assert!(said[0]["status"] == 200 || said[0]["unknown"].is_string(), "{kind:?} {k}: {said}");
            assert_eq!((&said[1]["status"], &said[2]), (&json!(200), &json!(1)), "{kind:?} {k}");
            unknown += u32::from(said[0]["unknown"].is_string());
        }
    }
    assert!(unknown > 0, "no crash fell between sent and answered: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_reads_and_does_not_send() {
    let site = Site::start().await;
    let world = World::with(setup()).await;
    enable(&world, &site, json!({}), Some(Mode::Shadow)).await;
    let run = world.go("1", json!([site.get(), site.post("x")])).await;
    let said = world.said(run).await;
    assert_eq!((&said[0]["body"], &said[0]["trial"]), (&json!("{\"ok\":true}"), &json!(false)));
    assert_eq!(said[1], json!({"status": 202, "body": "{}", "trial": true}));
    let seen = site.seen();
    assert!(seen.len() == 1 && seen[0].starts_with("GET "), "{seen:?}");
    let row = world.effects(run).await.remove(0);
    assert_eq!((row.state, row.connector.as_str()), (EffectState::Recorded, "trial"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_say_where_and_how_often() {
    let site = Site::start().await;
    let world = World::with(setup()).await;
    enable(&world, &site, json!({"per_day": 2}), None).await;
    let other = Site { url: site.url.replace("127.0.0.1", "127.0.0.2"), ..site.clone() };
    let run = world
        .go("1", json!([site.post("1"), other.post("x"), other.get(), site.post("2"), site.post("3"), site.get()]))
        .await;
    let said = world.said(run).await;
    assert!(said[1]["not_granted"].as_str().is_some_and(|why| why.contains("127.0.0.2")), "{said}");
    assert!(said[2]["not_granted"].is_string());
    assert!(said[4]["denied"].as_str().is_some_and(|why| why.contains("at most 2 times a day")), "{said}");
    assert_eq!((&said[0]["status"], &said[3]["status"], &said[5]["status"]), (&json!(200), &json!(200), &json!(200)));
    let states: Vec<_> = world.effects(run).await.iter().map(|row| row.state).collect();
    use EffectState::{Denied, Done};
    assert_eq!(states, [Done, Denied, Done, Denied]);
    assert_eq!(site.seen().len(), 3);
    world.pass(DAY).await;
    let run = world.go("2", json!([site.post("4")])).await;
    assert_eq!(world.said(run).await[0]["status"], 200, "another day");
}

/// What a version asks for is granted with its hosts: a later one gets no more by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_calls_further_hosts_is_held() {
    let world = World::with(setup()).await;
    let workflow = "[[workflow]]\nname = \"script\"\ntitle = \"Script\"\nmanual = true\n";
    for (version, hosts) in
        [("1.0.0", "\"a.example\""), ("1.1.0", "\"a.example\", \"b.example\""), ("1.2.0", "\"*.c.example\"")]
    {
        world.add(probe::package_as(&probe::manifest(version, &format!("http = [{hosts}]\n{workflow}")))).await;
    }
    let mut install = crate::support::install("probe", json!({}));
    install.version = Some("1.0.0".into());
    let installed = world.engine.install(SHOP, install).await.expect("it is installed");
    let hosts = |grants: &Grants| grants.find("http", "send").and_then(|grant| grant.hosts.clone());
    assert_eq!(hosts(&installed.grants), Some(vec!["a.example".to_owned()]));
    let change = |version: &str, more: Option<Value>| {
        let grants = more.map(|hosts| {
            let all = installed.grants.iter().map(|grant| match grant.function.as_str() {
                "http.send" => json!({"function": "http.send", "hosts": hosts}),
                other => json!({"function": other}),
            });
            Value::Array(all.collect())
        });
        shopwright_engine::Change { version: Some(version.into()), grants, ..Default::default() }
    };
    let held = world.engine.change(SHOP, "probe", change("1.1.0", None)).await.expect_err("held");
    assert!(held.code() == "not-granted" && held.to_string().contains("b.example"), "{held}");
    let too_much =
        world.engine.change(SHOP, "probe", change("1.1.0", Some(json!(["c.example"])))).await.expect_err("refused");
    assert_eq!(too_much.code(), "bad-grants");
    let more = world.engine.change(SHOP, "probe", change("1.1.0", Some(json!(["b.example"])))).await.expect("granted");
    assert_eq!(hosts(&more.grants), Some(vec!["b.example".to_owned()]));
    let less = world.engine.change(SHOP, "probe", change("1.0.0", None)).await.expect("less is taken at once");
    assert_eq!(hosts(&less.grants), Some(Vec::new()));
}

const VALUE: &str = "s3cr3t-Zx81-value";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_used_and_is_nowhere() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("store.db");
    let clock = VirtualClock::new(START);
    let store = Store::open(&format!("sqlite://{}", file.display()), store_options(&clock)).await.expect("a store");
    let world = World::over(store, clock, setup()).await.expect("an engine");
    enable(&world, &site, json!({}), None).await;
    let secret = |hosts: Value, installations: Option<&[&str]>| NewSecret {
        value: VALUE.into(),
        hosts: serde_json::from_value(hosts).expect("hosts"),
        installations: installations.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
    };
    let set = async |name: &str, new: NewSecret| world.engine.set_secret(SHOP, name, new).await;
    let info = set("token", secret(site.hosts(), Some(&["probe"]))).await.expect("set");
    assert!(!format!("{info:?} {:?}", secret(site.hosts(), None)).contains(VALUE));
    set("elsewhere", secret(json!(["other.example"]), None)).await.expect("set");
    set("others", secret(site.hosts(), Some(&["another"]))).await.expect("set");
    let with = |name: &str| {
        let mut step = site.post(&format!("{{\"k\":\"{{{{secret:{name}}}}}\"}}"));
        step["headers"] =
            json!([["authorization", format!("Bearer {{{{secret:{name}}}}}")], ["content-type", "application/json"]]);
        step
    };
    site.answer([Answer::Echo]);
    let steps = json!([with("token"), with("elsewhere"), with("others"), with("missing"),
        {"do": "log", "message": "done"}, {"do": "set", "key": "k", "value": 1}, {"do": "sleep", "ms": HOUR}]);
    let run = world.go("1", steps).await;
    world.pass(HOUR).await;
    let said = world.said(run).await;
    assert!(
        site.seen()[0].contains(&format!("Bearer {VALUE}")) && site.seen()[0].contains(&format!("\"k\":\"{VALUE}\""))
    );
    let echo = said[0]["body"].as_str().expect("an answer");
    assert!(echo.contains("Bearer {{secret:token}}") && echo.contains("\"k\":\"{{secret:token}}\""), "{echo}");
    for (n, says) in [
        (1, "is not meant for"),
        (2, "is not meant for the installation"),
        (3, "shopwright secret set missing --host 127.0.0.1"),
    ] {
        let why = said[n]["secret"].as_str().unwrap_or_else(|| panic!("{n}: {said}"));
        assert!(why.contains(says) && !why.contains(VALUE), "{why}");
    }
    assert_eq!(site.seen().len(), 1);
    // Nowhere in the store, in no form: journal, ledger, log, secrets.
    world.engine.stop().await;
    world.store().close().await;
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(VALUE);
    let forms = [VALUE.as_bytes().to_vec(), base64.into_bytes(), hex::encode(VALUE).into_bytes()];
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let content = std::fs::read(entry.expect("a file").path()).expect("it is read");
        bytes += content.len();
        for form in &forms {
            assert!(!content.windows(form.len()).any(|window| window == form), "the store has the secret's value");
        }
    }
    assert!(bytes > 10_000, "there is a store");
}

/// A run that fetches without end is ended, not the disk filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_fetches_so_much_and_no_more() {
    let site = Site::start().await;
    let http = HttpLimits { bytes_per_run: 1_000, ..HttpLimits::default() };
    let limits = EngineLimits { http, ..EngineLimits::default() };
    let world = World::with(Setup { limits, ..setup() }).await;
    enable(&world, &site, json!({}), None).await;
    let run = world.go("1", json!([{"do": "repeat", "times": 50, "steps": [site.get()]}])).await;
    let (code, message) = world.failure(run).await;
    assert!(code == "too-much-data" && message.contains("1000"), "{code} {message}");
    assert!((2..20).contains(&site.seen().len()), "{}", site.seen().len());
}

/// A slow server holds as many runs as it may, and nobody else's; those that wait hold nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_stops_nobody_else() {
    let site = Site::start().await;
    let http = HttpLimits {
        at_once: 8,
        at_once_per_installation: 4,
        per_second: 1_000,
        burst: 1_000,
        ..HttpLimits::default()
    };
    let limits = EngineLimits { executing: 6, executing_per_installation: 6, http, ..EngineLimits::default() };
    let world = World::with(Setup { limits, ..setup() }).await;
    enable(&world, &site, json!({}), None).await;
    site.open.send_replace(false);
    let mut runs = Vec::new();
    for n in 0..12 {
        let intake =
            world.accept("probe.go", &format!("slow-{n}"), json!({"steps": [site.get()]})).await.expect("accepted");
        runs.push(intake.runs[0].run.expect("a run"));
    }
    site.until(4).await;
    // Six execute at once, four of them hang: all others get through, those that call nobody at once.
    let quick =
        world.accept("probe.go", "quick", json!({"steps": [{"do": "now", "since": START}]})).await.expect("accepted");
    let quick = quick.runs[0].run.expect("a run");
    tokio::time::timeout(Duration::from_secs(30), async {
        while world.state(quick).await != RunState::Done {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it does not wait behind the slow ones");
    assert_eq!(site.seen().len(), 4);
    site.open.send_replace(true);
    world.pass(MINUTE).await;
    for run in runs {
        assert_eq!(world.said(run).await[0]["status"], 200);
    }
    assert_eq!(site.seen().len(), 12, "each asked once");
}
