//! When to try again: exponential backoff with full jitter.

use rand::{Rng, RngExt};

/// Delays that double up to a cap. The delay before retry `n` (from 1) is drawn evenly from 0 to
/// `min(cap, base * 2^(n-1))` ("full jitter": of all spreads it keeps retries of many senders furthest
/// apart; M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay before the first retry, in milliseconds.
    pub base: u64,
    /// The longest delay of all, in milliseconds.
    pub cap: u64,
}

impl Backoff {
    /// The longest delay before retry `n`, from 1, in milliseconds.
    #[must_use]
    pub fn ceiling(self, n: u32) -> u64 {
        let doublings = n.saturating_sub(1).min(63);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The delay before retry `n`, from 1, in milliseconds; never less than `at_least` (what the
    /// receiving side asked for).
    pub fn delay(self, n: u32, at_least: Option<u64>, random: &mut impl Rng) -> u64 {
        let drawn = random.random_range(0..=self.ceiling(n));
        at_least.map_or(drawn, |wait| wait.saturating_add(drawn))
    }
}

impl Default for Backoff {
    /// One second, up to ten minutes.
    fn default() -> Self {
        Self { base: 1_000, cap: 600_000 }
    }
}
