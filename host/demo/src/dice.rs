//! Randomness from a seed. Every part of the demo throws its own dice, named by a label, so that a
//! further throw in one part changes nothing in the others.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A seeded source of random choices.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of the part `label` under `seed`.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(label.as_bytes()).to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a double's mantissa holds.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..n`; 0 for an `n` of 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Uniform, both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(usize::try_from(high - low + 1).unwrap_or(1)) as i64
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// One of `all`, each as likely.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// The index of one of `weights`, in proportion to them.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (i, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return i;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Standard normal (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Log-normal by its median and the standard deviation of its logarithm.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential by its mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// `n` characters of lower-case hex: the platform's tokens.
    pub fn hex(&mut self, n: usize) -> String {
        let mut text = String::with_capacity(n + 16);
        while text.len() < n {
            text.push_str(&format!("{:016x}", self.bits()));
        }
        text.truncate(n);
        text
    }

    /// A random UUID (version 4).
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

/// Picks an index in proportion to many weights, in logarithmic time.
#[derive(Debug, Clone)]
pub struct Wheel {
    sums: Vec<f64>,
}

impl Wheel {
    /// A wheel with one sector for each weight. Negative weights count as 0.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums = weights
            .into_iter()
            .map(|weight| {
                sum += weight.max(0.0);
                sum
            })
            .collect();
        Self { sums }
    }

    /// The sum of all weights.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.sums.last().copied().unwrap_or(0.0)
    }

    /// Where a pointer at `place` (0 to [`Wheel::total`]) points.
    #[must_use]
    pub fn at(&self, place: f64) -> usize {
        self.sums.partition_point(|&sum| sum <= place).min(self.sums.len().saturating_sub(1))
    }

    /// Turns the wheel.
    pub fn turn(&self, dice: &mut Dice) -> usize {
        self.at(dice.unit() * self.total())
    }
}

/// FNV-1a, 64 bits: spreads labels over seeds; not for anything secret.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_label_throws_the_same_and_another_label_does_not() {
        let throws = |label| (0..8).map(|_| 0).scan(Dice::new(7, label), |d, _| Some(d.bits())).collect::<Vec<_>>();
        assert_eq!(throws("orders"), throws("orders"));
        assert_ne!(throws("orders"), throws("people"));
        assert_ne!(Dice::new(7, "orders").bits(), Dice::new(8, "orders").bits());
    }

    #[test]
    fn choices_follow_their_weights() {
        let mut dice = Dice::new(1, "weights");
        let wheel = Wheel::new([1.0, 0.0, 3.0]);
        let mut hits = [[0_u32; 3]; 2];
        for _ in 0..20_000 {
            hits[0][wheel.turn(&mut dice)] += 1;
            hits[1][dice.weighted(&[1.0, 0.0, 3.0])] += 1;
        }
        for [a, b, c] in hits {
            assert_eq!(b, 0);
            assert!((2.8..3.2).contains(&(f64::from(c) / f64::from(a))), "{a} {c}");
        }
        let mean = (0..20_000).map(|_| dice.exponential(5.0)).sum::<f64>() / 20_000.0;
        assert!((4.8..5.2).contains(&mean), "{mean}");
        assert_eq!(dice.hex(33).len(), 33);
        assert_eq!(dice.uuid().len(), 36);
    }
}
