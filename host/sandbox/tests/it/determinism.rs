//! The same seed, clock and answers give the same run, to the last unit of fuel.

use shopwright_sandbox::{Guest, GuestLimits};

use crate::plugins::*;

/// `run(what)`: 0 random number, 1 monotonic clock, 2 second random number, 3 hash seed, 4 wall clock in seconds,
/// 5 bits of a NaN made by a division.
fn oracle() -> Plugin<'static> {
    Plugin {
        imports: r#"
            (import "wasi:random/random@0.2.1" (instance $random
                (export "get-random-u64" (func (result u64)))))
            (import "wasi:random/insecure-seed@0.2.1" (instance $seed
                (export "insecure-seed" (func (result (tuple u64 u64))))))
            (import "wasi:clocks/monotonic-clock@0.2.1" (instance $clock
                (export "now" (func (result u64)))))
            (import "wasi:clocks/wall-clock@0.2.1" (instance $wall
                (type $d (record (field "seconds" u64) (field "nanoseconds" u32)))
                (export "datetime" (type $datetime (eq $d)))
                (export "now" (func (result $datetime)))))
            (alias export $random "get-random-u64" (func $random-f))
            (alias export $seed "insecure-seed" (func $seed-f))
            (alias export $clock "now" (func $clock-f))
            (alias export $wall "now" (func $wall-f))"#,
        lower: r#"
            (core func $random' (canon lower (func $random-f)))
            (core func $seed' (canon lower (func $seed-f) (memory (core memory $mem "memory"))))
            (core func $clock' (canon lower (func $clock-f)))
            (core func $wall' (canon lower (func $wall-f) (memory (core memory $mem "memory"))))
            (core instance $host
                (export "random" (func $random'))
                (export "seed" (func $seed'))
                (export "clock" (func $clock'))
                (export "wall" (func $wall')))"#,
        with: r#"(with "host" (instance $host))"#,
        core: r#"
            (import "host" "random" (func $random (result i64)))
            (import "host" "clock" (func $clock (result i64)))
            (import "host" "seed" (func $seed (param i32)))
            (import "host" "wall" (func $wall (param i32)))
            (func (export "run") (param $what i32) (result i64)
                (if (i32.eq (local.get $what) (i32.const 0)) (then (return (call $random))))
                (if (i32.eq (local.get $what) (i32.const 1)) (then (return (call $clock))))
                (if (i32.eq (local.get $what) (i32.const 2))
                    (then (drop (call $random)) (return (call $random))))
                (if (i32.eq (local.get $what) (i32.const 3))
                    (then
                        (call $seed (i32.const 0))
                        (call $seed (i32.const 16))
                        (return (i64.xor
                            (i64.xor (i64.load (i32.const 0)) (i64.load (i32.const 16)))
                            (i64.load (i32.const 8))))))
                (if (i32.eq (local.get $what) (i32.const 4))
                    (then (call $wall (i32.const 0)) (return (i64.load (i32.const 0)))))
                (i64.reinterpret_f64 (f64.div
                    (f64.convert_i32_u (i32.sub (local.get $what) (i32.const 5)))
                    (f64.convert_i32_u (i32.sub (local.get $what) (i32.const 5))))))"#,
        signature: r#"(param "what" u32) (result u64)"#,
        ..Plugin::default()
    }
}

#[tokio::test]
async fn seed_and_clock_decide_what_wasi_answers() {
    let oracle = oracle().prepare();
    let ask = async |seed, now_ms, what: u32| {
        let guest = Guest::new(GuestLimits::default(), seed, now_ms);
        let (guest, result) = oracle.run::<_, u64>(guest, (what,)).await;
        (result.unwrap(), guest.fuel_used())
    };
    for what in [0, 2, 3, 5] {
        assert_eq!(ask(1, 0, what).await, ask(1, 99, what).await, "{what}");
    }
    for what in [0, 2, 3] {
        assert_ne!(ask(1, 0, what).await.0, ask(2, 0, what).await.0, "{what}");
    }
    assert_ne!(ask(1, 0, 0).await.0, ask(1, 0, 2).await.0);
    assert_eq!(ask(1, 1_234_567, 1).await.0, 1_234_567_000_000);
    assert_eq!(ask(1, 1_234_567, 4).await.0, 1_234);
    assert_eq!(ask(1, -5, 4).await.0, 0);
    // The canonical NaN, whatever the processor makes of 0/0.
    assert_eq!(ask(1, 0, 5).await.0, 0x7ff8_0000_0000_0000);
    // Pinned: a run that began on an older host goes on with the same sequence.
    assert_eq!(ask(42, 0, 0).await.0, 6_424_161_053_832_095_879);
}
