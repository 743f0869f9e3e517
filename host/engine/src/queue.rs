//! Runs that are ready to execute, in a fair order: shops take turns, and within a shop its
//! installations do, so that a flood in one holds no other up.
//!
//! Installations and shops may have limits ([`crate::limits`]): runs that execute at once, and runs that begin in a
//! minute. What may not begin yet is held, and let in, in turns, when the clock's next minute begins
//! ([`Queue::release`]). Of a limited installation few wait here: the rest stay in the store
//! ([`Queue::has_room`], [`Queue::full`]), so that they take no room from others.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use shopwright_model::{Clock, Millis, RunId};
use shopwright_store::ops::{EventRow, RunRow};
use tokio::sync::Notify;

use crate::limits::Limits;

/// A run that is ready, with the event that triggered it where that is at hand.
#[derive(Debug)]
pub(crate) struct Task {
    pub run: RunRow,
    pub event: Option<Arc<EventRow>>,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Task>,
    executing: usize,
}

#[derive(Default)]
struct Shop {
    /// Installations with something waiting, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    lanes: HashMap<Arc<str>, Lane>,
    executing: usize,
}

/// How fast an installation, or a whole shop, may go.
#[derive(Default)]
struct Gate {
    in_flight: Option<usize>,
    per_minute: Option<u32>,
    /// The minute that `begun` counts.
    minute: i64,
    begun: u64,
}

impl Gate {
    fn of(limits: Limits, minute: i64, begun: u64) -> Self {
        let in_flight = limits.runs_in_flight.and_then(|most| usize::try_from(most).ok());
        Self { in_flight, per_minute: limits.runs_per_minute, minute, begun }
    }

    /// Whether one more may begin in this minute.
    fn is_open(&mut self, minute: i64) -> bool {
        if self.minute != minute {
            (self.minute, self.begun) = (minute, 0);
        }
        self.per_minute.is_none_or(|most| self.begun < u64::from(most))
    }
}

/// What is held of an installation that is limited, or whose shop is.
#[derive(Default)]
struct Hold {
    /// The installation's own limit.
    gate: Option<Gate>,
    /// Runs that may not begin yet.
    held: VecDeque<Task>,
    /// The store keeps more of them.
    backlog: bool,
}

/// The limits of a shop and of its installations.
#[derive(Default)]
struct Limited {
    gate: Option<Gate>,
    holds: HashMap<Arc<str>, Hold>,
}

#[derive(Default)]
struct Inner {
    turns: VecDeque<Arc<str>>,
    shops: HashMap<Arc<str>, Shop>,
    waiting: usize,
    executing: usize,
    /// Shops with a limit.
    limited: HashMap<Arc<str>, Limited>,
    /// Everything that waits or executes; twice where one is claimed while its last segment ends.
    known: HashMap<RunId, u8>,
}

impl Inner {
    fn forget(&mut self, run: RunId) {
        if let Entry::Occupied(mut entry) = self.known.entry(run) {
            match entry.get().checked_sub(1) {
                None | Some(0) => drop(entry.remove()),
                Some(left) => *entry.get_mut() = left,
            }
        }
    }
}

/// Runs of one limited installation that wait in memory.
const ROOM: usize = 256;

const MINUTE: Millis = 60_000;

/// The queue. One installation executes at most `lane_limit` runs at once, so that one whose effects
/// hang at a slow receiver leaves room for the others.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    drained: Notify,
    lane_limit: usize,
    clock: Arc<dyn Clock>,
    /// There is a limit somewhere.
    limited: AtomicBool,
}

impl Limited {
    /// What stands before an installation; none: nothing.
    fn hold(&mut self, installation: &str) -> Option<&mut Hold> {
        if self.gate.is_some() && !self.holds.contains_key(installation) {
            self.holds.insert(installation.into(), Hold::default());
        }
        self.holds.get_mut(installation)
    }

    /// Lets one run of an installation begin, if it may in this minute.
    fn let_in(&mut self, installation: &str, minute: i64) -> bool {
        let Self { gate: own, holds } = self;
        let gates = [own.as_mut(), holds.get_mut(installation).and_then(|hold| hold.gate.as_mut())];
        let mut gates: Vec<&mut Gate> = gates.into_iter().flatten().collect();
        let open = gates.iter_mut().all(|gate| gate.is_open(minute));
        if open {
            gates.iter_mut().for_each(|gate| gate.begun += 1);
        }
        open
    }
}

impl Inner {
    /// Puts a run that may execute into its lane.
    fn line_up(&mut self, task: Task) {
        self.waiting += 1;
        if !self.shops.contains_key(task.run.shop.as_str()) {
            self.shops.insert(task.run.shop.as_str().into(), Shop::default());
        }
        let name: Arc<str> = match self.shops.get_key_value(task.run.shop.as_str()) {
            Some((name, _)) => name.clone(),
            None => return,
        };
        let Some(shop) = self.shops.get_mut(&name) else { return };
        if shop.turns.is_empty() {
            self.turns.push_back(name);
        }
        if let Some(lane) = shop.lanes.get_mut(task.run.installation.as_str()) {
            if lane.waiting.is_empty()
                && let Some((key, _)) = shop.lanes.get_key_value(task.run.installation.as_str())
            {
                shop.turns.push_back(key.clone());
            }
            if let Some(lane) = shop.lanes.get_mut(task.run.installation.as_str()) {
                lane.waiting.push_back(task);
            }
        } else {
            let key: Arc<str> = task.run.installation.as_str().into();
            let lane = shop.lanes.entry(key.clone()).or_default();
            lane.waiting.push_back(task);
            shop.turns.push_back(key);
        }
    }

    /// Holds a run that may not begin yet; gives back one that may, or that has begun before.
    fn admit(&mut self, task: Task, minute: i64) -> Option<Task> {
        let fresh = task.run.chunks == 0 && task.run.attempt == 1 && task.run.wait.is_none();
        let Some(limited) = self.limited.get_mut(task.run.shop.as_str()).filter(|_| fresh) else { return Some(task) };
        match limited.hold(&task.run.installation) {
            None => return Some(task),
            Some(hold) if !hold.held.is_empty() => {
                hold.held.push_back(task);
                return None;
            }
            Some(_) => {}
        }
        if limited.let_in(&task.run.installation, minute) {
            return Some(task);
        }
        if let Some(hold) = limited.hold(&task.run.installation) {
            hold.held.push_back(task);
        }
        None
    }

    /// The most runs of a shop, and of one of its installations, that may execute at once.
    fn most(&self, shop: &str, installation: &str) -> (usize, usize) {
        let Some(limited) = self.limited.get(shop) else { return (usize::MAX, usize::MAX) };
        let most = |gate: Option<&Gate>| gate.and_then(|gate| gate.in_flight).unwrap_or(usize::MAX);
        (most(limited.gate.as_ref()), most(limited.holds.get(installation).and_then(|hold| hold.gate.as_ref())))
    }

    /// How many runs of an installation wait here.
    fn waiting_of(&self, shop: &str, installation: &str) -> usize {
        let lane = self.shops.get(shop).and_then(|shop| shop.lanes.get(installation));
        let hold = self.limited.get(shop).and_then(|limited| limited.holds.get(installation));
        lane.map_or(0, |lane| lane.waiting.len()) + hold.map_or(0, |hold| hold.held.len())
    }
}

impl Queue {
    pub fn new(lane_limit: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Notify::new(),
            drained: Notify::new(),
            lane_limit: lane_limit.max(1),
            clock,
            limited: AtomicBool::new(false),
        }
    }

    fn minute(&self) -> i64 {
        self.clock.now() / MINUTE
    }

    /// Adds a run. One that may not begin yet is held.
    pub fn push(&self, task: Task) {
        {
            let mut inner = self.inner.lock();
            *inner.known.entry(task.run.id).or_default() += 1;
            let task = if inner.limited.is_empty() { Some(task) } else { inner.admit(task, self.minute()) };
            if let Some(task) = task {
                inner.line_up(task);
            }
        }
        self.changed.notify_one();
    }

    /// The next run whose turn it is, counted as executing; none if nothing may execute now.
    pub fn pop(&self) -> Option<Task> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let unlimited = inner.limited.is_empty();
        for _ in 0..inner.turns.len() {
            let name = inner.turns.pop_front()?;
            let Some(turns) = inner.shops.get(&name).map(|shop| shop.turns.len()) else { continue };
            let mut taken = None;
            for _ in 0..turns {
                let Some(key) = inner.shops.get_mut(&name).and_then(|shop| shop.turns.pop_front()) else { break };
                let (of_shop, of_lane) = if unlimited { (usize::MAX, usize::MAX) } else { inner.most(&name, &key) };
                let Some(shop) = inner.shops.get_mut(&name) else { break };
                let Some(lane) = shop.lanes.get_mut(&key) else { continue };
                if lane.executing >= self.lane_limit.min(of_lane) || shop.executing >= of_shop {
                    shop.turns.push_back(key);
                    continue;
                }
                taken = lane.waiting.pop_front();
                if taken.is_some() {
                    lane.executing += 1;
                    shop.executing += 1;
                }
                if !lane.waiting.is_empty() {
                    shop.turns.push_back(key);
                }
                if taken.is_some() {
                    break;
                }
            }
            if inner.shops.get(&name).is_some_and(|shop| !shop.turns.is_empty()) {
                inner.turns.push_back(name);
            }
            if let Some(task) = taken {
                inner.waiting -= 1;
                inner.executing += 1;
                return Some(task);
            }
        }
        None
    }

    /// Waits for the next run.
    pub async fn next(&self) -> Task {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(task) = self.pop() {
                return task;
            }
            changed.await;
        }
    }

    /// Whether a run waits here or executes.
    pub fn has(&self, run: RunId) -> bool {
        self.inner.lock().known.contains_key(&run)
    }

    /// A run that [`Queue::next`] gave has left; whether there is room now for more of its installation, which the
    /// store keeps.
    pub fn done(&self, run: RunId, shop: &str, installation: &str) -> bool {
        let (empty, more) = {
            let mut inner = self.inner.lock();
            inner.executing -= 1;
            inner.forget(run);
            let mut gone = false;
            if let Some(shop) = inner.shops.get_mut(shop) {
                shop.executing -= 1;
                if let Some(lane) = shop.lanes.get_mut(installation) {
                    lane.executing -= 1;
                    gone = lane.executing == 0 && lane.waiting.is_empty();
                }
                if gone {
                    shop.lanes.remove(installation);
                }
                gone = shop.lanes.is_empty();
            }
            if gone {
                inner.shops.remove(shop);
            }
            let backlog = inner.limited.get(shop).and_then(|limited| limited.holds.get(installation));
            let waiting = backlog.filter(|hold| hold.backlog).map(|_| inner.waiting_of(shop, installation));
            let more = waiting.is_some_and(|waiting| waiting <= ROOM / 2 && waiting % 32 == 0);
            (inner.executing == 0 && inner.waiting == 0, more)
        };
        self.changed.notify_one();
        if empty {
            self.drained.notify_waiters();
        }
        more
    }

    /// Runs that are queued or executing; those that are held are not.
    pub fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.waiting + inner.executing
    }

    /// Runs that execute.
    pub fn executing(&self) -> usize {
        self.inner.lock().executing
    }

    /// Runs of a shop, or of one of its installations, that execute.
    pub fn executing_of(&self, shop: &str, installation: Option<&str>) -> usize {
        let inner = self.inner.lock();
        let Some(shop) = inner.shops.get(shop) else { return 0 };
        match installation {
            None => shop.executing,
            Some(id) => shop.lanes.get(id).map_or(0, |lane| lane.executing),
        }
    }

    /// Completes when nothing is queued or executing.
    pub async fn empty(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            drained.await;
        }
    }

    /// Takes all that is queued and not executing (at a stop: recovery finds them in the store).
    pub fn clear(&self) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        for shop in inner.shops.values_mut() {
            shop.turns.clear();
            for lane in shop.lanes.values_mut() {
                lane.waiting.clear();
            }
        }
        for limited in inner.limited.values_mut() {
            limited.holds.values_mut().for_each(|hold| hold.held.clear());
        }
        inner.turns.clear();
        inner.waiting = 0;
    }

    /// Sets or (none) ends the limits of an installation, or of a whole shop, of which so many runs have begun in
    /// this minute.
    pub fn set_limits(&self, shop: &str, installation: Option<&str>, limits: Option<(Limits, u64)>) {
        {
            let mut inner = self.inner.lock();
            if limits.is_none() && !inner.limited.contains_key(shop) {
                return;
            }
            let minute = self.minute();
            let gate = limits.map(|(limits, begun)| Gate::of(limits, minute, begun));
            let limited = inner.limited.entry(shop.into()).or_default();
            match installation {
                None => limited.gate = gate,
                Some(id) => limited.holds.entry(id.into()).or_default().gate = gate,
            }
            let over = limited.gate.is_none();
            let mut free = Vec::new();
            for hold in limited.holds.values_mut().filter(|hold| over && hold.gate.is_none()) {
                free.extend(hold.held.drain(..));
            }
            limited.holds.retain(|_, hold| !over || hold.gate.is_some());
            if over && limited.holds.is_empty() {
                inner.limited.remove(shop);
            }
            free.into_iter().for_each(|task| inner.line_up(task));
            self.limited.store(!inner.limited.is_empty(), Ordering::Release);
        }
        self.release();
        self.changed.notify_one();
    }

    /// Whether there is any limit: without one nothing need be asked.
    pub fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Acquire)
    }

    /// Whether one more run of an installation may wait here; else the store is to keep it.
    pub fn has_room(&self, shop: &str, installation: &str) -> bool {
        let mut inner = self.inner.lock();
        let waiting = inner.waiting_of(shop, installation);
        let Some(hold) = inner.limited.get_mut(shop).and_then(|limited| limited.hold(installation)) else {
            return true;
        };
        // Those in the store came before it.
        hold.backlog |= waiting >= ROOM;
        !hold.backlog
    }

    /// Installations of which enough wait here: the store keeps the rest.
    pub fn full(&self) -> Vec<(String, String)> {
        if !self.is_limited() {
            return Vec::new();
        }
        let inner = self.inner.lock();
        let all = inner.limited.iter().flat_map(|(shop, limited)| limited.holds.keys().map(move |id| (shop, id)));
        all.filter(|(shop, id)| inner.waiting_of(shop, id) >= ROOM)
            .map(|(shop, id)| (shop.to_string(), id.to_string()))
            .collect()
    }

    /// The store has nothing left of the installations but those that are full and those that gave `most` now.
    pub fn adopted(&self, full: &[(String, String)], runs: &[RunRow], most: usize) {
        if !self.is_limited() {
            return;
        }
        let mut inner = self.inner.lock();
        for (shop, limited) in &mut inner.limited {
            for (id, hold) in &mut limited.holds {
                let of_it = |run: &&RunRow| run.shop == **shop && run.installation == **id;
                hold.backlog &=
                    full.iter().any(|(s, i)| *s == **shop && *i == **id) || runs.iter().filter(of_it).count() >= most;
            }
        }
    }

    /// Lets in what may begin in this minute, installations taking turns; how many runs.
    pub fn release(&self) -> usize {
        if !self.is_limited() {
            return 0;
        }
        let minute = self.minute();
        let mut free = Vec::new();
        let count = {
            let mut inner = self.inner.lock();
            for limited in inner.limited.values_mut() {
                let mut names: Vec<Arc<str>> = limited.holds.keys().cloned().collect();
                names.sort();
                while !names.is_empty() {
                    names.retain(|name| {
                        let waits = limited.holds.get(name).is_some_and(|hold| !hold.held.is_empty());
                        if !waits || !limited.let_in(name, minute) {
                            return false;
                        }
                        free.extend(limited.holds.get_mut(name).and_then(|hold| hold.held.pop_front()));
                        true
                    });
                }
            }
            let count = free.len();
            free.into_iter().for_each(|task| inner.line_up(task));
            count
        };
        self.changed.notify_one();
        count
    }

    /// When what is held may begin; none: nothing is.
    pub fn next_release(&self) -> Option<Millis> {
        let inner = self.inner.lock();
        let mut holds = inner.limited.values().flat_map(|limited| limited.holds.values());
        holds.any(|hold| !hold.held.is_empty()).then(|| (self.minute() + 1) * MINUTE)
    }

    /// Runs of an installation, or of a whole shop, that began in this minute; none where nothing counts them.
    pub fn begun(&self, shop: &str, installation: Option<&str>) -> Option<u64> {
        let minute = self.minute();
        let mut inner = self.inner.lock();
        let limited = inner.limited.get_mut(shop)?;
        let gate = match installation {
            None => limited.gate.as_mut()?,
            Some(id) => limited.holds.get_mut(id)?.gate.as_mut()?,
        };
        gate.is_open(minute);
        Some(gate.begun)
    }
}
