//! Time that runs faster than the wall's.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use shopwright_model::{Clock, Millis, clock::Until};

/// Nobody sleeps shorter than this: at a thousand times the wall's speed, whoever looks every second
/// would look every millisecond.
const GRAIN: Duration = Duration::from_millis(40);

/// A clock that runs `speed` times as fast as the wall's while it runs, and can be held. Sleepers wake
/// at most 40 ms of the wall's time late.
#[derive(Debug)]
pub struct FastClock {
    speed: f64,
    /// What it showed when it was last started or held, and since when it runs.
    state: Mutex<(Millis, Option<Instant>)>,
    last: AtomicI64,
}

impl FastClock {
    /// A clock that stands at `start` until it is let go.
    #[must_use]
    pub fn held(start: Millis, speed: f64) -> Self {
        Self { speed: speed.max(f64::MIN_POSITIVE), state: Mutex::new((start, None)), last: AtomicI64::new(start) }
    }

    /// Lets it run.
    pub fn go(&self) {
        let mut state = self.state.lock();
        if state.1.is_none() {
            state.1 = Some(Instant::now());
        }
    }

    /// Holds it: the time stands still.
    pub fn hold(&self) {
        let mut state = self.state.lock();
        *state = (self.read(*state), None);
    }

    /// How long the wall takes for `time` of this clock.
    #[must_use]
    pub fn wall(&self, time: Millis) -> Duration {
        Duration::try_from_secs_f64(time.max(0) as f64 / 1_000.0 / self.speed).unwrap_or(Duration::MAX)
    }

    fn read(&self, (base, since): (Millis, Option<Instant>)) -> Millis {
        let passed = since.map_or(0.0, |since| since.elapsed().as_secs_f64() * 1_000.0 * self.speed);
        base.saturating_add(passed as Millis)
    }
}

impl Clock for FastClock {
    fn now(&self) -> Millis {
        let now = self.read(*self.state.lock());
        self.last.fetch_max(now, Ordering::AcqRel).max(now)
    }

    fn until(&self, at: Millis) -> Until<'_> {
        Box::pin(async move {
            loop {
                let left = at.saturating_sub(self.now());
                if left <= 0 {
                    return;
                }
                // Half a second at most: the clock may be held and let go in between.
                tokio::time::sleep(self.wall(left).clamp(GRAIN, Duration::from_millis(500))).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_hour_passes_in_the_blink_of_an_eye_unless_it_is_held() {
        let clock = FastClock::held(1_000, 360_000.0);
        assert_eq!(clock.now(), 1_000);
        clock.go();
        let began = Instant::now();
        clock.until(1_000 + 3_600_000).await;
        assert!(clock.now() >= 3_601_000);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        clock.hold();
        let held = clock.now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(clock.now(), held);
        assert_eq!(clock.wall(3_600_000), Duration::from_millis(10));
    }
}
