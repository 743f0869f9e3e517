//! `shopwright serve`: the host.

use std::{
    io::IsTerminal as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use shopwright_api::{ApiOptions, ApiState, BuiltIn, BuiltInLoader, MarketOptions, ShopifyAccess};
use shopwright_connectors::{
    callback,
    callback::Callback,
    http::{HttpOptions, HttpOut, Remote},
    smtp,
    smtp::Smtp,
};
use shopwright_engine::{Engine, EngineLimits, EngineOptions, HttpLimits, NewShop, Retention, Senders};
use shopwright_model::{Clock, SystemClock};
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_store::{Store, StoreOptions};
use tokio::net::TcpListener;

use crate::{
    config::{self, Config, LogFormat, MetricsAccess},
    failure::{Failure, Result, at_file},
    output, profile, secrets_key,
};

/// Runs draw their randomness from this and their id, so it must never change for a database.
const SEED: u64 = 0x5348_4f50_5752_4947;

/// How the host is run. Flags go before environment variables, and those before `shopwright.toml`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shopwright serve\n  shopwright serve --listen 0.0.0.0:8787 --database postgres://shopwright@db/shopwright --log-format json\n\nThe first start creates a shop and prints an owner's token, once. The shops' secrets are sealed with `[secrets] key` of\nshopwright.toml, $SHOPWRIGHT_SECRETS_KEY, or a key that is made in the data folder."
)]
pub struct Serve {
    /// The settings file [default: shopwright.toml if it is there].
    #[arg(long, env = "SHOPWRIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8787].
    #[arg(long, env = "SHOPWRIGHT_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the database and compiled components are [default: shopwright-data].
    #[arg(long, env = "SHOPWRIGHT_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// `sqlite://FILE` or `postgres://…` [default: SQLite in the data folder].
    #[arg(long, env = "SHOPWRIGHT_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// This process's name among those that share a database [default: "node"].
    #[arg(long, env = "SHOPWRIGHT_NODE", value_name = "NAME")]
    node: Option<String>,
    /// How long the runs of a node that died stay with it before the others take them; PostgreSQL [default: 30].
    #[arg(long, env = "SHOPWRIGHT_LEASE_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    lease_seconds: Option<u32>,
    /// The shop that the first start creates [default: main].
    #[arg(long, env = "SHOPWRIGHT_FIRST_SHOP", value_name = "ID")]
    first_shop: Option<String>,
    /// Its currency, ISO 4217 [default: EUR].
    #[arg(long, env = "SHOPWRIGHT_CURRENCY", value_name = "CODE")]
    currency: Option<String>,
    /// Its IANA time zone [default: UTC].
    #[arg(long, env = "SHOPWRIGHT_TIME_ZONE", value_name = "ZONE")]
    time_zone: Option<String>,
    /// How log lines are written [default: text].
    #[arg(long, env = "SHOPWRIGHT_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged, such as `debug` or `info,shopwright_engine=debug` [default: info].
    #[arg(long, env = "SHOPWRIGHT_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Who may read /metrics [default: everybody on loopback, else who has a token].
    #[arg(long, env = "SHOPWRIGHT_METRICS", value_enum, value_name = "WHO")]
    metrics: Option<MetricsAccess>,
    /// Mail server, `smtp://user:password@host:587`.
    #[arg(long, env = "SHOPWRIGHT_SMTP_URL", value_name = "URL", hide_env_values = true, requires = "smtp_from")]
    smtp_url: Option<String>,
    /// Whom messages are from, `Shop <shop@example.com>`.
    #[arg(long, env = "SHOPWRIGHT_SMTP_FROM", value_name = "ADDRESS")]
    smtp_from: Option<String>,
    /// Certificates in PEM that the mail server's may be signed with, besides the public authorities'.
    #[arg(long, env = "SHOPWRIGHT_SMTP_CA", value_name = "FILE", requires = "smtp_url")]
    smtp_ca: Option<PathBuf>,
    /// Where staff notices, text messages and changes are sent.
    #[arg(long, env = "SHOPWRIGHT_CALLBACK_URL", value_name = "URL", requires = "callback_secret")]
    callback_url: Option<String>,
    /// What callbacks are signed with, `whsec_…`.
    #[arg(long, env = "SHOPWRIGHT_CALLBACK_SECRET", value_name = "SECRET", hide_env_values = true)]
    callback_secret: Option<String>,
    /// What the first shop's Shopify webhooks are signed with.
    #[arg(long, env = "SHOPWRIGHT_SHOPIFY_SECRET", value_name = "SECRET", hide_env_values = true)]
    shopify_secret: Option<String>,
    /// Write the address to this file once requests are answered.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Write the first owner's token to this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Runs the host until it is told to end.
pub fn run(args: Serve) -> Result {
    let began = Instant::now();
    let config = settings(args)?;
    log(&config);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config, began))
}

/// Everything that is to be known, flags and file put together.
struct Settings {
    listen: SocketAddr,
    data_dir: PathBuf,
    database: String,
    node: String,
    lease_seconds: Option<u32>,
    open_metrics: bool,
    ready_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    log_format: LogFormat,
    log: String,
    file: Config,
}

fn settings(args: Serve) -> Result<Settings> {
    let mut file = config::read(args.config.as_deref())?;
    let listen = args.listen.or(file.listen.take()).unwrap_or_else(|| "127.0.0.1:8787".into());
    let listen: SocketAddr = listen.parse().map_err(|_| {
        Failure::usage(format!("`{listen}` is no address to listen on"))
            .remedy("Write it as 127.0.0.1:8787 or [::1]:8787.")
    })?;
    let data_dir = args.data_dir.or(file.data_dir.take()).unwrap_or_else(|| "shopwright-data".into());
    let database = args
        .database
        .or(file.database.take())
        .unwrap_or_else(|| format!("sqlite://{}", data_dir.join("shopwright.db").display()));
    let node = args.node.or(file.node.take()).unwrap_or_else(|| "node".into());
    let lease_seconds = args.lease_seconds.or(file.lease_seconds);
    let metrics = args.metrics.or(file.metrics);
    let open_metrics = metrics.map_or(listen.ip().is_loopback(), |who| who == MetricsAccess::Open);
    let first = &mut file.shop;
    for (own, given) in
        [(&mut first.id, args.first_shop), (&mut first.currency, args.currency), (&mut first.time_zone, args.time_zone)]
    {
        if let Some(given) = given {
            *own = given;
        }
    }
    if let (Some(url), Some(from)) = (args.smtp_url, args.smtp_from) {
        file.smtp = Some(config::SmtpServer { url, from, ca_file: args.smtp_ca });
    }
    if let (Some(url), Some(secret)) = (args.callback_url, args.callback_secret) {
        file.callback = Some(config::CallbackEndpoint { url, secrets: vec![secret] });
    }
    if let Some(secret) = args.shopify_secret {
        file.shopify.entry(file.shop.id.clone()).or_default().secrets.insert(0, secret);
    }
    // No flag: others on the machine see what stands on a command line.
    if let Ok(key) = std::env::var("SHOPWRIGHT_SECRETS_KEY") {
        file.secrets.key = Some(key);
    }
    let log_format = args.log_format.or(file.log.format).unwrap_or(LogFormat::Text);
    let log = args.log.or(file.log.level.take()).unwrap_or_else(|| "info".into());
    let (ready_file, token_file) = (args.ready_file, args.token_file);
    Ok(Settings {
        listen,
        data_dir,
        database,
        node,
        lease_seconds,
        open_metrics,
        ready_file,
        token_file,
        log_format,
        log,
        file,
    })
}

fn log(settings: &Settings) {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log).unwrap_or_else(|error| {
        eprintln!("the log filter `{}` is not understood ({error}); logging at info", settings.log);
        tracing_subscriber::EnvFilter::new("info")
    });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

async fn serve(settings: Settings, began: Instant) -> Result {
    create_private(&settings.data_dir)?;
    // First of all, so that a second host on the same port ends before it touches the database.
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
        Failure::new("listen", format!("{} cannot be listened on: {error}", settings.listen))
            .remedy("Is another host running? Pass --listen for another address; port 0 picks a free one.")
    })?;
    let address = listener.local_addr()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut options =
        StoreOptions { node_name: settings.node.clone(), clock: clock.clone(), ..StoreOptions::default() };
    if let Some(seconds) = settings.lease_seconds {
        options.lease = Duration::from_secs(seconds.into());
    }
    let store =
        Store::open(&settings.database, options).await.map_err(|error| Failure::new("store", error.to_string()))?;
    let defaults = SandboxOptions::default();
    let sandbox = Sandbox::new(SandboxOptions {
        cache_folder: Some(settings.data_dir.join("components")),
        instances: settings.file.limits.instances.unwrap_or(defaults.instances),
        ..defaults
    })
    .map_err(|error| Failure::new("sandbox", error.to_string()))?;
    let engine = Engine::open(EngineOptions {
        store: store.clone(),
        sandbox,
        clock: clock.clone(),
        seed: SEED,
        senders: senders(&settings)?,
        limits: limits(&settings.file),
        retention: retention(&settings.file.retention),
    })
    .await
    .map_err(|error| Failure::new(error.code(), error.to_string()))?;
    first_start(&engine, &settings, address, clock.now()).await?;
    engine.start();
    let shopify = settings.file.shopify.iter().map(|(shop, access)| {
        (shop.clone(), ShopifyAccess { secrets: access.secrets.clone(), domain: access.domain.clone() })
    });
    let options = ApiOptions {
        default_shop: Some(settings.file.shop.id.clone()),
        open_metrics: settings.open_metrics,
        shopify: shopify.collect(),
        market: market(&settings.file.registries),
    };
    let api = ApiState::new(engine.clone(), options);
    let router = shopwright_api::router(api.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(shopwright_api::serve(listener, router, async move {
        // A dropped sender means the same.
        let _ = stopped.await;
    }));
    tracing::info!(%address, took_ms = began.elapsed().as_millis() as u64, "ready");
    output::line(format!("shopwright listens on http://{address}"));
    if let Some(file) = &settings.ready_file {
        write_whole(file, &format!("http://{address}\n"))?;
    }
    told_to_end().await;
    tracing::info!("ending: requests and runs in flight finish first");
    api.end();
    drop(stop);
    if let Err(error) = server.await {
        tracing::error!(%error, "the server ended badly");
    }
    engine.stop().await;
    store.close().await;
    if let Some(file) = &settings.ready_file {
        let _ = std::fs::remove_file(file);
    }
    tracing::info!("ended");
    Ok(())
}

/// Creates the first shop, and an owner's token for whoever runs the host.
async fn first_start(engine: &Engine, settings: &Settings, address: SocketAddr, now: i64) -> Result {
    if !engine.shops().is_empty() {
        return Ok(());
    }
    let config::FirstShop { id, name, currency, time_zone } = settings.file.shop.clone();
    let failed = |error: shopwright_engine::EngineError| {
        Failure::new(error.code(), format!("the shop `{}` cannot be created: {error}", settings.file.shop.id))
            .remedy("Correct --first-shop, --currency or --time-zone (`[shop]` in shopwright.toml).")
    };
    let shop = engine.create_shop(NewShop { id, name, currency, time_zone }).await.map_err(failed)?;
    let secret = shopwright_api::first_owner(engine.store(), "tok_owner", "first owner", now)
        .await
        .map_err(|problem| Failure::new(problem.code(), problem.detail()))?;
    if let Some(file) = &settings.token_file {
        return profile::write_secret(file, &format!("{secret}\n"));
    }
    output::line(format!("Created the shop `{}`. The owner's token, shown only now:", shop.id));
    output::line(format!("  {secret}"));
    output::line(format!("Keep it with: shopwright login --url http://{address} --token {secret}"));
    Ok(())
}

fn senders(settings: &Settings) -> Result<Senders> {
    let config = &settings.file;
    let wrong = |error: shopwright_connectors::ConnectorError| Failure::new("bad-config", error.to_string());
    let smtp = config
        .smtp
        .as_ref()
        .map(|server| {
            let smtp = Smtp::new(&server.url, smtp::Timeouts::default()).map_err(wrong)?;
            let Some(file) = &server.ca_file else { return Ok(smtp) };
            smtp.trust(&std::fs::read(file).map_err(at_file(file))?).map_err(wrong)
        })
        .transpose()?;
    let callback = config
        .callback
        .as_ref()
        .map(|endpoint| Callback::new(&endpoint.url, &endpoint.secrets, callback::Timeouts::default()))
        .transpose()
        .map_err(wrong)?;
    let from = config.smtp.as_ref().map(|server| server.from.clone()).unwrap_or_default();
    let defaults = HttpOptions::default();
    let http = HttpOut::new(HttpOptions {
        allow: config.http.allow.clone(),
        request_bytes: config.http.request_bytes.unwrap_or(defaults.request_bytes),
        response_bytes: config.http.response_bytes.unwrap_or(defaults.response_bytes),
        ..defaults
    });
    let http = match http {
        Ok(http) => Some(Arc::new(http) as Arc<dyn Remote>),
        Err(error) => {
            tracing::warn!(%error, "plugins can send no requests");
            None
        }
    };
    let shared = settings.database.starts_with("postgres");
    let vault = secrets_key::vault(config.secrets.key.as_deref(), &settings.data_dir, shared)?.map(Arc::new);
    Ok(Senders { smtp: smtp.map(Arc::new), from, callback: callback.map(Arc::new), http, vault })
}

/// Where plugins may come from: what this binary carries, made into a catalogue when it is first asked for, and
/// registries.
fn market(own: &config::Registries) -> MarketOptions {
    let built_in: BuiltInLoader = Arc::new(|engine: Engine| {
        Box::pin(async move {
            let made = shopwright_bundle::market(engine.sandbox()).await;
            made.map(|(bundle, catalogue)| BuiltIn { bundle, catalogue }).map_err(|error| error.to_string())
        })
    });
    MarketOptions { plain_http: own.plain_http.clone(), only: own.only.clone(), built_in: Some(built_in) }
}

fn limits(config: &Config) -> EngineLimits {
    let own = &config.limits;
    let defaults = EngineLimits::default();
    let http = HttpLimits {
        at_once: config.http.at_once.unwrap_or(defaults.http.at_once),
        at_once_per_installation: config
            .http
            .at_once_per_installation
            .unwrap_or(defaults.http.at_once_per_installation),
        per_second: config.http.per_second.unwrap_or(defaults.http.per_second),
        ..defaults.http
    };
    EngineLimits {
        executing: own.executing.unwrap_or(defaults.executing),
        queued: own.queued.unwrap_or(defaults.queued),
        journal_entries: own.journal_entries.unwrap_or(defaults.journal_entries),
        effects: own.effects.unwrap_or(defaults.effects),
        http,
        ..defaults
    }
}

fn retention(own: &config::Retention) -> Retention {
    let defaults = Retention::default();
    Retention {
        events: own.events.unwrap_or(defaults.events),
        runs: own.runs.unwrap_or(defaults.runs),
        history: own.history.unwrap_or(defaults.history),
        messages: own.messages.unwrap_or(defaults.messages),
        versions: own.versions.unwrap_or(defaults.versions),
    }
}

/// A folder that only this user can look into: it holds customers' data.
fn create_private(folder: &Path) -> Result {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(at_file(folder))
}

/// Writes a file that others see whole or not at all.
fn write_whole(path: &Path, text: &str) -> Result {
    let beside = path.with_extension("part");
    std::fs::write(&beside, text).map_err(at_file(&beside))?;
    std::fs::rename(&beside, path).map_err(at_file(path))
}

/// Completes at Ctrl-C or SIGTERM.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ => std::future::pending().await,
        }
    }
    #[cfg(not(unix))]
    {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
