//! Where time comes from. Everything that waits or stamps asks a [`Clock`], so that tests, trials and
//! the demo can run in virtual time.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Millis;

/// The future that [`Clock::until`] gives.
pub type Until<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Now, in milliseconds since the Unix epoch.
    fn now(&self) -> Millis;

    /// Completes when [`Clock::now`] is at or past `at`.
    fn until(&self, at: Millis) -> Until<'_>;
}

/// The machine's clock, never running backwards within one process.
#[derive(Debug, Default)]
pub struct SystemClock {
    last: Mutex<Millis>,
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX));
        let mut last = self.last.lock();
        *last = now.max(*last);
        *last
    }

    fn until(&self, at: Millis) -> Until<'_> {
        Box::pin(async move {
            loop {
                let wait = at - self.now();
                if wait <= 0 {
                    return;
                }
                // At most an hour at once, so that a corrected system clock is noticed.
                tokio::time::sleep(Duration::from_millis(wait.min(3_600_000).unsigned_abs())).await;
            }
        })
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Arc<Mutex<Millis>>,
    moved: Arc<Notify>,
}

impl VirtualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Millis) -> Self {
        Self { now: Arc::new(Mutex::new(start)), moved: Arc::new(Notify::new()) }
    }

    /// Moves to `at` and wakes whoever waits until then. Never moves backwards.
    pub fn set(&self, at: Millis) {
        {
            let mut now = self.now.lock();
            *now = at.max(*now);
        }
        self.moved.notify_waiters();
    }

    /// Moves by `by` milliseconds.
    pub fn advance(&self, by: Millis) {
        let at = *self.now.lock() + by;
        self.set(at);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Millis {
        *self.now.lock()
    }

    fn until(&self, at: Millis) -> Until<'_> {
        Box::pin(async move {
            loop {
                let moved = self.moved.notified();
                tokio::pin!(moved);
                // Registered before looking, so that a move in between is not missed.
                moved.as_mut().enable();
                if self.now() >= at {
                    return;
                }
                moved.await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_virtual_sleeper_wakes_when_its_time_is_reached_and_not_before() {
        let clock = VirtualClock::new(1_000);
        let sleeper = clock.clone();
        let task = tokio::spawn(async move { sleeper.until(5_000).await });
        clock.set(4_999);
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        clock.advance(1);
        task.await.expect("the sleeper wakes");
        clock.set(1);
        assert_eq!(clock.now(), 5_000);
    }
}
