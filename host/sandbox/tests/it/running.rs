//! Suspending, host functions, the log, the pool, and functions called at install.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use shopwright_sandbox::{
    Allocator, Guest, GuestState, HostFunctions, LogStream, Sandbox, SandboxError, SandboxOptions, Suspend, Trap,
};

use crate::plugins::*;

/// A host's own state around the sandbox's.
struct Run {
    guest: Guest,
    answers: Vec<u32>,
}

impl GuestState for Run {
    fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

/// Calls `orders.get` until the answer is 0 and gives the sum: a run that can be replayed.
const SUM: &str = r#"
    (import "host" "get" (func $get (param i32) (result i32)))
    (func (export "run") (result i32)
        (local $sum i32) (local $x i32)
        (loop $l
            (local.set $x (call $get (local.get $sum)))
            (local.set $sum (i32.add (local.get $sum) (local.get $x)))
            (br_if $l (local.get $x)))
        (local.get $sum))"#;

#[tokio::test]
async fn suspending_unwinds_and_gives_the_state_back() {
    let mut functions = HostFunctions::<Run>::new();
    let position = Arc::new(AtomicU32::new(0));
    functions.add_async("orders", "get", {
        let position = position.clone();
        move |mut store, (_,): (u32,)| {
            let at = position.fetch_add(1, Ordering::Relaxed) as usize;
            Box::new(async move {
                tokio::task::yield_now().await;
                match store.data_mut().answers.get(at) {
                    Some(answer) => Ok((*answer,)),
                    None => Err(Suspend.into()),
                }
            })
        }
    });
    let compiled = compile(&with_orders(SUM)).unwrap();
    let prepared = SANDBOX.prepare(&compiled, &functions, &|_, _| true).unwrap();
    let mut run = Run { guest: guest(|_| {}), answers: Vec::new() };
    let mut fuel = 0;
    for next in [3, 4, 5, 0] {
        position.store(0, Ordering::Relaxed);
        let (state, result) = prepared.run::<(), u32>(run, ()).await;
        assert!(matches!(result, Err(Trap::Suspended)), "{result:?}");
        assert!(state.guest.fuel_used() > fuel, "a replay counts from the beginning");
        fuel = state.guest.fuel_used();
        run = state;
        run.answers.push(next);
    }
    position.store(0, Ordering::Relaxed);
    let (state, result) = prepared.run::<(), u32>(run, ()).await;
    assert_eq!(result.unwrap(), 12);
    assert_eq!(state.answers, [3, 4, 5, 0]);
}

#[tokio::test]
async fn errors_of_host_functions_are_the_hosts() {
    #[derive(Debug, thiserror::Error)]
    #[error("no database")]
    struct NoDatabase;

    let failing = |error: fn() -> shopwright_sandbox::wasmtime::Error| {
        let mut functions = HostFunctions::new();
        functions.add("orders", "get", move |_, (_,): (u32,)| Err::<(u32,), _>(error()));
        orders_plugin(GET_ONCE, "0.1.0").prepare_with(&functions)
    };
    let host = trap(&failing(|| NoDatabase.into()), guest(|_| {})).await;
    let text = host.to_string();
    assert!(text.contains("orders.get") && text.contains("no database"), "{text}");
    let Trap::Host(error) = host else { panic!("{host:?}") };
    assert!(error.downcast_ref::<NoDatabase>().is_some());

    // A host function ends the run with a trap of its choice.
    let log = trap(&failing(|| Trap::TooMuchLog { limit: 5 }.into()), guest(|_| {})).await;
    assert!(matches!(log, Trap::TooMuchLog { limit: 5 }), "{log:?}");
}

#[tokio::test]
async fn a_newer_patch_version_links_to_the_same_functions() {
    let mut functions = HostFunctions::new();
    functions.add("orders", "get", |_, (x,): (u32,)| Ok((x + 1,)));
    let prepared = orders_plugin(GET_ONCE, "0.1.77").prepare_with(&functions);
    assert_eq!(run(&prepared, guest(|_| {})).await.1.unwrap(), 21);
}

/// Writes "one\ntwo" to standard output and "oops\n" to standard error, then does `end`.
fn chatty(end: &str) -> Vec<u8> {
    let core = format!(
        r#"{}
        (data (i32.const 0) "one\ntwooops\n")
        (func (export "run") (result i32)
            (call $write (call $stdout) (i32.const 0) (i32.const 5) (i32.const 64))
            (call $write (call $stdout) (i32.const 5) (i32.const 2) (i32.const 64))
            (call $write (call $stderr) (i32.const 7) (i32.const 5) (i32.const 64))
            {end})"#,
        writing!("")
    );
    writer(&core).bytes()
}

fn prepare(bytes: &[u8]) -> shopwright_sandbox::Prepared<Guest> {
    SANDBOX.prepare(&compile(bytes).unwrap(), &HostFunctions::new(), &|_, _| true).unwrap()
}

#[tokio::test]
async fn what_a_plugin_writes_becomes_lines_of_log() {
    let plugin = prepare(&chatty("(i32.const 1)"));
    let (mut kept, _) = run(&plugin, guest(|_| {})).await;
    let lines: Vec<_> = kept.take_log().into_iter().map(|line| (line.stream, line.text)).collect();
    // The unfinished line comes when the run ends.
    assert_eq!(
        lines,
        [
            (LogStream::Stdout, "one".to_owned()),
            (LogStream::Stderr, "oops".to_owned()),
            (LogStream::Stdout, "two".to_owned()),
        ]
    );
    let mut replaying = guest(|_| {});
    replaying.keep_log(false);
    let (mut replaying, _) = run(&plugin, replaying).await;
    assert_eq!(replaying.take_log(), []);
}

#[tokio::test]
async fn lines_are_counted_even_where_they_are_not_kept() {
    let plugin = prepare(&chatty("(i32.const 1)"));
    let mut replaying = guest(|l| l.log_bytes = 40);
    replaying.keep_log(false);
    let trap = trap(&plugin, replaying).await;
    assert!(matches!(trap, Trap::TooMuchLog { .. }), "{trap:?}");
}

#[tokio::test]
async fn a_panic_is_reported_in_the_plugins_own_words() {
    let core = format!(
        r#"{}
        (data (i32.const 0) "thread 'main' panicked at src/lib.rs:3:9:\nno such cart\n")
        (func $inner
            (call $write (call $stderr) (i32.const 0) (i32.const 55) (i32.const 64))
            unreachable)
        (func $outer (export "run") (result i32) (call $inner) (i32.const 0))"#,
        writing!("")
    );
    let trap = trap(&prepare(&writer(&core).bytes()), guest(|_| {})).await;
    let Trap::Guest { message, backtrace } = &trap else { panic!("{trap:?}") };
    assert_eq!(message, "panicked at src/lib.rs:3:9: no such cart");
    assert_eq!(backtrace, &["inner", "outer"]);
    assert!(trap.to_string().contains("(in inner)"), "{trap}");
}

#[tokio::test]
async fn runs_wait_for_a_free_instance_instead_of_failing() {
    let sandbox = Sandbox::new(SandboxOptions { instances: 2, ..SandboxOptions::default() }).unwrap();
    assert_eq!(sandbox.probe().allocator, Allocator::Pooling);
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut functions = HostFunctions::new();
    functions.add_async("orders", "get", {
        let (now, most) = (now.clone(), most.clone());
        move |_, (x,): (u32,)| {
            let (now, most) = (now.clone(), most.clone());
            Box::new(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok((x,))
            })
        }
    });
    let compiled = sandbox.compile(&with_orders(GET_ONCE), "d").unwrap();
    let prepared = sandbox.prepare(&compiled, &functions, &|_, _| true).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let prepared = prepared.clone();
        tasks.spawn(async move { run(&prepared, guest(|_| {})).await.1.unwrap() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers, [20; 50]);
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(sandbox.free_instances(), 2);
}

#[tokio::test]
async fn a_dropped_run_gives_its_instance_back() {
    let sandbox = Sandbox::new(SandboxOptions { instances: 1, ..SandboxOptions::default() }).unwrap();
    let mut functions = HostFunctions::new();
    functions.add_async("orders", "get", |_, (x,): (u32,)| {
        Box::new(async move {
            if x == 20 {
                std::future::pending::<()>().await;
            }
            Ok((x,))
        })
    });
    let compiled = sandbox.compile(&with_orders(GET_ONCE), "d").unwrap();
    let prepared = sandbox.prepare(&compiled, &functions, &|_, _| true).unwrap();
    for _ in 0..3 {
        let mut stuck = Box::pin(run(&prepared, guest(|_| {})));
        std::future::poll_fn(|context| {
            assert!(stuck.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert_eq!(sandbox.free_instances(), 0);
        drop(stuck);
        assert_eq!(sandbox.free_instances(), 1);
    }
}

/// A plugin with `about.settings-schema`, whose body is `schema`.
fn about(schema: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (import "shopwright:plugin/orders@0.1.0" (instance $orders (export "get" (func))))
            (alias export $orders "get" (func $get))
            (core func $get' (canon lower (func $get)))
            (core module $m
                (import "host" "get" (func $get))
                (memory (export "memory") 1)
                (data (i32.const 16) "{{\"type\":\"object\"}}")
                (func (export "run"))
                (func (export "schema") (result i32)
                    {schema}
                    (i32.store (i32.const 0) (i32.const 16))
                    (i32.store (i32.const 4) (i32.const 17))
                    (i32.const 0)))
            (core instance $i (instantiate $m
                (with "host" (instance (export "get" (func $get'))))))
            (func $run (canon lift (core func $i "run")))
            (func $schema (result string)
                (canon lift (core func $i "schema") (memory (core memory $i "memory"))))
            (instance $handler (export "run" (func $run)))
            (instance $about (export "settings-schema" (func $schema)))
            (export "shopwright:plugin/handler@0.1.0" (instance $handler))
            (export "shopwright:plugin/about@0.1.0" (instance $about)))"#
    ))
    .unwrap()
}

#[tokio::test]
async fn the_settings_schema_is_read_without_host_functions() {
    let ask =
        async |bytes: &[u8], function: &str| SANDBOX.call_no_imports(&compile(bytes).unwrap(), "about", function).await;
    assert_eq!(ask(&about(""), "settings-schema").await.unwrap().as_deref(), Some(r#"{"type":"object"}"#));
    assert_eq!(ask(&about(""), "icon").await.unwrap(), None);
    let plain = Plugin { core: r#"(func (export "run") (result i32) (i32.const 0))"#, ..Plugin::default() }.bytes();
    assert_eq!(ask(&plain, "settings-schema").await.unwrap(), None);
    for (schema, reason) in [("(call $get)", "orders"), ("(loop $l (br $l))", "fuel")] {
        let error = ask(&about(schema), "settings-schema").await.unwrap_err();
        assert!(matches!(error, SandboxError::Call { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("about.settings-schema") && text.contains(reason), "{text}");
    }
}
