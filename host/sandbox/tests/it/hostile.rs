//! Every way a plugin can misbehave ends in the trap that names it, and disturbs nobody else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shopwright_sandbox::{HostFunctions, SandboxError, Trap};
use tokio::sync::Notify;

use crate::plugins::*;

const ENDLESS: &str = "(loop $l (br $l)) (i32.const 0)";

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel() {
    let (guest, result) = run(&pure(ENDLESS), guest(|l| l.fuel = 1_000_000)).await;
    let trap = result.unwrap_err();
    assert!(matches!(trap, Trap::OutOfFuel { budget: 1_000_000 }), "{trap:?}");
    assert!(trap.to_string().contains("1000000 units of fuel"), "{trap}");
    assert_eq!(guest.fuel_used(), 1_000_000);
}

#[tokio::test]
async fn an_endless_loop_with_endless_fuel_meets_the_clock() {
    let limit = Duration::from_millis(40);
    let (guest, result) = run(
        &pure(ENDLESS),
        guest(|l| {
            l.fuel = u64::MAX;
            l.wall = limit;
        }),
    )
    .await;
    let trap = result.unwrap_err();
    assert!(matches!(trap, Trap::WallClock { limit: l } if l == limit), "{trap:?}");
    assert!(guest.executed() >= limit);
}

#[tokio::test]
async fn a_memory_bomb_meets_the_limit() {
    let bomb = pure("(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (i32.const 0)");
    let (guest, result) = run(&bomb, guest(|l| l.memory_bytes = 10 << 16)).await;
    let trap = result.unwrap_err();
    assert!(matches!(trap, Trap::OutOfMemory { limit: 655_360 }), "{trap:?}");
    assert_eq!(guest.memory_peak(), 10 << 16);
}

#[tokio::test]
async fn no_run_gets_more_memory_than_the_pool_has() {
    let bomb = pure("(loop $l (drop (memory.grow (i32.const 16))) (br $l)) (i32.const 0)");
    let trap = trap(&bomb, guest(|l| l.memory_bytes = usize::MAX)).await;
    assert!(matches!(trap, Trap::OutOfMemory { limit } if limit == 64 << 20), "{trap:?}");
}

#[tokio::test]
async fn memory_counts_before_the_first_instruction() {
    let plugin = Plugin { core: r#"(func (export "run") (result i32) (i32.const 1))"#, pages: 20, ..Plugin::default() }
        .prepare();
    let trap = trap(&plugin, guest(|l| l.memory_bytes = 10 << 16)).await;
    assert!(matches!(trap, Trap::OutOfMemory { .. }), "{trap:?}");
}

#[tokio::test]
async fn a_modules_own_maximum_is_no_fault() {
    let plugin = Plugin {
        core: r#"(memory $own 1 2)
            (func (export "run") (result i32) (memory.grow $own (i32.const 5)))"#,
        ..Plugin::default()
    }
    .prepare();
    let (_, result) = run(&plugin, guest(|_| {})).await;
    assert_eq!(result.unwrap(), u32::MAX);
}

#[tokio::test]
async fn a_table_bomb_counts_as_memory() {
    let plugin = Plugin {
        core: r#"(table $t 1 funcref)
            (func (export "run") (result i32)
                (loop $l
                    (drop (table.grow $t (ref.null func) (i32.const 1000)))
                    (br $l))
                (i32.const 0))"#,
        ..Plugin::default()
    }
    .prepare();
    let trap = trap(&plugin, guest(|l| l.memory_bytes = 4 << 16)).await;
    assert!(matches!(trap, Trap::OutOfMemory { .. }), "{trap:?}");
}

#[test]
fn what_cannot_fit_the_pool_is_refused_at_install() {
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    for (core, word) in
        [(format!("(table 10000000 funcref) {run}"), "table"), (format!("(memory 60000) {run}"), "memory")]
    {
        let error = compile(&Plugin { core: &core, ..Plugin::default() }.bytes()).unwrap_err();
        assert!(matches!(error, SandboxError::Compile { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn deep_recursion_overflows_the_guests_stack_only() {
    let plugin = Plugin {
        core: r#"(func $f (export "run") (result i32)
            (i32.add (call $f) (i32.const 1)))"#,
        ..Plugin::default()
    }
    .prepare();
    let trap = trap(&plugin, guest(|l| l.fuel = u64::MAX)).await;
    assert!(matches!(trap, Trap::StackOverflow), "{trap:?}");
}

#[tokio::test]
async fn a_flood_of_log_meets_the_limit() {
    let plugin = writer(writing!(
        r#"(func (export "run") (result i32)
            (local $out i32)
            (local.set $out (call $stdout))
            (loop $l
                (call $write (local.get $out) (i32.const 0) (i32.const 1024) (i32.const 2048))
                (br $l))
            (i32.const 0))"#
    ))
    .prepare();
    let (mut guest, result) = run(&plugin, guest(|l| l.log_bytes = 100_000)).await;
    let trap = result.unwrap_err();
    assert!(matches!(trap, Trap::TooMuchLog { limit: 100_000 }), "{trap:?}");
    let kept: usize = guest.take_log().iter().map(|line| line.text.len()).sum();
    assert!(kept > 90_000 && kept <= 100_000, "{kept}");
}

#[tokio::test]
async fn a_flood_of_handles_meets_the_limit() {
    let plugin = writer(writing!(
        r#"(func (export "run") (result i32)
            (loop $l (drop (call $stdout)) (br $l))
            (i32.const 0))"#
    ))
    .prepare();
    let trap = trap(&plugin, guest(|_| {})).await;
    assert!(matches!(&trap, Trap::Guest { message, .. } if message.contains("handle")), "{trap:?}");
}

#[tokio::test]
async fn a_trap_at_start_is_the_runs_not_the_hosts() {
    let plugin = Plugin {
        core: r#"(func $start unreachable) (start $start)
            (func (export "run") (result i32) (i32.const 0))"#,
        ..Plugin::default()
    }
    .prepare();
    let trap = trap(&plugin, guest(|_| {})).await;
    let Trap::Guest { message, backtrace } = trap else { panic!("{trap:?}") };
    assert!(message.contains("unreachable"), "{message}");
    assert_eq!(backtrace, ["start"]);
}

#[tokio::test]
async fn an_endless_start_function_runs_out_of_fuel() {
    let plugin = Plugin {
        core: r#"(func $start (loop $l (br $l))) (start $start)
            (func (export "run") (result i32) (i32.const 0))"#,
        ..Plugin::default()
    }
    .prepare();
    let trap = trap(&plugin, guest(|l| l.fuel = 100_000)).await;
    assert!(matches!(trap, Trap::OutOfFuel { .. }), "{trap:?}");
}

/// A plugin that hands a string of `length` bytes to `memory.set`.
fn string_plugin(length: u32) -> Vec<u8> {
    let core = format!(
        r#"(import "host" "set" (func $set (param i32 i32)))
        (func (export "run") (result i32)
            (call $set (i32.const 0) (i32.const {length})) (i32.const 1))"#
    );
    Plugin {
        imports: r#"(import "shopwright:plugin/memory@0.1.0"
            (instance $memory (export "set" (func (param "text" string)))))
            (alias export $memory "set" (func $set))"#,
        lower: r#"(core func $set' (canon lower (func $set) (memory (core memory $mem "memory"))))
            (core instance $host (export "set" (func $set')))"#,
        with: r#"(with "host" (instance $host))"#,
        core: &core,
        pages: 200,
        ..Plugin::default()
    }
    .bytes()
}

#[tokio::test]
async fn a_huge_argument_is_refused_before_it_is_copied() {
    let mut functions = HostFunctions::new();
    let called = Arc::new(AtomicBool::new(false));
    let seen = called.clone();
    functions.add("memory", "set", move |_, (text,): (String,)| {
        seen.store(true, Ordering::Relaxed);
        assert!(text.len() <= 4 << 20);
        Ok(())
    });
    let prepare = |length| {
        let compiled = compile(&string_plugin(length)).unwrap();
        SANDBOX.prepare(&compiled, &functions, &|_, _| true).unwrap()
    };
    let trap = trap(&prepare(10 << 20), guest(|_| {})).await;
    assert!(matches!(trap, Trap::TooMuchData { limit } if limit == 4 << 20), "{trap:?}");
    assert!(!called.load(Ordering::Relaxed));
    assert_eq!(run(&prepare(1 << 20), guest(|_| {})).await.1.unwrap(), 1);
    // A length that lies outside the memory is the guest's fault, not a crash.
    let trap = self::trap(&prepare(u32::MAX), guest(|_| {})).await;
    assert!(matches!(trap, Trap::Guest { .. } | Trap::TooMuchData { .. }), "{trap:?}");
}

/// A plugin whose `run(text: string) -> string` has these bodies of `realloc`, `run` and `post`.
fn echo(realloc: &str, run: &str, post: &str) -> shopwright_sandbox::Prepared<shopwright_sandbox::Guest> {
    let bytes = wat::parse_str(format!(
        r#"(component
            (core module $m
                (memory (export "memory") 400)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                (func (export "run") (param i32 i32) (result i32) {run})
                (func (export "post") (param i32) {post}))
            (core instance $i (instantiate $m))
            (func $run (param "text" string) (result string)
                (canon lift (core func $i "run")
                    (memory (core memory $i "memory"))
                    (realloc (core func $i "realloc"))
                    (post-return (core func $i "post"))))
            (instance $handler (export "run" (func $run)))
            (export "shopwright:plugin/handler@0.1.0" (instance $handler)))"#
    ))
    .unwrap();
    SANDBOX.prepare(&compile(&bytes).unwrap(), &HostFunctions::new(), &|_, _| true).unwrap()
}

/// The functions that the component model itself calls in a guest are the guest's too.
#[tokio::test]
async fn hostile_allocators_results_and_clean_ups_end_the_run() {
    let ok = "(i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 5)) (i32.const 0)";
    let huge = "(i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 20000000)) (i32.const 0)";
    let wild = "(i32.const -16)";
    let endless = "(loop $l (br $l))";
    let run = async |realloc: &str, run: &str, post: &str| {
        echo(realloc, run, post).run::<_, String>(guest(|l| l.fuel = 1_000_000), ("hello",)).await.1
    };
    assert_eq!(run("(i32.const 8)", ok, "").await.unwrap(), "hello");
    for (realloc, body, post) in [
        ("(i32.const 8)", wild, ""),
        (wild, ok, ""),
        ("(i32.const 8)", "unreachable", ""),
        ("(i32.const 8)", ok, "unreachable"),
    ] {
        let trap = run(realloc, body, post).await.unwrap_err();
        assert!(matches!(trap, Trap::Guest { .. }), "{realloc} {body} {post}: {trap:?}");
    }
    for (realloc, body, post) in [("(loop $l (br $l)) (i32.const 0)", ok, ""), ("(i32.const 8)", ok, endless)] {
        let trap = run(realloc, body, post).await.unwrap_err();
        assert!(matches!(trap, Trap::OutOfFuel { .. }), "{realloc} {post}: {trap:?}");
    }
    let trap = run("(i32.const 8)", huge, "").await.unwrap_err();
    assert!(matches!(trap, Trap::TooMuchData { .. }), "{trap:?}");
}

#[tokio::test]
async fn exit_and_sleep_are_refused_with_what_to_use() {
    let exit = Plugin {
        imports: r#"(import "wasi:cli/exit@0.2.0"
            (instance $exit (export "exit" (func (param "status" (result))))))
            (alias export $exit "exit" (func $f))"#,
        lower: r#"(core func $f' (canon lower (func $f)))
            (core instance $host (export "f" (func $f')))"#,
        with: r#"(with "host" (instance $host))"#,
        core: r#"(import "host" "f" (func $f (param i32)))
            (func (export "run") (result i32) (call $f (i32.const 1)) (i32.const 0))"#,
        ..Plugin::default()
    };
    let sleep = Plugin {
        imports: r#"(import "wasi:io/poll@0.2.9"
                (instance $poll (export "pollable" (type (sub resource)))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.9" (instance $clock
                (alias outer 1 $pollable (type $p))
                (export "pollable" (type $q (eq $p)))
                (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
            (alias export $clock "subscribe-duration" (func $f))"#,
        lower: r#"(core func $f' (canon lower (func $f)))
            (core instance $host (export "f" (func $f')))"#,
        with: r#"(with "host" (instance $host))"#,
        core: r#"(import "host" "f" (func $f (param i64) (result i32)))
            (func (export "run") (result i32) (call $f (i64.const 1)))"#,
        ..Plugin::default()
    };
    for (plugin, advice) in [(exit, "return a failure"), (sleep, "workflow.sleep")] {
        let trap = trap(&plugin.prepare(), guest(|_| {})).await;
        assert!(matches!(&trap, Trap::Wasi(text) if text.contains(advice)), "{trap:?}");
    }
}

/// On one thread: a runaway, a run that waits for it in a host function, and small runs.
/// The small ones do not wait for the runaway, and waiting is not counted as executing.
#[tokio::test(flavor = "current_thread")]
async fn a_runaway_does_not_hold_up_the_others() {
    let over = Arc::new(Notify::new());
    let ended = Arc::new(AtomicBool::new(false));
    let runaway = tokio::spawn({
        let (over, ended) = (over.clone(), ended.clone());
        async move {
            let endless = pure(ENDLESS);
            let trap = trap(
                &endless,
                guest(|l| {
                    l.fuel = u64::MAX;
                    l.wall = Duration::from_secs(1);
                }),
            )
            .await;
            ended.store(true, Ordering::Relaxed);
            over.notify_one();
            trap
        }
    });
    let mut functions = HostFunctions::new();
    functions.add_async("orders", "get", move |_, (x,): (u32,)| {
        let over = over.clone();
        Box::new(async move {
            over.notified().await;
            Ok((x,))
        })
    });
    let waiting = orders_plugin(GET_ONCE, "0.1.0").prepare_with(&functions);
    let waiting = tokio::spawn(async move { run(&waiting, guest(|l| l.wall = Duration::from_millis(100))).await });
    let small = pure("(i32.const 5)");
    for _ in 0..5 {
        // The runaway's turn: this returns when its tick is over.
        tokio::task::yield_now().await;
        assert_eq!(run(&small, guest(|_| {})).await.1.unwrap(), 5);
    }
    assert!(!ended.load(Ordering::Relaxed), "the small runs had to wait");
    let trap = runaway.await.unwrap();
    assert!(matches!(trap, Trap::WallClock { .. }), "{trap:?}");
    let (guest, result) = waiting.await.unwrap();
    assert_eq!(result.unwrap(), 20);
    assert!(guest.executed() < Duration::from_millis(100));
}
