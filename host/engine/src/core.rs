//! What all parts of the engine share.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shopwright_model::{Clock, IdSource, Millis, RunId};
use shopwright_sandbox::{HostFunctions, Prepared, Sandbox};
use tokio::sync::{Notify, broadcast};

use crate::{
    EngineError, EngineLimits, Retention, Senders,
    cx::RunCx,
    ground::Ground,
    http::Traffic,
    install::{Installed, Program},
    metrics::Metrics,
    notice::Notice,
    queue::Queue,
    shop::ShopState,
    strays::Strays,
    trial::World,
};

/// A component's digest and the hash of what it is granted.
type LinkedAs = (String, u64);

pub(crate) struct Core {
    pub store: Ground,
    pub sandbox: Sandbox,
    pub clock: Arc<dyn Clock>,
    pub ids: IdSource,
    pub seed: u64,
    pub senders: Senders,
    pub limits: EngineLimits,
    pub retention: Retention,
    pub functions: Arc<HostFunctions<RunCx>>,
    pub shops: RwLock<HashMap<String, Arc<ShopState>>>,
    /// By digest: what a component's manifest says, compiled.
    pub programs: RwLock<HashMap<String, Arc<Program>>>,
    /// By digest and grants: components linked with what they may do.
    pub prepared: RwLock<HashMap<LinkedAs, Arc<Prepared<RunCx>>>>,
    /// Held while a version is loaded, an installation changed or a shop created: rare, and never two at once.
    pub changing: tokio::sync::Mutex<()>,
    pub queue: Queue,
    /// Requests of plugins that are under way.
    pub traffic: Arc<Traffic>,
    pub metrics: Metrics,
    pub notices: broadcast::Sender<Notice>,
    /// The earliest time at which something may be due.
    next_due: AtomicI64,
    pub timer: Notify,
    /// Runs that may be ours without anybody knowing.
    pub strays: Mutex<Strays>,
    /// Wakes the sender of what waits in the ledger for the platform.
    pub outbox: Notify,
    pub stopping: AtomicBool,
    pub stopped: Notify,
    jitter: Mutex<ChaCha8Rng>,
    /// Runs caused by an event from outside, per minute: (minute, root → count).
    roots: Mutex<(i64, HashMap<i64, u32>)>,
}

impl Core {
    pub fn new(options: crate::EngineOptions, functions: Arc<HostFunctions<RunCx>>) -> Self {
        Self::over(options, functions, None)
    }

    /// As [`Core::new`], with a world that stands before the store.
    pub fn over(
        options: crate::EngineOptions,
        functions: Arc<HostFunctions<RunCx>>,
        world: Option<Arc<dyn World>>,
    ) -> Self {
        let crate::EngineOptions { store, sandbox, clock, seed, senders, limits, retention } = options;
        let node = u16::try_from(store.node() & 1023).unwrap_or_default();
        Self {
            ids: IdSource::new(clock.clone(), node),
            store: Ground::new(store, world),
            sandbox,
            queue: Queue::new(limits.executing_per_installation, clock.clone()),
            clock,
            seed,
            senders,
            traffic: Traffic::new(limits.http),
            limits,
            retention,
            functions,
            shops: RwLock::default(),
            programs: RwLock::default(),
            prepared: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            metrics: Metrics::new(),
            notices: broadcast::Sender::new(4096),
            next_due: AtomicI64::new(i64::MAX),
            timer: Notify::new(),
            strays: Mutex::default(),
            outbox: Notify::new(),
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
            jitter: Mutex::new(ChaCha8Rng::seed_from_u64(seed ^ 0x6a69_7474_6572)),
            roots: Mutex::default(),
        }
    }

    pub fn shop(&self, id: &str) -> Result<Arc<ShopState>, EngineError> {
        self.shops.read().get(id).cloned().ok_or_else(|| EngineError::not_found("shop", id))
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Something is due at `at`: makes sure that the timer looks then.
    pub fn due_by(&self, at: Millis) {
        if self.next_due.fetch_min(at, Ordering::AcqRel) > at {
            self.timer.notify_one();
        }
    }

    /// When the timer should look next.
    pub fn next_due(&self) -> Millis {
        self.next_due.load(Ordering::Acquire)
    }

    /// Forgets what was due, before the store is asked anew.
    pub fn reset_due(&self) {
        self.next_due.store(i64::MAX, Ordering::Release);
    }

    /// Tells whoever listens.
    pub fn tell(&self, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            // Nobody listens: fine.
            let _ = self.notices.send(notice);
        }
    }

    /// Whether anybody listens: notices need not be made otherwise.
    pub fn is_heard(&self) -> bool {
        self.notices.receiver_count() > 0
    }

    /// Which node a new run is given to: this one, or none where so many of it wait here already that the store
    /// keeps it until there is room.
    pub fn place(&self, shop: &ShopState, installed: &Installed) -> Option<i64> {
        let id = &installed.record.id;
        (!self.queue.is_limited() || self.queue.has_room(&shop.shop.id, id)).then(|| self.store.node())
    }

    /// A number from 0 to 1 for spreading retries.
    pub fn jitter(&self) -> f64 {
        self.jitter.lock().random::<f64>()
    }

    /// The seed of a run's randomness: the same at every replay, on every node.
    pub fn run_seed(&self, run: RunId) -> u64 {
        // SplitMix64's finaliser: neighbouring ids give unrelated seeds.
        let mut z = self.seed ^ run.0.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Counts a run that descends from `root`; false when there are too many in this minute.
    pub fn count_root(&self, root: i64) -> bool {
        let minute = self.clock.now() / 60_000;
        let mut roots = self.roots.lock();
        if roots.0 != minute {
            *roots = (minute, HashMap::new());
        }
        let count = roots.1.entry(root).or_insert(0);
        *count += 1;
        *count <= self.limits.runs_per_root
    }
}
