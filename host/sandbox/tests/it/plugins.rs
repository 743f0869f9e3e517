//! What the tests share: one sandbox, and plugins from text.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use shopwright_sandbox::{Compiled, Guest, GuestLimits, HostFunctions, Prepared, Sandbox, SandboxOptions, Trap};

/// A sandbox for all tests: pools reserve address space, so one is enough.
pub static SANDBOX: LazyLock<Sandbox> =
    LazyLock::new(|| Sandbox::new(SandboxOptions { instances: 32, ..SandboxOptions::default() }).unwrap());

/// A plugin: `imports` are the component's imports, `lower` makes core functions of them and
/// instances for the core module, `core` is the core module's body, which exports `run`, and
/// `signature` the type of the exported `run`. A memory of one page is at hand as `$mem "memory"`.
pub struct Plugin<'a> {
    pub imports: &'a str,
    pub lower: &'a str,
    pub with: &'a str,
    pub core: &'a str,
    pub signature: &'a str,
    pub pages: u32,
}

impl Default for Plugin<'_> {
    fn default() -> Self {
        Self { imports: "", lower: "", with: "", core: "", signature: "(result u32)", pages: 1 }
    }
}

impl Plugin<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let Self { imports, lower, with, core, signature, pages } = self;
        wat::parse_str(format!(
            r#"(component
                {imports}
                (core module $memory (memory (export "memory") {pages}))
                (core instance $mem (instantiate $memory))
                {lower}
                (core module $m (import "mem" "memory" (memory {pages})) {core})
                (core instance $i (instantiate $m (with "mem" (instance $mem)) {with}))
                (func $run {signature}
                    (canon lift (core func $i "run") (memory (core memory $mem "memory"))))
                (instance $handler (export "run" (func $run)))
                (export "shopwright:plugin/handler@0.1.0" (instance $handler))
            )"#
        ))
        .unwrap()
    }

    pub fn compile(&self) -> Arc<Compiled> {
        compile(&self.bytes()).unwrap()
    }

    /// Linked with no host functions.
    pub fn prepare(&self) -> Prepared<Guest> {
        self.prepare_with(&HostFunctions::new())
    }

    pub fn prepare_with(&self, functions: &HostFunctions<Guest>) -> Prepared<Guest> {
        SANDBOX.prepare(&self.compile(), functions, &|_, _| true).unwrap()
    }
}

/// Compiles under a digest of its own.
pub fn compile(bytes: &[u8]) -> Result<Arc<Compiled>, shopwright_sandbox::SandboxError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let digest = format!("test:{}", NEXT.fetch_add(1, Ordering::Relaxed));
    SANDBOX.compile(bytes, &digest)
}

/// A plugin whose `run` has this body and gives an `i32`.
pub fn pure(body: &str) -> Prepared<Guest> {
    let core = format!(r#"(func (export "run") (result i32) {body})"#);
    Plugin { core: &core, ..Plugin::default() }.prepare()
}

/// A plugin that imports `orders.get: func(x: u32) -> u32` as `$get`.
pub fn with_orders(core: &str) -> Vec<u8> {
    orders_plugin(core, "0.1.0").bytes()
}

pub fn orders_plugin<'a>(core: &'a str, version: &str) -> Plugin<'a> {
    let imports = format!(
        r#"(import "shopwright:plugin/orders@{version}"
            (instance $orders (export "get" (func (param "x" u32) (result u32)))))
           (alias export $orders "get" (func $get))"#
    );
    Plugin {
        imports: imports.leak(),
        lower: r#"(core func $get' (canon lower (func $get)))
                  (core instance $host (export "get" (func $get')))"#,
        with: r#"(with "host" (instance $host))"#,
        core,
        ..Plugin::default()
    }
}

/// A core module that calls `orders.get(20)` once and gives its answer.
pub const GET_ONCE: &str = r#"
    (import "host" "get" (func $get (param i32) (result i32)))
    (func (export "run") (result i32) (call $get (i32.const 20)))"#;

pub fn guest(change: impl FnOnce(&mut GuestLimits)) -> Guest {
    let mut limits = GuestLimits::default();
    change(&mut limits);
    Guest::new(limits, 7, 1_000)
}

pub async fn run(prepared: &Prepared<Guest>, guest: Guest) -> (Guest, Result<u32, Trap>) {
    prepared.run::<(), u32>(guest, ()).await
}

/// Runs to a trap.
pub async fn trap(prepared: &Prepared<Guest>, guest: Guest) -> Trap {
    run(prepared, guest).await.1.expect_err("the plugin must not return")
}

/// The parts of a plugin that writes to standard output: `$write` takes stream, pointer, length and
/// result pointer.
pub fn writer(core: &str) -> Plugin<'_> {
    Plugin {
        imports: r#"
            (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
            (alias export $error "error" (type $error-type))
            (import "wasi:io/streams@0.2.3" (instance $streams
                (export "output-stream" (type $stream (sub resource)))
                (alias outer 1 $error-type (type $e))
                (export "error" (type $err (eq $e)))
                (type $se (variant (case "last-operation-failed" (own $err)) (case "closed")))
                (export "stream-error" (type $stream-error (eq $se)))
                (type $r (result (error $stream-error)))
                (export "[method]output-stream.blocking-write-and-flush"
                    (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result $r)))))
            (alias export $streams "output-stream" (type $stream-type))
            (import "wasi:cli/stdout@0.2.3" (instance $stdout
                (alias outer 1 $stream-type (type $s))
                (export "output-stream" (type $os (eq $s)))
                (export "get-stdout" (func (result (own $os))))))
            (import "wasi:cli/stderr@0.2.3" (instance $stderr
                (alias outer 1 $stream-type (type $s))
                (export "output-stream" (type $os (eq $s)))
                (export "get-stderr" (func (result (own $os))))))
            (alias export $streams "[method]output-stream.blocking-write-and-flush" (func $write))
            (alias export $stdout "get-stdout" (func $get-stdout))
            (alias export $stderr "get-stderr" (func $get-stderr))"#,
        lower: r#"
            (core func $write' (canon lower (func $write) (memory (core memory $mem "memory"))))
            (core func $stdout' (canon lower (func $get-stdout)))
            (core func $stderr' (canon lower (func $get-stderr)))
            (core instance $wasi
                (export "write" (func $write'))
                (export "stdout" (func $stdout'))
                (export "stderr" (func $stderr')))"#,
        with: r#"(with "wasi" (instance $wasi))"#,
        core,
        ..Plugin::default()
    }
}

/// Imports for the core module of a [`writer`].
macro_rules! writing {
    ($body:literal) => {
        concat!(
            r#"(import "wasi" "write" (func $write (param i32 i32 i32 i32)))
               (import "wasi" "stdout" (func $stdout (result i32)))
               (import "wasi" "stderr" (func $stderr (result i32)))"#,
            $body
        )
    };
}
pub(crate) use writing;
