//! Ids: 63-bit numbers inside, short text outside.

use std::{fmt, str::FromStr, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Clock, Millis, entity::ModelError};

/// Crockford's base32, lower case: no `i`, `l`, `o`, `u`, so that ids survive being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes a non-negative number as 13 characters whose order is the number's.
#[must_use]
pub fn encode(n: i64) -> String {
    let mut n = n.unsigned_abs();
    let mut out = [b'0'; 13];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(n % 32) as usize];
        n /= 32;
    }
    out.iter().map(|&b| char::from(b)).collect()
}

/// Reads what [`encode`] wrote; none for anything else.
#[must_use]
pub fn decode(text: &str) -> Option<i64> {
    if text.len() != 13 {
        return None;
    }
    let mut n: i64 = 0;
    for b in text.bytes() {
        let digit = ALPHABET.iter().position(|&a| a == b)?;
        n = n.checked_mul(32)?.checked_add(i64::try_from(digit).ok()?)?;
    }
    Some(n)
}

/// The id of a run, `run_` and 13 characters; later runs sort behind earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

impl RunId {
    /// The lowest id that a run begun at this time can have: all that began before lie below it.
    #[must_use]
    pub const fn floor(at: crate::Millis) -> Self {
        let ticks = at - EPOCH;
        Self(if ticks > 0 { ticks << 22 } else { 0 })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run_{}", encode(self.0))
    }
}

impl FromStr for RunId {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("run_").and_then(decode).map(Self).ok_or_else(|| ModelError::Id { text: text.into() })
    }
}

impl RunId {
    /// The least id that [`IdSource`] gives at or after a time.
    #[must_use]
    pub fn first_at(at: Millis) -> Self {
        Self((at - EPOCH).max(0) << 22)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Gives ids that rise with time and never repeat: 41 bits of milliseconds since 2020, 10 bits of
/// node, 12 bits of count. More than 4,096 in a millisecond borrow from the next.
pub struct IdSource {
    clock: Arc<dyn Clock>,
    node: i64,
    last: Mutex<i64>,
}

/// 2020-01-01T00:00:00Z: 41 bits from there reach to 2089.
const EPOCH: i64 = 1_577_836_800_000;

impl IdSource {
    /// A source for `node` (0 to 1023), which must be this process's alone.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, node: u16) -> Self {
        Self { clock, node: i64::from(node & 1023), last: Mutex::new(0) }
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> i64 {
        let tick = (self.clock.now() - EPOCH).max(1) << 12;
        let mut last = self.last.lock();
        *last = tick.max(*last + 1);
        // `last` counts (milliseconds, count); the node's bits go in between.
        ((*last >> 12) << 22) | (self.node << 12) | (*last & 0xfff)
    }

    /// Makes sure that no id at or below `id` is given again (after a restart under virtual time).
    pub fn skip_to(&self, id: i64) {
        let mut last = self.last.lock();
        *last = (*last).max(((id >> 22) << 12) | 0xfff);
    }

    /// The next run's id.
    #[must_use]
    pub fn run(&self) -> RunId {
        RunId(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VirtualClock;

    #[test]
    fn ids_rise_and_read_back() {
        let ids = IdSource::new(Arc::new(VirtualClock::new(1_790_000_000_000)), 7);
        let mut before = RunId(0);
        for _ in 0..10_000 {
            let id = ids.run();
            assert!(id > before);
            assert!(id >= RunId::first_at(1_790_000_000_000));
            assert!(id.to_string() > before.to_string());
            assert_eq!(id.to_string().parse::<RunId>().expect("reads back"), id);
            before = id;
        }
        assert!("run_0123".parse::<RunId>().is_err());
        assert!("run_zzzzzzzzzzzzz".parse::<RunId>().is_err());
    }
}
