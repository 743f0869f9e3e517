//! Two threads give more runs than one. A measurement, to be run alone: `cargo test --release -p
//! shopwright-sandbox -- --ignored --nocapture`.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use shopwright_sandbox::{Guest, GuestLimits, HostFunctions, Sandbox, SandboxOptions};

use crate::plugins::Plugin;

const TIME: Duration = Duration::from_secs(1);

/// How often per second `threads` threads do `work` together.
fn rate(threads: u32, work: impl Fn() + Sync) -> f64 {
    let begin = Instant::now();
    let count = |_| {
        let mut count = 0u64;
        while begin.elapsed() < TIME {
            (0..50).for_each(|_| work());
            count += 50;
        }
        count
    };
    let sum: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|n| scope.spawn(move || count(n))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    sum as f64 / begin.elapsed().as_secs_f64()
}

/// One thread's rate, and two threads' as a multiple of it.
fn scaling(work: impl Fn() + Sync) -> (f64, f64) {
    rate(2, &work);
    let one = rate(1, &work);
    (one, rate(2, &work) / one)
}

fn runs(sandbox: &Sandbox) -> (f64, f64) {
    // Dirties 40 pages, as a small Rust plugin does.
    let bytes = Plugin {
        core: r#"(func (export "run") (result i32) (local $at i32)
            (loop $l
                (i32.store (local.get $at) (i32.const 7))
                (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                (br_if $l (i32.lt_u (local.get $at) (i32.const 163840))))
            (i32.const 1))"#,
        pages: 17,
        ..Plugin::default()
    }
    .bytes();
    let compiled = sandbox.compile(&bytes, "scaling").unwrap();
    let prepared = sandbox.prepare(&compiled, &HostFunctions::new(), &|_, _| true).unwrap();
    scaling(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for _ in 0..100 {
                let guest = Guest::new(GuestLimits::default(), 1, 0);
                prepared.run::<(), u32>(guest, ()).await.1.unwrap();
            }
        });
    })
}

#[test]
#[ignore = "a measurement, wants a machine of its own"]
fn two_threads_give_more_runs_than_one() {
    // What this machine gives two threads that share nothing: 2 with two free cores.
    let (_, machine) = scaling(|| {
        black_box((0..100_000u64).fold(1u64, |x, y| black_box(x.wrapping_mul(y | 1))));
    });
    println!("two threads that share nothing: {machine:.2} times one");
    let options = SandboxOptions { instances: 32, ..SandboxOptions::default() };
    for page_scan in [false, true] {
        let sandbox = Sandbox::new(SandboxOptions { page_scan, ..options.clone() }).unwrap();
        let (one, ratio) = runs(&sandbox);
        println!("{}: {:.1} us a run, two threads {ratio:.2} times one", sandbox.probe(), 1e4 / one);
        if sandbox.probe().pagemap_scan {
            assert!(ratio > 0.6 * machine, "{ratio:.2} where the machine gives {machine:.2}");
        }
    }
}
