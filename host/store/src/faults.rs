//! Faults for crash tests. Inert until armed: one relaxed load a transaction.

use parking_lot::Mutex;

use crate::error::{Result, StoreError};

/// What happens at the armed write transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It is rolled back and answered as if the disk were full. The store lives on.
    Error,
    /// It is committed, but answered as if the connection had been lost. The store lives on.
    AnswerLost,
    /// It is rolled back and nobody is told what became of it: the store is dead, every later call is
    /// [`StoreError::Unavailable`]. [`crate::Store::reopen`] is the restart.
    Crash,
    /// As [`FaultKind::Crash`], but it is committed: the process died before it could say so.
    CrashCommitted,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<(u64, FaultKind)>,
    dead: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<State>);

impl Faults {
    pub(crate) fn arm(&self, k: u64, kind: FaultKind) {
        self.0.lock().armed = Some((k.max(1), kind));
    }

    /// Counts a write transaction that is about to be committed; what is to happen to it.
    pub(crate) fn strike(&self) -> Option<FaultKind> {
        let mut state = self.0.lock();
        let (left, kind) = state.armed.as_mut()?;
        *left -= 1;
        if *left > 0 {
            return None;
        }
        let kind = *kind;
        state.armed = None;
        if matches!(kind, FaultKind::Crash | FaultKind::CrashCommitted) {
            state.dead = true;
        }
        Some(kind)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.lock().dead { Err(Self::death()) } else { Ok(()) }
    }

    pub(crate) fn death() -> StoreError {
        StoreError::unavailable("an injected crash")
    }
}
