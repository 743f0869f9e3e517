//! How a run can end other than by returning.

use std::{fmt, time::Duration};

use wasmtime::WasmBacktrace;

/// The marker that a host function returns as its error to suspend the run: the guest is unwound, its
/// instance dropped, and [`Prepared::run`](crate::Prepared::run) gives [`Trap::Suspended`] and the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspend;

impl fmt::Display for Suspend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the run waits")
    }
}

impl std::error::Error for Suspend {}

/// Marks an error as the host's, not the guest's, and says in which host function it arose.
/// [`HostFunctions`](crate::HostFunctions) puts it on every error of a host function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFault {
    /// `interface.function`.
    pub function: String,
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed", self.function)
    }
}

impl std::error::Error for HostFault {}

/// Why a run did not return. A host function can return one as its error to end the run with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trap {
    /// Not a fault: a host function asked for it with [`Suspend`].
    Suspended,
    /// The run used all its fuel.
    OutOfFuel {
        /// Its budget, in units of fuel (about one WebAssembly instruction each).
        budget: u64,
    },
    /// The run's memories and tables together passed its limit.
    OutOfMemory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The run computed for longer than it may without waiting.
    WallClock {
        /// The limit on executing time.
        limit: Duration,
    },
    /// Calls nested too deeply.
    StackOverflow,
    /// More log than allowed, over all streams.
    TooMuchLog {
        /// The limit, in bytes.
        limit: usize,
    },
    /// One call carried more data out of the guest than allowed.
    TooMuchData {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A WASI function that the host refuses; the text says which and what to use instead.
    Wasi(String),
    /// A host function failed: not the guest's fault.
    Host(wasmtime::Error),
    /// The guest broke: a panic, an out-of-bounds access, a violation of the component model.
    Guest {
        /// The panic's text where there is one, else the engine's.
        message: String,
        /// The guest's functions, innermost first, as far as it kept their names.
        backtrace: Vec<String>,
    },
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::Suspended => f.write_str("the run waits"),
            Trap::OutOfFuel { budget } => write!(
                f,
                "the run used up its {budget} units of fuel: look for an endless loop in the plugin, \
                 or raise the fuel limit of the workflow"
            ),
            Trap::OutOfMemory { limit } => write!(
                f,
                "the run needed more than its {limit} bytes of memory: let the plugin hold less at \
                 once (page through queries), or raise its memory limit"
            ),
            Trap::WallClock { limit } => write!(
                f,
                "the run computed for more than {} ms without waiting: let the plugin do less between \
                 two waits, or raise its time limit",
                limit.as_millis()
            ),
            Trap::StackOverflow => {
                f.write_str("the plugin's calls nested too deeply: look for a recursion that does not end")
            }
            Trap::TooMuchLog { limit } => write!(
                f,
                "the run logged more than its {limit} bytes: let the plugin log less, or raise its \
                 log limit"
            ),
            Trap::TooMuchData { limit } => {
                write!(f, "the plugin handed more than {limit} bytes to the host in one call: split the data")
            }
            Trap::Wasi(what) => f.write_str(what),
            Trap::Host(error) => write!(f, "the host could not answer the plugin: {error:#}"),
            Trap::Guest { message, backtrace } => {
                write!(f, "the plugin broke: {message}")?;
                if let Some(innermost) = backtrace.first() {
                    write!(f, " (in {innermost})")?;
                }
                f.write_str("; this is a fault of the plugin, report it to its publisher")
            }
        }
    }
}

impl std::error::Error for Trap {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Trap::Host(error) => Some(&**error),
            _ => None,
        }
    }
}

/// What the classification of an error needs to know of the run.
pub(crate) struct RunFacts<'a> {
    pub fuel_budget: u64,
    pub data_limit: usize,
    /// What the guest last wrote to its standard error.
    pub stderr_tail: &'a str,
    /// Whether the instance existed already, or was still being made.
    pub instantiated: bool,
}

impl Trap {
    /// Sorts an error out of the engine into what it means.
    pub(crate) fn classify(error: wasmtime::Error, run: &RunFacts<'_>) -> Trap {
        if error.is::<Suspend>() {
            return Trap::Suspended;
        }
        let error = match error.downcast::<Trap>() {
            Ok(trap) => return trap,
            Err(error) => error,
        };
        if error.is::<HostFault>() || error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Trap::Host(error);
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => {
                return Trap::OutOfFuel { budget: run.fuel_budget };
            }
            Some(wasmtime::Trap::StackOverflow) => return Trap::StackOverflow,
            Some(trap) => {
                let message = match panic_text(run.stderr_tail) {
                    Some(text) if *trap == wasmtime::Trap::UnreachableCodeReached => text,
                    _ => trap.to_string(),
                };
                return Trap::Guest { message, backtrace: backtrace(&error) };
            }
            None => {}
        }
        let root = error.root_cause().to_string();
        // The engine's error type for this is private; a test fails if its words change.
        if root.contains("fuel allocated for hostcalls has been exhausted") {
            return Trap::TooMuchData { limit: run.data_limit };
        }
        if run.instantiated {
            Trap::Guest { message: root, backtrace: backtrace(&error) }
        } else {
            // No guest code, no host function: the system could not give what an instance needs.
            Trap::Host(error)
        }
    }
}

/// The guest's functions, innermost first; of a Rust guest without the machinery of a panic.
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let mut names: Vec<String> = trace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            // The alternate form leaves out hashes.
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    if let Some(panic) = names.iter().rposition(|name| name.starts_with("core::panicking::")) {
        names.drain(..=panic);
    }
    names
}

/// The text of the last panic in what the guest wrote to standard error.
fn panic_text(stderr: &str) -> Option<String> {
    let start = stderr.rfind("panicked at")?;
    let lines: Vec<&str> = stderr[start..]
        .lines()
        .filter(|line| !line.starts_with("note: run with"))
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    Some(lines.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panic_is_found_in_what_was_written() {
        let stderr = "some warning\n\nthread 'main' (1) panicked at src/lib.rs:7:5:\nno cart 7\n\
                      note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(panic_text(stderr).as_deref(), Some("panicked at src/lib.rs:7:5: no cart 7"));
        assert_eq!(panic_text("all is well\n"), None);
    }
}
