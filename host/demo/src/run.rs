//! The demo itself: a host with an embedded store, a shop, three workflows, and the world around them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use shopwright_api::{ApiOptions, ApiState, ShopifyAccess};
use shopwright_engine::{Engine, EngineLimits, EngineOptions, Install, NewShop, Notice, Retention, Senders};
use shopwright_model::{Clock, Millis};
use shopwright_policy::{Percent, Products, Rule, RuleKind, Unknown};
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_store::{Store, StoreOptions};
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};

use crate::{
    DemoError, Shop, Size, Summary, Traffic,
    calendar::MINUTE,
    clock::FastClock,
    dice::Dice,
    fill,
    keep::Notes,
    notices::Interpreter,
    send::Sender,
    shop::{CURRENCY, NAME, SHOP, ZONE},
    show::{
        Line, Printer, ShowEvent, Style, Weight, What,
        words::{clock as time_of_day, grouped},
    },
    traffic::{Liveliness, platform::shop_domain},
};

/// Friday, 6 March 2026, 05:45 in Berlin: the morning's price review is near, and so is the day on which
/// a competitor's weekend sale begins.
pub const START: Millis = 1_772_772_300_000;

/// How the demo runs.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// From what the shop is made; none: the kept one's, or 7.
    pub seed: Option<u64>,
    /// How large the shop is.
    pub size: Size,
    /// How many times as fast as the wall's the time runs.
    pub speed: f64,
    /// How long the show lasts, by the wall; none: until it is told to end.
    pub for_: Option<Duration>,
    /// The folder that keeps the shop; none: a temporary one that is removed in the end.
    pub keep: Option<PathBuf>,
    /// The port on loopback; 0: a free one.
    pub port: u16,
    /// Lines to show in a second, at most (what matters most may exceed it for a moment).
    pub lines_per_second: f64,
    /// Say nothing but the summary.
    pub quiet: bool,
    /// The workflows: name, and the component with its manifest in it.
    pub components: Vec<(String, Vec<u8>)>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            seed: None,
            size: Size::FULL,
            speed: 1_800.0,
            for_: None,
            keep: None,
            port: 0,
            lines_per_second: 4.5,
            quiet: false,
            components: Vec::new(),
        }
    }
}

/// More runs in work than this, and the time is held until they are fewer.
const MOST_ACTIVE: usize = 64;
/// The world lags this far behind, and the time is held until it has caught up.
const MOST_BEHIND: Millis = 20 * MINUTE;
/// How often the notes of a kept demo are written.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// Runs the demo until its time is over, or until Ctrl-C (or SIGTERM); prints the show and the summary to
/// the standard output.
///
/// # Errors
/// When the folder, the port, the store, or the host does not work.
pub async fn run(options: DemoOptions) -> Result<Summary, DemoError> {
    let mut told = std::pin::pin!(told_to_end());
    let mut printer = Printer::stdout(options.lines_per_second, options.quiet);
    let temporary = match &options.keep {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(DemoError::folder(std::env::temp_dir()))?),
    };
    let folder =
        options.keep.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned())).unwrap_or_default();
    std::fs::create_dir_all(&folder).map_err(DemoError::folder(&folder))?;
    let mut notes = notes(&options, &folder)?;
    let resumed = notes.filled;
    greet(&mut printer, &notes, &options)?;

    let host = Host::open(&options, &folder, &notes).await?;
    let outcome = tokio::select! {
        traffic = prepare(&host, &options, &mut notes, &folder, &mut printer) => match traffic {
            Ok(traffic) => {
                if resumed {
                    let waiting = host.engine.store().run_counts(SHOP).await?.waiting;
                    printer.line(&note(format!("  the shop is as you left it: {} runs wait and go on", grouped(waiting))))?;
                }
                play(&host, traffic, &options, &mut notes, &folder, &mut printer, &mut told).await
            }
            Err(error) => Err(error),
        },
        () = &mut told => Ok(()),
    };
    let closed = host.close(printer.summary_mut()).await;
    notes.write(&folder)?;
    match outcome {
        // Whoever watched has gone: that is no failure of the show.
        Err(DemoError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            return Ok(printer.summary().clone());
        }
        other => other?,
    }
    closed?;
    let lines = printer.summary().lines();
    printer.line(&Line::new(Weight::Main))?;
    for line in &lines {
        printer.line(line)?;
    }
    if let Some(kept) = &options.keep {
        printer.line(&note(format!("  kept in {0}: go on with --keep {0}", kept.display())))?;
    }
    Ok(printer.summary().clone())
}

fn notes(options: &DemoOptions, folder: &Path) -> Result<Notes, DemoError> {
    let Some(kept) = Notes::read(folder)? else {
        let seed = options.seed.unwrap_or(7);
        return Ok(Notes { seed, size: options.size, start: START, now: START, sessions: 0, filled: false });
    };
    match options.seed {
        Some(asked) if asked != kept.seed => Err(DemoError::Seed { path: folder.into(), kept: kept.seed, asked }),
        _ => Ok(Notes { sessions: kept.sessions + u64::from(kept.filled), ..kept }),
    }
}

fn note(text: impl Into<String>) -> Line {
    Line::new(Weight::Main).with(Style::Dim, text)
}

fn greet(printer: &mut Printer, notes: &Notes, options: &DemoOptions) -> Result<(), DemoError> {
    if options.quiet {
        return Ok(());
    }
    let size = notes.size;
    printer.line(&Line::new(Weight::Main).with(Style::Bold, format!("Shopwright at {NAME}")).with(
        Style::Dim,
        format!(
            ", a shop that does not exist: {} products, {} customers, {} orders in two years (seed {})",
            grouped(size.products as u64),
            grouped(size.customers as u64),
            grouped(size.orders as u64),
            notes.seed
        ),
    ))?;
    Ok(())
}

/// The host: store, engine and HTTP server.
struct Host {
    engine: Engine,
    clock: Arc<FastClock>,
    sender: Sender,
    token: String,
    address: std::net::SocketAddr,
    notices: broadcast::Receiver<Notice>,
    server: JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Host {
    async fn open(options: &DemoOptions, folder: &Path, notes: &Notes) -> Result<Self, DemoError> {
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .map_err(|source| DemoError::Listen { port: options.port, source })?;
        let address = listener.local_addr()?;
        // The time stands still until everything is ready.
        let clock = Arc::new(FastClock::held(notes.now, options.speed));
        let database = format!("sqlite://{}", folder.join("demo.db").display());
        let store = Store::open(&database, StoreOptions { clock: clock.clone(), ..StoreOptions::default() }).await?;
        let sandbox = Sandbox::new(SandboxOptions {
            cache_folder: Some(folder.join("components")),
            instances: 64,
            ..SandboxOptions::default()
        })?;
        let engine = Engine::open(EngineOptions {
            store,
            sandbox,
            clock: clock.clone(),
            seed: notes.seed,
            senders: Senders::default(),
            limits: EngineLimits { executing: 48, ..EngineLimits::default() },
            retention: Retention::default(),
        })
        .await
        .map_err(DemoError::engine("the engine does not start"))?;
        let notices = engine.subscribe();
        // Loopback only, and gone with the process: enough of a secret.
        let mut dice = Dice::new(notes.seed ^ u64::from(std::process::id()), "secret");
        let secret = dice.hex(32);
        let token =
            shopwright_api::first_owner(engine.store(), &format!("tok_demo_{}", notes.sessions), "demo", notes.now)
                .await
                .map_err(|problem| DemoError::Http {
                    what: "the owner's token".into(),
                    reason: problem.detail().to_owned(),
                })?;
        let access = ShopifyAccess { secrets: vec![secret.clone()], domain: Some(shop_domain().into()) };
        let api = ApiState::new(
            engine.clone(),
            ApiOptions {
                default_shop: Some(SHOP.into()),
                open_metrics: true,
                shopify: std::iter::once((SHOP.to_owned(), access)).collect(),
                ..ApiOptions::default()
            },
        );
        let router = shopwright_api::router(api);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(shopwright_api::serve(listener, router, async move {
            // A dropped sender means the same.
            let _ = stopped.await;
        }));
        let sender = Sender::new(format!("http://{address}"), SHOP, token.clone(), secret)?;
        Ok(Self { engine, clock, sender, token, address, notices, server, stop })
    }

    /// Ends server, engine and store, each when what it does is done; notes how many runs wait.
    async fn close(self, summary: &mut Summary) -> Result<(), DemoError> {
        let Self { engine, clock, server, stop, .. } = self;
        clock.hold();
        drop(stop);
        let _ = server.await;
        engine.stop().await;
        let counts = engine.store().run_counts(SHOP).await;
        engine.store().clone().close().await;
        summary.waiting = counts?.waiting;
        Ok(())
    }
}

/// Makes the shop, or takes the kept one up again; and installs the workflows.
async fn prepare(
    host: &Host,
    options: &DemoOptions,
    notes: &mut Notes,
    folder: &Path,
    printer: &mut Printer,
) -> Result<Traffic, DemoError> {
    let began = Instant::now();
    let (seed, size, start) = (notes.seed, notes.size, notes.start);
    let made = tokio::task::spawn_blocking(move || Shop::generate(seed, size, start)).await;
    let mut shop =
        made.map_err(|error| DemoError::Http { what: "making the shop".into(), reason: error.to_string() })?;
    tracing::debug!(took_ms = began.elapsed().as_millis() as u64, "the shop is made");
    if !notes.filled {
        notes.write(folder)?;
        create_shop(&host.engine).await?;
        (shop, _) = fill::fill(shop, &host.sender, options.quiet).await?;
    }
    install(host, options, printer).await?;
    if notes.filled {
        take_prices(&host.engine, &mut shop).await?;
    }
    notes.filled = true;
    notes.write(folder)?;
    if !options.quiet {
        printer.line(&note(format!(
            "  the host listens on http://{}; look around from another terminal with --url http://{0} --token {}",
            host.address, host.token
        )))?;
        printer.line(&note(format!(
            "  a second is {} minutes here; it is {}; Ctrl-C ends the show\n",
            (options.speed / 60.0).round(),
            time_of_day(notes.now)
        )))?;
    }
    Ok(Traffic::new(shop, notes.sessions, notes.now, Liveliness::default()))
}

async fn create_shop(engine: &Engine) -> Result<(), DemoError> {
    if engine.shops().iter().any(|shop| shop.id == SHOP) {
        return Ok(()); // A demo that was ended while it was filled.
    }
    let new = NewShop { id: SHOP.into(), name: NAME.into(), currency: CURRENCY.into(), time_zone: ZONE.name().into() };
    engine.create_shop(new).await.map_err(DemoError::engine("the shop cannot be created"))?;
    // This shop's operator is stricter than the default set.
    let mut margin = Rule::new(
        "minimum-margin",
        RuleKind::MinimumMargin {
            percent: Percent::whole(50),
            products: Products::default(),
            if_unknown: Unknown::Deny,
        },
    );
    margin.words = "At least half of every price stays with us.".into();
    let change = Rule::new(
        "price-change",
        RuleKind::LargestPriceChange { percent: Percent::whole(8), window_hours: 24, products: Products::default() },
    );
    for rule in [margin, change] {
        engine.put_rule(SHOP, rule).await.map_err(DemoError::engine("a guardrail cannot be set"))?;
    }
    Ok(())
}

async fn install(host: &Host, options: &DemoOptions, printer: &mut Printer) -> Result<(), DemoError> {
    for (name, component) in &options.components {
        let added = host
            .engine
            .add_component(SHOP, component.clone(), "shopwright")
            .await
            .map_err(DemoError::engine(format!("the plugin `{name}` is refused")))?;
        let installed =
            host.engine.installations(SHOP).map_err(DemoError::engine("the installations cannot be read"))?;
        if !installed.iter().any(|known| known.id == added.plugin) {
            let request = Install {
                id: None,
                plugin: added.plugin.clone(),
                version: Some(added.version.clone()),
                settings: serde_json::json!({}),
                grants: None,
                mode: None,
                beside: None,
            };
            host.engine
                .install(SHOP, request)
                .await
                .map_err(DemoError::engine(format!("the plugin `{name}` cannot be installed")))?;
        }
        if !options.quiet {
            printer.line(
                &Line::new(Weight::Main)
                    .with(Style::Plain, "  enabled ")
                    .with(Style::Magenta, format!("{} {}", added.plugin, added.version))
                    .with(Style::Dim, format!(": {}", added.summary)),
            )?;
        }
    }
    host.engine.start();
    Ok(())
}

/// The prices that workflows have set since the shop was made.
async fn take_prices(engine: &Engine, shop: &mut Shop) -> Result<(), DemoError> {
    let mut after: Option<String> = None;
    loop {
        let page =
            engine.store().entities_scan(SHOP, shopwright_model::EntityKind::Product, after.as_deref(), 250).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for doc in &page {
            let Ok(product) = serde_json::from_str::<shopwright_model::catalog::Product>(&doc.doc) else { continue };
            for known in &product.variants {
                if let Some(variant) = shop.variants.iter_mut().find(|variant| known.id == variant.id.to_string()) {
                    variant.price = known.price.amount;
                }
            }
        }
    }
}

/// Plays the traffic, tells what happens, and lets the world react.
async fn play(
    host: &Host,
    mut traffic: Traffic,
    options: &DemoOptions,
    notes: &mut Notes,
    folder: &Path,
    printer: &mut Printer,
    told: &mut (impl Future<Output = ()> + Unpin),
) -> Result<(), DemoError> {
    let Host { engine, clock, sender, .. } = host;
    let mut notices = host.notices.resubscribe();
    let mut interpreter = Interpreter::new(&traffic);
    let mut end = std::pin::pin!(async {
        match options.for_ {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    });
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let mut noted = Instant::now();
    clock.go();
    loop {
        let next = traffic.peek().unwrap_or(Millis::MAX);
        tokio::select! {
            biased;
            () = &mut *told => break,
            () = &mut end => break,
            notice = notices.recv() => match notice {
                Ok(notice) => tell(&notice, &mut interpreter, &mut traffic, printer)?,
                Err(broadcast::error::RecvError::Lagged(missed)) => tracing::debug!(missed, "the show was too slow for some notices"),
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            _ = look.tick() => {
                // A slow machine gets as much time as it needs.
                let now = clock.now();
                if engine.active() > MOST_ACTIVE || now.saturating_sub(next) > MOST_BEHIND {
                    clock.hold();
                } else {
                    clock.go();
                }
                notes.now = now;
                if options.keep.is_some() && noted.elapsed() > NOTE_EVERY {
                    noted = Instant::now();
                    notes.write(folder)?;
                }
            }
            () = clock.until(next) => {
                let Some(happening) = traffic.advance() else { return Ok(()) };
                printer.show(&ShowEvent { at: happening.at, what: What::Story(happening.story) })?;
                for post in &happening.posts {
                    sender.deliver(post).await?;
                }
            }
        }
    }
    clock.hold();
    notes.now = clock.now();
    // What was told while the last post was under way.
    while let Ok(notice) = notices.try_recv() {
        tell(&notice, &mut interpreter, &mut traffic, printer)?;
    }
    Ok(())
}

fn tell(
    notice: &Notice,
    interpreter: &mut Interpreter,
    traffic: &mut Traffic,
    printer: &mut Printer,
) -> Result<(), DemoError> {
    let told = interpreter.tell(notice, traffic);
    if let Some(event) = &told.event {
        printer.show(event)?;
        if let Some(reaction) = &told.reaction {
            traffic.react(event.at, reaction);
        }
    }
    Ok(())
}

/// Completes when the user, or whoever started the process, wants it to end.
async fn told_to_end() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminated) => {
                    terminated.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}
