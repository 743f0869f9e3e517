//! The sandbox's part of a run's state: limits, logical clock, randomness, log.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::Trap;

/// What a run may use. Fuel, memory and log count the whole program since the run began, so a run
/// that is replayed after a wait meets the same limits as one that never slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestLimits {
    /// Units of fuel, about one WebAssembly instruction each.
    pub fuel: u64,
    /// Bytes, summed over all memories and tables of the instance. At most the pool's own limit
    /// ([`SandboxOptions::memory_bytes`](crate::SandboxOptions)) counts.
    pub memory_bytes: usize,
    /// Bytes of log, over standard output, standard error and what the host charges with
    /// [`Guest::charge_log`]; each line counts 16 bytes more.
    pub log_bytes: usize,
    /// Bytes that the run may return. The sandbox refuses to copy more than the larger of this and
    /// [`SandboxOptions::argument_bytes`](crate::SandboxOptions) out of the guest in one piece; the
    /// exact check is the caller's, who knows what part of the outcome is text.
    pub output_bytes: usize,
    /// Executing time per call of [`Prepared::run`](crate::Prepared::run), without what the run waits
    /// for host functions.
    pub wall: Duration,
}

impl Default for GuestLimits {
    /// Roomy for a workflow, small for a machine: a second or two of computing, 64 MiB, 256 KiB of
    /// log, 1 MiB of output, 10 s.
    fn default() -> Self {
        Self {
            fuel: 2_000_000_000,
            memory_bytes: 64 << 20,
            log_bytes: 256 << 10,
            output_bytes: 1 << 20,
            wall: Duration::from_secs(10),
        }
    }
}

/// Where a line of log came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The guest's standard output.
    Stdout,
    /// The guest's standard error.
    Stderr,
}

/// One line that the guest wrote, without its line end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LogLine {
    /// Where it was written.
    pub stream: LogStream,
    /// The line; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The state of a store whose guests this crate runs.
pub trait GuestState: Send + 'static {
    /// The sandbox's part of it.
    fn guest(&mut self) -> &mut Guest;
}

impl GuestState for Guest {
    fn guest(&mut self) -> &mut Guest {
        self
    }
}

/// The sandbox's part of a run's state: a host puts one in its own state ([`GuestState`]), moves the
/// clock, and takes the log.
#[derive(Debug)]
pub struct Guest {
    limits: GuestLimits,
    seed: u64,
    random: Option<Box<ChaCha8Rng>>,
    now_ms: i64,
    memory: usize,
    memory_peak: usize,
    log: Log,
    pub(crate) fuel_used: u64,
    pub(crate) executed: Duration,
}

/// What a line costs beyond its bytes, so that a flood of empty lines meets the limit too.
const LINE_COST: usize = 16;

/// How much of standard error is kept for the text of a panic.
const TAIL_BYTES: usize = 2048;

#[derive(Debug)]
struct Log {
    lines: Vec<LogLine>,
    /// Unfinished lines of standard output and standard error.
    partial: [Vec<u8>; 2],
    spent: usize,
    keep: bool,
    stderr_tail: Vec<u8>,
}

impl Guest {
    /// A guest that has used nothing yet. `seed` decides all randomness that WASI gives; `now_ms` is
    /// the logical time in milliseconds since the Unix epoch.
    pub fn new(limits: GuestLimits, seed: u64, now_ms: i64) -> Self {
        Self {
            limits,
            seed,
            random: None,
            now_ms,
            memory: 0,
            memory_peak: 0,
            log: Log {
                lines: Vec::new(),
                partial: [Vec::new(), Vec::new()],
                spent: 0,
                keep: true,
                stderr_tail: Vec::new(),
            },
            fuel_used: 0,
            executed: Duration::ZERO,
        }
    }

    /// The limits it runs under.
    pub fn limits(&self) -> &GuestLimits {
        &self.limits
    }

    /// The logical time, in milliseconds since the Unix epoch: what WASI's clocks show.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Moves the logical clock, when the run waited. In milliseconds since the Unix epoch.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// The next number of the run's random sequence, the same for the same seed.
    pub fn random_u64(&mut self) -> u64 {
        self.random().next_u64()
    }

    /// Fills `bytes` from the run's random sequence.
    pub fn fill_random(&mut self, bytes: &mut [u8]) {
        self.random().fill_bytes(bytes);
    }

    fn random(&mut self) -> &mut ChaCha8Rng {
        let seed = self.seed;
        self.random.get_or_insert_with(|| Box::new(generator(seed, 0)))
    }

    /// The seed that WASI gives for hash tables: the same however often it is asked for.
    pub(crate) fn hash_seed(&self) -> (u64, u64) {
        let mut random = generator(self.seed, 1);
        (random.next_u64(), random.next_u64())
    }

    /// Units of fuel used, after [`Prepared::run`](crate::Prepared::run).
    pub fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// Executing time, after [`Prepared::run`](crate::Prepared::run).
    pub fn executed(&self) -> Duration {
        self.executed
    }

    /// The most memory and tables it held, in bytes.
    pub fn memory_peak(&self) -> usize {
        self.memory_peak
    }

    /// Whether log lines are kept (the default) or only counted, as while a run is replayed.
    pub fn keep_log(&mut self, keep: bool) {
        if keep && !self.log.keep {
            // What was begun in the replay was shown when it was live.
            self.log.partial.iter_mut().for_each(Vec::clear);
        }
        self.log.keep = keep;
    }

    /// Counts `bytes` of text that the host logs for the guest.
    ///
    /// # Errors
    /// [`Trap::TooMuchLog`] when the run's log limit is passed.
    pub fn charge_log(&mut self, bytes: usize) -> Result<(), Trap> {
        self.log.spent = self.log.spent.saturating_add(bytes).saturating_add(LINE_COST);
        if self.log.spent > self.limits.log_bytes {
            return Err(Trap::TooMuchLog { limit: self.limits.log_bytes });
        }
        Ok(())
    }

    /// Takes the finished lines; after [`Prepared::run`](crate::Prepared::run) also the unfinished ones.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.log.lines)
    }

    /// Adds what the guest wrote to one of its streams.
    pub(crate) fn write_log(&mut self, stream: LogStream, bytes: &[u8]) -> Result<(), Trap> {
        // Each write counts like a line: a flood of one-byte writes is a flood too.
        self.charge_log(bytes.len())?;
        let log = &mut self.log;
        if stream == LogStream::Stderr {
            log.stderr_tail.extend_from_slice(bytes);
            if log.stderr_tail.len() > 2 * TAIL_BYTES {
                log.stderr_tail.drain(..log.stderr_tail.len() - TAIL_BYTES);
            }
        }
        if !log.keep {
            return Ok(());
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let partial = &mut self.log.partial[stream as usize];
            partial.extend_from_slice(&rest[..end]);
            let text = String::from_utf8_lossy(partial).into_owned();
            partial.clear();
            self.log.lines.push(LogLine { stream, text });
            rest = &rest[end + 1..];
            if !rest.is_empty() {
                self.charge_log(0)?;
            }
        }
        self.log.partial[stream as usize].extend_from_slice(rest);
        Ok(())
    }

    /// Ends the unfinished lines: the guest will write no more.
    pub(crate) fn finish_log(&mut self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let partial = std::mem::take(&mut self.log.partial[stream as usize]);
            if !partial.is_empty() {
                self.log.lines.push(LogLine { stream, text: String::from_utf8_lossy(&partial).into_owned() });
            }
        }
    }

    pub(crate) fn stderr_tail(&self) -> String {
        String::from_utf8_lossy(&self.log.stderr_tail).into_owned()
    }

    /// Counts a memory or table that goes from `current` to `desired` bytes.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), Trap> {
        let sum = self.memory.saturating_add(desired.saturating_sub(current));
        if sum > self.limits.memory_bytes {
            return Err(Trap::OutOfMemory { limit: self.limits.memory_bytes });
        }
        self.memory = sum;
        self.memory_peak = self.memory_peak.max(sum);
        Ok(())
    }

    /// Before a run: a fresh instance has used nothing and begins its random sequence anew, also
    /// where the state of a suspended run is used again. No guest gets more than the pool has.
    pub(crate) fn begin(&mut self, pool_memory: usize) {
        self.limits.memory_bytes = self.limits.memory_bytes.min(pool_memory);
        self.memory = 0;
        self.memory_peak = 0;
        self.random = None;
        self.log.spent = 0;
        self.log.partial.iter_mut().for_each(Vec::clear);
        self.log.stderr_tail.clear();
    }
}

/// ChaCha with 8 rounds, keyed by seed and purpose: a published, portable sequence, so a run that was
/// begun on one version of the host continues on another.
fn generator(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Over the limit the run ends at once. Answering -1 to `memory.grow`, as WebAssembly also allows,
/// would only make the guest die a moment later with a less clear message.
impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired <= self.limits.memory_bytes && maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own maximum: the growth fails in the guest, and nothing is counted.
            return Ok(false);
        }
        self.grow(current, desired)?;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // The system is out of memory: a guest that saw this and went on would not be repeatable.
        Err(error.context(crate::HostFault { function: "memory.grow".to_owned() }))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let element = size_of::<usize>();
        self.grow(current.saturating_mul(element), desired.saturating_mul(element))?;
        Ok(true)
    }
}

/// Makes the guest pay for work that a host function does for it.
///
/// # Errors
/// [`Trap::OutOfFuel`] when the run has less than `units` left.
pub fn charge_fuel<T: GuestState>(store: &mut StoreContextMut<'_, T>, units: u64) -> wasmtime::Result<()> {
    let left = store.get_fuel()?;
    match left.checked_sub(units) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel { budget: store.data_mut().guest().limits.fuel }.into())
        }
    }
}
