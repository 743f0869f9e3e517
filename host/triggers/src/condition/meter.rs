//! The steps a check may take.
//!
//! CEL has no unbounded loop, but macros nest, and each can make its list longer (`[a, a]`, `a + a`), so a
//! short hostile expression could use exponential time and memory. Expressions that use a macro are
//! therefore rewritten when they are compiled:
//!
//! - the list a macro goes over becomes `@loop(list, w)`, which charges its length times the weight `w` of
//!   the macro's body (its nodes; a regular expression counts more), before the loop begins;
//! - every value that a macro's body reads becomes `@charge(value)`, which charges by its size, since reading
//!   may copy it and functions go through it.
//!
//! The counter belongs to the thread: a check never leaves it.

use std::cell::Cell;

use cel::ExecutionError;
use cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelString};
use cel::common::value::{CowVal, Val};

/// How many steps one check may take. A step is about one node of the expression evaluated, so this is well
/// under a second; a condition over fifty order lines takes a few hundred.
pub const MAX_STEPS: u64 = 1_000_000;

/// What one match of a regular expression counts: it is compiled anew each time.
pub(super) const REGEX_STEPS: u64 = 5_000;

/// This many bytes of text are one step.
const BYTES_PER_STEP: usize = 64;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Gives the next check on this thread its steps.
pub(super) fn start() {
    LEFT.set(MAX_STEPS);
}

/// Whether the check since [`start`] used them up.
pub(super) fn exhausted() -> bool {
    LEFT.get() == 0
}

/// `@loop(list, weight)`: gives `list` back.
pub(super) fn enter<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let weight = arguments.pop().and_then(|weight| weight.downcast_ref::<CelInt>().map(|weight| *weight.inner()));
    let Some(range) = arguments.pop() else { return Err(ExecutionError::missing_argument_or_target()) };
    let length = range.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    let weight = u64::try_from(weight.unwrap_or(1)).unwrap_or(1);
    spend(u64::try_from(length).unwrap_or(0).saturating_mul(weight).saturating_add(size(range.as_ref(), MAX_STEPS)))?;
    Ok(range)
}

/// `@charge(value)`: gives `value` back.
pub(super) fn charge<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let Some(value) = arguments.pop() else { return Err(ExecutionError::missing_argument_or_target()) };
    spend(size(value.as_ref(), LEFT.get()))?;
    Ok(value)
}

fn spend(steps: u64) -> Result<(), ExecutionError> {
    let left = LEFT.get().saturating_sub(steps);
    LEFT.set(left);
    if left == 0 { Err(ExecutionError::function_error("limit", "too many steps")) } else { Ok(()) }
}

/// The nodes of a value that a copy would copy; stops counting above `enough`. Lists and objects of the
/// document are not copied, so they count as one.
fn size(value: &(dyn Val + '_), enough: u64) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return 1 + (text.inner().len() / BYTES_PER_STEP) as u64;
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        return 1 + (bytes.inner().len() / BYTES_PER_STEP) as u64;
    }
    let mut total = 1u64;
    let mut add = |part: &(dyn Val + '_)| {
        total += size(part, enough.saturating_sub(total));
        total <= enough
    };
    if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().iter().all(|part| add(part.as_ref()));
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        map.inner().values().all(|part| add(part.as_ref()));
    }
    total
}
