//! Percentages without floating-point surprises.

use serde::{Serialize, Serializer};

/// A percentage, exact to six decimals. Comparisons with money are done in integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent {
    millionths: i64,
}

/// Millionths of a percent in the whole.
const WHOLE: i128 = 100_000_000;

impl Percent {
    /// A whole number of percent.
    #[must_use]
    pub const fn whole(percent: u16) -> Self {
        Self { millionths: percent as i64 * 1_000_000 }
    }

    /// The nearest percentage with six decimals. None: not a number, negative, or over a million.
    #[must_use]
    pub fn from_f64(percent: f64) -> Option<Self> {
        if !(0.0..=1_000_000.0).contains(&percent) {
            return None;
        }
        // In range by the check above: at most 1e12.
        #[allow(clippy::cast_possible_truncation)]
        Some(Self { millionths: (percent * 1e6).round() as i64 })
    }

    /// As a number: 12.5 for 12.5 %.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        // Exact up to 2^53; correctly rounded division then gives the double nearest the decimal.
        #[allow(clippy::cast_precision_loss)]
        let millionths = self.millionths as f64;
        millionths / 1e6
    }

    /// Whether `part` is at most this percentage of `whole`: `part / whole <= self`, without dividing.
    #[must_use]
    pub fn covers(self, part: i128, whole: i128) -> bool {
        part * WHOLE <= i128::from(self.millionths) * whole
    }

    /// Whether `part` is at least this percentage of `whole`.
    #[must_use]
    pub fn reached_by(self, part: i128, whole: i128) -> bool {
        part * WHOLE >= i128::from(self.millionths) * whole
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} %", self.as_f64())
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.millionths % 1_000_000 == 0 {
            to.serialize_i64(self.millionths / 1_000_000)
        } else {
            to.serialize_f64(self.as_f64())
        }
    }
}
