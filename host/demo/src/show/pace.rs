//! Not more than one can read: what matters most comes first.

use super::style::Weight;

/// Lets lines through at a reading pace. What matters passes before its time, and uses up the pace; the
/// rest passes when there is room. [`Weight::Star`] always passes.
#[derive(Debug, Clone)]
pub struct Pacer {
    per_second: f64,
    room: f64,
    last: f64,
}

impl Pacer {
    /// At most so many lines a second, over a few seconds.
    #[must_use]
    pub const fn new(per_second: f64) -> Self {
        Self { per_second, room: per_second * 2.0, last: 0.0 }
    }

    /// Whether `lines` lines of this weight may pass `now` (seconds since the show began).
    pub fn pass(&mut self, now: f64, weight: Weight, lines: usize) -> bool {
        let most = self.per_second * 2.0;
        self.room = (self.room + (now - self.last).max(0.0) * self.per_second).min(most);
        self.last = now.max(self.last);
        let needed = match weight {
            Weight::Star => f64::NEG_INFINITY,
            Weight::Main => -most * 0.5,
            Weight::Normal => most * 0.35,
            Weight::Detail => most * 0.8,
        };
        let pass = self.room >= needed;
        if pass {
            // A flood of what matters holds the rest back for three seconds at most.
            self.room = (self.room - lines as f64).max(-3.0 * self.per_second);
        }
        pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_lines_pass_and_details_fill_the_gaps() {
        let mut pacer = Pacer::new(4.0);
        let flood = |pacer: &mut Pacer, weight, from: f64| {
            (0..1_000).filter(|n| pacer.pass(from + f64::from(*n) * 0.01, weight, 1)).count()
        };
        let main = flood(&mut pacer, Weight::Main, 0.0);
        assert!((40..=60).contains(&main), "{main} in ten seconds, at the price of the lines after");
        assert_eq!(flood(&mut pacer, Weight::Star, 0.0), 1_000);
        let normal = flood(&mut pacer, Weight::Normal, 10.0);
        assert!((10..=40).contains(&normal), "{normal} in ten seconds, after three that were used up");
        assert!(!pacer.pass(20.0, Weight::Detail, 1));
        assert!(pacer.pass(25.0, Weight::Detail, 1));
    }
}
