//! The engine's settings, each with its reason, and what this machine made of them.

use std::{fmt, num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use wasmparser::WasmFeatures;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::SandboxError;

/// How a [`Sandbox`](crate::Sandbox) is set up.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Instances that can live at the same time; a run that finds none free waits.
    pub instances: u32,
    /// The most memory that any guest can be given, in bytes. A run's own limit can be less.
    pub memory_bytes: usize,
    /// The largest component taken, in bytes.
    pub component_bytes: usize,
    /// The most data that one host call can carry out of a guest, in bytes.
    pub argument_bytes: usize,
    /// How often long computations give way to other runs.
    pub tick: Duration,
    /// Where compiled components are kept; none: in memory only.
    pub cache_folder: Option<PathBuf>,
    /// Whether instances come from a pool: about ten times faster, and bounded. Switched off only
    /// where the address space is known to be too small.
    pub pooling: bool,
    /// Whether the kernel is asked which pages a run touched, where it can tell. Off only to measure
    /// what it gives.
    pub page_scan: bool,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            instances: 512,
            memory_bytes: 64 << 20,
            component_bytes: 32 << 20,
            argument_bytes: 4 << 20,
            tick: Duration::from_millis(10),
            cache_folder: None,
            pooling: true,
            page_scan: true,
        }
    }
}

/// Where instances come from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocator {
    /// Slots reserved at start.
    Pooling,
    /// Mapped for each run, much slower.
    OnDemand {
        /// Why there is no pool.
        reason: String,
    },
}

/// What was chosen on this machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Probe {
    /// Where instances come from.
    pub allocator: Allocator,
    /// Whether the kernel tells which pages a run touched (Linux 6.7). Without it every run ends in
    /// a system call that all threads of the process wait for: two threads are slower than one.
    pub pagemap_scan: bool,
    /// Instances at the same time.
    pub instances: u32,
    /// The most memory per guest, in bytes.
    pub memory_bytes: usize,
    /// Names the settings that compiled components depend on.
    pub settings: String,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.allocator {
            Allocator::Pooling => f.write_str("pool")?,
            Allocator::OnDemand { reason } => write!(f, "no pool ({reason})")?,
        }
        write!(
            f,
            " of {} instances with {} MiB each, page scan {}",
            self.instances,
            self.memory_bytes >> 20,
            if self.pagemap_scan { "on" } else { "off" },
        )
    }
}

/// Core instances in one component. A Rust plugin has 3 or 4; a Python plugin, linked from shared
/// libraries, over 20.
const CORE_INSTANCES: u32 = 64;

/// Memories in one component. All languages tried have 1; 2 leaves room for an adapter with its own.
const MEMORIES: u32 = 2;

/// Tables in one component. A Rust plugin has 2 (its own and the one of its imports), a Python plugin
/// a few more.
const TABLES: u32 = 8;

/// Entries of a table: function pointers that the guest can call indirectly. 64 Ki are three times
/// what large guests use, and cost 512 KiB of address space, no memory.
const TABLE_ELEMENTS: usize = 65_536;

fn config(options: &SandboxOptions) -> Config {
    let mut config = Config::new();
    config
        // The same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // Limits: fuel decides, the epoch makes long computations yield.
        .consume_fuel(true)
        .epoch_interruption(true)
        // No guest needs more than 4 GiB, and 64-bit memories need bounds checks.
        .wasm_memory64(false)
        // Guests are synchronous (the host is not): without this each call is 6-8 us faster.
        .concurrency_support(false)
        // 1 MiB for the guest, of a stack of 4 MiB: host functions run on the rest. Reserved
        // address space; memory is used only as deep as calls go.
        .max_wasm_stack(1 << 20)
        .async_stack_size(4 << 20)
        // Function names and 16 frames are what a publisher needs; source lines would have to be
        // shipped, and must not depend on an environment variable.
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Tables for native unwinders: nobody unwinds through guest code, and registering them
        // costs at every load.
        .native_unwind_info(false);
    if options.pooling {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    }
    config
}

fn pool(options: &SandboxOptions) -> PoolingAllocationConfig {
    let instances = options.instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        // A run holds one permit of `instances` before it takes anything from the pool, so every
        // total is `instances` times what one component may have: the pool is never found empty.
        // Core instances are only counted; memories reserve 4 GiB of address space each (512
        // instances with 2 memories: 4 of 128 TiB), tables 512 KiB, stacks 4 MiB.
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        // Compilers emit at most one memory and a handful of tables per module.
        .max_memories_per_module(1)
        .max_tables_per_module(4)
        .table_elements(TABLE_ELEMENTS)
        // Bounds on bookkeeping, allocated as needed: the sum over a Python plugin's modules is
        // about 1 MiB.
        .max_core_instance_size(2 << 20)
        .max_component_instance_size(8 << 20)
        .max_memory_size(options.memory_bytes)
        // What a slot keeps mapped for its next run: a Rust guest touches 50-200 KiB. With this, a
        // page scan and no `madvise`, runs on two threads do not wait for one another.
        .linear_memory_keep_resident(256 << 10)
        // 1,000 entries: a Rust plugin's table.
        .table_keep_resident(8 << 10)
        // Slots that stay warm for a component, 256 KiB each: 25 MiB in all.
        .max_unused_warm_slots(100)
        .pagemap_scan(if page_scan(options) { Enabled::Yes } else { Enabled::No });
    pool
}

fn page_scan(options: &SandboxOptions) -> bool {
    options.page_scan && PoolingAllocationConfig::is_pagemap_scan_available()
}

/// Makes the engine that this machine allows, and says which.
pub(crate) fn start(options: &SandboxOptions) -> Result<(Engine, WasmFeatures, Probe), SandboxError> {
    let failed = |source| SandboxError::Engine { source };
    let (engine, allocator) = if options.pooling {
        match Engine::new(&config(options)) {
            Ok(engine) => (engine, Allocator::Pooling),
            Err(error) => {
                let reason = format!("{error:#}");
                tracing::warn!(
                    reason,
                    instances = options.instances,
                    "no instance pool on this machine: every run maps its memory anew, which is much \
                     slower and does not scale over threads. Allow more address space (ulimit -v, \
                     vm.max_map_count, vm.overcommit_memory) or configure fewer instances"
                );
                let without = SandboxOptions { pooling: false, ..options.clone() };
                (Engine::new(&config(&without)).map_err(failed)?, Allocator::OnDemand { reason })
            }
        }
    } else {
        let reason = "switched off".to_owned();
        (Engine::new(&config(options)).map_err(failed)?, Allocator::OnDemand { reason })
    };
    let pagemap_scan = allocator == Allocator::Pooling && page_scan(options);
    if allocator == Allocator::Pooling && !pagemap_scan {
        tracing::warn!(
            "no page scan (PAGEMAP_SCAN, Linux 6.7) on this kernel, or it is switched off: more threads \
             will not give more runs per second"
        );
    }
    tick(&engine, options.tick);
    let probe = Probe {
        allocator,
        pagemap_scan,
        instances: options.instances,
        memory_bytes: options.memory_bytes,
        settings: crate::cache::settings_hash(&engine),
    };
    tracing::info!(%probe, "sandbox ready");
    let features = engine.get_wasm_features();
    Ok((engine, features, probe))
}

/// Advances the epoch while the engine lives.
fn tick(engine: &Engine, every: Duration) {
    let engine = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(every);
        }
    };
    thread::Builder::new()
        .name("sandbox-epoch".to_owned())
        .spawn(ticker)
        .expect("a process that cannot start a thread cannot run");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_does_not_fit_is_replaced_and_said() {
        let options = SandboxOptions {
            // 4 GiB each, twice: more than the 128 TiB a process has.
            instances: 1 << 20,
            ..SandboxOptions::default()
        };
        let (_, _, probe) = start(&options).unwrap();
        assert!(matches!(probe.allocator, Allocator::OnDemand { .. }), "{probe}");
        assert!(!probe.pagemap_scan);
    }

    #[test]
    fn artefacts_belong_to_settings_not_to_processes() {
        let options = SandboxOptions { instances: 2, ..SandboxOptions::default() };
        let (_, _, first) = start(&options).unwrap();
        let (_, _, second) = start(&options).unwrap();
        assert_eq!(first.settings, second.settings);
    }
}
