//! Runs that are ready to execute, in a fair order: shops take turns, and within a shop its
//! installations do, so that a flood in one holds no other up.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use shopwright_store::ops::{EventRow, RunRow};
use std::sync::Arc;
use tokio::sync::Notify;

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
}

#[derive(Default)]
struct Inner {
    turns: VecDeque<Arc<str>>,
    shops: HashMap<Arc<str>, Shop>,
    waiting: usize,
    executing: usize,
}

/// The queue. One installation executes at most `lane_limit` runs at once, so that one whose effects
/// hang at a slow receiver leaves room for the others.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    drained: Notify,
    lane_limit: usize,
}

impl Queue {
    pub fn new(lane_limit: usize) -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), drained: Notify::new(), lane_limit: lane_limit.max(1) }
    }

    /// Adds a run.
    pub fn push(&self, task: Task) {
        {
            let mut inner = self.inner.lock();
            let inner = &mut *inner;
            inner.waiting += 1;
            if !inner.shops.contains_key(task.run.shop.as_str()) {
                inner.shops.insert(task.run.shop.as_str().into(), Shop::default());
            }
            let name: Arc<str> = match inner.shops.get_key_value(task.run.shop.as_str()) {
                Some((name, _)) => name.clone(),
                None => return,
            };
            let Some(shop) = inner.shops.get_mut(&name) else { return };
            if shop.turns.is_empty() {
                inner.turns.push_back(name);
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
        self.changed.notify_one();
    }

    /// The next run whose turn it is, counted as executing; none if nothing may execute now.
    pub fn pop(&self) -> Option<Task> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        for _ in 0..inner.turns.len() {
            let name = inner.turns.pop_front()?;
            let Some(shop) = inner.shops.get_mut(&name) else { continue };
            let mut taken = None;
            for _ in 0..shop.turns.len() {
                let Some(key) = shop.turns.pop_front() else { break };
                let Some(lane) = shop.lanes.get_mut(&key) else { continue };
                if lane.executing >= self.lane_limit {
                    shop.turns.push_back(key);
                    continue;
                }
                taken = lane.waiting.pop_front();
                if taken.is_some() {
                    lane.executing += 1;
                }
                if !lane.waiting.is_empty() {
                    shop.turns.push_back(key);
                }
                if taken.is_some() {
                    break;
                }
            }
            if !shop.turns.is_empty() {
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

    /// A run that [`Queue::next`] gave has left.
    pub fn done(&self, shop: &str, installation: &str) {
        let empty = {
            let mut inner = self.inner.lock();
            inner.executing -= 1;
            let mut gone = false;
            if let Some(shop) = inner.shops.get_mut(shop) {
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
            inner.executing == 0 && inner.waiting == 0
        };
        self.changed.notify_one();
        if empty {
            self.drained.notify_waiters();
        }
    }

    /// Runs that are queued or executing.
    pub fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.waiting + inner.executing
    }

    /// Runs that execute.
    pub fn executing(&self) -> usize {
        self.inner.lock().executing
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
        inner.turns.clear();
        inner.waiting = 0;
    }
}
