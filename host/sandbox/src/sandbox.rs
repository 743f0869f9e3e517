//! The sandbox: inspect, compile, link.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use wasmtime::{
    Engine,
    component::{Component, Linker, types::ComponentItem},
};

use crate::{
    Guest, GuestLimits, GuestState, HostFault, HostFunctions, Imports, PACKAGE, Prepared, Probe, SandboxError,
    SandboxOptions,
    cache::ArtefactCache,
    engine,
    inspect::{Outline, find_export},
    names::InterfaceName,
    run::Pool,
    wasi,
};

/// A compiled component. Cheap to share; the code is freed with the last reference.
pub struct Compiled {
    pub(crate) component: Component,
    digest: String,
    imports: Imports,
}

impl Compiled {
    /// The digest it was compiled under.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it imports and exports.
    pub fn imports(&self) -> &Imports {
        &self.imports
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// The engine with its settings, its instance pool and its compiled components. One per process; a
/// clone is the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    options: SandboxOptions,
    /// What the engine takes, for the validator.
    features: wasmparser::WasmFeatures,
    probe: Probe,
    pool: Pool,
    cache: Option<ArtefactCache>,
    compiled: Mutex<HashMap<String, Arc<Compiled>>>,
    compiling: Mutex<()>,
}

impl Sandbox {
    /// Starts the engine and its epoch thread; logs what the machine allowed ([`Sandbox::probe`]).
    ///
    /// # Errors
    /// [`SandboxError::Engine`] where the machine cannot run WebAssembly; [`SandboxError::CacheFolder`].
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let (engine, features, probe) = engine::start(&options)?;
        let cache = match &options.cache_folder {
            None => None,
            Some(path) => Some(
                ArtefactCache::open(path, probe.settings.clone())
                    .map_err(|source| SandboxError::CacheFolder { path: path.clone(), source })?,
            ),
        };
        let pool = Pool {
            permits: Arc::new(Semaphore::new(options.instances as usize)),
            memory_bytes: options.memory_bytes,
            argument_bytes: options.argument_bytes,
        };
        let shared = Shared {
            engine,
            options,
            features,
            probe,
            pool,
            cache,
            compiled: Mutex::new(HashMap::new()),
            compiling: Mutex::new(()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What was chosen on this machine.
    pub fn probe(&self) -> &Probe {
        &self.shared.probe
    }

    /// Instances that could start now without waiting.
    pub fn free_instances(&self) -> usize {
        self.shared.pool.permits.available_permits()
    }

    /// Validates a component without compiling it and lists what it asks for.
    ///
    /// # Errors
    /// [`SandboxError::TooLarge`], [`SandboxError::Invalid`] (also for core modules),
    /// [`SandboxError::WrongVersion`], [`SandboxError::Refused`] with the names of all imports that no
    /// plugin gets, [`SandboxError::NoHandler`].
    pub fn inspect(&self, bytes: &[u8]) -> Result<Imports, SandboxError> {
        if bytes.len() > self.shared.options.component_bytes {
            return Err(SandboxError::TooLarge { bytes: bytes.len(), limit: self.shared.options.component_bytes });
        }
        Outline::of_bytes(bytes, self.shared.features)?.judge()
    }

    /// The component of a digest, from memory or from the cache folder; none if it must be compiled.
    pub fn load(&self, digest: &str) -> Option<Arc<Compiled>> {
        if let Some(compiled) = self.shared.compiled.lock().get(digest) {
            return Some(compiled.clone());
        }
        let compiled = self.load_artefact(digest)?;
        Some(self.shared.compiled.lock().entry(digest.to_owned()).or_insert(compiled).clone())
    }

    /// The component of a digest, from memory, from the cache folder, or compiled from `bytes`, whose
    /// digest it must be. Compiling takes about a second per megabyte, on all cores: not on the way of
    /// an event, and not on an async thread.
    ///
    /// # Errors
    /// Those of [`Sandbox::inspect`], and [`SandboxError::Compile`].
    pub fn compile(&self, bytes: &[u8], digest: &str) -> Result<Arc<Compiled>, SandboxError> {
        if let Some(compiled) = self.load(digest) {
            return Ok(compiled);
        }
        let imports = self.inspect(bytes)?;
        // One at a time: it uses all cores, and who waited finds it done.
        let _compiling = self.shared.compiling.lock();
        if let Some(compiled) = self.shared.compiled.lock().get(digest) {
            return Ok(compiled.clone());
        }
        let component =
            Component::from_binary(&self.shared.engine, bytes).map_err(|source| SandboxError::Compile { source })?;
        if let Some(cache) = &self.shared.cache
            && let Err(error) = cache.store(digest, &component)
        {
            tracing::warn!(digest, %error, "a compiled plugin could not be kept on disk");
        }
        let compiled = Arc::new(Compiled { component, digest: digest.to_owned(), imports });
        self.shared.compiled.lock().insert(digest.to_owned(), compiled.clone());
        Ok(compiled)
    }

    /// Forgets a component, in memory and on disk. Runs that hold it are not disturbed.
    pub fn evict(&self, digest: &str) {
        self.shared.compiled.lock().remove(digest);
        if let Some(cache) = &self.shared.cache
            && let Err(error) = cache.remove(digest)
        {
            tracing::warn!(digest, %error, "a compiled plugin could not be removed from disk");
        }
    }

    fn load_artefact(&self, digest: &str) -> Option<Arc<Compiled>> {
        let component = match self.shared.cache.as_ref()?.load(&self.shared.engine, digest) {
            Ok(component) => component?,
            Err(error) => {
                tracing::warn!(digest, %error, "a compiled plugin on disk is unusable; compiling it again");
                return None;
            }
        };
        match Outline::of_compiled(&self.shared.engine, &component).judge() {
            Ok(imports) => Some(Arc::new(Compiled { component, digest: digest.to_owned(), imports })),
            Err(error) => {
                // Accepted by an earlier version of the host, not by this one: compiling says why.
                tracing::warn!(digest, %error, "a compiled plugin on disk is no longer accepted");
                None
            }
        }
    }

    /// Links a component: what it imports and `allowed` (interface, function) grants, and the WASI
    /// stub. To be kept and used for many runs.
    ///
    /// # Errors
    /// [`SandboxError::NotGranted`] and [`SandboxError::NotOffered`] with all names,
    /// [`SandboxError::Link`] where a function's type differs from the host's.
    pub fn prepare<T: GuestState>(
        &self,
        compiled: &Compiled,
        functions: &HostFunctions<T>,
        allowed: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Prepared<T>, SandboxError> {
        let missing = |keep: &dyn Fn(&str, &str) -> bool| -> Vec<String> {
            compiled
                .imports
                .functions
                .iter()
                .filter(|f| !keep(&f.interface, &f.function))
                .map(|f| format!("{}.{}", f.interface, f.function))
                .collect()
        };
        let names = missing(&|interface, function| functions.contains(interface, function));
        if !names.is_empty() {
            return Err(SandboxError::NotOffered { names });
        }
        let names = missing(allowed);
        if !names.is_empty() {
            return Err(SandboxError::NotGranted { names });
        }
        let link = |source| SandboxError::Link { source };
        let mut linker = Linker::new(&self.shared.engine);
        self.link_wasi(&mut linker, compiled)?;
        for (full, items) in self.host_instances(compiled) {
            // An interface of types alone becomes an empty instance.
            let mut instance = linker.instance(&full).map_err(link)?;
            for (interface, function) in &items {
                // Every one is there, as checked above.
                if let Some(add) = functions.get(interface, function) {
                    add(&mut instance).map_err(link)?;
                }
            }
        }
        let pre = linker.instantiate_pre(&compiled.component).map_err(link)?;
        let run = self.export(compiled, "handler", "run").ok_or(SandboxError::NoHandler)?;
        Ok(Prepared::new(pre, run, self.shared.pool.clone()))
    }

    /// Calls an exported function without parameters that returns a string, such as `settings-schema`
    /// of `about`, in a sandbox where every host function traps and little may be used. None if the
    /// component does not export it.
    ///
    /// # Errors
    /// [`SandboxError::Call`] when it traps; [`SandboxError::Link`].
    pub async fn call_no_imports(
        &self,
        compiled: &Compiled,
        interface: &str,
        function: &str,
    ) -> Result<Option<String>, SandboxError> {
        let Some(index) = self.export(compiled, interface, function) else {
            return Ok(None);
        };
        let link = |source| SandboxError::Link { source };
        let mut linker = Linker::new(&self.shared.engine);
        self.link_wasi(&mut linker, compiled)?;
        for (full, items) in self.host_instances(compiled) {
            let mut instance = linker.instance(&full).map_err(link)?;
            for (interface, function) in items {
                let fault = HostFault { function: format!("{interface}.{function}") };
                instance
                    .func_new(&function, move |_, _, _, _| {
                        Err(wasmtime::format_err!("there are no host functions at install").context(fault.clone()))
                    })
                    .map_err(link)?;
            }
        }
        let pre = linker.instantiate_pre(&compiled.component).map_err(link)?;
        let prepared = Prepared::new(pre, index, self.shared.pool.clone());
        let limits = GuestLimits {
            // A Python guest needs about 10 million to start.
            fuel: 500_000_000,
            memory_bytes: self.shared.options.memory_bytes,
            log_bytes: 64 << 10,
            output_bytes: 1 << 20,
            wall: Duration::from_secs(5),
        };
        let (_, result) = prepared.run::<(), String>(Guest::new(limits, 0, 0), ()).await;
        result.map(Some).map_err(|trap| SandboxError::Call { function: format!("{interface}.{function}"), trap })
    }

    fn link_wasi<T: GuestState>(&self, linker: &mut Linker<T>, compiled: &Compiled) -> Result<(), SandboxError> {
        for full in &compiled.imports.wasi {
            // `judge` let only names of this form in.
            if let Some(name) = InterfaceName::parse(full) {
                wasi::link(linker, full, name.package, name.interface)
                    .map_err(|source| SandboxError::Link { source })?;
            }
        }
        Ok(())
    }

    /// The package's interfaces that a component imports, by full name, each with its functions as
    /// (interface, function).
    fn host_instances(&self, compiled: &Compiled) -> Vec<(String, Vec<(String, String)>)> {
        let ty = compiled.component.component_type();
        ty.imports(&self.shared.engine)
            .filter_map(|(full, import)| {
                let name = InterfaceName::parse(full).filter(|name| name.package == PACKAGE)?;
                let ComponentItem::ComponentInstance(instance) = import.ty else {
                    return None;
                };
                let functions = instance
                    .exports(&self.shared.engine)
                    .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)))
                    .map(|(function, _)| (name.interface.to_owned(), function.to_owned()))
                    .collect();
                Some((full.to_owned(), functions))
            })
            .collect()
    }

    /// The index of an exported function of one of the package's interfaces.
    fn export(
        &self,
        compiled: &Compiled,
        interface: &str,
        function: &str,
    ) -> Option<wasmtime::component::ComponentExportIndex> {
        let full = find_export(compiled.imports.exports.iter().map(String::as_str), interface)?;
        let instance = compiled.component.get_export_index(None, full)?;
        compiled.component.get_export_index(Some(&instance), function)
    }
}
